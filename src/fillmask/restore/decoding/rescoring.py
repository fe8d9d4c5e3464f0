"""A second opinion on readings: their pseudo-log-likelihood in the text around them.

Word-l2r of Kauf & Ivanova 2023: each token is scored with the later tokens of
its word hidden, and the other words of the reading visible.
"""

from __future__ import annotations

from collections.abc import Sequence

from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.posterior import Query
from fillmask.restore.decoding.tokenized_context import Filling, Surroundings, TokenizedContext


class Rescorer:
    """Scores the fillings of a context's holes."""

    def __init__(self, scorer: CachedScorer, context: TokenizedContext) -> None:
        self._scorer = scorer
        self._context = context

    def in_context(self, wanted: Sequence[tuple[Query, Filling]]) -> list[float]:
        """Pseudo-log-likelihood of the tokens in each hole, in nats."""
        return self._pseudo_log_likelihoods(
            [
                (self._context.around(query.hole, filling.layout, query.fillings, len(filling.tokens)), filling.tokens)
                for query, filling in wanted
            ]
        )

    def alone(self, fillings: Sequence[Filling]) -> list[float]:
        """Pseudo-log-likelihood of the tokens with no text around them, in nats."""
        return self._pseudo_log_likelihoods([(self._context.alone, filling.tokens) for filling in fillings])

    def _pseudo_log_likelihoods(self, wanted: Sequence[tuple[Surroundings, Sequence[int]]]) -> list[float]:
        items, owners = [], []
        for number, (around, tokens) in enumerate(wanted):
            for place, shown in self._hidden(tokens):
                items.append((around.row(shown, [place]), tokens[place]))
                owners.append(number)
        sums = [0.0] * len(wanted)
        for number, value in zip(owners, self._scorer.token_log_probabilities(items), strict=True):
            sums[number] += value
        return sums

    def _hidden(self, tokens: Sequence[int]) -> list[tuple[int, list[int]]]:
        """For each place, the tokens with that one and the later ones of its word masked."""
        vocabulary, mask = self._context.vocabulary, self._scorer.mask
        begins = [vocabulary.begins_word(t, tokens[n - 1] if n else None) for n, t in enumerate(tokens)]
        rows = []
        for place in range(len(tokens)):
            end = next((n for n in range(place + 1, len(tokens)) if begins[n]), len(tokens))
            rows.append((place, [*tokens[:place], *[mask] * (end - place), *tokens[end:]]))
        return rows
