"""From proposals to a posterior: features, the fitted score, the lexicon, and the probability of "none of these"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fillmask.restore.calibration import confidence
from fillmask.restore.calibration.confidence import CandidateEvidence, ConfidenceWeights
from fillmask.restore.calibration.lengths import about, expected_length
from fillmask.restore.damage import Hole, Known
from fillmask.restore.decoding.posterior import Posterior, ReadingCandidate
from fillmask.restore.decoding.proposing import Proposal, Proposals
from fillmask.restore.decoding.rescoring import Rescorer
from fillmask.restore.decoding.tokenized_context import TokenizedContext
from fillmask.restore.word_list import WordList, words_of

_CHAIN = confidence.CANDIDATE.index("chain")
_EXPECTED = 4  # candidates that stand for what the model expects in a hole


class Ranker:
    """Scores the candidates of a context's holes and turns them into posteriors.

    Args:
        weights: of the features.
        words: the word list; None for none.
        lexicon: names and terms that are preferred.
    """

    def __init__(
        self,
        context: TokenizedContext,
        rescorer: Rescorer,
        weights: ConfidenceWeights,
        words: WordList | None = None,
        lexicon: Sequence[str] = (),
    ) -> None:
        self._context = context
        self._rescorer = rescorer
        self._weights = weights
        self._words = words
        self._names = {word.casefold() for entry in lexicon for word in entry.split()}
        self._traits = [confidence.traits(hole) for hole in context.holes]

    def in_lexicon(self, text: str) -> bool:
        """Whether all words of a text are the lexicon's."""
        return bool(self._names) and all(word.strip(".,;:!?").casefold() in self._names for word in text.split())

    def preliminary(self, hole: int, text: str, proposal: Proposal) -> float:
        """The score of a proposal that was not rescored; −inf where nothing is known of its tokens."""
        if proposal.chain == -math.inf:
            return -math.inf
        return self._candidate(hole, text, proposal, proposal.chain).score

    def posterior(self, hole: int, proposals: Proposals, rescored: Mapping[str, float]) -> Posterior:
        """The posterior over the proposals that were rescored.

        Args:
            rescored: pseudo-log-likelihood of each text, in nats.
        """
        candidates = [self._candidate(hole, text, proposals[text], pll) for text, pll in rescored.items()]
        candidates.sort(key=lambda c: (-c.score, c.text))
        chains = [candidate.features[_CHAIN] for candidate in candidates]
        features = confidence.none_features(self._traits[hole], chains)
        none = math.fsum(w * x for w, x in zip(self._weights.none, features, strict=True))
        if self._context.holes[hole].targets is not None and candidates:
            none = -math.inf  # the caller says that it is one of these
        candidates, none = self._with_lexicon(candidates, none, rescored)
        return Posterior(tuple(candidates), none, features)

    def _candidate(self, hole: int, text: str, proposal: Proposal, pll: float) -> ReadingCandidate:
        constraint = self._context.holes[hole]
        # Of a text that the search did not find, the second opinion stands for the first.
        chain = proposal.total if proposal.weights else pll + proposal.prior
        features = confidence.candidate_features(
            self._traits[hole],
            CandidateEvidence(
                text=text,
                tokens=len(proposal.filling.tokens),
                chain=chain,
                pll=pll,
                masks=proposal.masks,
                unlisted=self._unlisted(text),
                changed=self._changed(constraint, text, proposal),
            ),
        )
        score = math.fsum(w * x for w, x in zip(self._weights.candidate, features, strict=True))
        if (expected := expected_length(constraint)) is not None:
            score += about(len(text), expected)
        return ReadingCandidate(text, proposal.filling, features, score)

    def _changed(self, hole: Hole, text: str, proposal: Proposal) -> float:
        if not any(isinstance(element, Known) and not element.certain for element in hole.elements):
            return 0.0
        if text == hole.transcription:
            return 0.0
        automaton = self._context.token_automaton(proposal.filling.layout)
        return confidence.changed_letters(hole, text, automaton.oddity(proposal.filling.tokens))

    def _unlisted(self, text: str) -> int:
        """How many words of a text the word list lacks."""
        if self._words is None:
            return 0
        return sum(self._words.log_frequency(word) is None for word in words_of(text))

    def _with_lexicon(
        self, candidates: list[ReadingCandidate], none: float, rescored: Mapping[str, float]
    ) -> tuple[list[ReadingCandidate], float]:
        """The candidates given the lexicon; without a lexicon, as they are."""
        numbers = [n for n, candidate in enumerate(candidates) if self.in_lexicon(candidate.text)]
        if not numbers:
            return candidates, none
        scores = [candidate.score for candidate in candidates]
        expected = sorted(range(len(scores)), key=lambda n: -scores[n])[:_EXPECTED]
        compared = [*numbers, *expected]
        alone = self._rescorer.alone([candidates[n].filling for n in compared])
        # How much likelier the context makes a reading than it is by itself.
        gains = {n: rescored[candidates[n].text] - value for n, value in zip(compared, alone, strict=True)}
        shares, _ = confidence.probabilities([scores[n] for n in expected], -math.inf)
        usual = math.fsum(share * gains[n] for n, share in zip(expected, shares, strict=True))
        named = {n: gains[n] - usual for n in numbers}
        mass = float(np.logaddexp.reduce([candidate.features[_CHAIN] for candidate in candidates]))
        scores, none = confidence.with_lexicon(scores, none, named, mass)
        lifted = [replace(candidate, score=score) for candidate, score in zip(candidates, scores, strict=True)]
        return sorted(lifted, key=lambda c: (-c.score, c.text)), none
