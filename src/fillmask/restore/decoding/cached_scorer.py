"""The model's answers, each row asked once, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fillmask.restore.restoration import Cost
from fillmask.runtime.batching import plan
from fillmask.runtime.engines import Floats
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.masked_input import MaskedInput


class Cancelled(Exception):  # noqa: N818 - it is no error: what was found so far is kept
    """The caller asked to stop."""


class Asker:
    """Passes rows to the model and counts them.

    Args:
        cancelled: asked before each call of the model, and now and then in other long work.
    """

    def __init__(self, model: MaskedLM, cancelled: Callable[[], bool] | None = None) -> None:
        self._model = model
        self._cancelled = cancelled
        self._begun = time.perf_counter()
        self.forward_passes = 0
        self.rows = 0
        mask = model.tokenizer.mask_token_id
        assert mask is not None
        self.mask = mask

    def check(self) -> None:
        """Go on, unless the caller asked to stop.

        Raises:
            Cancelled: the caller did.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled

    def ask(self, items: Sequence[MaskedInput]) -> Iterator[tuple[int, Floats]]:
        """As `MaskedLM.log_probabilities`; equal rows are computed once.

        Raises:
            Cancelled: the caller asked to stop.
        """
        self.check()
        same: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
        for number, item in enumerate(items):
            same.setdefault((tuple(item.ids), tuple(item.positions)), []).append(number)
        numbers = list(same.values())
        rows = [items[group[0]] for group in numbers]
        self.rows += len(rows)
        self.forward_passes += sum(1 for _ in plan(rows, self._model.engine.budget))
        for index, found in self._model.log_probabilities(rows):
            for number in numbers[index]:
                yield number, found

    def cost(self) -> Cost:
        """What was spent since this was made."""
        return Cost(self.forward_passes, self.rows, time.perf_counter() - self._begun)
