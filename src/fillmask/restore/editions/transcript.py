"""A source as TEI, stretch by stretch: XML as it is, other notations as the elements that their marks stand for."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from xml.sax.saxutils import escape as _escape

import fillmask
from fillmask.restore.damage import Element, Known, Lost
from fillmask.restore.editions.shown import UNCALIBRATED
from fillmask.restore.notation import Document, Stretch
from fillmask.restore.notation.assembly import kind_of_blank
from fillmask.restore.notation.document import Break, Gone, Hidden, Mark, Piece, Said, Unclear

RESPONSIBLE = "fillmask"  # the xml:id by which readings name their author

_MARKS = {
    "supplied": '<supplied reason="lost">',
    "omitted": '<supplied reason="omitted">',
    "surplus": "<surplus>",
    "erased": '<del rend="erasure">',
    "expansion": "<ex>",
}
# What XML 1.0 has no room for.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PARAGRAPH = "</ab>\n<ab>"
_BLANKS = {"paragraph": _PARAGRAPH, "line": "\n<lb/>", "space": " "}
_NAME = re.compile(r"<(?P<close>/)?(?P<name>[^\s<>/!?]+)")
_ADDED = re.compile(
    r"(?<=<)(/?)(?=(?:supplied|app|lem|rdg|certainty|choice|unclear|sic|corr|ab|l|item|respStmt|resp|name)\b)"
)


def escape(text: str) -> str:
    """Text as XML holds it; characters that it cannot hold become replacement characters."""
    return _escape(_IMPOSSIBLE.sub("\ufffd", text))


def statement(*, calibrated: bool = True) -> str:
    """Who is responsible for the readings, for the header, and what their probabilities are worth."""
    rough = "" if calibrated else f"; {UNCALIBRATED}"
    return (
        f'<respStmt xml:id="{RESPONSIBLE}"><resp>restoration of lost text by a masked language model{rough}</resp>'
        f"<name>fillmask {fillmask.__version__}</name></respStmt>"
    )


class Tagged:
    """A TEI source: what is not restored is copied."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.has_header = re.search(r"</(?:[\w.-]+:)?titleStmt\s*>", document.source) is not None
        root = re.search(r"<([\w.-]+:)?[\w.-]+", document.source)
        self._prefix = (root[1] or "") if root else ""

    def between(self, start: int, end: int) -> str:
        return self.document.source[start:end]

    def gap(self, stretch: Stretch) -> str:
        return self.document.source[stretch.start : stretch.end]

    def whole(self, text: str) -> str:
        return text

    def prefixed(self, added: str) -> str:
        """Added elements with the prefix that the root has."""
        return _ADDED.sub(rf"\1{self._prefix}", added) if self._prefix else added

    def parent(self, offset: int) -> str:
        """The element in which the piece at `offset` stands, without prefix."""
        return self._parents.get(offset, "")

    @cached_property
    def _parents(self) -> dict[int, str]:
        found: dict[int, str] = {}
        names: list[str] = []
        for piece in self.document.pieces:
            if isinstance(piece.says, Gone):
                found[piece.start] = names[-1] if names else ""
            elif (tag := _NAME.match(piece.source)) and not isinstance(piece.says, Said):
                if tag["close"]:
                    names.pop()
                elif not piece.source.endswith("/>"):
                    names.append(tag["name"].rpartition(":")[2])
        return found


class Transcript:
    """A plain or Leiden source: its marks, line ends and paragraphs become elements."""

    has_header = True

    def __init__(self, document: Document, *, calibrated: bool = True) -> None:
        self.document = document
        self._calibrated = calibrated

    def between(self, start: int, end: int) -> str:
        pieces = self.document.pieces
        number = bisect_right(pieces, start, key=lambda piece: piece.start) - 1
        written = []
        while 0 <= number < len(pieces) and pieces[number].start < end:
            piece = pieces[number]
            if piece.end > start:
                written.append(self._piece(piece, max(start, piece.start), min(end, piece.end)))
            number += 1
        return "".join(written)

    def _piece(self, piece: Piece, start: int, end: int) -> str:
        match piece.says:
            case Said():
                return self._said(start, end)
            case Unclear(text):
                return f"<unclear>{escape(text)}</unclear>"
            case Hidden(text):
                return escape(text)
            case Mark(kind, opens):
                return _MARKS[kind] if opens else re.sub(r"<(\w+).*>", r"</\1>", _MARKS[kind])
            case Break(_, joined):
                return '<lb break="no"/>' if joined else "\n<lb/>"
        # The editor's doubt or surprise is kept as a note, and brackets round counted dots are not.
        return f"<note>{piece.source[1]}</note>" if piece.source in ("(?)", "(!)") else ""

    def _said(self, start: int, end: int) -> str:
        written = []
        joins = self.document.joins
        number = bisect_right(joins, start, key=lambda join: join[1])
        while number < len(joins) and joins[number][0] < end:
            first, after = joins[number]
            written.append(self._text(start, max(start, first)))
            if first >= start and re.search(r"[\r\n\f]", self.document.source[first:after]):
                written.append('<lb break="no"/>')
            start = min(after, end)
            number += 1
        return "".join(written) + self._text(start, end)

    def _text(self, start: int, end: int) -> str:
        # Text and blanks in turn.
        written = []
        for number, text in enumerate(re.split(r"(\s+)", self.document.source[start:end])):
            written.append(_BLANKS[kind_of_blank(text)] if number % 2 else escape(text))
        return "".join(written)

    def gap(self, stretch: Stretch) -> str:
        return "".join(map(_gap, stretch.elements))

    def prefixed(self, added: str) -> str:
        return added

    def parent(self, offset: int) -> str:
        return ""

    def whole(self, text: str) -> str:
        edge = rf"(?:\s|<lb/>|{_PARAGRAPH})+"
        body = re.sub(rf"^{edge}|{edge}$", "", text)
        return f"""<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0">
<teiHeader><fileDesc>
<titleStmt><title>A damaged text, restored</title>{statement(calibrated=self._calibrated)}</titleStmt>
<publicationStmt><p>Unpublished.</p></publicationStmt>
<sourceDesc><p>Made from a transcript in {_NOTATIONS[self.document.notation]}.</p></sourceDesc>
</fileDesc></teiHeader>
<text><body><div type="edition">
<ab>{body}</ab>
</div></body></text>
</TEI>
"""


_NOTATIONS = {"plain": "plain text", "leiden": "Leiden notation"}


def _gap(element: Element) -> str:
    """A lost stretch that stays lost."""
    if isinstance(element, Known):
        return escape(element.text)
    if not isinstance(element, Lost) or element.most is None:
        return '<gap reason="lost" extent="unknown" unit="character"/>'
    if element.about is not None:
        return f'<gap reason="lost" quantity="{element.about}" unit="character" precision="low"/>'
    if element.least == element.most:
        return f'<gap reason="lost" quantity="{element.most}" unit="character"/>'
    return f'<gap reason="lost" atLeast="{element.least}" atMost="{element.most}" unit="character"/>'
