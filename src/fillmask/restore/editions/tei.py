"""The restoration as an edition in EpiDoc TEI.

A TEI source stays as it is, byte for byte, but for its holes (and one
`<respStmt>` that says whose the readings are). A source in another notation
becomes a document of its own, its editorial marks as elements.

A restored stretch is `<supplied reason="lost" cert="…" resp="…">`: high from a
probability of 0.8, medium from 0.5, low below; it has the size and the `xml:id`
of its gap. Where a hole has other readings, its words stand in
`<app type="alternative">`: `<lem>` what was read, `<rdg>` the others, each with
its probability as `<certainty degree="…">`. A gap that says more than
`<supplied>` can hold stays as it is in an `<rdg type="source">`. Letters that
are unclear and read as they are written are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence

from fillmask.errors import FillMaskError
from fillmask.restore.editions.align import portions
from fillmask.restore.editions.markup import Markup
from fillmask.restore.editions.shown import chosen, others, probability
from fillmask.restore.editions.tagged import Tagged
from fillmask.restore.editions.transcript import Transcript
from fillmask.restore.notation import Stretch
from fillmask.restore.notation.xml_tree import escape, is_well_formed, repeated_ids
from fillmask.restore.restoration import Reading, Restoration, RestoredHole

_MOST = 5  # other readings of a hole
_LEAST = 0.01  # their probability: rarer ones would be noise in an edition


def render(restoration: Restoration) -> str:
    """The edition, an XML document in UTF-8.

    Raises:
        FillMaskError: the edition would not be well-formed.
    """
    kind = Tagged if restoration.document.notation == "tei" else Transcript
    text = _Edition(restoration, kind(restoration.document, calibrated=restoration.calibrated)).text()
    source = restoration.document.source if restoration.document.notation == "tei" else ""
    if not is_well_formed(text) or repeated_ids(text) - repeated_ids(source):
        raise FillMaskError("the edition would not be well-formed XML; write another format, and report the document")
    return text


class _Edition:
    """The source with readings in its holes."""

    def __init__(self, restoration: Restoration, source: Tagged | Transcript) -> None:
        self.restoration = restoration
        self.source = source

    def text(self) -> str:
        replaced = []
        for gap in self.restoration.gaps:
            stretches = self.restoration.document.stretches[gap.index]
            replacement = self._hole(gap, stretches)
            if replacement is not None:
                replaced.append((*self._span(stretches), replacement))
        return self.source.whole(replaced)

    def _span(self, stretches: Sequence[Stretch]) -> tuple[int, int]:
        return self.source.place(stretches[0])[0], self.source.place(stretches[-1])[1]

    def _hole(self, gap: RestoredHole, stretches: Sequence[Stretch]) -> str | None:
        """What stands in the place of a hole; None where the source stays."""
        reading = chosen(self.restoration, gap)
        best = portions(stretches, reading) if reading else None
        if best is None:
            return self._against_the_letters(stretches, reading) if reading else None
        if all(_stands(stretch, text) for stretch, text in zip(stretches, best, strict=True)):
            return None
        share = probability(self.restoration, gap)
        alternatives = [
            (other, texts)
            for other in others(self.restoration, gap)[:_MOST]
            if other.probability >= _LEAST and (texts := portions(stretches, other.text)) is not None
        ]
        start, end = self._span(stretches)
        markup = self.source.markup(start)
        if self.source.is_balanced(start, end):
            words = self._words(stretches, best, share, markup, is_closed=self.source.is_within_unclear(start))
            replacement = self._apparatus(words, share, stretches, alternatives, markup)
            holder = self.source.holder(stretches[0])
            replacement = markup.element(holder, replacement, share) if holder else replacement
            replacement = self.source.outside_unclear(start, replacement)
        else:
            replacement = self._each_loss(stretches, best, share, alternatives)
        return f"{' ' * stretches[0].space_before}{replacement}{' ' * stretches[-1].space_after}"

    def _each_loss(
        self,
        stretches: Sequence[Stretch],
        best: Sequence[str],
        share: float,
        alternatives: Sequence[tuple[Reading, list[str]]],
    ) -> str:
        """The hole begins in one element and ends in another: each lost stretch has its own apparatus."""
        replacement = ""
        for number, (stretch, text) in enumerate(zip(stretches, best, strict=True)):
            markup = self.source.markup(stretch.start)
            carries = not self._keeps_gaps([stretch])
            part = self._stretch(stretch, text, share, markup, is_closed=False, carries=carries)
            if stretch.is_lost:
                parts = [(other, [texts[number]]) for other, texts in alternatives if texts[number] != text]
                part = self._apparatus(part, share, [stretch], _summed(parts), markup)
            replacement += self._joint(stretches, number) + part
        return replacement

    def _apparatus(
        self,
        words: str,
        share: float,
        stretches: Sequence[Stretch],
        alternatives: Sequence[tuple[Reading, list[str]]],
        markup: Markup,
    ) -> str:
        """The words that stand in the text, with the other readings and the gaps whose details are to be kept."""
        keeps_gaps = self._keeps_gaps(stretches)
        if not alternatives and not keeps_gaps:
            return words
        parts = [markup.element("lem", words + markup.degree(share), share)]
        for other, texts in alternatives:
            read = "".join(
                markup.supplied(text, other.probability) if stretch.is_lost else escape(text)
                for stretch, text in zip(stretches, texts, strict=True)
            )
            parts.append(markup.element("rdg", read + markup.degree(other.probability), other.probability))
        if keeps_gaps:
            kept = "".join(
                self.source.gap(stretch) if stretch.is_lost else escape(stretch.letters) for stretch in stretches
            )
            parts.append(markup.element("rdg", kept, 1.0, {"type": "source"}))
        return markup.element("app", "".join(parts), share, {"type": "alternative"})

    def _keeps_gaps(self, stretches: Sequence[Stretch]) -> bool:
        """Whether a gap of a hole says more than <supplied> can hold, so that all stay as they are beside the reading."""
        return any(stretch.is_lost and self.source.carried(stretch) is None for stretch in stretches)

    def _words(
        self, stretches: Sequence[Stretch], texts: Sequence[str], share: float, markup: Markup, *, is_closed: bool
    ) -> str:
        """The words of a hole with all that is in them in the source: marks, line ends, notes."""
        return "".join(
            self._joint(stretches, number)
            + self._stretch(stretch, text, share, markup, is_closed=is_closed, carries=not self._keeps_gaps(stretches))
            for number, (stretch, text) in enumerate(zip(stretches, texts, strict=True))
        )

    def _joint(self, stretches: Sequence[Stretch], number: int) -> str:
        """What the source has between a stretch and the one before it."""
        if number == 0:
            return ""
        return self.source.between(self.source.place(stretches[number - 1])[1], self.source.place(stretches[number])[0])

    def _stretch(
        self, stretch: Stretch, text: str, share: float, markup: Markup, *, is_closed: bool, carries: bool
    ) -> str:
        """A stretch as it is read.

        Args:
            is_closed: whether an <unclear> that is open round the stretch in the source is closed round what is written.
            carries: whether the element in the place of a gap has its size and its `xml:id`.
        """
        if stretch.is_lost:
            return self.source.restored(stretch, text, share, markup, carries=carries)
        start, end = self.source.place(stretch)
        as_it_is = self.source.between(start, end)
        stands = _stands(stretch, text)
        if self.source.is_within_unclear(start) and (is_closed or not stands):
            as_it_is = markup.element("unclear", as_it_is)
        if stands:
            return as_it_is
        # The letters are unclear, and the reading takes them for others.
        other = markup.element("unclear", escape(text), share)
        choice = markup.element("choice", as_it_is + other, share)
        return choice if is_closed else self.source.outside_unclear(start, choice)

    def _against_the_letters(self, stretches: Sequence[Stretch], reading: str) -> str:
        """A reading that was given although the surviving letters speak against it, beside the hole as it is."""
        start, end = self._span(stretches)
        as_it_is = self.source.open(start, end, stretches)
        markup = self.source.markup(start)
        if self.source.is_balanced(start, end):
            corrected = markup.element("corr", escape(reading), 1.0)
            return markup.element("choice", markup.element("sic", as_it_is, 1.0) + corrected, 1.0)
        # Where an element begins or ends inside the hole, nothing can be put round it.
        return as_it_is + self.source.markup(stretches[-1].start).element("note", escape(reading), 1.0)


def _stands(stretch: Stretch, text: str) -> bool:
    """Whether the letters of a stretch are there and read as they are written."""
    return not stretch.is_lost and text == stretch.letters


def _summed(alternatives: Sequence[tuple[Reading, list[str]]]) -> list[tuple[Reading, list[str]]]:
    """Readings that agree in the stretch as one, with their probabilities added."""
    shares: dict[str, float] = {}
    for reading, (text,) in alternatives:
        shares[text] = shares.get(text, 0.0) + reading.probability
    return [(Reading(text, share), [text]) for text, share in sorted(shares.items(), key=lambda item: -item[1])]
