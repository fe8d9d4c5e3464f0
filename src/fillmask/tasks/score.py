"""How likely is a text? Pseudo-log-likelihood: hide each token in turn and add up the log-probabilities of what was there.

Three ways of hiding, which differ only in words of several tokens:

- `original` (Salazar et al. 2020, "Masked Language Model Scoring") hides the one token, so that the rest of its word
  gives it away;
- `word-l2r` (Kauf & Ivanova 2023, "A Better Way to Do Masked Language Model Scoring") hides with it the later tokens
  of its word, as if the word were read from left to right;
- `whole-word` (also theirs) hides all of the word at once.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.choices import SCORING_METHODS
from fillmask.errors import InputError, TextTooLongError
from fillmask.runtime.batching import plan_sizes
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.masked_texts import MASK_SPELLINGS
from fillmask.tasks.streams import CHUNK_TEXTS, answer_each, raise_errors
from fillmask.tokenization.encoding import WordEncoding, hide
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.windows import window

_LIST_TEXTS = 1024  # texts of a list that are planned into batches together
_TOKENS = 20_000  # tokens of the texts in work at once, beside one that has more by itself


@dataclass(frozen=True)
class WordScore:
    """One word of a text.

    Attributes:
        word: as written.
        start, end: its characters in the text.
        score: log-probability, in nats.
        tokens: how many tokens it has.
    """

    word: str
    start: int
    end: int
    score: float
    tokens: int


@dataclass(frozen=True)
class Score:
    """Pseudo-log-likelihood of a text, in nats, whole and by word (punctuation marks are words of their own)."""

    text: str
    score: float
    tokens: int
    words: tuple[WordScore, ...]

    @property
    def pseudo_perplexity(self) -> float:
        """exp of the mean negative score of a token."""
        return math.exp(-self.score / self.tokens)


@dataclass(frozen=True, slots=True)
class HiddenTokens:
    """One input of the model, without its ids.

    Every token of a text makes an input. With a copy of the text's ids each, they would take memory with the square
    of its length.

    Attributes:
        hidden: places of the text that the mask token replaces.
        predicted: those of them whose tokens the model predicts.
    """

    hidden: tuple[int, ...]
    predicted: tuple[int, ...]

    def masked_input(self, model: MaskedLM, text: WordEncoding) -> MaskedInput:
        """The input: the text, or of a text longer than the model the window round the predicted place."""
        mask, longest = model.tokenizer.mask_token_id, model.tokenizer.model_max_length
        assert mask is not None
        if len(text.ids) <= longest:
            return MaskedInput(hide(text.ids, self.hidden, mask), text.type_ids, self.predicted)
        part = window(text.encoding, self.predicted[:1], longest)
        ids = hide(
            part.ids,
            self.hidden,
            mask,
            shift=part.positions[0] - self.predicted[0],
            start=text.encoding.leading,
            stop=len(part.ids) - text.encoding.trailing,
        )
        return MaskedInput(ids, part.type_ids, part.positions)


def inputs_of_word(tokens: int, method: str, *, together: bool = True) -> int:
    """How many inputs predict a word of so many tokens; see `hidden_tokens`."""
    return 1 if method == "whole-word" and together else tokens


def hidden_tokens(places: tuple[int, ...], number: int, method: str, *, together: bool = True) -> HiddenTokens:
    """The input of a word that predicts its token of a number, or all of its tokens.

    Args:
        places: of the word's tokens.
        method: one of `fillmask.choices.SCORING_METHODS`.
        together: whether one input may predict several tokens; in a window only the one that it is centred on.
    """
    own = places[number : number + 1]
    match method:
        case "word-l2r":
            return HiddenTokens(places[number:], own)
        case "whole-word":
            return HiddenTokens(places, places if together else own)
        case _:
            return HiddenTokens(own, own)


def score_texts(model: MaskedLM, texts: Iterable[str], *, method: str = "word-l2r", windows: bool = False) -> Iterator[Score]:  # fmt: skip
    """Scores in the order of the texts, which are read as results are taken.

    Args:
        method: one of `fillmask.choices.SCORING_METHODS`.
        windows: accept a text that is longer than the model; a token is then read in the window that is centred on it.

    Raises:
        InputError: no such method; a text is no text, is empty, or has a mask in it.
        TextTooLongError: a text has more tokens than the model has positions.
    """
    scores = score_each(model, texts, method=method, windows=windows)
    return raise_errors(scores, count=len(texts) if isinstance(texts, (list, tuple)) else None)


def score_each(model: MaskedLM, texts: Iterable[str], *, method: str = "word-l2r", windows: bool = False) -> Iterator[Score | InputError]:  # fmt: skip
    """As `score_texts`, with the error of a text in the place of its score."""
    _check_method(method)
    return answer_each(
        texts,
        lambda text: encode(model, text, windows),
        lambda chunk: _scored(model, chunk, method),
        size=lambda text: len(text.ids),
        most=_TOKENS,
        # Of a stream an answer is soon wanted; the more texts are planned together, the less padding there is.
        chunk_texts=_LIST_TEXTS if isinstance(texts, (list, tuple)) else CHUNK_TEXTS,
    )


def pseudo_log_likelihoods(
    model: MaskedLM, texts: Sequence[str], *, methods: Sequence[str] = SCORING_METHODS[:2]
) -> npt.NDArray[np.float64]:
    """Pseudo-log-likelihoods of texts as wholes by several methods at once, in nats, (texts, methods).

    The numbers are those of `score_texts`, but no row is computed twice: not for a word of one token, which every
    method hides alike, nor for texts that are the same but for the word that is hidden. All rows are planned
    together, so that batches have next to no padding; give it some hundred texts at a time.

    Raises:
        InputError: no such method; a text is no text, is empty, or has a mask in it.
        TextTooLongError: a text has more tokens than the model has positions.
    """
    for method in methods:
        _check_method(method)
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    inputs: list[MaskedInput] = []
    # What each input adds to: the text, its columns, and the true token of each predicted place.
    uses: list[list[tuple[int, slice, tuple[int, ...]]]] = []
    numbers: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for text, number in distinct.items():
        encoded = encode(model, text, windows=False)
        for word in encoded.words:
            alike = len(word.places) == 1
            for column, method in enumerate(methods[:1] if alike else methods):
                columns = slice(None) if alike else slice(column, column + 1)
                for part in range(inputs_of_word(len(word.places), method)):
                    tokens = hidden_tokens(word.places, part, method)
                    masked = tokens.masked_input(model, encoded)
                    index = numbers.setdefault((tuple(masked.ids), tokens.predicted), len(inputs))
                    if index == len(inputs):
                        inputs.append(masked)
                        uses.append([])
                    uses[index].append((number, columns, tuple(encoded.ids[place] for place in tokens.predicted)))
    totals = np.zeros((len(distinct), len(methods)))
    for index, log_probabilities in model.log_probabilities(inputs):
        for number, columns, labels in uses[index]:
            for row, label in zip(log_probabilities, labels, strict=True):
                totals[number, columns] += float(row[label])
    return totals[[distinct[text] for text in texts]]


def _check_method(method: str) -> None:
    if method not in SCORING_METHODS:
        raise InputError(f"method is {method!r}; expected one of {', '.join(SCORING_METHODS)}")


def encode(model: MaskedLM, text: str, windows: bool) -> WordEncoding:
    """The tokens and words of a text that can be scored.

    Raises:
        InputError: it is no text, is empty, or has a mask in it.
        TextTooLongError: it has more tokens than the model has positions, and `windows` is false.
    """
    encoded = model.tokenizer.encode_words(text)
    mask = next((spelling for spelling in MASK_SPELLINGS if spelling in text), None)
    if mask is None and model.tokenizer.mask_token_id in encoded.ids:
        mask = model.tokenizer.mask_token
    if mask is not None:
        raise InputError(f"the text has a {mask} in it; only a whole text can be scored")
    if not encoded.words:
        raise InputError(f"the text {text!r:.40} has no tokens; there is nothing to score")
    longest = model.tokenizer.model_max_length
    if len(encoded.ids) > longest and not windows:
        raise TextTooLongError(
            f"the text has {len(encoded.ids)} tokens and the model takes {longest}; score it in parts,"
            " or ask for a window round each token (long_text='window', --long-text window)"
        )
    return encoded


def _scored(model: MaskedLM, texts: Sequence[WordEncoding], method: str) -> Iterator[Score]:
    batches = ScoringBatches(model, texts, method)
    scores = [[0.0] * len(text.ids) for text in texts]
    for batch in batches.plan():
        for text_number, place, score in batches.run(batch):
            scores[text_number][place] = score
    for text, of_text in zip(texts, scores, strict=True):
        yield score_of(text, of_text)


def score_of(text: WordEncoding, token_scores: Sequence[float]) -> Score:
    """The score of a text from those of its tokens, (length,)."""
    words = tuple(
        WordScore(
            text.text[word.start : word.end],
            word.start,
            word.end,
            math.fsum(token_scores[place] for place in word.places),
            len(word.places),
        )
        for word in text.words
    )
    return Score(text.text, math.fsum(word.score for word in words), sum(word.tokens for word in words), words)


class ScoringBatches:
    """The inputs that score some texts, in batches. An input is a few numbers until its batch runs."""

    def __init__(self, model: MaskedLM, texts: Sequence[WordEncoding], method: str) -> None:
        self._model, self._texts, self._method = model, texts, method
        # For each input the text, the word of the text, and the input of the word.
        self._keys, self._lengths, self._masks = array("i"), array("i"), array("i")
        for text_number, text in enumerate(texts):
            length = min(len(text.ids), model.tokenizer.model_max_length)
            for word_number, word in enumerate(text.words):
                count = inputs_of_word(len(word.places), method, together=length == len(text.ids))
                for number in range(count):
                    self._keys.extend((text_number, word_number, number))
                    self._lengths.append(length)
                    self._masks.append(len(word.places) if count < len(word.places) else 1)

    def __len__(self) -> int:
        return len(self._lengths)

    def plan(self) -> Iterator[list[int]]:
        """Which inputs run together: those of like length, so that there is next to no padding."""
        return plan_sizes(self._lengths, self._masks, self._model.engine.budget)

    def run(self, batch: Sequence[int]) -> Iterator[tuple[int, int, float]]:
        """The text, the place, and the log-probability of the token there, for each token that a batch predicts."""
        places: list[tuple[int, int]] = []
        inputs = []
        for index in batch:
            text_number, word_number, number = self._keys[3 * index : 3 * index + 3]
            text = self._texts[text_number]
            together = len(text.ids) <= self._model.tokenizer.model_max_length
            tokens = hidden_tokens(text.words[word_number].places, number, self._method, together=together)
            inputs.append(tokens.masked_input(self._model, text))
            places += [(text_number, place) for place in tokens.predicted]
        labels = np.array([self._texts[text_number].ids[place] for text_number, place in places])
        log_probabilities = self._model.one_batch(inputs)[np.arange(len(labels)), labels].tolist()
        for (text_number, place), score in zip(places, log_probabilities, strict=True):
            yield text_number, place, score
