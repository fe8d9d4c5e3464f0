"""A character n-gram with a word list: what restoring was before neural models, and the baseline to beat.

`CharacterNGrams` predicts a character from the five before it, by interpolated
absolute discounting down to single characters. `read` fills a hole with a beam
over characters that the hole's automaton admits; a word that was not seen in
training costs `STRANGE`, and what follows the hole is scored too, so that the
right context counts. Nothing of fillmask's model is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from fillmask.restore.calibration.samples import Sample
from fillmask.restore.damage import Damaged, Hole
from fillmask.restore.decoding.automaton import Region
from fillmask.restore.decoding.compilation import compile_region
from fillmask.restore.restoration import Reading

ORDER = 6
BITS = 7
STRANGE = -5.0
BEAM = 48
LONGEST = 40  # characters of a hole of unknown length
_DISCOUNT = 0.75
_AFTER = 8  # characters of the right context that are scored
_ALPHABET = [" ", *(chr(c) for c in range(33, 127))]
_NUMBER = {c: n for n, c in enumerate(_ALPHABET)}
_OTHER = len(_ALPHABET)


def numbers(text: str) -> npt.NDArray[np.int64]:
    """Characters as numbers below 128; a newline is a space, and what is not ASCII is one number."""
    return np.array([_NUMBER.get(" " if c.isspace() else c, _OTHER) for c in text], np.int64)


class CharacterNGrams:
    """Counts of n-grams up to `ORDER`, and the words that were seen twice or more."""

    def __init__(self, texts: Iterable[str]) -> None:
        words: Counter[str] = Counter()
        pieces = []
        for text in texts:
            words.update(w.strip(".,;:!?\"'()[]") for w in text.split())
            pieces.append(numbers(text))
        self.words = {w for w, count in words.items() if count > 1}
        line = np.concatenate(pieces)
        self.grams, self.counts = [], []
        for order in range(1, ORDER + 1):
            packed = np.zeros(len(line) - order + 1, np.int64)
            for shift in range(order):
                packed = packed << BITS | line[shift : len(line) - order + 1 + shift]
            grams, counts = np.unique(packed, return_counts=True)
            self.grams.append(grams)
            self.counts.append(counts)
        self._known: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}

    def after(self, context: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Log-probability of each next character, (characters,)."""
        context = context[-(ORDER - 1) :]
        if context not in self._known:
            self._known[context] = np.log(self._spread(context))
        return self._known[context]

    def _spread(self, context: tuple[int, ...]) -> npt.NDArray[np.float64]:
        backing = self._spread(context[1:]) if context else np.full(_OTHER + 1, 1 / (_OTHER + 1))
        packed = 0
        for number in context:
            packed = packed << BITS | number
        grams, counts = self.grams[len(context)], self.counts[len(context)]
        start, stop = np.searchsorted(grams, [packed << BITS, (packed + 1) << BITS])
        if start == stop:
            return backing
        found = counts[start:stop].astype(float)
        total = found.sum()
        spread = backing * (_DISCOUNT * len(found) / total)
        spread[grams[start:stop] & ((1 << BITS) - 1)] += (found - _DISCOUNT) / total
        return np.asarray(spread)

    def system(self, sample: Sample) -> list[list[Reading]]:
        """The readings of every hole of a sample; the others are left out of its context."""
        return [self.read(sample.damaged, n) for n in range(len(sample.truths))]

    def read(self, damaged: Damaged, number: int) -> list[Reading]:
        """The readings of one hole, best first, with their share among those found."""
        left, hole, right = _sides(damaged, number)
        automaton = compile_region(Region(hole))
        context = tuple(numbers(left[-(ORDER - 1) :]).tolist())
        classes = np.array([automaton.class_of(c) for c in _ALPHABET])
        live = [("", automaton.start, 0.0)]
        done: dict[str, float] = {}
        for _ in range(hole.most if hole.most is not None else max(LONGEST, hole.least)):
            grown = []
            for text, state, score in live:
                chances = self.after((context + tuple(numbers(text[-ORDER:]).tolist()))[-(ORDER - 1) :])
                ends = automaton.table[state, classes]
                for character in np.flatnonzero(ends):
                    value = score + float(chances[character])
                    c = _ALPHABET[character]
                    if c == " ":
                        value += self._strange(text)
                    grown.append((text + c, int(ends[character]), value))
            live = sorted(grown, key=lambda item: -item[2])[:BEAM]
            for text, state, score in live:
                if automaton.accepting[state]:
                    done[text] = score + self._strange(text) + self._right(context, text, right)
        best = sorted(done.items(), key=lambda item: (-item[1], item[0]))[:20]
        total = math.fsum(math.exp(s - best[0][1]) for _, s in best) if best else 1.0
        return [Reading(text, math.exp(score - best[0][1]) / total) for text, score in best]

    def _strange(self, text: str) -> float:
        word = text.rsplit(" ", 1)[-1].strip(".,;:!?\"'()[]")
        return 0.0 if not word or word in self.words or word.isdigit() else STRANGE

    def _right(self, context: tuple[int, ...], text: str, right: str) -> float:
        line = (*context, *numbers(text).tolist())
        total = 0.0
        for number in numbers(right[:_AFTER]).tolist():
            total += float(self.after(line)[number])
            line = (*line, number)
        return total


def _sides(damaged: Damaged, number: int) -> tuple[str, Hole, str]:
    """The text before a hole since the hole before it, and after it until the next."""
    left, holes = "", -1
    for place, part in enumerate(damaged.parts):
        if isinstance(part, str):
            left = part
            continue
        holes += 1
        if holes == number:
            following = damaged.parts[place + 1] if place + 1 < len(damaged.parts) else ""
            return left, part, following if isinstance(following, str) else ""
        left = ""
    raise IndexError(number)
