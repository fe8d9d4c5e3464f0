"""What the commands say to calls that are nearly right, and that a letter means one thing in all of them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fillmask.cli import fillmask

# What each letter means, by the long names that it may stand for.
LETTERS = {
    "-f": {"--format"},
    "-h": {"--help"},
    "-k": {"--top-k", "--readings"},  # how many answers
    "-m": {"--model"},
    "-n": {"--notation"},
    "-o": {"--output", "--out"},  # where to write
    "-p": {"--port"},
    "-q": {"--quiet"},
    "-t": {"--text"},
}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command by its words."""
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            try:
                inner = command.get_command(context, name)
            except ImportError:  # of an extra that is not installed
                continue
            if inner is not None:
                yield from commands(inner, (*path, name))


def test_a_letter_means_one_thing_in_all_commands() -> None:
    seen = set()
    for path, command in commands(fillmask):
        for parameter in command.params:
            letters = [option for option in parameter.opts if option[0] == "-" and option[1] != "-"]
            long = {option for option in parameter.opts if option.startswith("--")}
            for letter in letters if isinstance(parameter, click.Option) else ():
                assert long & LETTERS.get(letter, set()), f"{path}: {letter} is {long}"
                seen.add(letter)
    assert {"-k", "-m", "-o", "-t"} <= seen


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fill", "I am ___ to the bakery"), 1, "'___' is a gap of unknown length, which restore reads (fillmask restore -t TEXT"),
        (("fill", "I am [...] to"), 1, "'[...]' is a gap of unknown length"),
        (("fill", "I am … to"), 1, "'…' is a gap of unknown length"),
        (("fill", "I am [mask] to"), 1, "'[mask]' is no mask: write <mask> or [MASK]"),
        (("fill", "I am <MASK> to"), 1, "'<MASK>' is no mask: write <mask> or [MASK]"),
        (("fill", "I am {{ mask }} to"), 1, "'{{ mask }}' is no mask"),
        (("fill", "I am going"), 1, "write <mask> where a word is missing"),
        (("score", "I am going"), 2, "there is no file 'I am going'; a text by itself goes after -t, and - reads stdin"),
        (("restore", "I am ... to"), 2, "there is no file 'I am ... to'; a text by itself goes after -t, and - reads stdin"),
        (("restore",), 2, "expected a FILE (- for stdin) or --text"),
        (("restore", "-", "-t", "a ... b"), 2, "expected a FILE (- for stdin) or --text, and not both"),
        (("batch",), 2, "INPUT and OUTPUT are missing, as in: fillmask batch phrases.txt filled/"),
        (("batch", "phrases.txt"), 2, "OUTPUT is missing: the folder to write the answers to phrases.txt into"),
        (("batch", "in/*.parquet"), 2, "OUTPUT is missing"),
        (("batch", "-"), 2, "OUTPUT is missing"),
        (("batch", "filled/"), 2, "INPUT is missing: the files whose rows go into filled/"),
    ],
)  # fmt: skip
def test_hints(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "fillmask", *arguments], capture_output=True, text=True, cwd=tmp_path, input="", check=False
    )  # fmt: skip
    assert finished.returncode == code, finished.stderr
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_a_text_by_itself_is_restored() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "fillmask", "restore", "-t", "I am ... to the bakery"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stdout.startswith("I am ")
    assert finished.stdout.strip().endswith(" to the bakery")
