"""TEI XML in the EpiDoc manner, cut into tags and text where they stand, so that an edition can keep every byte.

lxml says whether the document is well-formed, with entities and network off;
what it says is then read from the source itself, since only that has places.

    <gap quantity unit precision extent atLeast atMost/>   lost; by unit: characters, words, or anything else (unknown)
    <unclear>                                              likely these letters
    <supplied> <add> <ex> <expan> <hi> …                   read as text
    <surplus> <del> <note> <am> <fw>                       not read; <del rend="erasure"> is
    <choice> <app> <subst>                                 the one that belongs in the text is read
    <lb/> <cb/> <pb/> with break="no"                      the end of a line; a word goes on
    <p> <ab> <head> <l> …                                  the end of a paragraph or a line
    <teiHeader>                                            not read, nor anything outside an edition where there is one
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fillmask.errors import NotationError
from fillmask.restore.damage import Lost
from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.document import (
    LONGEST_COUNT,
    Break,
    Document,
    Gone,
    Hidden,
    Meaning,
    Piece,
    Said,
    Unclear,
    counted,
    malformed,
    one_word,
    roughly,
    unknown,
)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARAGRAPHS = _names(
    "p ab head div div1 div2 div3 lg list table opener closer postscript text body front back group argument epigraph "
    "trailer figure textpart"
)
_LINES = _names("l item row cell label salute signed dateline address addrLine byline")
_BREAKS = _names("lb cb pb gb")
_WORDS = _names("w num")
_UNREAD = _names(
    "teiHeader facsimile sourceDoc standOff note surplus am fw figDesc desc index certainty respons "
    "listApp listBibl xenoData"
)
# Of the children of these, one is the text: the first of these names, else the first child.
_CHOICES = {
    "choice": ("corr", "reg", "expan"),
    "app": ("lem",),
    "subst": ("add",),
}
# Reasons for a gap that are the editor's and not damage: there is nothing to restore.
_NO_DAMAGE = _names("ellipsis sampling editorial irrelevant inaudible")
_MOST_WORDS = 50

_NAME = r"[^\W\d][\w.\-·]*(?::[^\W\d][\w.\-·]*)?"
_TOKEN = re.compile(
    r"(?P<silent><!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>]*>)"
    r"|<!\[CDATA\[(?P<cdata>.*?)\]\]>"
    rf"|</(?P<close>{_NAME})\s*>"
    rf"|<(?P<open>{_NAME})(?P<attributes>(?:\s+{_NAME}\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(?P<empty>/?)>"
    r"|&(?P<entity>[^;\s&<]+);"
    r"|(?P<text>[^<&]+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rf"(?P<name>{_NAME})\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)')")
_BEFORE_DOCTYPE = re.compile(r"\s+|<!--.*?-->|<\?.*?\?>", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE(?:[^\"'\[>]|\"[^\"]*\"|'[^']*')*")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_LOOKS = re.compile(
    r"\ufeff?\s*(?:<\?xml\b|<!DOCTYPE\b|<!--|<(?:\w+:)?(?:TEI|TEI\.2|teiCorpus|text|body|div|ab|p|lg|l)(?:\s[^<>]*)?>)"
)


def looks_tei(source: str) -> bool:
    """Whether a document is XML: by its declaration, or a root element of TEI that is closed at the end."""
    found = _LOOKS.match(source)
    return found is not None and (not found.group().lstrip("\ufeff \t\r\n").startswith("<!--") or "</" in source)


def parse_tei(source: str, *, keep_ellipses: bool = True) -> Document:
    """Read TEI XML. What is damaged is in the elements, so an ellipsis in the text is always punctuation.

    Raises:
        NotationError: not well-formed XML, a document type with declarations of its own, an entity that XML does not
            know, or a gap whose size is no size.
    """
    _check(source)
    return assemble("tei", source, _Reader(source).pieces(), lines=False)


def _check(source: str) -> None:
    """Whether the source is well-formed. Nothing is fetched, and nothing expands."""
    from lxml import etree

    doctype = _DOCTYPE.match(source, _prolog(source))
    if doctype and source[doctype.end() : doctype.end() + 1] != ">":
        raise malformed(
            source, doctype.start(), "a document type with declarations of its own is not read; take them out"
        )

    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        etree.fromstring(source.encode(), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        what = re.sub(r", line \d+, column \d+.*$", "", error.msg or "", flags=re.DOTALL)
        raise NotationError(f"not well-formed XML: {what}", max(line, 1), max(column, 1)) from None
    except (ValueError, AssertionError) as error:
        raise malformed(source, 0, f"not XML: {error}") from None


def _prolog(source: str) -> int:
    """Where blanks, comments and instructions at the start end; a step each, so that many take no longer than their text."""
    position = 1 if source.startswith("\ufeff") else 0
    while skipped := _BEFORE_DOCTYPE.match(source, position):
        position = skipped.end()
    return position


@dataclass(frozen=True, slots=True)
class _Tag:
    """A token of the source.

    Attributes:
        kind: "open", "close", "empty", "text", "entity" or "silent".
        text: what it says, for text and entities.
        name: without its prefix, for tags; `attributes` as they are written.
    """

    kind: str
    start: int
    end: int
    name: str = ""
    attributes: str = ""
    text: str = ""


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tags = list(self._tags())
        self.passed_over = self._not_chosen()
        self.scope = self._scope()

    def _tags(self) -> Iterator[_Tag]:
        position = 0
        while position < len(self.source):
            token = _TOKEN.match(self.source, position)
            if token is None:
                raise malformed(self.source, position, "a tag that cannot be read")
            start, end = token.span()
            if token["text"] is not None:
                yield _Tag("text", start, end, text=token["text"])
            elif token["open"] is not None:
                kind = "empty" if token["empty"] else "open"
                yield _Tag(kind, start, end, token["open"].rpartition(":")[2], token["attributes"])
            elif token["close"] is not None:
                yield _Tag("close", start, end, token["close"].rpartition(":")[2])
            elif token["entity"] is not None:
                yield _Tag("entity", start, end, text=self._entity(token["entity"], start))
            elif token["cdata"] is not None:
                yield _Tag("silent", start, token.start("cdata"))
                yield _Tag("text", *token.span("cdata"), text=token["cdata"])
                yield _Tag("silent", token.end("cdata"), end)
            else:
                yield _Tag("silent", start, end)
            position = end

    def _entity(self, name: str, start: int) -> str:
        if name in _ENTITIES:
            return _ENTITIES[name]
        if name.startswith("#"):
            return chr(int(name[2:], 16) if name[1] == "x" else int(name[1:]))  # lxml has seen that it is a character
        raise malformed(self.source, start, f"the entity &{name}; is not declared; write the character itself")

    def _not_chosen(self) -> frozenset[int]:
        """Tags that open an alternative which is not the text."""
        found: set[int] = set()
        parents: list[tuple[str, list[int]]] = []
        for number, tag in enumerate(self.tags):
            if tag.kind in ("open", "empty"):
                if parents:
                    parents[-1][1].append(number)
                if tag.kind == "open":
                    parents.append((tag.name, []))
            elif tag.kind == "close":
                name, children = parents.pop()
                if name in _CHOICES and children:
                    wanted = _CHOICES[name]
                    chosen = next((c for want in wanted for c in children if self.tags[c].name == want), children[0])
                    found.update(child for child in children if child != chosen)
        return frozenset(found)

    def _scope(self) -> str:
        """The element whose contents are the text: an edition, else <text>, else all there is."""
        names = set()
        for tag in self.tags:
            if tag.kind == "open":
                names.add(self._part(tag))
        return "edition" if "edition" in names else "text" if "text" in names else ""

    def _part(self, tag: _Tag) -> str:
        if tag.name == "div" and "edition" in tag.attributes and _attributes(tag).get("type") == "edition":
            return "edition"
        return tag.name if tag.name == "text" else ""

    def pieces(self) -> Iterator[Piece]:
        # For each open element: whether it ended the reading (hidden), began it (in scope), made letters unclear.
        stack: list[tuple[bool, bool, bool]] = []
        hidden = unclear = 0
        within = 0 if self.scope else 1
        number = 0
        while number < len(self.tags):
            tag = self.tags[number]
            reads = within > 0 and hidden == 0
            says: Meaning = None
            end = tag.end
            if tag.kind in ("open", "empty"):
                unread = self._is_unread(tag, number)
                if tag.name == "gap" and reads and not unread:
                    says = self._gap(tag)
                    number = self._closing(number)
                    end = self.tags[number].end
                elif tag.kind == "open":
                    begins = bool(self.scope) and self._part(tag) == self.scope
                    stack.append((unread, begins, tag.name == "unclear"))
                    hidden, within, unclear = hidden + unread, within + begins, unclear + (tag.name == "unclear")
                if tag.name != "gap" and reads and not unread:
                    says = _break(tag)
            elif tag.kind == "close":
                unread, begins, doubtful = stack.pop()
                hidden, within, unclear = hidden - unread, within - begins, unclear - doubtful
                if reads:
                    says = _break(tag)
            elif tag.kind != "silent":
                says = (Unclear(tag.text) if unclear else Said(tag.text)) if reads else Hidden(tag.text)
            yield Piece(tag.start, self.source[tag.start : end], says)
            number += 1

    def _is_unread(self, tag: _Tag, number: int) -> bool:
        if number in self.passed_over:
            return True
        if tag.name == "del":
            return "erasure" not in _attributes(tag).get("rend", "")
        return tag.name in _UNREAD

    def _closing(self, number: int) -> int:
        """The tag that closes the element of tag `number`."""
        depth = 0
        while True:
            depth += {"open": 1, "close": -1}.get(self.tags[number].kind, 0)
            if depth == 0:
                return number
            number += 1

    def _gap(self, tag: _Tag) -> Meaning:
        given = _attributes(tag)
        if given.get("reason", "") in _NO_DAMAGE:
            return Said("…")
        extent = re.fullmatch(r"\s*(\d+)\s*(\S*)\s*", given.get("extent", ""))
        quantity = given.get("quantity", extent[1] if extent else "")
        unit = given.get("unit", extent[2] if extent else "") or "character"
        least, most = self._size(tag, "atLeast", given), self._size(tag, "atMost", given)
        exact = self._size(tag, "quantity", {"quantity": quantity})
        if least is not None and most is not None and least > most:
            raise malformed(self.source, tag.start, f"a gap of at least {least} and at most {most}")
        if exact == 0 or most == 0:
            raise malformed(self.source, tag.start, "a gap of nothing; expected a quantity of at least 1")
        if unit.rstrip("s.").lower() == "word" and exact is not None and exact <= _MOST_WORDS:
            return unknown() if given.get("precision") == "low" else one_word(exact)
        if unit.rstrip("s.").lower() not in ("character", "char", "letter"):
            return unknown()
        if exact is not None:
            return roughly(exact) if given.get("precision") == "low" else counted(exact)
        if most is not None:
            return counted(least or 0, most)
        if least is not None and least <= LONGEST_COUNT:
            lost = (Lost(least, None, True),)
            return Gone(lost, lost)
        return unknown()

    def _size(self, tag: _Tag, name: str, given: dict[str, str]) -> int | None:
        value = given.get(name, "").strip()
        if not value:
            return None
        if not re.fullmatch(r"\d{1,9}(?:\.0+)?", value, re.ASCII):
            raise malformed(self.source, tag.start, f'{name}="{value}" of a gap; expected a whole number')
        return int(value.partition(".")[0])


def _attributes(tag: _Tag) -> dict[str, str]:
    """Attributes by name without prefix."""
    found = {}
    for match in _ATTRIBUTE.finditer(tag.attributes):
        value = match["double"] if match["double"] is not None else match["single"]
        found[match["name"].rpartition(":")[2]] = value
    return found


def _break(tag: _Tag) -> Break | None:
    if tag.name in _BREAKS:
        return None if tag.kind == "close" else Break("line", joined=_attributes(tag).get("break") == "no")
    if tag.name in _PARAGRAPHS:
        return Break("paragraph")
    if tag.name in _LINES:
        return Break("line")
    if tag.name in _WORDS and tag.kind == "open" and _attributes(tag).get("part", "N") not in ("M", "F"):
        return Break("word")
    return None
