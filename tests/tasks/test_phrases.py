"""Targets of several tokens: their joint probability, against one call of the model for each token."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from fillmask import FillMask
from fillmask.errors import NoMaskError, TargetsError, TextTooLongError
from fillmask.tokenization.masked_input import MaskedInput

TARGETS = ["dog", "gingerbread", "two coins", "old dog"]


@pytest.fixture(scope="module", params=["modernbert_folder", "roberta_folder"])
def unmask(request: pytest.FixtureRequest) -> FillMask:
    return FillMask(request.getfixturevalue(request.param), precision="float32")


def joint(unmask: FillMask, text: str, written: str) -> float:
    """The log-probability of a piece of text for the only mask of a text, token after token."""
    pieces = unmask.tokenizer.encode(written, add_special_tokens=False)
    ids = unmask.tokenizer.encode(text)
    at = ids.index(unmask.mask_token_id)
    total = 0.0
    for done, piece in enumerate(pieces):
        row = [*ids[:at], *pieces[:done], *[unmask.mask_token_id] * (len(pieces) - done), *ids[at + 1 :]]
        ((_, found),) = unmask.model.log_probabilities([MaskedInput(row, [0] * len(row), [at + done])])
        total += float(found[0, piece])
    return total


@pytest.mark.parametrize(
    ("text", "lead"), [("The <mask> went to the bakery.", " "), ("<mask> went to the bakery.", "")]
)
def test_joint_probabilities(unmask: FillMask, text: str, lead: str) -> None:
    found = unmask(text, targets=TARGETS, multi_token=True)
    assert sorted(c["token_str"].strip() for c in found) == sorted(TARGETS)
    assert [c["score"] for c in found] == sorted((c["score"] for c in found), reverse=True)
    for candidate in found:
        expected = joint(unmask, text, lead + candidate["token_str"].strip())
        assert candidate["log_probability"] == pytest.approx(expected, abs=1e-3)
        assert candidate["score"] == pytest.approx(math.exp(expected), rel=1e-2)
        assert candidate["sequence"] == text.replace("<mask>", candidate["token_str"].strip())


def test_a_target_of_one_token_has_the_score_of_fill(unmask: FillMask) -> None:
    text = "The <mask> went to the bakery."
    (whole,) = unmask(text, targets="dog", multi_token=True)
    (token,) = unmask(text, targets="Ġdog")
    assert whole["score"] == pytest.approx(token["score"], rel=1e-4)
    assert (whole["token"], whole["sequence"]) == ([token["token"]], token["sequence"])


def test_shapes_and_limits(unmask: FillMask) -> None:
    several = unmask("The <mask> went to the <mask>.", targets=TARGETS, multi_token=True, top_k=2)
    assert [len(mask) for mask in several] == [2, 2]
    assert several[0][0]["sequence"].count("<mask>") == 1
    nested = unmask(["A <mask>.", "The <mask> <mask>."], targets=TARGETS, multi_token=True)
    assert (len(nested[0]), len(nested[1])) == (4, 2)
    stream = unmask(iter(["A <mask>.", "nothing"]), targets=TARGETS, multi_token=True)
    assert len(next(stream)) == 4
    with pytest.raises(NoMaskError):
        next(stream)
    for targets in ([], [""], " ", None):
        with pytest.raises(TargetsError, match="At least one target"):
            unmask("A <mask>.", targets=targets, multi_token=True)
    long = "The <mask> went. " + "The old dog went to the bakery. " * 30
    with pytest.raises(TextTooLongError, match="with a target in it"):
        unmask(long, targets=TARGETS, multi_token=True)
    assert len(unmask(long, targets=TARGETS, multi_token=True, long_text="window")) == 4


def test_the_command(modernbert_folder: Path) -> None:
    call = [sys.executable, "-m", "fillmask", "fill", "-m", str(modernbert_folder), "--json", "--multi-token"]
    finished = subprocess.run(
        [*call, "--targets", ",".join(TARGETS), "The <mask> went."], capture_output=True, text=True, check=True
    )
    (answer,) = map(json.loads, finished.stdout.splitlines())
    expected = FillMask(modernbert_folder)("The <mask> went.", targets=TARGETS, multi_token=True)
    assert [c["token_str"] for c in answer["masks"][0]] == [c["token_str"] for c in expected]
    wrong = subprocess.run([*call, "The <mask> went."], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "--multi-token ranks --targets; name some" in wrong.stderr) == (2, True)
