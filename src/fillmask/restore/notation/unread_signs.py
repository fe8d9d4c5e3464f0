"""A warning of what looks like damage and is not understood."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from fillmask.errors import FillMaskWarning
from fillmask.restore.notation.document import Lines

_SHOWN = 8  # signs that are listed
_LONGEST = 40  # characters of a sign


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
    more = len(set(signs)) - len(places)
    warnings.warn(
        f"what looks like damage was not understood, and is read as text or as a loss of unknown length: "
        f"{'; '.join(places)}{f'; and {more} more' if more else ''}. "
        "Write it in one of the ways that the guide lists, for instance [---] or [c. 7]",
        FillMaskWarning,
        stacklevel=2,
    )
