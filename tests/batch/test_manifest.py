"""The manifest: what a folder holds, whatever a crash left of it, and who may write to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from fillmask.batch.manifest import NAME, CommittedShard, Manifest, open_manifest, part_name, read_job, rejects_name
from fillmask.errors import InputError

JOB: dict[str, Any] = {"format": "jsonl", "parameters": {"top_k": 5}, "inputs": [{"name": "a.txt", "size": 3}]}


def commit(manifest: Manifest, shard: int, rows: int = 2) -> None:
    (manifest.folder / part_name(shard, "jsonl")).write_bytes(b"x" * rows)
    manifest.add(CommittedShard(shard, rows, rows, 0, rows, rows))


def test_shards_that_were_committed_are_done(tmp_path: Path) -> None:
    with open_manifest(tmp_path, JOB) as manifest:
        assert (manifest.done, manifest.complete) == ({}, False)
        commit(manifest, 0)
        commit(manifest, 2, rows=3)
    with open_manifest(tmp_path, JOB) as manifest:
        assert sorted(manifest.done) == [0, 2]
        commit(manifest, 1)
        manifest.finish()
    with open_manifest(tmp_path, JOB) as manifest:
        assert manifest.complete
    assert json.loads((tmp_path / NAME).read_text().splitlines()[-1]) == {"complete": True, "shards": 3, "rows": 7, "rejected": 0, "masks": 7}  # fmt: skip
    assert read_job(tmp_path) == JOB
    assert read_job(tmp_path / "none") is None


def test_every_cut_of_the_manifest_leaves_a_job_that_goes_on(tmp_path: Path) -> None:
    with open_manifest(tmp_path, JOB) as manifest:
        for shard in range(3):
            commit(manifest, shard)
    data = (tmp_path / NAME).read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(ends[0], len(data), 7):
        (tmp_path / NAME).write_bytes(data[:cut])
        with open_manifest(tmp_path, JOB) as manifest:
            assert len(manifest.done) == sum(end <= cut for end in ends) - 1


def test_a_shard_whose_file_is_missing_or_changed_is_done_again(tmp_path: Path) -> None:
    with open_manifest(tmp_path, JOB) as manifest:
        for shard in range(3):
            commit(manifest, shard)
        manifest.finish()
    (tmp_path / part_name(0, "jsonl")).unlink()
    (tmp_path / part_name(2, "jsonl")).write_bytes(b"longer than it was")
    with open_manifest(tmp_path, JOB) as manifest:
        assert (sorted(manifest.done), manifest.complete) == ([1], False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"top_k": 2}}, "parameters.top_k is 5 there and 2 here"),
        ({"inputs": [{"name": "a.txt", "size": 4}]}, "inputs.a.txt.size is 3 there and 4 here"),
        ({"format": "parquet"}, 'format is "jsonl" there and "parquet" here'),
        ({"reading": {"quote": "none"}}, "reading is null there"),
    ],
)
def test_another_job_is_refused_by_what_differs(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    open_manifest(tmp_path, JOB).__exit__()
    with pytest.raises(InputError) as error:
        open_manifest(tmp_path, JOB | change)
    assert message in str(error.value)
    assert "--restart" in str(error.value)


def test_restart_removes_what_is_a_jobs_and_nothing_else(tmp_path: Path) -> None:
    with open_manifest(tmp_path, JOB) as manifest:
        commit(manifest, 0)
    (tmp_path / rejects_name(0)).touch()
    (tmp_path / ".part-000001.jsonl.0a1b2c3d.part").touch()
    (tmp_path / "notes.txt").touch()
    open_manifest(tmp_path, JOB, restart=True).__exit__()
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "notes.txt"]


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not json\n")
    with pytest.raises(InputError, match=f"{NAME} is damaged .*--restart"):
        open_manifest(tmp_path, JOB)
