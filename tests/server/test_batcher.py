"""Which rows go together, when, and in whose turn; without processes."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.runtime.engines import ON_A_CPU, Batch, Budget
from fillmask.server.errors import ApiError, LimitError
from fillmask.server.metrics import Metrics
from fillmask.server.scheduling.admission import Capacity
from fillmask.server.scheduling.batcher import Answer, Batcher, with_first
from fillmask.server.worker.scheduler import ModelScheduler, ScheduledEngine
from fillmask.server.worker.wire import FillRow, FrameReader, encode_frame
from fillmask.tokenization.masked_input import MaskedInput


def masked(length: int, masks: int = 1) -> MaskedInput:
    return MaskedInput([7] * length, [0] * length, list(range(masks)))


def row(length: int) -> FillRow:
    return FillRow(masked(length), [7] * length, [0], True, 5, None)


def test_like_lengths_go_together() -> None:
    lengths = [10, 200, 11, 190, 12, 210]
    assert with_first([masked(n) for n in lengths], ON_A_CPU) == [0, 2, 4]
    assert with_first([masked(n) for n in lengths[1:]], ON_A_CPU) == [0, 2, 4]


def test_few_short_rows_are_not_run_one_by_one() -> None:
    assert with_first([masked(n) for n in (10, 14, 18, 22)], ON_A_CPU) == [0, 1, 2, 3]


def test_a_row_above_the_budget_goes_alone() -> None:
    assert with_first([masked(3000), masked(2900), masked(5)], ON_A_CPU) == [0]


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=30))
def test_batches_hold_the_oldest_and_keep_to_the_budget(shapes: list[tuple[int, int]]) -> None:
    rows = [masked(*shape) for shape in shapes]
    budget = Budget(1024, 64)
    chosen = with_first(rows, budget)
    assert 0 in chosen
    assert chosen == sorted(set(chosen))
    if len(chosen) > 1:
        assert len(chosen) * max(len(rows[i].ids) for i in chosen) <= budget.tokens
        assert sum(len(rows[i].positions) for i in chosen) <= budget.masks


@given(st.lists(st.integers(1, 400), min_size=1, max_size=7))
def test_no_division_is_less_work(lengths: list[int]) -> None:
    """Against all divisions of the sorted rows."""
    budget = ON_A_CPU
    rows = [masked(n) for n in lengths]
    ordered = sorted(lengths, reverse=True)

    def work(cuts: tuple[bool, ...]) -> float:
        total, start = 0.0, 0
        for stop in [i + 1 for i, cut in enumerate(cuts) if cut] + [len(ordered)]:
            tokens = (stop - start) * ordered[start]
            if stop - start > 1 and tokens > budget.tokens:
                return float("inf")
            total += tokens + 48
            start = stop
        return total

    best = min(map(work, product((False, True), repeat=len(lengths) - 1)))
    left, done = dict(enumerate(rows)), 0.0
    while left:
        keys = list(left)
        # The divisions of what is left are those of the whole without the batch taken.
        batch = [keys[i] for i in with_first([left[key] for key in keys], budget)]
        done += len(batch) * max(len(rows[key].ids) for key in batch) + 48
        for key in batch:
            del left[key]
    assert done == best


def run_batcher(wait: float) -> list[int]:
    """Sizes of the batches that are taken when rows come in pairs, the second a moment later."""
    sizes = []

    async def main() -> None:
        woken = asyncio.Event()
        batcher = Batcher(Metrics(), wait=wait, wake=woken.set)
        for _ in range(3):
            pending = [batcher.submit([row(9)])]
            batch = batcher.take(ON_A_CPU)
            if not batch:  # it waits for more
                pending.append(batcher.submit([row(9)]))
                await asyncio.sleep(wait * 1.5)
                assert woken.is_set()
                batch = batcher.take(ON_A_CPU)
            else:
                pending.append(batcher.submit([row(9)]))
            sizes.append(len(batch))
            rest = batch if len(batch) == 2 else [*batch, *batcher.take(ON_A_CPU)]
            for one in rest:
                one.request.answer(one.place, [b"[]"])
            await asyncio.gather(*pending)
            assert not len(batcher)
            batcher._last_rows = 2  # as under load

    asyncio.run(main())
    return sizes


def test_the_first_goes_at_once_and_more_are_waited_for_under_load() -> None:
    assert run_batcher(0.02) == [1, 2, 2]
    assert run_batcher(0) == [1, 1, 1]


def test_rows_leave_the_queue_with_their_request() -> None:
    async def main() -> None:
        batcher = Batcher(Metrics(), wait=0, wake=lambda: None)
        futures: list[asyncio.Future[Answer]] = [batcher.submit([row(9), row(11)]) for _ in range(3)]
        futures[1].set_exception(ApiError("deadline_exceeded", "too late"))
        with pytest.raises(ApiError):
            await futures[1]
        batch = batcher.take(ON_A_CPU)
        assert {one.request.future for one in batch} == {futures[0], futures[2]}
        assert len(batcher) == 0
        batcher.submit([row(9)]).cancel()
        assert batcher.take(ON_A_CPU) == []

    asyncio.run(main())


def test_a_capacity_is_shared() -> None:
    capacity = Capacity(4, "queue_items", 100, "queue_tokens")
    first = capacity.reserve()
    first.grow(items=2, tokens=60)
    second = capacity.reserve()
    with pytest.raises(ApiError, match="queue_items") as full:
        capacity.reserve()
    assert (full.value.status, full.value.headers) == (429, {"Retry-After": "1"})
    with pytest.raises(ApiError, match="queue_tokens"):
        second.grow(tokens=41)
    with pytest.raises(LimitError, match="queue_tokens"):
        second.grow(tokens=101)
    first.release()
    first.release()
    second.grow(items=3, tokens=100)
    second.release()
    assert (capacity.used_items, capacity.used_tokens) == (0, 0)


class _Engine:
    name, precision, budget = "counting", "float32", ON_A_CPU

    def __init__(self) -> None:
        self.running = 0

    def run(self, batch: Batch) -> np.ndarray:
        self.running += 1
        assert self.running == 1, "two passes at once"
        time.sleep(0.005)
        self.running -= 1
        return np.zeros((0, 0), np.float32)


def test_every_second_turn_is_the_masks() -> None:
    engine, turns = _Engine(), ModelScheduler()
    order: list[str] = []
    empty = np.zeros((0, 0), np.int64)
    batch = Batch(empty, empty, empty, empty, empty[0:0].reshape(-1))
    begin = threading.Barrier(4)

    def work(name: str, passes: int) -> None:
        mine = ScheduledEngine(engine, turns, first=name == "fill")
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


def test_frames_arrive_in_any_pieces() -> None:
    messages = [{"a": 1}, "text", list(range(500))]
    data = b"".join(map(encode_frame, messages))
    for size in (1, 3, 7, len(data)):
        frames = FrameReader()
        found = [m for start in range(0, len(data), size) for m in frames.feed(data[start : start + size])]
        assert found == messages
