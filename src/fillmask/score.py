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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from fillmask.batching import Masked
from fillmask.errors import InputError, TextTooLongError
from fillmask.masked_lm import MaskedLM
from fillmask.tokenizer import Word, WordEncoding
from fillmask.windows import window

METHODS = ("word-l2r", "original", "whole-word")
_CHUNK = 64  # texts
_ROWS = 20_000  # hidden tokens in work at once


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


@dataclass(frozen=True)
class Hidden:
    """A row for the model: which of its text's tokens it asks for."""

    read: Masked
    asked: tuple[int, ...]


def score_texts(model: MaskedLM, texts: Iterable[str], *, method: str = "word-l2r", windows: bool = False) -> Iterator[Score]:  # fmt: skip
    """Scores in the order of the texts, which are read as results are taken.

    Args:
        method: one of `METHODS`.
        windows: read a token of a text that is longer than the model in the stretch round it; otherwise such a text is
            an error.

    Raises:
        InputError: no such method; a text is no text, is empty, or has a mask in it.
        TextTooLongError: a text has more tokens than the model has positions.
    """
    _check_method(method)
    encoded = (encode(model, text, windows) for text in texts)
    failure: InputError | None = None
    while failure is None:
        ready: list[WordEncoding] = []
        try:
            ready.extend(_up_to_a_chunk(encoded))
        except InputError as error:
            failure = error
        if not ready:
            break
        # Those before a bad text are scored before it is reported.
        yield from _scored(model, ready, method)
    if failure is not None:
        raise failure


def pseudo_log_likelihoods(
    model: MaskedLM, texts: Sequence[str], *, methods: Sequence[str] = METHODS[:2]
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
    items: list[Masked] = []
    # For each row what is to be read there: text, column, and the true token of each place.
    wanted: list[list[tuple[int, slice, tuple[int, ...]]]] = []
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for text, number in distinct.items():
        encoded = encode(model, text, windows=False)
        for word in encoded.words:
            alike = len(word.places) == 1
            for column, method in enumerate(methods[:1] if alike else methods):
                columns = slice(None) if alike else slice(column, column + 1)
                for hidden in _hide_word(model, encoded, word, method):
                    key = tuple(hidden.read.ids), hidden.asked
                    row = known.setdefault(key, len(items))
                    if row == len(items):
                        items.append(hidden.read)
                        wanted.append([])
                    wanted[row].append((number, columns, tuple(encoded.ids[place] for place in hidden.asked)))
    totals = np.zeros((len(distinct), len(methods)))
    for row, log_probabilities in model.log_probabilities(items):
        for number, columns, labels in wanted[row]:
            for found, label in zip(log_probabilities, labels, strict=True):
                totals[number, columns] += float(found[label])
    return totals[[distinct[text] for text in texts]]


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f"method is {method!r}; expected one of {', '.join(METHODS)}")


def _up_to_a_chunk(encoded: Iterator[WordEncoding]) -> Iterator[WordEncoding]:
    rows = 0
    for text in islice(encoded, _CHUNK):
        yield text
        rows += len(text.ids)
        if rows > _ROWS:
            return


def encode(model: MaskedLM, text: str, windows: bool) -> WordEncoding:
    """The tokens and words of a text that can be scored.

    Raises:
        InputError: it is no text, is empty, or has a mask in it.
        TextTooLongError: it has more tokens than the model has positions, and windows were not asked for.
    """
    found = model.tokenizer.encode_words(text)
    if model.tokenizer.mask_token_id in found.ids:
        raise InputError(f"the text has a {model.tokenizer.mask_token} in it; only a whole text can be scored")
    if not found.words:
        raise InputError(f"the text {text!r:.40} has no tokens; there is nothing to score")
    longest = model.tokenizer.model_max_length
    if len(found.ids) > longest and not windows:
        raise TextTooLongError(
            f"the text has {len(found.ids)} tokens and the model takes {longest}; score it in parts,"
            " or ask for a window round each token (long_text='window', --long-text window)"
        )
    return found


def _scored(model: MaskedLM, texts: list[WordEncoding], method: str) -> Iterator[Score]:
    hidden = [list(hide(model, text, method)) for text in texts]
    rows = [(number, row) for number, of_text in enumerate(hidden) for row in of_text]
    scores = [[0.0] * len(text.ids) for text in texts]
    for index, log_probabilities in model.log_probabilities([row.read for _, row in rows]):
        number, row = rows[index]
        for place, found in zip(row.asked, log_probabilities, strict=True):
            scores[number][place] = float(found[texts[number].ids[place]])
    for text, found in zip(texts, scores, strict=True):
        yield summed(text, found)


def summed(text: WordEncoding, found: Sequence[float]) -> Score:
    """The score of a text from those of its tokens, (length,)."""
    words = tuple(
        WordScore(text.text[w.start : w.end], w.start, w.end, math.fsum(found[p] for p in w.places), len(w.places))
        for w in text.words
    )
    return Score(text.text, math.fsum(w.score for w in words), sum(w.tokens for w in words), words)


def hide(model: MaskedLM, text: WordEncoding, method: str) -> Iterator[Hidden]:
    """A row for the model for every token of a text, or for every word where these are hidden whole."""
    for word in text.words:
        yield from _hide_word(model, text, word, method)


def _hide_word(model: MaskedLM, text: WordEncoding, word: Word, method: str) -> Iterator[Hidden]:
    mask = model.tokenizer.mask_token_id
    assert mask is not None
    longest = model.tokenizer.model_max_length
    asked = [word.places] if method == "whole-word" else [(place,) for place in word.places]
    for places in asked:
        gone = word.places[word.places.index(places[0]) :] if method == "word-l2r" else places
        ids = list(text.ids)
        for place in gone:
            ids[place] = mask
        if len(ids) <= longest:
            yield Hidden(Masked(ids, text.type_ids, places), places)
        else:  # one window for each place, centred on it
            for place in places:
                yield Hidden(window(text.with_ids(ids), place, longest), (place,))
