"""A masked language model that answers each row once and counts what its answers cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fillmask.restore.restoration import Cost
from fillmask.runtime.batching import plan
from fillmask.runtime.engines import Floats
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.masked_input import MaskedInput

_CACHED_VALUES = 100_000


class Cancelled(Exception):  # noqa: N818 - not an error: what was read so far is kept
    """The caller asked to stop."""


class CachedScorer:
    """Passes rows to the model, computes equal rows once, and counts forward passes.

    Args:
        cancelled: called before each batch, and now and then in other long work; True ends the work.

    Attributes:
        mask: id of the mask token.
        forward_passes: batches computed so far.
        rows: rows computed so far.
    """

    def __init__(self, model: MaskedLM, cancelled: Callable[[], bool] | None = None) -> None:
        self._model = model
        self._cancelled = cancelled
        self._started = time.perf_counter()
        self._values: dict[tuple[tuple[int, ...], int, int], float] = {}
        self.forward_passes = 0
        self.rows = 0
        mask = model.tokenizer.mask_token_id
        assert mask is not None
        self.mask = mask

    def check(self) -> None:
        """Return, unless the caller asked to stop.

        Raises:
            Cancelled: the caller did.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled

    def log_probabilities(self, items: Sequence[MaskedInput]) -> Iterator[tuple[int, Floats]]:
        """As `MaskedLM.log_probabilities`; equal rows are computed once.

        Raises:
            Cancelled: the caller asked to stop.
        """
        self.check()
        numbers_of: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for number, item in enumerate(items):
            numbers_of.setdefault((tuple(item.ids), tuple(item.positions)), []).append(number)
        groups = list(numbers_of.values())
        rows = [items[group[0]] for group in groups]
        for batch in plan(rows, self._model.engine.budget):
            self.check()
            answers = self._model.one_batch([rows[index] for index in batch])
            self.forward_passes += 1
            self.rows += len(batch)
            start = 0
            for index in batch:
                stop = start + len(rows[index].positions)
                for number in groups[index]:
                    yield number, answers[start:stop]
                start = stop

    def token_log_probabilities(self, items: Sequence[tuple[MaskedInput, int]]) -> list[float]:
        """Log-probability of one token at the only position of each row, in nats; values are cached.

        Args:
            items: rows with one position each, and the token there.

        Raises:
            Cancelled: the caller asked to stop.
        """
        keys = [(tuple(row.ids), row.positions[0], token) for row, token in items]
        missing = {key: number for number, key in enumerate(keys) if key not in self._values}
        values = {key: self._values[key] for key in keys if key in self._values}
        order = list(missing.values())
        for index, answers in self.log_probabilities([items[number][0] for number in order]):
            key = keys[order[index]]
            values[key] = float(answers[0, key[2]])
        if len(self._values) + len(missing) > _CACHED_VALUES:
            self._values.clear()
        self._values.update((key, values[key]) for key in missing)
        return [values[key] for key in keys]

    def cost(self) -> Cost:
        """What was spent since this was made."""
        return Cost(self.forward_passes, self.rows, time.perf_counter() - self._started)
