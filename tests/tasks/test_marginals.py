"""Log-probabilities at every position, against one call of the model for each and against `score`."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fillmask import FillMask
from fillmask.errors import InputError, TextTooLongError
from fillmask.tokenization.masked_input import MaskedInput

TEXT = "The old dog went to the bakery."


@pytest.fixture(scope="module", params=["modernbert_folder", "roberta_folder"])
def unmask(request: pytest.FixtureRequest) -> FillMask:
    return FillMask(request.getfixturevalue(request.param), precision="float32")


def test_masked_marginals_are_one_masked_position_after_the_other(unmask: FillMask) -> None:
    found = unmask.log_probabilities(TEXT)
    ids = unmask.tokenizer.encode(TEXT)
    assert found.values.shape == (len(ids) - 2, unmask.model.vocab_size)
    assert found.tokens == tuple(unmask.tokenizer.tokenize(TEXT))
    for position, row in enumerate(found.values, start=1):
        masked = [*ids[:position], unmask.mask_token_id, *ids[position + 1 :]]
        ((_, expected),) = unmask.model.log_probabilities([MaskedInput(masked, [0] * len(ids), [position])])
        np.testing.assert_allclose(row, expected[0], atol=1e-4)
        assert found.own[position - 1] == row[ids[position]]
    score = unmask.score(TEXT, method="original")
    assert found.pseudo_log_likelihood == pytest.approx(score.score, abs=1e-3)
    assert found.pseudo_perplexity == pytest.approx(score.pseudo_perplexity, rel=1e-3)


def test_wild_type_marginals_mask_nothing(unmask: FillMask) -> None:
    found = unmask.log_probabilities(TEXT, convention="wild-type")
    ids = unmask.tokenizer.encode(TEXT)
    ((_, expected),) = unmask.model.log_probabilities([MaskedInput(ids, [0] * len(ids), list(range(1, len(ids) - 1)))])
    np.testing.assert_allclose(found.values, expected, atol=1e-4)


def test_targets_are_columns(unmask: FillMask) -> None:
    targets = ["Ġdog", "Ġcat"]
    found, whole = unmask.log_probabilities(TEXT, targets=targets), unmask.log_probabilities(TEXT)
    ids = unmask.tokenizer.convert_tokens_to_ids(targets)
    assert found.columns.tolist() == ids
    np.testing.assert_allclose(found.values, whole.values[:, ids], atol=1e-4)
    np.testing.assert_allclose(found.own, whole.own, atol=1e-4)


def test_long_texts_and_many(unmask: FillMask) -> None:
    long = " ".join([TEXT] * 30)
    with pytest.raises(TextTooLongError):
        unmask.log_probabilities(long)
    scores = unmask.score(long, method="original", long_text="window")
    found = unmask.log_probabilities(long, targets=["Ġdog"], long_text="window")
    assert found.pseudo_log_likelihood == pytest.approx(scores.score, rel=1e-4)
    wild = unmask.log_probabilities(long, convention="wild-type", targets=["Ġdog"], long_text="window")
    assert wild.values.shape == (scores.tokens, 1)
    assert [a.text for a in unmask.log_probabilities([TEXT, "A cat."], targets=["Ġdog"])] == [TEXT, "A cat."]
    stream = unmask.log_probabilities(iter([TEXT, "a <mask>"]))
    assert next(stream).text == TEXT
    with pytest.raises(InputError, match="has a <mask> in it"):
        next(stream)
    with pytest.raises(InputError, match="convention is 'wt'; expected one of masked, wild-type"):
        unmask.log_probabilities(TEXT, convention="wt")


def test_the_command(modernbert_folder: Path) -> None:
    unmask = FillMask(modernbert_folder)
    call = [sys.executable, "-m", "fillmask", "score", "-m", str(modernbert_folder), "--per-token", "-t", TEXT]
    finished = subprocess.run([*call, "--targets", "dog,cat", "--json"], capture_output=True, text=True, check=True)
    (answer,) = map(json.loads, finished.stdout.splitlines())
    found = unmask.log_probabilities(TEXT, targets=["Ġdog", "Ġcat"])
    assert [token["token"] for token in answer["tokens"]] == list(found.tokens)
    assert [token["log_probability"] for token in answer["tokens"]] == pytest.approx(found.own.tolist(), abs=1e-4)
    assert list(answer["tokens"][0]["targets"]) == ["Ġdog", "Ġcat"]
    assert answer["pseudo_perplexity"] == pytest.approx(math.exp(-found.own.mean()), rel=1e-3)
    plain = subprocess.run([*call, "--convention", "wild-type"], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in plain.stdout.splitlines()]
    assert [row[:3] for row in rows] == [["1", str(n), token] for n, token in enumerate(found.tokens, start=1)]
    wrong = subprocess.run([*call[:-3], "-t", TEXT, "--targets", "dog"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "are options of --per-token" in wrong.stderr
