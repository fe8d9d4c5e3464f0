"""The units of a text that correction looks at: words with their place, and what stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Marks that belong to a word where letters or digits stand on both sides of them; at its ends they do not.
_CHUNK = re.compile(r"[^\s\-–—/]+")
_JUNK = frozenset("|~_^*\\<>{}=•■«»¬§¦`´°©®™")
_CLOSING = frozenset(".,;:!?'\"’”)]…")


@dataclass(frozen=True)
class TextUnit:
    """A word as it was read.

    Attributes:
        start, end: its characters in the text.
        text: the word without the punctuation around it; or marks alone.
        is_mark: whether it has neither letters nor digits.
        starts_sentence: whether it begins the text or follows the end of a sentence.
    """

    start: int
    end: int
    text: str
    is_mark: bool = False
    starts_sentence: bool = False


def units_of(text: str) -> Iterator[TextUnit]:
    """The units of a text in order."""
    begins = True
    for match in _CHUNK.finditer(text):
        chunk = match.group()
        first = next((n for n, c in enumerate(chunk) if c.isalnum()), None)
        if first is None:
            yield TextUnit(match.start(), match.end(), chunk, is_mark=True)
            continue
        last = next(n for n in reversed(range(len(chunk))) if chunk[n].isalnum()) + 1
        while first and chunk[first - 1] in _JUNK:
            first -= 1
        while last < len(chunk) and chunk[last] in _JUNK:
            last += 1
        yield TextUnit(match.start() + first, match.start() + last, chunk[first:last], starts_sentence=begins)
        begins = any(mark in ".!?" for mark in chunk[last:])
