"""From scores to probabilities: how far a reading is to be trusted, and how likely none of them is right.

A hole's candidates compete in a conditional logit. Each has features (what the
model says of it in two ways, how long it is, how well it fits what is known),
whose weighted sum is its score; one more competitor stands for "none of
these", scored by features of the hole. Probabilities are the softmax over all.
The weights are fitted on held-out text (`calibration`), so that of readings
with probability 0.7 seven in ten are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.restore.damage import Hole, Known, Lost

Numbers = npt.NDArray[np.float64]

# Of a candidate: the chain of the search with the prior of its length; its pseudo-log-likelihood; both again where the
# hole may hold several words; −log p([MASK]) along the search; its numbers of tokens and words, and again, with its
# characters, where the length is not known; how many of its words the word list lacks; and how many unclear characters it
# reads otherwise than they look, and whether it reads any so. The frequency of its words, the log-probability of their
# characters, and the frequency of pairs of words with the context did not help (docs/log/decoder.md).
CANDIDATE = (
    "chain",
    "pll",
    "chain_spaces",
    "pll_spaces",
    "correction",
    "tokens",
    "words",
    "tokens_free",
    "words_free",
    "characters_free",
    "unlisted",
    "changed",
    "any_changed",
)
# Of "none of these": a constant; the log-sum of the candidates' chains (how much of what is possible they cover); the
# logarithm of the lost characters; and whether there are several words, no known length, known letters.
NONE = ("constant", "mass", "mass_spaces", "lost", "spaces", "free", "known")

# An unclear letter read otherwise than it looks, and a word with such letters: nine in ten unclear letters are right, a
# wrong one may be any of some ten others, and what an editor reads stands unless something clearly beats it.
_CHANGED, _ANY_CHANGED = -5.0, -2.0
_USUAL_CONFIDENCE = 0.95  # of an unclear letter whose source gives none
_ANY_OTHER = 0.4  # share of the cost of a changed letter that its confidence leaves: which other letter it is
# The prior probability that a hole holds one of the words of the lexicon that fit it, and the most that a context may
# speak for one of them or against it, in nats: what a model says of names that it does not know is rough.
LEXICON = 0.05
LEXICON_CONTEXT = 1.5


@dataclass(frozen=True)
class ConfidenceWeights:
    """Weights of the features, in the order of `CANDIDATE` and `NONE`."""

    candidate: tuple[float, ...]
    none: tuple[float, ...]


# Without a calibration: what fitted a small English model, rounded. The order of readings is sound with it; the
# probabilities of another model are not honest before they are fitted.
PLAIN = ConfidenceWeights(
    (0.45, 0.45, 0, 0, 0, 0, 0, 0, 0, 0, -1, _CHANGED, _ANY_CHANGED),
    (-2.9, 0.5, 0.15, 1.5, 0, 3.3, -7.3),
)


@dataclass(frozen=True)
class Traits:
    """What is known of a hole before it is read.

    Attributes:
        lost: its lost characters, or an estimate of them.
        spaces: whether it may hold several words.
        free: whether nobody knows its length, not even roughly.
        known: share of its characters that survive.
    """

    lost: int
    spaces: bool
    free: bool
    known: float


def traits(hole: Hole) -> Traits:
    """The traits of a hole."""
    lost = [e for e in hole.elements if isinstance(e, Lost)]
    kept = sum(len(e.text) for e in hole.elements if isinstance(e, Known))
    # An estimate counts as the length: what it leaves open is for the candidates of other lengths to share (docs/log).
    free = any(e.most is None and e.about is None for e in lost)
    count = sum(e.about or (e.least if e.most is None else (e.least + e.most) // 2) for e in lost)
    spaces = any(e.spaces for e in lost) or any(" " in e.text for e in hole.elements if isinstance(e, Known))
    return Traits(count, spaces, free, kept / max(1, kept + count))


@dataclass(frozen=True)
class CandidateEvidence:
    """What the model and the word list say of a candidate; logarithms in nats.

    Attributes:
        text: the reading.
        tokens: its number of tokens.
        chain: log-probability of its tokens in the search, with the prior of their number, summed over spellings.
        pll: pseudo-log-likelihood of its tokens.
        masks: the sum of log p([MASK]) along the search.
        unlisted: number of its words that the word list lacks; 0 without a word list.
        changed: see `changed_letters`.
    """

    text: str
    tokens: int
    chain: float
    pll: float
    masks: float = 0.0
    unlisted: int = 0
    changed: float = 0.0


def changed_letters(hole: Hole, text: str, count: int) -> float:
    """How many unclear letters of a hole a text reads otherwise than they look, each by its confidence.

    A letter whose source gives no confidence counts 1, one of which the source is sure more, a doubtful one less.

    Args:
        count: how many they are.
    """
    unclear = [e for e in hole.elements if isinstance(e, Known) and not e.certain]
    if not count or not unclear:
        return 0.0
    written = hole.transcription
    if written is None or len(written) != len(text):
        return count * sum(map(_cost, unclear)) / len(unclear)
    costs = [_cost(e) for e in hole.elements if isinstance(e, Known) for _ in e.text]
    return sum(cost for cost, a, b in zip(costs, written, text, strict=True) if a != b)


def _cost(element: Known) -> float:
    """What it costs to read a letter otherwise, beside a letter without confidence."""
    if element.confidence is None or element.certain:
        return 1.0
    share = min(max(element.confidence, 0.01), 0.99)
    usual = math.log(_USUAL_CONFIDENCE / (1 - _USUAL_CONFIDENCE))
    return _ANY_OTHER + (1 - _ANY_OTHER) * max(0.0, math.log(share / (1 - share))) / usual


def candidate_features(hole: Traits, evidence: CandidateEvidence) -> tuple[float, ...]:
    """The features of a candidate, in the order of `CANDIDATE`."""
    words = evidence.text.count(" ") + 1
    return (
        evidence.chain,
        evidence.pll,
        evidence.chain if hole.spaces else 0.0,
        evidence.pll if hole.spaces else 0.0,
        -evidence.masks / 10,
        float(evidence.tokens),
        float(words),
        float(evidence.tokens) if hole.free else 0.0,
        float(words) if hole.free else 0.0,
        len(evidence.text) / 10 if hole.free else 0.0,
        float(evidence.unlisted),
        evidence.changed,
        float(evidence.changed > 0),
    )


def none_features(hole: Traits, chains: Sequence[float]) -> tuple[float, ...]:
    """The features of "none of these", in the order of `NONE`."""
    mass = float(np.logaddexp.reduce(np.array(chains))) if chains else -30.0
    return (
        1.0,
        mass,
        mass if hole.spaces else 0.0,
        math.log1p(hole.lost),
        float(hole.spaces),
        float(hole.free),
        hole.known,
    )


def probabilities(scores: Sequence[float], none: float) -> tuple[list[float], float]:
    """Softmax of the candidates' scores and the score of "none of these"."""
    values = np.array([*scores, none], np.float64)
    values = np.exp(values - values.max())
    values /= values.sum()
    return values[:-1].tolist(), float(values[-1])


def with_lexicon(
    scores: Sequence[float], none: float, named: Mapping[int, float], mass: float
) -> tuple[list[float], float]:
    """Scores and the score of "none of these" after a lexicon has been heard: logarithms of probabilities.

    The readings come from one of two sources: with probability `LEXICON` the text has a word of the lexicon here, one
    that fits what is known, else what the model expects. What survives in the hole weighs the two: the model's source
    yields something that fits it as seldom as the model expects it, the lexicon's always. The context weighs them too.
    Among each other the lexicon's words have the shares that the model gives them, each by its context.

    Args:
        scores: log-weights of the candidates.
        none: that of "none of these".
        named: of each candidate that is of the lexicon, how much more the context speaks for it than for what the model
            expects, in nats.
        mass: log-probability by the model that something like the candidates stands here.
    """
    shares_of_readings, rest = probabilities(scores, none)
    best = max(scores[n] for n in named)
    shares = {n: math.exp(scores[n] - best) for n in named}
    total = math.fsum(shares.values())
    fitting = {n: max(-LEXICON_CONTEXT, min(named[n], LEXICON_CONTEXT)) for n in named}
    shares = {n: share / total * math.exp(fitting[n]) for n, share in shares.items()}
    lexicon_share = math.fsum(shares.values())
    # The candidates are not all that the model expects: what they leave is the probability of none of them.
    fits = math.exp(min(0.0, mass - math.log(max(1 - rest, 1e-9))))
    lexicon, model = LEXICON * lexicon_share, (1 - LEXICON) * fits
    weight = lexicon / (lexicon + model)
    mixed = [(1 - weight) * p + weight * shares.get(n, 0.0) / lexicon_share for n, p in enumerate(shares_of_readings)]
    return [math.log(max(p, 1e-300)) for p in mixed], math.log((1 - weight) * rest) if rest else -math.inf
