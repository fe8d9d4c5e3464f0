"""The pictures of the page and of a report in docs/images, taken anew: run it when the bundled model or the look changes.

    python scripts/page_images.py

Needs the serve extra, playwright, and Chromium (/usr/bin/chromium, or where CHROMIUM says).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 300_000  # milliseconds
LETTER = "A letter from the mill"  # of the page's examples


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "log"
        with log.open("wb") as written:
            server = subprocess.Popen(
                [Path(sys.executable).parent / "fillmask", "serve", "--port", "0", "--log-format", "json"],
                stderr=written,
            )
        try:
            while not (listening := re.search(r'"listening", "url": "([^"]+)"', log.read_text("utf-8"))):
                if server.poll() is not None:
                    sys.exit(log.read_text("utf-8"))
                time.sleep(0.05)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            report = _page(browser, listening[1], Path(folder))
            _report(browser, report)
            browser.close()
        finally:
            server.terminate()
            server.wait(timeout=30)


def _page(browser: Any, url: str, folder: Path) -> Path:
    """The page with the letter read, one reading locked; and the report that it exports."""
    page = browser.new_page(viewport={"width": 1200, "height": 1080})
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.select_option("#example", label=LETTER)
    page.wait_for_selector("#restored[aria-busy=false] .hole")
    page.locator(".hole").nth(1).click()
    page.get_by_label("find the words that mattered").check()
    page.wait_for_selector("#restored[aria-busy=false]")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / "page.png")
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML").click()
    report = folder / "letter.html"
    download.value.save_as(report)
    page.close()
    return report


def _report(browser: Any, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="dark")
    page.goto(report.as_uri())
    page.locator(".hole").nth(1).click()
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / "report.png")
    page.close()


if __name__ == "__main__":
    main()
