"""PyTorch, on the CPU or a GPU: any model class that transformers loads for masked language modelling.

The families that fillmask has no graph for run here. Logits are computed at
the masked positions only, whatever the class: the rows that were not asked
for are dropped at the entrance of the output embedding, the last and largest
matrix of every such model. In bfloat16 the likeliest words are scored once
more in float32 (`rescoring`).
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorruptCheckpointError, InputError, MissingExtraError, UnsupportedModelError
from fillmask.models import encoders
from fillmask.models.heads import Task, check_all_read, in_short, is_buffer, is_saved_for, no_head, starts_with_any
from fillmask.runtime.engines import ON_A_CPU, ON_A_GPU, Batch
from fillmask.runtime.engines.rescoring import Head

try:
    import torch
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification
    from transformers.utils import logging as transformers_logging
except ImportError as missing:
    raise MissingExtraError("the torch engine", "torch") from missing

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.runtime.engines import Floats

# Classes in which padding changes the answers for the other tokens: rows of different lengths are run apart.
_PADDING_LEAKS = {"convbert", "fnet", "funnel", "mobilebert", "nystromformer", "yoso"}
# Modules that transformers builds and that neither fill masks nor classify, by the name of the encoder.
_UNUSED = {"esm": ("esm.contact_head",)}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Torch:
    """A transformers model with its head run at the masks only."""

    name = "torch"

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str, threads: int | None = None, device: str | None = None
    ) -> None:
        self.device = find_device(device)
        self.precision = precision
        self.budget = ON_A_CPU if self.device.type == "cpu" else ON_A_GPU
        if threads is not None:
            torch.set_num_threads(threads)
        model = _load(AutoModelForMaskedLM, checkpoint, precision, "fill")
        self._model = model.to(self.device).train(False)
        decoder = self._model.get_output_embeddings()
        if decoder is None:
            raise UnsupportedModelError(
                f"{type(model).__name__} has no output embeddings; expected a masked language model"
            )
        decoder.register_forward_pre_hook(self._keep_asked)
        # The hook and `run` hand each other tensors: one batch at a time.
        self._one_at_a_time = threading.Lock()
        self._asked = self._hidden = torch.zeros(0, dtype=torch.int64)
        self._head = _head(decoder, model.config.vocab_size) if precision == "bfloat16" else None
        self._takes_types = takes_types(model)
        self._padding_leaks = checkpoint.config.family in _PADDING_LEAKS

    def _keep_asked(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden = inputs[0]
        self._hidden = hidden.reshape(-1, hidden.shape[-1]).index_select(0, self._asked)
        return (self._hidden, *inputs[1:])

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary).

        Raises:
            UnsupportedModelError: the model class does not run in this precision.
        """
        if not self._padding_leaks:
            return self._run(batch)
        parts = [(chosen, self._run(part)) for chosen, part in split_by_length(batch)]
        result = np.empty((len(batch.mask_chosen), parts[0][1].shape[1]), np.float32)
        for chosen, found in parts:
            result[chosen] = found
        return result

    @torch.inference_mode()
    def _run(self, batch: Batch) -> Floats:
        rows, length = batch.input_ids.shape
        flat = (batch.mask_slots + length * np.arange(rows)[:, None]).reshape(-1)[batch.mask_chosen]
        feeds: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if self._takes_types and batch.token_type_ids.any():
            feeds["token_type_ids"] = batch.token_type_ids
        tensors = {name: torch.from_numpy(value).to(self.device) for name, value in feeds.items()}
        with self._one_at_a_time:
            self._asked = torch.from_numpy(flat).to(self.device)
            try:
                logits, hidden = self._model(**tensors).logits, self._hidden
            except RuntimeError as error:
                if self.precision == "float32" or "type" not in str(error):
                    raise
                raise UnsupportedModelError(
                    f"{type(self._model).__name__} does not run in {self.precision} ({str(error).splitlines()[0]});"
                    " choose precision='float32'"
                ) from error
            if logits.ndim == 3:  # a class that never calls its output embedding, but multiplies by its matrix
                logits = logits.reshape(-1, logits.shape[-1]).index_select(0, self._asked)
        result: Floats = logits.float().log_softmax(-1).cpu().numpy()
        if self._head is not None and len(hidden) == len(result):
            self._head.rescore(result, hidden.float().cpu().numpy())
        return result


class TorchClassifier:
    """A transformers model that classifies texts."""

    name = "torch"

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str, threads: int | None = None, device: str | None = None
    ) -> None:
        self.device = find_device(device)
        self.precision = precision
        self.budget = ON_A_CPU if self.device.type == "cpu" else ON_A_GPU
        if threads is not None:
            torch.set_num_threads(threads)
        model = _load(AutoModelForSequenceClassification, checkpoint, precision, "classify")
        self._model = model.to(self.device).train(False)
        self._takes_types = takes_types(model)
        self._padding_leaks = checkpoint.config.family in _PADDING_LEAKS

    def run(self, batch: Batch) -> Floats:
        """The logits of each row, (rows, labels)."""
        if not self._padding_leaks:
            return self._run(batch)
        parts = [(chosen, self._run(part)) for chosen, part in split_by_length(batch)]
        result = np.empty((len(batch.input_ids), parts[0][1].shape[1]), np.float32)
        for chosen, found in parts:  # one place is asked for in each row
            result[chosen] = found
        return result

    @torch.inference_mode()
    def _run(self, batch: Batch) -> Floats:
        feeds: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if self._takes_types and batch.token_type_ids.any():
            feeds["token_type_ids"] = batch.token_type_ids
        tensors = {name: torch.from_numpy(value).to(self.device) for name, value in feeds.items()}
        found: Floats = self._model(**tensors).logits.float().cpu().numpy()
        return found


def _load(model_class: Any, checkpoint: Checkpoint, precision: str, task: Task) -> Any:
    """The checkpoint's transformers model, with every tensor from the file.

    transformers fills what a file lacks with random numbers and leaves out what it has no place for, with a warning
    that nobody sees in a job. Here both are errors.

    Raises:
        UnsupportedModelError: transformers has no class for it, or the file has no head for the task.
        CorruptCheckpointError: a tensor is missing, of another shape, or has no place in the model.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for a load of milliseconds, on someone else's stderr
    options = encoders.transformers_options(checkpoint.config, checkpoint.weights)
    try:
        with _no_load_report():
            model, report = model_class.from_pretrained(
                checkpoint.folder, use_safetensors=True, trust_remote_code=False, dtype=_DTYPES[precision],
                output_loading_info=True, ignore_mismatched_sizes=True, **options,
            )  # fmt: skip
    except (ValueError, KeyError) as error:
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
    base = model.base_model_prefix
    family = encoders.FAMILIES.get(checkpoint.config.family)
    ignored = family.ignored if family else ()
    missing = {
        name for name in report["missing_keys"] if not (is_buffer(name) or starts_with_any(name, _UNUSED.get(base, ())))
    }
    own = {
        name for name in model.state_dict() if not starts_with_any(name, [base]) and name not in _tied_to(model, base)
    }
    head = _modules(own)
    # A head without tensors of its own is the word embeddings again: then the class alone says whether it was trained.
    if own <= missing and (own or not is_saved_for(checkpoint.config, task)):
        raise no_head(checkpoint.name, checkpoint.config, task, head or _modules(_tied_to(model, base)))
    fault = f"the weights of {checkpoint.name} do not fit the config: "
    if missing:
        raise CorruptCheckpointError(
            f"{fault}{in_short(missing)} {'is' if len(missing) == 1 else 'are'} missing; download the model again"
        )
    mismatched = sorted(report["mismatched_keys"])
    if mismatched:
        name, stored, expected = mismatched[0]
        raise CorruptCheckpointError(f"{fault}tensor {name} has shape {list(stored)}; expected {list(expected)}")
    errors = list(report.get("error_msgs") or [])
    if errors:
        raise CorruptCheckpointError(f"{fault}{str(errors[0]).splitlines()[0]}")
    check_all_read(set(report["unexpected_keys"]), base, head, ignored)


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


def takes_types(model: Any) -> bool:
    """Whether a transformers model tells the two texts of a pair apart by `token_type_ids`.

    By the signature: transformers wraps most `forward`s, so that their own code is not at hand.
    """
    named = "token_type_ids" in inspect.signature(model.forward).parameters
    return named and getattr(model.config, "type_vocab_size", 2) > 1


def split_by_length(batch: Batch) -> list[tuple[npt.NDArray[np.int64], Batch]]:
    """Batches without padding, each with the indices of its masks among the whole batch's."""
    slots = batch.mask_slots.shape[1]
    lengths = batch.attention_mask.sum(axis=1)
    parts = []
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        place = np.full(len(lengths), -1)
        place[rows] = np.arange(len(rows))
        chosen = np.flatnonzero(place[batch.mask_chosen // slots] >= 0)
        own = batch.mask_chosen[chosen]
        parts.append((chosen, Batch(
            batch.input_ids[rows, :length], batch.attention_mask[rows, :length], batch.token_type_ids[rows, :length],
            batch.mask_slots[rows], place[own // slots] * slots + own % slots,
        )))  # fmt: skip
    return parts


def find_device(name: str | None) -> torch.device:
    """The named device, or by default a GPU where there is one, else the CPU.

    Raises:
        InputError: torch cannot use it.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"torch cannot use the device {name!r}: {str(error).splitlines()[0]}") from error
    return device


def _head(decoder: torch.nn.Module, vocab_size: int) -> Head | None:
    """The output embedding in float32, where it is a plain linear layer to the whole vocabulary."""
    if not isinstance(decoder, torch.nn.Linear) or decoder.out_features != vocab_size:
        return None
    bias = None if decoder.bias is None else decoder.bias.detach().float().cpu().numpy()
    return Head(decoder.weight.detach().float().cpu().numpy(), bias)
