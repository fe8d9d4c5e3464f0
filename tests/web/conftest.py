"""A browser, a real `fillmask serve`, and pages on which nothing may go wrong unseen."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
pytest.importorskip("fastapi", reason="needs the serve extra: pip install 'fillmask[serve]'")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FILLMASK = Path(sys.executable).parent / "fillmask"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]
_PATIENCE = int(os.environ.get("PATIENCE", "30000"))  # milliseconds: a machine may have other things to do
_WATCH = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""

OpenPage = Callable[..., Any]


# By module and not by session: while Playwright runs, no test after it in this process can start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}; install it, or say where it is in CHROMIUM")
    sync_api.expect.set_options(timeout=_PATIENCE)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(modernbert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service over a tiny model: what it reads means nothing, and is there at once."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [
                FILLMASK,
                "serve",
                "--model",
                str(modernbert_folder),
                "--port",
                "0",
                "--log-format",
                "json",
                "--threads",
                "1",
            ],
            stderr=written,
            stdout=subprocess.DEVNULL,
        )
    while not (listening := re.search(r'"listening", "url": "([^"]+)"', log.read_text("utf-8"))):
        assert process.poll() is None, log.read_text("utf-8")
        time.sleep(0.05)
    yield listening[1]
    process.terminate()
    assert process.wait(timeout=30) == 0, log.read_text("utf-8")


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One window for every page: a window takes Chromium a second, a page in it next to nothing."""
    context = browser.new_context()
    context.set_default_timeout(_PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script(_WATCH)
    yield context
    context.close()


@pytest.fixture
def open_page(context: Any) -> Iterator[OpenPage]:
    """A new page at an address. When the test ends, nothing may have gone wrong on it: no dialogue, no error in the
    console but for answers that the test asked to be refused, nothing that the security policy blocked."""
    opened: list[tuple[Any, list[str]]] = []

    def open_page(url: str, *, width: int = 1280, scheme: str = "light") -> Any:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 860})
        page.emulate_media(color_scheme=scheme)
        wrong: list[str] = []

        def heard(message: Any) -> None:
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
                wrong.append(f"console: {message.text}")

        def asked(dialog: Any) -> None:
            wrong.append(f"dialogue: {dialog.message}")
            dialog.dismiss()

        page.on("console", heard)
        page.on("dialog", asked)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.goto(url)
        opened.append((page, wrong))
        return page

    yield open_page
    for page, wrong in opened:
        wrong += page.evaluate("window.violations")
        page.close()
        assert wrong == []


@pytest.fixture
def page(open_page: OpenPage, server: str) -> Any:
    """The page of the service."""
    page = open_page(server)
    page.wait_for_selector("#about:not(:empty)")
    return page
