"""How several holes are read together.

Holes that are near each other in the text form a group. A strategy gets a
decoder and a group and returns the state of its holes; strategies differ in
what is known of the other holes when one is read, and in how tokens are found.

- `joint`: the surest hole first, a few hypotheses side by side, each later hole
  given those already read; then every hole once more given all others. Tokens
  are found best place first, and the best readings are rescored.
- `independent`: every hole by one look, all other holes unread.
- `left-to-right`: holes and tokens in the order of the text, by a plain beam.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from fillmask.restore.decoding.hole_decoder import HoleDecoder
from fillmask.restore.decoding.posterior import DecodingState, Query, ReadingCandidate
from fillmask.restore.decoding.tokenized_context import Filling

_HOPELESS = 2.5  # nats below the best joint reading


def joint(
    decoder: HoleDecoder, group: Sequence[int], around: Mapping[int, Filling], *, hypotheses: int, rounds: int
) -> Iterator[DecodingState]:
    """Read a group jointly; yields the state after each step, so that work that is cancelled keeps what it has.

    Args:
        around: what fills every hole that is not in the group, and those of the group until they are read.
        hypotheses: joint readings kept side by side.
        rounds: how often holes are read again given all others.
    """
    state = DecodingState()
    if len(group) == 1:
        (hole,) = group
        (posterior,) = decoder.read([Query(hole, around)])
        state.settle(hole, posterior)
        yield state
        return
    order = _surest_first(decoder, group, around, state)
    yield state
    beams: list[tuple[float, dict[int, ReadingCandidate]]] = [(0.0, {})]
    for hole in order:
        posteriors = decoder.read([Query(hole, _with(around, best)) for _, best in beams])
        state.settle(hole, posteriors[0])
        grown: list[tuple[float, dict[int, ReadingCandidate]]] = []
        for (score, best), posterior in zip(beams, posteriors, strict=True):
            probabilities, _ = posterior.probabilities()
            for candidate, p in list(zip(posterior.candidates, probabilities, strict=True))[: hypotheses + 1]:
                grown.append((score + math.log(max(p, 1e-12)), {**best, hole: candidate}))
            if not posterior.candidates:
                grown.append((score, best))
        grown.sort(key=lambda pair: (-pair[0], [c.text for c in pair[1].values()]))
        beams = [pair for pair in grown[:hypotheses] if pair[0] > grown[0][0] - _HOPELESS]
        state.best.update(beams[0][1])
        yield state
    for _ in range(rounds):
        changed = False
        for hole in reversed(order):  # the least sure gain most
            (posterior,) = decoder.read([Query(hole, _with(around, state.best))])
            before = state.best.get(hole)
            state.settle(hole, posterior)
            changed |= before is not None and before.text != state.best[hole].text
            yield state
        if not changed:
            break


def _surest_first(
    decoder: HoleDecoder, group: Sequence[int], around: Mapping[int, Filling], state: DecodingState
) -> list[int]:
    posteriors = decoder.decode_independently([Query(hole, around) for hole in group], beam=4)
    confidence = {}
    for hole, posterior in zip(group, posteriors, strict=True):
        state.posteriors[hole] = posterior
        confidence[hole] = max(posterior.probabilities()[0], default=0.0)
    return sorted(group, key=lambda hole: (-confidence[hole], hole))


def independent(decoder: HoleDecoder, group: Sequence[int], around: Mapping[int, Filling]) -> Iterator[DecodingState]:
    """Read each hole of a group by itself, by one look at its masks."""
    state = DecodingState()
    posteriors = decoder.decode_independently([Query(hole, around) for hole in group])
    for hole, posterior in zip(group, posteriors, strict=True):
        state.settle(hole, posterior)
    yield state


def left_to_right(decoder: HoleDecoder, group: Sequence[int], around: Mapping[int, Filling]) -> Iterator[DecodingState]:
    """Read the holes of a group in the order of the text, each given those before it."""
    state = DecodingState()
    for hole in group:
        (posterior,) = decoder.read([Query(hole, _with(around, state.best))])
        state.settle(hole, posterior)
        yield state


def _with(around: Mapping[int, Filling], best: Mapping[int, ReadingCandidate]) -> dict[int, Filling]:
    return {**around, **{hole: candidate.filling for hole, candidate in best.items()}}
