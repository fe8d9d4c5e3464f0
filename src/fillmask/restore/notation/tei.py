"""TEI XML: what its elements say of a text and of what is lost in it.

The document is a tree whose nodes know their places (`xml_tree`); this module
walks it and says of each stretch of the source what it means. `tei_scope` says
which part of the document is the text, `ELEMENTS` what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.document import (
    Break,
    Document,
    Gone,
    Hidden,
    Meaning,
    Piece,
    Said,
    Unclear,
    unknown,
)
from fillmask.restore.notation.extent import Extent, loss, number, read_extent, unit_of
from fillmask.restore.notation.tei_scope import is_tei, scope_of
from fillmask.restore.notation.unread_signs import warn_of_unread
from fillmask.restore.notation.xml_tree import Element, Text, parse_xml


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PARAGRAPHS = _names(
    "p ab head div div1 div2 div3 div4 div5 div6 div7 lg list table opener closer postscript text body front back group "
    "argument epigraph trailer figure textpart surface surfaceGrp zone sourceDoc floatingText sp castList"
)
LINES = _names("l item row cell label salute signed dateline address addrLine byline line speaker stage docImprint")
_BREAKS = _names("lb cb pb gb")
_WORDS = _names("w num")
_UNREAD = _names(
    "teiHeader facsimile sourceDoc standOff note noteGrp surplus secl am fw figDesc desc index certainty respons precision "
    "listApp listBibl xenoData metamark del listTranspose substJoin"
)
# Of the children of these, one is the text: the first of these names, else the first child.
_CHOICES = {"choice": ("corr", "reg", "expan"), "app": ("lem",)}
# What is followed at once by its correction is not the text, also without a <choice>.
_CORRECTED = {"sic": "corr", "orig": "reg", "abbr": "expan"}
# In these, white space beside elements is only the layout of the file.
_LAID_OUT = _names("choice app subst mod rdgGrp")
_STRUCK = re.compile(r"strike|strikethrough|struck|crossed|line-through|cancel", re.IGNORECASE)
# Reasons for a gap that are the editor's and not damage: there is nothing to restore.
_NO_DAMAGE = _names("ellipsis sampling editorial irrelevant inaudible")
# What the writer took out belongs in the text as little as what stands in <del>.
_DELETED = _names("deleted deletion cancelled canceled cancellation struck strikethrough")
_ROUGH = _names("low circa ca medium unknown")
# Elements that tell of damage, and say nothing here.
_NOT_UNDERSTOOD = _names("lacuna lacunaStart lacunaEnd damageSpan illegible missing lost redacted")
# What an editor's word for certainty says in numbers.
_CERTAINTY = {"high": 0.95, "medium": 0.8, "low": 0.5}


# For the guide: what is written, and what it says.
ELEMENTS = (
    ('<gap quantity="3" unit="character"/>', "exactly three characters; with `precision` low or circa, about three"),
    ('<gap atLeast="2" atMost="5" unit="character"/>', "two to five; also `min` and `max`, and `extent` as in `2-9`, `ca. 5`"),
    ('<gap quantity="2" unit="word"/>', "exactly two words, which letters beside them do not belong to"),
    ('<gap extent="unknown"/>', "lost, nobody knows how much; so is any size in other units, as `3.5` cm or a line"),
    ('<gap reason="ellipsis"/>', "left out by the editor: no damage. `deleted`: struck out by the writer, nothing to read"),
    ('<gap extent="1"/><supplied>m</supplied>', "one loss, which the editor fills; in an EpiDoc edition two losses"),
    ('<unclear cert="low">', "likely these letters; without letters, lost. `cert` says how likely"),
    ("<supplied> <add> <ex> <expan> <hi> …", "read"),
    ("<surplus> <secl> <del> <note> <am> <fw> <metamark>", 'not read; `<del rend="erasure">` is'),
    ('<hi rend="strikethrough"> <delSpan>', "struck through: not read"),
    ("<choice> <app> <subst> <mod>", "read: `<corr>`, `<reg>`, `<expan>`, `<lem>`, `<add>`, else the first; white space between is layout"),
    ('<lb/> <pb/> <cb/> <gb/>', 'the end of a line; with `break="no"` the word goes on'),
    ("<space/>", "a space"),
    ("<l> <line> <item> …", "the end of a line"),
    ("<p> <ab> <head> <div> <zone> <surface> …", "the end of a paragraph"),
)  # fmt: skip


def parse_tei(source: str, *, keep_ellipses: bool = True, div: str | None = None) -> Document:
    """Read TEI XML. What is damaged is in the elements, so an ellipsis in the text is always punctuation.

    Args:
        keep_ellipses: without effect; every notation takes it.
        div: which `<div type="edition">` to read, see `scope_of`.

    Raises:
        NotationError: not well-formed XML, a document type with declarations of its own, an entity that XML does not
            know, or no TEI.
        InputError: there is no such `div`.
    """
    root = parse_xml(source)
    scope = scope_of(root, source, div)
    reader = _Reader(source, root, scope)
    document = assemble("tei", source, reader.pieces(), lines=False, language=_language(scope))
    warn_of_unread(source, reader.not_understood)
    return document


def _language(scope: Iterable[Element]) -> str:
    for element in scope:
        for ancestor in (element, *element.ancestors()):
            if "xml:lang" in ancestor.attributes:
                return ancestor.attributes["xml:lang"]
    return ""


class _State:
    """What holds for the nodes in an element.

    Attributes:
        is_read: whether their text is part of the text.
        is_unclear: whether their letters are hard to read.
        confidence: the probability that the source gives unclear letters.
        is_laid_out: whether white space between elements is only the layout of the file.
        is_alternative: whether line ends at the edges of the element are only the layout of the file.
        in_word: whether the element is a word, or in one.
    """

    __slots__ = ("confidence", "in_word", "is_alternative", "is_laid_out", "is_read", "is_unclear")

    def __init__(self, outer: _State | None = None) -> None:
        self.is_read: bool = outer is not None and outer.is_read
        self.is_unclear: bool = outer is not None and outer.is_unclear
        self.confidence: float | None = None if outer is None else outer.confidence
        self.in_word: bool = outer is not None and outer.in_word
        self.is_laid_out = False
        self.is_alternative = False


class _Reader:
    """The pieces of a document.

    Attributes:
        not_understood: places of what tells of damage and is not read, filled while pieces are read.
    """

    def __init__(self, source: str, root: Element, scope: Sequence[Element]) -> None:
        self.source = source
        self.root = root
        self.scope = frozenset(map(id, scope))
        self.is_edition = any(element.attributes.get("type") == "edition" for element in scope)
        self.ids = {element.attributes["xml:id"] for element in root.elements() if "xml:id" in element.attributes}
        self.not_understood: list[tuple[int, str]] = []
        self._chosen: dict[int, Element] = {}  # of each <choice> and <app>
        self._deleted_until = ""  # the id at which what is marked by <delSpan> ends
        self._at = 0

    def pieces(self) -> Iterator[Piece]:
        # Nodes with the state round them, and whether only the end tag is to come.
        todo: list[tuple[Element | Text, _State, bool]] = [(self.root, _State(), False)]
        while todo:
            node, state, closes = todo.pop()
            if isinstance(node, Text):
                yield from self._text(node, state)
                continue
            if closes:
                yield from self._piece(node.content_end, node.end, _end_of(node) if state.is_read else None)
                continue
            if node.attributes.get("xml:id", "") == self._deleted_until:
                self._deleted_until = ""
            inner = self._state_in(node, state)
            says = self._says(node, inner) if state.is_read and inner.is_read else None
            if isinstance(says, Gone) or (node.name == "gap" and says is not None) or node.is_empty_tag:
                yield from self._piece(node.start, node.end, says)
                continue
            yield from self._piece(node.start, node.content_start, says)
            todo.append((node, inner, True))
            todo.extend((child, inner, False) for child in reversed(node.children))
        yield from self._piece(len(self.source), len(self.source), None)

    def _piece(self, start: int, end: int, says: Meaning) -> Iterator[Piece]:
        """What stands before `start` and says nothing (comments, instructions, CDATA marks), and the piece itself."""
        if start > self._at:
            yield Piece(self._at, self.source[self._at : start], None)
        if end > start:
            yield Piece(start, self.source[start:end], says)
        self._at = end

    def _text(self, node: Text, state: _State) -> Iterator[Piece]:
        start, end, text = node.start, node.end, node.text
        if not state.is_read or self._deleted_until or (state.is_laid_out and not text.strip()):
            yield from self._piece(start, end, Hidden(text))
            return
        if state.is_alternative and end - start == len(text):
            # Line ends at the edges of an alternative are the layout of the file.
            siblings = node.parent.children
            begin = _leading_lines(text) if siblings[0] is node else 0
            rest = _leading_lines(reversed(text[begin:])) if siblings[-1] is node else 0
            if begin:
                yield from self._piece(start, start + begin, Hidden(text[:begin]))
            text, start, end = text[begin : len(text) - rest], start + begin, end - rest
        if text:
            says = Unclear(text, state.confidence) if state.is_unclear else Said(text)
            yield from self._piece(start, end, says)
        if end < node.end:
            yield from self._piece(end, node.end, Hidden(node.text[end - node.end :]))

    def _state_in(self, node: Element, outer: _State) -> _State:
        state = _State(outer)
        if id(node) in self.scope:
            state.is_read = True
            return state
        if not state.is_read:
            return state
        if not is_tei(node):
            state.is_read = False
            if node.name == "include":
                self.not_understood.append((node.start, self.source[node.start : node.content_start]))
            return state
        state.is_read = self._is_chosen(node) and _is_read(node)
        state.is_laid_out = node.name in _LAID_OUT or (node.name == "expan" and _has_line_between(node))
        state.is_alternative = node.parent is not None and node.parent.name in _LAID_OUT and is_tei(node.parent)
        state.in_word |= node.name in _WORDS
        if node.name == "unclear":
            state.is_unclear = True
            state.confidence = _confidence(node)
        if node.name == "delSpan" and (target := node.attributes.get("spanTo", "").lstrip("#")) in self.ids:
            self._deleted_until = target
        if node.name in _NOT_UNDERSTOOD and state.is_read:
            self.not_understood.append((node.start, self.source[node.start : node.content_start]))
        return state

    def _is_chosen(self, node: Element) -> bool:
        """Whether an element is no alternative, or the one that belongs in the text."""
        parent = node.parent
        if parent is None or parent.name not in _CHOICES or not is_tei(parent):
            return True
        if id(parent) not in self._chosen:
            children = parent.child_elements
            names = _CHOICES[parent.name]
            self._chosen[id(parent)] = next((c for name in names for c in children if c.name == name), children[0])
        return self._chosen[id(parent)] is node

    def _says(self, node: Element, state: _State) -> Meaning:
        """What an element, or its start tag, says by itself."""
        if self._deleted_until or not is_tei(node):
            return None
        if node.name == "gap":
            return self._gap(node)
        if node.name == "unclear" and not node.child_elements and not re.search(r"[^\W_]", node.all_text()):
            return unknown()  # something stands there, and no letter of it is read
        if node.name == "space":
            if unit_of(node.attributes.get("unit", "")) == "other":
                return Break("line" if node.attributes["unit"].startswith("line") else "word")
            return None if state.in_word else Break("word")
        if node.name in _BREAKS:
            joined = node.attributes.get("break") == "no" or node.attributes.get("type") == "inWord"
            return Break("line", joined)
        if node.name in _WORDS and node.attributes.get("part", "N") not in ("M", "F"):
            return Break("word")
        return _end_of(node)

    def _gap(self, node: Element) -> Meaning:
        reasons = set(node.attributes.get("reason", "").lower().split())
        if reasons & _NO_DAMAGE:
            return Said("…")
        extent = self._extent(node)
        if reasons & _DELETED or self._is_supplied_beside(node, extent):
            return Hidden("")
        return loss(extent, is_rough=node.attributes.get("precision", "high").lower() in _ROUGH)

    def _extent(self, node: Element) -> Extent:
        """How much a gap says is lost; what it says in a way that is not understood counts as not known."""
        attributes = node.attributes
        sizes = {name: self._size(node, name) for name in ("quantity", "extent")}
        size = sizes["quantity"] or sizes["extent"] or Extent(None, None)
        least = self._bound(node, "atLeast", "min")
        high = self._bound(node, "atMost", "max")
        if size.least is None and size.most is None and (least is not None or high is not None):
            if least is not None and high is not None and least > high:
                self._not_read(node)
            else:
                size = Extent(0 if least is None else least, high)
        if size.most is not None and size.most <= 0:
            self._not_read(node)
            size = Extent(None, None)
        named = unit_of(attributes.get("unit", ""))
        unit = named or next((s.unit for s in sizes.values() if s is not None and s.unit), None) or "character"
        return Extent(size.least, size.most, size.is_rough, unit)

    def _size(self, node: Element, name: str) -> Extent | None:
        value = node.attributes.get(name, "")
        if not value.strip():
            return None
        extent = read_extent(value)
        if extent is None:
            self._not_read(node)
        return extent

    def _bound(self, node: Element, *names: str) -> float | None:
        value = next((node.attributes[name] for name in names if node.attributes.get(name, "").strip()), None)
        if value is None:
            return None
        bound = number(value)
        if bound is None:
            self._not_read(node)
        return bound

    def _not_read(self, node: Element) -> None:
        self.not_understood.append((node.start, self.source[node.start : node.content_start]))

    def _is_supplied_beside(self, node: Element, extent: Extent) -> bool:
        """Whether the loss is the one that a <supplied> beside it fills.

        Some write `<gap extent="1" unit="chars"/><supplied>m</supplied>` for one lost letter. In an EpiDoc edition these
        are two losses, of which the editor supplies one.
        """
        if self.is_edition:
            return False
        for other in (node.sibling(1), node.sibling(-1)):
            if isinstance(other, Element) and other.name == "supplied" and is_tei(other):
                return _agree(extent, other.all_text())
        return False


def _agree(extent: Extent, text: str) -> bool:
    """Whether a supplied text is about as long as an extent says."""
    if extent.least is None and extent.most is None:
        return True
    if extent.unit == "other":
        return False
    size = len(text.split()) if extent.unit == "word" else len("".join(text.split()))
    slack = size // 4  # editors estimate
    least, high = extent.least or 0, size if extent.most is None else extent.most
    return least - slack <= size <= high + slack


def _is_read(node: Element) -> bool:
    """Whether the text of an element belongs to the text, as far as it is in one that does."""
    attributes, parent = node.attributes, node.parent
    if node.name in _CORRECTED and parent is not None:
        following = node.sibling(1)
        if isinstance(following, Element) and following.name == _CORRECTED[node.name]:
            return False  # as good as a <choice>
    if node.name == "del":
        return "erasure" in attributes.get("rend", "") and (parent is None or parent.name != "subst")
    if node.name in ("hi", "seg", "emph", "s") and _STRUCK.search(attributes.get("rend", "")):
        return False
    return node.name not in _UNREAD


def _end_of(node: Element) -> Break | None:
    """What begins or ends with the tags of an element."""
    if not is_tei(node):
        return None
    if node.name in PARAGRAPHS:
        return Break("paragraph")
    return Break("line") if node.name in LINES else None


def _confidence(node: Element) -> float | None:
    """The probability that an <unclear> gives its letters."""
    for child in node.child_elements:
        degree = number(child.attributes.get("degree", "")) if child.name == "certainty" else None
        if degree is not None and degree <= 1:
            return degree
    return _CERTAINTY.get(node.attributes.get("cert", "").lower())


def _leading_lines(text: Iterable[str]) -> int:
    """How many blank characters stand at the beginning, if a line ends among them."""
    blank = "".join(takewhile(str.isspace, text))
    return len(blank) if "\n" in blank or "\r" in blank else 0


def _has_line_between(node: Element) -> bool:
    return any(isinstance(child, Text) and not child.text.strip() and "\n" in child.text for child in node.children)
