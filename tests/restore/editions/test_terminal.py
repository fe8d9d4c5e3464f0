"""The drawing: the text with its lines, ranked readings with bars, nothing that a terminal would obey."""

from dataclasses import replace
from io import StringIO

import pytest
from made import made
from rich.console import Console

from fillmask.restore.editions.terminal import draw
from fillmask.restore.restoration import Evidence, Restoration


def _drawn(restoration: Restoration, width: int = 80, *, color: bool = False) -> str:
    out = StringIO()
    console = Console(
        file=out, width=width, highlight=False, force_terminal=color, color_system="truecolor" if color else None
    )
    draw(restoration, console)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


def test_a_drawing() -> None:
    drawn = _drawn(
        made(
            "Dear Ann,\n\nI am [...] to the b[..]ery.\n___ x",
            [("going", 0.75), ("walking", 0.125)],
            [("bakery", 0.9375)],
            [],
        )
    )
    assert drawn == (
        "\n  Dear Ann,\n\n  I am going¹ to the bakery².\n  ___³ x\n\n"
        "  ¹ [...]  line 3, column 6\n"
        "    75.0% ███████████████·····  going\n"
        "    12.5% ██▌·················  walking\n"
        "    12.5% ██▌·················  another\n"
        "     because of bakery +1.2\n\n"
        "  ² b[..]ery  line 3, column 19\n"
        "    93.8% ██████████████████▊·  bakery\n"
        "     6.2% █▎··················  another\n\n"
        "  ³ ___  line 4, column 1\n"
        "     nothing that fits was found\n\n"
        "  ● firm ≥ 80%  ● likely ≥ 50%  ● possible ≥ 20%  ● doubtful\n"
        "  3 holes · read as plain · joint · 56% expected right · 12 forward passes ·\n  0.25 s\n"
    )


def test_gaps_of_tei_are_drawn_as_leiden() -> None:
    drawn = _drawn(made("<ab>b<gap quantity='2' unit='character'/>ry</ab>", [("bakry", 0.5)]))
    assert "  ¹ b[..]ry  line 1" in drawn


def test_colours_follow_confidence() -> None:
    drawn = _drawn(made("... ..., ...", [("a", 0.9)], [("b", 0.5)], [("c", 0.1)]), color=True)
    assert "\x1b[1;4;32ma" in drawn
    assert "\x1b[1;4;33mb" in drawn
    assert "\x1b[1;4;31mc" in drawn


def test_nothing_is_obeyed() -> None:
    drawn = _drawn(made("red \x1b[31m \x07 \x9b2J\rx ... \x1b]0;t\x07", [("\x1b[2J", 0.5)]))
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(drawn)
    assert "␛[31m ␇ �2J" in drawn


def test_a_narrow_terminal() -> None:
    drawn = _drawn(made("I am [...] to the bakery", [("going " * 20, 0.5)]), width=30)
    assert max(map(len, drawn.split("\n"))) <= 30


def test_what_was_given_and_what_was_not_reached() -> None:
    drawn = _drawn(made("... and ...", [("x", 0.5)], [], complete=False))
    assert "stopped early: 1 of 2 holes not reached" in drawn
    assert "     not reached" in drawn


def test_nothing_lost() -> None:
    assert "  all is well\n\n  0 holes · read as plain" in _drawn(made("all is well"))


def test_rough_probabilities() -> None:
    said = "probabilities are rough: they are not calibrated for this model"
    assert said in _drawn(made("I am ...", [("x", 0.5)], calibrated=False))
    assert said not in _drawn(made("I am ...", [("x", 0.5)]))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"walk": 2.0, "long": -0.5, "bakery": 1.25}, "because of walk +2.0, bakery +1.2; in spite of long -0.5"),
        ({"long": -0.5, "walk": -0.25}, "in spite of long -0.5, walk -0.2"),
        ({"walk": 2.0}, "because of walk +2.0"),
    ],
)
def test_what_speaks_for_a_reading_and_what_against(weights: dict[str, float], said: str) -> None:
    found = made("I am ...", [("x", 0.5)])
    evidence = tuple(Evidence(word, 0, 1, weight) for word, weight in weights.items())
    drawn = _drawn(replace(found, gaps=(replace(found.gaps[0], evidence=evidence),)))
    assert f"\n     {said}\n" in drawn
