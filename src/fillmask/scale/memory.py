"""Give freed memory back to the system.

A shard leaves a hundred thousand small objects in the heap. glibc keeps the
holes, each thread its own, and a long job would grow by a percent every few
hundred thousand rows.
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
