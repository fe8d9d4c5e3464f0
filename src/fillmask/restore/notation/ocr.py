"""What OCR engines and transcription platforms write: PAGE XML, ALTO, and hOCR.

Each file is read into units: words, or lines where no words are marked, in
reading order, with the places of their text in the source. Letters are unclear
where a word's confidence is low and where `custom="unclear {…}"` says so; signs
of damage in brackets are read as in plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fillmask.errors import InputError
from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.document import Break, Document, Piece, Said, Unclear, malformed, unknown
from fillmask.restore.notation.plain import PLAIN_SIGNS
from fillmask.restore.notation.signs import Signs
from fillmask.restore.notation.xml_tree import Element, Text, parse_xml

OCR_NOTATIONS = ("page", "alto", "hocr")
_UNCLEAR_BELOW = 0.75  # confidence of a word whose letters count as unclear
# Possessive, so that what precedes the root is passed over once, however long it is.
_ROOT = re.compile(r"\ufeff?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+>)*+<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)
_HOCR_CLASS = re.compile(r"\bclass\s*=\s*[\"'][^\"']*\bocr(?:x_word|_line|_page)\b")
_CUSTOM = re.compile(r"([\w-]+)\s*\{([^{}]*)\}")
_CONTENT = re.compile(r"(?<![\w:.-])CONTENT\s*=\s*([\"'])(.*?)\1", re.DOTALL)
_WCONF = re.compile(r"\bx_wconf\s+(\d+(?:\.\d+)?)")
_TEXT_SIGNS = [
    "bracket",
    "word",
    "unclear_tags",
    "struck",
    "tags",
    "blank_note",
    "note",
    "doubt_before",
    "question",
    "doubted",
    "bars",
    "squares",
]
_SIGNS = Signs(sign for sign in PLAIN_SIGNS if sign.name in _TEXT_SIGNS)
_LINES = ("TextLine", "ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat", "ocrx_line")


_ENDINGS: dict[str, Said | Break] = {"word": Said(" "), "line": Break("line"), "paragraph": Break("paragraph")}


@dataclass(frozen=True, eq=False)
class OcrUnit:
    """A word or a line of an OCR file.

    Attributes:
        element: it.
        texts: its text in the source: nodes, or the value of an attribute.
        mark: what it says where it has no text in the source, as the hyphen at the end of a line.
        confidence: that the engine gives the word, 0 to 1; None for none.
        ends: what ends after it: "word", "line", "paragraph", or "" for nothing.
        unclear: characters of its text that are unclear, by marks of the transcriber or words of low confidence: start,
            end, and the confidence, None for none.
        gaps: places in its text where the transcriber marks a loss.
    """

    element: Element
    texts: tuple[Text, ...] = ()
    mark: str = ""
    confidence: float | None = None
    ends: str = "word"
    unclear: tuple[tuple[int, int, float | None], ...] = ()
    gaps: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return self.mark or "".join(node.text for node in self.texts)

    @property
    def start(self) -> int:
        return self.texts[0].start if self.texts else self.element.start

    @property
    def end(self) -> int:
        return self.texts[-1].end if self.texts else self.element.end

    def pieces(self, source: str) -> Iterator[Piece]:
        """What its text says, in order; then what ends after it."""
        if self.mark:
            yield Piece(self.start, source[self.start : self.end], Said(self.mark))
        offset = 0
        for node in self.texts:
            if node.end - node.start == len(node.text):
                yield from self._of_text(source, node, offset)
            else:
                says = Unclear(node.text, self.confidence) if self._is_unclear() else Said(node.text)
                yield Piece(node.start, source[node.start : node.end], says)
            offset += len(node.text)
        if self.ends:
            yield Piece(self.end, "", _ENDINGS[self.ends])

    def _is_unclear(self) -> bool:
        return self.confidence is not None and self.confidence < _UNCLEAR_BELOW

    def _of_text(self, source: str, node: Text, offset: int) -> Iterator[Piece]:
        """A text node, cut where marks begin and end, and at signs of damage."""
        edges = {0, len(node.text)}
        edges |= {edge - offset for start, end, _ in self.unclear for edge in (start, end)}
        edges |= {gap - offset for gap in self.gaps}
        cuts = sorted(edge for edge in edges if 0 <= edge <= len(node.text))
        for start, end in zip(cuts, [*cuts[1:], cuts[-1]], strict=True):
            if offset + start in self.gaps and (start or node is self.texts[0]):
                yield Piece(node.start + start, "", unknown())
            if start == end:
                continue
            marks = [share for first, last, share in self.unclear if first <= offset + start < last]
            if marks or self._is_unclear():
                text = source[node.start + start : node.start + end]
                yield Piece(node.start + start, text, Unclear(text, marks[0] if marks else self.confidence))
            else:
                yield from _with_signs(source, node.start + start, node.start + end)


def _with_signs(source: str, start: int, end: int) -> Iterator[Piece]:
    at = position = start
    while match := _SIGNS.pattern.search(source, position, end):
        position = match.end()
        pieces = _SIGNS.read(match)
        if not pieces:
            continue
        if match.start() > at:
            yield Piece(at, source[at : match.start()], Said(source[at : match.start()]))
        yield from pieces
        at = position
    if at < end:
        yield Piece(at, source[at:end], Said(source[at:end]))


@dataclass
class OcrFile:
    """An OCR file: its tree, and its units in reading order."""

    root: Element
    notation: str
    units: list[OcrUnit] = field(default_factory=list)


def looks_ocr(source: str) -> str:
    """Which OCR format a document is in: "page", "alto", "hocr", or "" for none."""
    root = _ROOT.match(source)
    name = root[1] if root else ""
    if name in ("PcGts", "alto"):
        return "page" if name == "PcGts" else "alto"
    return "hocr" if name.lower() == "html" and _HOCR_CLASS.search(source) else ""


def parse_ocr(source: str, notation: str) -> Document:
    """Read PAGE XML, ALTO, or hOCR.

    Raises:
        NotationError: not well-formed XML, or not in the format.
        InputError: there is no text in it.
    """
    file = read_ocr(source, notation)
    if not file.units:
        raise InputError(f"there is no text in the file, read as {notation}")
    in_order = [piece for unit in file.units for piece in unit.pieces(source)][:-1]
    document = assemble(notation, source, in_order, lines=False, language=file.root.attributes.get("xml:lang", ""))
    return document.with_pieces(_covering(source, in_order))


def _covering(source: str, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces in the order of the source, and between them what says nothing."""
    covered: list[Piece] = []
    at = 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start > at:
            covered.append(Piece(at, source[at : piece.start], None))
        covered.append(piece)
        at = max(at, piece.end)
    if at < len(source):
        covered.append(Piece(at, source[at:], None))
    return tuple(covered)


def read_ocr(source: str, notation: str) -> OcrFile:
    """The units of an OCR file.

    Raises:
        NotationError: not well-formed XML, or not in the format.
    """
    root = parse_xml(source, html_entities=notation == "hocr")
    expected = {"page": "PcGts", "alto": "alto", "hocr": "html"}[notation]
    if root.name.lower() != expected.lower():
        raise malformed(source, root.start, f"the root is <{root.name}>; expected <{expected}> of {notation}")
    units = (
        _alto_units(root, source)
        if notation == "alto"
        else _page_units(root)
        if notation == "page"
        else _hocr_units(root)
    )
    return OcrFile(root, notation, [unit for unit in units if unit.text.strip()])


def _ending(units: Sequence[OcrUnit], ends: str) -> list[OcrUnit]:
    """Units of which the last ends a line or a paragraph."""
    return [*units[:-1], replace(units[-1], ends=ends)] if units else []


# PAGE


def _page_units(root: Element) -> list[OcrUnit]:
    units: list[OcrUnit] = []
    for region in _page_regions(root):
        lines = [child for child in region.child_elements if child.name == "TextLine"]
        lines.sort(key=_line_index)
        region_units = [unit for line in lines for unit in _ending(_page_line(line), "line")]
        if not region_units:
            region_units = _page_text(region)
        units += _ending(region_units, "paragraph")
    return units


def _page_regions(root: Element) -> list[Element]:
    """Text regions in reading order; those that the order does not name come after them."""
    regions = [element for element in root.elements() if element.name in ("TextRegion", "TableCell")]
    by_id = {region.attributes.get("id", ""): region for region in regions}
    ordered: list[Element] = []
    for order in (element for element in root.elements() if element.name == "ReadingOrder"):
        ordered += [by_id[name] for name in _references(order) if name in by_id]
    ordered = list(dict.fromkeys(ordered))
    return ordered + [region for region in regions if region not in ordered]


def _references(group: Element) -> Iterator[str]:
    def index(element: Element) -> float:
        return float(element.attributes.get("index", "inf"))

    children = group.child_elements
    for child in sorted(children, key=index) if any("index" in c.attributes for c in children) else children:
        if "regionRef" in child.attributes:
            yield child.attributes["regionRef"]
        yield from _references(child)


def _line_index(line: Element) -> int:
    for name, values in _custom(line):
        if name == "readingOrder" and values.get("index", "").isdecimal():
            return int(values["index"])
    return 0


def _custom(element: Element) -> Iterator[tuple[str, dict[str, str]]]:
    """Tags of `custom="unclear {offset:4; length:6;}"`."""
    for match in _CUSTOM.finditer(element.attributes.get("custom", "")):
        values = dict(part.split(":", 1) for part in match[2].split(";") if ":" in part)
        yield match[1], {key.strip(): value.strip() for key, value in values.items()}


def _page_line(line: Element) -> list[OcrUnit]:
    """The line's own text, with the confidence of its words; its words where it has none."""
    words = [unit for child in line.child_elements if child.name == "Word" for unit in _page_text(child)]
    of_line = _page_text(line)
    if not of_line:
        return words
    (unit,) = of_line
    spans = list(unit.unclear)
    at = 0
    for word in words:
        start = unit.text.find(word.text, at)
        if start < 0:
            continue
        at = start + len(word.text)
        if word.confidence is not None and word.confidence < _UNCLEAR_BELOW:
            spans.append((start, at, word.confidence))
    return [replace(unit, unclear=tuple(spans))]


def _page_text(element: Element) -> list[OcrUnit]:
    """The element's main text, if it has one."""
    equivalent = main_equivalent(element)
    content = None if equivalent is None else next((c for c in equivalent.child_elements if c.name == "Unicode"), None)
    if equivalent is None or content is None:
        return []
    texts = tuple(child for child in content.children if isinstance(child, Text))
    if not texts:
        return []
    spans: list[tuple[int, int, float | None]] = []
    gaps = []
    for name, values in _custom(element):
        offset, length = values.get("offset", ""), values.get("length", "")
        if name == "unclear" and offset.isdecimal() and length.isdecimal():
            spans.append((int(offset), int(offset) + int(length), None))
        if name == "gap" and offset.isdecimal():
            gaps.append(int(offset))
    confidence = _share(equivalent.attributes.get("conf")) if element.name == "Word" else None
    return [OcrUnit(element, texts, "", confidence, "word", tuple(spans), tuple(gaps))]


def main_equivalent(element: Element) -> Element | None:
    """The text equivalent that counts: that of the lowest index, else the first."""
    equivalents = [child for child in element.child_elements if child.name == "TextEquiv"]
    return min(equivalents, key=lambda child: int(child.attributes.get("index", "0") or 0), default=None)


def _share(value: str | None) -> float | None:
    try:
        share = float(value) if value is not None else None
    except ValueError:
        return None
    return share if share is not None and 0 <= share <= 1 else None


# ALTO


def _alto_units(root: Element, source: str) -> list[OcrUnit]:
    units: list[OcrUnit] = []
    for block in (element for element in root.elements() if element.name == "TextBlock"):
        block_units: list[OcrUnit] = []
        for line in (element for element in block.elements() if element.name == "TextLine"):
            block_units += _ending([*_alto_line(line, source)], "line")
        units += _ending(block_units, "paragraph")
    return units


def _alto_line(line: Element, source: str) -> Iterator[OcrUnit]:
    children = [child for child in line.child_elements if child.name in ("String", "HYP")]
    for number, child in enumerate(children):
        if child.name == "HYP":
            yield OcrUnit(child, mark=child.attributes.get("CONTENT") or "-")
            continue
        content = _content(child, source)
        if content is None:
            continue
        hyphenated = number + 1 < len(children) and children[number + 1].name == "HYP"
        confidence = _share(child.attributes.get("WC"))
        yield OcrUnit(child, (content,), "", confidence, "" if hyphenated else "word")


def _content(string: Element, source: str) -> Text | None:
    """The value of a CONTENT, as text with its place."""
    tag_end = string.end if string.is_empty_tag else string.content_start
    match = _CONTENT.search(source, string.start, tag_end)
    return None if match is None else Text(*match.span(2), string.attributes["CONTENT"], string)


# hOCR


def _hocr_units(root: Element) -> list[OcrUnit]:
    units: list[OcrUnit] = []
    for line in _of_class(root, _LINES):
        words = [unit for word in _of_class(line, ("ocrx_word",)) for unit in _hocr_text(word)]
        line_units = _ending(words or _hocr_text(line), "line")
        paragraph = next((e for e in line.ancestors() if _classes(e) & {"ocr_par", "ocr_carea"}), line.parent)
        if units and line_units and _last_paragraph(units[-1]) is not paragraph:
            units[-1:] = _ending(units[-1:], "paragraph")
        units += line_units
    return units


def _last_paragraph(unit: OcrUnit) -> Element | None:
    line = next((e for e in (unit.element, *unit.element.ancestors()) if _classes(e) & set(_LINES)), unit.element)
    return next((e for e in line.ancestors() if _classes(e) & {"ocr_par", "ocr_carea"}), line.parent)


def _classes(element: Element) -> set[str]:
    return set(element.attributes.get("class", "").split())


def _of_class(element: Element, names: Sequence[str]) -> list[Element]:
    return [inner for inner in element.elements() if inner is not element and _classes(inner) & set(names)]


def _hocr_text(element: Element) -> list[OcrUnit]:
    texts = tuple(
        child
        for inner in element.elements()
        for child in inner.children
        if isinstance(child, Text) and child.text.strip()
    )
    # Of alternatives the first, an <ins>, is the text.
    texts = tuple(sorted((node for node in texts if not _is_alternative(node)), key=lambda node: node.start))
    confidence = _WCONF.search(element.attributes.get("title", ""))
    share = min(float(confidence[1]) / 100, 1.0) if confidence else None
    return [OcrUnit(element, texts, "", share)] if texts else []


def _is_alternative(node: Text) -> bool:
    return any(e.name == "del" and "alt" in _classes(e) for e in (node.parent, *node.parent.ancestors()))
