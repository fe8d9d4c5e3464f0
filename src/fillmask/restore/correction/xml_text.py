"""The running text of an XML document, and where each of its characters stands in the source.

TEI gives the text of its body, PAGE XML that of its lines. What an editor has
corrected or noted already is left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from fillmask.restore.notation.document import malformed
from fillmask.restore.notation.xml_tree import Element, Text, parse_xml

_REFERENCE = re.compile(r"&[^;\s&<]+;")
# Elements of TEI whose text is no running text, or was corrected already.
_SKIPPED = frozenset(
    [
        "teiHeader",
        "facsimile",
        "choice",
        "app",
        "note",
        "bibl",
        "figDesc",
        "fw",
        "sic",
        "corr",
        "orig",
        "reg",
        "del",
        "gap",
        "supplied",
        "unclear",
        "foreign",
        "ab-code",
        "code",
    ]
)
_PAGE = "PcGts"


class XmlText:
    """The running text of a document.

    Attributes:
        text: pieces of text, each in lines of its own.
        is_page: whether the document is PAGE XML.

    Raises:
        NotationError: not well-formed, or neither TEI nor PAGE XML.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        root = parse_xml(source)
        self.is_page = root.name == _PAGE
        self.nodes = self._page_nodes(root) if self.is_page else self._tei_nodes(root)
        if not self.nodes:
            raise malformed(source, 0, "there is no text; expected TEI with a text, or PAGE XML with lines")
        self.starts: list[int] = []
        pieces: list[str] = []
        length = 0
        for node in self.nodes:
            self.starts.append(length)
            pieces.append(node.text)
            length += len(node.text) + 1
        self.text = "\n".join(pieces)

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a stretch of the text stands in the source; None where it is not in one piece of text."""
        number = bisect_right(self.starts, start) - 1
        node, offset = self.nodes[number], start - self.starts[number]
        if offset + end - start > len(node.text) or node.in_cdata:
            return None
        places = _places(self.source[node.start : node.end])
        if len(places) != len(node.text) + 1:
            return None
        return node.start + places[offset], node.start + places[offset + end - start]

    def node_at(self, start: int) -> Text:
        """The piece of text that a character of the text stands in."""
        return self.nodes[bisect_right(self.starts, start) - 1]

    def _page_nodes(self, root: Element) -> list[Text]:
        nodes = []
        for line in root.elements():
            if line.name != "TextLine":
                continue
            readings = [child for child in line.child_elements if child.name == "TextEquiv"]
            readings.sort(key=lambda reading: int(reading.attributes.get("index", "0") or 0))
            for unicode_element in [e for e in readings[:1] for e in e.elements() if e.name == "Unicode"][:1]:
                nodes += [child for child in unicode_element.children if isinstance(child, Text)][:1]
        return nodes

    def _tei_nodes(self, root: Element) -> list[Text]:
        nodes: list[Text] = []
        todo: list[Element | Text] = [root]
        while todo:
            item = todo.pop()
            if isinstance(item, Text):
                if item.text.strip() and any(above.name in ("text", "sourceDoc") for above in item.parent.ancestors()):
                    nodes.append(item)
            elif item.name not in _SKIPPED:
                todo.extend(reversed(item.children))
        return nodes


def _places(source: str) -> list[int]:
    """Where each character of a text begins in its source, and where the last one ends."""
    places, at = [], 0
    while at < len(source):
        places.append(at)
        reference = _REFERENCE.match(source, at) if source[at] == "&" else None
        at = reference.end() if reference else at + (2 if source.startswith("\r\n", at) else 1)
    return [*places, at]
