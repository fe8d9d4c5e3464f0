"""The values that decoding passes around: queries for holes, candidates with their features, and posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fillmask.restore.calibration import confidence
from fillmask.restore.decoding.search import BEST_FIRST
from fillmask.restore.decoding.tokenized_context import Filling


@dataclass(frozen=True)
class SearchOptions:
    """How much work is spent on a hole.

    Attributes:
        beam: hypotheses of each number of tokens.
        lengths: numbers of tokens tried, at most.
        coverage: prior probability that the numbers of tokens tried cover.
        finalists: candidates that are rescored; 0 for none.
        correction: weight of −log p([MASK]) in the search.
        order: order in which places are filled, see `search`.
        factorized_beam: beam where every place is read by itself.
    """

    beam: int = 6
    lengths: int = 6
    coverage: float = 0.98
    finalists: int = 16
    correction: float = 1.0
    order: str = BEST_FIRST
    factorized_beam: int = 48


@dataclass(frozen=True)
class Query:
    """A hole to read.

    Attributes:
        hole: its number.
        fillings: what stands in the other holes.
    """

    hole: int
    fillings: Mapping[int, Filling]


@dataclass(frozen=True)
class ReadingCandidate:
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
class Posterior:
    """A hole's candidates, best first, and the log-weight of "none of these" with its features."""

    candidates: tuple[ReadingCandidate, ...]
    none: float
    none_features: tuple[float, ...]

    def probabilities(self) -> tuple[list[float], float]:
        """Probabilities of the candidates, and of none of them."""
        return confidence.probabilities([c.score for c in self.candidates], self.none)


@dataclass
class DecodingState:
    """What is known of the holes so far.

    Attributes:
        posteriors: the last posterior of each hole, given `best` of the others.
        best: the candidate that stands in each hole.
    """

    posteriors: dict[int, Posterior] = field(default_factory=dict)
    best: dict[int, ReadingCandidate] = field(default_factory=dict)

    def settle(self, hole: int, posterior: Posterior) -> None:
        """Put the best candidate of a posterior into its hole; none where it has no candidates."""
        self.posteriors[hole] = posterior
        if posterior.candidates:
            self.best[hole] = posterior.candidates[0]
        else:
            self.best.pop(hole, None)

    def update(self, other: DecodingState) -> None:
        """Take over what `other` says of its holes."""
        for hole, posterior in other.posteriors.items():
            self.posteriors[hole] = posterior
            self.best.pop(hole, None)
        self.best.update(other.best)
