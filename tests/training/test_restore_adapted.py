"""`fillmask restore --adapt`, with the real adapting: a hand that the model has not seen before becomes familiar."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from fillmask import cli
from fillmask.restore.calibration.calibration_file import load
from fillmask.training.adapt import adapt

PLACES = ("the mill", "the harbour", "the chapel", "the north field", "the old bridge", "the market")
THINGS = ("two sheep", "a cart of hay", "your letter", "the new bell", "some honey", "a bundle of reeds")
HOUSE = "Wendlebury"


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """Letters that all end alike, and elsewhere differ."""
    rng = random.Random(1)
    text = "\n\n".join(
        f"Dear sister, this morning we went to {rng.choice(PLACES)} and found {rng.choice(THINGS)} there. "
        f"Tomorrow I must see {rng.choice(PLACES)} once more. All of us here at {HOUSE} send you our love."
        for _ in range(150)
    )
    path = tmp_path / "letters.txt"
    path.write_text(text, "utf-8")
    return path


def restored(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Readings of the first hole with their probabilities."""
    assert cli.run(["restore", *arguments, "--json"]) == 0
    found: Any = json.loads(capfd.readouterr().out)
    return {reading["text"]: reading["probability"] for reading in found["gaps"][0]["readings"]}


def test_the_author_s_words_are_found(letters: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.txt"
    damaged.write_text("The harvest is in. All of us here at W[.........] send you our love.", "utf-8")
    before = restored([str(damaged)], capfd)
    after = restored([str(damaged), "--adapt", str(letters)], capfd)
    assert before.get(HOUSE, 0.0) < 0.01
    assert after[HOUSE] > 0.05
    assert max(after, key=after.__getitem__) == HOUSE


def test_an_adapted_model_keeps_its_calibration(letters: Path, tmp_path: Path) -> None:
    from fillmask.models.checkpoint import open_checkpoint

    folder = adapt(None, [letters], tmp_path / "adapted", tokens=8192)
    first, second = load(open_checkpoint().folder), load(folder)
    assert second.weights == first.weights
    assert second.lengths == first.lengths
    assert second.fitted_on["model"] == "the one that this was adapted from"
