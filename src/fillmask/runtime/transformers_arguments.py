"""The arguments of transformers' `pipeline`, as what fillmask has for them.

An argument is used where it has a meaning, accepted where it changes nothing,
and otherwise refused by name with what to do instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fillmask.errors import InputError
from fillmask.runtime.options import RuntimeOptions
from fillmask.tokenization.tokenizer import Tokenizer

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


# Tasks that are another call here, and how they are called.
_OTHER_CALLS = {
    "restore": 'pipeline("fill-mask").restore(text)',
    "score": 'pipeline("fill-mask").score(text)',
    "evaluate": "`fillmask evaluate`",
    "train": "`fillmask train`",
    "zero-shot-classification": 'pipeline("text-classification", model) with a fine-tuned model (`fillmask train finetune`)',
    "text-generation": 'pipeline("fill-mask").restore(text), which writes into gaps of any length',
    "text2text-generation": 'pipeline("fill-mask").restore(text), which writes into gaps of any length',
}


def no_such_task(task: str | None) -> InputError:
    """The error for a task that `pipeline` does not have, with the call that does it."""
    call = _OTHER_CALLS.get(str(task))
    return InputError(
        f"there is no task {task!r}; {f'use {call}' if call else 'expected fill-mask or text-classification'}"
    )


def check_model_name(model: Any) -> None:
    """Raise InputError for a model object of transformers, with its name."""
    if model is None or isinstance(model, (str, Path)):
        return
    name = getattr(model, "name_or_path", None)
    raise InputError(
        f"model is a {type(model).__name__}; expected its folder or hub id{f' ({name!r})' if name else ''}:"
        " call save_pretrained(folder) and pass the folder"
    )


def own_tokenizer(tokenizer: Any) -> str | Path | Tokenizer | None:
    """What `MaskedLM` takes for a tokenizer of transformers; names and tokenizers of fillmask as they are."""
    if tokenizer is None or isinstance(tokenizer, (str, Path, Tokenizer)):
        return tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"tokenizer is a {type(tokenizer).__name__}; expected a folder, a hub id, or a fast tokenizer (use_fast=True)"
        )
    return Tokenizer(
        type(backend).from_str(backend.to_str()),  # a copy: its truncation and padding stay as they are
        {role: str(token) for role, token in tokenizer.special_tokens_map.items() if isinstance(token, str)},
        int(min(tokenizer.model_max_length, 1_000_000)),
        clean_up=bool(getattr(tokenizer, "clean_up_tokenization_spaces", False)),
        truncation_side=tokenizer.truncation_side,
        type_ids="token_type_ids" in tokenizer.model_input_names,
    )


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
