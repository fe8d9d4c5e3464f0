"""How many tokens a hole takes: p(k tokens | n characters), and how long a hole is when nobody knows.

The tables are counted on text by `estimate` and stored with a checkpoint (see
`stored`); without them rough ones are used, as of an English vocabulary of
sub-words. A hole's length is known, or between bounds, or free: its prior is
the tables' mean over the lengths that the hole allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fillmask.restore.damage import Hole, Known, Lost

Rows = tuple[tuple[float, ...], ...]

LONGEST_WORD = 24  # characters, of the table of words
LONGEST_SPAN = 60  # characters, of the table of spans
MOST_WORDS = 8
# How many words are missing where nobody knows: an assumption about damage, not about language. One word is likeliest,
# and each more is a little over half as likely.
WORDS = tuple(0.55**m for m in range(MOST_WORDS))
_SMOOTHING = 0.3  # counts added in the shape of the rough table


@dataclass(frozen=True)
class Lengths:
    """Tables of lengths; each row sums to 1.

    Attributes:
        word: p(k tokens | a word of n characters); row n, column k − 1.
        span: the same for whole words in a row, spaces among the characters.
        word_characters: p(n) of a word.
        span_characters: p(n | m words), row m − 1.
        words: p(m) of a hole of unknown length, column m − 1.
    """

    word: Rows
    span: Rows
    word_characters: tuple[float, ...]
    span_characters: Rows
    words: tuple[float, ...]

    @cached_property
    def _free(self) -> tuple[float, ...]:
        """p(n) of a hole of unknown length that may hold several words."""
        rows = np.array(self.span_characters)
        weights = np.array(self.words[: len(rows)])
        return tuple(weights @ rows / weights.sum())

    def tokens(self, hole: Hole) -> list[tuple[int, float]]:
        """Numbers of tokens and the logarithm of their probability, likeliest first, for a hole of one character or more."""
        spaces = _may_have_spaces(hole)
        table, lengths = (self.span, self._free) if spaces else (self.word, self.word_characters)
        least, most = max(1, hole.least), hole.most
        weights = {n: p for n, p in enumerate(lengths) if n >= least and (most is None or n <= most) and p > 0}
        if not weights:  # longer than anything counted, or of a length that was never seen
            weights = {least if most is None else max(1, (least + most) // 2): 1.0}
        if (expected := expected_length(hole)) is not None and len(weights) > 1:
            weights = {n: p * math.exp(about(n, expected)) for n, p in weights.items()}
        total = sum(weights.values())
        weights_by_count: dict[int, float] = {}
        for n, weight in weights.items():
            for k, p in enumerate(_row(table, n), start=1):
                if p > 0:
                    weights_by_count[k] = weights_by_count.get(k, 0.0) + p * weight / total
        return sorted(
            ((k, math.log(p)) for k, p in weights_by_count.items() if p > 1e-9), key=lambda pair: (-pair[1], pair[0])
        )


def _may_have_spaces(hole: Hole) -> bool:
    return any(e.spaces if isinstance(e, Lost) else " " in e.text for e in hole.elements)


def expected_length(hole: Hole) -> int | None:
    """The writer's estimate of the hole's length in characters, where each lost stretch is exact or has one."""
    total, estimated = 0, False
    for element in hole.elements:
        if isinstance(element, Known):
            total += len(element.text)
        elif element.about is not None:
            total, estimated = total + element.about, True
        elif element.least == element.most:
            total += element.least
        else:
            return None
    return total if estimated else None


def about(length: int, expected: int) -> float:
    """Log-weight of a length where the writer says "about": a fifth off is one standard deviation, and one character at least."""
    return -0.5 * ((length - expected) / max(1.0, expected / 5)) ** 2


def _row(table: Rows, n: int) -> Sequence[float]:
    if n < len(table):
        return table[n]
    return _rough(n, len(table) > LONGEST_WORD + 1)


def _rough(n: int, span: bool) -> tuple[float, ...]:
    """p(k | n): one token for a word, or for every five characters of a span, and a few more."""
    mean = max(0.12, n / 4.7 - 0.8) if span else max(0.06, 0.16 * (n - 4))
    most = max(4, int(mean + 5 * math.sqrt(mean) + 3))
    weights = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most)]
    weights = [w if k < n else 0.0 for k, w in enumerate(weights)]
    return tuple(w / sum(weights) for w in weights)


def rough() -> Lengths:
    """Tables for a checkpoint that has none."""
    word_lengths = [0.0] + [math.exp(-0.5 * ((n - 4.6) / 2.6) ** 2) for n in range(1, LONGEST_WORD + 1)]
    spans = []
    for words in range(1, MOST_WORDS + 1):
        mean, spread = words * 5.6 - 1, 2.6 * math.sqrt(words)
        row = [0.0] + [math.exp(-0.5 * ((n - mean) / spread) ** 2) for n in range(1, LONGEST_SPAN + 1)]
        spans.append(_normal(row))
    return Lengths(
        tuple(_rough(max(1, n), False) for n in range(LONGEST_WORD + 1)),
        tuple(_rough(max(1, n), True) for n in range(LONGEST_SPAN + 1)),
        _normal(word_lengths),
        tuple(spans),
        _normal(WORDS),
    )


def estimate(texts: Iterable[str], count_tokens: Callable[[list[str]], list[int]]) -> Lengths:
    """Tables counted on text.

    Args:
        texts: paragraphs.
        count_tokens: how many tokens each of some words takes, a space before it.
    """
    base = rough()
    word = [dict[int, float]() for _ in range(LONGEST_WORD + 1)]
    span = [dict[int, float]() for _ in range(LONGEST_SPAN + 1)]
    word_characters = np.zeros(LONGEST_WORD + 1)
    span_characters = np.zeros((MOST_WORDS, LONGEST_SPAN + 1))
    known: dict[str, int] = {}
    for text in texts:
        words = text.split()
        new = sorted(set(words) - known.keys())
        known.update(zip(new, count_tokens(new), strict=True))
        for first in range(len(words)):
            characters, tokens = -1, 0
            for m, next_word in enumerate(words[first : first + MOST_WORDS]):
                characters += len(next_word) + 1
                tokens += known[next_word]
                if characters > LONGEST_SPAN:
                    break
                span[characters][tokens] = span[characters].get(tokens, 0) + 1
                span_characters[m, characters] += 1
                if m == 0 and characters <= LONGEST_WORD:
                    word[characters][tokens] = word[characters].get(tokens, 0) + 1
                    word_characters[characters] += 1
    return Lengths(
        tuple(_counted(row, base.word[n]) for n, row in enumerate(word)),
        tuple(_counted(row, base.span[n]) for n, row in enumerate(span)),
        _normal(word_characters + _SMOOTHING * np.array(base.word_characters)),
        tuple(
            _normal(row + _SMOOTHING * np.array(shape))
            for row, shape in zip(span_characters, base.span_characters, strict=True)
        ),
        base.words,
    )


def _counted(counts: dict[int, float], shape: Sequence[float]) -> tuple[float, ...]:
    most = max([len(shape), *counts])
    row = np.zeros(most)
    row[: len(shape)] = _SMOOTHING * np.array(shape)
    for k, count in counts.items():
        row[k - 1] += count
    return _normal(row)


def _normal(row: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, ...]:
    total = float(sum(row))
    return tuple(round(float(p) / total, 8) for p in row)
