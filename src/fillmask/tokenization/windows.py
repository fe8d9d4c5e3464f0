"""Windows over a text that is longer than the model: the part of it that the model reads for some positions.

A window has the text's own special tokens at its ends and as many tokens as
the model takes. It is centred on the positions that it serves, or ends where
the text ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fillmask.tokenization.encoding import Encoding
from fillmask.tokenization.masked_input import MaskedInput


def window(text: Encoding, positions: Sequence[int], longest: int) -> MaskedInput:
    """The window of at most `longest` tokens that is centred between the first and the last of `positions`.

    Args:
        positions: ascending indices into `text.ids`, one at least, none of them at a special token round the text.

    Raises:
        ValueError: a position is outside the text, or the window does not hold all of them.
    """
    head, tail = text.leading, text.trailing
    room = longest - head - tail
    stop = len(text.ids) - tail
    first, last = positions[0], positions[-1]
    start = min(max((first + last) // 2 - room // 2, head), max(stop - room, head))
    end = min(start + room, stop)
    if not head <= start <= first <= last < end:
        raise ValueError(f"positions {first} to {last} are not in the window of tokens {start} to {end} of {stop}")

    def cut(values: list[int]) -> list[int]:
        return [*values[:head], *values[start:end], *values[stop:]]

    return MaskedInput(cut(text.ids), cut(text.type_ids), [head + position - start for position in positions])


def shared_windows(text: Encoding, positions: Sequence[int], longest: int) -> Iterator[MaskedInput]:
    """Windows that together serve all `positions`, each of them once and in order.

    From left to right, a window takes the next position and all that follow it within half of the tokens of the text
    that fit into a window. So each position has at least a quarter of a window of the text on either side, or the
    text's end; a position without neighbours has the window that is centred on it. A text of n tokens has at most
    2n / room + 1 windows, however many positions it has, where a window has room for `room` tokens of the text.

    Args:
        positions: ascending indices into `text.ids`, none of them at a special token round the text.
    """
    reach = (longest - text.leading - text.trailing - 1) // 2
    start = 0
    for index in range(1, len(positions) + 1):
        if index == len(positions) or positions[index] - positions[start] > reach:
            yield window(text, positions[start:index], longest)
            start = index
