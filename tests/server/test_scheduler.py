"""Which thread runs the model next."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from fillmask.runtime.engines import CPU_BUDGET, Batch
from fillmask.server.worker.scheduler import ModelScheduler, ScheduledEngine


class _Engine:
    name, precision, budget = "counting", "float32", CPU_BUDGET

    def __init__(self) -> None:
        self.running = self.passes = 0

    def run(self, batch: Batch) -> np.ndarray:
        self.running += 1
        assert self.running == 1, "two passes at once"
        time.sleep(0.005)
        self.running -= 1
        self.passes += 1
        return np.zeros((0, 0), np.float32)


def test_every_second_turn_is_the_masks() -> None:
    engine, turns = _Engine(), ModelScheduler()
    order: list[str] = []
    empty = np.zeros((0, 0), np.int64)
    batch = Batch(empty, empty, empty, empty, empty[0:0].reshape(-1))
    begin = threading.Barrier(4)

    def work(name: str, passes: int) -> None:
        mine = ScheduledEngine(engine, turns, has_priority=name == "fill")
        begin.wait()
        for _ in range(passes):
            mine.run(batch)
            order.append(name)

    threads = [threading.Thread(target=work, args=(name, 12)) for name in ("fill", "restore 1", "restore 2", "score")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    busy = order[: len(order) - order[::-1].index("fill")]  # while masks were waiting
    assert busy.count("fill") >= len(busy) / 2 - 2
    assert {"restore 1", "restore 2", "score"} <= set(busy)


def test_a_cancelled_job_gives_the_model_back() -> None:
    """What `check` raises ends the job in its turn, before the pass, and the next one runs."""
    engine, scheduler = _Engine(), ModelScheduler()
    empty = np.zeros((0, 0), np.int64)
    batch = Batch(empty, empty, empty, empty, empty[0:0].reshape(-1))

    def cancelled() -> None:
        raise RuntimeError("cancelled")

    with pytest.raises(RuntimeError, match="cancelled"):
        ScheduledEngine(engine, scheduler, has_priority=False, check=cancelled).run(batch)
    ScheduledEngine(engine, scheduler, has_priority=False).run(batch)
    assert engine.passes == 1


def test_jobs_run_in_the_order_in_which_they_ask() -> None:
    scheduler = ModelScheduler()
    order: list[int] = []

    def wait_in_line(number: int) -> None:
        with scheduler.take(has_priority=False):
            order.append(number)

    threads = []
    with scheduler.take(has_priority=False):
        for number in range(5):
            threads.append(threading.Thread(target=wait_in_line, args=(number,)))
            threads[-1].start()
            while len(scheduler._others) < number + 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(5))
