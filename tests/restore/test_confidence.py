"""Priors of lengths, fitted weights, and the file that keeps them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask import CorruptCheckpointError, FillMask
from fillmask.restore.calibration import calibration_file
from fillmask.restore.calibration.confidence import (
    CANDIDATE,
    LEXICON,
    LEXICON_CONTEXT,
    NONE,
    PLAIN,
    ConfidenceWeights,
    probabilities,
    traits,
    with_lexicon,
)
from fillmask.restore.calibration.evaluation import calibration_error
from fillmask.restore.calibration.fitting import FittingCase, fit_weights
from fillmask.restore.calibration.lengths import estimate, rough
from fillmask.restore.damage import Hole, Known, Lost


def test_rough_priors_are_distributions() -> None:
    lengths = rough()
    for row in (*lengths.word, *lengths.span, lengths.word_characters, *lengths.span_characters, lengths.words):
        assert sum(row) == pytest.approx(1, abs=1e-4)
        assert min(row) >= 0


def test_lengths_are_counted() -> None:
    # Every word of this text has as many tokens as it has vowels.
    text = "banana on a tuba " * 50
    lengths = estimate([text], lambda words: [sum(c in "aou" for c in w) for w in words])
    assert max(range(len(lengths.word[6])), key=lambda k: lengths.word[6][k]) + 1 == 3
    assert lengths.word[4][1] > 0.95
    assert lengths.span[9][3] > 0.95  # "banana on"
    assert lengths.word_characters[2] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    "hole",
    [
        Hole((Lost(1, None, spaces=True),)),
        Hole((Lost(4, 4),)),
        Hole((Known("un"), Lost(2, 5), Known("able"))),
        Hole((Lost(300, 300, spaces=True),)),
        Hole((Lost(40, None),)),
        Hole((Lost(2, 8, spaces=True, about=4),)),
    ],
    ids=str,
)
def test_numbers_of_tokens_have_a_prior(hole: Hole) -> None:
    found = rough().tokens(hole)
    assert sum(math.exp(p) for _, p in found) == pytest.approx(1, abs=1e-3)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    assert all(k >= 1 for k, _ in found)


def test_an_estimate_of_length_pulls() -> None:
    def mean(hole: Hole) -> float:
        return sum(k * math.exp(p) for k, p in rough().tokens(hole))

    bounds = Lost(1, 60, spaces=True)
    short, long = (Hole((replace(bounds, about=n),)) for n in (4, 40))
    assert mean(short) < 2
    assert mean(long) > 6


def test_traits_of_a_hole() -> None:
    found = traits(Hole((Known("b"), Lost(2, 2), Known("ery"))))
    assert (found.lost, found.spaces, found.free) == (2, False, False)
    assert found.known == pytest.approx(4 / 6)
    assert traits(Hole((Lost(1, None, spaces=True),))).free


def test_probabilities_sum_to_one() -> None:
    found, none = probabilities([1.0, 0.0, -800.0], -1.0)
    assert sum(found) + none == pytest.approx(1)
    assert found[0] > found[1] > none > found[2] >= 0
    assert probabilities([], 0.0) == ([], 1.0)


def drawn(truth: ConfidenceWeights, count: int, seed: int) -> list[FittingCase]:
    """Holes whose truth is drawn by these weights."""
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(count):
        candidates = rng.normal(-3, 2, (rng.integers(1, 8), len(CANDIDATE)))
        none = np.array([1.0, *rng.normal(0, 1, len(NONE) - 1)])
        scores = np.append(candidates @ truth.candidate, none @ truth.none)
        p = np.exp(scores - scores.max())
        pick = int(rng.choice(len(p), p=p / p.sum()))
        cases.append(FittingCase("drawn", candidates, none, None if pick == len(candidates) else pick))
    return cases


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(5)
    truth = ConfidenceWeights(tuple(abs(rng.normal(0, 0.1, len(CANDIDATE)))), tuple(rng.normal(0, 0.6, len(NONE))))
    found = fit_weights(drawn(truth, 3000, seed=1))
    assert found.candidate == pytest.approx(truth.candidate, abs=0.15)
    assert found.none == pytest.approx(truth.none, abs=0.25)


def test_fitted_probabilities_are_honest_on_other_cases() -> None:
    truth = ConfidenceWeights((0.3, 0.5, *[0.1] * (len(CANDIDATE) - 2)), (-1.0, *[0.5] * (len(NONE) - 1)))
    fitted = fit_weights(drawn(truth, 1500, seed=1))

    def error(weights: ConfidenceWeights) -> float:
        best, hits = [], []
        for case in drawn(truth, 1500, seed=2):
            found, _ = probabilities((case.candidates @ weights.candidate).tolist(), float(case.none @ weights.none))
            pick = int(np.argmax(found))
            best.append(found[pick])
            hits.append(case.truth == pick)
        return calibration_error(best, hits)

    assert error(fitted) < 0.03
    assert error(PLAIN) > 2 * error(fitted)


def test_few_cases_stay_near_the_plain_weights() -> None:
    case = FittingCase("one", np.zeros((2, len(CANDIDATE))), np.zeros(len(NONE)), 0)
    assert fit_weights([case]).candidate == pytest.approx(PLAIN.candidate, abs=0.5)


@pytest.fixture
def folder(roberta_folder: Path, tmp_path: Path) -> Path:
    return copytree(roberta_folder, tmp_path / "model")


def test_what_is_stored_comes_back_and_is_used(folder: Path) -> None:
    text = "The old ... went to the river."
    before = FillMask(folder).restore(text).gaps[0]
    certain = ConfidenceWeights(tuple(3 * w for w in PLAIN.candidate), (-50.0, *[0.0] * (len(NONE) - 1)))
    kept = calibration_file.Calibration(rough(), {"joint": certain}, {"holes": 7})
    assert calibration_file.save(kept, folder) == folder / "restoration.json"
    assert calibration_file.load(folder) == kept
    after = FillMask(folder).restore(text).gaps[0]
    assert after.none_of_these < 1e-3 < before.none_of_these
    assert not list(folder.glob(".*part"))


def test_without_a_file_rough_values_stand_in(folder: Path) -> None:
    found = calibration_file.load(folder)
    assert found.lengths == rough()
    assert found.of("joint") == found.of("left-to-right") == PLAIN


def test_a_strategy_without_weights_takes_the_joint_ones(folder: Path) -> None:
    other = ConfidenceWeights(tuple(2 * w for w in PLAIN.candidate), PLAIN.none)
    found = calibration_file.Calibration(rough(), {"joint": other, "independent": PLAIN})
    assert found.of("left-to-right") == other
    assert found.of("independent") == PLAIN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=9), "version is 9, and this fillmask reads versions 1 to 2"),
        (lambda d: d.pop("lengths"), "'lengths' is missing"),
        (lambda d: d["weights"]["joint"]["none"].pop("mass"), "the weights are of"),
        (lambda d: d["weights"]["joint"]["candidate"].update(chain="much"), "chain is 'much'; expected a number"),
        (lambda d: d["lengths"].update(words=[0.5, 0.2]), "words has a row that is no distribution"),
        (lambda d: d["lengths"].update(span=[]), r"span is \[\]; expected rows"),
    ],
)
def test_a_broken_file_says_what_is_wrong_and_what_to_do(folder: Path, change: object, message: str) -> None:
    path = calibration_file.save(calibration_file.Calibration(rough(), {"joint": PLAIN}), folder)
    values = json.loads(path.read_text("utf-8"))
    change(values)  # type: ignore[operator]
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(CorruptCheckpointError, match=message) as raised:
        FillMask(folder).restore("The ... went.")
    assert "fillmask train calibrate" in str(raised.value)
    path.write_text("{", "utf-8")
    with pytest.raises(CorruptCheckpointError, match="fit it again"):
        calibration_file.load(folder)


@given(
    scores=st.lists(st.floats(-40, 5), min_size=2, max_size=6),
    none=st.floats(-40, 5) | st.just(-math.inf),
    contexts=st.lists(st.floats(-20, 20), min_size=6, max_size=6),
    mass=st.floats(-30, 2),
    data=st.data(),
)
def test_a_lexicon_lifts_its_words_and_keeps_the_order_of_all_others(
    scores: list[float], none: float, contexts: list[float], mass: float, data: st.DataObject
) -> None:
    numbers = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    named = {n: contexts[n] for n in numbers}
    before, rest = probabilities(scores, none)
    after, left = probabilities(*with_lexicon(scores, none, named, mass))
    assert sum(after) + left == pytest.approx(1)
    lifted = sum(after[n] for n in named)
    assert lifted >= max(sum(before[n] for n in named), LEXICON * math.exp(-LEXICON_CONTEXT)) - 1e-9
    assert left <= rest + 1e-9
    others = [n for n in range(len(scores)) if n not in named]
    for one in others:
        assert after[one] <= before[one] + 1e-9
        assert all(after[one] >= after[two] - 1e-12 for two in others if before[one] > before[two])
    for one, context in named.items():
        for two, other in named.items():
            if before[one] > before[two] and context >= other:
                assert after[one] >= after[two] - 1e-12


def test_the_rarer_what_survives_the_more_a_lexicon_is_heard() -> None:
    def heard(mass: float, context: float = 0.0) -> float:
        return probabilities(*with_lexicon([0.0, -20.0], -3.0, {1: context}, mass))[0][1]

    assert heard(0.0) < 0.06
    assert heard(0.0) < heard(-3.0) < heard(-6.0)
    assert heard(-6.0) > 0.9
    assert heard(-3.0, -9.0) < heard(-3.0) < heard(-3.0, 9.0)


def test_an_estimate_is_no_unknown_length() -> None:
    """It says more than nothing, so it may not make a reading less likely than nothing does."""
    assert not traits(Hole((Lost(2, 6, True, 4),))).free
    assert not traits(Hole((Lost(2, 6, True),))).free
    assert traits(Hole((Lost(1, None, True),))).free
    unmask = FillMask()

    def door(sign: str) -> float:
        (gap,) = unmask.restore(f"He opened the {sign} and went into the room.", notation="leiden").gaps
        return {r.text: r.probability for r in gap.readings}["door"]

    exact, about, nothing = (door(sign) for sign in ("[....]", "[c. 4]", "[---]"))
    assert exact > about > nothing
