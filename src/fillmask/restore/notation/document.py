"""What a notation makes of a source: pieces that cover it without a gap, and the document they add up to.

A reader of a notation (`plain`, `leiden`, `tei`) knows its signs and writes
pieces; `assembly` makes words and holes of the pieces and knows no signs. Every
hole keeps its place in the source, so an edition can put a reading there and
leave the rest of the source as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from fillmask.errors import NotationError
from fillmask.restore.damage import Damaged, Element, Known, Lost

# A longer stretch of lost letters is not all of one word, even where it touches surviving ones.
LONGEST_WORD = 15
# Nothing is gained by counting the letters of a longer stretch: it is read as one of unknown length.
LONGEST_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Said:
    """Text to be read, marks resolved. `text` is the piece's source itself, or what stands for it (`&amp;`)."""

    text: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """Letters that are hard to read.

    Attributes:
        text: the letters.
        confidence: the probability that the source gives them, 0 to 1; None where it gives none.
    """

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A lost stretch. What its sign means can depend on whether it touches surviving letters.

    Attributes:
        alone: what is lost where it stands by itself.
        attached: what is lost where it is part of a word.
        whole_words: whether whole words are lost: letters beside them belong to other words, even without a space.
    """

    alone: tuple[Element, ...]
    attached: tuple[Element, ...]
    whole_words: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a line or a paragraph, or a boundary of words that no space shows.

    Attributes:
        kind: what ends.
        joined: whether a word goes on after the break.
    """

    kind: Literal["line", "paragraph", "word"]
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Hidden:
    """Text that is in the source and is not read: superfluous or cancelled letters, notes."""

    text: str


MarkKind = Literal["supplied", "omitted", "surplus", "erased", "expansion", "added"]


@dataclass(frozen=True, slots=True)
class Mark:
    """An editorial mark begins or ends; what is in it is read unless its pieces are `Hidden`."""

    kind: MarkKind
    opens: bool


Meaning = Said | Unclear | Gone | Break | Hidden | Mark | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the source and what it says; None where it says nothing (tags, comments)."""

    start: int
    source: str
    says: Meaning

    @property
    def end(self) -> int:
        return self.start + len(self.source)


class Place(NamedTuple):
    """Where a hole stands in the source.

    Attributes:
        text: the hole as the source writes it.
        line, column: where it begins, from 1.
    """

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a hole and its place in the source: source[start:end] says `elements`.

    Attributes:
        space_before, space_after: whether the text has a space there that the source has not.
    """

    start: int
    end: int
    elements: tuple[Element, ...]
    space_before: bool = False
    space_after: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether something is lost in it."""
        return any(isinstance(element, Lost) for element in self.elements)

    @property
    def letters(self) -> str:
        """The letters that are known of it."""
        return "".join(element.text for element in self.elements if isinstance(element, Known))


@dataclass(frozen=True)
class Document:
    """A damaged document, read.

    Attributes:
        source: as it was given.
        notation: "plain", "leiden", "tei", "page", "alto" or "hocr".
        pieces: the source, cut into what each stretch of it says.
        damaged: the text to be read: natural text, marks resolved, a space for every line end, a newline for every end
            of a paragraph, and the holes.
        layout: the text to be shown: stretches of text with their lines as they are, and numbers of holes.
        stretches: of each hole, its parts and their places in the source.
        joins: first character and the one after the last of each line end, with its hyphen, that a word is read over.
        language: what the document says that its language is (`xml:lang`), "" where it does not.
    """

    source: str
    notation: str
    pieces: tuple[Piece, ...]
    damaged: Damaged
    layout: tuple[str | int, ...]
    stretches: tuple[tuple[Stretch, ...], ...]
    joins: tuple[tuple[int, int], ...]
    language: str = ""

    def with_pieces(self, pieces: tuple[Piece, ...]) -> Document:
        """The document with pieces that were read in another order."""
        return replace(self, pieces=pieces)

    def print(self) -> str:
        """The document in its notation, piece by piece: reading what is printed gives the same document."""
        return "".join(piece.source for piece in self.pieces)

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First character, and the one after the last, of each hole in the source."""
        return tuple((parts[0].start, parts[-1].end) for parts in self.stretches)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The place of each hole; its text has both brackets where it has one of a pair."""
        lines = Lines(self.source)
        spans = [self._balanced(start, end) for start, end in self.spans]
        return tuple(Place(self.source[start:end], *lines.locate(start)) for start, end in spans)

    def _balanced(self, start: int, end: int) -> tuple[int, int]:
        """The stretch, and the editorial brackets at its ends whose partners are in it."""
        first = bisect_right(self.pieces, start, key=lambda piece: piece.start) - 1
        after = bisect_right(self.pieces, end - 1, key=lambda piece: piece.start)
        depth = lowest = 0
        for piece in self.pieces[first:after]:
            if isinstance(piece.says, Mark):
                depth += 1 if piece.says.opens else -1
                lowest = min(lowest, depth)
        while lowest < 0 and first > 0 and self._is_mark(first - 1, opens=True):
            first, lowest, depth = first - 1, lowest + 1, depth + 1
            start = self.pieces[first].start
        if depth == lowest == 0:  # all that is between two brackets: with them
            while first > 0 and after < len(self.pieces) and self._is_pair(first - 1, after):
                first, after = first - 1, after + 1
                start, end = self.pieces[first].start, self.pieces[after - 1].end
        while depth > 0 and after < len(self.pieces) and self._is_mark(after, opens=False):
            end, after, depth = self.pieces[after].end, after + 1, depth - 1
        return start, end

    def _is_mark(self, number: int, *, opens: bool) -> bool:
        says = self.pieces[number].says
        return isinstance(says, Mark) and says.opens == opens

    def _is_pair(self, opening: int, closing: int) -> bool:
        return self._is_mark(opening, opens=True) and self._is_mark(closing, opens=False)

    def laid_out(self, readings: Sequence[str]) -> str:
        """The text with its lines, marks resolved and a reading in each hole.

        Raises:
            InputError: not as many readings as holes.
        """
        self.damaged.filled(readings)  # for its check
        return "".join(part if isinstance(part, str) else readings[part] for part in self.layout)


class Lines:
    """Lines and columns of a text, from 1; a column is a character."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text))]

    def locate(self, offset: int) -> tuple[int, int]:
        """The line and the column of the character at `offset`."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def malformed(source: str, offset: int, what: str) -> NotationError:
    """The error that names the place of `offset`."""
    return NotationError(what, *Lines(source).locate(offset))


def counted(shortest: int, longest: int | None = None, about: int | None = None) -> Gone:
    """So many characters are lost: in a word, of that word; by itself, word boundaries may be among them."""
    longest = shortest if longest is None else longest
    if longest > LONGEST_COUNT:
        return unknown()
    alone = Lost(shortest, longest, True, about)
    return Gone((alone,), (Lost(shortest, longest, (about or longest) > LONGEST_WORD, about),))


def roughly(about: int) -> Gone:
    """About so many characters are lost: half as many to half as many again, and never nearer than two."""
    slack = max(2, about // 2)
    return counted(max(1, about - slack), about + slack, about)


def unknown() -> Gone:
    """Nobody knows how much is lost."""
    lost = (Lost(1, None, True),)
    return Gone(lost, lost)


def trailing() -> Gone:
    """A bare ellipsis: by itself a loss of unknown length; at a word it does not say whether the word goes on."""
    return Gone((Lost(1, None, True),), (Lost(0, None, True),))


def one_word(count: int = 1) -> Gone:
    """So many whole words are lost, of unknown lengths."""
    words: list[Element] = [Lost(1, None)]
    for _ in range(count - 1):
        words += [Known(" "), Lost(1, None)]
    return Gone(tuple(words), tuple(words), whole_words=True)


def some_words() -> Gone:
    """Whole words are lost, nobody knows how many."""
    return replace(unknown(), whole_words=True)
