"""Which rows go to the model together, and when."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.runtime.engines import CPU_BUDGET, BatchBudget
from fillmask.server.errors import ApiError
from fillmask.server.metrics import Metrics
from fillmask.server.scheduling.batcher import Answer, Batcher, with_first
from fillmask.server.worker.wire import FillRow
from fillmask.tokenization.masked_input import MaskedInput


def masked(length: int, masks: int = 1) -> MaskedInput:
    return MaskedInput([7] * length, [0] * length, list(range(masks)))


def row(length: int) -> FillRow:
    return FillRow(masked(length), [7] * length, [0], True, 5, None)


def test_like_lengths_go_together() -> None:
    lengths = [10, 200, 11, 190, 12, 210]
    assert with_first([masked(n) for n in lengths], CPU_BUDGET) == [0, 2, 4]
    assert with_first([masked(n) for n in lengths[1:]], CPU_BUDGET) == [0, 2, 4]


def test_few_short_rows_are_not_run_one_by_one() -> None:
    assert with_first([masked(n) for n in (10, 14, 18, 22)], CPU_BUDGET) == [0, 1, 2, 3]


def test_a_row_above_the_budget_goes_alone() -> None:
    assert with_first([masked(3000), masked(2900), masked(5)], CPU_BUDGET) == [0]


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=30))
def test_batches_hold_the_oldest_and_keep_to_the_budget(shapes: list[tuple[int, int]]) -> None:
    rows = [masked(*shape) for shape in shapes]
    budget = BatchBudget(1024, 64)
    chosen = with_first(rows, budget)
    assert 0 in chosen
    assert chosen == sorted(set(chosen))
    if len(chosen) > 1:
        assert len(chosen) * max(len(rows[i].ids) for i in chosen) <= budget.tokens
        assert sum(len(rows[i].positions) for i in chosen) <= budget.masks


@given(st.lists(st.integers(1, 400), min_size=1, max_size=7))
def test_no_division_is_less_work(lengths: list[int]) -> None:
    """Against all divisions of the sorted rows."""
    budget = CPU_BUDGET
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
            batch = batcher.take(CPU_BUDGET)
            if not batch:  # it waits for more
                pending.append(batcher.submit([row(9)]))
                await asyncio.sleep(wait * 1.5)
                assert woken.is_set()
                batch = batcher.take(CPU_BUDGET)
            else:
                pending.append(batcher.submit([row(9)]))
            sizes.append(len(batch))
            rest = batch if len(batch) == 2 else [*batch, *batcher.take(CPU_BUDGET)]
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
        batch = batcher.take(CPU_BUDGET)
        assert {one.request.future for one in batch} == {futures[0], futures[2]}
        assert len(batcher) == 0
        batcher.submit([row(9)]).cancel()
        assert batcher.take(CPU_BUDGET) == []

    asyncio.run(main())
