"""Gibbs sampling: tokens of the holes are hidden one at a time and drawn anew, given all others.

Some chains a hole, of its likeliest numbers of tokens, start from one look at
the masks. Each sweep draws every token once from what the hole's machine
admits there (Wang & Cho 2019, without mixing lengths in a chain). What a chain
visits after a few sweeps are the candidates, judged as in the joint strategy.
The draws depend on the text alone: they are the same every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fillmask.restore.decoding.reader import Reader, Request
from fillmask.restore.decoding.strategies import Outcome
from fillmask.restore.decoding.tokenized_context import Filling, Layout

_CHAINS = 4  # of one number of tokens
_SWEEPS = 6
_FIRST = 2  # sweeps that are not counted
_MOST = 32  # candidates


def gibbs(reader: Reader, group: Sequence[int], around: Mapping[int, Filling], outcome: Outcome) -> None:
    """Read the holes of a group by sampling, each in the light of the last reading of the others; into `outcome`."""
    fillings = dict(around)
    for hole in group:
        request = Request(hole, fillings)
        read = reader.sampled(request, _walk(reader, request))
        outcome.reads[hole] = read
        if read.candidates:
            outcome.chosen[hole] = read.candidates[0]
            fillings[hole] = read.candidates[0].filling


def _walk(reader: Reader, request: Request) -> list[tuple[Layout, tuple[int, ...], float]]:
    """The distinct states that the chains visit."""
    frame, asker = reader.frame, reader.asker
    layout = frame.layouts[request.hole][0]
    machine = frame.machine(layout)
    rng = np.random.default_rng([request.hole, len(frame.holes)])
    chains = reader.seeds(request, layout, _CHAINS)
    visited: dict[tuple[int, ...], tuple[int, float]] = {}
    for sweep in range(_SWEEPS):
        longest = max((count for count, _, _ in chains), default=0)
        for place in range(longest):
            rows, moving = [], []
            for chain in chains:
                count, _, tokens = chain
                if place < count:
                    shown = [*tokens[:place], asker.mask, *tokens[place + 1 :]]
                    rows.append(frame.around(request.hole, layout, request.fillings, count).row(shown, [place]))
                    moving.append(chain)
            answers = {index: found[0].copy() for index, found in asker.ask(rows)}
            for index, (_, _, tokens) in enumerate(moving):
                free: list[int | None] = [*tokens[:place], None, *tokens[place + 1 :]]
                lefts, rights = machine.frontier(free)
                admitted = machine.admitted(lefts[place], rights[place + 1])
                values = answers[index][admitted].astype(np.float64)
                weights = np.exp(values - values.max())
                tokens[place] = int(admitted[rng.choice(len(admitted), p=weights / weights.sum())])
        if sweep >= _FIRST:
            for _, prior, tokens in chains:
                visited[tuple(tokens)] = visited.get(tuple(tokens), (0, 0.0))[0] + 1, prior
    most = sorted(visited.items(), key=lambda item: (-item[1][0], item[0]))[:_MOST]
    return [(layout, tokens, prior) for tokens, (_, prior) in most]
