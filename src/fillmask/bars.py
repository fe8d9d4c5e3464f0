"""Bars and percentages, as the terminal shows probabilities."""

from __future__ import annotations

from rich.text import Text

_BAR = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int = _BAR, style: str = "cyan") -> Text:
    """A bar `width` cells long for a probability, to an eighth of a cell."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    # Anything above nothing shows as at least a sliver.
    eighths = max(eighths, 1) if share > 0 else eighths
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[rest] if rest else "")
    return Text(drawn, style=style).append("·" * (width - len(drawn)), style="bright_black")


def percent(share: float) -> str:
    """A probability in six columns."""
    return " <0.1%" if 0 < share < 0.0005 else f"{100 * share:5.1f}%"
