"""Which engine and precision a job takes, where its options leave that open: measured on the job's own first texts.

A job that goes on takes what it began with, from its manifest. Classifying is not measured: its answers have no masks.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from fillmask.batch.job import PreparedJob
from fillmask.batch.manifest import read_job
from fillmask.batch.shards import ShardReader
from fillmask.batch.tasks import TaskOptions
from fillmask.errors import CorpusError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fillmask.models.checkpoint import Checkpoint
    from fillmask.runtime.engine_selection import EngineSelection
    from fillmask.tokenization.masked_input import MaskedInput

_ROWS = 1000  # of the first file, that are read for a measurement
_MASKS = 1000


def select_engine(prepared: PreparedJob, *, restart: bool = False) -> tuple[TaskOptions, EngineSelection | None]:
    """The job's options with engine and precision decided, and how they were measured; None where they were not.

    Args:
        restart: what an earlier run of the job took does not count.

    Raises:
        InputError: an option cannot be used.
        CheckpointError: the model cannot be opened.
    """
    job, options = prepared.job, prepared.job.options
    model = options.model
    begun = None if restart else read_job(job.output)
    if begun is not None:
        # Another job's engine is refused with the rest of what differs; one that cannot be used is told by its name.
        engine = begun["engine"] if model.engine == "auto" and "engine" in begun else model.engine
        precision = (
            begun["precision"] if model.precision == "auto" and engine == begun.get("engine") else model.precision
        )
        return replace(options, model=replace(model, engine=engine, precision=precision)), None
    if model.precision != "auto" or options.task == "classify" or any(file.stream for file in job.inputs):
        return options, None
    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.runtime.engine_selection import select_for_throughput
    from fillmask.runtime.options import RuntimeOptions

    checkpoint = open_checkpoint(model.model)
    texts, rows = _first_texts(prepared)
    items = list(_items(checkpoint, texts)) if checkpoint.tokenizer.mask_token_id is not None else []
    runtime = RuntimeOptions(model.engine, model.precision, model.threads, model.device)
    selection = select_for_throughput(checkpoint, items, runtime, expected_items=rows)
    return replace(
        options, model=replace(model, engine=selection.engine, precision=selection.precision)
    ), selection if selection.measured else None


def _first_texts(prepared: PreparedJob) -> tuple[Sequence[str], int | None]:
    """Texts of the first rows, and how many rows there are, as far as one can tell."""
    reader = ShardReader(replace(prepared.plan, shard_rows=_ROWS))
    try:
        shard = next(reader.shards(), None)
        rows = round(reader.rows_read * max(1.0, reader.size / reader.bytes_read)) if reader.bytes_read else None
        return (shard.texts if shard is not None else []), rows
    finally:
        reader.close()


def _items(checkpoint: Checkpoint, texts: Sequence[str]) -> Iterator[MaskedInput]:
    """Windows of the texts with some of their tokens hidden, up to a thousand masks, whatever the task does with them."""
    from fillmask.tasks.evaluate import masked_windows

    tokenizer = checkpoint.tokenizer
    mask = tokenizer.mask_token_id
    assert mask is not None
    masks = 0
    try:
        windows = masked_windows(
            tokenizer, [text for text in texts if text.strip()], length=min(128, tokenizer.model_max_length)
        )
        for window in islice(windows, _ROWS):
            yield window.hidden(mask)
            masks += len(window.positions)
            if masks >= _MASKS:
                return
    except (CorpusError, InputError):  # nothing to hide words in; the task says what is wrong with a text
        return
