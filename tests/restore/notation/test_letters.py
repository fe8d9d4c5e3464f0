"""The letters of examples/: what is known to have stood in each hole is admitted there, and nothing else is changed."""

import re
from pathlib import Path

import pytest

from fillmask.restore.damage import Damaged, Hole
from fillmask.restore.notation import parse

LETTERS = Path(__file__).parents[3] / "examples" / "letters"
_HOLES = {"bakery.txt": 5, "lighthouse.txt": 19, "orchard.txt": 26, "ferry.xml": 19, "winter.txt": 36}
_NOTATIONS = {"lighthouse.txt": "leiden", "ferry.xml": "tei"}


def known_readings(damaged: Damaged, whole: str) -> list[str]:
    """What the whole text has in the holes of the damaged one."""
    pattern = "".join("(.+?)" if isinstance(part, Hole) else re.escape(part) for part in damaged.parts)
    found = re.fullmatch(pattern, whole)
    assert found, "the letter is not the whole one with holes in it"
    return list(found.groups())


@pytest.mark.parametrize("name", _HOLES)
def test_a_letter_admits_what_stood_there(name: str) -> None:
    document = parse((LETTERS / name).read_text("utf-8"))
    assert document.notation == _NOTATIONS.get(name, "plain")
    whole = parse((LETTERS / f"{Path(name).stem}.whole.txt").read_text("utf-8"), notation="plain").damaged.filled([])
    readings = known_readings(document.damaged, whole)
    assert len(readings) == _HOLES[name]
    for hole, reading, place in zip(document.damaged.holes, readings, document.places, strict=True):
        assert hole.admits(reading), (reading, place)
