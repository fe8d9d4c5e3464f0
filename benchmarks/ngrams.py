"""Token n-grams, the baselines that a masked language model must beat.

`NGrams` is a trigram model with interpolated modified Kneser–Ney smoothing
(Chen & Goodman 1998). It predicts a token from up to two tokens that precede
it in reading order, or, built with `backwards`, from up to two that follow it.
A neighbour that is masked, special or outside the window is not known, and
the context ends before it:

    two known     p(w | u v)   raw trigram counts, backed by p'(w | v)
    one known     p(w | v)     raw bigram counts, backed by p'(w)
    none          p(w)         raw unigram counts, backed by 1 / vocabulary

where p' is estimated from continuation counts, that is, from the number of
different tokens that an n-gram was seen after, and p'(w) is backed by
1 / vocabulary too. Every distribution is dense and sums to one.

`two_sided` multiplies a left and a right model as if the two sides were
independent given the token, and normalises: p(w | l, r) ∝ p(w | l) p(w | r) / p(w).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
_BITS = np.uint64(16)  # of a token in a packed n-gram


class Level:
    """Counts of the n-grams of one order, and their absolute discounts.

    Args:
        grams: distinct n-grams, packed with 16 bits a token and the last token lowest, ascending, (n-grams,).
        counts: how often each occurs, (n-grams,).
    """

    def __init__(self, grams: npt.NDArray[np.unsignedinteger[Any]], counts: npt.NDArray[np.uint32]) -> None:
        self.grams = grams
        self.counts = counts
        self.discounts = discounts(counts)

    def spread(self, context: int, backing: Probabilities) -> Probabilities:
        """p(w | context): counts less their discounts, and the discounts handed out as `backing`.

        Args:
            context: the packed tokens before w.
            backing: p(w | shorter context), (vocabulary,).
        """
        kind = self.grams.dtype.type
        start = int(np.searchsorted(self.grams, kind(context << 16)))
        stop = int(np.searchsorted(self.grams, kind(context << 16 | 0xFFFF), side="right"))
        if start == stop:
            return backing
        counts = self.counts[start:stop]
        taken = self.discounts[np.minimum(counts, 3)]
        total = counts.sum(dtype=np.float64)
        spread: Probabilities = backing * (taken.sum() / total)
        spread[self.grams[start:stop] & kind(0xFFFF)] += (counts - taken) / total
        return spread


class NGrams:
    """A trigram model of token arrays.

    Args:
        tokens: token ids of all pieces in a row, (tokens,).
        ends: the offset after each piece, (pieces,); no n-gram crosses it.
        vocabulary: number of token ids.
        backwards: predict from the tokens that follow.
    """

    def __init__(
        self, tokens: npt.NDArray[np.uint16], ends: npt.NDArray[np.int64], vocabulary: int, *, backwards: bool = False
    ) -> None:
        starts = np.concatenate([[0], ends[:-1]])
        if backwards:
            tokens, starts = tokens[::-1], len(tokens) - ends[::-1]
        first = np.zeros(len(tokens), bool)
        first[starts] = True
        self.vocabulary = vocabulary
        self._triples = Level(*_counted(_packed(tokens, first, 3)))
        # The low 32 bits of a distinct u v w are v w: so many different tokens stand before v w.
        self._pairs_after = Level(*_counted(self._triples.grams.astype(np.uint32)))
        self._pairs = Level(*_counted(_packed(tokens, first, 2).astype(np.uint32)))
        singles_after = Level(*_counted((self._pairs.grams & np.uint32(0xFFFF)).astype(np.uint32)))
        singles = Level(*_counted(tokens.astype(np.uint32)))
        even = np.full(vocabulary, 1 / vocabulary)
        self.unigram: Probabilities = singles.spread(0, even)
        self._unigram_after = singles_after.spread(0, even)

    def distribution(self, context: Sequence[int] = ()) -> Probabilities:
        """p(w | context), (vocabulary,).

        Args:
            context: the known tokens beside w, the nearest last; the last two count.
        """
        match [int(token) for token in context[-2:]]:
            case [far, near]:
                backing = self._pairs_after.spread(near, self._unigram_after)
                return self._triples.spread(far << 16 | near, backing)
            case [near]:
                return self._pairs.spread(near, self._unigram_after)
            case _:
                return self.unigram


def two_sided(left: Probabilities, right: Probabilities, unigram: Probabilities) -> Probabilities:
    """p(w | left and right), were the sides independent given w; the arguments are (vocabulary,)."""
    product: Probabilities = left * right / unigram
    product /= product.sum()
    return product


def known_before(ids: npt.NDArray[np.int64], known: npt.NDArray[np.bool_], position: int) -> npt.NDArray[np.int64]:
    """The tokens just before `position`, two at most, back to the first that is not known; nearest last."""
    start = position
    while start > 0 and position - start < 2 and known[start - 1]:
        start -= 1
    return ids[start:position]


def discounts(counts: npt.NDArray[np.uint32]) -> Probabilities:
    """What to take off a count of 0, 1, 2, and 3 or more, (4,).

    Chen and Goodman's estimates from the numbers of n-grams seen once to four
    times, or 0.75 where there are too few for them.
    """
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) > 0:
        y = n1 / (n1 + 2 * n2)
        found = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if (found[1:] > 0).all():
            return found
    return np.array([0, 0.75, 0.75, 0.75])


def _packed(tokens: npt.NDArray[np.uint16], first: npt.NDArray[np.bool_], order: int) -> npt.NDArray[np.uint64]:
    """Every n-gram that lies within one piece, packed; in place where it can be, as these are the largest arrays."""
    count = max(0, len(tokens) - order + 1)
    grams = tokens[:count].astype(np.uint64)
    whole = np.ones(count, bool)
    for shift in range(1, order):
        grams <<= _BITS
        grams |= tokens[shift : shift + count]
        whole &= ~first[shift : shift + count]
    return grams[whole]


def _counted(
    grams: npt.NDArray[np.unsignedinteger[Any]],
) -> tuple[npt.NDArray[np.unsignedinteger[Any]], npt.NDArray[np.uint32]]:
    """Distinct values, ascending, and how often each occurs; sorts `grams` in place."""
    grams.sort()
    changes = np.ones(len(grams), bool)
    np.not_equal(grams[1:], grams[:-1], out=changes[1:])
    starts = np.flatnonzero(changes)
    return grams[starts], np.diff(starts, append=len(grams)).astype(np.uint32)
