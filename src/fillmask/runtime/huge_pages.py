"""Large memory pages for what an engine allocates.

A processor caches the addresses of some thousand pages. A hundred megabytes of weights in pages of 4 KiB are far more
than that, so that reading them once, as one short text does, waits for the page tables; in pages of 2 MiB it does not.
Linux gives large pages to programs that ask for them ("madvise", the common setting) or to all. Does nothing on other
systems.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fillmask.runtime import memory

Range = tuple[int, int]
"""First and last address, the last excluded."""

_MAPS = Path("/proc/self/maps")
_LARGE = 2 << 20
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
# A process that answers one text is gone by then; the copying would only take a core from it.
_DELAY_SECONDS = 0.5


@contextmanager
def large_pages() -> Iterator[None]:
    """Move what is allocated inside the block to large pages, soon after it and in the background.

    Answers do not wait for it, and no byte changes. Only memory that this block allocated is touched.
    """
    before = _anonymous()
    yield
    memory.give_back()  # what repacking left over is not worth a page
    fresh = aligned(without(_anonymous(), before))
    if fresh:
        threading.Thread(target=_collapse, args=(fresh,), name="fillmask-pages", daemon=True).start()


def _anonymous() -> list[Range]:
    """Writable memory of this process that no file stands behind, by address; empty where the system does not say."""
    if sys.platform != "linux":
        return []
    try:
        lines = _MAPS.read_text("ascii", "replace").splitlines()
    except OSError:
        return []
    ranges = []
    for line in lines:
        addresses, permissions, _, _, inode, *name = line.split(maxsplit=5)
        if inode == "0" and permissions.startswith("rw") and name not in (["[stack]"],):
            low, high = addresses.split("-")
            ranges.append((int(low, 16), int(high, 16)))
    return ranges


def without(ranges: list[Range], taken: list[Range]) -> list[Range]:
    """The parts of `ranges` that no range of `taken` covers; both sorted by address."""
    rest = []
    for low, high in ranges:
        for first, last in taken:
            if last <= low:
                continue
            if first >= high:
                break
            if first > low:
                rest.append((low, first))
            low = last
            if low >= high:
                break
        if low < high:
            rest.append((low, high))
    return rest


def aligned(ranges: list[Range]) -> list[Range]:
    """The whole large pages within each range."""
    pages = ((-(-low // _LARGE) * _LARGE, high // _LARGE * _LARGE) for low, high in ranges)
    return [(low, high) for low, high in pages if low < high]


def _collapse(ranges: list[Range]) -> None:
    time.sleep(_DELAY_SECONDS)
    try:
        madvise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for low, high in ranges:
        # Where a range is gone meanwhile, or large pages are switched off, these fail and nothing is lost. The first
        # asks for large pages from now on; the second, of Linux 6.1 and newer, makes them of what is there.
        madvise(low, high - low, _MADV_HUGEPAGE)
        madvise(low, high - low, _MADV_COLLAPSE)
