"""Prints a correction: as text, as JSON, as TEI or PAGE XML, and for a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fillmask import __version__
from fillmask.errors import FillMaskError
from fillmask.restore.correction.correction import CorrectedWord, Correction
from fillmask.restore.correction.xml_text import XmlText
from fillmask.restore.editions.markup import Markup
from fillmask.restore.notation.xml_tree import Element, escape, is_well_formed

RESPONSIBLE = "fillmask"


def as_json(correction: Correction) -> str:
    """One JSON object."""
    return json.dumps(correction.to_dict(), ensure_ascii=False, indent=2) + "\n"


def as_tei(correction: Correction) -> str:
    """A TEI document: changes as `<choice><sic/><corr/></choice>`, doubtful stretches as `<unclear>`."""
    markup = Markup()
    paragraphs = []
    at = 0
    pieces: list[str] = []
    for word in correction.words:
        pieces += [_lines(correction.source[at : word.source_start]), _word(markup, word)]
        at = word.source_end
    pieces.append(_lines(correction.source[at:].rstrip("\n")))
    paragraphs = "".join(pieces).split(_PARAGRAPH)
    body = "\n".join(f"<p>{paragraph.strip()}</p>" for paragraph in paragraphs if paragraph.strip())
    title = "<titleStmt><title>Corrected text</title>" + _responsibility(correction) + "</titleStmt>"
    header = (
        f"<teiHeader><fileDesc>{title}<publicationStmt><p>Not published.</p></publicationStmt>"
        "<sourceDesc><p>A text with reading errors.</p></sourceDesc></fileDesc></teiHeader>"
    )
    return _checked(
        '<?xml version="1.0" encoding="UTF-8"?>\n<TEI xmlns="http://www.tei-c.org/ns/1.0">\n'
        f"{header}\n<text><body>\n{body}\n</body></text>\n</TEI>\n"
    )


def as_same_xml(correction: Correction, source: XmlText) -> str:
    """The document that was corrected, with each change beside what was read; all else stays byte for byte."""
    replaced = _page(correction, source) if source.is_page else _tei(correction, source)
    pieces, at = [], 0
    for start, end, written in sorted(replaced):
        pieces += [source.source[at:start], written]
        at = end
    pieces.append(source.source[at:])
    return _checked("".join(pieces))


def _tei(correction: Correction, source: XmlText) -> list[tuple[int, int, str]]:
    replaced = []
    for word in correction.words:
        place = source.place(word.source_start, word.source_end)
        if place is not None:
            prefix = source.node_at(word.source_start).parent.prefix
            markup = Markup(f"{prefix}:" if prefix else "")
            replaced.append((*place, _word(markup, word)))
    root = source.nodes[0].parent
    for ancestor in source.nodes[0].parent.ancestors():
        root = ancestor
    titles = [element for element in root.elements() if element.name == "titleStmt" and not element.is_empty_tag]
    if titles and replaced and not any(e.attributes.get("xml:id") == RESPONSIBLE for e in root.elements()):
        prefix = titles[0].prefix
        statement = _responsibility(correction, f"{prefix}:" if prefix else "")
        replaced.append((titles[0].content_end, titles[0].content_end, statement))
    return replaced


def _page(correction: Correction, source: XmlText) -> list[tuple[int, int, str]]:
    """Each corrected line gets a reading before the one that it had, which stays as the second."""
    of_line: dict[int, list[CorrectedWord]] = {}
    for word in correction.changes:
        if source.place(word.source_start, word.source_end) is not None:
            of_line.setdefault(id(source.node_at(word.source_start)), []).append(word)
    replaced = []
    for node, start in zip(source.nodes, source.starts, strict=True):
        words = of_line.get(id(node))
        if not words:
            continue
        text, at = [], 0
        for word in words:
            text += [node.text[at : word.source_start - start], word.text]
            at = word.source_end - start
        text.append(node.text[at:])
        reading = node.parent.parent
        assert reading is not None
        prefix = f"{reading.prefix}:" if reading.prefix else ""
        confidence = min(word.probability for word in words)
        added = (
            f'<{prefix}TextEquiv index="0" conf="{confidence:.2f}" comments="fillmask {__version__}">'
            f"<{prefix}Unicode>{escape(''.join(text))}</{prefix}Unicode></{prefix}TextEquiv>"
        )
        replaced += [(reading.start, reading.start, added), *_moved(reading, source.source)]
    return replaced


def _moved(reading: Element, source: str) -> list[tuple[int, int, str]]:
    """The readings of a line from this one on, each one place further."""
    line = reading.parent
    assert line is not None
    moved = []
    for number, element in enumerate(e for e in line.child_elements if e.name == "TextEquiv"):
        tag = source[element.start : element.content_start]
        name_end = element.start + len(tag.split(None, 1)[0].rstrip(">/"))
        if "index" not in element.attributes:
            moved.append((name_end, name_end, f' index="{number + 1}"'))
        else:
            at = source.index("index", name_end)
            first = min(p for p in (source.find('"', at), source.find("'", at)) if p >= 0)
            last = source.index(source[first], first + 1)
            moved.append((first + 1, last, str(int(element.attributes["index"] or 0) + 1)))
    return moved


_PARAGRAPH = "\x00"


def _lines(text: str) -> str:
    """Text as XML: an empty line ends a paragraph, another line end is an `<lb/>`."""
    paragraphs = text.replace("\r\n", "\n").split("\n\n")
    return _PARAGRAPH.join(escape(paragraph).replace("\n", "<lb/>\n") for paragraph in paragraphs)


def _word(markup: Markup, word: CorrectedWord) -> str:
    source = escape(word.source).replace("\n", "<lb/>")
    if not word.changed:
        return markup.element("unclear", source, word.probability, {"reason": "misread"})
    sic = markup.element("sic", source)
    trailing = word.text[len(word.text.rstrip()) :]
    corr = markup.element("corr", escape(word.text.rstrip()), word.probability)
    return markup.element("choice", sic + corr) + trailing


def _responsibility(correction: Correction, prefix: str = "") -> str:
    markup = Markup(prefix)
    rough = "" if correction.calibrated else "; its probabilities are not calibrated"
    resp = markup.element("resp", f"correction of misread text by a masked language model{rough}")
    name = markup.element("name", escape(f"fillmask {__version__}"))
    return markup.element("respStmt", resp + name, attributes={"xml:id": RESPONSIBLE})


def _checked(text: str) -> str:
    if not is_well_formed(text):
        raise FillMaskError("the edition would not be well-formed XML; write another format, and report the document")
    return text


def marked(words: Sequence[CorrectedWord], text: str) -> list[tuple[str, CorrectedWord | None]]:
    """A corrected text as stretches, each with the word that was changed or is doubtful there."""
    stretches: list[tuple[str, CorrectedWord | None]] = []
    at = 0
    for word in words:
        stretches += [(text[at : word.start], None), (text[word.start : word.end], word)]
        at = word.end
    return [*stretches, (text[at:], None)]
