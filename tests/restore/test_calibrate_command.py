"""The calibrate command: held-out text in, restoration.json beside the model."""

import json
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from click.testing import CliRunner
from tiny import SENTENCES

from fillmask import FillMask
from fillmask.cli.train.calibrate import command
from fillmask.restore.calibration import calibration_file, fitting
from fillmask.restore.calibration.confidence import PLAIN
from fillmask.restore.restoring import settings_for
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions


@pytest.fixture
def text(tmp_path: Path) -> Path:
    documents = [" ".join(SENTENCES[n : n + 12]) for n in range(0, 24, 4)]
    (tmp_path / "letters.txt").write_text("\n\n".join(documents), "utf-8")
    return tmp_path / "letters.txt"


def test_a_model_is_calibrated(
    roberta_folder: Path, tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two kinds of damage are enough to try the command.
    monkeypatch.setattr(fitting, "fit", partial(fitting.fit, kinds=["words-1", "partial-50"]))
    folder = copytree(roberta_folder, tmp_path / "model")
    before = FillMask(folder, threads=1).restore("The old ... went home.").gaps[0]
    other = tmp_path / "other.txt"
    other.write_bytes(text.read_bytes())
    arguments = [str(text), str(other), "--model", str(folder), "--holes", "52", "--threads", "1", "--json"]
    found = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert said["file"] == str(folder / "restoration.json")
    assert said["holes"] >= 104
    assert said["sources"] == [text.name, "other.txt"]
    kept = calibration_file.load(folder)
    assert set(kept.weights) == {"joint", "independent"}
    after = FillMask(folder, threads=1).restore("The old ... went home.").gaps[0]
    assert after.readings[0].probability != before.readings[0].probability


def test_joint_reading_is_fitted_on_what_fitted_weights_read(
    roberta_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    collect = fitting.collect

    def recorded(*arguments: Any) -> Any:
        *_, settings, _, weights = arguments
        seen.append((settings == settings_for("joint"), weights == PLAIN))
        return collect(*arguments)

    monkeypatch.setattr(fitting, "collect", recorded)
    documents = [" ".join(SENTENCES[n : n + 12]) for n in range(0, 24, 4)]
    model = MaskedLM(roberta_folder, RuntimeOptions(threads=1))
    told: list[tuple[int, int]] = []
    fitting.fit(model, documents, kinds=["partial-50"], holes=105, on_progress=lambda *of: told.append(of))
    joint = [plain for is_joint, plain in seen if is_joint]
    assert joint == [True] * 35 + [False] * 105
    assert [plain for is_joint, plain in seen if not is_joint] == [True] * 105
    assert told[-1] == (245, 245)


def test_other_folders_and_missing_files(roberta_folder: Path, tmp_path: Path, text: Path) -> None:
    found = CliRunner().invoke(command, [str(tmp_path / "none.txt"), "--model", str(roberta_folder)])
    assert found.exit_code == 2
    short = tmp_path / "short.txt"
    short.write_text("Too short.", "utf-8")
    found = CliRunner().invoke(command, [str(short), "--model", str(roberta_folder), "--out", str(tmp_path / "out")])
    assert found.exit_code == 1
    assert "no paragraph of the documents has 25 words or more" in str(found.exception)
