"""Restorations made by hand, for the reports: the readings are given, nothing is decoded."""

from collections.abc import Sequence

from fillmask.restore.notation import parse
from fillmask.restore.restoration import Cost, Evidence, Hypothesis, Reading, Restoration, RestoredHole

Ranked = Sequence[tuple[str, float]]


def made(
    source: str, *readings: Ranked, notation: str = "auto", complete: bool = True, calibrated: bool = True
) -> Restoration:
    """The restoration of `source` by these readings of its holes, each ranked; the first of each stands in the text."""
    document = parse(source, notation=notation)
    holes = document.damaged.holes
    assert len(readings) == len(holes), document.places
    best = [ranked[0][0] if ranked else "" for ranked in readings]
    gaps, start, number = [], 0, 0
    for part in document.damaged.parts:
        if isinstance(part, str):
            start += len(part)
            continue
        ranked = tuple(Reading(*reading) for reading in readings[number])
        place = document.places[number]
        rest = max(0.0, 1 - sum(reading.probability for reading in ranked))
        seen = (Evidence("bakery", 0, 6, 1.25),) if number == 0 else ()
        end = start + len(best[number])
        gaps.append(RestoredHole(number, start, end, *place, readings=ranked, none_of_these=rest, evidence=seen))
        start = end
        number += 1
    text = document.damaged.filled(best)
    confidence = sum(ranked[0][1] for ranked in readings if ranked) / len(readings) if readings else 1.0
    return Restoration(
        text=text,
        source=source,
        notation=document.notation,
        strategy="joint",
        gaps=tuple(gaps),
        hypotheses=(Hypothesis(text, tuple(best), -3.5, 0.03),),
        confidence=confidence,
        complete=complete,
        cost=Cost(12, 96, 0.25),
        document=document,
        calibrated=calibrated,
    )
