"""The restoration in the OCR file that it was read from: each reading beside the original one, which stays the main one.

PAGE XML has a second `TextEquiv` of the line, ALTO an
`ALTERNATIVE` of the string, hOCR `alternatives`. Everything else stays as it is,
byte for byte.
"""

from __future__ import annotations

from fillmask import __version__
from fillmask.errors import FillMaskError, InputError
from fillmask.restore.editions.align import portions
from fillmask.restore.editions.shown import chosen, probability
from fillmask.restore.notation import Stretch
from fillmask.restore.notation.ocr import OCR_NOTATIONS, OcrUnit, main_equivalent, read_ocr
from fillmask.restore.notation.xml_tree import Element, declared_utf8, escape, is_well_formed, quoted
from fillmask.restore.restoration import Restoration

_AUTHOR = "restored by fillmask"


def render(restoration: Restoration) -> str:
    """The file, in UTF-8.

    Raises:
        InputError: the document is no OCR file.
        FillMaskError: the file would not be well-formed.
    """
    document = restoration.document
    if document.notation not in OCR_NOTATIONS:
        raise InputError(f"the format ocr writes PAGE XML, ALTO, and hOCR; the document is read as {document.notation}")
    text = _Edition(restoration).text()
    if not is_well_formed(text) and document.notation != "hocr":
        raise FillMaskError("the file would not be well-formed XML; write another format, and report the document")
    return text


class _Edition:
    def __init__(self, restoration: Restoration) -> None:
        self.source = restoration.document.source
        self.file = read_ocr(self.source, restoration.document.notation)
        self.units = sorted(self.file.units, key=lambda unit: unit.start)
        # Of each unit that changes: what is read in which stretches of it, and the least probability of these readings.
        self.readings: dict[OcrUnit, list[tuple[Stretch, str]]] = {}
        self.shares: dict[OcrUnit, float] = {}
        for gap in restoration.gaps:
            reading = chosen(restoration, gap)
            stretches = restoration.document.stretches[gap.index]
            texts = portions(stretches, reading) if reading else None
            for stretch, text in zip(stretches, texts or (), strict=bool(texts)):
                if stretch.is_lost or text != stretch.letters:
                    unit = self._unit(stretch)
                    self.readings.setdefault(unit, []).append((stretch, text))
                    self.shares[unit] = min(self.shares.get(unit, 1.0), probability(restoration, gap))

    def _unit(self, stretch: Stretch) -> OcrUnit:
        return next(unit for unit in reversed(self.units) if unit.start <= stretch.start)

    def text(self) -> str:
        write = {"page": self._page, "alto": self._alto, "hocr": self._hocr}[self.file.notation]
        changes = sorted({change for unit in self.readings for change in write(unit)})
        parts, end_of_last = [], 0
        for start, end, text in changes:
            parts += [self.source[end_of_last:start], text]
            end_of_last = end
        return declared_utf8("".join([*parts, self.source[end_of_last:]]))

    def _read(self, unit: OcrUnit) -> str:
        """The text of a unit as it is read."""
        readings = self.readings.get(unit, [])
        if unit.mark:
            return unit.mark
        pieces = []
        for node in unit.texts:
            at = node.start
            for stretch, reading in sorted(readings, key=lambda item: item[0].start):
                if node.start <= stretch.start <= stretch.end <= node.end:
                    pieces += [self.source[at : stretch.start], reading]
                    at = stretch.end
            verbatim = node.end - node.start == len(node.text)
            pieces.append(self.source[at : node.end] if verbatim else node.text)
        return "".join(pieces)

    def _page(self, unit: OcrUnit) -> list[tuple[int, int, str]]:
        return self._equivalent(unit.element, self._read(unit), self.shares[unit])

    def _equivalent(self, element: Element, text: str, share: float) -> list[tuple[int, int, str]]:
        """A second text equivalent behind the others; the main one gets an index if it has none."""
        equivalents = [child for child in element.child_elements if child.name == "TextEquiv"]
        main, last = main_equivalent(element), equivalents[-1]
        assert main is not None
        prefix = f"{main.prefix}:" if main.prefix else ""
        indices = [int(child.attributes.get("index", "0") or 0) for child in equivalents]
        added = (
            f'<{prefix}TextEquiv index="{max(indices) + 1}" conf="{share:.3f}" comments={quoted(_AUTHOR)}>'
            f"<{prefix}Unicode>{escape(text)}</{prefix}Unicode></{prefix}TextEquiv>"
        )
        changes = [(last.end, last.end, added)]
        if "index" not in main.attributes:
            at = main.start + len(f"<{prefix}TextEquiv")
            changes.append((at, at, ' index="0"'))
        return changes

    def _alto(self, unit: OcrUnit) -> list[tuple[int, int, str]]:
        element = unit.element
        prefix = f"{element.prefix}:" if element.prefix else ""
        purpose = quoted(f"{_AUTHOR} {__version__}, probability {self.shares[unit]:.3f}")
        added = f"<{prefix}ALTERNATIVE PURPOSE={purpose}>{escape(self._read(unit))}</{prefix}ALTERNATIVE>"
        if element.is_empty_tag:
            return [(element.end - 2, element.end, f">{added}</{prefix}{element.name}>")]
        before = [child for child in element.child_elements if child.name in ("Shape", "ALTERNATIVE")]
        at = before[-1].end if before else element.content_start
        return [(at, at, added)]

    def _hocr(self, unit: OcrUnit) -> list[tuple[int, int, str]]:
        start, end = unit.element.content_start, unit.element.content_end
        title = quoted(f"x_confs {self.shares[unit] * 100:.0f}; x_source {_AUTHOR}")
        alternatives = (
            f'<span class="alternatives"><ins class="alt">{self.source[start:end]}</ins>'
            f'<del class="alt" title={title}>{escape(self._read(unit))}</del></span>'
        )
        return [(start, end, alternatives)]
