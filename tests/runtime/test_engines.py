"""The default engine: int8 beside float32, what "auto" means, and the errors for wrong wishes."""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from fillmask.errors import InputError, MissingExtraError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.runtime import engines, precision_selection
from fillmask.runtime.batching import collate
from fillmask.runtime.engines import Batch
from fillmask.runtime.engines.rescoring import Head, with_hidden
from fillmask.runtime.graph_cache import cached_graph
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.precision_selection import EngineMeasurement
from fillmask.tasks.engine_benchmark import compare, sample_documents
from fillmask.tokenization.masked_input import MaskedInput


def batch(vocabulary: int = 370) -> Batch:
    rng = np.random.default_rng(0)
    rows = [MaskedInput(rng.integers(5, vocabulary, n).tolist(), [0] * n, [1, n // 2]) for n in (30, 12, 5)]
    return collate(rows, pad=1)


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_rescoring_repairs_rounded_logits() -> None:
    rng = np.random.default_rng(0)
    matrix, bias = rng.normal(0, 0.3, (400, 24)).astype(np.float32), rng.normal(0, 1, 400).astype(np.float32)
    hidden = rng.normal(0, 3, (50, 24)).astype(np.float32)

    def log_softmax(logits: np.ndarray) -> np.ndarray:
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    logits = hidden @ matrix.T + bias
    exact = log_softmax(logits)
    # bfloat16 keeps the upper half of a float32's bits.
    coarse = ((logits.view(np.uint32) + 0x8000) & 0xFFFF0000).view(np.float32)
    found = log_softmax(coarse)
    before = np.abs(found - exact)[exact > -5].max()
    Head(matrix, bias).rescore(found, hidden)
    after = np.abs(found - exact)[exact > -5].max()
    assert before > 0.02
    assert after < before / 4
    assert (found.argmax(axis=1) == exact.argmax(axis=1)).all()
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-5)


def test_the_heads_input_is_an_output(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    linear = with_hidden(cached_graph(checkpoint))
    assert linear is not None
    graph, matrix, bias = linear
    assert [o.name for o in onnx.load_from_string(graph.model).graph.output] == ["log_probabilities", "hidden"]
    assert checkpoint.weights.floats(matrix).shape == (377, 32)
    assert bias is not None
    assert checkpoint.weights.floats(bias).shape == (377,)


def rows(*found: tuple[str, float, float]) -> list[EngineMeasurement]:
    return [EngineMeasurement("onnxruntime", p, agreement, 0.0, 2000, 1.0, speed) for p, agreement, speed in found]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ([], "float32"),
        (rows(("float32", 1, 100), ("int8", 0.985, 200)), "int8"),
        (rows(("float32", 1, 100), ("int8", 0.975, 200)), "float32"),  # strays too far
        (rows(("float32", 1, 300), ("int8", 0.999, 200)), "float32"),  # slower here
    ],
)
def test_auto_follows_the_measurement(
    measured: list[EngineMeasurement], expected: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path))
    checkpoint = open_checkpoint(folder)
    precision_selection.record(checkpoint, measured)
    assert precision_selection.recorded(checkpoint) == measured
    picked = engines.select(checkpoint, engine="onnxruntime", precision="auto")
    assert picked.precision == expected
    assert ("measured here" in picked.reason) == bool(measured)
    assert MaskedLM(folder).engine.precision == expected


def test_a_damaged_measurement_is_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path))
    checkpoint = open_checkpoint(folder)
    precision_selection.record(checkpoint, rows(("int8", 1, 1)))
    (path,) = (tmp_path / "measured").iterdir()
    for text in ("", "{", '[{"engine": 1}]', "3"):
        path.write_text(text)
        assert precision_selection.recorded(checkpoint) == []


def test_measuring(folder: Path) -> None:
    pairs = [("onnxruntime", "float32"), ("onnxruntime", "int8")]
    exact, rounded = compare(open_checkpoint(folder), sample_documents(), masks=300, contenders=pairs)
    assert (exact.agreement, exact.divergence) == (1.0, 0.0)
    assert 0.5 < rounded.agreement < 1
    assert rounded.divergence > 0
    assert 300 <= exact.masks == rounded.masks < 350
    assert min(exact.phrase_ms, exact.tokens_per_second, rounded.phrase_ms, rounded.tokens_per_second) > 0


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"engine": "abacus"}, "there is no engine 'abacus'; expected auto or one of onnxruntime, openvino, torch"),
        ({"precision": "int4"}, "onnxruntime has no precision 'int4'; expected auto or one of float32, int8"),
        ({"precision": "bfloat16"}, "onnxruntime has no precision 'bfloat16'"),
        ({"threads": 0}, "threads is 0; expected a whole number, 1 or more"),
        ({"threads": 1.5}, r"threads is 1\.5; expected a whole number"),
        ({"threads": "2"}, "threads is '2'; expected a whole number"),
        ({"engine": "onnxruntime", "device": 0}, "onnxruntime runs on the cpu, not on 'cuda:0'"),
        ({"engine": "onnxruntime", "device": "cuda"}, "onnxruntime runs on the cpu, not on 'cuda'; use engine='torch'"),
    ],
)
def test_wrong_wishes_are_refused(wish: dict[str, object], message: str, roberta_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        MaskedLM(roberta_folder, RuntimeOptions(**wish))  # type: ignore[arg-type]


def without(monkeypatch: pytest.MonkeyPatch, package: str, module: str) -> None:
    """As where the extra that brings `package` is not installed."""
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.parametrize(("engine", "package"), [("torch", "torch"), ("openvino", "openvino")])
def test_an_engine_whose_extra_is_missing(
    engine: str, package: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, package, f"fillmask.runtime.engines.{engine}")
    with pytest.raises(MissingExtraError, match=rf"the \w+ engine needs an extra .* 'fillmask\[{engine}\]'"):
        MaskedLM(folder, RuntimeOptions(engine=engine))


def test_auto_is_torch_for_a_family_without_a_graph(
    roberta_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(roberta_folder, tmp_path / "model"))
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"model_type": "roberta"', '"model_type": "megatron-bert"'))
    assert engines.default_engine(open_checkpoint(folder)) == "torch"
    assert engines.default_engine(open_checkpoint(roberta_folder)) == "onnxruntime"
    assert engines.default_engine(open_checkpoint(roberta_folder), "cuda:0") == "torch"
    without(monkeypatch, "torch", "fillmask.runtime.engines.torch")
    with pytest.raises(MissingExtraError, match="'megatron-bert' has no graph here; the torch engine runs it"):
        MaskedLM(folder)


def test_auto_trusts_no_measurement_of_a_few_masks(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path))
    checkpoint = open_checkpoint(folder)
    for masks, expected in (
        (10, "float32"),
        (precision_selection.LEAST_MASKS - 1, "float32"),
        (precision_selection.LEAST_MASKS, "int8"),
    ):
        found = [
            EngineMeasurement("onnxruntime", p, 1.0, 0.0, masks, 1.0, speed)
            for p, speed in (("float32", 1), ("int8", 2))
        ]
        precision_selection.record(checkpoint, found)
        picked = engines.select(checkpoint, engine="onnxruntime", precision="auto")
        assert picked.precision == expected
        assert ("too few to trust" in picked.reason) == (expected == "float32")
