"""The page and the report for keyboards, screen readers, phones, dark rooms, and people without scripts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from looking import faint_texts, focused, is_scrolled_sideways, nameless_controls
from playwright.sync_api import expect
from sampled import restoration
from test_page import TWO, holes, settled, write

from fillmask.restore.editions.html import render

LONG_WORD = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft"
LETTER = f"""Dear [brother],

I write by the [evening] lamp, for the days are [short]
and the {LONG_WORD} does not
[stop] before dark. She walked to the b[ak]ery on
Thursday and came home with [news]."""
PHONE = 390  # pixels


def _empty(page: Any) -> None:
    assert page.locator("#results").is_hidden()


def _read(page: Any) -> None:
    page.get_by_label("find the words that mattered").check()
    write(page, f"I am ... to the\nb__ery. I saw {LONG_WORD} there.\n1\n2\n3")
    page.locator("#document .hole").first.click()
    page.locator("#readings button.reading").nth(1).click()
    settled(page)
    page.locator("#document .hole").nth(1).click()


def _wrong(page: Any) -> None:
    page.select_option("#notation", "tei")
    write(page, f"<p>{LONG_WORD}")
    assert page.locator("#alert").is_visible()


STATES = pytest.mark.parametrize("state", [_empty, _read, _wrong])


@STATES
def test_the_page_suits_every_eye_hand_and_window(page: Any, state: Callable[[Any], None]) -> None:
    state(page)
    assert nameless_controls(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faint_texts(page) == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, ground[4:-1].split(", "))) < 64) == (scheme == "dark")
    page.set_viewport_size({"width": PHONE, "height": 844})
    assert not is_scrolled_sideways(page)


def test_on_a_phone_the_readings_open_over_the_foot_and_close(open_page: Any, server: str) -> None:
    page = open_page(server, width=PHONE)
    write(page, TWO)
    assert page.locator("#readings").is_hidden()
    page.locator("#document .hole").nth(1).click()
    expect(page.locator("#readings")).to_be_visible()
    hole, panel = page.locator("#document .hole").nth(1).bounding_box(), page.locator("#readings").bounding_box()
    assert hole["y"] + hole["height"] <= panel["y"]
    page.get_by_role("button", name="Close the readings").click()
    assert page.locator("#readings").is_hidden()


def test_the_whole_way_with_the_keyboard(page: Any) -> None:
    page.locator("body").press("Shift+Tab")  # whatever had the focus
    page.evaluate("document.activeElement.blur()")
    way = []
    for _ in range(12):
        page.keyboard.press("Tab")
        way.append(focused(page))
        if way[-1].startswith("source"):
            break
    assert way[-1] == "source"
    assert not [place for place in way if "unseen" in place]
    page.keyboard.type(TWO)
    expect(page.locator("#document .hole")).to_have_count(2)
    settled(page)
    while not way[-1].startswith("hole"):
        page.keyboard.press("Tab")
        way.append(focused(page))
        assert len(way) < 30
    assert not [place for place in way if "unseen" in place]
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.gap") == "1"
    page.keyboard.press("Enter")
    expect(page.locator("#readings h2")).to_have_text("Hole 2 of 2")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    words = page.evaluate("document.activeElement.querySelector('.words').textContent")
    assert focused(page) == "reading"
    page.keyboard.press("Enter")
    expect(page.locator("#document .hole").nth(1)).to_have_text(words)
    settled(page)
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.gap") == "1"
    assert page.locator("#readings").is_hidden()
    page.keyboard.press("Control+z")
    settled(page)
    assert holes(page)[1] != words


def test_a_screen_reader_is_told(page: Any) -> None:
    write(page, TWO)
    said = page.locator("#said")
    assert said.get_attribute("aria-live") == "polite"
    expect(said).to_contain_text("2 holes read. Hole 1: ")
    hole = page.get_by_role("button", name="hole 1 of 2")
    assert hole.get_attribute("aria-label").startswith(holes(page)[0])
    hole.click()
    assert hole.get_attribute("aria-expanded") == "true"
    page.get_by_role("list", name="Ranked readings of hole 1").get_by_role("button").nth(1).click()
    expect(said).to_contain_text("read. Hole 1:")
    assert page.get_by_role("button", name="hole 1 of 2, chosen").count() == 1


@pytest.fixture
def report(tmp_path: Path) -> str:
    path = tmp_path / "letter.html"
    path.write_text(render(restoration(LETTER, evidence=True)), "utf-8")
    return path.as_uri()


def test_the_report_opens_from_a_file_and_shows_what_is_chosen(open_page: Any, report: str) -> None:
    page = open_page(report)
    holes = page.locator("#document .hole")
    assert holes.all_text_contents() == ["brother", "evening", "short", "stop", "bakery", "news"]
    assert page.locator("#document .line").count() == 5
    assert page.locator("#document .line[data-number='5']").count() == 1
    assert holes.nth(4).locator(".kept").all_text_contents() == ["b", "ery"]
    holes.nth(1).click()
    expect(page.locator("#readings h2")).to_have_text("Hole 2 of 6")
    assert page.locator("#document .word.evidence").all_text_contents() == ["by", "the"]
    assert page.locator("#document .word.against").all_text_contents() == ["lamp"]
    assert page.locator("#readings .share").first.text_content() == "71%"
    assert "none of these" in page.locator("#readings").text_content()
    page.get_by_role("button", name="other, 7.3%").click()
    expect(holes.nth(1)).to_have_text("other")
    expect(page.locator("#said")).to_have_text("Hole 2: other chosen.")
    assert "given" in holes.nth(1).get_attribute("class")
    page.get_by_role("button", name="Back to the likeliest", exact=True).click()
    expect(holes.nth(1)).to_have_text("evening")
    page.locator("#hypotheses button").nth(1).click()
    expect(holes.nth(0)).to_have_text("other")
    page.get_by_role("button", name="As found").click()
    assert holes.all_text_contents() == ["...", "...", "...", "...", "b[..]ery", "..."]
    page.get_by_role("button", name="As found").click()
    page.get_by_role("button", name="Back to the likeliest readings").click()
    expect(holes.nth(0)).to_have_text("brother")


def test_the_report_is_read_with_the_keyboard(open_page: Any, report: str) -> None:
    page = open_page(report)
    place = ""
    for _ in range(10):
        page.keyboard.press("Tab")
        place = focused(page)
        assert "unseen" not in place
        if place.startswith("hole"):
            break
    assert place.startswith("hole")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator("#readings h2")).to_have_text("Hole 6 of 6")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#document .hole").nth(5)).to_have_text("other")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.gap") == "5"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_legible_and_named(open_page: Any, report: str, scheme: str) -> None:
    page = open_page(report, scheme=scheme)
    page.locator("#document .hole").nth(1).click()
    page.locator("#readings button.reading").nth(1).click()
    page.get_by_text("The source as given").click()
    assert faint_texts(page) == []
    assert nameless_controls(page) == []


def test_the_report_fits_a_phone(open_page: Any, report: str) -> None:
    page = open_page(report, width=PHONE)
    assert page.locator("#readings").is_hidden()
    page.locator("#document .hole").nth(2).click()
    assert page.locator("#readings").is_visible()
    assert not is_scrolled_sideways(page)


def test_the_report_needs_no_script(open_page: Any, browser: Any, report: str, tmp_path: Path) -> None:
    drawn = browser.new_context(java_script_enabled=False)
    page = drawn.new_page()
    page.goto(report)
    still = page.locator("#document").inner_text()
    classes = [hole.get_attribute("class") for hole in page.locator("#document .hole").all()]
    assert page.locator("#tools").is_hidden()
    assert page.locator(".apparatus li").count() == 6
    drawn.close()
    scripted = open_page(report, width=PHONE)
    assert scripted.locator("#document").inner_text() == still
    assert [hole.get_attribute("class") for hole in scripted.locator("#document .hole").all()] == classes


def test_on_paper_there_is_nothing_to_press(open_page: Any, report: str) -> None:
    page = open_page(report, scheme="dark")
    page.emulate_media(media="print")
    assert not [
        button
        for button in page.get_by_role("button").all()
        if button.is_visible() and button.get_attribute("data-gap") is None
    ]
    assert page.locator("#readings").is_hidden()
    assert page.locator(".apparatus").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert faint_texts(page) == []
