"""Parse, print, parse is the identity; and what is printed is read as what it was printed from."""

import re
from itertools import pairwise
from random import Random

import pytest
from grammar import document
from hypothesis import given, settings
from hypothesis import strategies as st

from fillmask import NotationError
from fillmask.restore.damage import Hole, Known
from fillmask.restore.notation import parse
from fillmask.restore.notation.document import Document

CASES = 10_000


@pytest.mark.parametrize("notation", ["plain", "leiden", "tei"])
def test_ten_thousand_documents(notation: str) -> None:
    random = Random(notation)
    holes = 0
    for number in range(CASES):
        source, parts = document(random, notation)
        found = parse(source, notation=notation)
        assert found.damaged.parts == parts, (number, source)
        assert found.print() == source
        assert parse(found.print(), notation=notation) == found
        _check(found)
        holes += len(found.damaged.holes)
    assert holes > CASES  # else little was tried


@pytest.mark.filterwarnings("ignore:what looks like damage", "ignore:line")
@given(
    source=st.text(st.sampled_from("ab .…_[]{}<>()|-–c4?+/*#█~\\:⟨⟩\n\r\f'’\u0323ẹ&;\u00ad⟦⟧"), max_size=40),
    notation=st.sampled_from(["auto", "plain", "leiden", "tei"]),
    keep=st.booleans(),
)
@settings(max_examples=1500)
def test_any_text_is_read_or_refused_by_place(source: str, notation: str, keep: bool) -> None:
    found = _parsed(source, notation, keep)
    if isinstance(found, NotationError):
        lines = re.split(r"\r\n?|\n", source)
        assert str(found).startswith(f"line {found.line}, column {found.column}: ")
        assert 1 <= found.line <= len(lines)
        return
    assert found.print() == source
    assert parse(found.print(), notation=found.notation, keep_ellipses=keep) == found
    _check(found)


def _parsed(source: str, notation: str, keep_ellipses: bool) -> Document | NotationError:
    try:
        return parse(source, notation=notation, keep_ellipses=keep_ellipses)
    except NotationError as refusal:
        return refusal


def _check(found: Document) -> None:
    """What holds of every document."""
    holes = found.damaged.holes
    assert len(found.stretches) == len(found.places) == len(holes)
    assert [part for part in found.layout if isinstance(part, int)] == list(range(len(holes)))
    end = 0
    for hole, span, parts, place in zip(holes, found.spans, found.stretches, found.places, strict=True):
        assert end <= span[0] < span[1] <= len(found.source)
        end = span[1]
        assert found.source[span[0] : span[1]] in place.text
        spelled = "".join(e.text for part in parts for e in part.elements if isinstance(e, Known))
        assert spelled == "".join(e.text for e in hole.elements if isinstance(e, Known))
        assert all(one.end <= other.start for one, other in pairwise(parts))
    text = found.damaged.filled(["x"] * len(holes))
    assert text == text.strip()
    assert "  " not in text
    assert "\r" not in text
    for before, after in pairwise(found.damaged.parts):
        # A hole covers whole words.
        if isinstance(before, Hole):
            assert not isinstance(after, Hole)
            assert not after[0].isalnum()
        elif isinstance(after, Hole):
            assert not before[-1].isalnum()
