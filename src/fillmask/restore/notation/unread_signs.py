"""A warning of what looks like damage and is not understood."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from fillmask.errors import FillMaskWarning
from fillmask.restore.notation.document import Lines, Piece, Said

# Brackets with a word of loss, with marks of doubt or with a number of what is lost, and brackets that nothing closes.
_WORDS = (
    r"illegib|unread|deciph|\blost\b|\bmissing\b|\btorn\b|\bunclear\b|\bgap\b|lacuna|faded|blot|\bhole\b|damag|redact|"
    r"effac|obscur|\bcut (?:off|away)\b|smudg|smear|stain|defaced|mutilat|\bvacat\b|\btraces?\b"
)
_SUSPICIOUS = re.compile(
    rf"[\[{{<(⟨][^\[\]{{}}<>()⟨⟩\n]{{0,60}}(?:{_WORDS})[^\[\]{{}}<>()⟨⟩\n]{{0,60}}[\]}})>⟩]"
    r"|\[[^\[\]\n\w]*[?.…–—-]{2,}[^\[\]\n]{0,40}\]|\[[^\[\]\n]{0,40}(?:\?{2,}|\.{2,}|…|-{2,})[^\[\]\n\w]*\]"
    r"|\w\?{2,}\w|(?<=\w)\[(?=\s*$)|^\s*\](?=\w)|[⟦⟧⟨⟩〈〉〚〛⸢⸣]|\w\u0323",
    re.IGNORECASE | re.MULTILINE,
)
_SHOWN = 8  # signs that are listed
_LONGEST = 40  # characters of a sign


def suspicious(pieces: Sequence[Piece]) -> list[tuple[int, str]]:
    """What looks like damage in text that is read as it stands."""
    return [
        (piece.start + match.start(), match.group())
        for piece in pieces
        if isinstance(piece.says, Said) and piece.says.text == piece.source
        for match in _SUSPICIOUS.finditer(piece.source)
    ]


def warn_of_unread(source: str, signs: Sequence[tuple[int, str]]) -> None:
    """Warn once, with a list of places.

    Args:
        signs: where each stands in the source, and what is written there.
    """
    if not signs:
        return
    lines = Lines(source)
    places = []
    for offset, sign in sorted(set(signs))[:_SHOWN]:
        line, column = lines.locate(offset)
        shown = " ".join(sign.split())
        places.append(f"line {line}, column {column}: {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}")
    unlisted = len(set(signs)) - len(places)
    warnings.warn(
        f"what looks like damage was not understood, and is read as text or as a loss of unknown length: "
        f"{'; '.join(places)}{f'; and {unlisted} more' if unlisted else ''}. "
        "Write it in one of the ways that the guide lists, for instance [---] or [c. 7]",
        FillMaskWarning,
        stacklevel=2,
    )
