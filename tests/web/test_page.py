"""The page of `fillmask serve` in a browser: from a damaged text to an edition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from playwright.sync_api import expect

from fillmask.restore.notation import parse

BAKERY = "I am ... to the bakery"
TWO = "I am ... to the bakery to buy some ... for breakfast."


def write(page: Any, text: str) -> None:
    page.locator("#source").fill(text)
    settled(page)


def settled(page: Any) -> None:
    """Wait until the answer to the last change is shown."""
    expect(page.locator("#restored")).to_have_attribute("aria-busy", "false")


def select(page: Any, start: int, end: int) -> None:
    page.locator("#source").evaluate(
        "(e, [start, end]) => { e.focus(); e.setSelectionRange(start, end); }", [start, end]
    )


def holes(page: Any) -> list[str]:
    return [str(text) for text in page.locator("#document .hole").all_text_contents()]


def drop(page: Any, name: str, content: str, kind: str) -> None:
    page.evaluate(
        """([name, content, kind]) => {
          const data = new DataTransfer();
          data.items.add(new File([content], name, { type: kind }));
          for (const type of ["dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [name, content, kind],
    )


def test_typing_shows_ranked_readings_with_bars(page: Any) -> None:
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.locator("#source").press_sequentially(BAKERY, delay=15)
    expect(page.locator("#document .hole")).to_have_count(1)
    settled(page)
    assert len([url for url in requests if url.endswith("/v1/restore")]) < 5  # not one a key
    readings = page.locator("#readings button.reading")
    assert readings.count() == 10
    shares = page.locator("#readings .bar").evaluate_all(
        "bars => bars.map(bar => Number(bar.style.getPropertyValue('--share')))"
    )
    assert len(shares) == 11  # with "none of these"
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    assert shares[:-1] == sorted(shares[:-1], reverse=True)
    widths = page.locator("#readings .bar").evaluate_all(
        "bars => bars.map(bar => parseFloat(getComputedStyle(bar, '::before').width) / bar.offsetWidth)"
    )
    assert widths == pytest.approx([max(share, 1 / 250) for share in shares], abs=0.02)
    assert holes(page) == [readings.first.locator(".words").text_content()]
    assert page.locator("#document").text_content() == f"I am {holes(page)[0]} to the bakery"


def test_an_older_answer_never_replaces_a_newer_one(page: Any) -> None:
    held = []
    page.route("**/v1/restore", lambda route: held.append(route) if not held else route.continue_())
    page.locator("#source").fill("An older ... text")
    page.wait_for_timeout(400)
    assert len(held) == 1
    write(page, BAKERY)
    assert page.locator("#document").text_content().startswith("I am ")
    assert page.locator("#alert").is_hidden()


def test_a_locked_reading_stays_and_the_rest_is_read_again(page: Any) -> None:
    write(page, TWO)
    first, second = holes(page)
    page.locator("#document .hole").first.click()
    choice = page.locator("#readings button.reading").nth(3)
    words = choice.locator(".words").text_content()
    with page.expect_request("**/v1/restore") as asked:
        choice.click()
    assert asked.value.post_data_json["parameters"]["locked"] == {"0": words}
    settled(page)
    assert holes(page)[0] == words != first
    expect(page.locator("#document .hole").first).to_have_class(re.compile("given"))
    assert page.locator("#readings button.reading").count() == 10  # the other readings can still be chosen
    page.get_by_role("button", name="Undo").click()
    settled(page)
    assert holes(page) == [first, second]
    page.get_by_role("button", name="Redo").click()
    settled(page)
    assert holes(page)[0] == words
    page.get_by_role("button", name="Unlock this hole").click()
    settled(page)
    assert holes(page) == [first, second]


def listed(page: Any) -> list[tuple[str, float]]:
    """The readings of the open hole with their shares."""
    found: list[list[Any]] = page.locator("#readings button.reading:has(.bar)").evaluate_all(
        "rows => rows.map(row => [row.querySelector('.words').textContent, Number(row.querySelector('.bar').style.getPropertyValue('--share'))])"
    )
    return [(words, share) for words, share in found]


def test_readings_of_a_locked_hole_are_ranked_in_the_light_of_the_other_locks(page: Any) -> None:
    """What the panel shows is what the service says of the hole without its own lock: not what stood there before."""
    write(page, TWO)
    first = page.locator("#document .hole").first
    first.click()
    before = listed(page)
    page.locator("#readings button.reading").nth(3).click()
    settled(page)
    note = page.locator("#readings .note")
    expect(note).to_contain_text("without this lock")
    assert listed(page) == before  # its own lock changes nothing
    page.locator("#document .hole").nth(1).click()
    with page.expect_response("**/v1/restore"):
        page.get_by_label("Your own reading", exact=True).fill("coal coal coal")
        page.get_by_role("button", name="Set", exact=True).click()
    settled(page)
    with page.expect_response("**/v1/restore") as answered:
        first.click()
    ranked = page.locator("#readings .ranked")
    expect(ranked).to_have_attribute("aria-busy", "false")
    expect(note).to_contain_text("without this lock")
    assert answered.value.request.post_data_json["parameters"]["locked"] == {"1": "coal coal coal"}
    body = {"inputs": TWO, "parameters": {"readings": 10, "locked": {"1": "coal coal coal"}}}
    told = page.request.post(f"{page.url}v1/restore", data=body).json()["restoration"]["gaps"][0]
    assert listed(page) == [(reading["text"], pytest.approx(reading["probability"])) for reading in told["readings"]]
    assert listed(page) != before
    none = page.locator("#readings .none .bar").evaluate("bar => Number(bar.style.getPropertyValue('--share'))")
    assert none == pytest.approx(told["none_of_these"])
    # Back to the first lock alone, and to its ranking.
    page.get_by_role("button", name="Undo").click()
    settled(page)
    expect(ranked).to_have_attribute("aria-busy", "false")
    expect(note).to_contain_text("without this lock")
    assert [words for words, _ in listed(page)] == [words for words, _ in before]


def test_old_percentages_say_that_they_are_old(page: Any) -> None:
    write(page, TWO)
    page.locator("#document .hole").first.click()
    page.locator("#readings button.reading").nth(3).click()
    settled(page)
    page.locator("#document .hole").nth(1).click()
    page.locator("#readings button.reading").nth(2).click()
    settled(page)
    page.route("**/v1/restore", lambda route: route.fulfill(status=500, json={"error": "no", "request_id": "n1"}))
    page.locator("#document .hole").first.click()
    expect(page.locator("#readings .note")).to_contain_text("from before the last change")
    expect(page.locator("#readings .ranked")).to_have_class(re.compile("dated"))
    page.unroute("**/v1/restore")
    page.locator("#document .hole").nth(1).click()
    page.locator("#document .hole").first.click()
    expect(page.locator("#readings .note")).to_contain_text("without this lock")


def test_locks_keep_their_holes_while_the_text_changes(page: Any) -> None:
    write(page, TWO)
    page.locator("#document .hole").nth(1).click()
    page.get_by_label("Your own reading", exact=True).fill("pancakes")
    page.get_by_role("button", name="Set", exact=True).click()
    settled(page)
    assert holes(page)[1] == "pancakes"
    select(page, 0, 0)
    page.keyboard.insert_text("It is ... now. ")
    expect(page.locator("#document .hole")).to_have_count(3)
    settled(page)
    assert holes(page)[2] == "pancakes"
    select(page, len("It is ... now. " + TWO), len("It is ... now. " + TWO))
    page.keyboard.insert_text(" It was ...")
    expect(page.locator("#document .hole")).to_have_count(4)
    settled(page)
    assert holes(page)[2] == "pancakes"


def test_selected_words_are_damaged(page: Any) -> None:
    write(page, "I am going to the bakery")
    assert page.locator("#state").text_content() == "no holes · read as plain text"
    select(page, 5, 10)
    page.get_by_role("button", name="Damage the selection").click()
    assert page.locator("#source").input_value() == BAKERY
    settled(page)
    assert len(holes(page)) == 1
    select(page, 17, 19)
    page.keyboard.press("Control+/")
    assert page.locator("#source").input_value() == "I am ... to the b__ery"
    settled(page)
    assert re.fullmatch("b..ery", holes(page)[1])
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert page.locator("#source").input_value() == "I am going to the bakery"
    page.keyboard.press("Control+Shift+z")
    assert page.locator("#source").input_value() == BAKERY


DAMAGED = (
    ("plain", "I am going home", "am going", "I ... home"),
    ("plain", "I am going home", "ing ho", "I am go___ __me"),
    ("plain", "I am going home", " going ", "I am ... home"),
    ("leiden", "I am going home", "going", "I am [---] home"),
    ("leiden", "I am going home", "oin", "I am g[...]g home"),
    (
        "tei",
        "<p>I am going home</p>",
        "going",
        '<p>I am <gap reason="lost" extent="unknown" unit="character"/> home</p>',
    ),
    ("tei", "<p>I am going home</p>", "oin", '<p>I am g<gap reason="lost" quantity="3" unit="character"/>g home</p>'),
    ("tei", "<p>I am going home</p>", "home</p>", None),
    ("plain", "I am, going", ",", None),
)


def test_damage_is_written_in_the_notation_of_the_text(page: Any) -> None:
    for notation, text, selected, damaged in DAMAGED:
        page.select_option("#notation", notation)
        page.locator("#source").fill(text)
        start = text.index(selected)
        select(page, start, start + len(selected))
        page.keyboard.press("Control+/")
        assert page.locator("#source").input_value() == (damaged or text)
        alert = expect(page.locator("#alert"))
        _ = alert.to_be_visible() if damaged is None else alert.to_be_hidden()
        assert bool(parse(damaged or text, notation=notation).damaged.holes) == (damaged is not None)


def test_a_file_can_be_dropped_or_opened(page: Any, tmp_path: Path) -> None:
    drop(page, "letter.txt", "Dear ... ,\r\nI am ... to the bakery", "text/plain")
    expect(page.locator("#document .hole")).to_have_count(2)
    assert page.locator("#source").input_value() == "Dear ... ,\nI am ... to the bakery"
    assert page.locator("#name").text_content() == "letter.txt"
    settled(page)
    assert page.locator("#document .line").count() == 2
    edition = tmp_path / "page.xml"
    edition.write_text(
        '<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body><p>It rained all <gap reason="lost" extent="unknown" unit="character"/> long.</p></body></text></TEI>'
    )
    page.set_input_files("#file", edition)
    expect(page.locator("#state")).to_contain_text("TEI")
    assert len(holes(page)) == 1
    assert "<" not in page.locator("#document").text_content()
    drop(page, "photo.png", "no text", "image/png")
    expect(page.locator("#alert")).to_contain_text("“photo.png” is not a text")
    drop(page, "old.txt", "Caf\u00e9 ...", "text/plain")
    expect(page.locator("#source")).to_have_value("Caf\u00e9 ...")


def test_every_format_can_be_exported(page: Any) -> None:
    write(page, BAKERY)
    page.locator("#readings button.reading").nth(2).click()
    settled(page)
    words = holes(page)[0]
    saved = {}
    for name in ("Text", "Markdown", "TEI", "JSON", "HTML"):
        with page.expect_download() as download:
            page.get_by_role("group", name="Export").get_by_role("button", name=name).click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text("utf-8")
    assert sorted(saved) == [f"restoration.{ending}" for ending in ("html", "json", "md", "txt", "xml")]
    assert f"I am {words} to the bakery" in re.sub(r"[\[\]*_]", "", saved["restoration.txt"])
    assert words in saved["restoration.md"]
    assert words in "".join(etree.fromstring(saved["restoration.xml"].encode()).itertext())
    assert json.loads(saved["restoration.json"])["gaps"][0]["readings"][0]["text"] == words
    assert "<!DOCTYPE html>" in saved["restoration.html"]
    assert words in saved["restoration.html"]


def test_the_restored_text_is_copied(page: Any) -> None:
    write(page, "Dear friend,\n\nI am ... to the bakery")
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == f"Dear friend,\n\nI am {holes(page)[0]} to the bakery"


def test_shades_can_be_taken_off(page: Any) -> None:
    write(page, BAKERY)
    colour = "e => getComputedStyle(e).backgroundColor"
    restored = page.locator("#document .restored").first
    assert restored.evaluate(colour) != "rgba(0, 0, 0, 0)"
    page.get_by_role("button", name="Shades").click()
    assert restored.evaluate(colour) == "rgba(0, 0, 0, 0)"


def test_words_that_mattered_are_marked(page: Any) -> None:
    page.get_by_label("find the words that mattered").check()
    write(page, f"Good morning.\n{BAKERY}")
    marked = page.locator("#document .line").nth(1).locator(".word.evidence, .word.against")
    expect(marked.first).to_be_visible()
    assert set(marked.all_text_contents()) <= {"I", "am", "to", "the", "bakery"}
    assert page.locator("#readings .because").is_visible()


def test_examples_have_holes(page: Any) -> None:
    values = page.locator("#example option").evaluate_all(
        "options => options.map(option => option.value).filter(Boolean)"
    )
    notations = []
    for value in values:
        page.select_option("#example", value)
        document = parse(page.locator("#source").input_value())
        assert document.damaged.holes
        notations.append(document.notation)
    assert notations == ["plain", "plain", "leiden", "tei"]
    page.select_option("#example", "0")
    settled(page)
    assert page.locator("#source").input_value() == BAKERY
    assert len(holes(page)) == 1


def test_an_ellipsis_can_be_punctuation(page: Any) -> None:
    write(page, "Well ... I am [...] to the bakery")
    assert len(holes(page)) == 2
    page.get_by_label("an ellipsis is punctuation").check()
    settled(page)
    assert len(holes(page)) == 1


def test_an_error_is_told_plainly_and_goes_when_it_is_mended(page: Any) -> None:
    page.select_option("#notation", "tei")
    write(page, "<p>I am <gap/> to the\nbakery</q>")
    alert = page.locator("#alert")
    expect(alert).to_contain_text("not well-formed XML")
    expect(alert).to_contain_text("line 2")
    expect(alert).to_contain_text(re.compile("Request [0-9a-f-]{8,}"))
    write(page, "<p>I am <gap/> to the bakery</p>")
    assert alert.is_hidden()
    assert len(holes(page)) == 1


def test_a_server_that_is_gone_can_be_asked_again(page: Any) -> None:
    page.route("**/v1/restore", lambda route: route.abort())
    write(page, BAKERY)
    expect(page.locator("#alert")).to_contain_text("The server does not answer")
    page.unroute("**/v1/restore")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#document .hole")).to_have_count(1)
    assert page.locator("#alert").is_hidden()


def test_a_busy_server_is_asked_again_when_it_says(page: Any) -> None:
    busy = {"status": 429, "headers": {"retry-after": "1"}, "json": {"error": "the queue is full", "request_id": "q1"}}
    page.route("**/v1/restore", lambda route: route.fulfill(**busy), times=1)
    write(page, BAKERY)
    expect(page.locator("#alert")).to_contain_text("the queue is full")
    expect(page.locator("#alert")).to_contain_text("Asking again in 1 second.")
    expect(page.locator("#document .hole")).to_have_count(1)
    assert page.locator("#alert").is_hidden()


def test_a_key_is_asked_for_when_the_server_wants_one(open_page: Any, page: Any, server: str) -> None:
    def guard(route: Any) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": "a key is needed", "request_id": "k1"})

    page.route(re.compile("/(info|v1/restore)$"), guard)
    page.reload()
    page.get_by_label("This server wants a key.").fill("wrong")
    page.get_by_role("button", name="Use it").click()
    expect(page.locator("#alert")).to_contain_text("does not accept this key")
    page.get_by_label("This server wants a key.").fill("sesame")
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_be_hidden()
    write(page, BAKERY)
    assert len(holes(page)) == 1


def test_a_long_document_shows_its_progress_and_can_be_stopped(page: Any) -> None:
    page.locator("#source").fill(
        "\n".join(f"On day {i} I am ... to the bakery to buy ... for my ... friends." for i in range(50))
    )
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#bar-text")).to_contain_text(re.compile(r"\d+ of 150 holes"))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#alert")).to_contain_text("Stopped")
    expect(page.locator("#progress")).to_be_hidden()


def test_the_page_is_small(page: Any, server: str) -> None:
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind)).map(e => [e.name, e.encodedBodySize])"
    )
    sizes = {name.removeprefix(server): size for name, size in loaded}
    assert {"/", "/app.js", "/edition.js", "/edition.css", "/style.css"} <= set(sizes)
    assert all(name.startswith("/") or name.startswith("data:") for name in sizes)
    assert 10_000 < sum(sizes.values()) < 60_000, sizes


def test_the_page_says_when_percentages_are_not_calibrated(page: Any) -> None:
    """The model of these tests has no calibration."""
    expect(page.locator("#rough")).to_be_hidden()
    write(page, BAKERY)
    expect(page.locator("#rough")).to_be_visible()
    expect(page.locator("#kind")).to_have_text("a rough")
    expect(page.locator("#state")).to_contain_text("expected right, not calibrated")
