"""What the processor computes with, and how many cores a container leaves: made-up /proc and /sys trees."""

import sys
from pathlib import Path

import pytest

from fillmask.runtime import engines, processor
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.processor import Processor, count_cores, read_processor

ZEN3 = "fpu sse4_2 avx avx2 fma bmi2"
SKYLAKE_X = f"{ZEN3} avx512f avx512bw avx512dq avx512vl avx512cd"
ICE_LAKE = f"{SKYLAKE_X} avx512_vnni"
ZEN4 = f"{ICE_LAKE} avx512_bf16"


def machine(flags: str, architecture: str = "x86_64") -> Processor:
    return Processor("some processor", architecture, frozenset(flags.split()))


@pytest.mark.parametrize(
    ("flags", "architecture", "label", "exact_sums", "bfloat16"),
    [
        ("sse4_2", "x86_64", "x86-64", False, False),
        (ZEN3, "x86_64", "AVX2", False, False),
        (f"{ZEN3} avx_vnni", "x86_64", "AVX2, AVX-VNNI", True, False),
        (SKYLAKE_X, "x86_64", "AVX-512", False, False),
        (ICE_LAKE, "x86_64", "AVX-512, VNNI", True, False),
        (ZEN4, "x86_64", "AVX-512, VNNI, bf16", True, True),
        (f"{ZEN4} amx_bf16 amx_int8", "x86_64", "AVX-512, VNNI, bf16, AMX", True, True),
        ("fp asimd", "aarch64", "arm64", True, False),
        ("fp asimd asimddp i8mm bf16", "aarch64", "arm64, dotprod, i8mm, bf16", True, True),
        ("", "arm64", "arm64", True, False),  # macOS, which has no /proc
        ("", "AMD64", "x86-64", False, False),  # Windows: the least is assumed
    ],
)
def test_the_class_of_a_processor(flags: str, architecture: str, label: str, exact_sums: bool, bfloat16: bool) -> None:
    found = machine(flags, architecture)
    assert (found.label, found.sums_int8_in_32_bits, found.has_bfloat16) == (label, exact_sums, bfloat16)


def test_cpuinfo_is_read(tmp_path: Path) -> None:
    write(
        tmp_path / "proc/cpuinfo",
        f"processor\t: 0\nmodel name\t: EPYC\nflags\t\t: {ZEN4}\n\nprocessor\t: 1\nflags\t: sse\n",
    )
    found = read_processor(tmp_path)
    assert found.name == "EPYC"
    assert found.extensions == frozenset(ZEN4.split())
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd asimddp\n")
    assert "asimddp" in read_processor(tmp_path).extensions
    assert read_processor(tmp_path / "nowhere").extensions == frozenset()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def v2(root: Path, quotas: dict[str, str], group: str, mount_root: str = "/") -> None:
    """A tree with control groups of version 2: `cpu.max` of each folder below the mount."""
    write(root / "proc/self/cgroup", f"0::{group}\n")
    write(
        root / "proc/self/mountinfo",
        f"25 1 0:22 / /sys rw - sysfs sysfs rw\n30 25 0:26 {mount_root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
    )
    for folder, quota in quotas.items():
        write(root / "sys/fs/cgroup" / folder / "cpu.max", f"{quota}\n")


def v1(root: Path, quotas: dict[str, tuple[int, int]], group: str, mount_root: str = "/") -> None:
    """A tree with control groups of version 1: quota and period of each folder below the mount of the CPU controller."""
    write(
        root / "proc/self/cgroup",
        f"12:cpuset:/elsewhere\n4:memory:/elsewhere\n3:cpu,cpuacct:{group}\n1:name=systemd:/elsewhere\n0::/elsewhere\n",
    )
    write(
        root / "proc/self/mountinfo",
        f"31 25 0:27 {mount_root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        f"32 25 0:28 {mount_root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    )
    for folder, (quota, period) in quotas.items():
        write(root / "sys/fs/cgroup/cpu,cpuacct" / folder / "cpu.cfs_quota_us", f"{quota}\n")
        write(root / "sys/fs/cgroup/cpu,cpuacct" / folder / "cpu.cfs_period_us", f"{period}\n")


EIGHT = frozenset(range(8))


@pytest.mark.parametrize(
    ("quotas", "group", "expected"),
    [
        ({}, "/", 8),  # the root group has no cpu.max
        ({"": "max 100000"}, "/", 8),
        ({"": "50000 100000"}, "/", 1),  # half a core
        ({"": "150000 100000"}, "/", 1),  # one and a half
        ({"": "200000 100000"}, "/", 2),
        ({"": "400000 50000"}, "/", 8),
        ({"": "1600000 100000"}, "/", 8),  # more than there are
        ({"a": "300000 100000", "a/b": "max 100000"}, "/a/b", 3),  # the parent's holds
        ({"a": "300000 100000", "a/b": "200000 100000"}, "/a/b", 2),  # the tighter of both
        ({"a": "200000 100000", "a/b": "600000 100000"}, "/a/b", 2),
        ({"a": "100000 100000", "b": "max 100000"}, "/b", 8),  # another group's
        ({"": "200000 100000"}, "/not/mounted/here", 2),
        ({"": "nonsense"}, "/", 8),
        ({"": "100000 0"}, "/", 8),
    ],
)
def test_the_quota_of_version_2(quotas: dict[str, str], group: str, expected: int, tmp_path: Path) -> None:
    v2(tmp_path, quotas, group)
    assert count_cores(tmp_path, EIGHT) == expected


@pytest.mark.parametrize(
    ("quotas", "group", "expected"),
    [
        ({"": (-1, 100000)}, "/", 8),
        ({"": (50000, 100000)}, "/", 1),
        ({"": (250000, 100000)}, "/", 2),
        ({"kube/pod": (300000, 100000), "kube/pod/box": (-1, 100000)}, "/kube/pod/box", 3),
        ({"kube/pod": (300000, 100000), "kube/pod/box": (100000, 50000)}, "/kube/pod/box", 2),
        ({}, "/", 8),
    ],
)
def test_the_quota_of_version_1(quotas: dict[str, tuple[int, int]], group: str, expected: int, tmp_path: Path) -> None:
    v1(tmp_path, quotas, group)
    assert count_cores(tmp_path, EIGHT) == expected


def test_a_container_sees_the_path_of_its_host(tmp_path: Path) -> None:
    """Without a namespace of its own it reads /docker/ID, while its mount shows that group as the top."""
    v2(tmp_path / "two", {"": "200000 100000"}, "/docker/0123", mount_root="/docker/0123")
    v1(tmp_path / "one", {"": (300000, 100000), "inner": (-1, 100000)}, "/docker/0123/inner", mount_root="/docker/0123")
    assert count_cores(tmp_path / "two", EIGHT) == 2
    assert count_cores(tmp_path / "one", EIGHT) == 3


def test_a_mount_point_with_white_space(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    write(tmp_path / "proc/self/mountinfo", r"30 25 0:26 / /my\040groups rw - cgroup2 cgroup2 rw" + "\n")
    write(tmp_path / "my groups/cpu.max", "100000 100000\n")
    assert count_cores(tmp_path, EIGHT) == 1


def test_the_affinity_mask_and_shared_cores_count(tmp_path: Path) -> None:
    for number in range(8):
        siblings = f"{number % 4},{number % 4 + 4}\n"
        write(tmp_path / f"sys/devices/system/cpu/cpu{number}/topology/core_cpus_list", siblings)
    assert count_cores(tmp_path, EIGHT) == 4  # two logical processors a core
    assert count_cores(tmp_path, frozenset({1, 5})) == 1
    assert count_cores(tmp_path, frozenset({1, 2, 3})) == 3
    v2(tmp_path, {"": "200000 100000"}, "/")
    assert count_cores(tmp_path, EIGHT) == 2
    assert count_cores(tmp_path / "nowhere", EIGHT) == 8


@pytest.mark.skipif(sys.platform != "linux", reason="an affinity mask is Linux's")
def test_an_engine_starts_as_many_threads_as_cores_are_left(
    roberta_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.runtime.engines.onnxruntime import OnnxRuntime

    threads: list[int | None] = []
    monkeypatch.setattr(OnnxRuntime, "__init__", lambda *_, **options: threads.append(options["threads"]))
    for affinity, quota in ((frozenset({0}), None), (None, 0.5), (None, None)):
        with monkeypatch.context() as patch:
            if affinity:
                patch.setattr("os.sched_getaffinity", lambda _, mask=affinity: mask)
            patch.setattr("os.cpu_count", lambda: 4)
            patch.setattr(processor, "_quota", lambda _, quota=quota: quota)
            if not affinity:
                patch.setattr("os.sched_getaffinity", lambda _: frozenset(range(4)))
            processor.usable_cores.cache_clear()
            processor.thread_limit.cache_clear()
            engines.load(open_checkpoint(roberta_folder))
            engines.load(open_checkpoint(roberta_folder), RuntimeOptions(threads=3))
    processor.usable_cores.cache_clear()
    processor.thread_limit.cache_clear()
    assert threads == [1, 3, 1, 3, None, 3]  # the whole machine is left to the engine
