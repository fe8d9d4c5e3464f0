"""PyTorch, on the CPU or a GPU: any model class that transformers loads to fill masks or to classify.

Families without a graph of their own run here. Logits are computed only at the masked positions: the rows of all other
positions are dropped before the output embedding, the last and largest matrix of every such model. In bfloat16, the
likeliest words are scored a second time in float32 (`rescoring`).
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import InputError, MissingExtraError, UnsupportedModelError
from fillmask.runtime.engines import CPU_BUDGET, GPU_BUDGET, Batch
from fillmask.runtime.engines.rescoring import Head

try:
    import torch

    from fillmask.runtime.engines.torch_loading import load_model
except ImportError as missing:
    raise MissingExtraError("the torch engine", "torch") from missing

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.models.heads import Task
    from fillmask.runtime.engines import Floats

# Families in which padding changes the answers for other tokens: rows of different lengths run separately.
_PADDING_LEAKS = {"convbert", "fnet", "funnel", "mobilebert", "nystromformer", "yoso"}


class _TransformersModel:
    """A transformers model on a device.

    Args:
        checkpoint: what to load.
        task: which head the model gets.
        precision: "float32" or "bfloat16".
        threads: threads for one batch; torch's own number by default.
        device: see `find_device`.

    Raises:
        UnsupportedModelError: transformers has no class for it, or the checkpoint has no head for the task.
        CorruptCheckpointError: the tensors do not fit the model.
        InputError: torch cannot use the device.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        task: Task,
        *,
        precision: str,
        threads: int | None = None,
        device: str | None = None,
    ) -> None:
        self.device = find_device(device)
        self.precision = precision
        self.budget = CPU_BUDGET if self.device.type == "cpu" else GPU_BUDGET
        if threads is not None:
            torch.set_num_threads(threads)
        self._model = load_model(checkpoint, task, precision).to(self.device).train(False)
        self._takes_types = takes_types(self._model)
        self._padding_leaks = checkpoint.config.family in _PADDING_LEAKS

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the masks, (masks, vocabulary); or a classifier's logits, (rows, labels).

        Raises:
            UnsupportedModelError: the model class does not run in this precision.
        """
        if not self._padding_leaks:
            return self._run(batch)
        parts = [(indices, self._run(part)) for indices, part in split_by_length(batch)]
        # A classifier has one position in each row, so that the indices of masks are those of rows.
        result = np.empty((len(batch.mask_chosen), parts[0][1].shape[1]), np.float32)
        for indices, values in parts:
            result[indices] = values
        return result

    def _run(self, batch: Batch) -> Floats:
        raise NotImplementedError

    def _logits(self, batch: Batch) -> torch.Tensor:
        arrays = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if self._takes_types and batch.token_type_ids.any():
            arrays["token_type_ids"] = batch.token_type_ids
        tensors = {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}
        try:
            logits: torch.Tensor = self._model(**tensors).logits
        except RuntimeError as error:
            if self.precision == "float32" or "type" not in str(error):
                raise
            raise UnsupportedModelError(
                f"{type(self._model).__name__} does not run in {self.precision} ({str(error).splitlines()[0]});"
                " choose precision='float32'"
            ) from error
        return logits


class Torch(_TransformersModel):
    """A masked language model of transformers whose head runs only at the masks; see `_TransformersModel`."""

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str, threads: int | None = None, device: str | None = None
    ) -> None:
        super().__init__(checkpoint, "fill", precision=precision, threads=threads, device=device)
        decoder = self._model.get_output_embeddings()
        if decoder is None:
            raise UnsupportedModelError(
                f"{type(self._model).__name__} has no output embeddings; expected a masked language model"
            )
        decoder.register_forward_pre_hook(self._keep_masks)
        # The hook and `run` pass tensors to each other: one batch at a time.
        self._one_at_a_time = threading.Lock()
        self._mask_rows = self._hidden = torch.zeros(0, dtype=torch.int64)
        self._head = _head(decoder, self._model.config.vocab_size) if precision == "bfloat16" else None

    def _keep_masks(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        hidden = inputs[0]
        self._hidden = hidden.reshape(-1, hidden.shape[-1]).index_select(0, self._mask_rows)
        return (self._hidden, *inputs[1:])

    @torch.inference_mode()
    def _run(self, batch: Batch) -> Floats:
        rows, length = batch.input_ids.shape
        mask_rows = (batch.mask_slots + length * np.arange(rows)[:, None]).reshape(-1)[batch.mask_chosen]
        with self._one_at_a_time:
            self._mask_rows = torch.from_numpy(mask_rows).to(self.device)
            logits, hidden = self._logits(batch), self._hidden
            if logits.ndim == 3:  # a class that never calls its output embedding, but multiplies by its matrix
                logits = logits.reshape(-1, logits.shape[-1]).index_select(0, self._mask_rows)
        result: Floats = logits.float().log_softmax(-1).cpu().numpy()
        if self._head is not None and len(hidden) == len(result):
            self._head.rescore(result, hidden.float().cpu().numpy())
        return result


class TorchClassifier(_TransformersModel):
    """A transformers model that classifies texts; see `_TransformersModel`."""

    def __init__(
        self, checkpoint: Checkpoint, *, precision: str, threads: int | None = None, device: str | None = None
    ) -> None:
        super().__init__(checkpoint, "classify", precision=precision, threads=threads, device=device)

    @torch.inference_mode()
    def _run(self, batch: Batch) -> Floats:
        logits: Floats = self._logits(batch).float().cpu().numpy()
        return logits


def takes_types(model: Any) -> bool:
    """Whether a transformers model has more than one token type, by the signature of its `forward` and its config."""
    named = "token_type_ids" in inspect.signature(model.forward).parameters
    return named and getattr(model.config, "type_vocab_size", 2) > 1


def split_by_length(batch: Batch) -> list[tuple[npt.NDArray[np.int64], Batch]]:
    """Batches without padding, each with the indices of its masks among the masks of the whole batch, (masks,)."""
    slots = batch.mask_slots.shape[1]
    lengths = batch.attention_mask.sum(axis=1)
    parts = []
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        row_in_part = np.full(len(lengths), -1)
        row_in_part[rows] = np.arange(len(rows))
        indices = np.flatnonzero(row_in_part[batch.mask_chosen // slots] >= 0)
        flat_slots = batch.mask_chosen[indices]
        part = Batch(
            batch.input_ids[rows, :length], batch.attention_mask[rows, :length], batch.token_type_ids[rows, :length],
            batch.mask_slots[rows], row_in_part[flat_slots // slots] * slots + flat_slots % slots,
        )  # fmt: skip
        parts.append((indices, part))
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
