"""What the processor computes with, and how many of its cores this process may use.

Which int8 form is exact, which precision `auto` takes, and how many threads an engine starts depend on it. Reads
`/proc` and `/sys`; where they are missing (macOS, Windows) it assumes the least. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path("/")


@dataclass(frozen=True)
class Processor:
    """A processor's name, its architecture, and its instruction set extensions as Linux names them."""

    name: str
    architecture: str
    extensions: frozenset[str]

    @property
    def is_arm64(self) -> bool:
        return self.architecture in ("aarch64", "arm64")

    @property
    def has_avx512(self) -> bool:
        return {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= self.extensions

    @property
    def sums_int8_in_32_bits(self) -> bool:
        """Whether a product of unsigned and signed bytes is added up in 32 bits, so that no sum saturates.

        x86-64 without VNNI adds pairs of products in saturating 16 bits (`vpmaddubsw`). arm64 never does.
        """
        return self.is_arm64 or bool({"avx512_vnni", "avx_vnni"} & self.extensions)

    @property
    def has_bfloat16(self) -> bool:
        """Whether it has bfloat16 products."""
        return bool({"avx512_bf16", "amx_bf16", "bf16"} & self.extensions)

    @property
    def label(self) -> str:
        """The processor class that a measurement is labelled with, such as "AVX2" or "AVX-512, VNNI, bf16"."""
        if self.is_arm64:
            features = {"asimddp": "dotprod", "i8mm": "i8mm", "bf16": "bf16", "sve": "SVE"}
            return ", ".join(["arm64", *(name for flag, name in features.items() if flag in self.extensions)])
        if self.architecture not in ("x86_64", "AMD64"):
            return self.architecture
        base = "AVX-512" if self.has_avx512 else "AVX2" if "avx2" in self.extensions else "x86-64"
        features = {"avx512_vnni": "VNNI", "avx_vnni": "AVX-VNNI", "avx512_bf16": "bf16", "amx_bf16": "AMX"}
        return ", ".join([base, *(name for flag, name in features.items() if flag in self.extensions)])


def read_processor(root: Path = _ROOT) -> Processor:
    """The processor that `root`/proc/cpuinfo describes; without that file, one with no extension but the architecture's own."""
    name, extensions = "", frozenset[str]()
    with contextlib.suppress(OSError), open(root / "proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            match key.strip():
                case "model name":
                    name = value.strip()
                case "flags" | "Features":  # x86-64 and arm64
                    extensions = frozenset(value.split())
                case "":  # the end of the first core; the system takes its time for the rest of a hundred
                    break
    return Processor(name or platform.processor() or platform.machine(), platform.machine(), extensions)


@cache
def processor() -> Processor:
    """The processor of this machine."""
    return read_processor()


@cache
def usable_cores() -> int:
    """Physical cores that this process may use: the least of the affinity mask and the CPU quota of its container."""
    return count_cores()


@cache
def thread_limit() -> int | None:
    """`usable_cores()` where an affinity mask or a quota holds this process back; None where it may use the whole machine.

    An engine that is left to itself starts a thread for each core of the machine. Under a quota of half a core two
    threads take twice as long as one: both are stopped until the next period.
    """
    online = os.cpu_count() or 1
    return None if len(_affinity()) == online and _quota(_ROOT) is None else usable_cores()


def count_cores(root: Path = _ROOT, affinity: frozenset[int] | None = None) -> int:
    """Physical cores under `root` that the affinity mask and the CPU quota of this process's control groups leave, at least 1.

    A quota is rounded down: a thread more than whole cores would stop all of them at the end of each period.

    Args:
        affinity: logical processors that the process may run on; the system's answer by default.
    """
    logical = _affinity() if affinity is None else affinity
    physical = {_siblings(root, number) for number in logical}
    quota = _quota(root)
    return max(1, len(physical) if quota is None else min(len(physical), int(quota)))


def _affinity() -> frozenset[int]:
    if sys.platform == "linux":
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _siblings(root: Path, number: int) -> str:
    """What names the physical core of a logical processor: the list of the logical processors that share it."""
    topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
    for name in ("core_cpus_list", "thread_siblings_list"):  # the old name and the new one
        text = _read(topology / name)
        if text:
            return text
    return str(number)


def _quota(root: Path) -> float | None:
    """Cores' worth of time that the control groups of this process grant, the least of all levels; None without a limit."""
    limits = [limit for folder, v2 in _groups(root) if (limit := _limit(folder, v2)) is not None]
    return min(limits, default=None)


def _limit(folder: Path, v2: bool) -> float | None:
    try:
        if v2:
            quota, period = _read(folder / "cpu.max").split()
        else:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return limit if limit > 0 else None  # -1 is no limit


def _groups(root: Path) -> Iterator[tuple[Path, bool]]:
    """Folders of the CPU controller that this process is under, from its own up to the mount, and whether they are of version 2."""
    mounts = list(_mounts(root))
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        v2 = number == "0" and not controllers
        if not v2 and "cpu" not in controllers.split(","):
            continue
        for mount_root, mount_point, mount_v2 in mounts:
            if mount_v2 != v2:
                continue
            # A container without a namespace of its own sees the host's path, of which its mount shows the end.
            inside = Path(path)
            relative = inside.relative_to(mount_root) if inside.is_relative_to(mount_root) else inside.relative_to("/")
            top = root / mount_point.relative_to("/")
            folder = top / relative
            while folder != top:
                yield folder, v2
                folder = folder.parent
            yield top, v2


def _mounts(root: Path) -> Iterator[tuple[Path, Path, bool]]:
    """Root and mount point of each mounted hierarchy that has the CPU controller, and whether it is of version 2."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield Path(_unescape(fields[3])), Path(_unescape(fields[4])), kind[0] == "cgroup2"


def _unescape(path: str) -> str:
    r"""A path of mountinfo, in which white space and backslashes are octal (`\040`)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _read(path: Path) -> str:
    """The text of a file, or "" where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
