"""Batch jobs over Parquet: types, provenance, row groups, bad rows, resuming; and Parquet from JSON lines."""

import datetime
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from fillmask import FillMask, InputError, __version__
from fillmask.batch import local
from fillmask.batch.job import BatchJob
from fillmask.batch.rows import RowSelection
from fillmask.batch.shards import ShardReader, plan_shards
from fillmask.batch.tasks.fill import FillWork
from fillmask.data.files import find_files

TEXTS = [f"The {'dog ' * (1 + n % 6)}<mask> {n}." for n in range(60)]


def table(count: int = 60) -> Any:
    return pa.table({
        "key": [f"k{n}" for n in range(count)],
        "text": pa.array(TEXTS[:count], pa.large_string()),
        "when": [datetime.date(2026, 1, 1) + datetime.timedelta(n) for n in range(count)],
        "parts": [[n, n + 1] if n % 3 else None for n in range(count)],
        "small": pa.array([n % 7 for n in range(count)], pa.uint8()),
    })  # fmt: skip


def test_types_answers_and_provenance(job: Callable[..., BatchJob], modernbert_folder: Path, tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "in.parquet", row_group_size=7)
    summary = local.run(job(tmp_path / "in.parquet", shard_rows=25, id="key", parameters={"top_k": 2}))
    assert (summary.rows, summary.shards) == (60, 3)
    found = pq.read_table(tmp_path / "out")
    assert found.column_names == ["row", *table().column_names, "token", "token_str", "score"]
    assert found.select(table().column_names).equals(table())
    assert found.schema.field("score").type == pa.list_(pa.list_(pa.float32()))
    assert found.column("row").to_pylist() == list(range(60))
    expected = FillMask(modernbert_folder, top_k=2)(TEXTS)
    assert found.column("token").to_pylist() == [[[c["token"] for c in mask]] for mask in expected]
    assert found.column("token_str").to_pylist() == [[[c["token_str"] for c in mask]] for mask in expected]
    metadata = json.loads(pq.read_schema(tmp_path / "out" / "part-000000.parquet").metadata[b"fillmask"])
    assert metadata["fillmask"] == __version__
    assert metadata["parameters"]["top_k"] == 2
    assert {"model", "revision", "digest", "engine", "precision"} <= set(metadata)


def test_shards_do_not_depend_on_what_was_passed_over(tmp_path: Path) -> None:
    """Whole row groups, parts of them, and files are passed over without moving a row."""
    for number, (start, stop) in enumerate(((0, 23), (23, 24), (24, 60))):
        pq.write_table(table().slice(start, stop - start), tmp_path / f"{number}.parquet", row_group_size=5)
    sources = find_files([str(tmp_path / "*.parquet")])
    every = list(ShardReader(plan_shards(sources, RowSelection(), 7)[0]).shards())
    assert [text for rows in every for text in rows.texts] == TEXTS
    for done in ({0}, {0, 1, 2}, {1, 3, 5, 8}, {2}, set(range(9))):
        found = list(ShardReader(plan_shards(sources, RowSelection(), 7)[0]).shards(done))
        assert [(r.shard, r.numbers, r.texts) for r in found] == [(r.shard, r.numbers, r.texts) for r in every if r.shard not in done]  # fmt: skip
        assert [r.lines for r in found] == [r.lines for r in every if r.shard not in done]


def test_rows_that_are_null_or_no_utf8(job: Callable[..., BatchJob], tmp_path: Path) -> None:
    raw = pa.array([b"The <mask>.", b"\xff <mask>", None, b"none", b"\xc3\xa9 <mask>"], pa.binary())
    bad = pa.StringArray.from_buffers(len(raw), raw.buffers()[1], raw.buffers()[2], raw.buffers()[0], raw.null_count)
    pq.write_table(pa.table({"text": bad, "n": range(5)}), tmp_path / "in.parquet")
    summary = local.run(job(tmp_path / "in.parquet", id="n"))
    assert (summary.rows, summary.rejected) == (2, 3)
    assert pq.read_table(tmp_path / "out" / "part-000000.parquet").column("n").to_pylist() == [0, 4]
    told = [json.loads(line) for line in (tmp_path / "out" / "_rejects-000000.jsonl").read_text().splitlines()]
    assert [(t["row"], t["id"], t["reason"][:8]) for t in told] == [(1, 1, "not UTF-"), (2, 2, "'text' i"), (3, 3, "No mask_")]  # fmt: skip


def test_json_lines_to_parquet_have_one_schema(job: Callable[..., BatchJob], tmp_path: Path) -> None:
    rows = [
        {"text": "The <mask>.", "n": 1, "x": 1, "any": [1]},
        {"text": "<mask> dog", "n": None, "x": 2.5, "any": "a"},
    ]
    later = [{"text": "<mask>", "n": "seven"}, {"text": "<mask>", "new": 1}, {"text": "<mask>", "n": 7, "x": 3}]
    compressed = zstandard.compress("".join(json.dumps(row) + "\n" for row in [*rows * 500, *later]).encode())
    (tmp_path / "in.jsonl.zst").write_bytes(compressed)
    summary = local.run(job(tmp_path / "in.jsonl.zst", shard_rows=400))
    assert (summary.rows, summary.rejected) == (1001, 2)
    found = pq.read_table(tmp_path / "out")
    assert [str(found.schema.field(name).type) for name in ("n", "x", "any")] == ["int64", "double", "string"]
    assert found.slice(0, 2).column("any").to_pylist() == ["[1]", '"a"']
    assert found.slice(1000).select(["n", "x"]).to_pylist() == [{"n": 7, "x": 3.0}]
    told = (tmp_path / "out" / "_rejects-000002.jsonl").read_text()
    assert "the first rows have int64 there" in told
    assert "'new', which the first rows have not" in told


def test_parquet_to_json_lines(job: Callable[..., BatchJob], tmp_path: Path) -> None:
    pq.write_table(table(9), tmp_path / "in.parquet")
    local.run(job(tmp_path / "in.parquet", format="jsonl", columns=("key", "when")))
    first = json.loads((tmp_path / "out" / "part-000000.jsonl").read_text().splitlines()[0])
    assert {name: first[name] for name in ("row", "key", "when")} == {"row": 0, "key": "k0", "when": "2026-01-01"}
    assert "text" not in first


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"text": [1, 2]}, "int64 in the column 'text'; expected texts"),
        ({"said": ["a"]}, "no column 'text'; it has said"),
        ({"text": ["a <mask>"], "token": [1]}, "has a column 'token', which the answers have too"),
    ],
)
def test_files_that_cannot_be_used(
    job: Callable[..., BatchJob], tmp_path: Path, made: dict[str, Any], message: str
) -> None:
    pq.write_table(pa.table(made), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=message):
        local.run(job(tmp_path / "in.parquet"))


def test_files_that_differ_or_are_no_parquet(job: Callable[..., BatchJob], tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a <mask>"], "n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["a <mask>"], "n": ["1"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"column 'n' is int64 in .*a\.parquet and string in .*b\.parquet; expected"):
        local.run(job(tmp_path / "a.parquet", tmp_path / "b.parquet", shard_rows=1))
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"cannot read .*c\.parquet"):
        local.run(job(tmp_path / "c.parquet", output="other"))


def test_memory_does_not_grow_with_the_input(job: Callable[..., BatchJob], tmp_path: Path) -> None:
    """Two shards are in memory, and no more, whatever the number of rows."""
    pq.write_table(pa.table({"text": TEXTS * 200}), tmp_path / "in.parquet")
    held: list[int] = []

    def count() -> int:
        return sum(type(found) is FillWork for found in gc.get_objects())

    def watch(_: object) -> None:
        held.append(count() - others if len(held) % 50 == 0 else 0)

    gc.collect()
    others = count()  # of jobs before this one, which a failure or a thread may still hold
    local.run(job(tmp_path / "in.parquet", shard_rows=500), on_progress=watch)
    assert 1 <= max(held) <= 3  # the one in work, the next, and one on its way out
