"""Throw random and mutated documents at the notations and the reports.

    python tests/restore/editions/fuzzing.py [DOCUMENTS] [SEED]

A document is read, or refused by a NotationError that names its place (where it has half a surrogate pair, by its name);
nothing else may happen. What is read is written in every format.
"""

import json
import sys
import warnings
from collections import Counter
from io import StringIO
from pathlib import Path
from random import Random
from time import perf_counter

from lxml import etree
from made import made
from rich.console import Console

from fillmask import InputError, NotationError
from fillmask.choices import NOTATIONS
from fillmask.errors import FillMaskWarning
from fillmask.restore.damage import Hole, Known
from fillmask.restore.editions import render
from fillmask.restore.editions.terminal import draw
from fillmask.restore.notation import Document, parse

_HERE = Path(__file__).resolve()
sys.path.insert(0, str(_HERE.parents[1] / "notation"))
from grammar import document

_SIGNS = (
    *(
        "[...]",
        "[---]",
        "[c. 4]",
        "[- ca. 7 -]",
        "...",
        "…",
        "___",
        "_",
        "<mask>",
        "[MASK]",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
    ),
    *(
        "<",
        ">",
        "(",
        ")",
        "|",
        "-\n",
        "\n\n",
        "\r",
        "\f",
        "\u0323",
        "\u00ad",
        "’",
        "\x00",
        "\x1b[31m",
        "\ud800",
        "\ufeff",
    ),
    *("<gap/>", '<gap quantity="2" unit="word"/>', "<gap atLeast='1' atMost='3'/>", '<lb break="no"/>', "<p>", "</p>"),
    *(
        "<unclear>a</unclear>",
        "<supplied>",
        "</supplied>",
        "&amp;",
        "&#1;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x",
        "?>",
    ),
    *(
        '<!DOCTYPE p [<!ENTITY x "y">]>',
        "<choice>",
        "</choice>",
        "<app>",
        "<lem>",
        "</lem>",
        "<div type='edition'>",
        "</div>",
    ),
    *(
        "[?]",
        "[???]",
        "[barn?]",
        "[[unclear]]",
        "[torn]",
        "~~a~~",
        "(b)(6)",
        "██",
        "\ufffd",
        "[  ]",
        "#",
        "a??b",
        "d**n",
    ),
    *(
        "⟨",
        "⟩",
        "〚",
        "〛",
        "+++",
        "[.6]",
        "[.?]",
        "<:a|reg|b:>",
        "\\new/",
        "[\n]",
        "[unclear]",
        "[/unclear]",
        "_a_",
        "a_b.txt",
    ),
    *("<space/>", "<subst>", "</subst>", "<mod>", "<sourceDoc>", "<line>", "</line>", "<gap><desc>a</desc></gap>"),
    *(
        '<gap xml:id="a" reason="torn"/>',
        "<supplied>a</supplied>",
        "<unclear/>",
        "<unclear>a b</unclear>",
        "xmlns:t='u'",
    ),
    *("[c. 999999999999]", "[c. 0]", "[" * 60, "<hi>" * 300, "." * 500, "_" * 2000, "漢字", "क्षि", "🙂", "\U000e0001"),
)


def fuzz(documents: int, seed: int) -> Counter[str]:
    """Read and write so many documents; how many were read, by notation, and how many refused."""
    random = Random(seed)
    letters = sorted((_HERE.parents[3] / "examples" / "letters").glob("*.[tx][xm][tl]"))
    written = [letter.read_text("utf-8") for letter in letters]
    found: Counter[str] = Counter()
    for _ in range(documents):
        source = _document(random, written)
        notation = random.choice(("auto", "auto", "auto", *NOTATIONS))
        found[_tried(random, source, notation)] += 1
    return found


def _document(random: Random, written: list[str]) -> str:
    dice = random.random()
    if dice < 0.15:
        return "".join(random.choices(_SIGNS, k=random.randint(0, 12)))
    if dice < 0.25:
        return random.randbytes(random.randint(0, 60)).decode("utf-8", "surrogateescape" if dice < 0.2 else "replace")
    if dice < 0.35:
        return "".join(chr(random.choice((random.randrange(128), random.randrange(0x11000)))) for _ in range(30))
    if dice < 0.4 and written:
        source = random.choice(written)
    else:
        source = document(random, random.choice(["plain", "leiden", "tei"]))[0]
    for _ in range(random.choice((0, 0, 0, 1, 2, 4))):
        at, to = sorted(random.randrange(len(source) + 1) for _ in "ab")
        to = min(to, at + 20)
        middle = random.choice((random.choice(_SIGNS), "", source[at:to] * 2, source[at:to][::-1]))
        source = source[:at] + middle + source[to:]
    return source


def _tried(random: Random, source: str, notation: str) -> str:
    keep = random.random() < 0.2
    read = _read(source, notation, keep)
    if isinstance(read, InputError):
        if isinstance(read, NotationError):
            assert read.line >= 1 <= read.column
        elif "there is no text in the file" not in str(read):  # half of a surrogate pair is no character, anywhere
            assert any("\ud800" <= character <= "\udfff" for character in source)
        return "refused"
    assert read.print() == source
    assert _read(source, read.notation, keep) == read
    if keep:  # the reports read once more, by the notation alone
        return read.notation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FillMaskWarning)
        restoration = made(source, *(_readings(random, hole) for hole in read.damaged.holes), notation=read.notation)
    assert restoration.document == read
    render(restoration, "text")
    render(restoration, "markdown")
    json.loads(render(restoration, "json").encode())
    etree.fromstring(render(restoration, "tei").encode())
    if len(restoration.gaps) < 20:
        draw(restoration, Console(file=StringIO(), width=random.choice((1, 20, 80))))
    return read.notation


def _read(source: str, notation: str, keep_ellipses: bool) -> Document | InputError:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FillMaskWarning)
            return parse(source, notation=notation, keep_ellipses=keep_ellipses)
    except InputError as refusal:
        return refusal


def _readings(random: Random, hole: Hole) -> list[tuple[str, float]]:
    """Readings that fit, none, or one that does not fit at all."""
    if random.random() < 0.15:
        return [] if random.random() < 0.5 else [("no such & <thing>\x00", 1.0)]
    spelled = {
        "".join(e.text if isinstance(e, Known) else letter * max(1, e.least) for e in hole.elements): share
        for letter, share in (("x", 0.5), ("&", 0.3), ("é", 0.1))
    }
    return list(spelled.items())[: random.randint(1, 3)]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    start = perf_counter()
    for name, number in sorted(fuzz(count, int(sys.argv[2]) if len(sys.argv) > 2 else 0).items()):
        print(f"{name:<8} {number:>7,}")
    print(f"{count:,} documents in {perf_counter() - start:.1f} s, none that was not read or refused by its place")
