"""A source in another notation than TEI as TEI: its marks, line ends and paragraphs become elements."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from fillmask.restore.damage import Element, Known, Lost
from fillmask.restore.editions.markup import Markup
from fillmask.restore.notation import Document, Stretch
from fillmask.restore.notation.assembly import kind_of_blank
from fillmask.restore.notation.document import Break, Hidden, Mark, Piece, Said, Unclear
from fillmask.restore.notation.xml_tree import escape

_MARKS = {
    "supplied": '<supplied reason="lost">',
    "omitted": '<supplied reason="omitted">',
    "surplus": "<surplus>",
    "erased": '<del rend="erasure">',
    "expansion": "<ex>",
    "added": '<add place="above">',
}
_PARAGRAPH = "</ab>\n<ab>"
_BLANKS = {"paragraph": _PARAGRAPH, "line": "\n<lb/>", "space": " "}


class Transcript:
    """A source without elements of TEI.

    Args:
        calibrated: whether the probabilities are fitted for the model.
    """

    def __init__(self, document: Document, *, calibrated: bool = True) -> None:
        self.document = document
        self._calibrated = calibrated

    def markup(self, offset: int) -> Markup:
        """What writes elements at a place of the source: the same everywhere."""
        return Markup()

    def place(self, stretch: Stretch) -> tuple[int, int]:
        """The characters of a stretch."""
        return stretch.start, stretch.end

    def carried(self, stretch: Stretch) -> Mapping[str, str] | None:
        """The attributes of the <supplied> in the place of a stretch: none."""
        return {}

    def restored(self, stretch: Stretch, text: str, probability: float, markup: Markup, *, carries: bool) -> str:
        """A lost stretch as it is read; nothing where the word was whole after all."""
        return markup.supplied(text, probability) if text else ""

    def holder(self, stretch: Stretch) -> str:
        """The element that text needs round it at a stretch: none."""
        return ""

    def is_within_unclear(self, start: int) -> bool:
        """Whether an <unclear> is open at `start`: what is copied brings its own."""
        return False

    def outside_unclear(self, start: int, markup: str) -> str:
        """What is written at `start`: nothing is open there."""
        return markup

    def is_balanced(self, start: int, end: int) -> bool:
        """Whether every element that begins in a stretch of the source ends in it."""
        depths = [0]
        for piece in self._pieces(start, end):
            if isinstance(piece.says, Mark):
                depths.append(depths[-1] + (1 if piece.says.opens else -1))
        return min(depths) == 0 == depths[-1] and "paragraph" not in self._breaks(start, end)

    def _breaks(self, start: int, end: int) -> set[str]:
        return {piece.says.kind for piece in self._pieces(start, end) if isinstance(piece.says, Break)}

    def _pieces(self, start: int, end: int) -> Sequence[Piece]:
        """The pieces of a stretch of the source."""
        if end <= start:
            return ()
        pieces = self.document.pieces
        first = max(0, bisect_right(pieces, start, key=lambda piece: piece.start) - 1)
        last = bisect_right(pieces, end - 1, key=lambda piece: piece.start) if end > start else first
        while first and not pieces[first - 1].source and pieces[first - 1].start >= start:
            first -= 1
        return [
            piece for piece in pieces[first:last] if piece.end > start or (not piece.source and piece.start >= start)
        ]

    def open(self, start: int, end: int, stretches: Sequence[Stretch]) -> str:
        """A hole that stays as it is."""
        elements, at = "", start
        for stretch in stretches:
            elements += self.between(at, stretch.start)
            elements += self.gap(stretch) if stretch.is_lost else self.between(stretch.start, stretch.end)
            at = stretch.end
        return elements + self.between(at, end)

    def between(self, start: int, end: int) -> str:
        """The source as elements."""
        return "".join(
            self._piece(piece, max(start, piece.start), min(end, piece.end)) for piece in self._pieces(start, end)
        )

    def _piece(self, piece: Piece, start: int, end: int) -> str:
        match piece.says:
            case Said(text) if text != piece.source:
                return escape(text)
            case Said():
                return self._said(start, end)
            case Unclear(text):
                shown = self.document.source[start:end] if text == piece.source else text
                return f"<unclear>{escape(shown)}</unclear>"
            case Hidden(text):
                return escape(text)
            case Mark(kind, opens):
                return _MARKS[kind] if opens else re.sub(r"<(\w+).*>", r"</\1>", _MARKS[kind])
            case Break("paragraph"):
                return _PARAGRAPH
            case Break(_, joined):
                return '<lb break="no"/>' if joined else "\n<lb/>"
        # The editor's doubt or surprise is kept as a note, and brackets round counted dots are not.
        return f"<note>{piece.source[1]}</note>" if piece.source in ("(?)", "(!)") else ""

    def _said(self, start: int, end: int) -> str:
        elements = []
        joins = self.document.joins
        number = bisect_right(joins, start, key=lambda join: join[1])
        while number < len(joins) and joins[number][0] < end:
            first, after = joins[number]
            elements.append(self._text(start, max(start, first)))
            if first >= start and re.search(r"[\r\n\f]", self.document.source[first:after]):
                elements.append('<lb break="no"/>')
            start = min(after, end)
            number += 1
        return "".join(elements) + self._text(start, end)

    def _text(self, start: int, end: int) -> str:
        # Text and blanks in turn.
        elements = []
        for number, text in enumerate(re.split(r"(\s+)", self.document.source[start:end])):
            elements.append(_BLANKS[kind_of_blank(text)] if number % 2 else escape(text))
        return "".join(elements)

    def gap(self, stretch: Stretch) -> str:
        """A lost stretch that stays lost."""
        words = [element for element in stretch.elements if element != Known(" ")]
        if all(element == Lost(1, None) for element in words):
            return f'<gap reason="lost" quantity="{len(words)}" unit="word"/>'
        return "".join(map(_gap, stretch.elements))

    def whole(self, replaced: Sequence[tuple[int, int, str]]) -> str:
        """The document, with stretches of the source replaced: (start, end, what is written there), in order."""
        changes = {start: (end, text) for start, end, text in replaced}
        parts, end_of_last = [], 0
        for stretches in self.document.stretches:
            start, end = stretches[0].start, stretches[-1].end
            end, text = changes.get(start) or (end, self.open(start, end, stretches))
            parts += [self.between(end_of_last, start), text]
            end_of_last = end
        parts.append(self.between(end_of_last, len(self.document.source)))
        edge = rf"(?:\s|<lb/>|{_PARAGRAPH})+"
        body = re.sub(rf"^{edge}|{edge}$", "", "".join(parts))
        statement = Markup().responsibility(calibrated=self._calibrated)
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0">
<teiHeader><fileDesc>
<titleStmt><title>A damaged text, restored</title>{statement}</titleStmt>
<publicationStmt><p>Unpublished.</p></publicationStmt>
<sourceDesc><p>Made from a transcript in {_NOTATIONS[self.document.notation]}.</p></sourceDesc>
</fileDesc></teiHeader>
<text><body><div type="edition">
<ab>{body}</ab>
</div></body></text>
</TEI>
"""


_NOTATIONS = {
    "plain": "plain text",
    "leiden": "Leiden notation",
    "page": "PAGE XML",
    "alto": "ALTO",
    "hocr": "hOCR",
}


def _gap(element: Element) -> str:
    if isinstance(element, Known):
        return escape(element.text)
    if not isinstance(element, Lost) or element.most is None:
        return '<gap reason="lost" extent="unknown" unit="character"/>'
    if element.about is not None:
        return f'<gap reason="lost" quantity="{element.about}" unit="character" precision="low"/>'
    if element.least == element.most:
        return f'<gap reason="lost" quantity="{element.most}" unit="character"/>'
    return f'<gap reason="lost" atLeast="{element.least}" atMost="{element.most}" unit="character"/>'
