"""Which rows a step reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


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
