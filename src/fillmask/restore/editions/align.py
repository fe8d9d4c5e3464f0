"""Which letters of a reading fall to which part of its hole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from fillmask.restore.damage import fitted
from fillmask.restore.notation import Stretch


def portions(stretches: Sequence[Stretch], reading: str) -> list[str] | None:
    """The letters of `reading` for each stretch of its hole, in order; None where they do not fit.

    Where two lost stretches touch, the first takes as few as it may.
    """
    ends = fitted([element for stretch in stretches for element in stretch.elements], reading, loosely=True)
    if ends is None:
        return None
    counts = accumulate((len(stretch.elements) for stretch in stretches), initial=0)
    return [reading[start:end] for start, end in pairwise([0, *ends][count] for count in counts)]
