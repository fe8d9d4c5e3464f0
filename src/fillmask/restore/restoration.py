"""What a restoration is: the text as read, the ranked readings of every hole, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from fillmask.errors import InputError

if TYPE_CHECKING:
    from fillmask.restore.notation import Document


@dataclass(frozen=True)
class Reading:
    """What may have stood in a hole, whole words with their surviving letters.

    Attributes:
        text: the words.
        probability: probability that this was there, 0 to 1; calibrated where `Restoration.calibrated` says so.
    """

    text: str
    probability: float


@dataclass(frozen=True)
class Evidence:
    """A word of the context that mattered to a hole's best reading.

    Attributes:
        word: as it stands in the text.
        start, end: its characters in `Restoration.text`.
        weight: how much less likely the best reading is without it, in nats; negative where the word spoke against it.
    """

    word: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class RestoredHole:
    """A hole of a document (`damage.Hole` says what may stand in it) with what was read.

    Attributes:
        index: number of the hole, from 0, in the order of the text.
        start, end: characters of the best reading in `Restoration.text`.
        source: the hole as the document writes it, for instance `b[..]ery`.
        line, column: where it begins in the source, from 1.
        readings: best first; probabilities with `none_of_these` sum to 1.
        none_of_these: probability that the true text is not among the readings.
        locked: whether the reading was given and not found.
        evidence: context words by weight, where it was asked for.
    """

    index: int
    start: int
    end: int
    source: str
    line: int
    column: int
    readings: tuple[Reading, ...]
    none_of_these: float
    locked: bool = False
    evidence: tuple[Evidence, ...] = ()

    @property
    def best(self) -> Reading | None:
        """The likeliest reading; None where nothing admissible was found."""
        return self.readings[0] if self.readings else None


@dataclass(frozen=True)
class Hypothesis:
    """A joint reading of all holes.

    Attributes:
        text: the whole text.
        readings: the reading of each hole, in order.
        score: log-probability by which hypotheses are ranked, in nats; comparable within one restoration.
        probability: probability that every hole with a reading has this one: the product of the readings'
            probabilities, as if the holes were independent, 0 to 1. With one hole it is that of the reading.
    """

    text: str
    readings: tuple[str, ...]
    score: float
    probability: float


@dataclass(frozen=True)
class Cost:
    """What the restoration took."""

    forward_passes: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Restoration:
    """A damaged text as read.

    Attributes:
        text: the text with the best joint reading in its holes.
        source: the damaged text as given.
        notation: one of `fillmask.choices.NOTATIONS` but "auto"; how the source was read.
        strategy: how the holes were decoded.
        gaps: every hole, under the name that editors of TEI know.
        hypotheses: joint readings, best first.
        confidence: expected share of the holes whose best reading is right: the mean of the best readings'
            probabilities; 1.0 where there are no holes.
        complete: False where the work was cancelled; holes that were not reached keep what was found so far.
        cost: what it took.
        document: the parsed source, from which editions are printed.
        model: what read it: a hub id with its revision, or the name of a checkpoint folder.
        calibrated: whether the probabilities were fitted for this model and strategy; where not, the order of readings is
            sound and their probabilities are rough.
        remarks: what a reader should know of the whole, for instance that the text is not in the model's language.
    """

    text: str
    source: str
    notation: str
    strategy: str
    gaps: tuple[RestoredHole, ...]
    hypotheses: tuple[Hypothesis, ...]
    confidence: float
    complete: bool
    cost: Cost
    document: Document = field(repr=False, compare=False)
    model: str = ""
    calibrated: bool = True
    remarks: tuple[str, ...] = ()

    def with_open_holes(self, min_probability: float) -> Restoration:
        """The restoration with holes left open whose best reading is less probable.

        What is legible of such a hole still stands in the text; its readings stay where they are listed.

        Raises:
            InputError: no probability.
        """
        if isinstance(min_probability, bool) or not 0 <= min_probability <= 1:
            raise InputError(f"min_probability is {min_probability!r}; expected a number from 0 to 1")
        holes = self.document.damaged.holes
        standing = [
            self.text[gap.start : gap.end]
            if gap.locked or (gap.best is not None and gap.best.probability >= min_probability)
            else holes[gap.index].transcription or ""
            for gap in self.gaps
        ]
        gaps = []
        shift = 0
        for gap, text in zip(self.gaps, standing, strict=True):
            start = gap.start + shift
            shift += len(text) - (gap.end - gap.start)
            gaps.append(replace(gap, start=start, end=start + len(text)))
        return replace(self, text=self.document.damaged.filled(standing), gaps=tuple(gaps))

    def to_dict(self) -> dict[str, Any]:
        """All but the parsed document, as plain lists and dictionaries; see docs/guide/restore.md for the schema.

        Of the document it has `layout`: the text as it is to be shown, with its lines: stretches of text and, for each
        hole, its number.
        """
        shown = {k: v for k, v in self.__dict__.items() if k != "document"}
        return {key: _plain(value) for key, value in shown.items()} | {"layout": list(self.document.layout)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return value


@dataclass(frozen=True)
class Progress:
    """How far a restoration is: holes settled, of all."""

    done: int
    holes: int
    forward_passes: int
