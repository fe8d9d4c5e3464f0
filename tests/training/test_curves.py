"""What a training leaves to be looked at: TensorBoard's files, the picture of the curves, the model card."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="TensorBoard's files are written by torch")
pytest.importorskip("matplotlib", reason="the picture needs the plots extra")
events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="part of the train extra")

from fillmask.tasks import plots
from fillmask.training.reporting import Curves

PRETRAINED = [
    {"tokens": 1000 * n, "loss": 9.0 - n, "validation": {"loss": 8.5 - n, "top1": 0.1 * n, "top5": 0.1 * n + 0.01}}
    for n in range(1, 6)
]
FINETUNED = [
    {"epoch": n, "loss": 1 / n, "validation": {"loss": 1.0, "accuracy": 0.7, "macro_f1": 0.7}, "best": n == 2}
    for n in (1, 2, 3)
]


def drawn(axes: Any) -> dict[str, list[float]]:
    return {line.get_label(): [round(float(y), 4) for y in line.get_ydata()] for line in axes.get_lines()}


def test_losses_and_scores_of_a_pretraining() -> None:
    losses, scores = plots.training(PRETRAINED, "a model").axes
    assert drawn(losses) == {"training": [8, 7, 6, 5, 4], "held out": [7.5, 6.5, 5.5, 4.5, 3.5]}
    assert drawn(scores)["among the five likeliest"] == [11, 21, 31, 41, 51]
    assert losses.get_xlabel() == "thousand tokens"
    # Values that would lie on each other are moved apart.
    upper, lower = (text.xy[1] for text in scores.texts)
    assert upper - lower >= 0.049 * (scores.get_ylim()[1] - scores.get_ylim()[0])


def test_a_loss_of_another_kind_has_a_panel_of_its_own() -> None:
    panels = plots.training(PRETRAINED, "a student", apart=True).axes
    assert [list(drawn(axes)) for axes in panels[:2]] == [["training"], ["held out"]]
    assert len(panels) == 3


def test_epochs_and_the_one_that_was_kept() -> None:
    losses, scores = plots.training(FINETUNED, "a classifier").axes
    assert losses.get_xlabel() == "epoch"
    (kept,) = [line for line in scores.get_lines() if line.get_label() == "epoch kept"]
    assert list(kept.get_xdata()) == [2, 2]
    assert all(tick == int(tick) for tick in losses.get_xticks())


@pytest.mark.parametrize("records", [PRETRAINED[:1], [{"tokens": 5e6, "loss": 3.0}], [{"tokens": 10 * n, "loss": 9 / n} for n in range(1, 300)]])  # fmt: skip
def test_few_points_and_many_and_nothing_held_out(records: list[dict[str, Any]], tmp_path: Path) -> None:
    plots.save(plots.training(records, "a model"), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_what_was_written_after_the_last_state_is_hidden(tmp_path: Path) -> None:
    """Killed after 30, taken up at 10: TensorBoard shows each place once, with the value of the second run."""
    for start, loss in ((10, 5.0), (20, 4.0)):
        curves = Curves(tmp_path, "a model")
        for at in range(start, 40, 10):
            curves.add({"train/loss": loss}, at)
        curves.close()
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("train/loss")] == [(10, 5.0), (20, 4.0), (30, 4.0)]


def test_the_picture_is_made_of_the_curve(tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text("".join(json.dumps(record) + "\n" for record in FINETUNED))
    Curves(tmp_path, "a classifier").plot()
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"
