"""A sign of damage: how it is written, what it says, and how the guide shows it.

The notations of text are lists of signs. The same lists make the patterns that
read them and the table of signs in the guide (`scripts/signs.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from fillmask.restore.notation.document import Gone, Piece, Said, Unclear

Reader = Callable[["re.Match[str]"], "Sequence[Piece] | None"]


@dataclass(frozen=True)
class Sign:
    """One way of writing what is lost or hard to read.

    Attributes:
        name: of its group in the pattern.
        pattern: a regular expression without named groups.
        read: the pieces that cover a match; it returns None where the match is ordinary text in its place. None where what
            the sign says depends on what stands round it, so that the notation reads it itself.
        examples: as people write it, in Markdown's code spans.
        says: what it means, for the guide.
    """

    name: str
    pattern: str
    read: Reader | None
    examples: tuple[str, ...]
    says: str


class Signs:
    """Signs that are looked for together; of those that match at a place the first one counts."""

    def __init__(self, signs: Iterable[Sign]) -> None:
        self.signs = tuple(signs)
        self._by_name = {sign.name: sign for sign in self.signs}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?P<{sign.name}>{sign.pattern})" for sign in self.signs))

    def read(self, match: re.Match[str]) -> Sequence[Piece] | None:
        """The pieces of a match, or None where it is ordinary text."""
        read = self._by_name[match.lastgroup or ""].read
        return None if read is None else read(match)


def lost(meaning: Gone | None) -> Reader:
    """A reader of a sign that always says the same."""
    return lambda match: None if meaning is None else [Piece(match.start(), match.group(), meaning)]


def nothing(match: re.Match[str]) -> Sequence[Piece]:
    """A reader of what stands in the source and says nothing."""
    return [Piece(match.start(), match.group(), None)]


_WORD = re.compile(r"\w\S*")


def unclear(source: str, start: int, end: int, inner_start: int, inner_end: int) -> list[Piece]:
    """Pieces of source[start:end], whose words in source[inner_start:inner_end] are hard to read.

    Each word is a piece of its own, so that each can be read by itself; what stands between them is read as it is.
    """
    words = [match.span() for match in _WORD.finditer(source, inner_start, inner_end)]
    words = [(first, min(last, inner_end)) for first, last in words]
    pieces = []
    at = start
    for number, (first, last) in enumerate(words):
        if number and first > at:
            pieces.append(Piece(at, source[at:first], Said(source[at:first])))
            at = first
        until = end if number == len(words) - 1 else last
        pieces.append(Piece(at, source[at:until], Unclear(source[first:last])))
        at = until
    return pieces


# What has dots, underscores and question marks of its own: addresses, names of files, identifiers.
_TOKENS = re.compile(r"[^\s()<>\[\]{}\"“”]+")
_MARKED = re.compile(r"[_?#*@]")
_TOKEN_END = ".,;:!?'’"
_ADDRESS = re.compile(
    r"(?:(?:https?|ftp|file)://|mailto:|www\.).+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|[\w./\\~-]*\w\.(?:jpe?g|png|gif|tiff?|jp2|bmp|svg|webp|pdf|docx?|odt|rtf|txt|md|csv|tsv|xlsx?|xml|html?|json|ya?ml|"
    r"zip|gz|mp[34]|wav|py|js|css|tei|epub)"
    r"|[a-z]+_\d{2,}\w*|(?:[a-z]:\\|\.{0,2}/)[\w.\\/-]*_[\w.\\/-]*",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(
    r"(?<![\w\[])(_{1,3})(?=[\w\"'\u201c\u2018(*])[^_\n\[\]<>{}]{1,60}?(?<=[\w\"'\u201d\u2019).,;:!?*])\1(?![\w_])"
)
_MOST_EMPHASIZED = 6  # words


class Addresses:
    """Stretches of a text in which no sign is looked for."""

    def __init__(self, source: str) -> None:
        spans = []
        for match in _TOKENS.finditer(source):
            token = match.group().rstrip(_TOKEN_END)
            if _MARKED.search(token) and _ADDRESS.fullmatch(token):
                spans.append((match.start(), match.start() + len(token)))
        emphasis = [
            span
            for match in _EMPHASIS.finditer(source)
            if len(match.group().split()) <= _MOST_EMPHASIZED
            for span in ((match.start(), match.start() + len(match[1])), (match.end() - len(match[1]), match.end()))
        ]
        self._spans = sorted(spans + emphasis)
        self._starts = [start for start, _ in self._spans]

    def end_of(self, start: int, end: int) -> int:
        """Where the address ends that a match touches; 0 where it touches none."""
        number = bisect_right(self._starts, start) - 1
        for first, last in self._spans[max(0, number) : number + 2]:
            if start < last and end > first:
                return last
        return 0
