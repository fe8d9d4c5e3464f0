"""What a hole admits, and which letters fall to which of its parts, against the regular expressions that say the same."""

import random
import re
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from test_automaton import random_hole
from toys import HOLES, texts

from fillmask.errors import InputError
from fillmask.restore.damage import Element, Hole, Known, Lost, fitted
from fillmask.restore.editions.align import portions
from fillmask.restore.notation import Stretch, parse


def pattern(element: Element, *, loosely: bool) -> str:
    if isinstance(element, Known):
        if element.certain:
            return re.escape(element.text)
        return "".join("." if loosely else r"\S" if c != " " else " " for c in element.text)
    kind = "." if loosely else "[^\n]" if element.spaces else r"\S"
    return f"{kind}{{{element.least},{'' if element.most is None else element.most}}}{'?' if loosely else ''}"


def admitted(hole: Hole, text: str) -> bool:
    if hole.targets is not None and (text.upper() if hole.any_case else text) not in [
        target.upper() if hole.any_case else target for target in hole.targets
    ]:
        return False
    if text != text.strip() or "  " in text:
        return False
    flags = re.DOTALL | (re.IGNORECASE if hole.any_case else 0)
    return re.fullmatch("".join(pattern(e, loosely=False) for e in hole.elements), text, flags) is not None


def samples(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choice("abé. \n\u00a0") for _ in range(rng.randint(0, 9))) for _ in range(count)]


def test_a_hole_admits_what_its_regular_expression_matches() -> None:
    rng = random.Random(7)
    both = [0, 0]
    for hole in [*HOLES, *(replace(hole, any_case=True) for hole in HOLES), *(random_hole(rng) for _ in range(400))]:
        for text in [*samples(rng, 60), *rng.sample(texts(3), 20)]:
            expected = admitted(hole, text)
            assert hole.admits(text) == expected, (hole, text)
            both[expected] += 1
    assert min(both) > 1000


def test_portions_are_the_groups_of_a_regular_expression() -> None:
    rng = random.Random(8)
    found = 0
    for _ in range(400):
        stretches = [Stretch(0, 0, random_hole(rng).elements) for _ in range(rng.randint(1, 3))]
        groups = "".join(f"({''.join(pattern(e, loosely=True) for e in s.elements)})" for s in stretches)
        for text in samples(rng, 60):
            match = re.fullmatch(groups, text, re.DOTALL)
            assert portions(stretches, text) == (list(match.groups()) if match else None), (stretches, text)
            found += match is not None
    assert found > 500


def test_ends_divide_the_text() -> None:
    ends = fitted((Known("a"), Lost(1, None, spaces=True), Known("b"), Lost(0, 2)), "a bbcb")
    assert ends == [1, 3, 4, 6]
    assert [("a bbcb")[s:e] for s, e in pairwise([0, *ends])] == ["a", " b", "b", "cb"]
    assert fitted((), "") == []
    assert fitted((), "a") is None


def test_many_losses_in_one_word_take_no_time() -> None:
    """Backtracking took 20 seconds for eight, and as many more for each other one."""
    document = parse("a[---]" * 200 + "b c", notation="leiden")
    (hole,) = document.damaged.holes
    begun = time.perf_counter()
    assert not hole.admits("a" * 2000)
    assert portions(document.stretches[0], "a" * 2000) is None
    assert hole.admits("ax" * 200 + "b")
    assert portions(document.stretches[0], "ax" * 200 + "b") is not None
    assert time.perf_counter() - begun < 5


def test_the_transcription_is_there_where_no_letter_is_lost() -> None:
    assert Hole((Known("Pen"), Known("d", certain=False), Known("arves"))).transcription == "Pendarves"
    assert Hole((Known("ba"), Lost(1, 1))).transcription is None


@pytest.mark.parametrize(("certain", "confidence"), [(True, 0.5), (False, 1.5), (False, -0.1)])
def test_only_unclear_letters_have_a_confidence_and_it_is_a_probability(certain: bool, confidence: float) -> None:
    with pytest.raises(InputError, match="expected 0 to 1, of letters that are not certain"):
        Known("a", certain=certain, confidence=confidence)
