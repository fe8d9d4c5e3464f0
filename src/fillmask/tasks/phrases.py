"""Targets of several tokens: whole words and phrases for a mask, ranked by their joint probability.

A target of k tokens t₁ … tₖ is read in the text with k masks where the mask
is. Its probability is that of its tokens from left to right, each given those
before it and masks for those after it:

    log p(t₁ … tₖ) = Σⱼ log p(tⱼ | text, t₁ … tⱼ₋₁, k − j + 1 masks)

Targets of one length are compared exactly. Those of different lengths are
probabilities given their number of tokens, which the text does not tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from fillmask.errors import InputError, TargetsError, TextTooLongError
from fillmask.runtime.checks import check_token_ids
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.masked_texts import MaskedTexts
from fillmask.tasks.streams import answer_each, prepare_all
from fillmask.tokenization.encoding import Encoding
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import check_text
from fillmask.tokenization.windows import window


class PhraseCandidate(TypedDict):
    """One target for one mask.

    `score` is its joint probability, `token` the ids of its tokens, `token_str`
    its text, and `sequence` the text with it in place of the mask.
    """

    score: float
    log_probability: float
    token: list[int]
    token_str: str
    sequence: str


FilledPhrases = list[list[PhraseCandidate]]  # for each mask of a text, its targets, best first


@dataclass(frozen=True)
class _Mask:
    """One mask of a text and the tokens of each target there."""

    position: int
    phrases: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Text:
    encoding: Encoding
    masks: tuple[_Mask, ...]


class PhraseFiller:
    """Ranks targets of any number of tokens for the masks of texts.

    Args:
        targets: words or phrases, as they stand in a text.
        top_k: targets for each mask, at most; None for all.
        windows: whether a text may be longer than the model; a mask is then read in the window round it.

    Raises:
        TargetsError: there is no target.
        InputError: a target is no text, or the tokenizer has no mask token.
    """

    def __init__(
        self, model: MaskedLM, targets: Sequence[str], *, top_k: int | None = None, windows: bool = False
    ) -> None:
        self._model, self._texts = model, MaskedTexts(model.tokenizer)
        self._top_k, self._windows = top_k, windows
        for target in targets:
            check_text(target)
        words = list(dict.fromkeys(target.strip() for target in targets))
        if not words or "" in words:
            raise TargetsError("At least one target must be provided when passed.")
        self._inside = tuple(self._tokens(f" {word}") for word in words)
        self._at_start = tuple(self._tokens(word) for word in words)

    def _tokens(self, text: str) -> tuple[int, ...]:
        ids = tuple(self._model.tokenizer.encode(text, add_special_tokens=False))
        if not ids:
            raise TargetsError(f"the target {text.strip()!r} has no tokens")
        check_token_ids(max(ids), self._model.vocab_size, f"the target {text.strip()!r:.60}")
        return ids

    def fill_list(self, texts: Sequence[str]) -> list[FilledPhrases]:
        """The targets for each mask of each text, best first. Every text is read before the first is answered.

        Raises:
            NoMaskError: a text has no mask.
            TextTooLongError: a text with a target in it has more tokens than the model has positions.
            InputError: a text cannot be used; where there are several, the error says which.
        """
        return list(self._answer(prepare_all(texts, self._read)))

    def fill_each(self, texts: Iterable[str]) -> Iterator[FilledPhrases | InputError]:
        """The targets for each mask of each text, or the error of that text, as they are taken."""
        return answer_each(texts, self._read, self._answer)

    def _read(self, text: str) -> _Text:
        tokenizer = self._model.tokenizer
        masked = self._texts.read(text, windows=True)
        encoding = tokenizer.encode_text(self._texts.with_own_masks(text), any_length=True)
        masks = []
        for position in masked.positions:
            # A mask that does not take the space before it leaves it to the token before.
            spaced = str(tokenizer.decode(encoding.ids[encoding.leading : position])).endswith((" ", "\n", "\t"))
            phrases = self._at_start if spaced or position == encoding.leading else self._inside
            masks.append(_Mask(position, phrases))
        longest = len(encoding.ids) + max(len(phrase) for mask in masks for phrase in mask.phrases) - 1
        if longest > tokenizer.model_max_length and not self._windows:
            raise TextTooLongError(
                f"the text has up to {longest} tokens with a target in it and the model takes"
                f" {tokenizer.model_max_length}; shorten it, or ask for windows (long_text='window', --long-text window)"
            )
        return _Text(encoding, tuple(masks))

    def _answer(self, texts: Sequence[_Text]) -> Iterator[FilledPhrases]:
        inputs: list[MaskedInput] = []
        # For each input the steps that it answers: text, mask, target, and the place of the token in the target.
        steps: list[list[tuple[int, int, int, int]]] = []
        numbers: dict[tuple[int, int, int, tuple[int, ...]], int] = {}
        for text_number, text in enumerate(texts):
            for mask_number, mask in enumerate(text.masks):
                for phrase_number, phrase in enumerate(mask.phrases):
                    for place in range(len(phrase)):
                        # Targets of one length that begin alike share an input.
                        key = text_number, mask_number, len(phrase), phrase[:place]
                        if key not in numbers:
                            numbers[key] = len(inputs)
                            inputs.append(self._input(text, mask.position, len(phrase), phrase[:place]))
                            steps.append([])
                        steps[numbers[key]].append((text_number, mask_number, phrase_number, place))
        totals = [[[0.0] * len(mask.phrases) for mask in text.masks] for text in texts]
        for index, log_probabilities in self._model.log_probabilities(inputs):
            for text_number, mask_number, phrase_number, place in steps[index]:
                token = texts[text_number].masks[mask_number].phrases[phrase_number][place]
                totals[text_number][mask_number][phrase_number] += float(log_probabilities[0, token])
        for text, of_text in zip(texts, totals, strict=True):
            yield [self._candidates(text, mask, scores) for mask, scores in zip(text.masks, of_text, strict=True)]

    def _input(self, text: _Text, position: int, length: int, before: tuple[int, ...]) -> MaskedInput:
        """The text with the first tokens of a target of so many, and masks for the rest; it asks for the first mask."""
        encoding = text.encoding
        pieces = [*before, *[self._texts.mask_token_id] * (length - len(before))]
        ids = [*encoding.ids[:position], *pieces, *encoding.ids[position + 1 :]]
        type_ids = [
            *encoding.type_ids[:position], *[encoding.type_ids[position]] * length, *encoding.type_ids[position + 1 :]
        ]  # fmt: skip
        place = position + len(before)
        longest = self._model.tokenizer.model_max_length
        if len(ids) <= longest:
            return MaskedInput(ids, type_ids, [place])
        return window(Encoding(ids, type_ids, encoding.leading, encoding.trailing), [place], longest)

    def _candidates(self, text: _Text, mask: _Mask, scores: Sequence[float]) -> list[PhraseCandidate]:
        tokenizer, ids = self._model.tokenizer, text.encoding.ids
        order = sorted(range(len(scores)), key=lambda index: -scores[index])[: self._top_k]
        pad = tokenizer.pad_token_id
        candidates: list[PhraseCandidate] = []
        for index in order:
            phrase = list(mask.phrases[index])
            filled = [*ids[: mask.position], *phrase, *ids[mask.position + 1 :]]
            sequence = tokenizer.decode([i for i in filled if i != pad], skip_special_tokens=len(text.masks) == 1)
            candidates.append(
                {
                    "score": math.exp(scores[index]),
                    "log_probability": scores[index],
                    "token": phrase,
                    "token_str": str(tokenizer.decode(phrase)),
                    "sequence": str(sequence),
                }
            )
        return candidates
