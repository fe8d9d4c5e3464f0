"""Documents of twenty pages and more: time and memory grow as the document does, and no faster."""

import time
import tracemalloc
from pathlib import Path

import pytest
from made import made

from fillmask.restore.editions import render
from fillmask.restore.notation import parse

_LETTERS = Path(__file__).parents[3] / "examples" / "letters"
_NAMES = {"plain": "winter.txt", "leiden": "lighthouse.txt", "tei": "ferry.xml"}
_PAGES = 20
_PAGE = 2000  # characters of a page, without markup


def _pages(notation: str, pages: int) -> str:
    """So many pages of a letter over and over; in TEI with one header."""
    letter = (_LETTERS / _NAMES[notation]).read_text("utf-8")
    found = parse(letter, notation=notation)
    times = pages * _PAGE // len(found.damaged.filled(["x"] * len(found.damaged.holes))) + 1
    if notation != "tei":
        return "\n\n".join([letter] * times)
    start, end = letter.index("<head>"), letter.index("</div>")
    return letter[:start] + letter[start:end] * times + letter[end:]


def _seconds(notation: str, source: str) -> float:
    """To read a document and write it in four formats, the least of two tries."""
    tries = []
    for _ in range(2):
        start = time.process_time()
        holes = parse(source, notation=notation).damaged.holes
        restoration = made(source, *[[("x", 0.5)]] * len(holes), notation=notation)
        for form in ("text", "json", "markdown", "tei"):
            render(restoration, form)
        tries.append(time.process_time() - start)
    return min(tries)


@pytest.mark.parametrize("notation", _NAMES)
def test_time_is_linear(notation: str) -> None:
    once, four_times = (_seconds(notation, _pages(notation, pages)) for pages in (_PAGES, 4 * _PAGES))
    assert four_times < 8 * once  # sixteen times, were it quadratic


@pytest.mark.parametrize("notation", _NAMES)
def test_memory_is_that_of_the_document(notation: str) -> None:
    """Reading needs no more than what it returns and as much again, however long the document."""
    parse(_pages(notation, 1), notation=notation)  # tables that are made once
    for pages in (_PAGES, 3 * _PAGES):
        source = _pages(notation, pages)
        tracemalloc.start()
        document = parse(source, notation=notation)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(document.damaged.holes) > 10 * pages
        assert kept < 60 * len(source)
        assert peak < 2 * kept
