"""Decides which thread runs the model next.

A forward pass uses every core, so passes go one at a time. A restoration may
need hundreds: filling masks has every second turn whenever it waits, and so
never waits for more than one pass of another; the jobs share the other turns,
in the order in which they ask.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fillmask.runtime.engines import Batch, Engine, Floats


class ModelScheduler:
    """A lock on the model that is given in turns."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self._priority: deque[object] = deque()
        self._others: deque[object] = deque()
        self._others_turn = False

    @contextmanager
    def take(self, *, has_priority: bool) -> Iterator[None]:
        """Hold the model; `has_priority` for those that have every second turn."""
        ticket = object()
        with self._changed:
            queue = self._priority if has_priority else self._others
            queue.append(ticket)
            self._changed.wait_for(lambda: not self._busy and self._next() is ticket)
            queue.popleft()
            self._busy = True
            self._others_turn = has_priority
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> object:
        if self._priority and not (self._others and self._others_turn):
            return self._priority[0]
        return self._others[0]


class ScheduledEngine:
    """An engine that waits for its turn before each pass.

    Args:
        check: called with the turn in hand; what it raises ends the work.
    """

    def __init__(
        self, engine: Engine, scheduler: ModelScheduler, *, has_priority: bool, check: Callable[[], None] | None = None
    ) -> None:
        self.name = engine.name
        self.precision = engine.precision
        self.budget = engine.budget
        self._engine = engine
        self._scheduler = scheduler
        self._has_priority = has_priority
        self._check = check

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary)."""
        with self._scheduler.take(has_priority=self._has_priority):
            if self._check is not None:
                self._check()
            return self._engine.run(batch)
