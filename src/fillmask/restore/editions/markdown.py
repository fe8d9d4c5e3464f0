"""The restored text as Markdown (CommonMark with tables): restored words bold and numbered, then a table of readings."""

from __future__ import annotations

import re

from fillmask.restore.editions.shown import UNCALIBRATED, chosen, damage, others, probability, unread
from fillmask.restore.restoration import Restoration, RestoredHole

_MOST = 5  # other readings in the table
_LEAST = 0.005  # their probability: rarer ones would be shown as 0%
# What would be markup, wherever it stands; and what would be at the beginning of a line.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&$])")
_OPENING = re.compile(r"^(\s*)(#{1,6}(?=\s)|[-+=](?=\s|[-+=]|$)|\d+(?=[.)])|:)", re.MULTILINE)


def render(restoration: Restoration) -> str:
    """The text, and under it each hole with its readings."""
    lines = [_text(restoration), ""]
    if restoration.gaps:
        lines += ["| | damaged | line | restored | probability | other readings | none of these |"]
        lines += ["|--:|---|--:|---|--:|---|--:|"]
        lines += [_row(restoration, gap) for gap in restoration.gaps]
        lines += ["", f"*{_summary(restoration)}*"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    # Indentation would make code of a line.
    text = re.sub(r"^[ \t\u00a0]+", "", _MARKUP.sub(r"\\\1", text), flags=re.MULTILINE)
    return _OPENING.sub(lambda m: f"{m[1]}{m[2]}\\" if m[2].isdigit() else f"{m[1]}\\{m[2]}", text)


def _text(restoration: Restoration) -> str:
    shown = []
    for part in restoration.document.layout:
        if isinstance(part, str):
            shown.append(re.sub("[\ue000-\ue002]", "\ufffd", part))
            continue
        gap = restoration.gaps[part]
        # Marked for now by characters that are no markup, since only the whole text shows where lines begin.
        reading = chosen(restoration, gap)
        shown.append(f"\ue000{reading}\ue001{part + 1}\ue002" if reading else gap.source)
    text = re.sub(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]", "\n", "".join(shown)).strip()
    paragraphs = re.split(r"\n\s*\n", escaped(text))
    text = "\n\n".join(re.sub(r"[ \t]*\n", r"\\\n", paragraph) for paragraph in paragraphs)
    return text.replace("\ue000", "**").replace("\ue001", "**<sup>").replace("\ue002", "</sup>")


def _row(restoration: Restoration, gap: RestoredHole) -> str:
    reading = chosen(restoration, gap)
    best = f"**{_cell(reading)}**" if reading else "–"
    share = "given" if gap.locked else f"{probability(restoration, gap):.0%}" if reading else "–"
    rest = (
        ", ".join(
            f"{_cell(r.text)} {r.probability:.0%}" for r in others(restoration, gap)[:_MOST] if r.probability >= _LEAST
        )
        or "–"
    )
    cells = (
        str(gap.index + 1),
        _cell(damage(restoration, gap)),
        str(gap.line),
        best,
        share,
        rest,
        f"{gap.none_of_these:.0%}",
    )
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return escaped(" ".join(text.split()))


def _summary(restoration: Restoration) -> str:
    holes = len(restoration.gaps)
    summary = f"{holes} hole{'s' * (holes != 1)}, read as {restoration.notation}, decoded {restoration.strategy}"
    summary += f"; expected share of right readings {restoration.confidence:.0%}"
    summary += "".join(f"; {remark}" for remark in restoration.remarks)
    if not restoration.calibrated:
        summary += f"; {UNCALIBRATED}"
    if not restoration.complete:
        summary += f"; stopped early, {unread(restoration)} not read"
    elif unread(restoration):
        summary += f"; {unread(restoration)} without a reading"
    return summary
