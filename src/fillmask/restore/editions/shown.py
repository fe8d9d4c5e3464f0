"""What every report shows of a restoration: the reading that stands in a hole, and how far to trust it in words."""

from __future__ import annotations

from fillmask.restore.damage import Element, Known
from fillmask.restore.restoration import Reading, Restoration, RestoredHole

# Said by every report of a model without a calibration of its own.
UNCALIBRATED = "probabilities are rough: they are not calibrated for this model"

# TEI's three words for certainty, from this probability up; `low` is what is left.
HIGH = 0.8
MEDIUM = 0.5
_DOTS = 10  # a longer stretch is counted in numbers


def certainty(probability: float) -> str:
    """TEI's word for a probability: high, medium or low."""
    return "high" if probability >= HIGH else "medium" if probability >= MEDIUM else "low"


def chosen(restoration: Restoration, gap: RestoredHole) -> str:
    """The reading that stands in the text, or nothing where none was found."""
    return restoration.text[gap.start : gap.end]


def probability(restoration: Restoration, gap: RestoredHole) -> float:
    """The probability of the reading that stands in the text; 0 where none does."""
    text = chosen(restoration, gap)
    return next((reading.probability for reading in gap.readings if reading.text == text), 0.0)


def others(restoration: Restoration, gap: RestoredHole) -> tuple[Reading, ...]:
    """The readings that do not stand in the text, best first."""
    text = chosen(restoration, gap)
    return tuple(reading for reading in gap.readings if reading.text != text)


def damage(restoration: Restoration, gap: RestoredHole) -> str:
    """The hole as a reader sees it on one line: as the source has it, or in Leiden notation where that is XML."""
    if restoration.notation in ("plain", "leiden"):
        return " ".join(gap.source.split())
    return "".join(map(_sign, restoration.document.damaged.holes[gap.index].elements))


def _sign(element: Element) -> str:
    if isinstance(element, Known):
        return element.text if element.certain else "".join(f"{letter}\u0323" for letter in element.text)
    if element.about is not None:
        return f"[c. {element.about}]"
    if element.most is None:
        return "[---]" if element.spaces else "[1 word]"
    return (
        f"[{'.' * element.most}]" if element.least == element.most <= _DOTS else f"[c. {element.least}–{element.most}]"
    )


def unread(restoration: Restoration) -> int:
    """How many holes have no reading."""
    return sum(not chosen(restoration, gap) for gap in restoration.gaps)
