"""What a masked language model reads: token ids, and the positions whose tokens it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MaskedInput:
    """Token ids of one text and the positions whose tokens a model predicts.

    Attributes:
        ids: token ids with special tokens, (length,).
        type_ids: segment of each token, (length,).
        positions: indices into `ids` to predict, in the order of the answer, (masks,).
    """

    ids: Sequence[int]
    type_ids: Sequence[int]
    positions: Sequence[int]
