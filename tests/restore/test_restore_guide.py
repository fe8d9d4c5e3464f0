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
    first, *gaps = capsys.readouterr().out.splitlines()
    assert first.startswith("I am ")
    assert len(gaps) == 2


def test_its_options_exist() -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"(?<!-)--[a-z]+(?:-[a-z]+)*", GUIDE)) <= options


@pytest.mark.parametrize("sign", _signs("Plain text"))
def test_signs_of_plain_text(sign: str) -> None:
    assert len(parse(f"went {sign} home", notation="plain").damaged.holes) == 1


@pytest.mark.parametrize("sign", _signs("Leiden conventions"))
def test_signs_of_leiden(sign: str) -> None:
    read = parse(f"went{sign}home" if sign == "|" else f"went {sign} home", notation="leiden").damaged
    lost = any(mark in sign for mark in ("..", ". .", "c.", "ca.", "±", "-", "ạ"))
    assert len(read.holes) == (0 if not lost else 2 if " .." in sign else 1)
    assert not set("[]{}<>|?!()") & set(read.filled(["x"] * len(read.holes)))


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
