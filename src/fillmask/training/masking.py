"""Which tokens of a row are hidden, and what stands in their place.

Exactly `count` tokens of every row are masked, so that every batch of a stage
has one shape: on a CPU a changing number of masks makes oneDNN prepare new
kernels at every step (five times slower), on a GPU it defeats compiled graphs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.training.packing import SpecialIds


@dataclass(frozen=True)
class MaskedBatch:
    """A batch of rows with some tokens hidden.

    Attributes:
        input_ids: rows with `<mask>` at the hidden places, shape (rows, length).
        positions: hidden places as indices into the flattened batch, shape (rows * count,).
        labels: the tokens that were there, shape (rows * count,).
    """

    input_ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


def mask_exactly(
    rows: npt.NDArray[np.uint16], count: int, special: SpecialIds, rng: np.random.Generator
) -> MaskedBatch:
    """Hide exactly `count` tokens of every row behind `<mask>`, never a special token.

    Plain replacement, without the 10% random and 10% kept tokens of BERT:
    Wettig et al. 2022, "Should You Mask 15% in Masked Language Modeling?",
    find it at least as good.

    Raises:
        ValueError: a row has fewer than `count` tokens that may be masked.
    """
    ids = rows.astype(np.int64)
    forbidden = np.isin(ids, list(special))
    available = (~forbidden).sum(axis=1)
    if (available < count).any():
        raise ValueError(f"a row has {int(available.min())} tokens that may be masked; expected at least {count}")
    keys = rng.random(ids.shape, np.float32)
    keys[forbidden] = 2.0
    chosen = (
        np.sort(np.argpartition(keys, count - 1, axis=1)[:, :count], axis=1)
        if count
        else np.zeros((len(ids), 0), np.int64)
    )
    positions = (chosen + np.arange(len(ids))[:, None] * ids.shape[1]).reshape(-1)
    flat = ids.reshape(-1)
    labels = flat[positions]
    flat[positions] = special.mask
    return MaskedBatch(ids, positions, labels)
