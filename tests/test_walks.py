"""The walks of docs/design.md are true: every module of a step is entered, and the steps come in their order."""

import inspect
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from fillmask.cli import run

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fillmask"


def steps(title: str) -> list[list[str]]:
    """The modules that each step of a walk names."""
    design = (ROOT / "docs" / "design.md").read_text("utf-8")
    section = design.split("## Three walks")[1].split("\n## ")[0]
    part = next(part for part in section.split("\n**")[1:] if part.startswith(title))
    return [re.findall(r"`([a-z_/0-9]+\.py)`", step) for step in re.split(r"\n[0-9]+\. ", part)[1:]]


def entered(call: Callable[[], object]) -> list[str]:
    """The package's modules in the order in which a function of them is first called; making an object doesn't count."""
    order: dict[str, None] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        is_function = code.co_flags & inspect.CO_NEWLOCALS and code.co_flags & inspect.CO_OPTIMIZED  # no class body
        if event == "call" and is_function and code.co_name != "__init__" and code.co_filename.startswith(str(SOURCE)):
            order.setdefault(Path(code.co_filename).relative_to(SOURCE).as_posix())

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return list(order)


def check(title: str, call: Callable[[], object]) -> None:
    named = steps(title)
    assert named
    order = entered(call)
    assert not [name for step in named for name in step if name not in order]
    firsts = [step[0] for step in named]
    assert sorted(firsts, key=order.index) == firsts


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path / "cache"))


def test_one_text_through_fill(capsys: pytest.CaptureFixture[str]) -> None:
    check("One text", lambda: run(["fill", "--json", "I am <mask> to the bakery"]))
    assert "token_str" in capsys.readouterr().out


def test_one_letter_through_restore(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("I am ... to the b_k_ry")
    check("One letter", lambda: run(["restore", str(letter)]))
    assert capsys.readouterr().out


def test_one_row_through_batch(tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("I am <mask> to the bakery\n")
    check("One row", lambda: run(["batch", str(rows), str(tmp_path / "out"), "--task", "fill"]))
    assert list((tmp_path / "out").iterdir())
