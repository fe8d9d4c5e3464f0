"""A restoration as one web page that needs nothing else: the edition to read, to print, and to choose readings in.

The page is drawn here once, in plain HTML, for readers without scripts and for paper; `edition.js`, which the page of
`fillmask serve` shares, then makes the holes open. Its content security policy allows the one style and the one
script of the page by their hashes, and no connection. It knows a `Restoration`, nothing of models.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from fillmask import __version__
from fillmask.restore.editions.shown import UNCALIBRATED, chosen, probability
from fillmask.restore.restoration import Restoration, RestoredHole

# From this probability up a reading is called so; the same as in edition.js, which a test holds.
LEVELS = (("firm", 0.8), ("likely", 0.5), ("possible", 0.2), ("doubtful", 0.0))

_HEADING = 64  # characters
_VARIANTS = 5  # readings of a hole in the apparatus
_NUMBERED = 5  # every fifth line carries its number, from so many lines up
# What a page cannot hold: control characters, halves of surrogate pairs, noncharacters.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

_GAP = re.compile(r"<gap\b([^>]*)>")
_TAG = re.compile(r"<(?!mask>)[/!?\w][^>]*>")


def render(restoration: Restoration) -> str:
    """The restoration as one self-contained HTML page."""
    style = "\n".join(map(_asset, ("edition.css", "report.css")))
    script = _script()
    lines = _lines(restoration)
    return Template(_asset("report.html")).substitute(
        script_hash=_hash(script),
        style_hash=_hash(style),
        version=_text(__version__),
        title=_text(f"{_heading(restoration)} · a restoration"),
        heading=_text(_heading(restoration)),
        standfirst=_text(_standfirst(restoration)),
        lined=" lined" if _numbered(lines) else "",
        document=_document(lines),
        legend=_legend(),
        apparatus=_apparatus(restoration),
        source=_text(restoration.source),
        made="\n".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in _made(restoration)),
        meaning=_text(_meaning(restoration)),
        data=_data(restoration),
        style=style,
        script=script,
    )


def level(probability: float) -> str:
    """What a probability is called: the first of `LEVELS` that it reaches."""
    return next((name for name, least in LEVELS if probability >= least), LEVELS[-1][0])


def percent(share: float) -> str:
    """A share as people read it: 62%, 3.4%, <0.1%."""
    points = share * 100
    if 0 < points < 0.1:
        return "<0.1%"
    if 99 < points < 100:
        return ">99.9%" if points >= 99.95 else f"{points:.1f}%"
    return f"{points:.0f}%" if points >= 10 or points == 0 else f"{points:.1f}%"


def written(source: str) -> str:
    """A hole as readers of editions know it: the elements of TEI as the brackets of Leiden."""
    return _TAG.sub("", _GAP.sub(_brackets, source))


def _brackets(gap: re.Match[str]) -> str:
    letters = re.search(r'\bquantity="([1-9]|1\d)"', gap[1])
    if letters is None or re.search(r'\bunit="(?!char|letter)|precision="low"', gap[1]):
        return "[---]"
    return f"[{'.' * int(letters[1])}]"


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


@cache
def _script() -> str:
    """The page's own module and the one it imports, as one: a page of one file has nothing to import from."""
    shared = re.sub(r"^export ", "", _asset("edition.js"), flags=re.MULTILINE)
    own = re.sub(r"^import .*\n", "", _asset("report.js"), flags=re.MULTILINE)
    return f"{shared}\n{own}"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _text(text: str) -> str:
    return escape(_UNSHOWABLE.sub("�", text)).replace("\r\n", "\n").replace("\r", "\n")


def _data(restoration: Restoration) -> str:
    """The restoration as JSON that no HTML parser can leave: no `<`, no `>`, no `&`, no line separator."""
    shown: dict[str, Any] = restoration.to_dict()
    shown["hypotheses"] = [
        {"readings": h.readings, "probability": h.probability, "score": h.score} for h in restoration.hypotheses
    ]
    plain = json.dumps(shown, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub(
        "[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", lambda m: f"\\u{ord(m[0]):04x}", plain
    )


def _heading(restoration: Restoration) -> str:
    """The first words of the first line, as catalogues call a document without a title."""
    text = restoration.document.laid_out([_standing(restoration, gap) for gap in restoration.gaps])
    words = " ".join(next(filter(str.strip, text.splitlines()), "").split())
    if len(words) <= _HEADING:
        return words or "An empty document"
    return words[:_HEADING].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + " …"


def _standfirst(restoration: Restoration) -> str:
    holes = len(restoration.gaps)
    if not holes:
        return "Nothing is missing in this document: it has no holes."
    read = sum(gap.best is not None for gap in restoration.gaps)
    counted = f"{holes} {'hole' if holes == 1 else 'holes'}"
    if read < holes:
        counted += f", {read} of them read"
    sure = f"On average a reading is right with a probability of {percent(restoration.confidence)}"
    sure += "." if restoration.calibrated else "; but the probabilities are not calibrated for this model."
    sure += "".join(f" Note: {remark}." for remark in restoration.remarks)
    return f"{counted}. {sure}" + ("" if restoration.complete else " The work was stopped before it was done.")


def _meaning(restoration: Restoration) -> str:
    """What a percentage says."""
    kind = "the calibrated" if restoration.calibrated else "a rough"
    sentence = (
        f"A percentage is {kind} probability that exactly this stood there, judged by a masked language model from the "
        "words around it; “none of these” is what remains. It is a reading of the text, not evidence for it."
    )
    if restoration.calibrated:
        return sentence
    return f"{sentence} The {UNCALIBRATED}; the order of the readings is sound."


def _made(restoration: Restoration) -> Iterator[tuple[str, str]]:
    cost = restoration.cost
    yield "Made with", f"fillmask {__version__}"
    if restoration.model:
        yield "Model", restoration.model
    yield (
        "Notation of the source",
        {"plain": "plain text", "leiden": "Leiden conventions", "tei": "EpiDoc TEI"}.get(
            restoration.notation, restoration.notation
        ),
    )
    yield "Strategy", restoration.strategy
    yield "Probabilities", "calibrated" if restoration.calibrated else "rough, not calibrated for this model"
    yield "Holes", str(len(restoration.gaps))
    yield "Expected share of right readings", percent(restoration.confidence)
    yield "Cost", f"{cost.forward_passes:,} forward passes over {cost.rows:,} rows, {cost.seconds:.2f} seconds"
    yield "Finished", "yes" if restoration.complete else "no: it was stopped, and some holes keep what was found so far"


def _legend() -> str:
    rows = []
    for i, (name, least) in enumerate(LEVELS):
        below = LEVELS[i - 1][1] if i else 1.0
        share = f"{least * 100:.0f}–{below * 100:.0f}%"
        if i == 0:
            share = f"{least * 100:.0f}% and more"
        elif least == 0:
            share = f"below {below * 100:.0f}%"
        rows.append(f'<li><span class="restored {name}">{name}</span>{share}</li>')
    return "\n".join(rows)


def _lines(restoration: Restoration) -> list[list[str]]:
    """Paragraphs, parted by blank lines, of lines of HTML."""
    layout = restoration.document.layout
    parts = [_text(part) if isinstance(part, str) else _hole(restoration, restoration.gaps[part]) for part in layout]
    paragraphs: list[list[str]] = [[]]
    for line in "".join(parts).split("\n"):
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def _hole(restoration: Restoration, gap: RestoredHole) -> str:
    kind = "given" if gap.locked else level(probability(restoration, gap))
    if not chosen(restoration, gap):
        kind = "unread"
    # A hole stays in its line, whatever stands in it.
    words = " ".join(_standing(restoration, gap).splitlines())
    return f'<span class="hole {kind}"><span class="restored">{_text(words)}</span></span>'


def _standing(restoration: Restoration, gap: RestoredHole) -> str:
    return chosen(restoration, gap) or written(gap.source)


def _numbered(paragraphs: Sequence[Sequence[str]]) -> bool:
    return sum(map(len, paragraphs)) >= _NUMBERED and any(len(paragraph) > 2 for paragraph in paragraphs)


def _document(paragraphs: Sequence[Sequence[str]]) -> str:
    paragraphs_html = []
    number = 0
    for paragraph in paragraphs:
        lines = []
        for line in paragraph:
            number += 1
            shown = f' data-number="{number}"' if _numbered(paragraphs) and number % _NUMBERED == 0 else ""
            lines.append(f'<span class="line"{shown}>{line}</span>')
        paragraphs_html.append(f"<p>{''.join(lines)}</p>")
    return "\n".join(paragraphs_html)


def _apparatus(restoration: Restoration) -> str:
    if not restoration.gaps:
        return '<p class="about">The document has no holes.</p>'
    return f'<ol class="apparatus" role="list">{"".join(map(_entry, restoration.gaps))}</ol>'


def _entry(gap: RestoredHole) -> str:
    """A hole as in a critical apparatus: its number, how the document writes it, its readings, likeliest first."""
    readings = [
        f'<span class="{"variant" if i else "lemma"}" dir="auto">{_text(r.text)}</span>'
        f' <span class="share">{_text("given" if gap.locked and not i else percent(r.probability))}</span>'
        for i, r in enumerate(gap.readings[:_VARIANTS])
    ]
    further = gap.readings[_VARIANTS:]
    if further:
        share = percent(sum(r.probability for r in further))
        readings.append(f'<span class="share">{len(further)} more {_text(share)}</span>')
    none = "no admissible reading was found" if gap.best is None else f"none of these {percent(gap.none_of_these)}"
    place = f"line {gap.line}, column {gap.column}"
    return (
        f'<li><span class="number" title="{place}">{gap.index + 1}</span>'
        f'<span class="found">{_text(written(gap.source))}</span> ] {" · ".join(readings)}'
        f'{" · " if readings else ""}<span class="share">{_text(none)}</span></li>'
    )
