"""Fill masks: texts in, ranked candidates for each mask out.

This is the core that the Python call, the command, and batch jobs share. Its
answers have one shape, a list of candidates for each mask of each text; the
nested shapes of transformers are made in `fillmask.pipelines`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np

from fillmask.choices import LONG_TEXT_MODES
from fillmask.errors import InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.masked_texts import Candidate, MaskedText, MaskedTexts
from fillmask.tasks.ranking import RankedMasks, rank
from fillmask.tasks.streams import answer_each, prepare_all
from fillmask.tasks.targets import Targets

FilledMasks = list[list[Candidate]]  # for each mask of a text, its candidates, best first


@dataclass(frozen=True)
class FillOptions:
    """How masks are filled.

    Attributes:
        top_k: candidates for each mask, at most.
        targets: the tokens to choose among; None for the whole vocabulary.
        long_text: one of `fillmask.choices.LONG_TEXT_MODES`: for a text with more tokens than the model has positions,
            "error", or "window" to read its masks in windows of the text.
        tokenizer_kwargs: transformers' `truncation`, `max_length`, `add_special_tokens`.

    Raises:
        InputError: a value cannot be used.
    """

    top_k: int = 5
    targets: Targets | None = None
    long_text: str = "error"
    tokenizer_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, (int, np.integer)) or self.top_k < 0:
            raise InputError(f"top_k is {self.top_k!r}; expected a whole number, 0 or more")
        if self.long_text not in LONG_TEXT_MODES:
            raise InputError(
                f"long_text is {self.long_text!r}; expected {' or '.join(repr(mode) for mode in LONG_TEXT_MODES)}"
            )


class FillArguments(TypedDict, total=False):
    """The arguments of a public call; `FillMask.__call__` says what they do."""

    top_k: int | None
    targets: str | Sequence[str] | None
    tokenizer_kwargs: Mapping[str, Any] | None
    long_text: str | None
    batch_size: int | None
    num_workers: int | None
    multi_token: Literal[False]


class MaskFiller:
    """Fills the masks of texts with one model.

    Args:
        on_progress: called after each batch with the masks that are ranked and the masks of all texts that are
            answered together.

    Raises:
        InputError: the model's tokenizer has no mask token.
    """

    def __init__(self, model: MaskedLM, on_progress: Callable[[int, int], None] | None = None) -> None:
        self.model = model
        self._on_progress = on_progress
        self.texts = MaskedTexts(model.tokenizer)

    def fill_list(self, texts: Sequence[str], options: FillOptions) -> list[FilledMasks]:
        """The candidates for each mask of each text. Every text is read before the first is answered.

        Raises:
            NoMaskError: a text has no mask.
            TextTooLongError: a text has more tokens than the model has positions.
            InputError: a text cannot be used; where there are several, the error says which.
        """
        return self.answer(prepare_all(texts, lambda text: self.read(text, options)), options)

    def fill_each(self, texts: Iterable[str], options: FillOptions) -> Iterator[FilledMasks | InputError]:
        """The candidates for each mask of each text, or the error of that text, as they are taken."""
        return answer_each(texts, lambda text: self.read(text, options), lambda chunk: self.answer(chunk, options))

    def read(self, text: str, options: FillOptions) -> MaskedText:
        """Tokenize a text; see `MaskedTexts.read`."""
        return self.texts.read(text, options.tokenizer_kwargs, windows=options.long_text == "window")

    def answer(self, texts: Sequence[MaskedText], options: FillOptions) -> list[FilledMasks]:
        """The candidates for each mask of texts that were read."""
        inputs = [(text, number) for text in texts for number in range(len(text.inputs))]
        ranked: list[RankedMasks] = [[] for _ in inputs]
        masks, finished = sum(len(text.positions) for text in texts), 0
        for index, log_probabilities in self.model.log_probabilities([text.inputs[n] for text, n in inputs]):
            text, number = inputs[index]
            at_start = text.starts_with_mask and number == 0
            ranked[index] = rank_masks(log_probabilities, options, at_start=at_start)
            finished += len(ranked[index])
            if self._on_progress is not None:
                self._on_progress(finished, masks)
        rest = iter(ranked)
        return [self._candidates(text, [mask for _ in text.inputs for mask in next(rest)]) for text in texts]

    def _candidates(self, text: MaskedText, ranked: RankedMasks) -> FilledMasks:
        single = len(text.positions) == 1
        return [
            self.texts.candidates(text.ids, position, best, single=single)
            for position, best in zip(text.positions, ranked, strict=True)
        ]


def rank_masks(log_probabilities: np.ndarray[Any, np.dtype[np.float32]], options: FillOptions, *, at_start: bool) -> RankedMasks:  # fmt: skip
    """The best tokens of the masks of one input, (masks, vocabulary); `at_start`: whether the first begins its text."""
    targets = options.targets
    if targets is None or not at_start or targets.at_start is targets.inside:
        return rank(log_probabilities, options.top_k, None if targets is None else targets.inside)
    targets.warn_at_start()
    first = rank(log_probabilities[:1], options.top_k, targets.at_start)
    return first + rank(log_probabilities[1:], options.top_k, targets.inside)
