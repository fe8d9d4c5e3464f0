"""`fillmask batch` in a process of its own: killed, interrupted, without room, and resumed."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_cli import FILLMASK, one_line, run

ROWS, SHARD = 20_000, 1_000

# The command's own job, which also notes how many rows were computed, so that lost work can be counted.
NOTED = """
import sys
from pathlib import Path
from fillmask.batch import local
from fillmask.data.files import find_files
from fillmask.batch.job import BatchJob
from fillmask.batch.tasks import ModelOptions, TaskOptions

source, output, log, model = sys.argv[1:]
job = BatchJob(find_files([source]), Path(output), TaskOptions("fill", {}, ModelOptions(model, threads=2)), "jsonl", 1000, id="id")
with open(log, "ab", buffering=0) as notes:
    local.run(job, on_progress=lambda progress: notes.write(b"%d\\n" % progress.rows))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 rows with ids, a few of them bad."""
    path = tmp_path_factory.mktemp("rows") / "in.jsonl"
    words = ("dog", "cat", "horse", "bread", "river")
    with open(path, "w", encoding="utf-8") as out:
        for number in range(ROWS):
            words_of = [words[(number * k + k) % 5] for k in range(2 + number % 5)]
            text = "no mask" if number % 1999 == 7 else f"The {' '.join(words_of)} {number} <mask>."
            out.write(json.dumps({"id": f"r{number}", "text": text}) + "\n")
    return path


def committed(folder: Path) -> int:
    """Rows of the shards that the manifest names."""
    path = folder / "_manifest.jsonl"
    if not path.exists():
        return 0
    lines = path.read_bytes().split(b"\n")[:-1]
    return sum(json.loads(line).get("count", 0) for line in lines)


def test_killed_ten_times(source: Path, modernbert_folder: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    script = tmp_path / "job.py"
    script.write_text(NOTED, "utf-8")
    command = [sys.executable, str(script), str(source)]
    subprocess.run([*command, str(tmp_path / "whole"), os.devnull, str(modernbert_folder)], check=True)
    out = tmp_path / "out"
    points = sorted(rng.uniform(0, ROWS - 2 * SHARD) for _ in range(10))
    for number, point in enumerate(points):
        log = tmp_path / f"log{number}"
        log.touch()
        process = subprocess.Popen([*command, str(out), str(log), str(modernbert_folder)])
        while process.poll() is None and not any(int(line) >= point for line in log.read_bytes().split()[-1:]):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.01))
        assert process.poll() is None, "it ended before it was killed"
        process.kill()
        process.wait()
        reached = max(map(int, log.read_bytes().split()))
        assert reached - committed(out) <= SHARD, "more than a shard must be done again"
    found = run("batch", str(source), str(out), "--id-column", "id", "--format", "jsonl", "--shard-rows", str(SHARD), "--model", str(modernbert_folder))  # fmt: skip
    assert found.returncode == 3
    parts = sorted(path.name for path in out.glob("part-*"))
    assert parts == sorted(path.name for path in (tmp_path / "whole").glob("part-*"))
    assert not list(out.glob("*.part"))
    for name in [*parts, *(path.name for path in out.glob("_rejects-*"))]:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    written = [line for path in out.glob("*-0*.jsonl") for line in path.read_bytes().splitlines()]
    ids = Counter(json.loads(line)["id"] for line in written)
    assert ids == Counter(f"r{number}" for number in range(ROWS))


def test_interrupted_and_resumed(source: Path, modernbert_folder: Path, tmp_path: Path) -> None:
    arguments = ["batch", str(source), str(tmp_path / "out"), "--format", "jsonl", "--shard-rows", "500", "--precision", "float32", "-m", str(modernbert_folder)]  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM):
        before = committed(tmp_path / "out")
        process = subprocess.Popen([FILLMASK, *arguments], stderr=subprocess.PIPE)
        while committed(tmp_path / "out") <= before:
            time.sleep(0.005)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "the same command goes on from there" in one_line(stderr)
    found = run(*arguments, "--json")
    summary = json.loads(found.stdout)
    assert 0 < summary["computed"] < summary["rows"] == ROWS - summary["rejected"]


def test_stdin_and_the_summary(modernbert_folder: Path, tmp_path: Path) -> None:
    lines = b"The <mask> went.\n\nnothing\n"
    found = run("batch", "-", str(tmp_path / "out"), "--format", "jsonl", "-m", str(modernbert_folder), stdin=lines)
    assert found.returncode == 3
    summary, rejected = found.stderr.decode().splitlines()
    assert summary.startswith("1 row in ")
    assert rejected == f"fillmask: 1 row was rejected; see {tmp_path / 'out' / '_rejects-000000.jsonl'}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_stdin_is_quiet(modernbert_folder: Path, tmp_path: Path, number: int) -> None:
    """The writer neither writes nor closes: the job ends all the same, and what was committed stays."""
    command = [FILLMASK, "batch", "-", tmp_path / "out", "--format", "jsonl", "--shard-rows", "2", "-m", modernbert_folder]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"The <mask> went.\n" * 5)
        process.stdin.flush()
        while committed(tmp_path / "out") < 2:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        try:
            assert process.wait(20) == 130
        finally:
            process.kill()
        assert "the same command goes on from there" in one_line(process.stderr.read())


def test_dry_run_writes_nothing(modernbert_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("The <mask> went.\n" * 100, "utf-8")
    found = run("batch", str(tmp_path / "in.txt"), str(tmp_path / "out"), "-m", str(modernbert_folder), "--format", "jsonl", "--dry-run", "--price-per-hour", "2")  # fmt: skip
    assert found.returncode == 0
    assert [line.split()[0] for line in found.stdout.decode().splitlines()] == ["sample", "this", "this", "per", "cost"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("in.txt", "out", "--task", "score", "--top-k", "3"), 2, "--top-k is no option of --task score"),
        (("in.txt", "out", "--task", "restore", "--notation", "foo"), 2, "'foo' is not one of 'auto', 'plain'"),
        (("in.txt", "out", "--task", "restore", "--strategy", "foo"), 2, "'foo' is not one of 'joint'"),
        (("in.txt", "out", "--workers", "2"), 2, "--workers goes with --ray"),
        (("nowhere.txt", "out"), 1, "there is no file nowhere.txt"),
        (("in.txt", "in.txt/out"), 1, "Not a directory"),
        (("out",), 2, "INPUT is missing"),
        (("in.txt", "out", "--price-per-hour", "nan", "--dry-run"), 2, "nan is no finite number"),
        (("in.txt", "out", "--shard-rows", "100000000000000000000"), 2, "1<=x<=1000000000"),
        (("in.txt", "out", "--threads", "1000000"), 2, "1<=x<=1024"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("The <mask>.", "utf-8")
    found = run("batch", *arguments)
    assert found.returncode == code
    assert message in one_line(found.stderr)


def test_no_room_is_one_line_and_harms_nothing(source: Path, modernbert_folder: Path, tmp_path: Path) -> None:
    arguments = [FILLMASK, "batch", str(source), str(tmp_path / "out"), "--format", "jsonl", "--precision", "float32", "--shard-rows", "4000", "-m", str(modernbert_folder)]  # fmt: skip
    limit = 300_000  # bytes of a file: less than a shard, more than the graph in the cache

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    found = subprocess.run(arguments, capture_output=True, preexec_fn=limited, check=False)
    assert found.returncode == 1
    assert "may not be as large as that (ulimit -f)" in one_line(found.stderr)
    assert not list((tmp_path / "out").glob("*part*"))
    assert subprocess.run([*arguments, "--quiet"], capture_output=True, check=False).returncode == 3


def _mounted(folder: Path, options: str, *command: str) -> subprocess.CompletedProcess[bytes]:
    """A command that sees a small file system of its own at the folder, and then a list of what is in it."""
    folder.mkdir(exist_ok=True)
    script = 'mount -t tmpfs -o "$1" none "$2" || exit 77; shift; folder=$1; shift; "$@"; code=$?; ls -s $folder/out; exit $code'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", options, str(folder), *command], capture_output=True, check=False
    )


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="only root mounts file systems")
def test_a_full_disk_and_a_read_only_one(source: Path, modernbert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    arguments = [str(FILLMASK), "batch", str(source), str(folder / "out"), "--format", "jsonl", "--precision", "float32", "--shard-rows", "1000", "-m", str(modernbert_folder)]  # fmt: skip
    found = _mounted(folder, "size=1200k", *arguments)
    if found.returncode == 77:
        pytest.skip("file systems cannot be mounted here")
    assert found.returncode == 1
    assert "the disk is full; free some space" in one_line(found.stderr)
    left = [line.split()[1] for line in found.stdout.decode().splitlines()[1:]]
    assert "part-000000.jsonl" in left
    assert not [name for name in left if name.endswith(".part")]
    found = _mounted(folder, "ro", *arguments)
    assert found.returncode == 1
    assert "Read-only file system" in one_line(found.stderr.split(b"\nls:")[0])
