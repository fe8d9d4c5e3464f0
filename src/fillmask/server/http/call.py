"""One request from its head to its answer: its id, its deadline, its place, and what it waits for."""

from __future__ import annotations

import asyncio
import time
from typing import Any, TypeVar

from fillmask.server.errors import ApiError
from fillmask.server.http.request_body import deadline_exceeded
from fillmask.server.scheduling.admission import BodyShare, Reservation

_Answer = TypeVar("_Answer")


class Call:
    """A request in work.

    Attributes:
        request_id: the client's, or one of ours.
        route: its path, where that is one of the service's.
        reservation: what it holds of its task's capacity; set for requests that need the model.
        share: what its body holds of the bytes of all bodies.
        warnings: what the client is to be told beside its answer.
    """

    def __init__(self, request_id: str, route: str) -> None:
        self.request_id = request_id
        self.route = route
        self.reservation: Reservation
        self.share: BodyShare | None = None
        self.started = time.perf_counter()
        self.error_type: str | None = None
        self.has_place = False
        self.warnings: list[str] = []
        self._waits_for: asyncio.Future[Any] | None = None
        self._over: ApiError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.left = asyncio.Event()

    def take(self, reservation: Reservation) -> None:
        """Hold a reservation until the call ends."""
        self.reservation = reservation
        self.has_place = True

    def set_deadline(self, seconds: float) -> None:
        """End the call with 504 after so many seconds."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.stop, deadline_exceeded(seconds))

    def leave(self) -> None:
        """The client is gone."""
        self.left.set()
        self.stop(ApiError("client_left", "the client closed the connection"))

    def stop(self, error: ApiError) -> None:
        """End the call with an error, if it is not over yet."""
        if self._over is None:
            self._over = error
        if self._waits_for is not None and not self._waits_for.done():
            # Rows and jobs that belong to the future leave their queue with it.
            self._waits_for.set_exception(error)

    async def wait(self, future: asyncio.Future[_Answer]) -> _Answer:
        """The answer, unless the deadline or the client's leaving comes first.

        Raises:
            ApiError: it came first, or there is no answer.
        """
        self.watch(future)
        return await future

    def watch(self, future: asyncio.Future[Any]) -> None:
        """End the future with the call."""
        self._waits_for = future
        # Who follows a stream stops asking when its client leaves, and the error that ends the future then is nobody's:
        # asyncio would log it as forgotten.
        future.add_done_callback(_look_at)
        if self._over is not None and not future.done():
            future.set_exception(self._over)

    def end(self) -> None:
        """Give back what it holds."""
        if self._timer is not None:
            self._timer.cancel()
        if self.has_place:
            self.reservation.release()
        if self.share is not None:
            self.share.release()
        if self._waits_for is not None and not self._waits_for.done():
            self._waits_for.cancel()


def _look_at(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
