"""The restoration as an edition in EpiDoc TEI.

A TEI source stays as it is, byte for byte, but for its holes (and one
`<respStmt>` that says whose the readings are). A plain or Leiden source
becomes a document of its own, its editorial marks as elements.

A restored stretch is `<supplied reason="lost" cert="…">`: high from a
probability of 0.8, medium from 0.5, low below. Where a hole has other
readings, its words stand in `<app type="alternative">`: `<lem>` what was read,
`<rdg>` the others, each with its probability as `<certainty degree="…">`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fillmask.restore.damage import Known, Lost
from fillmask.restore.editions.align import portions
from fillmask.restore.editions.shown import UNCALIBRATED, certainty, chosen, others, probability
from fillmask.restore.editions.transcript import RESPONSIBLE, Tagged, Transcript, escape, statement
from fillmask.restore.notation import Document, Stretch
from fillmask.restore.restoration import Gap, Reading, Restoration

_MOST = 5  # other readings of a hole
_LEAST = 0.01  # their probability: rarer ones would be noise in an edition
_TAG = re.compile(r"<(?P<close>/)?(?P<name>[^\s<>/!?][^\s<>/]*)(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*?(?P<empty>/)?>")
_SILENT = re.compile(r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>", re.DOTALL)
# Elements in which a gap may stand but text may not, and what holds text there.
_HOLDERS = dict.fromkeys(
    ["div", "div1", "div2", "div3", "body", "front", "back", "argument", "epigraph", "postscript"], "ab"
) | {
    "lg": "l",
    "list": "item",
}


def render(restoration: Restoration) -> str:
    """The edition, an XML document in UTF-8."""
    document = restoration.document
    if document.notation == "tei":
        edition = _Edition(restoration, Tagged(document))
        text = _with_responsibility(edition.text(), edition.source, calibrated=restoration.calibrated)
        return _declared(text)
    return _Edition(restoration, Transcript(document, calibrated=restoration.calibrated)).text()


class _Edition:
    """The source with readings in its holes.

    Attributes:
        responsible: whether there is a header in which the readings' author can be named.
    """

    def __init__(self, restoration: Restoration, source: Tagged | Transcript) -> None:
        self.restoration = restoration
        self.document: Document = restoration.document
        self.source = source
        self.responsible = source.has_header

    def text(self) -> str:
        written = []
        done = 0
        for gap, (start, end) in zip(self.restoration.gaps, self.document.spans, strict=True):
            written += [self.source.between(done, start), self.source.prefixed(self._hole(gap))]
            done = end
        written.append(self.source.between(done, len(self.document.source)))
        return self.source.whole("".join(written))

    def _hole(self, gap: Gap) -> str:
        stretches = self.document.stretches[gap.index]
        reading = chosen(self.restoration, gap)
        best = portions(stretches, reading) if reading else None
        if best is None:
            return self._not_restored(stretches, reading)
        share = probability(self.restoration, gap)
        lemma = self._words(stretches, best, share)
        alternatives = [
            (other, found)
            for other in others(self.restoration, gap)[:_MOST]
            if other.probability >= _LEAST and (found := portions(stretches, other.text)) is not None
        ]
        if _is_balanced(lemma):
            written = self._apparatus(lemma, share, stretches, alternatives)
            holder = _HOLDERS.get(self.source.parent(stretches[0].start), "")
            return f"<{holder}>{written}</{holder}>" if holder else written
        # The hole begins in one element and ends in another: each lost stretch has its own apparatus.
        written = ""
        for number, stretch in enumerate(stretches):
            written += self._joint(stretches, number)
            part = self._stretch(stretch, best[number], share)
            if _is_lost(stretch):
                said = [(other, [found[number]]) for other, found in alternatives if found[number] != best[number]]
                part = self._apparatus(part, share, [stretch], _summed(said))
            written += part
        return written

    def _apparatus(
        self, lemma: str, share: float, stretches: Sequence[Stretch], alternatives: Sequence[tuple[Reading, list[str]]]
    ) -> str:
        if not alternatives:
            return lemma
        written = f'<app type="alternative"><lem>{lemma}{_degree(share)}</lem>'
        for other, found in alternatives:
            words = "".join(
                self._supplied(text, other.probability) if _is_lost(stretch) else escape(text)
                for stretch, text in zip(stretches, found, strict=True)
            )
            written += f'<rdg cert="{certainty(other.probability)}">{words}{_degree(other.probability)}</rdg>'
        return written + "</app>"

    def _words(self, stretches: Sequence[Stretch], texts: Sequence[str], share: float) -> str:
        """The words of a hole with all that is in them in the source: marks, line ends, notes."""
        written = ""
        for number, (stretch, text) in enumerate(zip(stretches, texts, strict=True)):
            written += self._joint(stretches, number) + self._stretch(stretch, text, share)
        return written

    def _joint(self, stretches: Sequence[Stretch], number: int) -> str:
        """What the source has between a stretch and the one before it."""
        if number == 0:
            return ""
        return self.source.between(stretches[number - 1].end, stretches[number].start)

    def _stretch(self, stretch: Stretch, text: str, share: float) -> str:
        as_it_is = self.source.between(stretch.start, stretch.end)
        if _is_lost(stretch):
            return self._supplied(text, share)
        known = stretch.elements[0]
        if isinstance(known, Known) and text != known.text:
            # The letters are unclear, and the reading takes them for others.
            return f"<choice>{_unclear(as_it_is)}<unclear>{escape(text)}</unclear></choice>"
        return as_it_is

    def _supplied(self, text: str, share: float) -> str:
        if not text:  # the word was whole after all
            return ""
        responsible = f' resp="#{RESPONSIBLE}"' if self.responsible else ""
        return f'<supplied reason="lost" cert="{certainty(share)}"{responsible}>{escape(text)}</supplied>'

    def _not_restored(self, stretches: Sequence[Stretch], given: str) -> str:
        """The hole as it is; beside it a reading that was given although the surviving letters speak against it."""
        written = "".join(
            self._joint(stretches, number)
            + (self.source.gap(stretch) if _is_lost(stretch) else self.source.between(stretch.start, stretch.end))
            for number, stretch in enumerate(stretches)
        )
        if given and _is_balanced(written):
            return f"<choice><sic>{written}</sic><corr>{escape(given)}</corr></choice>"
        # Where an element begins or ends inside the hole, nothing can be put round it.
        return written + (f"<note>{escape(given)}</note>" if given else "")


def _summed(alternatives: Sequence[tuple[Reading, list[str]]]) -> list[tuple[Reading, list[str]]]:
    """Readings that agree in the stretch as one, with their probabilities added."""
    shares: dict[str, float] = {}
    for reading, (text,) in alternatives:
        shares[text] = shares.get(text, 0.0) + reading.probability
    return [(Reading(text, share), [text]) for text, share in sorted(shares.items(), key=lambda found: -found[1])]


def _is_lost(stretch: Stretch) -> bool:
    return any(isinstance(element, Lost) for element in stretch.elements)


def _unclear(written: str) -> str:
    return written if written.startswith("<unclear") else f"<unclear>{written}</unclear>"


def _degree(share: float) -> str:
    return f'<certainty match=".." locus="value" degree="{share:.2f}"/>'


def _is_balanced(written: str) -> bool:
    """Whether every element that begins in the text ends in it."""
    names: list[str] = []
    for tag in _TAG.finditer(_SILENT.sub("", written)):
        if tag["close"]:
            if not names or names.pop() != tag["name"]:
                return False
        elif not tag["empty"]:
            names.append(tag["name"])
    return not names


def _with_responsibility(text: str, source: Tagged | Transcript, *, calibrated: bool) -> str:
    if not source.has_header:  # nowhere to say it but after the document
        said = "" if calibrated or not source.document.stretches else f"\n<!-- fillmask: {UNCALIBRATED} -->\n"
        return text.rstrip() + said if said else text
    if f'xml:id="{RESPONSIBLE}"' in text:
        return text
    found = re.search(r"</(?:[\w.-]+:)?titleStmt\s*>", text)
    return (
        text[: found.start()] + source.prefixed(statement(calibrated=calibrated)) + text[found.start() :]
        if found
        else text
    )


def _declared(text: str) -> str:
    """The text with a declaration, if it has one, that says UTF-8, since that is how it is written."""
    declaration = re.match(r"\ufeff?<\?xml\b.*?\?>", text, re.DOTALL)
    if declaration is None:
        return text.removeprefix("\ufeff")
    found = re.sub(r"(encoding\s*=\s*)(\"[^\"]*\"|'[^']*')", _utf8, declaration.group().removeprefix("\ufeff"))
    return found + text[declaration.end() :]


def _utf8(declared: re.Match[str]) -> str:
    quoted = declared[2]
    return declared.group() if quoted[1:-1].upper() == "UTF-8" else f"{declared[1]}{quoted[0]}UTF-8{quoted[0]}"
