"""The live bar of a batch job, on stderr: rows and masks a second, and the time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from fillmask.batch.estimate import duration

if TYPE_CHECKING:
    from fillmask.batch.job import BatchProgress


class Bar:
    """Draws what it is called with."""

    def __init__(self) -> None:
        self._progress = Progress(
            BarColumn(bar_width=24), TextColumn("{task.description}"), console=Console(stderr=True), transient=True
        )
        self._task = self._progress.add_task("reading …", total=None)
        self._progress.start()
        self._begun: float | None = None

    def __call__(self, done: BatchProgress) -> None:
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
            return
        self._progress.update(
            self._task, completed=done.rows, total=done.expected, description=describe(done, now - self._begun)
        )

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def describe(done: BatchProgress, seconds: float) -> str:
    """How far a job is, in words, `seconds` after it began."""
    rate = (done.rows - done.earlier) / seconds if seconds else 0.0
    parts = [f"{done.rows:,.0f}" + (f" of {done.expected:,.0f} rows" if done.expected else " rows")]
    parts += [f"{rate:,.0f} rows/s", f"{done.masks / seconds if seconds else 0:,.0f} masks/s"]
    if done.expected and rate:
        parts.append(f"{duration(max(0.0, done.expected - done.rows) / rate)} left")
    if done.rejected:
        parts.append(f"{done.rejected:,} rejected")
    return " · ".join(parts)
