"""Sampling of the rows of each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import TrainingError

_BLOCK = 4096  # rows looked at at once
_LEAST_TOKENS = 8  # of text in a row


def usable_rows(rows: Any, forbidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Numbers of the rows with enough text in them, which leaves out the padded end of a corpus.

    Args:
        rows: token ids, (rows, length).
        forbidden: whether each token is a special one, (vocabulary,).

    Raises:
        TrainingError: the rows are of another vocabulary, or no row holds enough text.
    """
    blocks = range(0, len(rows), _BLOCK)
    if rows.size and int(max(rows[i : i + _BLOCK].max() for i in blocks)) >= len(forbidden):
        raise TrainingError("the rows hold tokens beyond the vocabulary; they were made with another tokenizer")
    least = min(_LEAST_TOKENS, rows.shape[1] // 2)
    full = [(~forbidden[rows[i : i + _BLOCK]]).sum(axis=1) >= least for i in blocks]
    usable = np.flatnonzero(np.concatenate(full)) if full else np.zeros(0, np.int64)
    if not len(usable):
        raise TrainingError("there is too little text to train on: not one row of it is filled")
    return usable


class RowSampler:
    """Row numbers for the n-th draws: every usable row once an epoch, each epoch in another order.

    Args:
        usable: numbers of the rows to draw from, (usable rows,).
        seed: of the training.
        length: tokens of a row; rows of another length are drawn in another order.
    """

    def __init__(self, usable: npt.NDArray[np.int64], seed: int, length: int) -> None:
        self.usable, self._key = usable, [seed, length]
        self._epoch, self._order = -1, usable

    def __call__(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Row numbers and their epochs for draws `start` to `stop`, each of shape (stop - start,)."""
        draws = np.arange(start, stop)
        epochs = draws // len(self.usable)
        rows = np.empty(len(draws), np.int64)
        for epoch in np.unique(epochs):
            if epoch != self._epoch:
                self._epoch = int(epoch)
                self._order = np.random.default_rng([*self._key, self._epoch]).permutation(self.usable)
            in_epoch = epochs == epoch
            rows[in_epoch] = self._order[draws[in_epoch] % len(self.usable)]
        return rows, epochs
