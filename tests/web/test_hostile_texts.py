"""Twenty texts that run a script wherever a page takes text for anything else: in sources, names, readings and reports.

What would show that one ran (a dialogue, an error, something that the security policy had to block) fails the test in
`open_page`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sampled import PAYLOADS, restoration
from test_page import drop, holes, settled, write

from fillmask.restore.editions.html import render


def elements(page: Any) -> set[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('main *')].map(e => e.localName)")
    return set(found)


def answer(page: Any, **answered: Any) -> None:
    """Answer the next request for a restoration."""
    page.route("**/v1/restore", lambda route: route.fulfill(**answered), times=1)


PAGE_ELEMENTS = {
    "a",
    "aside",
    "button",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "header",
    "input",
    "kbd",
    "label",
    "li",
    "noscript",
    "ol",
    "option",
    "p",
    "progress",
    "section",
    "select",
    "span",
    "textarea",
    "ul",
}


def test_the_policy_of_the_page(browser: Any, server: str) -> None:
    page = browser.new_page()  # one on which something may be blocked
    page.goto(server)
    policy = page.request.get(server).headers["content-security-policy"]
    allowed = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == "'self'"
    blocked = page.evaluate("""() => new Promise((resolve) => {
      addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective), { once: true });
      document.head.append(Object.assign(document.createElement("script"), { textContent: "alert(1)" }));
    })""")
    page.close()
    assert blocked.startswith("script-src")


def test_payloads_in_a_text(page: Any) -> None:
    assert len(PAYLOADS) == 20
    write(page, "I am ... to\n" + "\n".join(PAYLOADS))
    assert page.locator("#alert").is_hidden(), page.locator("#alert").text_content()
    for payload in PAYLOADS[:19]:
        assert payload in page.locator("#document").text_content()
    assert elements(page) <= PAGE_ELEMENTS


@pytest.mark.parametrize("kind", ["tei", "leiden"])
def test_payloads_in_a_text_of_another_notation(page: Any, kind: str) -> None:
    page.select_option("#notation", kind)
    for payload in PAYLOADS[::4]:
        write(page, f"I am [...] to {payload} the bakery")
        assert elements(page) <= PAGE_ELEMENTS  # read or refused with a message that quotes it


def test_payloads_in_names_of_files(page: Any) -> None:
    for payload in PAYLOADS:
        drop(page, f"{payload}.txt", "I am ... to the bakery", "text/plain")
        name = page.evaluate("(name) => new File([], name).name", f"{payload}.txt")
        expect(page.locator("#name")).to_have_text(name)
        drop(page, f"{payload}.exe", "", "application/x")
        expect(page.locator("#alert")).to_be_visible()
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Text", exact=True).click()
    assert not set("<>/\\'\"") & set(download.value.suggested_filename)
    assert elements(page) <= PAGE_ELEMENTS


def test_payloads_as_readings_and_errors_of_a_model(page: Any) -> None:
    for payload in PAYLOADS:
        hostile = restoration(
            "I am [word] to the bakery", replace={"word": payload}, other=payload, evidence=True
        ).to_dict()
        hostile["gaps"][0]["source"] = payload
        hostile["gaps"][0]["evidence"][0]["word"] = payload
        hostile["notation"] = payload
        stream = f"event: result\ndata: {json.dumps({'restoration': hostile, 'documents': {}})}\n\n"
        answer(page, content_type="text/event-stream", body=stream)
        write(page, f"I am ... to the bakery {payload}")
        assert holes(page) == [payload]
        assert page.locator("#readings .words").first.text_content() == payload
        assert elements(page) <= PAGE_ELEMENTS
        answer(page, status=400, json={"error": payload, "request_id": payload})
        write(page, f"{payload} and an error")
        expect(page.locator("#alert")).to_have_text(f"{payload}Request {payload}")
        assert elements(page) <= PAGE_ELEMENTS


def test_payloads_as_readings_of_ones_own(page: Any) -> None:
    write(page, "I am ... to the bakery")
    for payload in PAYLOADS[:6]:
        page.get_by_label("Your own reading", exact=True).fill(payload)
        page.get_by_role("button", name="Set", exact=True).click()
        settled(page)
        assert elements(page) <= PAGE_ELEMENTS


def test_payloads_in_a_report(open_page: Any, tmp_path: Path) -> None:
    text = "\n".join(f"I am [word{i}] to the {'b[ak]ery' if i % 2 else '[shop]'}" for i in range(len(PAYLOADS)))
    replaced = {f"word{i}": payload for i, payload in enumerate(PAYLOADS)}
    path = tmp_path / "hostile.html"
    path.write_text(
        render(restoration(text, replace=replaced, other=PAYLOADS[1], source="\n".join(PAYLOADS), evidence=True)),
        "utf-8",
    )
    page = open_page(path.as_uri())
    before = elements(page)
    shown = page.locator("#document .hole")
    for i, payload in enumerate(PAYLOADS):
        expect(shown.nth(2 * i)).to_have_text(payload)
        shown.nth(2 * i).click()
        page.locator("#readings button.reading").nth(1).click()
        expect(shown.nth(2 * i)).to_have_text(PAYLOADS[1])
    assert page.evaluate("JSON.parse(document.getElementById('restoration').textContent).source") == "\n".join(PAYLOADS)
    assert elements(page) <= before | PAGE_ELEMENTS
