"""Benchmark scripts name what a machine cannot run, and run the rest: simulated machines without bfloat16 or peers."""

import csv
import importlib.util
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fillmask.runtime.processor import Processor

ROOT = Path(__file__).parents[2]
WITHOUT_BFLOAT16 = Processor("older", "x86_64", frozenset({"avx2"}))
WITH_BFLOAT16 = Processor("newer", "x86_64", frozenset({"avx2", "avx512_bf16"}))


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "harness", raising=False)
    module = load("harness", monkeypatch)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_what_is_missing_is_named(
    harness: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needs = {
        "plain": (harness.Needs(), 1),
        "rounded": (harness.Needs("bfloat16"), 2),
        "a peer": (harness.Needs(packages=("no_such_peer",)), 3),
        "both": (harness.Needs("bfloat16", ("no_such_peer",)), 4),
    }
    monkeypatch.setattr(harness, "processor", lambda: WITHOUT_BFLOAT16)
    assert harness.possible(needs) == {"plain": 1}
    assert capsys.readouterr().err.splitlines() == [
        "left out: rounded (this processor has no bfloat16)",
        "left out: a peer (no_such_peer is not installed)",
        "left out: both (no_such_peer is not installed, this processor has no bfloat16)",
    ]
    monkeypatch.setattr(harness, "processor", lambda: WITH_BFLOAT16)
    assert harness.possible(needs) == {"plain": 1, "rounded": 2}


def test_a_result_file_keeps_the_rows_of_other_classes(harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, number in ((WITH_BFLOAT16, 1), (WITHOUT_BFLOAT16, 2), (WITH_BFLOAT16, 3)):
        monkeypatch.setattr(harness, "processor", lambda machine=machine: machine)
        harness.report("numbers", "Numbers", [{"call": "one", "milliseconds": number}])
    rows = harness.read_rows(harness.RESULTS / "numbers.csv")
    assert [tuple(row.values()) for row in rows] == [("one", "2", "AVX2"), ("one", "3", "AVX2, bf16")]
    # A table whose columns have changed holds no old rows.
    harness.report("numbers", "Numbers", [{"call": "one", "seconds": 4}])
    assert [tuple(row.values()) for row in harness.read_rows(harness.RESULTS / "numbers.csv")] == [
        ("one", "4", "AVX2, bf16")
    ]


def test_every_committed_result_says_its_processor_class(harness: Any) -> None:
    files = sorted((ROOT / "benchmarks" / "results").glob("*.csv"))
    assert files
    for path in files:
        if path.stem != "restoration_reliability":  # counts, whatever the processor
            assert all(row[harness.PROCESSOR] for row in harness.read_rows(path)), path.name


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "transformers")), reason="it compares with transformers"
)
def test_one_phrase_runs_to_its_end_without_bfloat16(
    harness: Any, roberta_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    monkeypatch.setattr(harness, "processor", lambda: WITHOUT_BFLOAT16)
    load("checkpoints", monkeypatch)
    script = load("one_phrase", monkeypatch)
    for name, value in (("ROUNDS", 1), ("CALLS", 2), ("SETTLE", 0), ("LARGE_PAGES_SECONDS", 0)):
        monkeypatch.setattr(script, name, value)
    monkeypatch.setattr(
        script,
        "SHAPES",
        {"distilroberta": ("a tiny shape", lambda folder: bool(shutil.copytree(roberta_folder, folder)) and False)},
    )
    every = script.NEEDS
    kept = (
        "transformers pipeline, float32",
        "fillmask, onnxruntime float32",
        "fillmask, openvino bfloat16",
        script.FLOOR,
    )
    monkeypatch.setattr(script, "NEEDS", {name: every[name] for name in kept})
    monkeypatch.setattr(sys, "argv", ["one_phrase.py"])
    script.main()
    with open(harness.RESULTS / "one_phrase.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["call"] for row in rows] == [name for name in kept if "bfloat16" not in name]
    assert {row["processor"] for row in rows} == {"AVX2"}
    assert rows[1]["same five answers"] == "yes"
    assert "left out: fillmask, openvino bfloat16" in capsys.readouterr().err


@pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "transformers")), reason="it compares with transformers"
)
def test_a_contender_whose_process_ends_is_left_out(
    harness: Any, roberta_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    load("checkpoints", monkeypatch)
    script = load("one_phrase", monkeypatch)
    monkeypatch.setattr(script, "LARGE_PAGES_SECONDS", 0)
    monkeypatch.setattr(script, "ROUNDS", 1)
    seconds, _ = script.measure(roberta_folder, script.PHRASE, ["no such contender", script.FLOOR])
    assert list(seconds) == [script.FLOOR]
    assert "left out: no such contender (its process ended; see above)" in capfd.readouterr().err
