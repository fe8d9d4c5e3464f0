"""Batches: every text once, budgets kept, padding where it belongs."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fillmask.runtime.batching import collate, plan, plan_sizes
from fillmask.runtime.engines import BatchBudget
from fillmask.tokenization.masked_input import MaskedInput

texts = st.lists(
    st.integers(1, 60).flatmap(
        lambda n: st.builds(
            MaskedInput,
            ids=st.lists(st.integers(5, 99), min_size=n, max_size=n),
            type_ids=st.just([0] * n),
            positions=st.lists(st.integers(0, n - 1), min_size=1, max_size=4, unique=True),
        )
    ),
    max_size=30,
)


@given(texts, st.integers(1, 200), st.integers(1, 20))
def test_plan_takes_each_text_once_within_the_budgets(items: list[MaskedInput], tokens: int, masks: int) -> None:
    batches = list(plan(items, BatchBudget(tokens, masks)))
    assert sorted(i for batch in batches for i in batch) == list(range(len(items)))
    for batch in batches:
        longest = max(len(items[i].ids) for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= tokens
        assert len(batch) == 1 or sum(len(items[i].positions) for i in batch) <= masks


@given(texts.filter(bool))
def test_collate_pads_on_the_right_and_finds_every_position(items: list[MaskedInput]) -> None:
    batch = collate(items, pad=1)
    for row, item in enumerate(items):
        n = len(item.ids)
        assert batch.input_ids[row, :n].tolist() == list(item.ids)
        assert (batch.input_ids[row, n:] == 1).all()
        assert batch.attention_mask[row].tolist() == [1] * n + [0] * (batch.input_ids.shape[1] - n)
    slots = batch.mask_slots.shape[1]
    rows, columns = np.divmod(batch.mask_chosen, slots)
    found = [(int(r), int(batch.mask_slots[r, c])) for r, c in zip(rows, columns, strict=True)]
    assert found == [(row, p) for row, item in enumerate(items) for p in item.positions]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), max_size=30), st.integers(1, 200), st.integers(1, 20))
def test_sizes_are_enough_for_a_plan(sizes: list[tuple[int, int]], tokens: int, masks: int) -> None:
    items = [MaskedInput([7] * length, [0] * length, list(range(count))) for length, count in sizes]
    budget = BatchBudget(tokens, masks)
    found = list(plan_sizes([length for length, _ in sizes], [count for _, count in sizes], budget))
    assert found == list(plan(items, budget))
    assert sorted(index for batch in found for index in batch) == list(range(len(sizes)))
    for one, following in pairwise(found):
        # No batch leaves out a row that would have fitted.
        rows = [sizes[index] for index in (*one, following[0])]
        assert len(rows) * rows[0][0] > tokens or sum(count for _, count in rows) > masks
