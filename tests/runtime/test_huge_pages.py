"""Large pages: which memory is meant, and that no byte changes."""

from __future__ import annotations

import mmap
import platform
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.runtime import huge_pages

MEGABYTE = 1 << 20


@st.composite
def _ranges(draw: st.DrawFn) -> list[huge_pages.Range]:
    """Sorted ranges that neither touch nor overlap."""
    bounds = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
    return [(low, high) for low, high in zip(bounds[::2], bounds[1::2], strict=False)]


@given(_ranges(), _ranges())
def test_without_is_set_difference(ranges: list[huge_pages.Range], taken: list[huge_pages.Range]) -> None:
    left = huge_pages.without(ranges, taken)

    def points(of: list[huge_pages.Range]) -> set[int]:
        return {p for low, high in of for p in range(low, high)}

    assert points(left) == points(ranges) - points(taken)
    assert left == sorted(left)
    assert all(low < high for low, high in left)


def test_only_whole_large_pages_are_taken() -> None:
    two = 2 * MEGABYTE
    assert huge_pages.aligned([(1, two), (two - 1, 3 * two + 5), (two, 2 * two)]) == [(two, 3 * two), (two, 2 * two)]


def _large_bytes(address: int) -> int:
    """Bytes in large pages of the mapping that holds an address; other memory of the process comes and goes."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            inside = int(bounds[1], 16) <= address < int(bounds[2], 16)
        elif inside and line.startswith("AnonHugePages"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no mapping holds {address:x}")


def _makes_large_pages() -> bool:
    """Linux 6.1 and newer, with large pages not switched off."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return (
        sys.platform == "linux"
        and version is not None
        and (int(version[1]), int(version[2])) >= (6, 1)
        and setting.exists()
        and "[never]" not in setting.read_text()
    )


@pytest.mark.skipif(not _makes_large_pages(), reason="large pages are made by Linux 6.1 and newer, where allowed")
def test_memory_allocated_inside_moves_and_keeps_its_bytes() -> None:
    with huge_pages.large_pages():
        held = np.frombuffer(mmap.mmap(-1, 24 * MEGABYTE, flags=mmap.MAP_PRIVATE), np.uint32)
        held[:] = np.arange(len(held), dtype=np.uint32)
    middle = held.ctypes.data + held.nbytes // 2
    until = time.monotonic() + 20
    while _large_bytes(middle) < 20 * MEGABYTE and time.monotonic() < until:
        time.sleep(0.05)
    assert (held == np.arange(len(held), dtype=np.uint32)).all()
    assert _large_bytes(middle) >= 20 * MEGABYTE


def test_nothing_is_done_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huge_pages, "_MAPS", tmp_path / "absent")
    monkeypatch.setattr(huge_pages, "_collapse", lambda _: pytest.fail("nothing is known to be moved"))
    with huge_pages.large_pages():
        held = np.ones(8 * MEGABYTE, np.uint8)
    assert held.all()
