"""docs/guide/restore.md says what is so: its code runs, its options and signs exist, its fields are those of the schema."""

import json
import re
from pathlib import Path

import pytest

from fillmask.cli.restore import command
from fillmask.restore.notation import parse

_DOCS = Path(__file__).parents[2] / "docs" / "guide"
GUIDE = (_DOCS / "restore.md").read_text("utf-8")


def _signs(heading: str) -> list[str]:
    """What the first column of a table shows."""
    section = GUIDE[GUIDE.index(f"### {heading}") :]
    rows = re.findall(r"^\| (`.*?) \| ", section[: section.index("\n#", 5)], re.MULTILINE)
    return [sign.replace("\\|", "|") for row in rows for sign in re.findall(r"`([^`]+)`", row)]


def test_its_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(compile(code, "restore.md", "exec"), {})
    (shown,) = re.findall(r"```python.*?```text\n(.*?)```", GUIDE, re.DOTALL)
    printed = capsys.readouterr().out
    # Another engine or processor may move a probability a little, and change the order of the rarest readings.
    for one, other in zip(printed.splitlines(), shown.splitlines(), strict=True):
        assert re.sub(r", \('\w+', 0\.0\d?\)|[\d.]+", "", one) == re.sub(r", \('\w+', 0\.0\d?\)|[\d.]+", "", other)
    shares = [[float(n) for n in re.findall(r"\d\.\d+", text)] for text in (printed, shown)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_its_options_exist() -> None:
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<!-)--[a-z]+(?:-[a-z]+)*", GUIDE)) <= options


@pytest.mark.parametrize("sign", _signs("Plain text"))
def test_signs_of_plain_text(sign: str) -> None:
    assert len(parse(f"went {sign} home", notation="plain").damaged.holes) == 1


@pytest.mark.parametrize("sign", _signs("Leiden conventions"))
def test_signs_of_leiden(sign: str) -> None:
    read = parse(f"went{sign}home" if sign == "|" else f"went {sign} home", notation="leiden").damaged
    lost = any(mark in sign for mark in ("..", ". .", "c.", "ca.", "±", "+", "-", "ạ"))
    assert len(read.holes) == (0 if not lost else 2 if " .." in sign else 1)
    assert not set("[]{}<>|?!()") & set(read.filled(["x"] * len(read.holes)))


@pytest.mark.parametrize("notation", ["plain", "leiden"])
@pytest.mark.parametrize("sign", [sign for sign in _signs("Notes of a loss") if sign.startswith("[")])
def test_notes_of_a_loss(sign: str, notation: str) -> None:
    assert len(parse(f"went {sign} home", notation=notation).damaged.holes) == 1


def test_its_fields_are_those_of_the_schema() -> None:
    schema = json.loads((_DOCS / "restoration.schema.json").read_text("utf-8"))
    section = GUIDE[GUIDE.index("### The JSON") :]
    fields = set(re.findall(r"`([a-z_]+)`", section))
    known = set(schema["properties"]) | {
        name for part in schema["$defs"].values() for name in part.get("properties", ())
    }
    known -= {"forward_passes", "rows", "seconds", "index"} & fields
    assert known - fields <= {"forward_passes", "rows", "seconds", "index"}
    assert set(schema["properties"]) <= fields
