"""Truncation as `tokenizers` does it, without setting it on a tokenizer that other threads use."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from fillmask.errors import InputError

DO_NOT_TRUNCATE = "do_not_truncate"
_STRATEGIES = ("longest_first", "only_first", "only_second", DO_NOT_TRUNCATE)


def truncation_of(options: Mapping[str, Any]) -> tuple[str, int | None]:
    """The truncation strategy that `tokenizer_kwargs` ask for, and the number of tokens where they name one.

    Raises:
        InputError: a value cannot be used.
    """
    strategy, longest = options.get("truncation"), options.get("max_length")
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, Integral) or longest < 1):
        raise InputError(f"max_length is {longest!r}; expected a whole number, 1 or more")
    if strategy is None and longest is not None and options.get("padding") in (False, None):
        strategy = True
    if strategy is None or isinstance(strategy, bool):
        strategy = _STRATEGIES[0] if strategy else DO_NOT_TRUNCATE
    if strategy not in _STRATEGIES:
        raise InputError(f"truncation is {strategy!r}; expected True, False or one of {', '.join(_STRATEGIES)}")
    return strategy, None if longest is None else int(longest)


def kept_lengths(first: int, second: int | None, room: int, strategy: str) -> tuple[int, int]:
    """How many tokens of each of two texts are kept where there is less room than for all of them.

    Raises:
        InputError: the text that may be truncated has nothing to give.
    """
    if room == 0:
        return 0, 0
    if second is None:
        if strategy == "only_second":
            raise InputError("truncation is 'only_second', and there is no second text to truncate")
        return room, 0
    if strategy == "longest_first":
        short, long = min(first, second), max(first, second)
        long = short if short > room else max(short, room - short)
        if short + long > room:
            short, long = room // 2, room - room // 2
        return (long, short) if first > second else (short, long)
    kept = (room - second, second) if strategy == "only_first" else (first, room - first)
    if kept[strategy == "only_second"] < 1:
        raise InputError(f"truncation is {strategy!r}, and the other text alone fills the {room} tokens that there are")
    return kept
