"""A batch job on this machine.

One thread reads and tokenises the next shard while the pieces of the current one run on all cores. A shard is committed
before the next one is computed, so that a kill costs one shard at most. Two shards are in memory, however large the input.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from fillmask.batch import tasks
from fillmask.batch.job import BatchJob, BatchProgress, JobSummary, OnProgress, PreparedJob, prepare, provenance_of
from fillmask.batch.manifest import CommittedShard, Manifest, open_manifest, rejects_name
from fillmask.batch.outputs import ShardEncoder, commit
from fillmask.batch.rows import ShardRows
from fillmask.batch.selection import select_engine
from fillmask.batch.shards import ShardReader
from fillmask.batch.tasks import Task, Work
from fillmask.runtime import memory

_JOIN_SECONDS = 0.5  # how long to wait for a reader that may wait for stdin


def run(
    job: BatchJob,
    *,
    restart: bool = False,
    on_progress: OnProgress | None = None,
    on_selection: Callable[[str], None] | None = None,
) -> JobSummary:
    """Run a job, or the rest of it.

    Args:
        restart: delete what an earlier run wrote to the output's folder.
        on_progress: called after each piece of work, on any thread, one call at a time.
        on_selection: called with one line that says which engine and precision were taken, and why.

    Raises:
        InputError: an input cannot be read, or the output holds another job.
        OSError: the output cannot be written.
        KeyboardInterrupt: Ctrl-C; what was committed stays.
    """
    prepared = prepare(job)
    try:
        options, selection = select_engine(prepared, restart=restart)
        task = tasks.load(options)
        description = prepared.describe(task.provenance)
        with open_manifest(job.output, description, restart=restart) as manifest:
            if selection is not None:
                manifest.note_selection(selection.as_json())
                if on_selection is not None:
                    on_selection(selection.reason)
            return _run(prepared, task, manifest, on_progress)
    finally:
        prepared.close()


def _run(prepared: PreparedJob, task: Task, manifest: Manifest, on_progress: OnProgress | None) -> JobSummary:
    job, inputs = prepared.job, ShardReader(prepared.plan, prepared.readers)
    encoder = ShardEncoder(job.format, prepared.plan.schema.types, provenance_of(manifest.job))
    before = sum(done.rows for done in manifest.done.values())
    counter = _ProgressCounter(inputs, manifest, on_progress)
    started = time.perf_counter()
    if not manifest.complete:
        prefetcher = _ShardPrefetcher(inputs, task, manifest.done)
        try:
            with ThreadPoolExecutor(task.callers, thread_name_prefix="fillmask") as pool:
                for rows, work in prefetcher:
                    masks = _compute(work, rows, pool, task.callers, counter)
                    answers, failures = work.answers()
                    answered = rows.without(failures)
                    done = commit(job.output, encoder.encode(answered, answers, masks), job.format)
                    manifest.add(done)
                    counter.committed(done)
                    memory.give_back()
        finally:
            prefetcher.close()
        manifest.finish()
    return summary(job, manifest, before, counter.masks, time.perf_counter() - started)


def summary(job: BatchJob, manifest: Manifest, before: int, masks: int, seconds: float) -> JobSummary:
    """What the job has come to, `before` being the rows that were answered earlier."""
    shards = [manifest.done[shard] for shard in sorted(manifest.done)]
    rows = sum(shard.rows for shard in shards)
    rejects = tuple(str(job.output / rejects_name(shard.shard)) for shard in shards if shard.rejected)
    rejected = sum(shard.rejected for shard in shards)
    return JobSummary(rows, rejected, len(shards), rows - before, masks, seconds, rejects)


def _compute(work: Work, rows: ShardRows, pool: ThreadPoolExecutor, callers: int, counter: _ProgressCounter) -> int:
    """Run all pieces on the pool, and return how many masks they had."""
    pieces = iter(range(work.pieces))
    taking = threading.Lock()
    stop = threading.Event()
    total = [0] * callers

    def caller(number: int) -> None:
        try:
            while not stop.is_set():
                with taking:
                    piece = next(pieces, None)
                if piece is None:
                    return
                masks = work.run(piece)
                total[number] += masks
                counter.advance(rows.count / work.pieces, masks)
        except BaseException:
            stop.set()  # the others need not go on
            raise

    futures = [pool.submit(caller, number) for number in range(callers)]
    try:
        wait(futures)
    except BaseException:
        stop.set()
        raise
    for future in futures:
        future.result()
    return sum(total)


class _ProgressCounter:
    """Counts rows and masks, and reports them."""

    def __init__(self, inputs: ShardReader, manifest: Manifest, on_progress: OnProgress | None) -> None:
        self._inputs, self._on_progress = inputs, on_progress
        self._lock = threading.Lock()
        self._earlier = self._rows = sum(done.count for done in manifest.done.values())
        self._rejected = sum(done.rejected for done in manifest.done.values())
        self._inside = 0.0  # rows of the current shard that are computed
        self.masks = 0

    def advance(self, rows: float, masks: int) -> None:
        with self._lock:
            self._inside += rows
            self.masks += masks
            self._report()

    def committed(self, done: CommittedShard) -> None:
        with self._lock:
            self._rows, self._rejected, self._inside = self._rows + done.count, self._rejected + done.rejected, 0.0
            self._report()

    def _report(self) -> None:
        if self._on_progress is not None:
            rows, expected = self._rows + self._inside, self._inputs.rows_expected()
            self._on_progress(BatchProgress(rows, expected, self._earlier, self.masks, self._rejected))


@dataclass(frozen=True)
class _ReadFailure:
    error: BaseException


class _ShardPrefetcher:
    """Shards with their work, prepared by a thread that is one shard ahead and no more."""

    def __init__(self, inputs: ShardReader, task: Task, done: Iterable[int]) -> None:
        self._inputs, self._task, self._done = inputs, task, frozenset(done)
        self._requested, self._ready = threading.Semaphore(1), threading.Semaphore(0)
        self._next: tuple[ShardRows, Work] | _ReadFailure | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._read, name="fillmask-read", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._requested.acquire()
            for rows in self._inputs.shards(self._done):
                self._next = rows, self._task.prepare(rows.texts)
                self._ready.release()
                self._requested.acquire()
                if self._stop:
                    return
            self._next = None
        except BaseException as error:  # raised where the shard is waited for
            self._next = _ReadFailure(error)
        self._ready.release()

    def __iter__(self) -> Iterator[tuple[ShardRows, Work]]:
        while True:
            self._ready.acquire()
            shard, self._next = self._next, None
            if isinstance(shard, _ReadFailure):
                raise shard.error
            if shard is None:
                return
            self._requested.release()
            yield shard

    def close(self) -> None:
        """Stop reading; a thread that waits for input is left to end with the process."""
        self._stop = True
        self._requested.release()
        # A read of stdin may wait for ever; the thread ends with the process.
        self._thread.join(_JOIN_SECONDS if self._inputs.may_wait else None)
        if not self._thread.is_alive():
            self._inputs.close()
