"""The n-gram baselines, against the formulas written out with dictionaries."""

import importlib.util
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

_PATH = Path(__file__).parents[2] / "benchmarks" / "ngrams.py"
_SPEC = importlib.util.spec_from_file_location("ngrams", _PATH)
ngrams = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(ngrams)

Pieces = list[list[int]]
Gram = tuple[int, ...]


def model(pieces: Pieces, vocabulary: int, *, backwards: bool = False) -> "ngrams.NGrams":
    tokens = np.array([t for piece in pieces for t in piece], np.uint16)
    return ngrams.NGrams(tokens, np.cumsum([len(p) for p in pieces]), vocabulary, backwards=backwards)


def counted(pieces: Pieces, order: int) -> Counter[Gram]:
    return Counter(tuple(p[i : i + order]) for p in pieces for i in range(len(p) - order + 1))


def continuations(grams: Counter[Gram]) -> Counter[Gram]:
    """How many different tokens each shorter n-gram was seen after."""
    return Counter(gram[1:] for gram in grams)


def by_the_book(pieces: Pieces, vocabulary: int) -> Callable[..., float]:
    """p(w, *context) of interpolated modified Kneser–Ney smoothing, term by term."""
    threes, twos = counted(pieces, 3), counted(pieces, 2)

    def smoothed(grams: Counter[Gram], backing: Callable[..., float]) -> Callable[..., float]:
        sizes = Counter(grams.values())
        n = [sizes[k] for k in range(5)]
        discount = {1: 0.75, 2: 0.75, 3: 0.75}
        if min(n[1:]) > 0:
            y = n[1] / (n[1] + 2 * n[2])
            estimates = {k: k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)}
            discount = estimates if min(estimates.values()) > 0 else discount
        after: dict[Gram, dict[int, int]] = defaultdict(dict)
        for gram, count in grams.items():
            after[gram[:-1]][gram[-1]] = count

        def p(w: int, *context: int) -> float:
            seen = after.get(context)
            if seen is None:
                return backing(w, *context[1:])
            total = sum(seen.values())
            freed = sum(discount[min(count, 3)] for count in seen.values())
            own = seen[w] - discount[min(seen[w], 3)] if w in seen else 0.0
            return (own + freed * backing(w, *context[1:])) / total

        return p

    def even(w: int) -> float:
        return 1 / vocabulary

    unigram_after = smoothed(continuations(twos), even)
    orders = {
        0: smoothed(counted(pieces, 1), even),
        1: smoothed(twos, unigram_after),
        2: smoothed(threes, smoothed(continuations(threes), unigram_after)),
    }
    return lambda w, *context: orders[len(context)](w, *context)


def zipfian(seed: int, vocabulary: int, lengths: list[int]) -> Pieces:
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, vocabulary + 1)
    # The last token of the vocabulary is never seen.
    weights[-1] = 0
    return [rng.choice(vocabulary, size, p=weights / weights.sum()).tolist() for size in lengths]


@pytest.mark.parametrize("lengths", [[400, 1, 300, 2, 900], [9, 3], [5]])
@pytest.mark.parametrize("backwards", [False, True])
def test_every_probability_is_the_formulas(lengths: list[int], backwards: bool) -> None:
    vocabulary = 12
    pieces = zipfian(1, vocabulary, lengths)
    expected = by_the_book([p[::-1] for p in pieces] if backwards else pieces, vocabulary)
    found = model(pieces, vocabulary, backwards=backwards)
    contexts = [c for size in range(3) for c in product(range(vocabulary), repeat=size)]
    for context in contexts:
        want = [expected(w, *context) for w in range(vocabulary)]
        np.testing.assert_allclose(found.distribution(context), want, rtol=1e-12, atol=1e-15)


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=12), min_size=1, max_size=6),
    st.lists(st.integers(0, 8), max_size=4),
    st.lists(st.integers(0, 8), max_size=4),
)
@settings(max_examples=150)
def test_probabilities_are_positive_and_sum_to_one(pieces: Pieces, before: list[int], after: list[int]) -> None:
    left, right = model(pieces, 9), model(pieces, 9, backwards=True)
    a, b = left.distribution(before), right.distribution(after[::-1])
    both = ngrams.two_sided(a, b, left.unigram)
    for p in (left.unigram, a, b, both):
        assert p.shape == (9,)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(left.distribution(before[-2:]), a)


def test_no_ngram_crosses_from_piece_to_piece() -> None:
    apart, joined = model([[0, 1], [2, 3]], 5), model([[0, 1, 2, 3]], 5)
    assert apart.distribution([1])[2] == pytest.approx(apart.distribution([4])[2])
    assert joined.distribution([1])[2] > 1.5 * joined.distribution([4])[2]


def test_the_highest_ids_fit() -> None:
    top = (1 << 16) - 1
    found = model([[top, top, top, top - 1] * 9], 1 << 16)
    assert int(found.distribution([top, top]).argmax()) in (top, top - 1)
    assert found.distribution([top, top])[[top, top - 1]].sum() > 0.9
    assert found.distribution([top - 1])[top] > 0.9


def test_both_sides_know_more_than_one() -> None:
    """After 1 comes 2 or 3, before 5 comes 3 or 4: between them, 3."""
    pieces = [[1, 2, 6], [1, 3, 6], [7, 3, 5], [7, 4, 5]] * 5
    left, right = model(pieces, 9), model(pieces, 9, backwards=True)
    p = ngrams.two_sided(left.distribution([1]), right.distribution([5]), left.unigram)
    assert int(p.argmax()) == 3
    assert p[3] > left.distribution([1])[3]


@pytest.mark.parametrize(
    ("known", "context"),
    [
        ([0, 1, 1, 0, 1], [11, 12]),
        ([1, 1, 1, 0, 1], [11, 12]),
        ([1, 0, 1, 0, 1], [12]),
        ([1, 1, 0, 0, 1], []),
    ],
)
def test_the_context_ends_before_what_is_not_known(known: list[int], context: list[int]) -> None:
    ids = np.array([10, 11, 12, 13, 14])
    assert ngrams.known_before(ids, np.array(known, bool), 3).tolist() == context


def test_the_context_ends_with_the_window() -> None:
    ids, known = np.array([10, 11]), np.ones(2, bool)
    assert ngrams.known_before(ids, known, 0).tolist() == []
    assert ngrams.known_before(ids, known, 1).tolist() == [10]


def test_discounts() -> None:
    n1, n2, n3, n4 = 40, 20, 10, 5
    counts = np.repeat([1, 2, 3, 4, 9], [n1, n2, n3, n4, 7]).astype(np.uint32)
    y = n1 / (n1 + 2 * n2)
    expected = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    np.testing.assert_allclose(ngrams.discounts(counts), expected)
    assert ngrams.discounts(counts[counts != 3]).tolist() == [0, 0.75, 0.75, 0.75]
    # n3 far above n2 would make the discount of 2 negative.
    odd = np.repeat([1, 2, 3, 4], [9, 1, 9, 1]).astype(np.uint32)
    assert ngrams.discounts(odd).tolist() == [0, 0.75, 0.75, 0.75]
