"""Read holes: for each, the candidates of every length and layout, scored.

A reading of a hole is found in three steps: the search of `search` for each
likely number of tokens, the sum of what spells the same text, and a second
opinion on the best of them, their pseudo-log-likelihood in the text around
(word-l2r of Kauf & Ivanova 2023: a token is read with the later tokens of its
word hidden, and the other words of the reading in sight).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fillmask.restore.calibration import confidence
from fillmask.restore.calibration.confidence import Weights
from fillmask.restore.calibration.lengths import Lengths, about, expected_length
from fillmask.restore.damage import Hole
from fillmask.restore.decoding.cached_scorer import Asker
from fillmask.restore.decoding.search import BEST_FIRST, Found, Job, search, spread
from fillmask.restore.decoding.spelling import readings
from fillmask.restore.decoding.tokenized_context import Filling, Frame, Layout, Surroundings
from fillmask.restore.decoding.vocabulary import WORDPIECE
from fillmask.tokenization.tokenizer import Tokenizer

_CROSSING = math.log(0.02)  # prior of a token that reaches across the edge of a hole
_MOST_TARGETS = 500
_MOST_TOKENS = 400  # in a hole
_FULL_BEAM = 4  # tokens; the more there are, the narrower the beam
_JUDGED = 80  # tokens of the finalists of a hole, about: a row of the model each
_FEWEST = 8  # finalists, unless they are of hundreds of tokens
_MOST_JUDGED = 200  # tokens
_CHAIN = confidence.CANDIDATE.index("chain")
_EXPECTED = 4  # candidates that stand for what the model expects in a hole
_KEEP = 24  # finished hypotheses of each number of tokens


@dataclass(frozen=True)
class Options:
    """How hard to look.

    Attributes:
        beam: hypotheses of each number of tokens.
        lengths: numbers of tokens tried, at most.
        coverage: prior probability that the numbers tried are to cover.
        finalists: candidates that get a second opinion.
        correction: weight of −log p([MASK]) in the search.
        order: of the places, see `search`.
        spread: beam of the independent reading.
    """

    beam: int = 6
    lengths: int = 6
    coverage: float = 0.98
    finalists: int = 16
    correction: float = 1.0
    order: str = BEST_FIRST
    spread: int = 48


@dataclass(frozen=True)
class Candidate:
    """A reading of a hole.

    Attributes:
        text: as written.
        filling: its likeliest tokens.
        features: see `confidence.CANDIDATE`.
        score: its log-weight.
    """

    text: str
    filling: Filling
    features: tuple[float, ...]
    score: float


@dataclass(frozen=True)
class Read:
    """A hole's candidates, best first, and the log-weight of "none of these" with its features."""

    candidates: tuple[Candidate, ...]
    none: float
    none_features: tuple[float, ...]

    def probabilities(self) -> tuple[list[float], float]:
        """Of the candidates, and of none of them."""
        return confidence.probabilities([c.score for c in self.candidates], self.none)


@dataclass(frozen=True)
class Request:
    """A hole to be read, with what fills the others."""

    hole: int
    fillings: Mapping[int, Filling]


@dataclass
class _Pooled:
    """Ways to spell one text: the sum of their weights, and the likeliest."""

    weights: list[float]
    best: float
    filling: Filling
    found: Found
    prior: float


class Reader:
    """Reads the holes of a frame.

    Args:
        lengths: priors of lengths.
        weights: of the features.
        lexicon: words that are proposed wherever they fit, and preferred.
    """

    def __init__(
        self,
        asker: Asker,
        tokenizer: Tokenizer,
        frame: Frame,
        lengths: Lengths,
        weights: Weights,
        options: Options,
        lexicon: Sequence[str] = (),
    ) -> None:
        self.asker = asker
        self.frame = frame
        self.options = options
        self._tokenizer = tokenizer
        self._lengths = lengths
        self._weights = weights
        self._lexicon = tuple(dict.fromkeys(lexicon))
        self._names = {word.casefold() for entry in self._lexicon for word in entry.split()}
        self._traits = [confidence.traits(hole) for hole in frame.holes]
        self._counts: dict[tuple[int, Layout], list[tuple[int, float]]] = {}
        self._unread: dict[int, Filling] = {}
        self._memory: dict[tuple[tuple[int, ...], int, int], float] = {}

    def counts(self, hole: int, layout: Layout) -> list[tuple[int, float]]:
        """Numbers of tokens to try, with the logarithm of their prior, likeliest first."""
        key = (hole, layout)
        if key not in self._counts:
            self._counts[key] = self._choose(hole, layout)
        return self._counts[key]

    def _choose(self, hole: int, layout: Layout) -> list[tuple[int, float]]:
        most = min(_MOST_TOKENS, self.frame.limit - 2)
        prior = [(k, p) for k, p in self._lengths.tokens(self.frame.holes[hole]) if k <= most]
        machine = self.frame.machine(layout)
        deepest = max((k for k, _ in prior), default=1)
        possible = set(machine.lengths(deepest, self.asker.check))
        chosen: list[tuple[int, float]] = []
        covered = 0.0
        for k, p in prior:
            if k in possible and k > 0:
                chosen.append((k, p))
            covered += math.exp(p)
            if len(chosen) >= self.options.lengths or (chosen and covered > self.options.coverage):
                break
        if not chosen:  # letters that no usual number of tokens spells
            chosen = [(k, -2.0 * n) for n, k in enumerate(k for k in machine.lengths(most) if k > 0)][:2]
        return chosen[:1] if layout.crosses else chosen

    def masks(self, hole: int) -> Filling:
        """The hole as it is while it is unread: masks, as many as are likeliest."""
        if hole not in self._unread:
            count = min(self._lengths.tokens(self.frame.holes[hole])[0][0], _MOST_TOKENS)
            self._unread[hole] = Filling(self.frame.plain(hole), (self.asker.mask,) * count)
        return self._unread[hole]

    def spell(self, hole: int, text: str) -> Filling:
        """A given text in the hole, as the tokenizer writes it."""
        layout = self.frame.plain(hole)
        written = text if self.frame.vocabulary.kind == WORDPIECE else layout.region.lead + text
        tokens = self._tokenizer.encode(written, add_special_tokens=False)
        return Filling(layout, tuple(tokens))

    def read(self, requests: Sequence[Request]) -> list[Read]:
        """The candidates of each request's hole."""
        jobs: list[Job] = []
        asked: list[tuple[int, Layout, float]] = []
        for number, request in enumerate(requests):
            if self.frame.holes[request.hole].targets is not None:
                continue
            for layout in self.frame.layouts[request.hole]:
                for count, prior in self.counts(request.hole, layout):
                    around = self.frame.around(request.hole, layout, request.fillings, count)
                    beam = 2 if layout.crosses else self.options.beam
                    if not self._traits[request.hole].spaces:
                        beam *= 2  # letters that are known leave much to a few rare tokens, and little to read
                    if count > _FULL_BEAM:
                        beam = max(1, beam * _FULL_BEAM // count)
                    jobs.append(Job(around, self.frame.machine(layout), count, beam, 2 if layout.crosses else _KEEP))
                    asked.append((number, layout, prior + (_CROSSING if layout.crosses else 0.0)))
        found = search(self.asker, jobs, order=self.options.order, correction=self.options.correction)
        pools: list[dict[str, _Pooled]] = [{} for _ in requests]
        for (number, layout, prior), sequences in zip(asked, found, strict=True):
            for one in sequences:
                self._pool(pools[number], requests[number].hole, layout, one, prior)
        if self.options.finalists == 0:
            reads = self._unjudged(requests, pools)
            return [self._chosen(request) or read for request, read in zip(requests, reads, strict=True)]
        return self._judged(requests, pools)

    def glance(self, requests: Sequence[Request], *, beam: int | None = None) -> list[Read]:
        """The candidates by one look at each number of masks: each token as if it knew nothing of the others."""
        asked: list[tuple[int, Layout, int, float]] = []
        rows = []
        for number, request in enumerate(requests):
            for layout in self.frame.layouts[request.hole]:
                if layout.crosses:
                    continue
                for count, prior in self.counts(request.hole, layout):
                    asked.append((number, layout, count, prior))
                    around = self.frame.around(request.hole, layout, request.fillings, count)
                    rows.append(around.row((self.asker.mask,) * count, range(count)))
        pools: list[dict[str, _Pooled]] = [{} for _ in requests]
        for index, answers in self.asker.ask(rows):
            number, layout, count, prior = asked[index]
            machine = self.frame.machine(layout)
            for one in spread(answers, machine, count, beam or self.options.spread, self.asker.mask):
                self._pool(pools[number], requests[number].hole, layout, one, prior)
        found = self._unjudged(requests, pools)
        return [self._chosen(request) or read for request, read in zip(requests, found, strict=True)]

    def _chosen(self, request: Request) -> Read | None:
        """A hole whose readings are given has no others: they are judged, by whatever strategy. None for other holes."""
        if self.frame.holes[request.hole].targets is None:
            return None
        (read,) = self._judged([request], [{}])
        return read

    def _unjudged(self, requests: Sequence[Request], pools: Sequence[Mapping[str, _Pooled]]) -> list[Read]:
        """Without a second opinion, the first one counts twice."""
        return [
            self._ranked(request.hole, pool, {text: p.best - p.prior for text, p in pool.items()})
            for request, pool in zip(requests, pools, strict=True)
        ]

    def seeds(self, request: Request, layout: Layout, many: int) -> list[tuple[int, float, list[int]]]:
        """For each number of tokens to try: how many, its prior, and tokens by one look; `many` of each."""
        counts = self.counts(request.hole, layout)
        rows = [
            self.frame.around(request.hole, layout, request.fillings, k).row((self.asker.mask,) * k, range(k))
            for k, _ in counts
        ]
        found: dict[int, list[tuple[int, float, list[int]]]] = {}
        for index, answers in self.asker.ask(rows):
            k, prior = counts[index]
            ways = spread(answers, self.frame.machine(layout), k, many, self.asker.mask)
            found[index] = [(k, prior, list(one.tokens)) for one in ways]
        return [seed for index in sorted(found) for seed in found[index]]

    def sampled(self, request: Request, visited: Sequence[tuple[Layout, tuple[int, ...], float]]) -> Read:
        """Token sequences that a sampler came by, each with its prior, as candidates."""
        pool: dict[str, _Pooled] = {}
        for layout, tokens, prior in visited:
            for text in readings(self.frame.vocabulary, layout.region, tokens):
                if text not in pool:
                    filling = Filling(layout, tokens)
                    pool[text] = _Pooled([], -math.inf, filling, Found(tokens, 0.0, 0.0), prior)
        (read,) = self._judged([request], [pool])
        return read

    def _pool(self, pool: dict[str, _Pooled], hole: int, layout: Layout, found: Found, prior: float) -> None:
        weight = found.chain + prior
        for text in readings(self.frame.vocabulary, layout.region, found.tokens):
            old = pool.get(text)
            filling = Filling(layout, found.tokens)
            if old is None:
                pool[text] = _Pooled([weight], weight, filling, found, prior)
                continue
            old.weights.append(weight)
            if weight > old.best:
                old.best, old.filling, old.found, old.prior = weight, filling, found, prior

    def _judged(self, requests: Sequence[Request], pools: list[dict[str, _Pooled]]) -> list[Read]:
        wanted: list[tuple[int, str, Filling]] = []
        for number, (request, pool) in enumerate(zip(requests, pools, strict=True)):
            given = self._given(request.hole)
            for text in given:
                if text not in pool:
                    filling = self.spell(request.hole, text)
                    pool[text] = _Pooled([], -math.inf, filling, Found(filling.tokens, 0.0, 0.0), 0.0)
            best = sorted(pool, key=lambda text: (-self._preliminary(request.hole, text, pool[text]), text))
            judged = _finalists(best, pool, self.options.finalists)
            rest = best[len(judged) :]
            judged += [text for text in rest if not pool[text].weights or text in given or self._named(text)]
            wanted += [(number, text, pool[text].filling) for text in judged]
        plls = self.pseudo_log_likelihoods([(requests[n], filling) for n, _, filling in wanted])
        opinions: list[dict[str, float]] = [{} for _ in requests]
        for (number, text, filling), pll in zip(wanted, plls, strict=True):
            opinions[number][text] = pll
            pooled = pools[number][text]
            if not pooled.weights:  # given, and not found: the second opinion stands for the first
                prior = dict(self.counts(requests[number].hole, filling.layout)).get(len(filling.tokens), -6.0)
                pooled.weights, pooled.prior = [pll + prior], prior
                pooled.found = Found(filling.tokens, pll, 0.0)
        return [
            self._ranked(request.hole, pool, found)
            for request, pool, found in zip(requests, pools, opinions, strict=True)
        ]

    def _given(self, hole: int) -> list[str]:
        where = self.frame.holes[hole]
        if where.targets is not None:
            return [t for t in where.targets if where.admits(t)][:_MOST_TARGETS]
        return [entry for entry in self._lexicon if where.admits(entry)][:_MOST_TARGETS]

    def _named(self, text: str) -> bool:
        """Whether all words of a text are the lexicon's."""
        return bool(self._names) and all(word.strip(".,;:!?").casefold() in self._names for word in text.split())

    def _preliminary(self, hole: int, text: str, pooled: _Pooled) -> float:
        if not pooled.weights:
            return -math.inf
        return self._score(hole, text, self._features(hole, text, pooled, pooled.found.chain), pooled)

    def _features(self, hole: int, text: str, pooled: _Pooled, pll: float) -> tuple[float, ...]:
        return confidence.candidate_features(
            self._traits[hole],
            chain=_total(pooled),
            pll=pll,
            masks=pooled.found.masks,
            tokens=len(pooled.filling.tokens),
            text=text,
        )

    def _score(self, hole: int, text: str, features: tuple[float, ...], pooled: _Pooled) -> float:
        where = self.frame.holes[hole]
        score = math.fsum(w * x for w, x in zip(self._weights.candidate, features, strict=True))
        odd = self.frame.machine(pooled.filling.layout).oddity(pooled.filling.tokens) if _unclear(where) else 0
        score += confidence.ODD * odd
        if (expected := expected_length(where)) is not None:
            score += about(len(text), expected)
        return score

    def _ranked(self, hole: int, pool: Mapping[str, _Pooled], judged: Mapping[str, float]) -> Read:
        candidates = []
        for text, pll in judged.items():
            features = self._features(hole, text, pool[text], pll)
            candidates.append(
                Candidate(text, pool[text].filling, features, self._score(hole, text, features, pool[text]))
            )
        candidates.sort(key=lambda c: (-c.score, c.text))
        features = confidence.none_features(self._traits[hole], [_total(pool[c.text]) for c in candidates])
        none = math.fsum(w * x for w, x in zip(self._weights.none, features, strict=True))
        if self.frame.holes[hole].targets is not None and candidates:
            none = -math.inf  # the caller has said that it is one of these
        candidates, none = self._with_lexicon(candidates, none, judged)
        return Read(tuple(candidates), none, features)

    def _with_lexicon(
        self, candidates: list[Candidate], none: float, judged: Mapping[str, float]
    ) -> tuple[list[Candidate], float]:
        """The candidates with what the lexicon says of them; without a lexicon, as they are."""
        numbers = [n for n, candidate in enumerate(candidates) if self._named(candidate.text)]
        if not numbers:
            return candidates, none
        scores = [candidate.score for candidate in candidates]
        expected = sorted(range(len(scores)), key=lambda n: -scores[n])[:_EXPECTED]
        asked = [*numbers, *expected]
        alone = self._likelihoods([(self.frame.alone, candidates[n].filling.tokens) for n in asked])
        # How much likelier the context makes a reading than it is by itself.
        gains = {n: judged[candidates[n].text] - found for n, found in zip(asked, alone, strict=True)}
        shares, _ = confidence.probabilities([scores[n] for n in expected], -math.inf)
        usual = math.fsum(share * gains[n] for n, share in zip(expected, shares, strict=True))
        named = {n: gains[n] - usual for n in numbers}
        mass = float(np.logaddexp.reduce([candidate.features[_CHAIN] for candidate in candidates]))
        scores, none = confidence.with_lexicon(scores, none, named, mass)
        heard = [replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]
        return sorted(heard, key=lambda c: (-c.score, c.text)), none

    def pseudo_log_likelihoods(self, wanted: Sequence[tuple[Request, Filling]]) -> list[float]:
        """Word-l2r pseudo-log-likelihood of the tokens in each hole, in nats."""
        return self._likelihoods(
            [
                (self.frame.around(request.hole, filling.layout, request.fillings, len(filling.tokens)), filling.tokens)
                for request, filling in wanted
            ]
        )

    def _likelihoods(self, wanted: Sequence[tuple[Surroundings, Sequence[int]]]) -> list[float]:
        rows, owners = [], []
        sums = [0.0] * len(wanted)
        for number, (around, tokens) in enumerate(wanted):
            for place, shown in self._hidden(tokens):
                row = around.row(shown, [place])
                key = (tuple(row.ids), row.positions[0], tokens[place])
                if key in self._memory:
                    sums[number] += self._memory[key]
                else:
                    rows.append(row)
                    owners.append((number, key))
        values = [0.0] * len(rows)
        for index, answers in self.asker.ask(rows):
            values[index] = float(answers[0, owners[index][1][2]])
        for (number, key), value in zip(owners, values, strict=True):
            self._memory[key] = value
            sums[number] += value
        if len(self._memory) > 100_000:
            self._memory.clear()
        return sums

    def _hidden(self, tokens: Sequence[int]) -> list[tuple[int, list[int]]]:
        """For each place, the tokens with it and the later ones of its word masked."""
        vocabulary, mask = self.frame.vocabulary, self.asker.mask
        begins = [vocabulary.begins_word(t, tokens[n - 1] if n else None) for n, t in enumerate(tokens)]
        hidden = []
        for place in range(len(tokens)):
            end = next((n for n in range(place + 1, len(tokens)) if begins[n]), len(tokens))
            hidden.append((place, [*tokens[:place], *[mask] * (end - place), *tokens[end:]]))
        return hidden


def _finalists(best: Sequence[str], pool: Mapping[str, _Pooled], most: int) -> list[str]:
    """The first few texts, fewer where they are long."""
    chosen: list[str] = []
    tokens = 0
    for text in best[:most]:
        tokens += len(pool[text].filling.tokens)
        if chosen and tokens > (_JUDGED if len(chosen) >= _FEWEST else _MOST_JUDGED):
            break
        chosen.append(text)
    return chosen


def _total(pooled: _Pooled) -> float:
    return float(np.logaddexp.reduce(pooled.weights)) if pooled.weights else -math.inf


def _unclear(hole: Hole) -> bool:
    return any(not getattr(element, "certain", True) for element in hole.elements)
