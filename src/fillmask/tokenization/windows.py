"""A stretch of a long text round one place, as the model would read it by itself.

A model has positions for so many tokens. Where a text has more, each mask is
read in a window of its own, with as much of the text on one side as on the
other (and more on one side where the text ends on the other).
"""

from __future__ import annotations

from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Encoding


def window(text: Encoding, position: int, longest: int) -> MaskedInput:
    """The window of at most `longest` tokens centred on `position`, with the text's own special tokens at its ends."""
    head, tail = text.leading, text.trailing
    room = longest - head - tail
    stop = len(text.ids) - tail
    start = min(max(position - room // 2, head), max(stop - room, head))
    end = min(start + room, stop)
    if not head <= position < stop or room < 1:
        raise ValueError(f"position {position} is not a token between {head} special tokens and {tail}")

    def cut(values: list[int]) -> list[int]:
        return [*values[:head], *values[start:end], *values[stop:]]

    return MaskedInput(cut(text.ids), cut(text.type_ids), [head + position - start])
