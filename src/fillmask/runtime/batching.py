"""Which texts go through the engine together.

Texts of similar length share a batch, because padding costs as much as text. The tokens of a batch, padding included,
are limited, and so are its masks, whose rows of log-probabilities fill memory. Knows lengths and positions, not texts
or models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fillmask.runtime.engines import CPU_BUDGET, Batch, BatchBudget
from fillmask.tokenization.masked_input import MaskedInput


def plan(items: Sequence[MaskedInput], budget: BatchBudget = CPU_BUDGET) -> Iterator[list[int]]:
    """Indices of `items` in batches, longest texts first.

    A batch holds one text at least, whatever the budget.
    """
    return plan_sizes([len(item.ids) for item in items], [len(item.positions) for item in items], budget)


def plan_sizes(
    lengths: Sequence[int], masks_of: Sequence[int], budget: BatchBudget = CPU_BUDGET
) -> Iterator[list[int]]:
    """The batches of `plan`, for texts of which only the lengths and the numbers of masks are known."""
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    batch: list[int] = []
    masks = 0
    for index in map(int, order):
        own = masks_of[index]
        longest = lengths[batch[0]] if batch else 0
        if batch and ((len(batch) + 1) * longest > budget.tokens or masks + own > budget.masks):
            yield batch
            batch, masks = [], 0
        batch.append(index)
        masks += own
    if batch:
        yield batch


def collate(items: Sequence[MaskedInput], pad: int) -> Batch:
    """Items as one padded batch."""
    rows, length = len(items), max(len(item.ids) for item in items)
    slots = max(len(item.positions) for item in items)
    input_ids = np.full((rows, length), pad, np.int64)
    attention_mask = np.zeros((rows, length), np.int64)
    token_type_ids = np.zeros((rows, length), np.int64)
    mask_slots = np.zeros((rows, slots), np.int64)
    is_mask = np.zeros((rows, slots), bool)
    for row, item in enumerate(items):
        count, masks = len(item.ids), len(item.positions)
        input_ids[row, :count] = item.ids
        attention_mask[row, :count] = 1
        token_type_ids[row, :count] = item.type_ids
        mask_slots[row, :masks] = item.positions
        is_mask[row, :masks] = True
    return Batch(input_ids, attention_mask, token_type_ids, mask_slots, np.flatnonzero(is_mask.reshape(-1)))
