"""The parts of decoding at their own level: proposals, the second opinion, ranking, strategies, and the scorer's cache."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from fillmask.restore.calibration.confidence import CANDIDATE, PLAIN, changed_letters
from fillmask.restore.calibration.lengths import rough
from fillmask.restore.damage import Damaged, Hole, Known, Lost
from fillmask.restore.decoding import strategies
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.hole_decoder import HoleDecoder
from fillmask.restore.decoding.posterior import DecodingState, Posterior, Query, ReadingCandidate, SearchOptions
from fillmask.restore.decoding.proposing import Proposal, Proposer
from fillmask.restore.decoding.ranking import Ranker
from fillmask.restore.decoding.rescoring import Rescorer
from fillmask.restore.decoding.tokenized_context import Filling, TokenizedContext
from fillmask.restore.decoding.vocabulary import vocabulary_of
from fillmask.restore.word_list import WordList
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions

WORDS = WordList({"the": 50, "dog": 9, "dig": 4, "old": 8, "door": 3, "a dog": 1})
DAMAGED_WORD = Hole((Known("d"), Lost(1, 1), Known("g")))
FREE = Hole((Lost(3, 3),))
UNCLEAR = Hole((Known("do"), Known("g", certain=False)))


@pytest.fixture(scope="module")
def model(roberta_folder: Path) -> MaskedLM:
    return MaskedLM(roberta_folder, RuntimeOptions(threads=1))


def context_of(model: MaskedLM, *holes: Hole) -> TokenizedContext:
    parts: list[str | Hole] = ["The old "]
    for hole in holes:
        parts += [hole, " went. "]
    return TokenizedContext(model.tokenizer, vocabulary_of(model.tokenizer), Damaged(tuple(parts)), window=64)


def proposer(model: MaskedLM, *holes: Hole, lexicon: Sequence[str] = (), words: WordList | None = WORDS) -> Proposer:
    context = context_of(model, *holes)
    return Proposer(CachedScorer(model), model.tokenizer, context, rough(), SearchOptions(), lexicon, words)


def test_the_scorer_computes_a_value_once(model: MaskedLM) -> None:
    scorer = CachedScorer(model)
    around = context_of(model, FREE).alone
    row = around.row([scorer.mask], [0])
    ((_, answers),) = model.log_probabilities([row])
    first = scorer.token_log_probabilities([(row, 5), (row, 6), (row, 5)])
    assert first == pytest.approx([answers[0, 5], answers[0, 6], answers[0, 5]], abs=1e-6)
    assert scorer.rows == 1
    assert scorer.token_log_probabilities([(row, 6)]) == first[1:2]
    assert scorer.rows == 1


def test_listed_words_are_among_the_proposals_of_a_search(model: MaskedLM) -> None:
    (with_list,) = proposer(model, FREE).by_search([Query(0, {})])
    (without,) = proposer(model, FREE, words=None).by_search([Query(0, {})])
    assert {"the", "dog", "dig", "old"} <= set(with_list)
    assert set(without) <= set(with_list)
    assert all(FREE.admits(text) for text in with_list)


def test_a_word_that_the_list_decides_is_not_searched(model: MaskedLM) -> None:
    likely = WordList({"dog": 999, "dig": 1})
    decided = proposer(model, DAMAGED_WORD, words=likely)
    assert decided.decided(0)
    (proposals,) = decided.by_search([Query(0, {})])
    assert set(proposals) == {"dog", "dig"}
    assert not proposer(model, DAMAGED_WORD).decided(0)  # two words may stand there
    assert not proposer(model, FREE, words=likely).decided(0)  # no letter survives


def test_what_is_written_and_the_lexicon_are_required(model: MaskedLM) -> None:
    assert proposer(model, UNCLEAR).required(0) == ["dog"]
    assert proposer(model, UNCLEAR, lexicon=["dot", "door"]).required(0) == ["dog", "dot"]
    targets = Hole((Lost(3, 3),), targets=("dig", "door"))
    assert proposer(model, targets, lexicon=["dot"]).required(0) == ["dig"]


def test_the_second_opinion_is_word_l2r(model: MaskedLM) -> None:
    context, scorer = context_of(model, FREE), CachedScorer(model)
    layout = context.plain(0)
    tokens = tuple(model.tokenizer.encode(" door dog", add_special_tokens=False))
    begins = [context.vocabulary.begins_word(t, tokens[n - 1] if n else None) for n, t in enumerate(tokens)]
    expected = 0.0
    for place, token in enumerate(tokens):
        end = next((n for n in range(place + 1, len(tokens)) if begins[n]), len(tokens))
        shown = [*tokens[:place], *[scorer.mask] * (end - place), *tokens[end:]]
        row = context.around(0, layout, {}, len(tokens)).row(shown, [place])
        ((_, answers),) = model.log_probabilities([row])
        expected += float(answers[0, token])
    (value,) = Rescorer(scorer, context).in_context([(Query(0, {}), Filling(layout, tokens))])
    assert value == pytest.approx(expected, abs=1e-4)


def test_ranking_sorts_by_the_weighted_features(model: MaskedLM) -> None:
    context = context_of(model, FREE)
    ranker = Ranker(context, Rescorer(CachedScorer(model), context), PLAIN, WORDS)
    layout = context.plain(0)
    filling = Filling(layout, tuple(model.tokenizer.encode(" dog", add_special_tokens=False)))
    proposals = {text: Proposal([-3.0], -2.0, -1.0, 0.0, filling) for text in ("dog", "dxg")}
    posterior = ranker.posterior(0, proposals, {"dxg": -2.0, "dog": -2.0})
    assert [candidate.text for candidate in posterior.candidates] == ["dog", "dxg"]
    unlisted = CANDIDATE.index("unlisted")
    assert [candidate.features[unlisted] for candidate in posterior.candidates] == [0.0, 1.0]
    probabilities, none = posterior.probabilities()
    assert math.fsum(probabilities) + none == pytest.approx(1)
    assert ranker.preliminary(0, "dog", Proposal([], -math.inf, 0.0, 0.0, filling)) == -math.inf


def test_a_changed_letter_counts_by_its_confidence() -> None:
    assert changed_letters(UNCLEAR, "dot", 1) == 1.0
    assert changed_letters(UNCLEAR, "dog", 0) == 0.0
    sure = Hole((Known("d"), Known("og", certain=False, confidence=0.999)))
    unsure = Hole((Known("d"), Known("og", certain=False, confidence=0.4)))
    assert changed_letters(unsure, "dot", 1) < 1.0 < changed_letters(sure, "dot", 1)
    assert changed_letters(sure, "dit", 2) == pytest.approx(2 * changed_letters(sure, "dot", 1))


def decoder(model: MaskedLM, *holes: Hole) -> HoleDecoder:
    context = context_of(model, *holes)
    return HoleDecoder(CachedScorer(model), model.tokenizer, context, rough(), PLAIN, SearchOptions(), words=WORDS)


def test_the_written_letters_of_an_unclear_word_are_a_candidate(model: MaskedLM) -> None:
    (posterior,) = decoder(model, UNCLEAR).read([Query(0, {})])
    assert "dog" in [candidate.text for candidate in posterior.candidates]
    changed = CANDIDATE.index("any_changed")
    assert all(c.features[changed] == (c.text != "dog") for c in posterior.candidates)


def test_strategies_return_a_state_for_every_hole(model: MaskedLM) -> None:
    holes = (DAMAGED_WORD, FREE)
    group = [0, 1]
    for strategy in (
        lambda d, around: strategies.joint(d, group, around, hypotheses=2, rounds=1),
        lambda d, around: strategies.independent(d, group, around),
        lambda d, around: strategies.left_to_right(d, group, around),
    ):
        of_group = decoder(model, *holes)
        around = {hole: of_group.masks(hole) for hole in group}
        states = list(strategy(of_group, around))
        final = states[-1]
        assert set(final.posteriors) == set(final.best) == {0, 1}
        assert all(holes[hole].admits(candidate.text) for hole, candidate in final.best.items())


def test_a_state_takes_over_what_a_later_one_says(model: MaskedLM) -> None:
    layout = context_of(model, FREE).plain(0)
    candidate = ReadingCandidate("dog", Filling(layout, (5,)), (), 0.0)
    state, later = DecodingState(), DecodingState()
    state.settle(0, Posterior((candidate,), 0.0, ()))
    later.settle(0, Posterior((), 0.0, ()))
    later.settle(1, Posterior((candidate,), 0.0, ()))
    state.update(later)
    assert set(state.posteriors) == {0, 1}
    assert set(state.best) == {1}
