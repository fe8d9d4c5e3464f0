"""What a plain install, without torch, says to `fillmask train`."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules['torch'] = None; from fillmask.cli import run; sys.exit(run(sys.argv[1:]))"


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [("pretrain",), ("adapt", "bundled"), ("distil", "bundled")])
def test_training_names_the_extra_in_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("A dog barks.\n\nA cat sleeps.\n")
    done = without_torch(*command, text, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("fillmask: training needs an extra that is not installed: pip install 'fillmask[train]'\n")
    assert not (tmp_path / "out").exists()


def test_help_and_vocabularies_need_none(tmp_path: Path) -> None:
    for command in ("pretrain", "adapt", "distil"):
        assert without_torch(command, "--help").returncode == 0
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"A dog barks at {n} cats." for n in range(50)))
    done = without_torch("tokenizer", text, "-o", tmp_path / "out", "--vocab-size", 280)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "tokenizer.json").exists()
