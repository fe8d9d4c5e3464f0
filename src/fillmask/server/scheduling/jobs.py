"""Jobs that wait for a model process: scores, restorations, labels.

Each kind has its own queue and its own threads in a model process, so that a
score does not wait behind restorations.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fillmask.server.metrics import Metrics


@dataclass(frozen=True)
class JobProgress:
    """How far a restoration is.

    Attributes:
        settled: holes that have their readings.
    """

    settled: int
    holes: int
    forward_passes: int


class QueuedJob:
    """One job. Its `future` ends with the answer, or when nobody waits for it any more."""

    def __init__(self, task: str, request: dict[str, Any]) -> None:
        self.task = task
        self.request = request
        self.since = time.perf_counter()
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.progress: JobProgress | None = None
        self.changed = asyncio.Event()  # set on progress, and at the end

    def report(self, progress: JobProgress) -> None:
        """Keep the latest progress: a client that reads slowly misses steps, and nothing piles up."""
        self.progress = progress
        self.changed.set()

    def answer(self, body: bytes) -> None:
        """End the job with its answer."""
        if not self.future.done():
            self.future.set_result(body)

    def fail(self, error: Exception) -> None:
        """End the job with an error."""
        if not self.future.done():
            self.future.set_exception(error)


class JobQueue:
    """The queues of jobs, one for each task.

    Args:
        wake: called when there may be a job to take.
        stop: called with a job that is not waiting when it is ended from outside.
    """

    def __init__(self, metrics: Metrics, *, wake: Callable[[], None], stop: Callable[[QueuedJob], None]) -> None:
        self._metrics = metrics
        self._wake = wake
        self._stop = stop
        self._waiting: dict[str, deque[QueuedJob]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def submit(self, task: str, request: dict[str, Any]) -> QueuedJob:
        """Queue a job. When its future is ended from outside it leaves the queue, or is stopped."""
        job = QueuedJob(task, request)
        self._waiting.setdefault(task, deque()).append(job)
        job.future.add_done_callback(lambda _: self._ended(job))
        self._count(task)
        self._wake()
        return job

    def take(self, task: str) -> QueuedJob | None:
        """The next job of a kind, out of the queue."""
        queue = self._waiting.get(task)
        if not queue:
            return None
        job = queue.popleft()
        self._count(task)
        self._metrics.queue.labels(task).observe(time.perf_counter() - job.since)
        return job

    def _ended(self, job: QueuedJob) -> None:
        job.changed.set()
        try:
            self._waiting[job.task].remove(job)
        except ValueError:
            self._stop(job)
        else:
            self._count(job.task)

    def _count(self, task: str) -> None:
        self._metrics.queued.labels(task).set(len(self._waiting[task]))
