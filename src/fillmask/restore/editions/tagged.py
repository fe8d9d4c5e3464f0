"""A TEI source as an edition keeps it: byte for byte, but for what is put in the place of its holes.

The parsed tree and the places of its nodes say what may be written where; the
source is never searched for patterns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fillmask.restore.editions.markup import RESPONSIBLE, Markup
from fillmask.restore.editions.shown import UNCALIBRATED
from fillmask.restore.notation import Document, Stretch
from fillmask.restore.notation.tei_scope import is_tei
from fillmask.restore.notation.xml_tree import Element, Source, Text, declared_utf8, parse_xml, quoted

# Elements in which a gap may stand but text may not, and what holds text there.
_HOLDERS = dict.fromkeys(
    ["div", "div1", "div2", "div3", "body", "front", "back", "argument", "epigraph", "postscript"], "ab"
) | {
    "lg": "l",
    "list": "item",
}
# Attributes of a gap that <supplied> can have, in TEI and in EpiDoc, so that the gap can be put back.
_CARRIED = frozenset(
    [
        "xml:id",
        "n",
        "xml:lang",
        "extent",
        "quantity",
        "unit",
        "atLeast",
        "atMost",
        "min",
        "max",
        "precision",
        "confidence",
        "scope",
        "corresp",
        "facs",
        "ana",
        "source",
        "rend",
        "style",
        "rendition",
    ]
)


class Tagged:
    """A TEI source: what is not restored is copied.

    Args:
        calibrated: whether the probabilities are fitted for the model.
    """

    def __init__(self, document: Document, *, calibrated: bool = True) -> None:
        self.document = document
        self._calibrated = calibrated
        self._source = Source(document.source, parse_xml(document.source))
        self._title = self._title_statement()
        statement = None if self._title is None else self._statement(self._title)
        self._is_named = statement is not None
        if statement is not None:
            self._responsible = f"#{statement.attributes['xml:id']}"
        elif self._title is not None:
            self._responsible = f"#{self._source.unused_id(RESPONSIBLE)}"
        else:  # a fragment has no header in which anyone could be named
            self._responsible = RESPONSIBLE

    def _title_statement(self) -> Element | None:
        """The <titleStmt> of the document that the first hole is in, else the first one."""
        titles = [e for e in self._source.root.elements() if e.name == "titleStmt" and is_tei(e)]
        if not titles or not self.document.spans:
            return titles[0] if titles else None
        hole = self._source.parent_at(self.document.spans[0][0])
        around = {id(element) for element in hole.ancestors() if element.name in ("TEI", "TEI.2")}
        near = [title for title in titles if any(id(element) in around for element in title.ancestors())]
        return (near or titles)[0]

    def _statement(self, title: Element) -> Element | None:
        """An earlier statement of the same author."""
        named = re.compile(rf"{RESPONSIBLE}(?:-\d+)?")
        for child in title.child_elements:
            if child.name == "respStmt" and named.fullmatch(child.attributes.get("xml:id", "")):
                return child
        return None

    def markup(self, offset: int) -> Markup:
        """What writes elements at a place of the source."""
        parent = self._source.parent_at(offset)
        return Markup(f"{parent.prefix}:" if parent.prefix else "", self._responsible)

    def between(self, start: int, end: int) -> str:
        """The source, well-formed by itself as far as its elements are."""
        return self._source.between(start, end)

    def place(self, stretch: Stretch) -> tuple[int, int]:
        """The characters of a stretch; with the tags of an <unclear> that is nothing else."""
        start, end = stretch.start, stretch.end
        parent = self._source.parent_at(start)
        if (
            not stretch.is_lost
            and parent.name == "unclear"
            and (parent.content_start, parent.content_end) == (start, end)
        ):
            return parent.start, parent.end
        node = self._source.node_at(start)
        if isinstance(node, Text) and node.in_cdata and node.start == start and node.end == end:
            return start - len("<![CDATA["), end + len("]]>")
        return start, end

    def gap(self, stretch: Stretch) -> str:
        """A lost stretch as the source has it."""
        return self.document.source[stretch.start : stretch.end]

    def carried(self, stretch: Stretch) -> Mapping[str, str] | None:
        """The attributes of a gap for the <supplied> in its place; None where it says more than that can hold."""
        node = self._source.node_at(stretch.start)
        if not isinstance(node, Element) or node.name != "gap" or node.children:
            return None
        attributes = dict(node.attributes)
        if attributes.pop("reason", "lost") != "lost" or attributes.keys() - _CARRIED:
            return None
        return attributes

    def restored(self, stretch: Stretch, text: str, probability: float, markup: Markup, *, carries: bool) -> str:
        """A lost stretch as it is read; where no letter was lost after all, an element without text keeps the place.

        Args:
            carries: whether the size and the `xml:id` of the gap are on the element; not where the gap itself is kept.
        """
        return markup.supplied(text, probability, self.carried(stretch) if carries else None)

    def open(self, start: int, end: int, stretches: Sequence[Stretch]) -> str:
        """A hole that stays as it is."""
        return self.between(start, end)

    def is_balanced(self, start: int, end: int) -> bool:
        """Whether every element that begins in a stretch of the source ends in it."""
        return self._source.parent_at(start) is self._parent_before(end)

    def _parent_before(self, end: int) -> Element:
        node = self._source.node_at(end - 1)
        # The last character of a tag is that of its element; the last of a text that of the text.
        if isinstance(node, Text) or node.end == end:
            return node.parent or self._source.root
        return node

    def holder(self, stretch: Stretch) -> str:
        """The element that text needs round it at a stretch, "" for none."""
        parent = self._source.parent_at(stretch.start)
        return _HOLDERS.get(parent.name, "") if is_tei(parent) else ""

    def is_within_unclear(self, start: int) -> bool:
        """Whether what stands at `start` is the text of an <unclear>."""
        return self._source.parent_at(start).name == "unclear"

    def outside_unclear(self, start: int, markup: str) -> str:
        """What is written at `start`, with an <unclear> that is open there closed before it and opened again after it."""
        if not self.is_within_unclear(start):
            return markup
        parent = self._source.parent_at(start)
        name = f"{parent.prefix}:{parent.name}" if parent.prefix else parent.name
        attributes = {key: value for key, value in parent.attributes.items() if key != "xml:id"}
        opened = name + "".join(f" {key}={quoted(value)}" for key, value in attributes.items())
        return f"</{name}>{markup}<{opened}>"

    def whole(self, replaced: Sequence[tuple[int, int, str]]) -> str:
        """The source with stretches of it replaced: (start, end, what is written there), in order."""
        changes = list(replaced)
        source = self.document.source
        if changes and self._title is not None and not self._is_named:
            title = self._title
            prefix = f"{title.prefix}:" if title.prefix else ""
            statement = Markup(prefix, self._responsible).responsibility(calibrated=self._calibrated)
            changes.append((title.content_end, title.content_end, statement))
        changes.sort(key=lambda change: change[:2])
        parts = []
        end_of_last = 0
        for start, end, text in changes:
            parts += [self.between(end_of_last, start), text]
            end_of_last = end
        parts.append(self.between(end_of_last, len(source)))
        text = "".join(parts)
        if changes and self._title is None and not self._calibrated:
            text = f"{text.rstrip()}\n<!-- fillmask: {UNCALIBRATED} -->\n"
        return declared_utf8(text)
