"""Reads holes: proposes texts, rescores the best of them, and ranks them into a posterior."""

from __future__ import annotations

from collections.abc import Sequence

from fillmask.restore.calibration.confidence import ConfidenceWeights
from fillmask.restore.calibration.lengths import Lengths
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.posterior import Posterior, Query, SearchOptions
from fillmask.restore.decoding.proposing import Proposals, Proposer
from fillmask.restore.decoding.ranking import Ranker
from fillmask.restore.decoding.rescoring import Rescorer
from fillmask.restore.decoding.tokenized_context import Filling, TokenizedContext
from fillmask.restore.word_list import WordList
from fillmask.tokenization.tokenizer import Tokenizer

_RESCORED_TOKENS = 80  # of the finalists of a hole, about: a row of the model each
_FEWEST_FINALISTS = 8  # unless they have hundreds of tokens
_MOST_RESCORED_TOKENS = 200


class HoleDecoder:
    """Reads the holes of a context.

    Args:
        lengths: priors of lengths.
        weights: of the features.
        lexicon: names and terms that are proposed wherever they fit, and preferred.
        words: the word list; None for none.
    """

    def __init__(
        self,
        scorer: CachedScorer,
        tokenizer: Tokenizer,
        context: TokenizedContext,
        lengths: Lengths,
        weights: ConfidenceWeights,
        options: SearchOptions,
        lexicon: Sequence[str] = (),
        words: WordList | None = None,
    ) -> None:
        self.scorer = scorer
        self.context = context
        self.options = options
        lexicon = tuple(dict.fromkeys(lexicon))
        # Listed words are proposed unscored; only rescoring makes them comparable with what the search finds.
        listed = words if options.finalists else None
        self._proposer = Proposer(scorer, tokenizer, context, lengths, options, lexicon, listed)
        self._rescorer = Rescorer(scorer, context)
        self._ranker = Ranker(context, self._rescorer, weights, words, lexicon)

    def masks(self, hole: int) -> Filling:
        """An unread hole: masks, in the likeliest number."""
        return self._proposer.masks(hole)

    def spell(self, hole: int, text: str) -> Filling:
        """A text in the hole, as the tokenizer writes it."""
        return self._proposer.spell(hole, text)

    def read(self, queries: Sequence[Query]) -> list[Posterior]:
        """The posterior of each query's hole, from a search whose best results are rescored."""
        proposals = self._proposer.by_search(queries)
        if self.options.finalists == 0:
            return self._unless_given(queries, self._not_rescored(queries, proposals))
        return self._rescored(queries, proposals)

    def decode_independently(self, queries: Sequence[Query], *, beam: int | None = None) -> list[Posterior]:
        """The posterior of each query's hole by one look at its masks, each token independent of the others."""
        return self._unless_given(queries, self._not_rescored(queries, self._proposer.by_one_look(queries, beam)))

    def _unless_given(self, queries: Sequence[Query], posteriors: Sequence[Posterior]) -> list[Posterior]:
        """The posteriors; a hole with targets, or with all its letters, is always rescored, whatever the strategy."""
        return [
            posterior
            if self.context.holes[query.hole].targets is None and self.context.holes[query.hole].transcription is None
            else self._rescored([query], self._proposer.by_search([query]))[0]
            for query, posterior in zip(queries, posteriors, strict=True)
        ]

    def _not_rescored(self, queries: Sequence[Query], proposals: Sequence[Proposals]) -> list[Posterior]:
        """Without a second opinion, the first one counts twice."""
        return [
            self._ranker.posterior(query.hole, texts, {text: p.chain for text, p in texts.items() if p.weights})
            for query, texts in zip(queries, proposals, strict=True)
        ]

    def _rescored(self, queries: Sequence[Query], proposals: Sequence[Proposals]) -> list[Posterior]:
        finalists = [self._finalists(query.hole, texts) for query, texts in zip(queries, proposals, strict=True)]
        wanted = [
            (query, texts[text].filling)
            for query, texts, of_query in zip(queries, proposals, finalists, strict=True)
            for text in of_query
        ]
        values = iter(self._rescorer.in_context(wanted))
        return [
            self._ranker.posterior(
                query.hole,
                texts,
                {text: next(values) for text in of_query},
            )
            for query, texts, of_query in zip(queries, proposals, finalists, strict=True)
        ]

    def _finalists(self, hole: int, proposals: Proposals) -> list[str]:
        """The texts to rescore: the first few, fewer where they are long, and those that are always candidates."""
        scores = {text: self._ranker.preliminary(hole, text, proposal) for text, proposal in proposals.items()}
        best = sorted(proposals, key=lambda text: (-scores[text], text))
        required = {*self._proposer.required(hole)}
        first: list[str] = []
        tokens = 0
        for text in best[: self.options.finalists]:
            tokens += len(proposals[text].filling.tokens)
            if first and tokens > (_RESCORED_TOKENS if len(first) >= _FEWEST_FINALISTS else _MOST_RESCORED_TOKENS):
                break
            first.append(text)
        return first + [t for t in best[len(first) :] if t in required or self._ranker.in_lexicon(t)]
