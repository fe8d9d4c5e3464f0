"""The HTML report without a browser: one self-contained page, well-formed, in which no text can become markup."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from lxml import etree, html
from sampled import PAYLOADS, restoration

from fillmask.restore.editions import html as report
from fillmask.restore.editions.html import LEVELS, level, percent, render, written

LETTER = "Dear [brother],\n\nI write by the [evening] lamp, for the days are [short]\nand b[ak]ery & <shop> is shut."


@pytest.fixture(scope="module")
def page() -> str:
    return render(restoration(LETTER, evidence=True))


def parsed(page: str) -> html.HtmlElement:
    return html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))


def data(page: str) -> Any:
    (script,) = parsed(page).xpath("//script[@type='application/json']")
    return json.loads(script.text)


def test_the_page_is_one_document_with_the_text_in_its_paragraphs_and_lines(page: str) -> None:
    (sheet,) = parsed(page).xpath("//*[@id='document']")
    paragraphs = [[line.text_content() for line in p.xpath("./span[@class='line']")] for p in sheet.xpath("./p")]
    assert paragraphs == [
        ["Dear brother,"],
        ["I write by the evening lamp, for the days are short", "and bakery & <shop> is shut."],
    ]


def test_every_hole_is_shaded_by_the_probability_of_its_best_reading(page: str) -> None:
    found = [
        (hole.text_content(), hole.get("class"))
        for hole in parsed(page).xpath("//*[@id='document']//span[starts-with(@class,'hole')]")
    ]
    expected = [
        (gap.readings[0].text, f"hole {level(gap.readings[0].probability)}") for gap in restoration(LETTER).gaps
    ]
    assert found == expected


def test_the_tags_of_the_page_are_balanced(page: str) -> None:
    """Strict XML but for void elements and attributes without value, so every other tag is closed where it should be."""
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    body = re.sub(r"<(meta|link|br|input)([^>]*)>", r"<\1\2/>", body).replace("<!DOCTYPE html>", "")
    body = re.sub(r" hidden(?=[ >])", ' hidden=""', body)
    etree.fromstring(body.encode())


def test_nothing_is_fetched(page: str) -> None:
    tree = parsed(page)
    assert not tree.xpath("//@src | //@srcset | //@href | //link | //img | //iframe | //object | //base | //form")
    assert not re.search(r"@import|url\(|\bimport\s*\(|\bfetch\b|XMLHttpRequest|WebSocket|^import ", page, re.MULTILINE)
    assert not re.search(r"https?://", page)


def test_the_policy_allows_the_one_script_and_the_one_style_and_nothing_else(page: str) -> None:
    tree = parsed(page)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    (style,) = tree.xpath("//style")
    (script,) = tree.xpath("//script[@type='module']")

    def hashed(text: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        f"script-src '{hashed(script.text)}'",
        f"style-src '{hashed(style.text)}'",
    ]
    assert len(tree.xpath("//script")) == 2
    assert not tree.xpath("//@style")
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on")]


def test_the_embedded_data_are_the_restoration(page: str) -> None:
    made = restoration(LETTER, evidence=True)
    expected = made.to_dict()
    for hypothesis in expected["hypotheses"]:
        del hypothesis["text"]
    assert data(page) == json.loads(json.dumps(expected))


HOSTILE = (*PAYLOADS, "\u2028\u2029\u0085\x00\x08\x1b\x7f\ufffe\ud800", "<!--<script>", "]]>&lt;&amp;&#60;")


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_becomes_markup(payload: str) -> None:
    tame = render(restoration(f"{LETTER} [word] end"))
    page = render(
        restoration(f"{LETTER} [word] end", replace={"word": payload, "lamp": payload}, source=payload, other=payload)
    )
    shape = [
        (element.tag, sorted(element.attrib)) for element in parsed(page).iter() if element.tag not in ("p", "span")
    ]
    assert shape == [
        (element.tag, sorted(element.attrib)) for element in parsed(tame).iter() if element.tag not in ("p", "span")
    ]
    assert {element.tag for element in parsed(page).xpath("//*[@id='document']//*")} <= {"p", "span"}
    embedded = data(page)
    assert embedded["source"] == payload
    assert embedded["gaps"][-1]["readings"][1]["text"] == payload


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_breaks_the_data(payload: str) -> None:
    page = render(restoration("[word]", replace={"word": payload}, source=payload))
    raw = page.partition('<script type="application/json" id="restoration">')[2].partition("</script>")[0]
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", raw)
    page.encode()  # halves of surrogate pairs would not
    assert "\x00" not in page


def test_percentages_of_a_hole_without_readings_and_of_a_text_without_holes() -> None:
    unread = render(restoration("A [word] here", readings=0))
    assert "no admissible reading was found" in unread
    assert 'class="hole unread"' in unread
    whole = render(restoration("All is there"))
    assert "Nothing is missing in this document" in whole
    assert parsed(whole).xpath("//*[@id='document']")[0].text_content().strip() == "All is there"
    assert "An empty document" in render(restoration(""))


def test_an_unfinished_restoration_says_so() -> None:
    assert "The work was stopped" in render(restoration("A [word]", complete=False))


def test_text_between_astral_characters_keeps_its_places() -> None:
    page = render(restoration("\U0001f3fa\U0001f3fa by the [river] \U0001f3fa"))
    assert (
        parsed(page).xpath("//*[@id='document']")[0].text_content().strip()
        == "\U0001f3fa\U0001f3fa by the river \U0001f3fa"
    )


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0%"), (0.0004, "<0.1%"), (0.034, "3.4%"), (0.099999, "10.0%"), (0.1, "10%"), (0.62, "62%"), (0.9912, "99.1%"), (0.9999, ">99.9%"), (1, "100%")],
)  # fmt: skip
def test_percentages(share: float, said: str) -> None:
    assert percent(share) == said


def test_the_page_and_its_script_name_the_levels_alike() -> None:
    source = report._asset("edition.js")
    table = re.search(r"LEVELS = (\[.*?\n\])", source, re.DOTALL)
    assert table is not None
    assert [tuple(row) for row in json.loads(re.sub(r",\s*\]$", "]", table[1]))] == list(LEVELS)
    assert [level(p) for p in (1.0, 0.8, 0.79, 0.5, 0.2, 0.19, 0.0)] == [
        "firm",
        "firm",
        "likely",
        "likely",
        "possible",
        "doubtful",
        "doubtful",
    ]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("b[..]ery", "b[..]ery"),
        ('b<gap reason="lost" quantity="2" unit="character"/>ery', "b[..]ery"),
        ('<gap reason="lost" extent="unknown" unit="character"/>', "[---]"),
        ('<gap quantity="3" unit="word"/>', "[---]"),
        ('<gap quantity="3" unit="character" precision="low"></gap>', "[---]"),
        ("<unclear>ba</unclear>k", "bak"),
        ("<mask>", "<mask>"),
        ("1 < 2 > 1", "1 < 2 > 1"),
    ],
)
def test_a_hole_of_tei_is_shown_in_brackets(source: str, shown: str) -> None:
    assert written(source) == shown
