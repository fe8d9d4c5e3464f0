"""From posteriors to a restoration: ranked readings, joint hypotheses, and the places of both in the text."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from fillmask.restore.capitals import OrdinaryCase
from fillmask.restore.damage import Damaged
from fillmask.restore.decoding.cached_scorer import Cancelled
from fillmask.restore.decoding.document_decoder import Decoded
from fillmask.restore.decoding.posterior import Posterior
from fillmask.restore.evidence import occlusion
from fillmask.restore.notation import Document
from fillmask.restore.options import RestoreOptions
from fillmask.restore.restoration import Evidence, Hypothesis, Reading, Restoration, RestoredHole
from fillmask.tokenization.tokenizer import Tokenizer

_HYPOTHESES = 10

Ranked = tuple[tuple[Reading, ...], float]  # the readings of a hole, best first, and the probability of none of them


def restoration(
    document: Document,
    damaged: Damaged,
    decoded: Decoded,
    case: OrdinaryCase,
    tokenizer: Tokenizer,
    options: RestoreOptions,
) -> Restoration:
    """What was found in a document.

    Args:
        damaged: the text as the document has it.
        case: the same in ordinary case, as it was decoded.
    """
    locked = options.locked or {}
    ranked = [
        ((Reading(locked[hole], 1.0),), 0.0)
        if hole in locked
        else _ranked(hole, decoded.state.posteriors.get(hole), case, options.readings)
        for hole in range(len(damaged.holes))
    ]
    best = _best(damaged, ranked)
    text = damaged.filled(best)
    in_ordinary_case = case.damaged.filled([case.ordinary(hole, reading) for hole, reading in enumerate(best)])
    complete = decoded.complete
    gaps = []
    for number, (start, end) in enumerate(_spans(damaged, best)):
        readings, none = ranked[number]
        evidence: tuple[Evidence, ...] = ()
        if options.evidence and readings and number not in locked and complete:
            try:
                occlusions = occlusion(decoded.decoder.scorer, tokenizer, in_ordinary_case, start, end)
                evidence = tuple(Evidence(text[e.start : e.end], e.start, e.end, e.weight) for e in occlusions)
            except Cancelled:
                complete = False
        place = document.places[number]
        gaps.append(RestoredHole(number, start, end, *place, readings, none, number in locked, evidence))
    shares = [readings[0].probability if readings else 0.0 for readings, _ in ranked]
    return Restoration(
        text=text,
        source=document.source,
        notation=document.notation,
        strategy=options.strategy,
        gaps=tuple(gaps),
        hypotheses=hypotheses(damaged, ranked),
        confidence=math.fsum(shares) / len(shares) if shares else 1.0,
        complete=complete,
        cost=decoded.decoder.scorer.cost(),
        document=document,
        calibrated=decoded.calibrated,
    )


def _ranked(hole: int, posterior: Posterior | None, case: OrdinaryCase, count: int) -> Ranked:
    """The best readings of a hole, and the probability that is left."""
    if posterior is None or not posterior.candidates:
        return (), 1.0
    probabilities, _ = posterior.probabilities()
    readings = tuple(Reading(c.text, p) for c, p in zip(posterior.candidates, probabilities, strict=True))
    kept = case.capitals(hole, readings)[:count]
    return kept, max(0.0, 1.0 - math.fsum(reading.probability for reading in kept))


def _best(damaged: Damaged, ranked: Sequence[Ranked]) -> list[str]:
    """What stands in each hole: its best reading, else what is legible of it."""
    return [
        readings[0].text if readings else hole.transcription or ""
        for hole, (readings, _) in zip(damaged.holes, ranked, strict=True)
    ]


def _spans(damaged: Damaged, readings: Sequence[str]) -> list[tuple[int, int]]:
    """First character of each reading in the text, and the one after its last."""
    spans: list[tuple[int, int]] = []
    at = 0
    for part in damaged.parts:
        if isinstance(part, str):
            at += len(part)
        else:
            end = at + len(readings[len(spans)])
            spans.append((at, end))
            at = end
    return spans


def hypotheses(damaged: Damaged, ranked: Sequence[Ranked]) -> tuple[Hypothesis, ...]:
    """The best combinations of readings, each hole's in the light of the others' best."""
    choices = [readings for readings, _ in ranked]
    logs = [[math.log(max(r.probability, 1e-12)) for r in readings] for readings in choices]
    default = _best(damaged, ranked)

    def score(picks: tuple[int, ...]) -> float:
        return math.fsum(log[pick] for log, pick in zip(logs, picks, strict=True) if log)

    # Ten hypotheses need no more than the ten holes whose second readings are nearest to the first.
    near = heapq.nsmallest(
        _HYPOTHESES, (h for h, log in enumerate(logs) if len(log) > 1), lambda h: logs[h][0] - logs[h][1]
    )
    first = (0,) * len(choices)
    queue = [(-score(first), first)]
    queued = {first}
    best: list[tuple[float, tuple[int, ...]]] = []
    while queue and len(best) < _HYPOTHESES:
        negative, picks = heapq.heappop(queue)
        best.append((-negative, picks))
        for hole in near:
            if picks[hole] + 1 < len(logs[hole]):
                next_picks = (*picks[:hole], picks[hole] + 1, *picks[hole + 1 :])
                if next_picks not in queued:
                    queued.add(next_picks)
                    heapq.heappush(queue, (-score(next_picks), next_picks))
    combined = []
    for value, picks in best:
        readings = tuple(
            options[pick].text if options else default[hole]
            for hole, (options, pick) in enumerate(zip(choices, picks, strict=True))
        )
        probability = math.prod(
            options[pick].probability for options, pick in zip(choices, picks, strict=True) if options
        )
        combined.append(Hypothesis(damaged.filled(readings), readings, value, probability))
    return tuple(combined)
