"""Character alignment of a text with what was read of it, and error rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

# A stretch of the true text and the stretch that was read for it: their starts and ends.
Span = tuple[int, int, int, int]


def distances(first: Sequence[object], second: Sequence[object]) -> npt.NDArray[np.int32]:
    """Levenshtein distances between all beginnings, (len(first) + 1, len(second) + 1)."""
    numbers: dict[object, int] = {}
    a = np.array([numbers.setdefault(item, len(numbers)) for item in first], np.int32)
    b = np.array([numbers.setdefault(item, len(numbers)) for item in second], np.int32)
    steps = np.arange(len(b) + 1, dtype=np.int32)
    rows = np.empty((len(a) + 1, len(b) + 1), np.int32)
    rows[0] = steps
    for number, item in enumerate(a, start=1):
        row = rows[number]
        row[0] = number
        np.minimum(rows[number - 1, 1:] + 1, rows[number - 1, :-1] + (b != item), out=row[1:])
        # An insertion depends on the cell to its left: the least of all cells to the left, each with its steps.
        np.minimum.accumulate(row - steps, out=row)
        row += steps
    return rows


def edit_distance(first: Sequence[object], second: Sequence[object]) -> int:
    """Levenshtein distance of two texts, or of two lists of words."""
    return int(distances(first, second)[-1, -1])


def aligned(text: str, observed: str) -> list[Span]:
    """Equal characters, substitutions, deletions, and insertions in the order of the text, one character each."""
    rows = distances(text, observed)
    spans: list[Span] = []
    i, j = len(text), len(observed)
    while i or j:
        here = rows[i, j]
        # Of equal ways the one that leaves edits beside each other: "m" read as "rn" is one edit of two characters.
        if i and j and text[i - 1] == observed[j - 1] and here == rows[i - 1, j - 1]:
            i, j = i - 1, j - 1
            spans.append((i, i + 1, j, j + 1))
        elif j and here == rows[i, j - 1] + 1:
            j -= 1
            spans.append((i, i, j, j + 1))
        elif i and j and here == rows[i - 1, j - 1] + 1:
            i, j = i - 1, j - 1
            spans.append((i, i + 1, j, j + 1))
        else:
            i -= 1
            spans.append((i, i + 1, j, j))
    return spans[::-1]


def edits(text: str, observed: str, longest: int) -> Iterator[tuple[str, str]]:
    """The segments that were read otherwise than they are written, neighbours joined up to `longest` characters."""
    pending: Span | None = None
    for start, end, first, last in aligned(text, observed):
        if text[start:end] == observed[first:last]:
            if pending is not None:
                yield text[pending[0] : pending[1]], observed[pending[2] : pending[3]]
            pending = None
            continue
        if pending is not None and (end - pending[0] > longest or last - pending[2] > longest):
            yield text[pending[0] : pending[1]], observed[pending[2] : pending[3]]
            pending = None
        pending = (start, end, first, last) if pending is None else (pending[0], end, pending[2], last)
    if pending is not None:
        yield text[pending[0] : pending[1]], observed[pending[2] : pending[3]]


def error_rates(pairs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Character and word error rate of (text, observed) pairs: edits by characters, and by words, of the texts."""
    characters = sum(edit_distance(text, observed) for text, observed in pairs)
    words = sum(edit_distance(text.split(), observed.split()) for text, observed in pairs)
    return (
        characters / max(1, sum(len(text) for text, _ in pairs)),
        words / max(1, sum(len(text.split()) for text, _ in pairs)),
    )
