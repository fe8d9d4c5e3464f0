"""Token sequences for one hole: a beam over masked places, best place first.

A hypothesis is a row of tokens, some still masked. Each step asks the model for
every hypothesis at once, picks a place in each, and fills it with the best
tokens that the hole's automaton admits there, given what is chosen to the left
and to the right. In best-first order the place is the one whose best token is
likeliest (Brooks 2024 gives the score: with Hammersley, Clifford and Besag's
theorem, log p(x) − log p([MASK]) at each step makes the sum independent of the
order, were the conditionals consistent, and needs no further pass of the
model: p([MASK]) stands in the same row of answers). `correction` weighs that
term, 0 for the plain beam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.token_automaton import TokenAutomaton
from fillmask.restore.decoding.tokenized_context import Surroundings
from fillmask.restore.decoding.trie import Ids
from fillmask.runtime.engines import Floats

BEST_FIRST, LEFT_TO_RIGHT = "best-first", "left-to-right"


@dataclass(frozen=True)
class SearchQuery:
    """So many tokens to be found for a hole.

    Attributes:
        around: the tokens round the hole.
        token_automaton: what they have to spell.
        count: how many tokens.
        beam: hypotheses to keep while places are open.
        keep: finished ones to return; they cost nothing more.
    """

    around: Surroundings
    token_automaton: TokenAutomaton
    count: int
    beam: int
    keep: int = 1


@dataclass(frozen=True)
class TokenSequence:
    """Tokens that fill a hole.

    Attributes:
        tokens: in the order of the text.
        chain: the sum of log p(token | what was chosen before it), in nats.
        masks: the sum of log p([MASK]) in the same places at the same steps.
    """

    tokens: tuple[int, ...]
    chain: float
    masks: float


@dataclass(frozen=True)
class _Partial:
    tokens: tuple[int | None, ...]
    chain: float = 0.0
    masks: float = 0.0

    def places(self) -> list[int]:
        return [place for place, token in enumerate(self.tokens) if token is None]


def search(
    scorer: CachedScorer, queries: Sequence[SearchQuery], *, order: str = BEST_FIRST, correction: float = 1.0
) -> list[list[TokenSequence]]:
    """The best token sequences of each query, best first; none where the automaton admits none of that length.

    Args:
        order: `BEST_FIRST` or `LEFT_TO_RIGHT`.
        correction: weight of −log p([MASK]).
    """
    beams: list[list[_Partial]] = [
        [_Partial((None,) * query.count)] if _possible(query.token_automaton, query.count) else [] for query in queries
    ]
    while True:
        open_items = [(n, item) for n, beam in enumerate(beams) for item in beam if None in item.tokens]
        if not open_items:
            break
        rows = []
        for n, item in open_items:
            shown = [scorer.mask if token is None else token for token in item.tokens]
            places = item.places() if order == BEST_FIRST else item.places()[:1]
            rows.append(queries[n].around.row(shown, places))
        grown: dict[int, dict[tuple[int | None, ...], _Partial]] = {}
        for index, answers in scorer.log_probabilities(rows):
            n, item = open_items[index]
            places = item.places() if order == BEST_FIRST else item.places()[:1]
            into = grown.setdefault(n, {})
            width = _width(queries[n], item)
            for new in _grow(item, places, answers, queries[n].token_automaton, width, scorer.mask, correction):
                old = into.get(new.tokens)
                if old is None or _score(new, correction) > _score(old, correction):
                    into[new.tokens] = new
        for n, beam in enumerate(beams):
            if beam and None in beam[0].tokens:
                beams[n] = _best(list(grown.get(n, {}).values()), _width(queries[n], beam[0]), correction)
    return [
        [TokenSequence(tuple(t for t in item.tokens if t is not None), item.chain, item.masks) for item in beam]
        for beam in beams
    ]


def _width(query: SearchQuery, item: _Partial) -> int:
    """How many hypotheses to keep when one more place of this one is filled."""
    return max(query.beam, query.keep) if item.tokens.count(None) == 1 else query.beam


def _possible(token_automaton: TokenAutomaton, count: int) -> bool:
    lefts, _ = token_automaton.frontier([None] * count)
    return bool((lefts[-1] & token_automaton.accepting).any())


def _score(item: _Partial, correction: float) -> float:
    return item.chain - correction * item.masks


def _best(items: list[_Partial], count: int, correction: float) -> list[_Partial]:
    # Of equals, the one with the lower tokens: answers must not depend on the order of batches.
    return sorted(items, key=lambda i: (-_score(i, correction), [-1 if t is None else t for t in i.tokens]))[:count]


def _grow(
    item: _Partial,
    places: Sequence[int],
    answers: Floats,
    token_automaton: TokenAutomaton,
    width: int,
    mask: int,
    correction: float,
) -> list[_Partial]:
    """The hypothesis with one more place filled, in each of the best ways."""
    lefts, rights = token_automaton.frontier(item.tokens)
    best: tuple[float, int, Ids, Floats] | None = None
    # No place is surer than its best token of all; so those that cannot be surest are not looked at.
    bounds = answers.max(axis=1) - correction * answers[:, mask]
    for number in np.argsort(-bounds, kind="stable").tolist():
        if best is not None and bounds[number] <= best[0]:
            break
        row, place = answers[number], places[number]
        tokens_here = token_automaton.best(row, lefts[place], rights[place + 1], width)
        confidence = float(row[tokens_here[0]] - correction * row[mask])
        if best is None or confidence > best[0]:
            best = confidence, place, tokens_here, row
    assert best is not None
    _, place, tokens_here, row = best
    grown = []
    for value, token in zip(row[tokens_here].tolist(), tokens_here.tolist(), strict=True):
        tokens = (*item.tokens[:place], token, *item.tokens[place + 1 :])
        grown.append(_Partial(tokens, item.chain + value, item.masks + float(row[mask])))
    return grown


def factorized_search(
    answers: Floats, token_automaton: TokenAutomaton, count: int, beam: int, mask: int
) -> list[TokenSequence]:
    """Token sequences by the product of their places' probabilities, each place read with all others masked.

    Args:
        answers: log-probabilities of the places, (count, vocabulary).
        beam: sequences to keep while going from left to right.
    """
    if not _possible(token_automaton, count):
        return []
    _, rights = token_automaton.frontier([None] * count)
    items = [(_Partial(()), token_automaton.start)]
    for place, row in enumerate(answers):
        grown = []
        for item, left in items:
            tokens_here = token_automaton.best(row, left, rights[place + 1], beam)
            for value, token in zip(row[tokens_here].tolist(), tokens_here.tolist(), strict=True):
                new = _Partial((*item.tokens, token), item.chain + value, item.masks + float(row[mask]))
                grown.append((new, left))
        best = set(_best([new for new, _ in grown], beam, 0.0))
        items = [(new, token_automaton.after(left, new.tokens[-1])) for new, left in grown if new in best]
    return [
        TokenSequence(tuple(t for t in item.tokens if t is not None), item.chain, item.masks)
        for item in _best([item for item, _ in items], beam, 0.0)
    ]
