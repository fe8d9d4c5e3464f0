"""`fillmask` alone, `fillmask doctor`, and `fillmask completion`."""

import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fillmask.cli import GREETING, run


def test_the_command_alone_greets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert capsys.readouterr().out == GREETING + "\n"


def test_the_greeting_names_commands_that_are_there() -> None:
    from fillmask.cli import SUBCOMMANDS

    words = shlex.split(GREETING.replace("|", " "), comments=False)
    named = {after for word, after in itertools.pairwise(words) if word == "fillmask" and after in SUBCOMMANDS}
    assert named == {"fill", "restore", "serve", "doctor"}


def test_doctor_describes_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    from fillmask.runtime.processor import processor, usable_cores

    assert run(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == []
    assert report["facts"]["machine"]["class"] == processor().label
    assert report["facts"]["machine"]["cores in use"] == f"{usable_cores()} of {os.cpu_count()}"
    assert report["facts"]["model"]["name"] == "bundled"
    assert report["facts"]["precision that auto takes"]["onnxruntime"]

    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "processor" in shown
    assert processor().label in shown


def test_doctor_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["doctor", "--model", str(tmp_path / "absent")]) == 1
    shown = capsys.readouterr().out
    assert "what is wrong" in shown
    assert "absent" in shown
    assert "cores in use" in shown


def test_doctor_names_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fillmask.cli.doctor import examine

    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    report = examine()
    assert report.facts["cache"]["writable"] == "no"
    assert [line for line in report.advice if "FILLMASK_CACHE" in line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_FILLMASK_COMPLETE" in capsys.readouterr().out


def test_completion_of_an_unknown_shell_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    assert run(["completion"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err


def test_a_shell_gets_the_commands(tmp_path: Path) -> None:
    environment = {**os.environ, "_FILLMASK_COMPLETE": "bash_complete", "COMP_WORDS": "fillmask re", "COMP_CWORD": "1"}
    command = [sys.executable, "-m", "fillmask"]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout == "plain,restore\n"
