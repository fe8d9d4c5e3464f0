"""How well are holes read? Top-1, top-20, character error rate, calibration and time, by kind of damage.

Known text is damaged on purpose (`samples`) and read; every hole's best reading
and the first twenty are held against what stood there. A system is anything
that reads a sample, so that other methods are measured on the same holes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fillmask.restore.calibration.samples import KINDS, Documents, Sample, draw
from fillmask.restore.damage import Hole, Known
from fillmask.restore.decoding.document_decoder import decode, settings_for
from fillmask.restore.restoration import Reading
from fillmask.runtime.masked_lm import MaskedLM

if TYPE_CHECKING:
    from rich.table import Table

READINGS = 20
BINS = 10

# What a system makes of a sample: the readings of each of its holes, best first.
System = Callable[[Sample], Sequence[Sequence[Reading]]]


@dataclass(frozen=True)
class Answer:
    """How one hole was read.

    Attributes:
        kind, source: of its sample.
        truth: what stood there.
        rank: place of the truth among the first twenty readings, from 0; None where it is not among them.
        best: the first reading; None where there was none.
        probability: of the first reading.
        lost: characters of the truth that were lost.
        admissible: whether the first reading is one that the hole admits.
        seconds: the time of its sample, by hole.
    """

    kind: str
    source: str
    truth: str
    rank: int | None
    best: str | None
    probability: float
    lost: int
    admissible: bool
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Results over some holes.

    Attributes:
        holes: how many.
        top1: share whose first reading is right.
        top20: share with the right one among the first twenty readings.
        cer: character error rate: edits of the first readings, by lost character.
        ece: expected calibration error of the first readings' probabilities, in ten bins of equal width.
        admissible: share with an admissible first reading.
        seconds: mean time of a hole.
    """

    holes: int
    top1: float
    top20: float
    cer: float
    ece: float
    admissible: float
    seconds: float


@dataclass(frozen=True)
class RestorationReport:
    """Answers by strategy."""

    answers: Mapping[str, tuple[Answer, ...]]

    def measured(self, strategy: str, *, kinds: Sequence[str] | None = None, source: str | None = None) -> Measured:
        """Results of a strategy, over all holes or those of some kinds or of a source."""
        holes = [
            a
            for a in self.answers[strategy]
            if (kinds is None or a.kind in kinds) and (source is None or a.source == source)
        ]
        return measure(holes)

    def to_dict(self) -> dict[str, Any]:
        """Results of each strategy: over all, by kind, and by source."""
        reports: dict[str, Any] = {}
        for strategy, answers in self.answers.items():
            kinds = list(dict.fromkeys(a.kind for a in answers))
            sources = list(dict.fromkeys(a.source for a in answers))
            reports[strategy] = {
                "all": asdict(self.measured(strategy)),
                "kinds": {kind: asdict(self.measured(strategy, kinds=[kind])) for kind in kinds},
                "sources": {s: asdict(self.measured(strategy, source=s)) for s in sources if s},
            }
        return reports

    def table(self) -> Table:
        """The results by kind, to be printed with rich."""
        from rich.box import SIMPLE
        from rich.table import Table

        # Without rules between columns and with narrow gaps, eighty columns are enough.
        table = Table(title="Restoration of hidden text", box=SIMPLE, padding=(0, 1, 0, 0))
        for name in ("strategy", "kind"):
            table.add_column(name, no_wrap=True)
        for name in ("holes", "top-1", "top-20", "CER", "ECE", "ms/hole"):
            table.add_column(name, justify="right")
        for strategy, answers in self.answers.items():
            for kind in (*dict.fromkeys(a.kind for a in answers), None):
                m = self.measured(strategy, kinds=None if kind is None else [kind])
                row = (f"{m.holes:,}", *(f"{100 * x:.1f}%" for x in (m.top1, m.top20, m.cer)), f"{m.ece:.3f}")
                table.add_row(strategy, kind or "all", *row, f"{1000 * m.seconds:.0f}", end_section=kind is None)
        return table


def evaluate(
    model: MaskedLM,
    documents: Documents,
    *,
    strategies: Sequence[str] = ("joint",),
    kinds: Sequence[str] = KINDS,
    holes: int = 200,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> RestorationReport:
    """Damage the documents, restore them, and compare.

    Args:
        documents: texts that the model has not seen, or such texts by source.
        strategies: of `fillmask.choices.STRATEGIES`.
        kinds: of damage.
        holes: of each kind, about.
        seed: of the damage.
        on_progress: called with the holes done and to be done, over all strategies.

    Raises:
        InputError: no such strategy or kind.
        CorpusError: the documents have no passage that is long enough.
    """
    systems = {strategy: restoring(model, strategy) for strategy in strategies}
    samples = list(draw(documents, kinds=kinds, holes=holes, seed=seed))
    return compare(systems, samples, on_progress=on_progress)


def compare(
    systems: Mapping[str, System], samples: Sequence[Sample], *, on_progress: Callable[[int, int], None] | None = None
) -> RestorationReport:
    """What each system makes of the same samples."""
    total = len(systems) * sum(len(s.truths) for s in samples)
    answers: dict[str, tuple[Answer, ...]] = {}
    done = 0
    for name, system in systems.items():
        answers_of_system: list[Answer] = []
        for sample in samples:
            answers_of_system += answered(system, sample)
            done += len(sample.truths)
            if on_progress is not None:
                on_progress(done, total)
        answers[name] = tuple(answers_of_system)
    return RestorationReport(answers)


def restoring(model: MaskedLM, strategy: str, **changes: Any) -> System:
    """A strategy as a system; `changes` are to its settings."""
    settings = replace(settings_for(strategy), **changes)
    if settings.options.finalists:
        settings = replace(
            settings, options=replace(settings.options, finalists=max(READINGS, settings.options.finalists))
        )

    def read(sample: Sample) -> list[list[Reading]]:
        decoded = decode(model, sample.damaged, settings)
        ranked = []
        for number in range(len(sample.truths)):
            hole = decoded.state.posteriors[number]
            pairs = zip(hole.candidates, hole.probabilities()[0], strict=True)
            ranked.append([Reading(c.text, p) for c, p in pairs][:READINGS])
        return ranked

    return read


def answered(system: System, sample: Sample) -> Iterator[Answer]:
    """The system's answer to each hole of a sample."""
    begun = time.perf_counter()
    rankings = system(sample)
    seconds = (time.perf_counter() - begun) / max(1, len(sample.truths))
    for hole, truth, readings in zip(sample.damaged.holes, sample.truths, rankings, strict=True):
        texts = [r.text for r in readings[:READINGS]]
        yield Answer(
            kind=sample.kind,
            source=sample.source,
            truth=truth,
            rank=texts.index(truth) if truth in texts else None,
            best=texts[0] if texts else None,
            probability=readings[0].probability if texts else 0.0,
            lost=_lost(hole, truth),
            admissible=bool(texts) and hole.admits(texts[0]),
            seconds=seconds,
        )


def _lost(hole: Hole, truth: str) -> int:
    return max(1, len(truth) - sum(len(e.text) for e in hole.elements if isinstance(e, Known)))


def measure(answers: Sequence[Answer]) -> Measured:
    """Results over some answers."""
    count = max(1, len(answers))
    hits = [a.rank == 0 for a in answers]
    return Measured(
        holes=len(answers),
        top1=sum(hits) / count,
        top20=sum(a.rank is not None for a in answers) / count,
        cer=sum(edits(a.best or "", a.truth) for a in answers) / max(1, sum(a.lost for a in answers)),
        ece=calibration_error([a.probability for a in answers], hits),
        admissible=sum(a.admissible for a in answers) / count,
        seconds=sum(a.seconds for a in answers) / count,
    )


def reliability(probabilities: Sequence[float], hits: Sequence[bool]) -> list[tuple[float, float, int]]:
    """Mean probability, share of hits and number of answers, for each of ten bins of equal width that is not empty."""
    places = np.minimum((np.array(probabilities, float) * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        here = np.flatnonzero(places == number)
        if len(here):
            mean = float(np.mean(np.array(probabilities, float)[here]))
            bins.append((mean, float(np.mean(np.array(hits, float)[here])), len(here)))
    return bins


def calibration_error(probabilities: Sequence[float], hits: Sequence[bool]) -> float:
    """Expected calibration error: the mean distance of probability and share of hits, over the bins of `reliability`."""
    bins = reliability(probabilities, hits)
    return sum(count * abs(p - hit) for p, hit, count in bins) / max(1, len(probabilities))


def edits(a: str, b: str) -> int:
    """Levenshtein's distance of two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
