"""Leiden notation: what each sign says, how signs nest, and what is not well-formed."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask import NotationError
from fillmask.errors import FillMaskWarning
from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.notation import detect, parse

_UNKNOWN = Lost(1, None, True)


def _about(about: int, least: int, most: int, *, spaces: bool = True) -> Lost:
    return Lost(least, most, spaces, about)


def _parts(source: str, *, keep_ellipses: bool = False) -> tuple[str | Hole, ...]:
    document = parse(source, notation="leiden", keep_ellipses=keep_ellipses)
    assert document.notation == "leiden"
    assert document.print() == source
    return document.damaged.parts


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        ("[.]", [Lost(1, 1, True)]),
        ("[...]", [Lost(3, 3, True)]),
        ("[…]", [Lost(3, 3, True)]),
        ("[. . . .]", [Lost(4, 4, True)]),
        ("[ .... ]", [Lost(4, 4, True)]),
        ("[c. 4]", [_about(4, 2, 6)]),
        ("[c.4]", [_about(4, 2, 6)]),
        ("[ca. 4]", [_about(4, 2, 6)]),
        ("[ca 4]", [_about(4, 2, 6)]),
        ("[± 4]", [_about(4, 2, 6)]),
        ("[- ca.7 -]", [_about(7, 4, 10)]),
        ("[- - - ca. 20 - - -]", [_about(20, 10, 30)]),
        ("[c. 4-6]", [Lost(4, 6, True)]),
        ("[c. 4–6]", [Lost(4, 6, True)]),
        ("[-7-]", [Lost(7, 7, True)]),
        ("[..7..]", [Lost(7, 7, True)]),
        ("[---]", [_UNKNOWN]),
        ("[- - -]", [_UNKNOWN]),
        ("[—]", [_UNKNOWN]),
        ("[c. 5000]", [_UNKNOWN]),
        ("[c. 99999999999999999999]", [_UNKNOWN]),
        ("[---][..]", [_UNKNOWN, Lost(2, 2, True)]),
        ("....", [Lost(4, 4, True)]),
        ("b[..]ery", [Known("b"), Lost(2, 2), Known("ery")]),
        ("b[c. 2]ery", [Known("b"), _about(2, 1, 4, spaces=False), Known("ery")]),
        ("b[---]ery", [Known("b"), _UNKNOWN, Known("ery")]),
        ("b[ak..]y", [Known("bak"), Lost(2, 2), Known("y")]),
        ("b[ak.r]y", [Known("bak"), Lost(1, 1), Known("ry")]),
        ("[---ry]", [_UNKNOWN, Known("ry")]),
        ("[ba- - -]", [Known("ba"), _UNKNOWN]),
        ("ba..ry", [Known("ba"), Lost(2, 2), Known("ry")]),
        ("ba[__]ry", [Known("ba"), Lost(2, 2), Known("ry")]),
        ("[[b..]]ery", [Known("b"), Lost(2, 2), Known("ery")]),
        ("[[[...]]]ery", [Lost(3, 3), Known("ery")]),
        ("ba{k}[..]ry", [Known("ba"), Lost(2, 2), Known("ry")]),
        ("b<a>[.]ery", [Known("ba"), Lost(1, 1), Known("ery")]),
        ("<mask>", [Lost(1, None)]),
        ("ba\u0323kery", [Known("b"), Known("a", False), Known("kery")]),
        ("b\u1ea1kery", [Known("b"), Known("a", False), Known("kery")]),
        ("ba\u0323k\u0323[..]y", [Known("b"), Known("ak", False), Lost(2, 2), Known("y")]),
        ("b[..]\u1eb9\u0301ry", [Known("b"), Lost(2, 2), Known("é", False), Known("ry")]),
        ("S(alu)t[..]", [Known("Salut"), Lost(2, 2)]),
    ],
)
def test_one_hole(source: str, elements: list[Element]) -> None:
    assert _parts(f"went, {source}; and") == ("went, ", Hole(tuple(elements)), "; and")


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("ba[ke]ry", "bakery"),
        ("the [old bakery] there", "the old bakery there"),
        ("the ba{ba}kery", "the bakery"),
        ("{the} the", "the"),
        ("the ba<k>ery", "the bakery"),
        ("the [[king]] and ⟦queen⟧", "the king and queen"),
        ("D(is) M(anibus) (see below)", "Dis Manibus (see below)"),
        ("one | two | three|four", "one two threefour"),
        ("bakery(?) and(!)", "bakery and"),
        ("[Mr. Smith went.]", "Mr. Smith went."),
        ("{a [b <c> [...]] d}e", "e"),
        ("[[a[b<c{d}>]]]", "abc"),
        ("I said. Then 3.5 went.", "I said. Then 3.5 went."),
        ("[over two\nlines]", "over two lines"),
    ],
)
def test_marks_resolve(source: str, read: str) -> None:
    assert _parts(source) == (read,)


def test_blanks_in_brackets_show_words() -> None:
    assert _parts("[.... ..] went") == (Hole((Lost(4, 4),)), " ", Hole((Lost(2, 2),)), " went")
    assert _parts("ba[.. ..]ing") == (Hole((Known("ba"), Lost(2, 2))), " ", Hole((Lost(2, 2), Known("ing"))))


def test_ellipses_can_be_punctuation() -> None:
    assert _parts("Well... then [...] a..d", keep_ellipses=True) == (
        "Well... then ",
        Hole((Lost(3, 3, True),)),
        " ",
        Hole((Known("a"), Lost(2, 2), Known("d"))),
    )


def test_strokes_end_lines() -> None:
    document = parse("to the ba|k[.]ry | on [---]", notation="leiden")
    assert document.laid_out(["bakery", "foot"]) == "to the bakery\non foot"
    assert parse("to the ba|kery | on", notation="leiden").laid_out([]) == "to the ba-\nkery\non"


def test_the_place_of_a_hole_has_both_brackets_of_a_pair() -> None:
    document = parse("the [k..g] went, [[b..]]k a[b..] [c..]d", notation="leiden")
    assert [place.text for place in document.places] == ["[k..g]", "[[b..]]k", "a[b..]", "[c..]d"]


@pytest.mark.parametrize(
    ("source", "line", "column", "what"),
    [
        ("one [two", 1, 5, "'[' is not closed"),
        ("one\ntwo {three\nfour\n\nfive}", 2, 5, "'{' is not closed"),
        ("one\r\n\r\n two] three", 3, 5, "']' closes nothing"),
        ("[a}", 1, 3, "'}' where ']' is expected, for the '[' opened in line 1"),
        ("[[a] b", 1, 4, "']' where ']]' is expected"),
        ("a > b", 1, 3, "'>' closes nothing"),
        ("a [c. 0] b", 1, 3, "at least 1"),
        ("a [c. 9-6] b", 1, 3, "a range that grows"),
        ("[(" * 60, 1, 101, "more than 50 deep"),
    ],
)
def test_what_is_not_well_formed_names_its_place(source: str, line: int, column: int, what: str) -> None:
    with pytest.raises(NotationError, match=re.escape(what)) as caught:
        parse(source, notation="leiden")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.filterwarnings("ignore:what looks like damage")
def test_an_error_says_that_leiden_was_a_guess() -> None:
    with pytest.raises(NotationError, match="looks like Leiden notation"):
        parse("[---] and [so")
    assert parse("[---] and [so", notation="plain").damaged.holes == ()


@pytest.mark.parametrize(
    "source",
    ["[---]", "[c. 4]", "[- ca.7 -]", "a\u0323", "ba[ke]ry", "ba[kery]", "[ba]kery", "[[gone]]", "ba{k}kery", "b<a>k"],
)
def test_leiden_is_known_by_its_signs(source: str) -> None:
    assert detect(f"I went to {source} today") == "leiden"


@pytest.mark.parametrize(
    "source",
    ["[...]", "b[..]k", "b_k", "[sic]", "word[1]", "ba<mask>ry", "ba[MASK]ry", "f[0]", "a < b > c", "{a} b"],
)
def test_plain_text_has_none_of_them(source: str) -> None:
    assert detect(f"I went to {source} today") == "plain"


def test_composed_and_decomposed_underdots_are_the_same() -> None:
    source = "ḅaḳẹṛy and ẹ́"
    assert _parts(source) == _parts(unicodedata.normalize("NFD", source))


def test_a_bracket_with_dots_that_is_not_closed_is_found_at_once() -> None:
    """It took time with the square of the dots: 16,000 half a second, 100,000 a quarter of a minute."""
    begun = time.perf_counter()
    with pytest.raises(NotationError, match="not closed"):
        parse("I am here [" + "." * 100_000, notation="leiden")
    assert len(parse("I am here [ " + ". " * 500 + "]", notation="leiden").damaged.holes) == 1
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize("lost", ["[.... ..]", "[..... ...]", "[.. .. ..]", "[… ..]", "[ ... .... ]"])
def test_counted_letters_with_a_blank_between_words_are_leiden(lost: str) -> None:
    found = parse(f"The king {lost} to the house.")
    assert found == parse(f"The king {lost} to the house.", notation="leiden")
    assert len(found.damaged.holes) == len(re.findall("[.…]+", lost))
    assert not set("[]") & set(found.damaged.filled(["x"] * len(found.damaged.holes)))


@pytest.mark.parametrize("letter", "ịẹọạụḅḍḥ")
def test_a_letter_with_its_dot_is_leiden_however_it_is_typed(letter: str) -> None:
    for form in ("NFC", "NFD"):
        source = unicodedata.normalize(form, f"the k{letter}ng")
        assert detect(source) == "leiden"
        (hole,) = parse(source).damaged.holes
        assert hole.elements[1] == Known(unicodedata.normalize("NFD", letter)[0], certain=False)


@pytest.mark.parametrize(
    "source", ["Tôi đi chợ với chị ...", "Kṛṣṇa in the Mahābhārata ...", "of Ḥasan ibn Thābit ..."]
)
def test_what_is_written_with_such_letters_is_plain(source: str) -> None:
    assert detect(source) == "plain"


_TWO = Lost(1, None)
_NOTES = [
    ("[ca. 7 letters]", [_about(7, 4, 10)]),
    ("[c. 7 letters lost]", [_about(7, 4, 10)]),
    ("[about 7 characters missing]", [_about(7, 4, 10)]),
    ("[± 7 lett.]", [_about(7, 4, 10)]),
    ("[7 letters]", [Lost(7, 7, True)]),
    ("[2 or 3 letters illegible]", [Lost(2, 3, True)]),
    ("[1 letter?]", [Lost(1, 1, True)]),
    ("[c. 5-7 letters]", [Lost(5, 7, True)]),
    ("[2 lines]", [_UNKNOWN]),
    ("[c. 2 lines lost]", [_UNKNOWN]),
    ("[Two lines are missing]", [_UNKNOWN]),
    ("[--- 2 lines ---]", [_UNKNOWN]),
    ("[3 leaves lost]", [_UNKNOWN]),
    ("[some words lost]", [_UNKNOWN]),
    ("[2 words]", [_TWO, Known(" "), _TWO]),
    ("[c. 2 words]", [_UNKNOWN]),
    ("[a word illegible]", [_TWO]),
    ("[lost]", [_UNKNOWN]),
    ("[LOST]", [_UNKNOWN]),
    ("[illegible?]", [_UNKNOWN]),
    ("[rest of the line lost]", [_UNKNOWN]),
    ("[text missing]", [_UNKNOWN]),
    ("[lacuna]", [_UNKNOWN]),
]


@pytest.mark.parametrize("notation", ["plain", "leiden"])
@pytest.mark.parametrize(("note", "elements"), _NOTES)
def test_notes_of_a_loss_are_holes(note: str, elements: list[Element], notation: str) -> None:
    found = parse(f"I am {note} to him", notation=notation)
    assert found.damaged.parts == ("I am ", Hole(tuple(elements)), " to him")
    assert found.print() == f"I am {note} to him"


@pytest.mark.parametrize(
    ("sign", "lost"),
    [
        ("[+3+]", _about(3, 1, 5)),
        ("[c. 4?]", _about(4, 2, 6)),
        ("[-c. ?-]", _UNKNOWN),
        ("[ -ca.?- ]", _UNKNOWN),
        ("[c. ?]", _UNKNOWN),
        ("[---?]", _UNKNOWN),
        ("[- - -?]", _UNKNOWN),
    ],
)
def test_lengths_that_are_in_doubt(sign: str, lost: Lost) -> None:
    assert detect(f"I am {sign} to him") == "leiden"
    assert parse(f"I am {sign} to him").damaged.parts == ("I am ", Hole((lost,)), " to him")


@pytest.mark.parametrize(
    "words",
    ["the", "lost at sea", "two lines", "I lost", "gap year", "missing you", "a word", "f[lost]", "[lost]ly", "word 7"],
)
@pytest.mark.filterwarnings("ignore:what looks like damage")
def test_what_an_editor_supplied_is_no_note(words: str) -> None:
    source = f"I am {words if '[' in words else f'[{words}]'} to him"
    assert parse(source, notation="leiden").damaged.parts == (source.replace("[", "").replace("]", ""),)
    assert parse(source, notation="plain").damaged.parts == (source,)


def test_notes_at_letters() -> None:
    assert _parts("b[2 letters]ery") == (Hole((Known("b"), Lost(2, 2), Known("ery"))),)


def test_a_note_of_nothing() -> None:
    with pytest.raises(NotationError, match=r"\[0 letters\] says how many letters are lost"):
        parse("a [0 letters] b", notation="leiden")
    assert parse("a [0 letters] b", notation="plain").damaged.parts == ("a [0 letters] b",)


@pytest.mark.parametrize("bracket", ["[some 7 letters are lost here]", "[7 letters or so]", "[lines, two, lost]"])
def test_what_seems_a_note_and_is_none_is_warned_of(bracket: str) -> None:
    with pytest.warns(FillMaskWarning, match="line 1, column 6: .* read as words that the editor supplied"):
        assert parse(f"I am {bracket} to", notation="leiden").damaged.holes == ()


@given(
    number=st.integers(1, 40),
    about=st.sampled_from(["", "c. ", "ca.", "circa ", "± ", "about "]),
    unit=st.sampled_from(["letters", "letter", "characters", "LETTERS"]),
    loss=st.sampled_from(["", " lost", " missing", " are illegible"]),
    doubt=st.sampled_from(["", "?"]),
    fill=st.sampled_from([("", ""), ("- ", " -"), ("--- ", " ---"), (" ", " ")]),
)
def test_any_note_of_so_many_letters(
    number: int, about: str, unit: str, loss: str, doubt: str, fill: tuple[str, str]
) -> None:
    note = f"[{fill[0]}{about}{number} {unit}{loss}{doubt}{fill[1]}]"
    for notation in ("plain", "leiden"):
        (hole,) = parse(f"I am {note} to", notation=notation).damaged.holes
        (lost,) = hole.elements
        assert isinstance(lost, Lost)
        assert (lost.about if about else lost.least) == number


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_bracket_may_go_over_a_line_and_not_over_a_paragraph(end: str) -> None:
    assert parse(f"I [went{end}home] to [..]", notation="leiden").damaged.parts[0] == "I went home to "
    with pytest.raises(NotationError, match="not closed"):
        parse(f"I [went{end}{end}home] to [..]", notation="leiden")


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        ("[.---]", [Lost(1, 1, True), _UNKNOWN]),
        ("[---.]", [_UNKNOWN, Lost(1, 1, True)]),
        ("w[.---]k", [Known("w"), Lost(1, 1), Lost(1, None), Known("k")]),
    ],
)
def test_a_dot_beside_dashes_is_a_letter(source: str, elements: list[Element]) -> None:
    hole = _parts(f"He {source} so")[1]
    assert isinstance(hole, Hole)
    least = sum(e.least if isinstance(e, Lost) else len(e.text) for e in elements)
    assert (hole.least, hole.most) == (least, None)
    assert [e.text for e in hole.elements if isinstance(e, Known)] == [e.text for e in elements if isinstance(e, Known)]


def test_a_full_stop_in_brackets_stays_one() -> None:
    assert _parts("It [was so.] And") == ("It was so. And",)
