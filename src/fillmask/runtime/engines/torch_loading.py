"""Load a checkpoint into a model class of transformers, and check that every tensor comes from the file."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fillmask.errors import CorruptCheckpointError, MissingExtraError, UnsupportedModelError
from fillmask.models import encoders
from fillmask.models.heads import Task, check_all_read, in_short, is_buffer, is_saved_for, no_head, starts_with_any

try:
    import torch
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification
    from transformers.utils import logging as transformers_logging
except ImportError as missing:
    raise MissingExtraError("the torch engine", "torch") from missing

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint

_CLASSES: dict[Task, Any] = {"fill": AutoModelForMaskedLM, "classify": AutoModelForSequenceClassification}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Modules that transformers builds and that neither fill masks nor classify, by the name of the encoder.
_UNUSED = {"esm": ("esm.contact_head",)}


def load_model(checkpoint: Checkpoint, task: Task, precision: str) -> Any:
    """The checkpoint's model for a task, with every tensor from the file.

    transformers initializes missing tensors at random and skips those that it has no place for, with a warning. Here
    both are errors.

    Raises:
        UnsupportedModelError: transformers has no class for it, or the file has no head for the task.
        CorruptCheckpointError: a tensor is missing, of another shape, or has no place in the model.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it would write to stderr
    options = encoders.transformers_options(checkpoint.config, checkpoint.weights)
    try:
        with _no_load_report():
            model, report = _CLASSES[task].from_pretrained(
                checkpoint.folder, use_safetensors=True, trust_remote_code=False, dtype=_DTYPES[precision],
                output_loading_info=True, ignore_mismatched_sizes=True, **options,
            )  # fmt: skip
    except (ValueError, KeyError, ImportError) as error:
        what = "masked language model" if task == "fill" else "classifier"
        raise UnsupportedModelError(f"transformers has no {what} for {checkpoint.name}: {error}") from error
    _check_report(model, report, checkpoint, task)
    return model


@contextlib.contextmanager
def _no_load_report() -> Iterator[None]:
    """Keep transformers from writing its own report of missing tensors, which `_check_report` turns into errors."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)


def _check_report(model: Any, report: Mapping[str, Any], checkpoint: Checkpoint, task: Task) -> None:
    """Refuse a model unless transformers' report of loading it says that every tensor came from the file."""
    base = model.base_model_prefix
    missing = _needed(report["missing_keys"], base)
    own = {
        name for name in model.state_dict() if not starts_with_any(name, [base]) and name not in _tied_to(model, base)
    }
    head = _modules(own)
    # A head without tensors of its own is the word embeddings again: then the class alone says whether it was trained.
    if own <= missing and (own or not is_saved_for(checkpoint.config, task)):
        raise no_head(checkpoint.name, checkpoint.config, task, head or _modules(_tied_to(model, base)))
    _refuse(missing, report["mismatched_keys"], report, checkpoint)
    check_all_read(set(report["unexpected_keys"]), base, head, _ignored(checkpoint))


def check_encoder(model: Any, report: Mapping[str, Any], checkpoint: Checkpoint, *, other_head: bool) -> None:
    """Refuse a model whose encoder did not come from the file as a whole; tensors of its head may be missing.

    Args:
        report: what `from_pretrained` gives with `output_loading_info`.
        other_head: whether tensors of the head may also have other shapes than in the file.

    Raises:
        CorruptCheckpointError: a tensor of the encoder is missing, of another shape, or has no place in the model.
    """
    base = model.base_model_prefix
    missing = {name for name in _needed(report["missing_keys"], base) if _is_of_encoder(name, base)}
    mismatched = [e for e in report["mismatched_keys"] if not other_head or _is_of_encoder(e[0], base)]
    _refuse(missing, mismatched, report, checkpoint)
    check_all_read(set(report["unexpected_keys"]), base, (), _ignored(checkpoint))


def _is_of_encoder(name: str, base: str) -> bool:
    """Whether a tensor is the encoder's own; its pooler is part of a classifier's head."""
    return starts_with_any(name, [base]) and not starts_with_any(name, [f"{base}.pooler"])


def _needed(names: Iterable[str], base: str) -> set[str]:
    """Those of the missing tensors that change an answer."""
    return {name for name in names if not (is_buffer(name) or starts_with_any(name, _UNUSED.get(base, ())))}


def _ignored(checkpoint: Checkpoint) -> tuple[str, ...]:
    family = encoders.FAMILIES.get(checkpoint.config.family)
    return family.ignored if family else ()


def _refuse(missing: set[str], mismatched: Iterable[Any], report: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Raise CorruptCheckpointError for tensors that are missing or of another shape, and for errors in the report."""
    fault = f"the weights of {checkpoint.name} do not fit the config: "
    if missing:
        raise CorruptCheckpointError(
            f"{fault}{in_short(missing)} {'is' if len(missing) == 1 else 'are'} missing; download the model again"
        )
    for name, stored, expected in sorted(mismatched):
        raise CorruptCheckpointError(f"{fault}tensor {name} has shape {list(stored)}; expected {list(expected)}")
    for error in report.get("error_msgs") or []:
        raise CorruptCheckpointError(f"{fault}{str(error).splitlines()[0]}")


def _tied_to(model: Any, base: str) -> set[str]:
    """The head's tensors that are tensors of the encoder too, such as an output matrix that is the word embeddings."""
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    return {name for name, source in tied.items() if starts_with_any(source, [base])}


def _modules(names: Iterable[str]) -> list[str]:
    """For each first part of the names, the longest module that holds all names with it: `cls.predictions`."""
    modules = []
    for _, group in itertools.groupby(sorted(names), lambda name: name.partition(".")[0]):
        paths = [name.split(".")[:-1] for name in group]
        common = [parts[0] for parts in itertools.takewhile(lambda p: len(set(p)) == 1, zip(*paths, strict=False))]
        modules.append(".".join(common) or paths[0][0])
    return modules
