"""Fit what restoring needs to know of a model: priors of lengths, and the weights that make its probabilities honest.

Held-out text is damaged in every way that `samples` knows and read; each hole
gives its candidates' features and which of them is the truth, or that none is.
The weights of the conditional logit (`confidence`) are those under which the
truth is likeliest, found by Newton's method; the fit is convex, so it does not
depend on where it starts. Nothing of the model itself is changed.

Where holes are read in the light of each other, the weights decide what the
others read, and so what there is to be weighed. Such a strategy is fitted
twice: first on a part of the holes, read with rough weights, then on all of
them, read with what that gave. Fitted once, it came out less sure than right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorpusError
from fillmask.restore.calibration.calibration_file import Calibration
from fillmask.restore.calibration.confidence import CANDIDATE, NONE, PLAIN, ConfidenceWeights
from fillmask.restore.calibration.lengths import Lengths, estimate
from fillmask.restore.calibration.samples import KINDS, Documents, Sample, draw
from fillmask.restore.decoding.document_decoder import DecodingSettings, decode, settings_for
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.tokenizer import Tokenizer

Numbers = npt.NDArray[np.float64]

HOLES = 36  # of each kind
FITTED = ("joint", "independent")  # strategies; the others use the joint one's weights
_TWICE = ("joint",)  # strategies in which the weights decide what is read
_PART = 3  # one hole of so many is enough for the first fit
_RIDGE = 1.0  # pull of each weight, in units of its feature's spread, towards the plain one
_STEPS = 50
_LEAST = 100  # holes
_PARAGRAPHS = 2000  # that lengths are counted on


@dataclass(frozen=True, eq=False)
class FittingCase:
    """One hole that was read.

    Attributes:
        kind: of its sample.
        candidates: their features, (candidates, features).
        none: features of "none of these", (features,).
        truth: the candidate that stood there; None where none did.
    """

    kind: str
    candidates: Numbers
    none: Numbers
    truth: int | None


def fit(
    model: MaskedLM,
    documents: Documents,
    *,
    holes: int = HOLES,
    seed: int = 1,
    strategies: Sequence[str] = FITTED,
    kinds: Sequence[str] = KINDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Priors and weights for a model, to be saved beside it with `stored.save`.

    Args:
        documents: text that the model was not trained on; or such texts by source.
        holes: of each kind of damage, about.
        seed: of the damage.
        strategies: those to fit.
        kinds: of damage.
        on_progress: called with the holes done and to be done.

    Raises:
        CorpusError: there is too little text.
    """
    texts = documents if isinstance(documents, Mapping) else {"": list(documents)}
    lengths = lengths_of(model.tokenizer, texts)
    samples = list(draw(texts, kinds=kinds, holes=holes, seed=seed))
    holes_read = sum(len(s.truths) for s in samples)
    passes = [
        (strategy, chosen)
        for strategy in strategies
        for chosen in ([samples[::_PART], samples] if strategy in _TWICE else [samples])
    ]
    total = sum(len(s.truths) for _, chosen in passes for s in chosen)
    weights: dict[str, ConfidenceWeights] = {}
    done = 0
    for strategy, chosen in passes:
        cases: list[FittingCase] = []
        for sample in chosen:
            cases += collect(model, sample, settings_for(strategy), lengths, weights.get(strategy, PLAIN))
            done += len(sample.truths)
            if on_progress is not None:
                on_progress(done, total)
        if chosen is samples and len(cases) < _LEAST:
            raise CorpusError(
                f"the text gave {len(cases)} holes to calibrate on; expected {_LEAST} or more: give more text"
            )
        if cases:
            weights[strategy] = fit_weights(cases)
    sources = {"sources": [*texts]} if len(texts) > 1 else {}
    return Calibration(lengths, weights, {"holes": holes_read, "seed": seed, "kinds": list(kinds), **sources})


def lengths_of(tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]]) -> Lengths:
    """Priors of lengths, counted on some paragraphs of every source."""

    def count(words: list[str]) -> list[int]:
        return [len(ids or ()) for ids in tokenizer.encode_plain([f" {word}" for word in words])]

    share = _PARAGRAPHS // max(1, len(texts))
    paragraphs = (
        p for of_source in texts.values() for p in islice((p for t in of_source for p in t.split("\n")), share)
    )
    return estimate(paragraphs, count)


def collect(
    model: MaskedLM, sample: Sample, settings: DecodingSettings, lengths: Lengths, weights: ConfidenceWeights = PLAIN
) -> list[FittingCase]:
    """The holes of a sample as cases."""
    options = replace(settings.options, finalists=max(20, settings.options.finalists))
    decoded = decode(
        model,
        sample.damaged,
        replace(settings, options=options),
        calibration=Calibration(lengths, {}),
        weights=weights,
    )
    cases = []
    for number, truth in enumerate(sample.truths):
        read = decoded.state.posteriors[number]
        texts = [c.text for c in read.candidates]
        features = np.array([c.features for c in read.candidates], float).reshape(-1, len(CANDIDATE))
        cases.append(
            FittingCase(
                sample.kind, features, np.array(read.none_features), texts.index(truth) if truth in texts else None
            )
        )
    return cases


def fit_weights(cases: Sequence[FittingCase], start: ConfidenceWeights = PLAIN) -> ConfidenceWeights:
    """The weights under which the truth of the cases is likeliest, with a weak pull towards `start`."""
    return ConfidenceWeights(*fit_logit(cases, start.candidate, start.none))


def fit_logit(
    cases: Sequence[FittingCase], candidate: Sequence[float], none: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights of a conditional logit with "none of these", by Newton's method.

    Args:
        candidate, none: the weights towards which those that the cases say little of are pulled.

    Returns:
        The weights of the candidates' features, and those of "none of these".
    """
    spread = np.concatenate(
        [_spread(np.concatenate([c.candidates for c in cases])), _spread(np.array([c.none for c in cases]))]
    )
    origin = np.array([*candidate, *none], float)
    size = len(candidate)
    weights = origin.copy()
    pull = _RIDGE * spread**2
    best = -np.inf
    for _ in range(_STEPS):
        value, gradient, curvature = _likelihood(cases, weights, size)
        gradient -= pull * (weights - origin)
        value -= 0.5 * float(pull @ (weights - origin) ** 2)
        curvature += np.diag(pull)
        if value - best < 1e-6 * abs(value):
            break
        best = value
        step = np.linalg.solve(curvature, gradient)
        # A full step may overshoot where probabilities are near 0 or 1.
        for scale in (1.0, 0.5, 0.25, 0.1, 0.02):
            tried = weights + scale * step
            trial = _likelihood(cases, tried, size)[0] - 0.5 * float(pull @ (tried - origin) ** 2)
            if trial > value:
                weights = tried
                break
    return tuple(map(float, weights[:size])), tuple(map(float, weights[size:]))


def _spread(features: Numbers) -> Numbers:
    spread = np.asarray(features.std(axis=0))
    spread[spread < 1e-6] = 1.0
    return spread


def _likelihood(cases: Sequence[FittingCase], weights: Numbers, size: int) -> tuple[float, Numbers, Numbers]:
    """Log-likelihood of the truths, its gradient, and minus its curvature."""
    value = 0.0
    gradient = np.zeros(len(weights))
    curvature = np.zeros((len(weights), len(weights)))
    for case in cases:
        count = len(case.candidates)
        rows = np.zeros((count + 1, len(weights)))
        rows[:count, :size] = case.candidates
        rows[count, size:] = case.none
        scores = rows @ weights
        scores -= scores.max()
        p = np.exp(scores)
        p /= p.sum()
        truth = count if case.truth is None else case.truth
        mean = p @ rows
        value += float(np.log(max(p[truth], 1e-300)))
        gradient += rows[truth] - mean
        centred = rows - mean
        curvature += (centred * p[:, None]).T @ centred
    return value, gradient, curvature


__all__ = [
    "CANDIDATE",
    "FITTED",
    "HOLES",
    "NONE",
    "FittingCase",
    "collect",
    "fit",
    "fit_logit",
    "fit_weights",
    "lengths_of",
]
