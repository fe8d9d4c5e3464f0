"""Which engine, precision, and threads answer many texts fastest, measured on some of those texts.

`select_for_throughput` is for work that takes minutes (a batch job, a service): it spends seconds on the first texts and
repays them. One phrase takes `fillmask.runtime.engines.select`, which never measures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from fillmask.choices import ENGINE_PRECISIONS
from fillmask.errors import InputError
from fillmask.models import encoders
from fillmask.runtime import engines
from fillmask.runtime.batching import collate, plan
from fillmask.runtime.checks import check_numbers
from fillmask.runtime.options import DEFAULTS, RuntimeOptions
from fillmask.runtime.precision_selection import LEAST_MASKS
from fillmask.runtime.processor import processor, usable_cores

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.runtime.engines import Batch, Ints
    from fillmask.tokenization.masked_input import MaskedInput

# Share of float32's best words that a precision must give which nobody asked for: what bfloat16 gives, and int8 seldom does.
_AGREEMENT = 0.99
_REFERENCE = ("onnxruntime", "float32")
# A measurement runs the first texts once for each candidate: these may be this share of all texts that are run.
_SHARE = 0.1
# A candidate that has taken so much longer than the best so far is not measured to the end.
_PATIENCE = 1.25
_PASSES, _PASSES_SECONDS = 3, 1.0


@dataclass(frozen=True)
class EngineSelection:
    """What runs the texts, and why.

    Attributes:
        threads: threads of the engine for one batch.
        callers: batches that are computed at once, each on `threads` threads. They share one engine and its weights.
        reason: one line for people.
        measured: whether engines were measured for it.
    """

    engine: str
    precision: str
    threads: int
    callers: int
    reason: str
    measured: bool

    def as_json(self) -> dict[str, Any]:
        """The selection as a manifest keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class _Measurement:
    pair: tuple[str, str]
    seconds: float
    best: Ints
    """Most likely token of each mask, (masks,)."""


def throughput_threads(engine: str, threads: int | None = None) -> tuple[int, int]:
    """Threads of an engine for one batch, and how many batches to compute at once, when there are many.

    onnxruntime is fastest as an engine of one thread that is called from as many threads as there are cores: no batch
    waits for another's slowest thread, and the matrices of these models are too small for many threads. All callers
    share its weights. OpenVINO and torch share a batch out among threads of their own.

    Args:
        threads: threads in all; by default the cores that this process may use.
    """
    count = threads or usable_cores()
    return (1, count) if engine == "onnxruntime" else (count, 1)


def select_for_throughput(
    checkpoint: Checkpoint,
    items: Sequence[MaskedInput],
    options: RuntimeOptions = DEFAULTS,
    *,
    expected_items: int | None = None,
) -> EngineSelection:
    """The fastest engine and precision for many texts that keeps float32's answers, measured on the first of them.

    It measures where there is something to choose and where the job is long enough to repay it. A precision other than
    float32 is taken only if it was measured on `LEAST_MASKS` masks and gives enough of float32's best words.

    Args:
        items: the job's first texts, up to about a thousand masks; more cost time without need.
        options: as for `MaskedLM`; what is not "auto" stays, and `threads` are those of all batches together.
        expected_items: how many texts the job has; None where nobody knows, as for a service.

    Raises:
        InputError: no such engine or precision.
        CorruptCheckpointError: the model's answer is not a number.
    """
    default, precision, threads, device = engines.checked(checkpoint, options)
    candidates = _candidates(checkpoint, options.engine, precision, device)
    if len(candidates) < 2 or not items:
        return _unmeasured(checkpoint, default, precision, threads, device, "")
    least = round(len(candidates) * len(items) / _SHARE)
    if expected_items is not None and expected_items < least:
        reason = f"; measuring the others repays itself from {least:,} texts on"
        return _unmeasured(checkpoint, default, precision, threads, device, reason)
    batches = [collate([items[i] for i in part], checkpoint.padding_id) for part in plan(items)]
    reference = _measure(checkpoint, _REFERENCE, threads, batches, None)
    assert reference is not None
    best, agreement = (reference, 1.0) if _REFERENCE in candidates else (None, 1.0)
    for pair in candidates:
        if pair == _REFERENCE:
            continue
        limit = None if best is None else _PATIENCE * best.seconds
        measured = _measure(checkpoint, pair, threads, batches, limit)
        if measured is None:
            continue
        share = float((measured.best == reference.best).mean())
        enough = pair[1] == "float32" or len(reference.best) >= LEAST_MASKS
        if enough and share >= _AGREEMENT and (best is None or measured.seconds < best.seconds):
            best, agreement = measured, share
    if best is None:
        return _unmeasured(
            checkpoint, default, precision, threads, device, "; nothing that was measured keeps the answers"
        )
    inside, callers = throughput_threads(best.pair[0], threads)
    return EngineSelection(
        *best.pair, inside, callers,
        f"{' '.join(best.pair)}, {_arrangement(inside, callers)}: {len(items) / best.seconds:,.0f} texts a second,"
        f" {reference.seconds / best.seconds:.1f} times {' '.join(_REFERENCE)}, {agreement:.1%} of its best words"
        f" (measured on {len(reference.best):,} masks; {processor().label})",
        measured=True,
    )  # fmt: skip


def _candidates(checkpoint: Checkpoint, engine: str, precision: str, device: str | None) -> list[tuple[str, str]]:
    """Engines and precisions to choose among; one or none where there is nothing to measure."""
    if not encoders.has_graph(checkpoint.config) or device not in (None, "cpu") or engine == "torch":
        return []
    names = [name for name in ("onnxruntime", "openvino") if find_spec(name)] if engine == "auto" else [engine]
    return [(name, each) for name in names for each in ENGINE_PRECISIONS.get(name, ()) if precision in ("auto", each)]


def _unmeasured(
    checkpoint: Checkpoint, engine: str, precision: str, threads: int | None, device: str | None, why: str
) -> EngineSelection:
    choice = engines.select(checkpoint, engine=engine, precision=precision, device=device)
    inside, callers = throughput_threads(engine, threads)
    reason = f"{engine} {choice.precision}, {_arrangement(inside, callers)}: {choice.reason}{why}"
    return EngineSelection(engine, choice.precision, inside, callers, reason, measured=False)


def _arrangement(threads: int, callers: int) -> str:
    if callers == 1:
        return f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{callers} batches at once on {threads} thread{'s' if threads > 1 else ''} each"


def _measure(
    checkpoint: Checkpoint, pair: tuple[str, str], threads: int | None, batches: Sequence[Batch], limit: float | None
) -> _Measurement | None:
    """Run the batches as a job does; None where the precision is not for this processor, or the time is over the limit."""
    inside, callers = throughput_threads(pair[0], threads)
    try:
        engine = engines.load(checkpoint, RuntimeOptions(*pair, threads=inside))
    except InputError:  # the processor has no such arithmetic
        return None
    engine.run(batches[-1])  # the shortest: engines make buffers and repack weights when they first run

    def run_all(pool: ThreadPoolExecutor) -> tuple[float, list[Ints]]:
        start = time.perf_counter()

        def best_words(batch: Batch) -> Ints | None:
            if limit is not None and time.perf_counter() - start > limit:
                return None
            log_probabilities = engine.run(batch)
            check_numbers(log_probabilities[:, :1])
            best: Ints = log_probabilities.argmax(axis=1)
            return best

        words = [best for best in pool.map(best_words, batches) if best is not None]
        return time.perf_counter() - start, words

    with ThreadPoolExecutor(callers) as pool:
        seconds, words = run_all(pool)
        if len(words) < len(batches):
            return None
        # A quick pass is repeated, and the fastest counts: the machine may have had something else to do.
        total, passes = seconds, 1
        while passes < _PASSES and total < _PASSES_SECONDS:
            again, repeated = run_all(pool)
            total, passes = total + again, passes + 1
            if len(repeated) == len(batches):
                seconds = min(seconds, again)
    return _Measurement(pair, seconds, np.concatenate(words))
