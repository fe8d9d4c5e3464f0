"""Estimates how long a job takes and what it costs, from a sample of its rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from fillmask.batch import tasks
from fillmask.batch.job import BatchJob, provenance_of
from fillmask.batch.outputs import ShardEncoder
from fillmask.batch.shards import ShardReader, plan_shards
from fillmask.batch.tasks import Task, Work
from fillmask.errors import InputError

_FILES = 8  # of which rows are sampled
_SECONDS = 10.0
_WARM = 64  # texts


@dataclass(frozen=True)
class Estimate:
    """What a sample says of the whole.

    Attributes:
        rows: of the input; exact for Parquet.
        sampled: rows that were computed.
        rejected: share of them that was rejected.
        masks_per_row: mean.
        rows_per_second, seconds: on this machine.
        seconds_per_million: for a million such rows.
        output_bytes: size of the output.
        cost, cost_per_million: None without a price.
    """

    rows: int
    sampled: int
    rejected: float
    masks_per_row: float
    rows_per_second: float
    seconds: float
    seconds_per_million: float
    output_bytes: int
    cost: float | None
    cost_per_million: float | None

    def in_words(self) -> str:
        """The estimate as lines of text."""
        lines = [
            f"sample            {self.sampled:,} rows, {self.masks_per_row:.2f} masks a row, {self.rejected:.2%} rejected",
            f"this machine      {self.rows_per_second:,.0f} rows/s",
            f"this input        {self.rows:,} rows: {duration(self.seconds)}, {self.output_bytes / 1e6:,.0f} MB of output",
            f"per 1M rows       {duration(self.seconds_per_million)}",
        ]
        if self.cost is not None and self.cost_per_million is not None:
            lines.append(f"cost              {self.cost:,.2f} for this input, {self.cost_per_million:,.4f} per 1M rows")
        return "\n".join(lines)


def estimate(job: BatchJob, *, price_per_hour: float | None = None, seconds: float = _SECONDS) -> Estimate:
    """Compute a sample of the job's rows for some seconds; nothing is written.

    Rows are taken from the front of up to eight files, spread over the list.

    Raises:
        InputError: stdin cannot be sampled; an input cannot be read; there are no rows.
    """
    if any(file.stream for file in job.inputs):
        raise InputError("stdin and pipes cannot be sampled; name files for --dry-run")
    task = tasks.load(job.options)
    step = max(1, len(job.inputs) // _FILES)
    some = job.inputs[::step][:_FILES]
    chunk = max(1, min(job.rows_a_shard, 2000) // len(some))
    plan, _ = plan_shards(some, job.selection, chunk, job.reading, typed=job.format == "parquet")
    readers = [ShardReader(replace(plan, files=(file,))) for file in some]
    encoder = ShardEncoder(job.format, plan.schema.types, provenance_of({}))
    try:
        sample = _sample(task, encoder, readers, seconds)
    finally:
        for reader in readers:
            reader.close()
    if not sample.rows:
        raise InputError("there are no rows to sample")
    # Read so far, of the files sampled: so many rows to so many bytes.
    behind, read = sum(reader.bytes_read for reader in readers), sum(reader.rows_read for reader in readers)
    size = sum(file.size or 0 for file in job.inputs)
    rows = round(read * size / behind) if behind else sample.rows
    rate = sample.rows / sample.seconds
    return Estimate(
        rows,
        sample.rows,
        sample.rejected / sample.rows,
        sample.masks / sample.rows,
        rate,
        rows / rate,
        1e6 / rate,
        round(sample.bytes * rows / sample.rows),
        None if price_per_hour is None else rows / rate / 3600 * price_per_hour,
        None if price_per_hour is None else 1e6 / rate / 3600 * price_per_hour,
    )


@dataclass
class _Sample:
    """Rows computed, of them rejected, masks, bytes of output, and the time that took."""

    rows: int = 0
    rejected: int = 0
    masks: int = 0
    bytes: int = 0
    seconds: float = 0.0


def _sample(task: Task, encoder: ShardEncoder, readers: Sequence[ShardReader], seconds: float) -> _Sample:
    sample = _Sample()
    streams = [reader.shards() for reader in readers]
    warm = False
    with ThreadPoolExecutor(task.callers) as pool:
        while streams and sample.seconds < seconds:
            taken = [(stream, next(stream, None)) for stream in streams]
            streams = [stream for stream, rows in taken if rows is not None]
            for rows in [rows for _, rows in taken if rows is not None]:
                if not warm:  # not timed: the first calls allocate
                    _compute(task, rows.texts[:_WARM], pool)
                    warm = True
                started = time.perf_counter()
                work, masks = _compute(task, rows.texts, pool)
                answers, failures = work.answers()
                answered = rows.without(failures)
                sample.bytes += len(encoder.encode(answered, answers, masks).data)
                sample.seconds += time.perf_counter() - started
                sample.rows, sample.masks = sample.rows + rows.count, sample.masks + masks
                sample.rejected += len(answered.rejects)
                if sample.seconds >= seconds:
                    break
    return sample


def _compute(task: Task, texts: Sequence[str], pool: ThreadPoolExecutor) -> tuple[Work, int]:
    work = task.prepare(texts)
    return work, sum(pool.map(work.run, range(work.pieces)))


def duration(seconds: float) -> str:
    """Seconds as seconds, minutes, hours, or days."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours / 24:.1f} days"
