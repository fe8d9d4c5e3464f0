"""The engine and precision of a batch job: measured once, kept by a job that goes on, said in the manifest."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fillmask.batch import local, selection
from fillmask.batch.job import BatchJob
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files
from fillmask.runtime import engine_selection
from fillmask.runtime.engine_selection import EngineSelection


@pytest.fixture
def job(roberta_folder: Path, tmp_path: Path) -> BatchJob:
    (tmp_path / "texts.txt").write_text("The old dog went to the <mask> early.\n" * 40)
    options = TaskOptions("fill", {}, ModelOptions(str(roberta_folder)))
    return BatchJob(find_files([str(tmp_path / "texts.txt")]), tmp_path / "out", options, "jsonl", shard_rows=10)


def manifest(job: BatchJob) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job.output / "_manifest.jsonl").read_text().splitlines()]


def chosen(monkeypatch: pytest.MonkeyPatch, precision: str) -> list[Any]:
    """Stands in for a measurement; returns the calls of it."""
    calls: list[Any] = []

    def select(checkpoint: object, items: Any, options: Any, *, expected_items: int | None) -> EngineSelection:
        calls.append((items, options, expected_items))
        return EngineSelection("onnxruntime", precision, 1, 2, f"{precision} is fastest", measured=True)

    monkeypatch.setattr(engine_selection, "select_for_throughput", select)
    return calls


def test_what_was_measured_is_taken_told_and_kept(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = chosen(monkeypatch, "int8")
    lines: list[str] = []

    class StoppedError(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.rows >= 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        local.run(job, on_progress=stop, on_selection=lines.append)
    assert lines == ["int8 is fastest"]
    description, noted, *_ = manifest(job)
    assert (description["engine"], description["precision"]) == ("onnxruntime", "int8")
    assert noted["selection"] == {
        "engine": "onnxruntime", "precision": "int8", "threads": 1, "callers": 2, "reason": "int8 is fastest", "measured": True,
    }  # fmt: skip
    ((items, options, expected),) = calls
    assert len(items) == 40
    assert all(item.positions for item in items)
    assert (options.engine, options.precision, expected) == ("auto", "auto", 40)
    # The job that goes on measures nothing and takes the same, whatever would be fastest now.
    chosen(monkeypatch, "float32")
    summary = local.run(job, on_selection=lines.append)
    assert summary.rows == 40
    assert len(lines) == 1
    assert manifest(job)[0]["precision"] == "int8"
    # One that starts again measures again.
    local.run(job, restart=True)
    assert manifest(job)[0]["precision"] == "float32"


def test_what_is_asked_for_is_not_measured(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = chosen(monkeypatch, "float32")
    asked = replace(job.options.model, precision="int8")
    local.run(replace(job, options=replace(job.options, model=asked)))
    assert calls == []
    assert manifest(job)[0]["precision"] == "int8"
    assert "selection" not in manifest(job)[1]


def test_a_short_job_is_not_measured(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_selection, "_measure", lambda *_: pytest.fail("it is too short to measure"))
    lines: list[str] = []
    local.run(job, on_selection=lines.append)
    assert lines == []
    assert "selection" not in manifest(job)[1]
    assert manifest(job)[0]["precision"] == "float32"


def test_a_job_is_measured_on_its_own_texts(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_selection, "_SHARE", 100)  # as if it were long
    monkeypatch.setattr(engine_selection, "find_spec", lambda name: name == "onnxruntime" or None)
    lines: list[str] = []
    local.run(job, on_selection=lines.append)
    assert "texts a second" in lines[0]
    assert "masks" in lines[0]
    assert manifest(job)[0]["precision"] == "float32"  # few masks prove no other


def test_texts_that_cannot_be_hidden_in_are_left_to_the_task(job: BatchJob, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n \n")
    assert local.run(job).rows == 0
    assert selection._ROWS >= selection._MASKS
