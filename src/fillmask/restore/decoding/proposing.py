"""Proposals for a hole: texts that fit it, from the model's search, the word list, the lexicon, and targets.

A `Proposer` knows which texts are possible and how likely the search finds
their tokens. It does not rescore or rank them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fillmask.restore.calibration import confidence
from fillmask.restore.calibration.lengths import Lengths
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.listed_words import ListedWord, ListedWords, is_near
from fillmask.restore.decoding.posterior import Query, SearchOptions
from fillmask.restore.decoding.search import SearchQuery, TokenSequence, factorized_search, search
from fillmask.restore.decoding.spelling import readings
from fillmask.restore.decoding.tokenized_context import Filling, Layout, TokenizedContext
from fillmask.restore.decoding.vocabulary import WORDPIECE
from fillmask.restore.word_list import WordList
from fillmask.tokenization.tokenizer import Tokenizer

MAX_TOKENS = 400  # in a hole
_CROSSING = math.log(0.02)  # prior of a token that reaches across the edge of a hole
_MAX_TARGETS = 500
_FULL_BEAM = 4  # tokens; the more tokens, the narrower the beam
_KEPT_SEQUENCES = 24  # finished hypotheses of each number of tokens
_LISTED = 24  # words of the list that a hole keeps, by one look
_UNUSUAL_COUNT = -6.0  # prior of a number of tokens that is not among those tried
_FREQUENCY = 0.5  # weight of a word's log-frequency beside the model's look at it


@dataclass
class Proposal:
    """The ways to spell one text.

    Attributes:
        weights: of each way that the search found, its chain with the prior of its number of tokens, in nats; empty for
            a text that the search did not find.
        chain: of the likeliest way, without the prior, in nats; an estimate where the search did not find the text.
        prior: log-prior of its number of tokens.
        masks: the sum of log p([MASK]) along the search.
        filling: the likeliest tokens.
    """

    weights: list[float]
    chain: float
    prior: float
    masks: float
    filling: Filling

    @property
    def total(self) -> float:
        """Log-sum of the weights; −inf for a text that the search did not find."""
        return float(np.logaddexp.reduce(self.weights)) if self.weights else -math.inf


Proposals = dict[str, Proposal]


class Proposer:
    """Proposes texts for the holes of a context.

    Args:
        lexicon: names and terms that are proposed wherever they fit.
        words: the word list; None for none.
    """

    def __init__(
        self,
        scorer: CachedScorer,
        tokenizer: Tokenizer,
        context: TokenizedContext,
        lengths: Lengths,
        options: SearchOptions,
        lexicon: Sequence[str] = (),
        words: WordList | None = None,
    ) -> None:
        self._scorer = scorer
        self._tokenizer = tokenizer
        self._context = context
        self._lengths = lengths
        self._options = options
        self._lexicon = lexicon
        self._traits = [confidence.traits(hole) for hole in context.holes]
        self._counts: dict[tuple[int, Layout], list[tuple[int, float]]] = {}
        self._unread: dict[int, Filling] = {}
        self._listed = None if words is None else ListedWords(words, tokenizer, context)

    def token_counts(self, hole: int, layout: Layout) -> list[tuple[int, float]]:
        """Numbers of tokens to try, with the logarithm of their prior, likeliest first."""
        key = (hole, layout)
        if key not in self._counts:
            self._counts[key] = self._likely_counts(hole, layout)
        return self._counts[key]

    def _likely_counts(self, hole: int, layout: Layout) -> list[tuple[int, float]]:
        limit = min(MAX_TOKENS, self._context.limit - 2)
        prior = [(k, p) for k, p in self._lengths.tokens(self._context.holes[hole]) if k <= limit]
        automaton = self._context.token_automaton(layout)
        largest = max((k for k, _ in prior), default=1)
        possible = set(automaton.lengths(largest, self._scorer.check))
        counts: list[tuple[int, float]] = []
        covered = 0.0
        for k, p in prior:
            if k in possible and k > 0:
                counts.append((k, p))
            covered += math.exp(p)
            if len(counts) >= self._options.lengths or (counts and covered > self._options.coverage):
                break
        if not counts:  # letters that no usual number of tokens spells
            counts = [(k, -2.0 * n) for n, k in enumerate(k for k in automaton.lengths(limit) if k > 0)][:2]
        return counts[:1] if layout.crosses else counts

    def masks(self, hole: int) -> Filling:
        """An unread hole: masks, in the likeliest number."""
        if hole not in self._unread:
            count = min(self._lengths.tokens(self._context.holes[hole])[0][0], MAX_TOKENS)
            self._unread[hole] = Filling(self._context.plain(hole), (self._scorer.mask,) * count)
        return self._unread[hole]

    def spell(self, hole: int, text: str) -> Filling:
        """A text in the hole, as the tokenizer writes it."""
        layout = self._context.plain(hole)
        written = text if self._context.vocabulary.kind == WORDPIECE else layout.region.lead + text
        return Filling(layout, tuple(self._tokenizer.encode(written, add_special_tokens=False)))

    def required(self, hole: int) -> list[str]:
        """Texts that are candidates whatever the search finds.

        The targets of the hole, or the letters as the source writes them and the texts of the lexicon that fit.
        """
        constraint = self._context.holes[hole]
        if constraint.targets is not None:
            return [text for text in constraint.targets if constraint.admits(text)][:_MAX_TARGETS]
        written = [] if constraint.transcription is None else [constraint.transcription]
        fitting = [text for text in self._lexicon if constraint.admits(text)][:_MAX_TARGETS]
        return [*written, *(text for text in fitting if text not in written)]

    def decided(self, hole: int) -> bool:
        """Whether the word list alone says what may stand in the hole, so that no search is needed."""
        return self._listed is not None and self._listed.decides(hole)

    def by_search(self, queries: Sequence[Query]) -> list[Proposals]:
        """Proposals of the beam search and the word list, for each query."""
        proposals: list[Proposals] = [{} for _ in queries]
        jobs: list[SearchQuery] = []
        origins: list[tuple[int, Layout, float]] = []
        for number, query in enumerate(queries):
            if self._context.holes[query.hole].targets is not None or self.decided(query.hole):
                continue
            for layout in self._context.layouts[query.hole]:
                for count, prior in self.token_counts(query.hole, layout):
                    around = self._context.around(query.hole, layout, query.fillings, count)
                    beam, keep = self._beam(query.hole, layout, count), 2 if layout.crosses else _KEPT_SEQUENCES
                    jobs.append(SearchQuery(around, self._context.token_automaton(layout), count, beam, keep))
                    origins.append((number, layout, prior + (_CROSSING if layout.crosses else 0.0)))
        results = search(self._scorer, jobs, order=self._options.order, correction=self._options.correction)
        for (number, layout, prior), sequences in zip(origins, results, strict=True):
            for sequence in sequences:
                self._add(proposals[number], layout, sequence, prior)
        self._add_listed(queries, proposals)
        for query, texts in zip(queries, proposals, strict=True):
            self._drop_far(query.hole, texts)
            self._add_required(query.hole, texts)
        return proposals

    def _drop_far(self, hole: int, proposals: Proposals) -> None:
        """Drop what reads too many letters of an unclear word otherwise."""
        transcription = self._context.holes[hole].transcription
        if transcription is not None:
            for text in [text for text in proposals if not is_near(text, transcription)]:
                del proposals[text]

    def _beam(self, hole: int, layout: Layout, count: int) -> int:
        beam = 2 if layout.crosses else self._options.beam
        if not self._traits[hole].spaces:
            beam *= 2  # surviving letters leave much to a few rare tokens, and little to read
        return max(1, beam * _FULL_BEAM // count) if count > _FULL_BEAM else beam

    def by_one_look(self, queries: Sequence[Query], beam: int | None = None) -> list[Proposals]:
        """Proposals of the product of each place's probabilities, one row of the model for each number of tokens."""
        origins: list[tuple[int, Layout, int, float]] = []
        rows = []
        for number, query in enumerate(queries):
            for layout in self._context.layouts[query.hole]:
                if layout.crosses:
                    continue
                for count, prior in self.token_counts(query.hole, layout):
                    origins.append((number, layout, count, prior))
                    around = self._context.around(query.hole, layout, query.fillings, count)
                    rows.append(around.row((self._scorer.mask,) * count, range(count)))
        proposals: list[Proposals] = [{} for _ in queries]
        for index, answers in self._scorer.log_probabilities(rows):
            number, layout, count, prior = origins[index]
            automaton = self._context.token_automaton(layout)
            width = beam or self._options.factorized_beam
            for sequence in factorized_search(answers, automaton, count, width, self._scorer.mask):
                self._add(proposals[number], layout, sequence, prior)
        return proposals

    def _add(self, proposals: Proposals, layout: Layout, sequence: TokenSequence, prior: float) -> None:
        weight = sequence.chain + prior
        filling = Filling(layout, sequence.tokens)
        for text in readings(self._context.vocabulary, layout.region, sequence.tokens):
            proposal = proposals.get(text)
            if proposal is None:
                proposals[text] = Proposal([weight], sequence.chain, prior, sequence.masks, filling)
                continue
            proposal.weights.append(weight)
            if weight > proposal.chain + proposal.prior:
                proposal.chain, proposal.prior, proposal.masks = sequence.chain, prior, sequence.masks
                proposal.filling = filling

    def _add_required(self, hole: int, proposals: Proposals) -> None:
        for text in self.required(hole):
            if text not in proposals:
                filling = self.spell(hole, text)
                proposals[text] = Proposal([], -math.inf, self._prior(hole, filling), 0.0, filling)

    def _prior(self, hole: int, filling: Filling) -> float:
        return dict(self.token_counts(hole, filling.layout)).get(len(filling.tokens), _UNUSUAL_COUNT)

    def _add_listed(self, queries: Sequence[Query], proposals: list[Proposals]) -> None:
        """Add the words of the list that fit, the best by one look at their masks."""
        if self._listed is None:
            return
        rows, origins = [], []
        for number, query in enumerate(queries):
            if self._context.holes[query.hole].targets is not None:
                continue
            if self.decided(query.hole):
                for word in self._listed.words(query.hole):
                    self._add_word(query.hole, proposals[number], word, -math.inf)
                continue
            layout = self._context.plain(query.hole)
            for count in self._listed.token_counts(query.hole):
                around = self._context.around(query.hole, layout, query.fillings, count)
                rows.append(around.row((self._scorer.mask,) * count, range(count)))
                origins.append((number, query.hole, count))
        looks: list[list[tuple[float, float, ListedWord]]] = [[] for _ in queries]
        for index, answers in self._scorer.log_probabilities(rows):
            number, hole, count = origins[index]
            words = self._listed.words_of(hole, count)
            tokens = np.array([word.tokens for word in words])
            chains = answers[np.arange(count), tokens].sum(axis=1)
            prior = dict(self.token_counts(hole, self._context.plain(hole))).get(count, _UNUSUAL_COUNT)
            values = chains + prior + _FREQUENCY * np.array([word.log_frequency for word in words])
            looks[number] += [
                (float(values[n]), float(chains[n]), words[n]) for n in np.argsort(-values, kind="stable")[:_LISTED]
            ]
        for query, texts, look in zip(queries, proposals, looks, strict=True):
            for _, chain, word in sorted(look, key=lambda item: (-item[0], item[2].text))[:_LISTED]:
                self._add_word(query.hole, texts, word, chain)

    def _add_word(self, hole: int, proposals: Proposals, word: ListedWord, chain: float) -> None:
        if word.text not in proposals:
            filling = Filling(self._context.plain(hole), word.tokens)
            proposals[word.text] = Proposal([], chain, self._prior(hole, filling), 0.0, filling)
