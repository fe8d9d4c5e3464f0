"""Freed memory goes back to the system where the C library can do that, and nothing happens where it cannot."""

import ctypes
import sys
from pathlib import Path

import pytest

from fillmask.runtime import memory

MEGABYTE = 1 << 20


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux" or memory._trim() is None, reason="glibc alone has malloc_trim")
def test_what_was_freed_inside_the_heap_goes_back() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    libc.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    # Small enough to lie in the heap; the last one, which stays, keeps the heap from shrinking by itself.
    pieces = [libc.malloc(64 * 1024) for _ in range(1024)]
    for piece in pieces:
        libc.memset(piece, 1, 64 * 1024)
    for piece in pieces[:-1]:
        libc.free(piece)
    before = resident()
    memory.give_back()
    after = resident()
    libc.free(pieces[-1])
    assert after < before - 32 * MEGABYTE


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise OSError("no such library")

    memory._trim.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", missing)
        memory.give_back()
        assert memory._trim() is None
    memory._trim.cache_clear()
