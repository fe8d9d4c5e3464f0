"""Engines run an encoder graph; they know nothing of text.

One protocol, `Engine`; `load` picks an implementation by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from fillmask.choices import ENGINE_PRECISIONS
from fillmask.errors import InputError, MissingExtraError
from fillmask.models import encoders
from fillmask.models.checkpoint import Checkpoint, check_head
from fillmask.runtime.options import DEFAULTS, RuntimeOptions
from fillmask.runtime.processor import thread_limit

if TYPE_CHECKING:
    from fillmask.runtime.precision_selection import PrecisionChoice

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BatchBudget:
    """How much goes into one batch: tokens, padding included, and masks, whose rows of log-probabilities fill memory."""

    tokens: int
    masks: int


# A processor's products are as fast on some hundred tokens as on more, and a thousand sentences in
# batches of so many have 4% padding where batches of 4,096 have 19%.
CPU_BUDGET = BatchBudget(768, 256)
GPU_BUDGET = BatchBudget(1 << 16, 4096)


@dataclass(frozen=True)
class Batch:
    """A padded batch with the places that are asked for.

    Attributes:
        input_ids: token ids, (rows, length).
        attention_mask: 1 for a token, 0 for padding, (rows, length).
        token_type_ids: segment of each token, (rows, length).
        mask_slots: positions asked for in each row, (rows, slots); rows with fewer are filled up with 0.
        mask_chosen: the slots that are not filling, as indices into the flattened slots, (masks,).
    """

    input_ids: Ints
    attention_mask: Ints
    token_type_ids: Ints
    mask_slots: Ints
    mask_chosen: Ints


class Engine(Protocol):
    """Runs one checkpoint's graph."""

    name: str
    precision: str
    budget: BatchBudget

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary), row by row; or the logits of a classifier, (rows, labels)."""
        ...


def load(checkpoint: Checkpoint, options: RuntimeOptions = DEFAULTS, *, labels: int | None = None) -> Engine:
    """The engine that the options name, ready to run the checkpoint.

    Args:
        labels: run the checkpoint's classifier, which has so many labels, in place of the masked language model.

    Raises:
        InputError: no such engine, precision or device.
        MissingExtraError: the engine is not installed.
        UnsupportedModelError: the engine cannot run the model's family.
    """
    engine, precision, threads, device = checked(checkpoint, options)
    try:
        return _load(checkpoint, engine, precision, threads, device, labels)
    except MissingExtraError as missing:
        if options.engine != "auto" or encoders.has_graph(checkpoint.config):
            raise
        what = f"model_type {checkpoint.config.family!r} has no graph here; the torch engine runs it, and"
        raise MissingExtraError(what, "torch") from missing


def checked(checkpoint: Checkpoint, options: RuntimeOptions) -> tuple[str, str, int | None, str | None]:
    """Engine, precision, threads, and device that the options mean for a checkpoint; the precision may still be "auto".

    Raises:
        InputError: no such engine, precision or device.
    """
    engine, precision, threads, device = options.engine, options.precision, options.threads, options.device
    if device is not None:
        device = str(device) if not isinstance(device, int) else "cpu" if device < 0 else f"cuda:{device}"
    if engine == "auto":
        engine = default_engine(checkpoint, device)
    if engine not in ENGINE_PRECISIONS:
        raise InputError(f"there is no engine {engine!r}; expected auto or one of {', '.join(ENGINE_PRECISIONS)}")
    if precision not in ("auto", *ENGINE_PRECISIONS[engine]):
        raise InputError(
            f"{engine} has no precision {precision!r}; expected auto or one of {', '.join(ENGINE_PRECISIONS[engine])}"
        )
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads is {threads!r}; expected a whole number, 1 or more")
    if device not in (None, "cpu") and engine != "torch":
        raise InputError(f"{engine} runs on the cpu, not on {device!r}; use engine='torch' for other devices")
    return engine, precision, threads, device


def _load(
    checkpoint: Checkpoint, engine: str, precision: str, threads: int | None, device: str | None, labels: int | None
) -> Engine:
    check_head(checkpoint, "fill" if labels is None else "classify")
    if threads is None:
        threads = thread_limit()
    if labels is not None and precision == "auto":
        precision = "float32"  # what is measured for "auto" is measured on masks
    precision = select(checkpoint, engine=engine, precision=precision, device=device).precision
    match engine:
        case "openvino":
            from fillmask.runtime.engines.openvino import OpenVino

            return OpenVino(checkpoint, precision=precision, threads=threads, labels=labels)
        case "torch":
            from fillmask.runtime.engines.torch import Torch, TorchClassifier

            kind = Torch if labels is None else TorchClassifier
            return kind(checkpoint, precision=precision, threads=threads, device=device)
        case _:
            from fillmask.runtime.engines.onnxruntime import OnnxRuntime

            return OnnxRuntime(checkpoint, precision=precision, threads=threads, labels=labels)


def default_engine(checkpoint: Checkpoint, device: str | None = None) -> str:
    """onnxruntime; or torch for a family that has no graph here, or for a device that is not the cpu."""
    return "onnxruntime" if encoders.has_graph(checkpoint.config) and device in (None, "cpu") else "torch"


def select(checkpoint: Checkpoint, *, engine: str, precision: str, device: str | None = None) -> PrecisionChoice:
    """The precision that an engine will run in, and why.

    Raises:
        MissingExtraError: the engine is not installed.
    """
    from fillmask.runtime.precision_selection import PrecisionChoice, choose_precision

    if precision != "auto":
        return PrecisionChoice(precision, "asked for")
    match engine:
        case "openvino":
            from fillmask.runtime.engines.openvino import has_bfloat16

            return choose_precision(checkpoint, engine, bfloat16=has_bfloat16())
        case "torch":
            from fillmask.runtime.engines.torch import find_device

            return choose_precision(checkpoint, engine, bfloat16=find_device(device).type == "cuda")
        case _:
            return choose_precision(checkpoint, engine, bfloat16=False)
