"""The search against brute force on a tiny model, and against itself."""

import math
from itertools import pairwise

import numpy as np
import pytest

from fillmask.restore.damage import Damaged, Hole, Known, Lost
from fillmask.restore.decoding.cached_scorer import CachedScorer, Cancelled
from fillmask.restore.decoding.search import BEST_FIRST, LEFT_TO_RIGHT, SearchQuery, factorized_search, search
from fillmask.restore.decoding.token_automaton import TokenAutomaton
from fillmask.restore.decoding.tokenized_context import Layout, Surroundings, TokenizedContext
from fillmask.restore.decoding.vocabulary import vocabulary_of
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions

HOLE = Hole((Known("b"), Lost(1, 2), Known("e")))
WIDE = 100_000


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def model(request: pytest.FixtureRequest) -> MaskedLM:
    return MaskedLM(request.getfixturevalue(request.param), RuntimeOptions(threads=1))


@pytest.fixture(scope="module")
def problem(model: MaskedLM) -> tuple[Surroundings, TokenAutomaton]:
    context = TokenizedContext(
        model.tokenizer, vocabulary_of(model.tokenizer), Damaged(("The ", HOLE, " dog went.")), window=64
    )
    layout: Layout = context.layouts[0][0]
    return context.around(0, layout, {}, 3), context.token_automaton(layout)


def sequences(token_automaton: TokenAutomaton, count: int) -> list[tuple[int, ...]]:
    """Every token sequence that the token_automaton admits."""
    found: list[tuple[int, ...]] = [()]
    for place in range(count):
        grown = []
        for tokens in found:
            lefts, rights = token_automaton.frontier([*tokens, *[None] * (count - place)])
            grown += [(*tokens, int(t)) for t in token_automaton.admitted(lefts[place], rights[place + 1])]
        found = grown
    return found


def answer(model: MaskedLM, around: Surroundings, shown: list[int], place: int) -> np.ndarray:
    ((_, found),) = model.log_probabilities([around.row(shown, [place])])
    return found[0]


def test_left_to_right_is_the_chain_rule_over_everything(
    model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton]
) -> None:
    around, token_automaton = problem
    mask = model.tokenizer.mask_token_id
    assert mask is not None
    expected = {}
    for tokens in sequences(token_automaton, 2):
        first = answer(model, around, [mask, mask], 0)[tokens[0]]
        second = answer(model, around, [tokens[0], mask], 1)[tokens[1]]
        expected[tokens] = float(first) + float(second)
    assert len(expected) > 2
    (found,) = search(
        CachedScorer(model), [SearchQuery(around, token_automaton, 2, WIDE)], order=LEFT_TO_RIGHT, correction=0.0
    )
    assert {f.tokens: f.chain for f in found} == pytest.approx(expected, abs=1e-4)
    assert [f.tokens for f in found] == sorted(expected, key=lambda t: -expected[t])


@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_best_first_takes_the_surest_place(
    model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton], correction: float
) -> None:
    """Replayed by hand, with every place and every token looked at."""
    around, token_automaton = problem
    mask = model.tokenizer.mask_token_id
    assert mask is not None
    todo: dict[tuple[int | None, ...], tuple[float, float]] = {(None,) * 3: (0.0, 0.0)}
    for _ in range(3):
        grown: dict[tuple[int | None, ...], tuple[float, float]] = {}
        for tokens, (chain, masks) in todo.items():
            lefts, rights = token_automaton.frontier(tokens)
            shown = [mask if t is None else t for t in tokens]
            rows = {p: answer(model, around, shown, p) for p, t in enumerate(tokens) if t is None}
            fits = {p: token_automaton.admitted(lefts[p], rights[p + 1]) for p in rows}
            place = max(rows, key=lambda p: rows[p][fits[p]].max() - correction * rows[p][mask])
            for token in fits[place].tolist():
                new = (*tokens[:place], token, *tokens[place + 1 :])
                scores = chain + float(rows[place][token]), masks + float(rows[place][mask])
                old = grown.get(new)
                if old is None or scores[0] - correction * scores[1] > old[0] - correction * old[1]:
                    grown[new] = scores
        todo = grown
    (found,) = search(
        CachedScorer(model), [SearchQuery(around, token_automaton, 3, WIDE)], order=BEST_FIRST, correction=correction
    )
    assert {f.tokens for f in found} == set(todo) == set(sequences(token_automaton, 3))
    for one in found:
        assert (one.chain, one.masks) == pytest.approx(todo[one.tokens], abs=1e-4)
    scores = [f.chain - correction * f.masks for f in found]
    assert all(a >= b for a, b in pairwise(scores))


def test_one_look_is_the_product_of_its_places(model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton]) -> None:
    around, token_automaton = problem
    mask = model.tokenizer.mask_token_id
    assert mask is not None
    ((_, answers),) = model.log_probabilities([around.row([mask] * 2, [0, 1])])
    found = factorized_search(answers, token_automaton, 2, WIDE, mask)
    expected = {t: float(answers[0, t[0]] + answers[1, t[1]]) for t in sequences(token_automaton, 2)}
    assert {f.tokens: f.chain for f in found} == pytest.approx(expected, abs=1e-5)
    narrow = factorized_search(answers, token_automaton, 2, 3, mask)
    assert len(narrow) == 3
    assert factorized_search(answers, token_automaton, 1, 3, mask) == []


def test_a_narrow_beam_finds_less_and_jobs_do_not_mix(
    model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton]
) -> None:
    around, token_automaton = problem
    jobs = [SearchQuery(around, token_automaton, k, 4, keep=4) for k in (1, 2, 3)]
    together = search(CachedScorer(model), jobs)
    assert together[0] == []  # no token spells it alone
    for job, found in zip(jobs, together, strict=True):
        assert len(found) <= 4
        (alone,) = search(CachedScorer(model), [job])
        assert [f.tokens for f in alone] == [f.tokens for f in found]


def test_equal_rows_are_asked_once_and_counted(model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton]) -> None:
    around, _ = problem
    scorer = CachedScorer(model)
    mask = model.tokenizer.mask_token_id
    assert mask is not None
    rows = [around.row([mask, mask], [0]), around.row([mask], [0]), around.row([mask, mask], [0])]
    found = {index: row[0] for index, row in scorer.log_probabilities(rows)}
    assert (found[0] == found[2]).all()
    assert (scorer.rows, scorer.forward_passes) == (2, 1)
    assert scorer.cost().seconds > 0
    with pytest.raises(Cancelled):
        list(CachedScorer(model, lambda: True).log_probabilities(rows))


def test_probabilities_of_one_place_are_at_most_one(
    model: MaskedLM, problem: tuple[Surroundings, TokenAutomaton]
) -> None:
    around, token_automaton = problem
    (found,) = search(
        CachedScorer(model), [SearchQuery(around, token_automaton, 2, WIDE)], order=LEFT_TO_RIGHT, correction=0.0
    )
    assert 0 < math.fsum(math.exp(f.chain) for f in found) <= 1 + 1e-4
