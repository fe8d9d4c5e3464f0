"""Which waiting rows go to the model together, and when.

As soon as the model is free, it gets the batch that holds the row which has
waited longest, among rows of like length (`fillmask.batching.plan`). While
requests come one at a time nothing waits; where the last batch had several
rows, more are likely on their way, and a batch that is not full may wait a
few milliseconds for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from fillmask.batching import plan
from fillmask.engines import Budget
from fillmask.serving.metrics import Metrics
from fillmask.serving.wire import Row

Answer = list[list[bytes]]  # for each row, JSON of the candidates of each mask


class Waiting:
    """A row in the queue, of one request."""

    __slots__ = ("place", "request", "row", "since")

    def __init__(self, request: Request, place: int, row: Row, since: float) -> None:
        self.request = request
        self.place = place
        self.row = row
        self.since = since


class Request:
    """The rows of one request; `future` is done when all are answered, or when nobody waits for them any more."""

    def __init__(self, count: int) -> None:
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers: Answer = [[] for _ in range(count)]
        self._left = count

    def answer(self, place: int, found: list[bytes]) -> None:
        """Take the answer of one row."""
        self._answers[place] = found
        self._left -= 1
        if not self._left and not self.future.done():
            self.future.set_result(self._answers)

    def fail(self, error: Exception) -> None:
        """End the request with an error."""
        if not self.future.done():
            self.future.set_exception(error)


class Batcher:
    """The queue of rows.

    Args:
        wait: most seconds that a batch waits for more rows.
        wake: called when there may be a batch to take.
    """

    def __init__(self, metrics: Metrics, *, wait: float, wake: Callable[[], None]) -> None:
        self._metrics = metrics
        self._wait = wait
        self._wake = wake
        self._waiting: dict[Waiting, None] = {}  # in the order of arrival
        self._tokens = 0
        self._last_rows = 1
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, rows: Sequence[Row]) -> asyncio.Future[Answer]:
        """Queue the rows of a request. When the future is ended from outside they leave the queue."""
        request = Request(len(rows))
        now = time.perf_counter()
        waiting = [Waiting(request, place, row, now) for place, row in enumerate(rows)]
        for one in waiting:
            self._waiting[one] = None
            self._tokens += len(one.row.read.ids)
        request.future.add_done_callback(lambda _: self._forget(waiting))
        self._metrics.queued.labels("fill-mask").set(len(self._waiting))
        self._wake()
        return request.future

    def _forget(self, rows: Sequence[Waiting]) -> None:
        for one in rows:
            if self._waiting.pop(one, self) is None:
                self._tokens -= len(one.row.read.ids)
        self._metrics.queued.labels("fill-mask").set(len(self._waiting))

    def take(self, budget: Budget) -> list[Waiting]:
        """The next batch, out of the queue; none where there is nothing to run now."""
        if not self._waiting:
            return []
        if self._tokens < budget.tokens:
            oldest = next(iter(self._waiting))
            left = oldest.since + self._wait - time.perf_counter()
            if self._last_rows > 1 and left > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(left, self._time_is_up)
                return []
        rows = list(self._waiting)
        reads = [one.row.read for one in rows]
        chosen = next(indices for indices in plan(reads, budget) if 0 in indices)  # the oldest is row 0
        batch = [rows[index] for index in sorted(chosen)]
        self._forget(batch)
        self._last_rows = len(batch)
        now = time.perf_counter()
        queue = self._metrics.queue.labels("fill-mask")
        for one in batch:
            queue.observe(now - one.since)
        self._metrics.batch_rows.observe(len(batch))
        self._metrics.batch_tokens.observe(len(batch) * max(len(one.row.read.ids) for one in batch))
        return batch

    def _time_is_up(self) -> None:
        self._timer = None
        self._wake()
