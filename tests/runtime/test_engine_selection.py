"""Choosing an engine for many texts: what is measured, what is trusted, and when nothing is measured."""

from pathlib import Path

import numpy as np
import pytest

from fillmask.errors import CorruptCheckpointError, InputError
from fillmask.models.checkpoint import Checkpoint, open_checkpoint
from fillmask.runtime import engine_selection
from fillmask.runtime.engine_selection import select_for_throughput, throughput_threads
from fillmask.runtime.options import RuntimeOptions
from fillmask.tokenization.masked_input import MaskedInput

FLOAT32, INT8, BFLOAT16 = ("onnxruntime", "float32"), ("onnxruntime", "int8"), ("openvino", "bfloat16")


def items(count: int = 20) -> list[MaskedInput]:
    rng = np.random.default_rng(0)
    return [MaskedInput(rng.integers(5, 370, 12).tolist(), [0] * 12, [1, 5]) for _ in range(count)]


@pytest.fixture
def checkpoint(roberta_folder: Path) -> Checkpoint:
    return open_checkpoint(roberta_folder)


def made_up(
    monkeypatch: pytest.MonkeyPatch, figures: dict[tuple[str, str], tuple[float, float]], masks: int = 2000
) -> list[tuple[str, str]]:
    """Measurements in place of running: seconds, and the share of best words that are float32's. Returns what is measured."""
    measured: list[tuple[str, str]] = []

    def measure(_: object, pair: tuple[str, str], *__: object) -> engine_selection._Measurement | None:
        measured.append(pair)
        if pair not in figures:
            return None
        seconds, share = figures[pair]
        best = np.zeros(masks, np.int64)
        best[round(share * masks) :] = 1
        return engine_selection._Measurement(pair, seconds, best)

    monkeypatch.setattr(engine_selection, "_measure", measure)
    monkeypatch.setattr(engine_selection, "find_spec", lambda _: True)
    return measured


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({FLOAT32: (10, 1)}, FLOAT32),
        ({FLOAT32: (10, 1), INT8: (5, 0.991)}, INT8),
        ({FLOAT32: (10, 1), INT8: (5, 0.985)}, FLOAT32),  # strays too far
        ({FLOAT32: (10, 1), INT8: (11, 0.999)}, FLOAT32),  # slower
        ({FLOAT32: (10, 1), INT8: (5, 0.991), BFLOAT16: (4, 0.992)}, BFLOAT16),
        ({FLOAT32: (10, 1), INT8: (5, 0.991), BFLOAT16: (4, 0.985)}, INT8),
    ],
)
def test_the_fastest_that_keeps_the_answers(
    figures: dict[tuple[str, str], tuple[float, float]],
    expected: tuple[str, str],
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_up(monkeypatch, figures)
    found = select_for_throughput(checkpoint, items(), RuntimeOptions(threads=4))
    assert (found.engine, found.precision) == expected
    assert (found.threads, found.callers) == throughput_threads(expected[0], 4)
    assert "measured on 2,000 masks" in found.reason
    assert "\n" not in found.reason


def test_few_masks_prove_no_precision(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {FLOAT32: (10, 1), INT8: (1, 1), ("openvino", "float32"): (5, 1)}, masks=999)
    assert select_for_throughput(checkpoint, items()).engine == "openvino"
    made_up(monkeypatch, {FLOAT32: (10, 1), INT8: (1, 1)}, masks=999)
    assert select_for_throughput(checkpoint, items()).precision == "float32"


def test_what_is_asked_for_stays(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = made_up(monkeypatch, {FLOAT32: (10, 1), INT8: (5, 0.99), BFLOAT16: (1, 1)})
    found = select_for_throughput(
        checkpoint, items(), RuntimeOptions(engine="onnxruntime", precision="int8", threads=3)
    )
    assert (found.engine, found.precision, found.threads, found.callers) == ("onnxruntime", "int8", 1, 3)
    assert measured == []
    assert select_for_throughput(checkpoint, items(), RuntimeOptions(engine="onnxruntime")).precision == "int8"
    assert set(measured) == {FLOAT32, INT8}


def test_a_short_job_is_not_measured(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = made_up(monkeypatch, {FLOAT32: (2, 1), INT8: (1, 1)})
    found = select_for_throughput(checkpoint, items(20), expected_items=999)  # five candidates, a tenth of the job
    assert found.precision == "float32"
    assert "repays itself from 1,000 texts on" in found.reason
    assert measured == []
    assert select_for_throughput(checkpoint, items(20), expected_items=1000).precision == "int8"


def test_nothing_to_measure(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = made_up(monkeypatch, {})
    assert select_for_throughput(checkpoint, []).precision == "float32"
    assert measured == []
    with pytest.raises(InputError, match="no precision"):
        select_for_throughput(checkpoint, items(), RuntimeOptions(engine="onnxruntime", precision="int4"))


def test_it_measures_for_real(checkpoint: Checkpoint) -> None:
    found = select_for_throughput(checkpoint, items(600), RuntimeOptions(engine="onnxruntime", threads=2))
    assert found.engine == "onnxruntime"
    assert (found.threads, found.callers) == (1, 2)
    assert "1,200 masks" in found.reason
    assert found.as_json()["precision"] in ("float32", "int8")


def test_a_candidate_far_behind_is_not_measured_to_the_end(checkpoint: Checkpoint) -> None:
    from fillmask.runtime.batching import collate

    batches = [collate(items(4), 1)] * 3
    assert engine_selection._measure(checkpoint, INT8, 1, batches, limit=0.0) is None
    measured = engine_selection._measure(checkpoint, INT8, 1, batches, limit=None)
    assert measured is not None
    assert measured.best.shape == (24,)


def test_answers_that_are_not_numbers_stop_it(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    from fillmask.runtime.engines.onnxruntime import OnnxRuntime

    monkeypatch.setattr(OnnxRuntime, "run", lambda *_: np.full((8, 377), np.nan, np.float32))
    with pytest.raises(CorruptCheckpointError, match="not a number"):
        select_for_throughput(checkpoint, items(), RuntimeOptions(engine="onnxruntime"))
