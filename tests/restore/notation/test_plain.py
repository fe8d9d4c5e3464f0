"""Plain text with holes: what each sign means alone and at letters, and what is no sign."""

import pytest

from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.notation import parse

_UNKNOWN = Lost(1, None, True)
_TRAILING = Lost(0, None, True)
_WORD = Lost(1, None, False)


def _letters(count: int) -> Lost:
    return Lost(count, count)


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        ("...", [_UNKNOWN]),
        ("…", [_UNKNOWN]),
        (". . .", [_UNKNOWN]),
        (".......", [_UNKNOWN]),
        ("[...]", [_UNKNOWN]),
        ("[…]", [_UNKNOWN]),
        ("[. . .]", [_UNKNOWN]),
        ("___", [_UNKNOWN]),
        ("_", [_UNKNOWN]),
        ("[..]", [Lost(2, 2, True)]),
        ("[.....]", [Lost(5, 5, True)]),
        ("[_]", [Lost(1, 1, True)]),
        ("<mask>", [_WORD]),
        ("[MASK]", [_WORD]),
        ("b_k_ry", [Known("b"), _letters(1), Known("k"), _letters(1), Known("ry")]),
        ("ba__ry", [Known("ba"), _letters(2), Known("ry")]),
        ("ba[..]ry", [Known("ba"), _letters(2), Known("ry")]),
        ("ba[...]ry", [Known("ba"), _letters(3), Known("ry")]),
        ("ba[…]ry", [Known("ba"), _letters(3), Known("ry")]),
        ("[..]kery", [_letters(2), Known("kery")]),
        ("18[..]", [Known("18"), _letters(2)]),
        ("bak...", [Known("bak"), _TRAILING]),
        ("…ery", [_TRAILING, Known("ery")]),
        ("<mask>'s", [_WORD, Known("'s")]),
        ("[..]n't", [_letters(2), Known("n't")]),
        ("don’[.]", [Known("don’"), Lost(1, 1, True)]),
        ("ba[................]ry", [Known("ba"), Lost(16, 16, True), Known("ry")]),
        ("b[.]-\nk[.]ry", [Known("b"), _letters(1), Known("k"), _letters(1), Known("ry")]),
    ],
)
def test_one_hole(source: str, elements: list[Element]) -> None:
    document = parse(f"I am {source} to, “{source}”!")
    hole = Hole(tuple(elements))
    assert document.notation == "plain"
    assert document.damaged.parts == ("I am ", hole, " to, “", hole, "”!")
    assert document.places[0][:2] == (source, 1)


@pytest.mark.parametrize(
    "source", ["[sic]", "a < b", "f(x) [see 3]", "e.g.", "a - b", "one.. two", "[]", "- item", "x[1]"]
)
def test_what_is_no_sign_stands_as_it_is(source: str) -> None:
    document = parse(source)
    assert (document.notation, document.damaged.parts) == ("plain", (source,))


def test_ellipses_can_be_punctuation() -> None:
    text = "Well... I am [...] to … b_k_ry."
    kept = parse(text, keep_ellipses=True)
    assert [place.text for place in kept.places] == ["[...]", "b_k_ry"]
    assert kept.damaged.parts[0] == "Well... I am "
    assert [place.text for place in parse(text).places] == ["Well...", "[...]", "…", "b_k_ry"]


def test_the_last_of_four_dots_is_a_full_stop() -> None:
    assert parse("to dance....").damaged.parts == ("to ", Hole((Known("dance"), _TRAILING)), ".")
    assert parse("to ….").damaged.parts == parse("to ....").damaged.parts == ("to ", Hole((_UNKNOWN,)), ".")


def test_lines_are_read_over_and_kept_for_printing() -> None:
    source = "Dear Ann,\r\nI went to the ba-\r\nkery in Anglo-\r\nSaxon ... \r\nstreet.\r\n\r\n  Yours, T[.]m\r\n"
    document = parse(source)
    said = [part for part in document.damaged.parts if isinstance(part, str)]
    assert said == ["Dear Ann, I went to the bakery in Anglo-Saxon ", " street.\nYours, "]
    shown = document.laid_out(["high", "Tom"])
    assert shown == source.replace("...", "high").replace("T[.]m", "Tom")
    assert [(place.line, place.column) for place in document.places] == [(4, 7), (7, 10)]


def test_a_line_that_ends_within_a_hole_ends_after_it() -> None:
    document = parse("to the ba-\n[..]ry on foot")
    assert document.laid_out(["bakery"]) == "to the bakery\non foot"


def test_soft_hyphens_are_not_seen() -> None:
    assert parse("co\u00adop\u00ad\ner_te ba¬\nKery").damaged.filled(["cooperate"]) == "cooperate baKery"


def test_pages_go_on_and_paragraphs_do_not() -> None:
    assert parse("one ba-\n\fkery\n\n\ntwo-\n\nthree\ffour").damaged.parts == ("one bakery\ntwo-\nthree four",)


def test_nothing_is_a_document_without_holes() -> None:
    assert parse("").damaged.parts == parse(" \n ").damaged.parts == ()
