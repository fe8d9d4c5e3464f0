"""Restore a damaged text: parse, read its holes group by group, and say what was found.

Holes are read in the order of the text, in groups of neighbours, each in a
window of the text round it; so a long document takes time and not memory.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fillmask.errors import InputError
from fillmask.restore.damage import Damaged, Hole
from fillmask.restore.decoding.cached_scorer import Cancelled
from fillmask.restore.decoding.document_decoder import BEAM, Decoded, decode, settings_for
from fillmask.restore.decoding.posterior import Posterior
from fillmask.restore.evidence import occlusion
from fillmask.restore.restoration import Evidence, Gap, Hypothesis, Progress, Reading, Restoration
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.tokenizer import Tokenizer, check_text

if TYPE_CHECKING:
    from fillmask.restore.notation import Document

__all__ = ["BEAM", "check_targets", "restore", "restore_document"]

_HYPOTHESES = 10


def restore(
    model: MaskedLM,
    source: str,
    *,
    notation: str = "auto",
    keep_ellipses: bool = False,
    strategy: str = "joint",
    readings: int = 10,
    beam: int = BEAM,
    lexicon: Sequence[str] = (),
    targets: Mapping[int, Sequence[str]] | None = None,
    locked: Mapping[int, str] | None = None,
    evidence: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Restoration:
    """Read a damaged text.

    Args:
        model: what reads it.
        source: the text with its holes, in one of the notations.
        notation: "auto", "plain", "leiden" or "tei".
        keep_ellipses: in the plain notation, whether `...` is punctuation and no hole.
        strategy: one of `fillmask.choices.STRATEGIES`.
        readings: readings of a hole, at most.
        beam: hypotheses of each number of tokens; more is slower and finds more.
        lexicon: names and terms that are likely here; they are proposed wherever they fit, and lifted the more, the
            less else fits (`confidence.with_lexicon`).
        targets: for the hole of a number, the only readings that may stand in it.
        locked: for the hole of a number, the reading that stands in it; the others are read in its light.
        evidence: say which words of the context mattered to each hole's best reading.
        on_progress: called whenever holes have been settled.
        cancelled: asked before each call of the model, and while a hole is made ready; when it says True, what was found so far is returned.

    Raises:
        NotationError: the source is malformed.
        InputError: an option cannot be used; nothing can stand in a hole.
    """
    from fillmask.restore.notation import parse

    check_text(source)
    # A byte order mark is no part of the text; the model would read it.
    document = parse(source.removeprefix("\ufeff"), notation=notation, keep_ellipses=keep_ellipses)
    return restore_document(
        model,
        document,
        strategy=strategy,
        readings=readings,
        beam=beam,
        lexicon=lexicon,
        targets=targets,
        locked=locked,
        evidence=evidence,
        on_progress=on_progress,
        cancelled=cancelled,
    )


def restore_document(
    model: MaskedLM,
    document: Document,
    *,
    strategy: str = "joint",
    readings: int = 10,
    beam: int = BEAM,
    lexicon: Sequence[str] = (),
    targets: Mapping[int, Sequence[str]] | None = None,
    locked: Mapping[int, str] | None = None,
    evidence: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Restoration:
    """`restore` for a document that was parsed before."""
    if isinstance(readings, bool) or not isinstance(readings, int) or readings < 1:
        raise InputError(f"readings is {readings!r}; expected a whole number, 1 or more")
    damaged = _with_targets(document.damaged, targets or {})
    _check_locked(damaged, locked or {})
    lexicon = (lexicon,) if isinstance(lexicon, str) else lexicon
    for entry in lexicon:
        check_text(entry)
    settings = settings_for(strategy, beam)
    if readings > settings.options.finalists > 0:
        settings = replace(settings, options=replace(settings.options, finalists=readings))
    decoded = decode(
        model,
        damaged,
        settings,
        lexicon=lexicon,
        locked=locked,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    found = _restoration(document, damaged, decoded, model.tokenizer, settings.strategy, readings, evidence)
    return replace(found, model=model.checkpoint.title)


def _with_targets(damaged: Damaged, targets: Mapping[int, Sequence[str]]) -> Damaged:
    _check_numbers(targets, len(damaged.holes), "targets")
    parts: list[str | Hole] = []
    number = 0
    for part in damaged.parts:
        if isinstance(part, Hole):
            if number in targets:
                words = targets[number]
                given: tuple[str, ...] = (words,) if isinstance(words, str) else tuple(words)
                for word in given:
                    check_text(word)
                part = replace(part, targets=given)
                check_targets(part, str(number))
            number += 1
        parts.append(part)
    return Damaged(tuple(parts))


def check_targets(hole: Hole, name: str) -> None:
    """Raise InputError unless one of the hole's targets may stand in it; `name` is what the user calls the hole."""
    targets = hole.targets or ()
    if not any(hole.admits(target) for target in targets):
        raise InputError(f"none of the targets of hole {name} fits what is known of it: {', '.join(targets)[:80]}")


def _check_locked(damaged: Damaged, locked: Mapping[int, str]) -> None:
    _check_numbers(locked, len(damaged.holes), "locked")
    for number, text in locked.items():
        if not isinstance(text, str):
            raise InputError(f"locked[{number}] is {text!r:.40}; expected a text")
        check_text(text)
        if len(text.splitlines()) > 1 or text.endswith("\n") or not (text or damaged.holes[number].admits(text)):
            raise InputError(f"locked[{number}] is {text!r:.40}; expected what stands in the hole, in one line")


def _check_numbers(given: Mapping[int, object], holes: int, name: str) -> None:
    wrong = [n for n in given if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < holes]
    if wrong:
        known = f"holes 0 to {holes - 1}" if holes else "no holes"
        raise InputError(f"{name} speaks of hole {wrong[0]!r}, and the text has {known}")


def _restoration(
    document: Document,
    damaged: Damaged,
    decoded: Decoded,
    tokenizer: Tokenizer,
    strategy: str,
    count: int,
    evidence: bool,
) -> Restoration:
    ranked: list[tuple[tuple[Reading, ...], float]] = []
    for hole in range(len(damaged.holes)):
        if hole in decoded.locked:
            ranked.append(((Reading(decoded.locked[hole], 1.0),), 0.0))
            continue
        ranked.append(_readings(decoded.state.posteriors.get(hole), count))
    best = [found[0].text if found else "" for found, _ in ranked]
    text = damaged.filled(best)
    gaps = []
    complete = decoded.complete
    at = 0
    number = 0
    for part in damaged.parts:
        if isinstance(part, str):
            at += len(part)
            continue
        written, line, column = document.places[number]
        found, none = ranked[number]
        end = at + len(best[number])
        locked = number in decoded.locked
        seen: tuple[Evidence, ...] = ()
        if evidence and found and not locked and complete:
            try:
                seen = occlusion(decoded.decoder.scorer, tokenizer, text, at, end)
            except Cancelled:
                complete = False
        gaps.append(Gap(number, at, end, written, line, column, found, none, locked, seen))
        at = end
        number += 1
    confidence = math.fsum(f[0].probability if f else 0.0 for f, _ in ranked) / len(ranked) if ranked else 1.0
    return Restoration(
        text=text,
        source=document.source,
        notation=document.notation,
        strategy=strategy,
        gaps=tuple(gaps),
        hypotheses=_hypotheses(damaged, ranked),
        confidence=confidence,
        complete=complete,
        cost=decoded.decoder.scorer.cost(),
        document=document,
        calibrated=decoded.calibrated,
    )


def _readings(posterior: Posterior | None, count: int) -> tuple[tuple[Reading, ...], float]:
    """The best readings of a hole, and the probability that is left."""
    if posterior is None or not posterior.candidates:
        return (), 1.0
    probabilities, _ = posterior.probabilities()
    kept = [Reading(c.text, p) for c, p in zip(posterior.candidates, probabilities, strict=True)][:count]
    return tuple(kept), max(0.0, 1.0 - math.fsum(r.probability for r in kept))


def _hypotheses(damaged: Damaged, ranked: Sequence[tuple[tuple[Reading, ...], float]]) -> tuple[Hypothesis, ...]:
    """The best combinations of readings, each hole's in the light of the others' best."""
    choices = [found for found, _ in ranked]
    logs = [[math.log(max(r.probability, 1e-12)) for r in found] for found in choices]

    def score(picks: tuple[int, ...]) -> float:
        return math.fsum(log[pick] for log, pick in zip(logs, picks, strict=True) if log)

    # Ten hypotheses need no more than the ten holes whose second readings are nearest to the first.
    near = heapq.nsmallest(
        _HYPOTHESES, (h for h, log in enumerate(logs) if len(log) > 1), lambda h: logs[h][0] - logs[h][1]
    )
    first = (0,) * len(choices)
    queue = [(-score(first), first)]
    seen = {first}
    found: list[tuple[float, tuple[int, ...]]] = []
    while queue and len(found) < _HYPOTHESES:
        negative, picks = heapq.heappop(queue)
        found.append((-negative, picks))
        for hole in near:
            if picks[hole] + 1 < len(logs[hole]):
                more = (*picks[:hole], picks[hole] + 1, *picks[hole + 1 :])
                if more not in seen:
                    seen.add(more)
                    heapq.heappush(queue, (-score(more), more))
    hypotheses = []
    for value, picks in found:
        readings = tuple(c[p].text if c else "" for c, p in zip(choices, picks, strict=True))
        probability = math.prod(c[p].probability for c, p in zip(choices, picks, strict=True) if c)
        hypotheses.append(Hypothesis(damaged.filled(readings), readings, value, probability))
    return tuple(hypotheses)
