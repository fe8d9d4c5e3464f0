"""The automaton accepts what `Hole.admits` accepts, and nothing else."""

import random
import time

import pytest
from toys import HOLES, texts

from fillmask import InputError
from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.decoding.automaton import Region
from fillmask.restore.decoding.compilation import compile_region
from fillmask.restore.decoding.utf8 import byte_table
from fillmask.restore.notation import parse

_ANY_CASE = (
    Hole((Known("aé"), Lost(0, 1), Known("A")), any_case=True),
    Hole((Known("B", certain=False), Known("a")), any_case=True),
    Hole((Lost(1, 3),), targets=("Ab", "é."), any_case=True),
)


@pytest.mark.parametrize("hole", [*HOLES, *_ANY_CASE], ids=str)
def test_a_hole_is_its_automaton(hole: Hole) -> None:
    automaton = compile_region(Region(hole, lead=" ", tail='."'))
    for text in texts(4):
        assert automaton.admits(f' {text}."') == hole.admits(text), repr(text)
        assert not automaton.admits(f'x{text}."')


def random_hole(rng: random.Random) -> Hole:
    elements: list[Element] = []
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.4:
            text = "".join(rng.choice("ab é.") for _ in range(rng.randint(1, 2)))
            elements.append(Known(text, certain=rng.random() < 0.7))
        else:
            least = rng.randint(0, 2)
            most = rng.choice([None, max(1, least), least + 2])
            elements.append(Lost(least, most, spaces=rng.random() < 0.5))
    return Hole(tuple(elements))


def test_random_holes_as_characters_and_as_bytes() -> None:
    rng = random.Random(5)
    samples = texts(4)
    admitted = 0
    for _ in range(60):
        hole = random_hole(rng)
        chosen = rng.sample(samples, 400)
        try:
            automaton = compile_region(Region(hole))
        except InputError:
            assert not any(hole.admits(t) for t in samples)
            continue
        table, plain = byte_table(automaton)
        accepting = set(plain[automaton.accepting].tolist())
        for text in chosen:
            expected = hole.admits(text)
            admitted += expected
            assert automaton.admits(text) == expected, (hole, text)
            state = int(plain[automaton.start])
            for byte in text.encode():
                state = int(table[state, byte])
            assert (state in accepting) == expected, (hole, text)
    assert admitted > 1000


@pytest.mark.parametrize(
    "wrong", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\x83", b"\xf5\x80\x80\x80", b"\x80", b"\xc3"]
)
def test_bytes_that_are_no_character_or_a_space_lead_nowhere(wrong: bytes) -> None:
    table, plain = byte_table(automaton := compile_region(Region(Hole((Lost(1, 3),)))))
    state = int(plain[automaton.start])
    for byte in wrong:
        state = int(table[state, byte])
    assert state not in set(plain[automaton.accepting].tolist())


def test_every_character_is_one_however_many_bytes() -> None:
    table, plain = byte_table(automaton := compile_region(Region(Hole((Lost(2, 2),)))))
    for text in ("ab", "é’", "日本", "😀a", "\u07ff\uffff"):
        state = int(plain[automaton.start])
        for byte in text.encode():
            state = int(table[state, byte])
        assert state in set(plain[automaton.accepting].tolist()), text


def test_unclear_letters_are_counted() -> None:
    automaton = compile_region(Region(Hole((Known("aba", certain=False),))))
    for text, odd in (("aba", 0), ("abb", 1), ("bbb", 2), ("xyz", 3)):
        state = automaton.start
        for character in text:
            state = int(automaton.table[state, automaton.class_of(character)])
        assert automaton.accepting[state]
        assert automaton.odd[state] == odd


def test_a_hole_that_nothing_fits_says_so() -> None:
    with pytest.raises(InputError, match="nothing can stand in the hole"):
        compile_region(Region(Hole((Lost(1, 2),), targets=("three",))))


def test_long_holes_are_read_in_ascii_and_their_own_letters() -> None:
    automaton = compile_region(Region(Hole((Lost(1, 2), Known("é"), Lost(1, 1)))))
    table, plain = byte_table(automaton, ascii_only=True)
    accepting = set(plain[automaton.accepting].tolist())
    for text, expected in (
        ("aéb", True),
        ("abé.", True),
        ("aê", False),
        ("aèb", False),
        ("a\té", False),
        ("日éa", False),
    ):
        state = int(plain[automaton.start])
        for byte in text.encode():
            state = int(table[state, byte])
        assert (state in accepting) == expected, text


@pytest.mark.parametrize(
    "word",
    [
        "a[c. 16]b[c. 16]c",
        "a[---]b[c. 16]c",
        "[c. 300]b[c. 300]c[c. 300]",
        "[---]" + "k\u0323n\u0323e\u0323" * 8,
        "[---]a" * 40,
    ],
)
def test_a_hole_with_too_many_ways_is_read_loosely(word: str) -> None:
    """Two ranges in a word took a minute and more: a state for every set of places where the letter may have been."""
    (hole,) = parse(f"I am {word} here", notation="leiden").damaged.holes
    begun = time.perf_counter()
    automaton = compile_region(Region(hole))
    assert time.perf_counter() - begun < 15
    assert len(automaton.table) < 5000
    rng = random.Random(1)
    for _ in range(20):
        text = ""
        for element in hole.elements:
            if isinstance(element, Known):
                text += element.text
            else:
                text += "".join(rng.choice("abc") for _ in range(rng.randint(element.least, element.most or 9)))
        assert hole.admits(text)
        assert automaton.admits(text)
    assert automaton.exact or not automaton.admits("\n")


def test_ordinary_holes_are_read_exactly() -> None:
    for word in (
        "[-1000-]",
        "[c. 660]",
        "a[c. 8]b[c. 8]c",
        "i[---]nt[--]er[---]na[--]tional",
        "k\u0323n\u0323e\u0323[---]",
    ):
        (hole,) = parse(f"I am {word} here", notation="leiden").damaged.holes
        assert compile_region(Region(hole)).exact, word


def test_making_an_automaton_can_be_stopped() -> None:
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    (hole,) = parse("I am [-500-] here", notation="leiden").damaged.holes
    with pytest.raises(StoppedError):
        compile_region(Region(hole), check=stop)
