"""What every report shows of a restoration: the reading that stands in a hole, and how far to trust it in words."""

from __future__ import annotations

from fillmask.restore.restoration import Gap, Reading, Restoration

# TEI's three words for certainty, from this probability up; `low` is what is left.
HIGH = 0.8
MEDIUM = 0.5


def certainty(probability: float) -> str:
    """TEI's word for a probability: high, medium or low."""
    return "high" if probability >= HIGH else "medium" if probability >= MEDIUM else "low"


def chosen(restoration: Restoration, gap: Gap) -> str:
    """The reading that stands in the text, or nothing where none was found."""
    return restoration.text[gap.start : gap.end]


def probability(restoration: Restoration, gap: Gap) -> float:
    """The probability of the reading that stands in the text; 0 where none does."""
    text = chosen(restoration, gap)
    return next((reading.probability for reading in gap.readings if reading.text == text), 0.0)


def others(restoration: Restoration, gap: Gap) -> tuple[Reading, ...]:
    """The readings that do not stand in the text, best first."""
    text = chosen(restoration, gap)
    return tuple(reading for reading in gap.readings if reading.text != text)


def unread(restoration: Restoration) -> int:
    """How many holes have no reading."""
    return sum(not chosen(restoration, gap) for gap in restoration.gaps)
