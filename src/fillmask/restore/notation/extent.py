"""How much is lost, as editors write it: `3`, `2-9`, `ca. 5 letters`, `two words`, `3.5 cm`, `unknown`.

Knows numbers and units, not where they stand (attributes of TEI, notes in brackets).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from fillmask.restore.damage import Lost
from fillmask.restore.notation.document import (
    LONGEST_COUNT,
    Gone,
    counted,
    one_word,
    roughly,
    some_words,
    unknown,
)

SizeUnit = Literal["character", "word", "other"]

_MOST_WORDS = 50
_NUMBERS = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve a an half".split(),  # noqa: SIM905
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 1, 0.5],
        strict=True,
    )
)
_NUMBER = rf"(?:\d{{1,9}}(?:[.,]\d+)?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_ABOUT = r"(?:circa|ca?\.?|about|approximately|approx\.?|around|roughly|some|perhaps|maybe|probably|±|\+/-|~|≈|at least|up to|max\.?|min\.?|<|>|≤|≥)"
_EXTENT = re.compile(
    rf"(?:(?P<about>{_ABOUT})\s*)?(?P<low>{_NUMBER})(?P<more>\s*\+)?"
    rf"(?:\s*(?:-|–|—|/|to|or|\.\.)\s*(?P<high>{_NUMBER}))?\s*(?P<doubt>\(?\?\)?)?\s*(?P<unit>[^\W\d_][\w. ]*)?(?P<end>\(?\?\)?)?",
    re.IGNORECASE,
)
_NOT_KNOWN = re.compile(
    r"(?:unknown|undefined|uncertain|indeterminate|several|some|a few|many|\?+|n/?a)\b.*|\?*", re.IGNORECASE
)
_CHARACTERS = frozenset(
    "character characters char chars letter letters lett litt litterae glyph glyphs c ch".split()  # noqa: SIM905
)
_WORDS = frozenset(("word", "words", "w"))


@dataclass(frozen=True, slots=True)
class Extent:
    """So much is lost.

    Attributes:
        least, most: fewest and most; None where they are not known.
        is_rough: whether a single number is only about right.
        unit: what is counted; None where it does not say.
    """

    least: float | None
    most: float | None
    is_rough: bool = False
    unit: SizeUnit | None = None


def unit_of(name: str) -> SizeUnit | None:
    """What a unit counts: characters, words, or something of another size; None for no name."""
    words = name.strip().lower().split()
    if not words:
        return None
    first = words[0].rstrip(".")
    return "character" if first in _CHARACTERS else "word" if first in _WORDS else "other"


def read_extent(text: str) -> Extent | None:
    """What an extent says; None where it is not understood."""
    text = text.strip()
    unit = unit_of(text.split()[-1]) if text.split() else None
    if _NOT_KNOWN.fullmatch(text):
        return Extent(None, None, unit=unit)
    match = _EXTENT.fullmatch(text)
    if match is None:
        return None
    least, about = number(match["low"]), (match["about"] or "").lower().rstrip(".")
    if least is None:
        return None
    unit = unit_of(match["unit"] or "")
    if match["high"] is not None:
        high = number(match["high"])
        return None if high is None or high < least else Extent(least, high, unit=unit)
    if match["more"] or about in ("at least", "min", ">", "≥"):
        return Extent(least, None, unit=unit)
    if about in ("up to", "max", "<", "≤"):
        return Extent(0, least, unit=unit)
    return Extent(least, least, bool(about or match["doubt"] or match["end"]), unit)


def number(text: str) -> float | None:
    """A number in digits or in words; None for no number."""
    text = text.strip().lower()
    if text in _NUMBERS:
        return float(_NUMBERS[text])
    return float(text.replace(",", ".")) if re.fullmatch(r"\d{1,9}(?:[.,]\d+)?", text, re.ASCII) else None


def loss(extent: Extent, *, is_rough: bool = False) -> Gone:
    """What an extent says is lost.

    Args:
        is_rough: whether its numbers are only about right, apart from what it says itself.
    """
    least, high, rough = extent.least, extent.most, extent.is_rough or is_rough
    if extent.unit == "word":
        exact = least is not None and least == high and not rough and least == int(least)
        return one_word(int(least)) if exact and least is not None and 1 <= least <= _MOST_WORDS else some_words()
    if extent.unit == "other" or (least is None and high is None):
        return unknown()
    if high is None:
        assert least is not None
        if least > LONGEST_COUNT:
            return unknown()
        lost = (Lost(math.floor(least), None, True),)
        return Gone(lost, lost)
    high = max(1.0, high)
    if least is not None and least == high and rough:
        return roughly(round(high))
    # Half a character more or less is a range: both neighbours may be meant.
    return counted(math.floor(least or 0), math.ceil(high))
