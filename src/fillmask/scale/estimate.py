"""How long a job will take, and what it will cost, from a sample of its rows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from fillmask.errors import InputError
from fillmask.scale import tasks
from fillmask.scale.inputs import STDIN, Inputs
from fillmask.scale.job import Job, provenance_of
from fillmask.scale.outputs import encode
from fillmask.scale.rows import ROW, Rows, Wanted

_FILES = 8  # of which rows are sampled
_SECONDS = 10.0


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
        cost, cost_per_million: None where no price was given.
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
        """Some lines for a person."""
        lines = [
            f"sample            {self.sampled:,} rows, {self.masks_per_row:.2f} masks a row, {self.rejected:.2%} rejected",
            f"this machine      {self.rows_per_second:,.0f} rows/s",
            f"this input        {self.rows:,} rows: {duration(self.seconds)}, {self.output_bytes / 1e6:,.0f} MB of output",
            f"per 1M rows       {duration(self.seconds_per_million)}",
        ]
        if self.cost is not None and self.cost_per_million is not None:
            lines.append(f"cost              {self.cost:,.2f} for this input, {self.cost_per_million:,.4f} per 1M rows")
        return "\n".join(lines)


def estimate(job: Job, *, price_per_hour: float | None = None, seconds: float = _SECONDS) -> Estimate:
    """Compute a sample of the job's rows for some seconds; nothing is written.

    Rows are taken from the front of up to eight files, spread over the list.

    Raises:
        InputError: stdin cannot be sampled; an input cannot be read; there are no rows.
    """
    if job.inputs[0].path == STDIN:
        raise InputError("stdin cannot be sampled; name files for --dry-run")
    task = tasks.load(job.options)
    step = max(1, len(job.inputs) // _FILES)
    some = job.inputs[::step][:_FILES]
    chunk = max(1, min(job.rows_a_shard, 2000) // len(some))
    wanted = Wanted(job.text, job.id, job.columns, frozenset({ROW, *tasks.columns(job.options)}))
    readers = [Inputs([source], wanted, chunk) for source in some]
    types = readers[0].types()
    streams = [(reader, reader.shards()) for reader in readers]
    count = rejected = masks = written = 0
    spent = 0.0
    first = True
    provenance = provenance_of({})
    with ThreadPoolExecutor(task.callers) as pool:
        while streams and spent < seconds:
            taken = [(pair, next(pair[1], None)) for pair in streams]
            streams = [pair for pair, rows in taken if rows is not None]
            for rows in [rows for _, rows in taken if rows is not None]:
                if first:  # not timed: the first calls allocate
                    _work(task, replace_texts(rows, 64), pool)
                    first = False
                begun = time.perf_counter()
                work = task.prepare(rows.texts)
                masks += sum(pool.map(work.run, range(work.pieces)))
                answers, failures = work.answers()
                left = rows.without(failures)
                written += len(encode(left, answers, job.format, types, provenance))
                spent += time.perf_counter() - begun
                count, rejected = count + rows.count, rejected + len(left.rejects)
                if spent >= seconds:
                    break
    # Read so far, of the files sampled: so many rows to so many bytes.
    behind = sum(reader.bytes_read for reader in readers)
    read = sum(reader.rows_read for reader in readers)
    for reader in readers:
        reader.close()
    if not count:
        raise InputError("there are no rows to sample")
    size = sum(source.size or 0 for source in job.inputs)
    rows = round(read * size / behind) if behind else count
    rate = count / spent
    hours = rows / rate / 3600
    return Estimate(
        rows,
        count,
        rejected / count,
        masks / count,
        rate,
        rows / rate,
        1e6 / rate,
        round(written * rows / count),
        None if price_per_hour is None else hours * price_per_hour,
        None if price_per_hour is None else 1e6 / rate / 3600 * price_per_hour,
    )


def _work(task: tasks.Task, rows: Rows, pool: ThreadPoolExecutor) -> None:
    work = task.prepare(rows.texts)
    list(pool.map(work.run, range(work.pieces)))


def replace_texts(rows: Rows, most: int) -> Rows:
    """The rows with the first of their texts only."""
    return replace(rows, texts=rows.texts[:most])


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours / 24:.1f} days"
