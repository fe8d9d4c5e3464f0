"""How far do faster engines and precisions stray from float32, and how fast are they here?

Every engine that is installed answers the same masks as the reference, and is
timed on one short text and on a full batch. `engines.choice` keeps the result
and lets "auto" follow it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np

from fillmask.choices import ENGINE_PRECISIONS
from fillmask.errors import InputError
from fillmask.models import encoders
from fillmask.models.checkpoint import Checkpoint
from fillmask.runtime import engines
from fillmask.runtime.batching import collate, plan
from fillmask.runtime.checks import check_numbers
from fillmask.runtime.engines import Batch, Engine
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.precision_selection import EngineMeasurement
from fillmask.tasks.evaluate import masked_windows
from fillmask.tokenization.masked_input import MaskedInput

MASKS = 2000
_SAMPLE = Path(__file__).parent.parent / "samples" / "english.txt"
_NEEDS = {"onnxruntime": ("onnxruntime",), "openvino": ("openvino",), "torch": ("torch", "transformers")}


def sample_documents() -> list[str]:
    """A few paragraphs of English."""
    return _SAMPLE.read_text("utf-8").strip().split("\n\n")


def installed(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Engine and precision of everything here that can run the checkpoint, the reference first."""
    pairs = []
    for name, precisions in ENGINE_PRECISIONS.items():
        if all(find_spec(package) for package in _NEEDS[name]) and (
            name == "torch" or encoders.has_graph(checkpoint.config)
        ):
            pairs += [(name, precision) for precision in precisions]
    return pairs


def compare(
    checkpoint: Checkpoint,
    documents: Sequence[str],
    *,
    masks: int = MASKS,
    threads: int | None = None,
    contenders: Sequence[tuple[str, str]] | None = None,
) -> Iterator[EngineMeasurement]:
    """Measure each engine and precision in turn; the first is the reference.

    Args:
        documents: texts to hide words in; drawn on again, with other masks, until there are `masks`.

    Raises:
        InputError: the documents are too short to hide anything in.
    """
    pairs = list(contenders or installed(checkpoint))
    items = list(_items(checkpoint, documents, masks))
    pad = checkpoint.padding_id
    # Few masks a batch: their rows of log-probabilities are compared, then dropped.
    batches = [collate([items[i] for i in part], pad) for part in plan(items)]
    reference = _load(checkpoint, pairs[0], threads)
    for pair in pairs:
        try:
            engine = reference if pair == pairs[0] else _load(checkpoint, pair, threads)
        except InputError:  # a precision that this processor has not
            continue
        same, divergence, count = 0, 0.0, 0
        for batch in batches:
            expected, answers = check_numbers(reference.run(batch)), check_numbers(engine.run(batch))
            same += int((expected.argmax(axis=1) == answers.argmax(axis=1)).sum())
            divergence += float((np.exp(expected) * (expected - answers)).sum())
            count += len(expected)
        phrase, full = _phrase(items, pad), _full(items, pad)
        yield EngineMeasurement(
            engine=pair[0], precision=pair[1], agreement=same / count, divergence=divergence / count, masks=count,
            phrase_ms=1000 * _seconds(engine, phrase, 20),
            tokens_per_second=int(full.attention_mask.sum()) / _seconds(engine, full, 3),
        )  # fmt: skip


def _load(checkpoint: Checkpoint, pair: tuple[str, str], threads: int | None) -> Engine:
    return engines.load(checkpoint, RuntimeOptions(*pair, threads))


def _items(checkpoint: Checkpoint, documents: Sequence[str], masks: int) -> Iterator[MaskedInput]:
    tokenizer = checkpoint.tokenizer
    if tokenizer.mask_token_id is None:
        raise InputError("The tokenizer does not define a `mask_token`.")
    length = min(128, tokenizer.model_max_length)
    count = seed = 0
    while count < masks:
        before = count
        for window in masked_windows(tokenizer, documents, rate=0.15, length=length, seed=seed):
            yield window.hidden(tokenizer.mask_token_id)
            count += len(window.positions)
            if count >= masks:
                return
        if count == before:
            raise InputError("there is nothing to hide in the text; expected a few sentences")
        seed += 1


def _phrase(items: Iterable[MaskedInput], pad: int) -> Batch:
    """The beginning of one text, 12 tokens, with one mask."""
    item = next(iter(items))
    return collate([MaskedInput(item.ids[:12], item.type_ids[:12], [min(6, len(item.ids) - 1)])], pad)


def _full(items: Iterable[MaskedInput], pad: int) -> Batch:
    """Thirty-two texts with one mask each."""
    return collate([MaskedInput(i.ids, i.type_ids, i.positions[:1]) for i in islice(items, 32)], pad)


def _seconds(engine: Engine, batch: Batch, runs: int) -> float:
    engine.run(batch)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        engine.run(batch)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
