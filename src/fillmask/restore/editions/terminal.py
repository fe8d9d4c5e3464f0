"""A restoration drawn in a terminal: the text with its readings coloured by how far they can be trusted, then the readings.

Draws on a rich console and knows nothing of files or options.
"""

from __future__ import annotations

import re

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from fillmask.bars import bar, percent
from fillmask.restore.editions.shown import UNCALIBRATED, chosen, damage, probability, unread
from fillmask.restore.restoration import Evidence, Restoration, RestoredHole

_MOST = 5  # readings of a hole
_WORDS = 5  # words of evidence
# From this probability up: name, style. The words are those of the page.
LEVELS = (
    (0.8, "firm", "bold green"),
    (0.5, "likely", "bold yellow"),
    (0.2, "possible", "bold dark_orange"),
    (0.0, "doubtful", "bold red"),
)
_LOST = "bold white on red"
_QUIET = "bright_black"
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
# What would move the cursor or ring the bell is shown by a picture of itself.
_CONTROLS: dict[int, int] = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"}
_CONTROLS |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD), **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)}


def draw(restoration: Restoration, console: Console) -> None:
    """Print the text, each hole with its ranked readings, and what it took."""
    console.print()
    console.print(Padding(_document(restoration), (0, 2)))
    console.print()
    for gap in restoration.gaps:
        _draw_gap(restoration, gap, console)
    console.print(Padding(_summary(restoration), (0, 2)))


def _document(restoration: Restoration) -> Text:
    """The text with its lines; readings coloured and numbered, unread holes as the source has them."""
    shown = Text()
    for part in restoration.document.layout:
        if isinstance(part, str):
            shown.append(clean(part))
            continue
        gap = restoration.gaps[part]
        reading = chosen(restoration, gap)
        shown.append(clean(reading or damage(restoration, gap)), _style(restoration, gap))
        shown.append(str(part + 1).translate(_RAISED), "magenta")
    shown.rstrip()
    return shown


def _draw_gap(restoration: Restoration, gap: RestoredHole, console: Console) -> None:
    head = Text(f"  {str(gap.index + 1).translate(_RAISED)} ", "bold magenta")
    head.append(clean(damage(restoration, gap)), "bold").append(f"  line {gap.line}, column {gap.column}", _QUIET)
    console.print(head, no_wrap=True, overflow="ellipsis")
    text = chosen(restoration, gap)
    if gap.locked:
        console.print(Text("     given    ", _QUIET).append(clean(text), "bold cyan"))
    elif not gap.readings:
        reached = "nothing that fits was found" if restoration.complete else "not reached"
        console.print(Text(f"     {reached}", _LOST))
    else:
        _draw_readings(gap, text, console)
    if gap.evidence:
        console.print(_because(gap.evidence), no_wrap=True, overflow="ellipsis")
    console.print()


def _draw_readings(gap: RestoredHole, text: str, console: Console) -> None:
    shown = gap.readings[:_MOST]
    rest = max(0.0, 1.0 - sum(reading.probability for reading in shown))
    for reading in shown:
        style = level(reading.probability)[1]
        line = Text(f"   {percent(reading.probability)} ").append_text(
            bar(reading.probability, style=style.split()[-1])
        )
        line.append("  ").append(clean(reading.text), style if reading.text == text else "")
        console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(Text(f"   {percent(rest)} ", _QUIET).append_text(bar(rest, style=_QUIET)).append("  another", _QUIET))


def _because(evidence: tuple[Evidence, ...]) -> Text:
    """The words of the context that mattered, with how much: those that spoke for the reading, then those against it."""
    line = Text("     ", _QUIET)
    strongest = sorted(evidence, key=lambda item: -abs(item.weight))[:_WORDS]
    spoke_for = [item for item in strongest if item.weight > 0]
    against = [item for item in strongest if item.weight <= 0]
    for phrase, words, style in (("because of ", spoke_for, "green"), ("in spite of ", against, "red")):
        if not words:
            continue
        line.append("; " if spoke_for and words is against else "", _QUIET).append(phrase, _QUIET)
        for number, item in enumerate(words):
            line.append(", " if number else "", _QUIET)
            line.append(clean(item.word)).append(f" {item.weight:+.1f}", style)
    return line


def _summary(restoration: Restoration) -> Text:
    cost, holes = restoration.cost, len(restoration.gaps)
    summary = Text()
    if holes and not restoration.calibrated:
        summary.append(f"{UNCALIBRATED}\n", "bold red")
    for remark in restoration.remarks:
        summary.append(f"{remark}\n", "bold red")
    if not restoration.complete:
        summary.append(f"stopped early: {unread(restoration)} of {holes} holes not reached\n", "bold red")
    for number, (least, name, style) in enumerate(LEVELS if holes else ()):
        summary.append("  " if number else "").append("●", style.split()[-1])
        summary.append(f" {name}{f' ≥ {least:.0%}' if least else ''}", _QUIET)
    summary.append("\n" if holes else "")
    facts = [f"{holes} hole{'s' * (holes != 1)}", f"read as {restoration.notation}", restoration.strategy]
    if holes:
        facts.append(f"{restoration.confidence:.0%} expected right")
    facts += [f"{cost.forward_passes:,} forward passes", f"{cost.seconds:.2f} s"]
    return summary.append(" · ".join(facts), _QUIET)


def level(share: float) -> tuple[str, str]:
    """Name and style for a probability."""
    return next((name, style) for least, name, style in LEVELS if share >= least)


def _style(restoration: Restoration, gap: RestoredHole) -> str:
    if not chosen(restoration, gap):
        return _LOST
    if gap.locked:
        return "bold cyan underline"
    return f"{level(probability(restoration, gap))[1]} underline"


def clean(text: str) -> str:
    """Text that a terminal shows and does not obey; line ends as newlines."""
    return re.sub(r"\r\n?", "\n", text).translate(_CONTROLS)
