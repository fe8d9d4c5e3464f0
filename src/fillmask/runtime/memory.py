"""Give freed memory back to the system.

glibc keeps the holes that freed objects leave in the heap, each thread its own.
A shard leaves a hundred thousand small ones, by which a long job would grow a
percent every few hundred thousand rows; an engine that has repacked its weights
leaves up to 60 MB, or none, as the heap happens to lie.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Return what is free; without effect where the C library is not glibc."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
