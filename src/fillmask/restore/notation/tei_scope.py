"""Which part of a TEI document is the text: an edition, else <text>, else <sourceDoc>, else all there is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence

from fillmask.errors import FillMaskWarning, InputError
from fillmask.restore.notation.document import malformed
from fillmask.restore.notation.xml_tree import Element

TEI = "http://www.tei-c.org/ns/1.0"
_NAMESPACES = ("", TEI)
# Roots that say that a document is TEI, also a part of one.
_ROOTS = (
    "TEI|TEI\\.2|teiCorpus|text|body|front|back|group|div\\d?|ab|p|lg|l|head|sourceDoc|surface|surfaceGrp|zone|line|"
    "facsimile|list|floatingText|opener|closer|seg|teiHeader"
)
_LOOKS = re.compile(
    rf"\ufeff?\s*(?:<\?\w|<!DOCTYPE\b|<!--|<(?:[\w.-]+:)?(?:{_ROOTS})(?:\s[^<>]*)?>|<[\w.-]+(?::[\w.-]+)?\s[^<>]*\bxmlns\b)"
)


def looks_tei(source: str) -> bool:
    """Whether a document is XML: by its declaration, a namespace, or a root element of TEI."""
    start = _LOOKS.match(source)
    return start is not None and (not start.group().lstrip("\ufeff \t\r\n").startswith("<!--") or "</" in source)


def is_tei(element: Element) -> bool:
    """Whether an element is one of TEI: in its namespace, or in none."""
    return element.namespace in _NAMESPACES


def scope_of(root: Element, source: str, div: str | None = None) -> Sequence[Element]:
    """The elements whose content is the text.

    Where a document has several `<div type="edition">`, the first is read, and a warning says so.

    Args:
        div: which of them: its number from 1, or its `xml:id`, `subtype`, `n` or `xml:lang`.

    Raises:
        NotationError: there is no element of TEI.
        InputError: there is no such `div`.
    """
    elements = [element for element in root.elements() if is_tei(element)]
    if not elements:
        what = f"<{root.name}> in the namespace {root.namespace}"
        raise malformed(source, root.start, f"{what} is not read; expected TEI, PAGE XML, ALTO or hOCR")
    editions = _outermost(e for e in elements if e.name == "div" and e.attributes.get("type") == "edition")
    if div is not None:
        return [_named(editions, div)]
    if len(editions) > 1:
        _warn_of_editions(editions)
    if editions:
        return editions[:1]
    for name in ("text", "sourceDoc"):
        if parts := _outermost(element for element in elements if element.name == name):
            return parts
    # A wrapper of another namespace is no part of the text.
    return [root] if is_tei(root) else _outermost(elements)


def _outermost(elements: Iterable[Element]) -> list[Element]:
    """Those that are in none of the others."""
    kept: list[Element] = []
    for element in elements:
        if not kept or element.start >= kept[-1].end:
            kept.append(element)
    return kept


def _named(editions: Sequence[Element], div: str) -> Element:
    if div.isdecimal() and 1 <= int(div) <= len(editions):
        return editions[int(div) - 1]
    for name in ("xml:id", "subtype", "n", "xml:lang"):
        for edition in editions:
            if edition.attributes.get(name) == div:
                return edition
    shown = "; ".join(map(_shown, range(1, len(editions) + 1), editions)) or "none"
    raise InputError(f'there is no <div type="edition"> called {div!r}; the document has: {shown}')


def _shown(number: int, edition: Element) -> str:
    names = [edition.attributes[name] for name in ("xml:id", "subtype", "n", "xml:lang") if name in edition.attributes]
    return f"{number} ({', '.join(names)})" if names else str(number)


def _warn_of_editions(editions: Sequence[Element]) -> None:
    shown = "; ".join(map(_shown, range(1, len(editions) + 1), editions))
    warnings.warn(
        f'the document has {len(editions)} <div type="edition">, of which the first is read ({shown}); '
        "choose another with --div (in Python, div=)",
        FillMaskWarning,
        stacklevel=2,
    )
