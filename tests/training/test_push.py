"""`--push-to-hub` of the training commands: the result goes up when it is made, and a bad name is told before."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs fillmask[train]")

from tiny import SENTENCES
from uploads import run_python, upload_hub

TRAIN = ("-m", "fillmask", "train", "pretrain")
OPTIONS = ("--size", "tiny", "--tokens", "512", "--batch-tokens", "512", "--device", "cpu", "--no-compile")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(" ".join(SENTENCES[n:] + SENTENCES[:n]) for n in range(len(SENTENCES))))
    return path


def test_the_result_goes_up(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with upload_hub() as hub:
        command = (*TRAIN, str(text), "-o", str(folder), *OPTIONS, "--push-to-hub", "someone/mine", "--private")
        result = run_python(hub, tmp_path / "home", *command)
    assert result.returncode == 0, result.stderr
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(hub.files)
    assert not [name for name in hub.files if name.startswith("training")]
    assert hub.files["README.md"] == (folder / "README.md").read_bytes()
    assert hub.private
    assert f"{hub.url}/someone/new/commit/" in result.stderr  # the address that the stand-in gives every commit


def test_a_bad_name_is_told_before_the_training(text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    with upload_hub() as hub:
        result = run_python(
            hub, tmp_path / "home", *TRAIN, str(text), "-o", str(folder), *OPTIONS, "--push-to-hub", "a/b/c"
        )
    assert result.returncode == 1
    assert "expected a name such as" in result.stderr
    assert not folder.exists()


def test_private_without_a_repository_is_refused(text: Path, tmp_path: Path) -> None:
    with upload_hub() as hub:
        result = run_python(
            hub, tmp_path / "home", *TRAIN, str(text), "-o", str(tmp_path / "mine"), *OPTIONS, "--private"
        )
    assert result.returncode == 2
    assert "--push-to-hub" in result.stderr
