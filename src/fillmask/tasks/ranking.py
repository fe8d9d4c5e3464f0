"""Ranks the tokens of each mask: the best few of a row of log-probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fillmask.runtime.checks import check_numbers
from fillmask.runtime.engines import Floats

_LANES = 256

# For each mask its best tokens as (probability, token id), best first.
RankedMasks = list[list[tuple[float, int]]]


def rank(log_probabilities: Floats, top_k: int, targets: npt.NDArray[np.int64] | None) -> RankedMasks:
    """Probability and id of the best tokens of each mask.

    Args:
        log_probabilities: (masks, vocabulary).
        top_k: tokens for each mask, at most.
        targets: ids to choose among, (targets,); None for the whole vocabulary.
    """
    best, scores = rank_arrays(log_probabilities, top_k, targets)
    return [list(zip(*row, strict=True)) for row in zip(scores.tolist(), best.tolist(), strict=True)]


def rank_arrays(
    log_probabilities: Floats, top_k: int, targets: npt.NDArray[np.int64] | None
) -> tuple[npt.NDArray[np.int64], Floats]:
    """As `rank`: ids and probabilities, both (masks, min(top_k, tokens to choose among)), best first."""
    if targets is not None:
        log_probabilities = log_probabilities[:, targets]
    best = top_indices(log_probabilities, top_k)
    scores: Floats = np.exp(np.take_along_axis(log_probabilities, best, axis=1))
    return best if targets is None else targets[best], scores


def top_indices(values: Floats, count: int) -> npt.NDArray[np.int64]:
    """Column indices of the `count` largest values of each row, largest first; of equals, the lower index.

    Args:
        values: (rows, columns).

    Returns:
        (rows, min(count, columns)).

    Raises:
        CorruptCheckpointError: a row is not numbers (NaN).
    """
    columns = values.shape[1]
    count = min(count, columns)
    best = np.zeros((len(values), count), np.int64)
    if count == 0:
        return best
    bounds = check_numbers(_low_bounds(values, count))
    for row, bound, places in zip(values, bounds, best, strict=True):
        picked = np.flatnonzero(row >= bound)
        places[:] = picked[np.argsort(-row[picked], kind="stable")[:count]]
    return best


def _low_bounds(values: Floats, count: int) -> Floats:
    """For each row a number that at least `count` of its values reach, and not many more.

    Columns `_LANES` apart make up a lane. The `count` best lanes hold one value each that is their largest, so the
    least of those will do; one pass over the row finds them, where a partition of the row takes several.
    """
    rows, columns = values.shape
    if columns >= 16 * _LANES and 4 * count <= _LANES:
        values = values[:, : columns - columns % _LANES].reshape(rows, -1, _LANES).max(axis=1)
        columns = _LANES
    bounds: Floats = np.partition(values, columns - count, axis=1)[:, columns - count]
    return bounds
