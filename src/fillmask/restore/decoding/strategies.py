"""How several holes are read together.

Holes that are near each other in the text form a group. Every strategy gets a
reader and a group and returns what it made of each hole; they differ in what
else is known when a hole is read, and in how its tokens are found.

- `joint`: the surest hole first, a few hypotheses side by side, each later hole
  in the light of those already read; then every hole once more in the light of
  all others. Tokens are found best place first, and the best readings judged by
  their pseudo-log-likelihood.
- `independent`: every hole by one look, all other holes unread.
- `left-to-right`: holes and tokens in the order of the text, by a plain beam.
- `gibbs`: in `gibbs`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fillmask.restore.decoding.reader import Candidate, Read, Reader, Request
from fillmask.restore.decoding.tokenized_context import Filling

_HOPELESS = 2.5  # nats below the best joint reading


@dataclass
class Outcome:
    """What is known of the holes so far.

    Attributes:
        reads: the last reading of each hole, in the light of `chosen`.
        chosen: the candidate that stands in each hole.
    """

    reads: dict[int, Read] = field(default_factory=dict)
    chosen: dict[int, Candidate] = field(default_factory=dict)


def joint(
    reader: Reader,
    group: Sequence[int],
    around: Mapping[int, Filling],
    outcome: Outcome,
    *,
    hypotheses: int,
    rounds: int,
) -> None:
    """Read a group jointly, into `outcome`.

    Args:
        around: what fills every hole that is not in the group, and, until they are read, those that are.
        hypotheses: joint readings kept side by side.
        rounds: how often holes are read again in the light of all others.
    """
    if len(group) == 1:
        (hole,) = group
        (read,) = reader.read([Request(hole, around)])
        _settle(outcome, hole, read)
        return
    order = _surest_first(reader, group, around, outcome)
    beams: list[tuple[float, dict[int, Candidate]]] = [(0.0, {})]
    for hole in order:
        requests = [Request(hole, _with(around, chosen)) for _, chosen in beams]
        reads = reader.read(requests)
        _settle(outcome, hole, reads[0])
        grown: list[tuple[float, dict[int, Candidate]]] = []
        for (score, chosen), read in zip(beams, reads, strict=True):
            found, _ = read.probabilities()
            for candidate, p in list(zip(read.candidates, found, strict=True))[: hypotheses + 1]:
                grown.append((score + math.log(max(p, 1e-12)), {**chosen, hole: candidate}))
            if not read.candidates:
                grown.append((score, chosen))
        grown.sort(key=lambda pair: (-pair[0], [c.text for c in pair[1].values()]))
        beams = [pair for pair in grown[:hypotheses] if pair[0] > grown[0][0] - _HOPELESS]
        outcome.chosen.update(beams[0][1])
    for _ in range(rounds):
        changed = False
        for hole in reversed(order):  # the least sure gain most
            (read,) = reader.read([Request(hole, _with(around, outcome.chosen))])
            before = outcome.chosen.get(hole)
            _settle(outcome, hole, read)
            changed |= before is not None and before.text != outcome.chosen[hole].text
        if not changed:
            break


def _surest_first(reader: Reader, group: Sequence[int], around: Mapping[int, Filling], outcome: Outcome) -> list[int]:
    reads = reader.glance([Request(hole, around) for hole in group], beam=4)
    sure = {}
    for hole, read in zip(group, reads, strict=True):
        _settle(outcome, hole, read)
        found, _ = read.probabilities()
        sure[hole] = max(found, default=0.0)
        outcome.chosen.pop(hole, None)
    return sorted(group, key=lambda hole: (-sure[hole], hole))


def independent(reader: Reader, group: Sequence[int], around: Mapping[int, Filling], outcome: Outcome) -> None:
    """Read each hole of a group by itself, by one look at its masks."""
    for hole, read in zip(group, reader.glance([Request(hole, around) for hole in group]), strict=True):
        _settle(outcome, hole, read)


def left_to_right(reader: Reader, group: Sequence[int], around: Mapping[int, Filling], outcome: Outcome) -> None:
    """Read the holes of a group in the order of the text, each knowing those before it."""
    for hole in group:
        (read,) = reader.read([Request(hole, _with(around, outcome.chosen))])
        _settle(outcome, hole, read)


def _with(around: Mapping[int, Filling], chosen: Mapping[int, Candidate]) -> dict[int, Filling]:
    return {**around, **{hole: candidate.filling for hole, candidate in chosen.items()}}


def _settle(outcome: Outcome, hole: int, read: Read) -> None:
    outcome.reads[hole] = read
    if read.candidates:
        outcome.chosen[hole] = read.candidates[0]
    else:
        outcome.chosen.pop(hole, None)
