"""Text, JSON and Markdown: what they show of a restoration, and that nothing in a document is taken for markup."""

import json
import re

import pytest
from made import made
from schema import complaints

from fillmask import InputError
from fillmask.choices import EDITION_FORMATS
from fillmask.restore.editions import render

_LETTER = "Dear Ann,\n\nI am [...] to the b[..]e-\nry. *Well*\n___ x\n"
_READINGS = (
    [("going", 0.71), ("walking", 0.2), ("off", 0.004)],
    [("bakery", 0.93), ("brrery", 0.02)],
    [],
)


def test_text_keeps_lines_and_unread_holes() -> None:
    shown = made(_LETTER, *_READINGS)
    assert render(shown, "text", marks=False) == "Dear Ann,\n\nI am going to the bakery.\n*Well*\n___ x\n"
    assert render(shown, "text") == "Dear Ann,\n\nI am [going] to the b[ak]ery.\n*Well*\n___ x\n"
    assert render(shown, "text", min_probability=0.99) == "Dear Ann,\n\nI am [...] to the b[..]e-\nry.\n*Well*\n___ x\n"


def test_text_is_the_reading_text_of_tei() -> None:
    tei = "<body><p>I am <gap/> to<lb/>the ba<lb break='no'/>kery</p>\n\n<p>b<gap quantity='1'/>t</p></body>"
    assert (
        render(made(tei, [("off", 0.5)], [("but", 0.5)]), "text", marks=False) == "I am off to\nthe ba-\nkery\n\nbut\n"
    )


def test_json_is_by_its_schema() -> None:
    for restoration in (made(_LETTER, *_READINGS), made("nothing lost"), made("[c. 4]", [], complete=False)):
        rendered = render(restoration, "json")
        assert json.loads(rendered) == restoration.to_dict()
        assert list(complaints(json.loads(rendered))) == []


def test_the_schema_refuses_what_is_no_restoration() -> None:
    good = made(_LETTER, *_READINGS).to_dict()
    for change in ({"text": 1}, {"notation": "greek"}, {"confidence": 1.5}, {"more": 1}, {"gaps": [{"index": -1}]}):
        assert list(complaints(good | change))
    del good["cost"]
    assert list(complaints(good)) == ["$: cost is missing"]


def test_json_can_be_written_whatever_the_text() -> None:
    rendered = render(made("half a pair ... \x00", [("é\ud800", 0.5)]), "json")
    assert json.loads(rendered.encode())["text"] == "half a pair é\ud800 \x00"


def test_markdown() -> None:
    assert render(made(_LETTER, *_READINGS), "markdown") == (
        "Dear Ann,\n\n"
        "I am **going**<sup>1</sup> to the **bakery**<sup>2</sup>.\\\n\\*Well\\*\\\n\\_\\_\\_ x\n\n"
        "| | damaged | line | restored | probability | other readings | none of these |\n"
        "|--:|---|--:|---|--:|---|--:|\n"
        "| 1 | \\[...\\] | 3 | **going** | 71% | walking 20% | 9% |\n"
        "| 2 | b\\[..\\]e- ry | 3 | **bakery** | 93% | brrery 2% | 5% |\n"
        "| 3 | \\_\\_\\_ | 5 | – | – | – | 100% |\n\n"
        "*3 holes, read as plain, decoded joint; expected share of right readings 55%; 1 without a reading*\n"
    )


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("# Head", "\\# Head"),
        ("- item\n+ item", "\\- item\\\n\\+ item"),
        ("12. of May", "12\\. of May"),
        ("a\n---", "a\\\n\\---"),
        ("a\n===", "a\\\n\\==="),
        ("    code", "code"),
        ("<b>x</b> [l](u) ![i](u)", "\\<b\\>x\\</b\\> \\[l\\](u) !\\[i\\](u)"),
        ("`x` ~y~ $z$ a|b &amp; \\", "\\`x\\` \\~y\\~ \\$z\\$ a\\|b \\&amp; \\\\"),
        ("\ue000bold\ue001", "\ufffdbold\ufffd"),
    ],
)
def test_markdown_shows_text_as_it_is(source: str, written: str) -> None:
    assert render(made(source, notation="plain"), "markdown").rstrip() == written


def test_markdown_says_what_was_given_and_what_was_not_reached() -> None:
    rendered = render(made("... and ...", [("x", 0.5)], [], complete=False), "markdown")
    assert "; stopped early, 1 not read*" in rendered


def test_an_unknown_format() -> None:
    with pytest.raises(InputError, match=re.escape(f"'pdf'; expected one of {', '.join(EDITION_FORMATS)}")):
        render(made("..", notation="plain"), "pdf")


@pytest.mark.parametrize("form", ["markdown", "html", "tei"])
def test_reports_say_when_probabilities_are_not_calibrated(form: str) -> None:
    for source in ("I am ... to", "<ab>I am <gap/> to</ab>"):
        honest, rough = (
            render(made(source, [("going", 0.5)], calibrated=calibrated), form) for calibrated in (True, False)
        )
        assert "not calibrated for this model" in rough
        assert "not calibrated" not in honest
        assert "the calibrated probability" not in rough
    assert ("the calibrated probability" in honest) == (form == "html")


def test_the_json_says_whether_probabilities_are_calibrated() -> None:
    for calibrated in (True, False):
        told = json.loads(render(made("I am ... to", [("going", 0.5)], calibrated=calibrated), "json"))
        assert told["calibrated"] is calibrated
        assert list(complaints(told)) == []
