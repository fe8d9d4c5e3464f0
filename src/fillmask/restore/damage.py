"""One model of damage behind every notation: a text with holes, each hole a constraint on characters.

A hole covers whole words: where a word has lost some of its letters, the
letters that survive are part of the hole. So a hole begins and ends at a word
boundary, and what may stand in it is a small regular expression: known letters
and lost stretches in a row. This module knows nothing of notations or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from fillmask.errors import InputError


@dataclass(frozen=True)
class Known:
    """Characters that survive.

    Attributes:
        text: the characters.
        certain: False where they are hard to read (an underdot, `<unclear>`): likely, but another character may stand
            in the place of each.
        confidence: of characters that are not certain, the probability that the source gives them (`cert` in TEI, the
            word confidence of an OCR engine), 0 to 1; None where it gives none.
    """

    text: str
    certain: bool = True
    confidence: float | None = None

    def __post_init__(self) -> None:
        if self.confidence is not None and (self.certain or not 0 <= self.confidence <= 1):
            raise InputError(
                f"unclear letters with a confidence of {self.confidence}; expected 0 to 1, of letters that are not certain"
            )


@dataclass(frozen=True)
class Lost:
    """A stretch of characters that are gone.

    Attributes:
        least: fewest characters.
        most: most characters; None where nobody knows.
        spaces: whether word boundaries may be among them. Without, the lost characters are of one word: no spaces.
        about: the estimate of the writer, where there is one ("c. 4"): the length is likely near it.
    """

    least: int = 1
    most: int | None = None
    spaces: bool = False
    about: int | None = None

    def __post_init__(self) -> None:
        if self.least < 0 or (self.most is not None and self.most < max(1, self.least)):
            raise InputError(
                f"a hole of {self.least} to {self.most} characters; expected 0 ≤ least ≤ most, and most ≥ 1"
            )


Element = Known | Lost


@dataclass(frozen=True)
class Hole:
    """What may stand in one place: known and lost stretches in a row, at least one of them not certain.

    Attributes:
        elements: in the order of the text.
        targets: where given, nothing but one of these may stand in the hole.
        any_case: whether a known letter stands for both its cases: in a text of capitals that is read in ordinary case.
    """

    elements: tuple[Element, ...]
    targets: tuple[str, ...] | None = None
    any_case: bool = False

    @property
    def transcription(self) -> str | None:
        """The letters as the source writes them, where none is lost: a reading already. None where some are lost."""
        if not all(isinstance(element, Known) for element in self.elements):
            return None
        return "".join(element.text for element in self.elements if isinstance(element, Known))

    @property
    def least(self) -> int:
        """Fewest characters."""
        return sum(len(e.text) if isinstance(e, Known) else e.least for e in self.elements)

    @property
    def most(self) -> int | None:
        """Most characters; None where nobody knows."""
        total = 0
        for element in self.elements:
            if isinstance(element, Known):
                total += len(element.text)
            elif element.most is None:
                return None
            else:
                total += element.most
        return total

    def admits(self, text: str) -> bool:
        """Whether `text` may stand in the hole: the definition that decoders are tested against."""
        if self.targets is not None and not self._is_target(text):
            return False
        return not _ragged(text) and fitted(self.elements, text, any_case=self.any_case) is not None

    def _is_target(self, text: str) -> bool:
        targets = self.targets or ()
        return text in targets or (self.any_case and text.upper() in [target.upper() for target in targets])


def fitted(
    elements: Sequence[Element], text: str, *, loosely: bool = False, any_case: bool = False
) -> list[int] | None:
    """Where in `text` each element ends, every lost stretch as short as those before it let it be; None where they do not fit.

    A text of any length and any elements take time that grows with both and not with the ways to divide the text: the
    positions from which the last elements fit are found first. A set of positions is a number, a bit for each.

    Args:
        loosely: whether any character may be lost or unclear; otherwise no newline, and spaces as the elements say.
        any_case: whether a known letter fits in both its cases.
    """
    where: dict[str, int] = {}
    for at, character in enumerate(text):
        for case in cases(character) if any_case else character:
            where[case] = where.get(case, 0) | 1 << at
    lost = {True: (1 << len(text)) - 1, False: (1 << len(text)) - 1}
    if not loosely:
        lost[True] ^= where.get("\n", 0)
        lost[False] ^= sum(bits for character, bits in where.items() if character.isspace())
    fits = [1 << len(text)]  # from where the elements after this one fit, the last element first
    for element in reversed(elements):
        starts = fits[-1]
        if isinstance(element, Known):
            for character in reversed(element.text):
                if element.certain or (character == " " and not loosely):
                    starts = starts >> 1 & where.get(character, 0)
                else:  # an unclear character may be another one, but not a space
                    starts = starts >> 1 & lost[False]
        else:
            free = lost[element.spaces]
            starts = _within(starts, free, len(text) if element.most is None else element.most - element.least)
            if element.least:
                starts = starts >> element.least & _in_a_row(free, element.least)
        fits.append(starts)
    if not fits.pop() & 1:
        return None
    ends, at = [], 0
    for element in elements:
        if isinstance(element, Known):
            at += len(element.text)
        else:
            at += element.least
            rest = fits[-1] >> at
            at += (rest & -rest).bit_length() - 1
        fits.pop()
        ends.append(at)
    return ends


def cases(character: str) -> tuple[str, ...]:
    """A character in its cases, itself first; those that are several characters are left out."""
    return tuple(dict.fromkeys(case for case in (character, character.lower(), character.upper()) if len(case) == 1))


def _in_a_row(positions: int, count: int) -> int:
    """The positions that are the first of `count` in a row."""
    have = 1
    while have < count:
        step = min(have, count - have)
        positions &= positions >> step
        have += step
    return positions


def _within(goals: int, free: int, limit: int) -> int:
    """The positions from which up to `most` free ones lead to a goal."""
    have = 0
    while have < limit:
        step = min(have + 1, limit - have)
        goals |= goals >> step & _in_a_row(free, step)
        have += step
    return goals


def _ragged(text: str) -> bool:
    """Spaces at an end, or two in a row: the boundaries of the hole are word boundaries already."""
    return text != text.strip() or any(a == b == " " for a, b in pairwise(text))


@dataclass(frozen=True)
class Damaged:
    """A text with holes, in reading order: stretches of text as they stand, and holes."""

    parts: tuple[str | Hole, ...]

    @cached_property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(part for part in self.parts if isinstance(part, Hole))

    def filled(self, readings: Sequence[str]) -> str:
        """The text with a reading in each hole.

        Raises:
            InputError: not as many readings as holes.
        """
        if len(readings) != len(self.holes):
            raise InputError(f"there are {len(readings)} readings for {len(self.holes)} holes")
        rest = iter(readings)
        return "".join(part if isinstance(part, str) else next(rest) for part in self.parts)
