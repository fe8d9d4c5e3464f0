"""Signs of volunteers, archives, and models: what they say, what is no sign, and the table of all of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fillmask.errors import FillMaskWarning
from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.notation import detect, parse
from fillmask.restore.notation.common_signs import COMMON_SIGNS
from fillmask.restore.notation.leiden import LEIDEN_SIGNS
from fillmask.restore.notation.plain import PLAIN_SIGNS
from fillmask.restore.notation.signs import Sign, Signs

_ROOT = Path(__file__).parents[3]
_UNKNOWN = Lost(1, None, True)


def _unclear(text: str) -> Known:
    return Known(text, certain=False)


@pytest.mark.parametrize("notation", ["plain", "leiden"])
@pytest.mark.parametrize(
    ("source", "elements"),
    [
        ("[?]", [_UNKNOWN]),
        ("[???]", [_UNKNOWN]),
        ("[[?]]", [_UNKNOWN]),
        ("s[????]", [Known("s"), Lost(4, 4)]),
        ("[torn]", [_UNKNOWN]),
        ("[page torn]", [_UNKNOWN]),
        ("[the paper is torn]", [_UNKNOWN]),
        ("[hole in paper]", [_UNKNOWN]),
        ("[unclear]", [_UNKNOWN]),
        ("[[unclear]]", [_UNKNOWN]),
        ("[undecipherable]", [_UNKNOWN]),
        ("[REDACTED]", [_UNKNOWN]),
        ("[name redacted]", [_UNKNOWN]),
        ("(illegible)", [_UNKNOWN]),
        ("[illegible word]", [Lost(1, None)]),
        ("[two words illegible]", [Lost(1, None), Known(" "), Lost(1, None)]),
        ("[illegible: 3 letters]", [Lost(3, 3, True)]),
        ("[barn?]", [_unclear("barn")]),
        ("[[barn?]]", [_unclear("barn")]),
        ("Fenner[?]", [_unclear("Fenner")]),
        ("[unclear]barn[/unclear]", [_unclear("barn")]),
        ("[unclear][/unclear]", [_UNKNOWN]),
        ("██████", [_UNKNOWN]),
        ("(b)(6)", [_UNKNOWN]),
        ("(b)(7)(C)", [_UNKNOWN]),
        ("ba\ufffd\ufffdry", [Known("ba"), Lost(2, 2), Known("ry")]),
        ("ba???ry", [Known("ba"), Lost(3, 3), Known("ry")]),
        ("d**n", [Known("d"), Lost(2, 2), Known("n")]),
        ("#", [_UNKNOWN]),
        ("[   ]", [_UNKNOWN]),
        ("ba[  ]ry", [Known("ba"), Lost(1, 4, False, 2), Known("ry")]),
        ("[···]", [_UNKNOWN]),
        ("sh[․․]", [Known("sh"), Lost(2, 2)]),
    ],
)
def test_one_hole(source: str, elements: list[Element], notation: str) -> None:
    if source == "[···]" and notation == "leiden":
        elements = [Lost(3, 3, True)]
    document = parse(f"I went to {source} now", notation=notation)
    assert document.damaged.parts == ("I went to ", Hole(tuple(elements)), " now")
    assert document.print() == f"I went to {source} now"


@pytest.mark.parametrize("notation", ["plain", "leiden"])
@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("the [blank] of [left blank] May", "the of May"),
        ("a ~~cat~~ dog", "a dog"),
        ("a <del>cat</del> dog", "a dog"),
        ("a [crossed out: cat] dog", "a dog"),
        ("a [[strikethrough]]cat[[/strikethrough]] dog", "a dog"),
        ("a c̶a̶t̶ dog", "a dog"),
        ("[[underlined]]very[[/underlined]] [insertion]new[/insertion]", "very new"),
        (
            "She was _very_ sorry, and read _The Times_ of __May__.",
            "She was _very_ sorry, and read _The Times_ of __May__.",
        ),
        ("see IMG_0042_r.jpg and a_b.txt", "see IMG_0042_r.jpg and a_b.txt"),
        ("mail a_b@c.org or http://x.org/a_b?c=d?e#f", "mail a_b@c.org or http://x.org/a_b?c=d?e#f"),
        ("he came--and left", "he came--and left"),
        ("what??? so", "what??? so"),
        ("page # 5", "page # 5"),
        ("**bold** and un*believ*able", "**bold** and un*believ*able"),
    ],
)
def test_what_is_no_loss(source: str, read: str, notation: str) -> None:
    assert parse(source, notation=notation).damaged.parts == (read,)


def test_each_doubted_word_is_a_hole() -> None:
    holes = parse("met [John Fenner?] there").damaged.holes
    assert holes == (Hole((_unclear("John"),)), Hole((_unclear("Fenner"),)))


def test_dashes_among_letters_are_letters_beside_the_signs_of_models() -> None:
    assert len(parse("the # and bou--t bread").damaged.holes) == 2
    assert len(parse("He went to the ba???ry and bou--t bread.").damaged.holes) == 2


def test_boxes_of_a_list_are_none() -> None:
    assert parse("- [ ] buy bread\n1. [ ] milk").damaged.holes == ()


@pytest.mark.parametrize(
    ("source", "elements"),
    [
        ("[.6]", [Lost(6, 6, True)]),
        ("[.1-3]", [Lost(1, 3, True)]),
        ("bou[.2]t", [Known("bou"), Lost(2, 2), Known("t")]),
        ("[.?]", [_UNKNOWN]),
        ("[.2lin]", [_UNKNOWN]),
        ("[...?]", [Lost(1, 5, True, 3)]),
        ("+++", [Lost(3, 3, True)]),
        ("ba[ke?]ry", [Known("ba"), _unclear("ke"), Known("ry")]),
    ],
)
def test_one_hole_in_leiden(source: str, elements: list[Element]) -> None:
    document = parse(f"I went, {source}; so", notation="leiden")
    assert document.damaged.parts == ("I went, ", Hole(tuple(elements)), "; so")


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("ba⟨k⟩ery ba〈k〉ery 〚not〛 ⌊new⌋", "bakery bakery not new"),
        ("the \\new/ house", "the new house"),
        ("<:new|reg|nu:> bread", "new bread"),
        ("one (vac. 3) two vacat three", "one two three"),
        ("and/or 3/4", "and/or 3/4"),
    ],
)
def test_what_is_read_in_leiden(source: str, read: str) -> None:
    assert parse(source, notation="leiden").damaged.parts == (read,)


def test_lone_brackets_are_losses_up_to_the_edge() -> None:
    source = "to the ba[\n]es and so"
    assert detect(source) == "leiden"
    assert parse(source).damaged.parts == (
        "to the ",
        Hole((Known("ba"), _UNKNOWN)),
        " ",
        Hole((_UNKNOWN, Known("es"))),
        " and so",
    )


@pytest.mark.parametrize("sign", ["[.6]", "ba⟨k⟩ery", "〚not〛", "<:new|reg|nu:>", "and +++ so", "\\new/"])
def test_leiden_is_known_by_these_too(sign: str) -> None:
    assert detect(f"I went to {sign} today") == "leiden"


@pytest.mark.parametrize("sign", ["[[unclear]]", "[[barn?]]", "s[????]n", "[unclear]barn[/unclear]"])
def test_signs_of_volunteers_are_not_leiden(sign: str) -> None:
    assert detect(f"I went to {sign} today") == "plain"


@pytest.mark.parametrize("sign", ["[the paper is badly torn here]", "{lost, c. 1850}", "[??x]", "ba[ "])
def test_what_looks_like_damage_is_listed(sign: str) -> None:
    with pytest.warns(FillMaskWarning, match=re.escape("not understood, and is read as text")) as caught:
        assert parse(f"I went to {sign}\nnow", notation="plain").damaged.holes == ()
    assert f"line 1, column {13 if sign == 'ba[ ' else 11}: " in str(caught[0].message)


@pytest.mark.parametrize("sign", [*PLAIN_SIGNS, *LEIDEN_SIGNS], ids=lambda sign: sign.name)
def test_every_sign_has_an_example_that_it_reads(sign: Sign) -> None:
    examples = [code for example in sign.examples for code in re.findall(r"`([^`]+)`", example)]
    alone = Signs([sign])
    for example in examples:
        text = f"ab {example} "
        assert any(alone.pattern.search(shown) for shown in (text, text.rstrip(), example, f"{example}\n")), example


def test_the_table_of_signs_is_that_of_the_code() -> None:
    command = [sys.executable, str(_ROOT / "scripts" / "signs.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    table = (_ROOT / "docs" / "guide" / "signs.md").read_text("utf-8")
    assert all(
        example.replace("|", "\\|") in table for sign in (*COMMON_SIGNS, *LEIDEN_SIGNS) for example in sign.examples
    )
