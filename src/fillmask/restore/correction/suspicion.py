"""Which words of a text look misread, and what each may have been.

A word is suspicious if it is not listed, or if a far more frequent word is
easily misread as it. Words are judged by themselves and by their neighbours;
the model is not asked here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fillmask.restore.correction.candidates import Candidates
from fillmask.restore.correction.units import TextUnit, units_of

_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?|[IVXLCDM]+|[^\W\d_]\.?")
_STRAY_MARKS = frozenset("|~_^*\\<>{}=•■«»¬§`´°©®™:;,·'")
_NOISY = 0.02  # share of a text that is misread from which marks are suspicious
# How much less likely a candidate may be than the word itself that it is looked at, in nats: of a listed word in clean
# text (the more of a text is misread, the more), and of a word that is not listed.
_REAL_WORD_ODDS = -0.5
_UNLISTED_ODDS = -16.0
_MOST_CANDIDATES = 4
_SMALL = 40.0  # words of clean text that a text is taken to begin with
_MEMORY = 0.7  # what a piece of the text counts beside the one after it
_USUAL_NOISE = 0.01  # share of lower-case words of clean text that are not listed


@dataclass(frozen=True)
class Suspect:
    """A stretch of text that may be misread.

    Attributes:
        start, end: its characters.
        observed: the stretch as it was read.
        candidates: what it may have been, the stretch itself first.
        kind: "word", "join" of two stretches, or "mark" that belongs to no word.
        listed: whether it is made of listed words.
        starts_sentence: whether a sentence begins with it.
    """

    start: int
    end: int
    observed: str
    candidates: tuple[str, ...]
    kind: str = "word"
    listed: bool = False
    starts_sentence: bool = False


class Noise:
    """How much of a text is misread, by the share of its lower-case words that are not listed.

    The text comes piece by piece, and what came last counts most.
    """

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates
        self._words = self._unlisted = 0.0

    def after(self, text: str) -> float:
        """The share after one more piece of the text, above 0 and below 1."""
        words = unlisted = 0
        for unit in units_of(text):
            if unit.text.islower() and unit.text.isalpha() and len(unit.text) > 1:
                words += 1
                unlisted += not self._candidates.is_listed(unit.text)
            elif _has_digits_and_letters(unit.text):
                words, unlisted = words + 1, unlisted + 1
        self._words = _MEMORY * self._words + words
        self._unlisted = _MEMORY * self._unlisted + unlisted
        return (self._unlisted + _SMALL * _USUAL_NOISE) / (self._words + _SMALL)


def _has_digits_and_letters(word: str) -> bool:
    return not word.isalpha() and any(c.isalpha() for c in word) and any(c.isdigit() for c in word)


def suspects(text: str, candidates: Candidates, share: float) -> list[Suspect]:
    """The suspicious stretches of a text, in order and apart from each other.

    Args:
        share: how much of the text is misread, see `Noise`.
    """
    odds = _REAL_WORD_ODDS - max(0.0, log_odds(share) - log_odds(_USUAL_NOISE))
    units = list(units_of(text))
    marks = [unit.is_mark for unit in units]
    suspicious: list[Suspect] = []
    skip = -1
    for number, unit in enumerate(units):
        if number <= skip:
            continue
        suspect = None
        if unit.is_mark:
            alone = not any(marks[max(0, number - 1) : number]) and not any(marks[number + 1 : number + 2])
            if share > _NOISY and alone and _STRAY_MARKS.issuperset(unit.text) and _spaced(text, unit):
                suspect = Suspect(unit.start, unit.end, unit.text, (unit.text, ""), "mark")
        else:
            if number + 1 < len(units):
                suspect = _joined(text, unit, units[number + 1], candidates)
                if suspect is not None:
                    skip = number + 1
            suspect = suspect or _alone(unit, candidates, odds)
        if suspect is not None:
            suspicious.append(suspect)
    return suspicious


def _spaced(text: str, unit: TextUnit) -> bool:
    before, after = text[unit.start - 1 : unit.start], text[unit.end : unit.end + 1]
    return (not before or before.isspace()) and (not after or after.isspace())


def _alone(unit: TextUnit, candidates: Candidates, odds: float) -> Suspect | None:
    word = unit.text
    if not any(c.isalpha() for c in word) or _ABBREVIATION.fullmatch(word) or _ordinal(word):
        return None
    listed = candidates.is_listed(word)
    own = candidates.prior(word, word)
    texts: Sequence[str] = candidates.near(word) if listed else candidates.of(word)
    floor = own + (odds if listed else _UNLISTED_ODDS)
    texts = [text for text in texts if candidates.prior(text, word) > floor][:_MOST_CANDIDATES]
    if not texts:
        return None
    return Suspect(unit.start, unit.end, word, (word, *texts), "word", listed, unit.starts_sentence)


def _ordinal(word: str) -> bool:
    digits = sum(c.isdigit() for c in word)
    return digits * 2 >= len(word) or bool(re.fullmatch(r"\d+(st|nd|rd|th|s|d|F)", word))


def _joined(text: str, first: TextUnit, second: TextUnit, candidates: Candidates) -> Suspect | None:
    """Two stretches that may be one word: fallen apart, or divided at the end of a line."""
    between = text[first.end : second.start]
    hyphened = between in ("-\n", "-\r\n", "- ", "¬\n", "-")
    if second.is_mark or not (between in (" ", "\n") or hyphened) or (between == "-" and "\n" not in between):
        return None
    words = (first.text, second.text)
    if not all(word.isalpha() for word in words):
        return None
    if not hyphened and all(candidates.is_listed(w) and (len(w) > 1 or w in ("a", "I", "A", "O")) for w in words):
        return None
    together = "".join(words)
    texts = [together] if candidates.is_listed(together) else list(candidates.of(together))[:1]
    texts = [t for t in texts if " " not in t and len(t) > max(map(len, words))]
    observed = text[first.start : second.end]
    if not texts:
        return None
    if not hyphened and candidates.prior(texts[0], " ".join(words)) < sum(map(candidates.best_prior, words)):
        return None
    if hyphened and all(map(candidates.is_listed, words)) and not candidates.is_listed(together):
        return None
    end = second.end
    if "\n" in between and text[end : end + 1] == " ":  # the break goes after the word, in place of its space
        end += 1
    observed = text[first.start : end]
    return Suspect(first.start, end, observed, (observed, *texts), "join", False, first.starts_sentence)


def log_odds(share: float) -> float:
    """The logarithm of the odds of a share."""
    return math.log(share / (1 - share))
