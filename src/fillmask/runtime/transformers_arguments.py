"""The loading arguments of transformers' `pipeline`, as options that fillmask has.

An argument is used where it has a meaning, accepted where it changes nothing,
and otherwise refused by name with what to do instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fillmask.errors import InputError
from fillmask.runtime.options import RuntimeOptions

# Arguments that only allow or hint at something; no answer depends on them.
_WITHOUT_EFFECT = ("batch_size", "num_workers", "trust_remote_code", "low_cpu_mem_usage", "attn_implementation")
_REFUSED = {
    "config": "the config is read from the checkpoint; leave it out",
    "feature_extractor": "fillmask reads text only; leave it out",
    "image_processor": "fillmask reads text only; leave it out",
    "video_processor": "fillmask reads text only; leave it out",
    "processor": "fillmask reads text only; leave it out, or pass tokenizer=",
    "modelcard": "leave it out",
    "pipeline_class": "subclass fillmask.FillMask, or use transformers' pipeline",
    "binary_output": "answers are lists and dicts; leave it out",
    "load_in_8bit": "use precision='int8'",
    "load_in_4bit": "use precision='int8'",
    "quantization_config": "use precision='int8'",
    "cache_dir": "set HF_HOME or HF_HUB_CACHE in the environment",
    "local_files_only": "set HF_HUB_OFFLINE=1 in the environment",
    "force_download": "delete the model from the hub's cache, or run 'hf cache rm'",
    "from_tf": "fillmask reads model.safetensors only; convert the model with transformers",
    "from_flax": "fillmask reads model.safetensors only; convert the model with transformers",
}
_PRECISIONS = {"float32": "float32", "float": "float32", "bfloat16": "bfloat16"}


def runtime_options(options: RuntimeOptions, arguments: Mapping[str, Any]) -> RuntimeOptions:
    """The options with what transformers' arguments add to them.

    Args:
        arguments: by name, as they were passed to `pipeline`.

    Raises:
        InputError: an argument has no meaning here, contradicts another, or is unknown.
    """
    for name, value in arguments.items():
        options = _with(options, name, value)
    return options


def _with(options: RuntimeOptions, name: str, value: Any) -> RuntimeOptions:
    match name:
        case "model_kwargs":
            if value is not None and not isinstance(value, Mapping):
                raise InputError(f"model_kwargs is {value!r:.40}; expected a dict")
            return runtime_options(options, value or {})
        case "revision":
            return _set(options, "revision", value, name)
        case "dtype" | "torch_dtype":
            return _set(options, "precision", _precision(name, value), name)
        case "device":
            return _set(options, "device", value, name)
        case "device_map":
            return _set(options, "device", _device(value), name)
        case "framework":
            if value not in (None, "pt"):
                raise InputError(
                    f"framework is {value!r}; fillmask runs PyTorch checkpoints: leave it out, or use 'pt'"
                )
        case "use_fast":
            if value not in (None, True):
                raise InputError("use_fast is False, and fillmask has fast tokenizers only; leave it out")
        case "use_safetensors":
            if value not in (None, True):
                raise InputError("use_safetensors is False, and fillmask reads model.safetensors only; leave it out")
        case _ if name in _WITHOUT_EFFECT:
            pass
        case _ if name in _REFUSED:
            if value not in (None, False):
                raise InputError(f"pipeline() takes no {name} here: {_REFUSED[name]}")
        case _:
            raise InputError(f"pipeline() has no argument {name!r}; see help(fillmask.FillMask) for those that it has")
    return options


def _set(options: RuntimeOptions, field: str, value: Any, name: str) -> RuntimeOptions:
    if value is None or value == getattr(options, field):
        return options
    if getattr(options, field) not in (None, "auto"):
        raise InputError(
            f"{name} asks for {field} {value!r}, and {field} is {getattr(options, field)!r}; pass one of them"
        )
    return replace(options, **{field: value})


def _precision(name: str, value: Any) -> str | None:
    """The precision of a dtype: its name, or an object whose name is like torch.float32; "auto" leaves the choice."""
    if value is None or value == "auto":
        return None
    precision = _PRECISIONS.get(str(value).removeprefix("torch."))
    if precision is None:
        raise InputError(
            f"{name} is {value}; fillmask computes in float32, bfloat16, or int8: leave {name} out for the fastest that"
            " keeps the answers, or use precision="
        )
    return precision


def _device(value: Any) -> str | int | None:
    """The device of a `device_map`; "auto" leaves the choice."""
    if isinstance(value, Mapping) and set(value) == {""}:
        value = value[""]
    if value is None or value in ("auto", "balanced", "sequential"):
        return None
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return value
    raise InputError(f"device_map is {value!r:.60}, which splits a model; fillmask runs it on one device: use device=")
