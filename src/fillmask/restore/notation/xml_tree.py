"""An XML document as a tree whose nodes know their places in the source, so that an edition can keep every byte.

expat parses. It fetches nothing; a document type with declarations of its own
is refused, so nothing expands. Knows XML and no vocabulary of elements.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.entities import html5
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape as _escape

from fillmask.restore.notation.document import malformed

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_DEEPEST = 256
_SEPARATOR = " "
_ENTITY = re.compile(r"&([^;\s&<]+);?")
_ENCODING = re.compile(r"(encoding\s*=\s*)(\"[^\"]*\"|'[^']*')")
# What XML 1.0 has no room for.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True, eq=False)
class Text:
    """Characters between tags.

    Attributes:
        start, end: their characters in the source; of a CDATA section, those between its marks.
        text: what they say: entities resolved.
        parent: the element that they stand in.
        in_cdata: whether they stand in a CDATA section.
        position: its number among the children of its parent.
    """

    start: int
    end: int
    text: str
    parent: Element
    in_cdata: bool = False
    position: int = 0


@dataclass(slots=True, eq=False)
class Element:
    """An element.

    Attributes:
        name: without prefix.
        namespace: its URI, "" for none.
        prefix: as it is written, "" for none.
        attributes: values by name, prefixes left out but for `xml:`.
        start, end: its characters in the source, tags included.
        content_start, content_end: those between its tags; equal for an empty element.
        is_empty_tag: whether it is written `<name/>`.
        parent: None for the root.
        children: elements and text, in order.
        position: its number among the children of its parent.
    """

    name: str
    namespace: str
    prefix: str
    attributes: Mapping[str, str]
    start: int
    parent: Element | None
    content_start: int = 0
    content_end: int = 0
    end: int = 0
    is_empty_tag: bool = False
    children: list[Element | Text] = field(default_factory=list)
    position: int = 0

    def sibling(self, step: int) -> Element | Text | None:
        """The child of the same parent that stands so many places further on; None where there is none."""
        place = self.position + step
        siblings = [] if self.parent is None else self.parent.children
        return siblings[place] if 0 <= place < len(siblings) else None

    def elements(self) -> Iterator[Element]:
        """The element and all that are in it, in the order of the source."""
        todo = [self]
        while todo:
            element = todo.pop()
            yield element
            todo.extend(child for child in reversed(element.children) if isinstance(child, Element))

    def ancestors(self) -> Iterator[Element]:
        """The element that this one stands in, and so on up to the root."""
        element = self.parent
        while element is not None:
            yield element
            element = element.parent

    @property
    def child_elements(self) -> list[Element]:
        return [child for child in self.children if isinstance(child, Element)]

    def all_text(self) -> str:
        """The text of the element and of all that are in it."""
        return "".join(
            child.text for element in self.elements() for child in element.children if isinstance(child, Text)
        )


def parse_xml(source: str, *, html_entities: bool = False) -> Element:
    """The root element of an XML document.

    Args:
        html_entities: whether the names of characters in HTML (`&nbsp;`) are known.

    Raises:
        NotationError: not well-formed, or a document type with declarations of its own; it names line and column.
    """
    return _Builder(source, html_entities).root()


def is_well_formed(source: str) -> bool:
    """Whether a text is an XML document, whatever its declaration says of its encoding."""
    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    try:
        parser.Parse(source.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return True


def repeated_ids(source: str) -> set[str]:
    """Values of `xml:id` that more than one element of a well-formed document has; none for an empty text."""
    ids: list[str] = []
    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    parser.StartElementHandler = lambda _, attributes: ids.extend(
        value for name, value in attributes.items() if name == f"{XML_NAMESPACE}{_SEPARATOR}id"
    )
    if source:
        parser.Parse(source.encode(), True)
    return {name for name, count in Counter(ids).items() if count > 1}


class _Builder:
    def __init__(self, source: str, html_entities: bool) -> None:
        self._source = source
        self._data = source.encode()
        self._html_entities = html_entities
        self._is_ascii = len(self._data) == len(source)
        self._at = (0, 0)  # a place in bytes, and the same place in characters
        self._root: Element | None = None
        self._open: list[Element] = []
        self._text: Text | None = None  # that may go on
        self._started: Element | None = None  # its start tag was the last thing that was read
        self._in_cdata = False
        self._parser = self._make_parser()

    def _make_parser(self) -> Any:
        # The encoding overrules the declaration: the source is decoded already.
        parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.namespace_prefixes = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = self._silent
        parser.ProcessingInstructionHandler = self._silent
        parser.StartCdataSectionHandler = lambda: self._section(True)
        parser.EndCdataSectionHandler = lambda: self._section(False)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.SkippedEntityHandler = self._entity
        return parser

    def root(self) -> Element:
        try:
            self._parser.Parse(self._data, True)
        except expat.ExpatError as error:
            offset = len(self._data[: self._parser.ErrorByteIndex].decode(errors="ignore"))
            self._refuse_entity(
                offset, declared=error.code != expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
            )
            raise malformed(self._source, offset, f"not well-formed XML: {expat.ErrorString(error.code)}") from None
        assert self._root is not None
        return self._root

    def _place(self) -> int:
        """The character at which the parser stands."""
        at: int = self._parser.CurrentByteIndex
        if self._is_ascii:
            return at
        byte, character = self._at
        character += len(self._data[byte:at].decode())
        self._at = at, character
        return character

    def _break_text(self) -> int:
        """End what came before; returns the place."""
        place = self._place()
        if self._text is not None:
            self._text.end = place
            self._text = None
        if self._started is not None:
            self._started.content_start = place
            self._started = None
        return place

    def _start(self, name: str, attributes: list[str]) -> None:
        place = self._break_text()
        if len(self._open) == _DEEPEST:
            raise malformed(self._source, place, f"not well-formed XML: elements more than {_DEEPEST} deep")
        namespace, local, prefix = _named(name)
        values = {_attribute_name(key): value for key, value in zip(attributes[::2], attributes[1::2], strict=True)}
        parent = self._open[-1] if self._open else None
        element = Element(local, namespace, prefix, values, place, parent)
        if parent is None:
            self._root = element
        else:
            element.position = len(parent.children)
            parent.children.append(element)
        self._open.append(element)
        self._started = element

    def _end(self, _: str) -> None:
        started = self._started
        place = self._break_text()
        element = self._open.pop()
        # After an empty tag the parser stands behind it, before an end tag it stands in front of that.
        if element is started and self._source.startswith("/>", place - 2):
            element.is_empty_tag = True
            element.content_start = element.content_end = element.end = place
            return
        element.content_end = place
        element.end = self._source.index(">", place) + 1

    def _characters(self, text: str) -> None:
        before = self._text
        place = self._break_text()
        # An ampersand in the text is an entity in the source, but in a CDATA section.
        verbatim = self._source.startswith(text, place) and (self._in_cdata or text != "&")
        if before is not None and verbatim and before.end - before.start == len(before.text):
            before.text += text  # the parser cuts at the ends of lines
            self._text = before
            return
        parent = self._open[-1]
        self._text = Text(place, place, text, parent, self._in_cdata, len(parent.children))
        parent.children.append(self._text)

    def _silent(self, *_: str) -> None:
        self._break_text()

    def _section(self, opens: bool) -> None:
        self._break_text()
        self._in_cdata = opens

    def _doctype(self, _: str, __: str | None, ___: str | None, has_declarations: int) -> None:
        if has_declarations:
            offset = max(self._source.rfind("<!DOCTYPE", 0, self._place() + 9), 0)
            raise malformed(
                self._source, offset, "a document type with declarations of its own is not read; take them out"
            )

    def _entity(self, name: str, _: int) -> None:
        character = html5.get(f"{name};") if self._html_entities else None
        if character is None:
            self._refuse_entity(self._place(), declared=False)
            return
        place = self._break_text()
        parent = self._open[-1]
        self._text = Text(place, place, character, parent, False, len(parent.children))
        parent.children.append(self._text)

    def _refuse_entity(self, offset: int, *, declared: bool) -> None:
        entity = None if declared else _ENTITY.match(self._source, offset)
        if entity is not None:
            what = f"the entity &{entity[1]}; is not declared; write the character itself"
            raise malformed(self._source, offset, what)


def _named(name: str) -> tuple[str, str, str]:
    """Namespace, local name, and prefix, as expat joins them."""
    parts = name.split(_SEPARATOR)
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], parts[2] if len(parts) > 2 else ""


def _attribute_name(name: str) -> str:
    namespace, local, _ = _named(name)
    return f"xml:{local}" if namespace == XML_NAMESPACE else local


class Source:
    """An XML source and its tree: what stands where, and stretches of it that are well-formed by themselves."""

    def __init__(self, source: str, root: Element) -> None:
        self.source = source
        self.root = root
        # Texts and empty elements by their places: what a hole can begin and end with.
        self._nodes = sorted(
            (child for element in root.elements() for child in element.children), key=lambda node: node.start
        )
        self._starts = [node.start for node in self._nodes]
        self._ids = {element.attributes["xml:id"] for element in root.elements() if "xml:id" in element.attributes}

    def node_at(self, offset: int) -> Element | Text:
        """The innermost text or element that has the character at `offset`."""
        number = bisect_right(self._starts, offset) - 1
        node: Element | Text = self._nodes[number] if number >= 0 else self.root
        while node.end <= offset and node.parent is not None:
            node = node.parent
        return node

    def parent_at(self, offset: int) -> Element:
        """The element in whose content the node at `offset` stands."""
        node = self.node_at(offset)
        if isinstance(node, Text) or node.start == offset:
            return node.parent or self.root
        return node

    def between(self, start: int, end: int) -> str:
        """The source from `start` to `end`; where that cuts a CDATA section, its marks are added."""
        if start >= end:
            return ""
        text = self.source[start:end]
        first, last = self.node_at(start), self.node_at(end - 1)
        if isinstance(first, Text) and first.in_cdata and first.start < start < first.end:
            text = f"<![CDATA[{text}"
        if isinstance(last, Text) and last.in_cdata and last.start < end < last.end:
            text = f"{text}]]>"
        return text

    def unused_id(self, wanted: str) -> str:
        """`wanted`, or with a number behind it, so that no element has it as its `xml:id`."""
        number = 1
        name = wanted
        while name in self._ids:
            number += 1
            name = f"{wanted}-{number}"
        return name


def escape(text: str) -> str:
    """Text as XML holds it; characters that it cannot hold become replacement characters."""
    return _escape(_IMPOSSIBLE.sub("\ufffd", text))


def quoted(value: str) -> str:
    """A value as an attribute holds it, with its quotation marks."""
    kept = _escape(_IMPOSSIBLE.sub("\ufffd", value), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
    return f'"{kept}"'


def declared_utf8(text: str) -> str:
    """The text with a declaration, if it has one, that says UTF-8, since that is how it is written."""
    text = text.removeprefix("\ufeff")
    declaration = re.match(r"<\?xml\b.*?\?>", text, re.DOTALL)
    if declaration is None:
        return text
    return _ENCODING.sub(_utf8, declaration.group()) + text[declaration.end() :]


def _utf8(declared: re.Match[str]) -> str:
    quote = declared[2]
    return declared.group() if quote[1:-1].upper() == "UTF-8" else f"{declared[1]}{quote[0]}UTF-8{quote[0]}"
