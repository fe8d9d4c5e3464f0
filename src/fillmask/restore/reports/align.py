"""Which letters of a reading fall to which part of its hole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fillmask.restore.damage import Element, Known
from fillmask.restore.notation import Stretch


def portions(stretches: Sequence[Stretch], reading: str) -> list[str] | None:
    """The letters of `reading` for each stretch of its hole, in order; None where they do not fit.

    Where two lost stretches touch, the first takes as few as it may.
    """
    pattern = "".join(f"({''.join(map(_pattern, stretch.elements))})" for stretch in stretches)
    found = re.fullmatch(pattern, reading, re.DOTALL)
    return list(found.groups()) if found else None


def _pattern(element: Element) -> str:
    if isinstance(element, Known):
        return re.escape(element.text) if element.certain else f".{{{len(element.text)}}}"
    return f".{{{element.least},{'' if element.most is None else element.most}}}?"
