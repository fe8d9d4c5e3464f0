"""The rules of the package's structure; `python scripts/structure.py` prints the figures."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

_PATH = Path(__file__).resolve().parents[1] / "scripts" / "structure.py"


@pytest.fixture(scope="module")
def structure() -> Any:
    spec = importlib.util.spec_from_file_location("structure", _PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_few_modules_stand_beside_the_packages(structure: Any) -> None:
    assert len(structure.root_modules()) <= structure.MOST_ROOT_MODULES


def test_a_public_class_name_stands_in_one_module(structure: Any) -> None:
    assert structure.repeated_classes() == {}


def test_no_module_is_long(structure: Any) -> None:
    assert structure.long_modules() == {}


def test_names_say_what_they_hold(structure: Any) -> None:
    assert structure.vague_names() == {}
