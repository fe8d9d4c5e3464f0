"""Whole jobs over inputs that are cut off, piped, remote, or hold what JSON lacks."""

import gzip
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fillmask import InputError
from fillmask.batch import local
from fillmask.batch.job import BatchJob, BatchProgress, JobSummary
from fillmask.batch.manifest import NAME
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files
from fillmask.data.remote import path_of

Run = Callable[..., JobSummary]
LINES = [f"The <mask> {number}." for number in range(40)]


@pytest.fixture
def run(modernbert_folder: Path, tmp_path: Path) -> Run:
    """Runs a job on the tiny model, into `tmp_path / "out"`."""

    def run(*inputs: Path | str, format: str = "jsonl", input_format: str | None = None, **more: Any) -> JobSummary:
        options = TaskOptions("fill", {"top_k": 1}, ModelOptions(str(modernbert_folder), threads=1))
        files = find_files([str(path) for path in inputs], input_format)
        return local.run(BatchJob(files, tmp_path / "out", options, format, more.pop("shard_rows", 10), **more))

    return run


def answers(folder: Path) -> list[dict[str, Any]]:
    """The rows of the output, read by a parser that knows JSON and nothing more."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    lines = [line for path in sorted(folder.glob("part-*")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_a_zstd_file_that_was_cut_off_is_no_shorter_table(run: Run, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the data extra")
    compressor = zstandard.ZstdCompressor().compressobj()
    parts = []
    for line in LINES:
        parts.append(compressor.compress(f"{line}\n".encode()) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    (tmp_path / "in.txt.zst").write_bytes(b"".join(parts))  # whole blocks, and no end of the frame
    with pytest.raises(InputError, match=r"in\.txt\.zst: the file ends within its \.zst data"):
        run(tmp_path / "in.txt.zst")
    manifest = tmp_path / "out" / NAME
    assert not manifest.exists() or "complete" not in manifest.read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    os.mkfifo(path)
    content = "".join(json.dumps({"text": line}) + "\n" for line in LINES).encode()
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(content),))
    writer.start()
    assert run(path).rows == len(LINES)
    writer.join(20)
    assert [row["text"] for row in answers(tmp_path / "out")] == LINES


def test_remote_files(run: Run, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe("/rows/a.csv", b"text;n\nThe <mask>.;1\n")
    system.pipe("/rows/b.csv.gz", gzip.compress(b"n,text\n2,The <mask>.\n"))
    try:
        assert run("memory://rows/*").rows == 2
    finally:
        system.rm("/rows", recursive=True)
    assert [row["n"] for row in answers(tmp_path / "out")] == ["1", "2"]


def test_remote_parquet(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    fsspec = pytest.importorskip("fsspec")
    import pyarrow.parquet as pq

    system = fsspec.filesystem("memory")
    with system.open("/rows/a.parquet", "wb") as out:
        pq.write_table(pa.table({"text": LINES}), out)
    try:
        assert run("memory://rows/a.parquet").rows == len(LINES)
    finally:
        system.rm("/rows", recursive=True)


def test_json_lines_with_numbers_that_json_lacks(run: Run, tmp_path: Path) -> None:
    deep = "[" * 400 + "]" * 400
    (tmp_path / "in.jsonl").write_text(
        '{"text": "a <mask>", "x": NaN, "y": [1e999, {"z": -Infinity}], "n": 123456789012345678901234567890}\n'
        f'{{"text": "b <mask>", "y": {deep}}}\n'
    )
    assert run(tmp_path / "in.jsonl").rejected == 0
    first, second = answers(tmp_path / "out")
    assert {name: first[name] for name in ("x", "y", "n")} == {"x": None, "y": [None, {"z": None}], "n": 123456789012345678901234567890}  # fmt: skip
    assert json.dumps(second["y"]) == deep


def test_parquet_with_values_that_json_and_python_lack(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    import pyarrow.parquet as pq

    far = 10**8
    table = pa.table({
        "text": ["The <mask>."],
        "date": pa.array([far], pa.date32()),
        "instant": pa.array([1], pa.timestamp("ns", "UTC")),
        "time": pa.array([1], pa.time64("ns")),
        "span": pa.array([1500], pa.duration("ms")),
        "bytes": pa.array([b"\x00\xff"], pa.binary()),
        "number": pa.array([float("nan")]),
        "parts": pa.array([[{"when": far}]], pa.list_(pa.struct([("when", pa.date32())]))),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", id="instant")
    (row,) = answers(tmp_path / "out")
    assert {name: row[name] for name in table.column_names[1:]} == {
        "date": "+275760-09-13",
        "instant": "1970-01-01T00:00:00.000000001Z",
        "time": "00:00:00.000000001",
        "span": "PT1.5S",
        "bytes": "AP8=",
        "number": None,
        "parts": [{"when": "+275760-09-13"}],
    }


def test_rejects_name_any_id(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    import pyarrow.parquet as pq

    table = pa.table({"text": ["no mask", None], "id": pa.array([10**8, None], pa.date32())})
    pq.write_table(table, tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", id="id", format="parquet")
    lines = (tmp_path / "out" / "_rejects-000000.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["+275760-09-13", None]


def test_parquet_keeps_values_that_json_lacks(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    import pyarrow.parquet as pq

    (tmp_path / "in.jsonl").write_text('{"text": "<mask>", "x": NaN}\n{"text": "<mask>", "x": 1}\n')
    run(tmp_path / "in.jsonl", format="parquet")
    column = pq.read_table(tmp_path / "out" / "part-000000.parquet").column("x")
    assert str(column.type) == "double"
    assert pa.compute.is_nan(column).to_pylist() == [True, False]


def test_how_files_are_read_is_part_of_a_job(run: Run, tmp_path: Path) -> None:
    from fillmask.data.text import ReadOptions

    (tmp_path / "in.txt").write_bytes("olé <mask>".encode("latin-1"))
    assert run(tmp_path / "in.txt", reading=ReadOptions(encoding="latin-1")).rows == 1
    with pytest.raises(InputError, match="reading"):
        run(tmp_path / "in.txt")


def test_a_job_in_a_store_goes_on_and_gives_the_same_bytes(run: Run, modernbert_folder: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe("/job/in.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in [*LINES, "none"]).encode())
    run("memory://job/in.jsonl")
    options = TaskOptions("fill", {"top_k": 1}, ModelOptions(str(modernbert_folder), threads=1))
    job = BatchJob(find_files(["memory://job/in.jsonl"]), path_of("memory://job/out"), options, "jsonl", 10)

    def stop(progress: BatchProgress) -> None:
        if progress.rows > 22:
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            local.run(job, on_progress=stop)
        summary = local.run(job)
        assert (summary.rows, summary.rejected, summary.computed) == (40, 1, 20)
        assert local.run(job).computed == 0
        with pytest.raises(InputError, match="shard_rows is 10 there and 7 here"):
            local.run(replace(job, shard_rows=7))
        for path in sorted((tmp_path / "out").glob("*-0*")):
            assert system.cat(f"/job/out/{path.name}") == path.read_bytes()
        assert len(system.ls("/job/out")) == len(list((tmp_path / "out").iterdir()))
        assert local.run(job, restart=True).computed == 40
    finally:
        system.rm("/job", recursive=True)
