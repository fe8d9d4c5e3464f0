"""Decides which waiting rows go to the model together, and when.

As soon as the model is free, it gets the batch that holds the row which has
waited longest, with others of like length. `fillmask.runtime.batching.plan` fills
batches up, which is right for a thousand texts; of the few that wait here the
longest would pad all others, so these are divided such that the model has the
least to do. While requests come one at a time nothing waits; where the last
batch had several rows, more are likely on their way, and a batch that is not
full may wait a few milliseconds for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import islice

from fillmask.runtime.engines import BatchBudget
from fillmask.server.metrics import Metrics
from fillmask.server.worker.wire import FillRow
from fillmask.tokenization.masked_input import MaskedInput

_WINDOW = 64  # rows that are looked at, the oldest
_BATCH_COST = 48  # tokens that the model could run in the time that a batch takes by itself

Answer = list[list[bytes]]  # for each row, JSON of the candidates of each mask


class QueuedRow:
    """A row in the queue, of one request."""

    __slots__ = ("place", "request", "row", "since")

    def __init__(self, request: PendingFill, place: int, row: FillRow, since: float) -> None:
        self.request = request
        self.place = place
        self.row = row
        self.since = since


class PendingFill:
    """The rows of one request. `future` ends with all answers, or when nobody waits for them any more."""

    def __init__(self, count: int) -> None:
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers: Answer = [[] for _ in range(count)]
        self._left = count

    def answer(self, place: int, masks: list[bytes]) -> None:
        """Take the answer of one row."""
        self._answers[place] = masks
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
        self._waiting: dict[QueuedRow, None] = {}  # in the order of arrival
        self._tokens = 0
        self._last_rows = 1
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, rows: Sequence[FillRow]) -> asyncio.Future[Answer]:
        """Queue the rows of a request. When the future is ended from outside they leave the queue."""
        request = PendingFill(len(rows))
        now = time.perf_counter()
        waiting = [QueuedRow(request, place, row, now) for place, row in enumerate(rows)]
        for queued in waiting:
            self._waiting[queued] = None
            self._tokens += len(queued.row.read.ids)
        request.future.add_done_callback(lambda _: self._forget(waiting))
        self._metrics.queued.labels("fill-mask").set(len(self._waiting))
        self._wake()
        return request.future

    def _forget(self, rows: Sequence[QueuedRow]) -> None:
        for queued in rows:
            if self._waiting.pop(queued, self) is None:
                self._tokens -= len(queued.row.read.ids)
        self._metrics.queued.labels("fill-mask").set(len(self._waiting))

    def take(self, budget: BatchBudget) -> list[QueuedRow]:
        """The next batch, out of the queue; none where there is nothing to run now."""
        # Those that ended in this turn of the loop have not left yet.
        self._forget([queued for queued in self._waiting if queued.request.future.done()])
        if not self._waiting:
            return []
        if self._tokens < budget.tokens:
            oldest = next(iter(self._waiting))
            remaining = oldest.since + self._wait - time.perf_counter()
            if self._last_rows > 1 and remaining > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(remaining, self._time_is_up)
                return []
        rows = list(islice(self._waiting, _WINDOW))
        batch = [rows[index] for index in with_first([queued.row.read for queued in rows], budget)]
        self._forget(batch)
        self._last_rows = len(batch)
        now = time.perf_counter()
        queue = self._metrics.queue.labels("fill-mask")
        for queued in batch:
            queue.observe(now - queued.since)
        self._metrics.batch_rows.observe(len(batch))
        self._metrics.batch_tokens.observe(len(batch) * max(len(queued.row.read.ids) for queued in batch))
        return batch

    def _time_is_up(self) -> None:
        self._timer = None
        self._wake()


def with_first(rows: Sequence[MaskedInput], budget: BatchBudget) -> list[int]:
    """Indices of the batch that holds row 0, in order, when all rows are divided so that the least work is done.

    The work of a batch is its padded tokens and what it costs to run one at all. Rows of one batch stand together in the
    order of their lengths, so the best division of the first so many is found from those of fewer.
    """
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index].ids))
    lengths = [len(rows[index].ids) for index in order]
    masks = [0]
    for index in order:
        masks.append(masks[-1] + len(rows[index].positions))
    work = [0.0]
    starts = [0]
    for stop in range(1, len(order) + 1):
        best, where = float("inf"), stop - 1
        for start in range(stop - 1, -1, -1):
            tokens = (stop - start) * lengths[start]
            if start < stop - 1 and (tokens > budget.tokens or masks[stop] - masks[start] > budget.masks):
                break  # longer rows, and more of them, fit even less
            if work[start] + tokens < best:
                best, where = work[start] + tokens, start
        work.append(best + _BATCH_COST)
        starts.append(where)
    stop = len(order)
    place = order.index(0)
    while starts[stop] > place:
        stop = starts[stop]
    return sorted(order[starts[stop] : stop])
