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
from fillmask.tokenization.encoding import Word, WordEncoding, hide
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
class Hidden:
    """A row for the model, without its ids: every token of a text makes one, and each with the ids of all the others
    would fill the memory with the square of the text's length.

    Attributes:
        gone: the places of its text that it hides.
        asked: those of them that it asks for.
    """

    gone: tuple[int, ...]
    asked: tuple[int, ...]

    def read(self, model: MaskedLM, text: WordEncoding) -> MaskedInput:
        """What the model reads: the text, or of one that is longer than the model the window round the place asked for."""
        mask, longest = model.tokenizer.mask_token_id, model.tokenizer.model_max_length
        assert mask is not None
        if len(text.ids) <= longest:
            row, shift, start, stop = MaskedInput(text.ids, text.type_ids, self.asked), 0, 0, len(text.ids)
        else:
            row = window(text.encoding, self.asked[:1], longest)
            shift = row.positions[0] - self.asked[0]
            start, stop = text.encoding.leading, len(row.ids) - text.encoding.trailing
        ids = hide(row.ids, self.gone, mask, shift=shift, start=start, stop=stop)
        return MaskedInput(ids, row.type_ids, row.positions)


def score_texts(model: MaskedLM, texts: Iterable[str], *, method: str = "word-l2r", windows: bool = False) -> Iterator[Score]:  # fmt: skip
    """Scores in the order of the texts, which are read as results are taken.

    Args:
        method: one of `fillmask.choices.SCORING_METHODS`.
        windows: read a token of a text that is longer than the model in the stretch round it; otherwise such a text is
            an error.

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
    items: list[MaskedInput] = []
    # For each row what is to be read there: text, column, and the true token of each place.
    wanted: list[list[tuple[int, slice, tuple[int, ...]]]] = []
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for text, number in distinct.items():
        encoded = encode(model, text, windows=False)
        for word in encoded.words:
            alike = len(word.places) == 1
            for column, method in enumerate(methods[:1] if alike else methods):
                columns = slice(None) if alike else slice(column, column + 1)
                for hidden in _hide_word(word, method):
                    read = hidden.read(model, encoded)
                    key = tuple(read.ids), hidden.asked
                    row = known.setdefault(key, len(items))
                    if row == len(items):
                        items.append(read)
                        wanted.append([])
                    wanted[row].append((number, columns, tuple(encoded.ids[place] for place in hidden.asked)))
    totals = np.zeros((len(distinct), len(methods)))
    for row, log_probabilities in model.log_probabilities(items):
        for number, columns, labels in wanted[row]:
            for found, label in zip(log_probabilities, labels, strict=True):
                totals[number, columns] += float(found[label])
    return totals[[distinct[text] for text in texts]]


def _check_method(method: str) -> None:
    if method not in SCORING_METHODS:
        raise InputError(f"method is {method!r}; expected one of {', '.join(SCORING_METHODS)}")


def encode(model: MaskedLM, text: str, windows: bool) -> WordEncoding:
    """The tokens and words of a text that can be scored.

    Raises:
        InputError: it is no text, is empty, or has a mask in it.
        TextTooLongError: it has more tokens than the model has positions, and windows were not asked for.
    """
    found = model.tokenizer.encode_words(text)
    mask = next((spelling for spelling in MASK_SPELLINGS if spelling in text), None)
    if mask is None and model.tokenizer.mask_token_id in found.ids:
        mask = model.tokenizer.mask_token
    if mask is not None:
        raise InputError(f"the text has a {mask} in it; only a whole text can be scored")
    if not found.words:
        raise InputError(f"the text {text!r:.40} has no tokens; there is nothing to score")
    longest = model.tokenizer.model_max_length
    if len(found.ids) > longest and not windows:
        raise TextTooLongError(
            f"the text has {len(found.ids)} tokens and the model takes {longest}; score it in parts,"
            " or ask for a window round each token (long_text='window', --long-text window)"
        )
    return found


def _scored(model: MaskedLM, texts: Sequence[WordEncoding], method: str) -> Iterator[Score]:
    rows = Rows(model, texts, method)
    scores = [[0.0] * len(text.ids) for text in texts]
    for batch in rows.batches():
        asked, found = rows.ask(batch)
        for (number, place), score in zip(asked, found, strict=True):
            scores[number][place] = score
    for text, of_text in zip(texts, scores, strict=True):
        yield summed(text, of_text)


def summed(text: WordEncoding, found: Sequence[float]) -> Score:
    """The score of a text from those of its tokens, (length,)."""
    words = tuple(
        WordScore(text.text[w.start : w.end], w.start, w.end, math.fsum(found[p] for p in w.places), len(w.places))
        for w in text.words
    )
    return Score(text.text, math.fsum(w.score for w in words), sum(w.tokens for w in words), words)


class Rows:
    """The rows of some texts: a few numbers each, until their batch is due."""

    def __init__(self, model: MaskedLM, texts: Sequence[WordEncoding], method: str) -> None:
        self._model, self._texts, self._method = model, texts, method
        longest = model.tokenizer.model_max_length
        keys, lengths, masks = array("i"), array("i"), array("i")
        for number, text in enumerate(texts):
            length = min(len(text.ids), longest)
            whole = method == "whole-word" and length == len(text.ids)
            for word, of_word in enumerate(text.words):
                for part in range(1 if whole else len(of_word.places)):
                    keys.extend((number, word, part))
                    lengths.append(length)
                    masks.append(len(of_word.places) if whole else 1)
        self._keys, self._lengths, self._masks = keys, lengths, masks

    def __len__(self) -> int:
        return len(self._lengths)

    def batches(self) -> Iterator[list[int]]:
        """Which rows go together."""
        return plan_sizes(self._lengths, self._masks, self._model.engine.budget)

    def ask(self, batch: Sequence[int]) -> tuple[list[tuple[int, int]], list[float]]:
        """Texts and places that some rows ask for, and the log-probabilities of what stands there."""
        asked: list[tuple[int, int]] = []
        items = []
        for row in batch:
            number, word, part = self._keys[3 * row : 3 * row + 3]
            text = self._texts[number]
            whole = len(text.ids) <= self._model.tokenizer.model_max_length
            hidden = _hidden(text.words[word].places, part, self._method, whole=whole)
            items.append(hidden.read(self._model, text))
            asked += [(number, place) for place in hidden.asked]
        tokens = np.array([self._texts[number].ids[place] for number, place in asked])
        found = self._model.one_batch(items)
        return asked, found[np.arange(len(tokens)), tokens].tolist()


def _hidden(places: tuple[int, ...], part: int, method: str, *, whole: bool) -> Hidden:
    """A row of a word: the one that asks for its `part`-th token, or for all of them.

    Args:
        whole: whether the text is read whole, and not in a window for each place.
    """
    if method == "whole-word":
        return Hidden(places, places if whole else places[part : part + 1])
    return Hidden(places[part:] if method == "word-l2r" else places[part : part + 1], places[part : part + 1])


def _hide_word(word: Word, method: str) -> Iterator[Hidden]:
    """All rows of a word, in a text that is read whole."""
    for part in range(1 if method == "whole-word" else len(word.places)):
        yield _hidden(word.places, part, method, whole=True)
