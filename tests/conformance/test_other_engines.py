"""OpenVINO and torch give the default engine's numbers, whole or rounded."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the torch engine needs the torch extra")
pytest.importorskip("openvino", reason="the openvino engine needs the openvino extra")

from fillmask import FillMask
from fillmask.choices import ENGINE_PRECISIONS
from fillmask.errors import InputError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.runtime.batching import collate
from fillmask.runtime.engines import Batch
from fillmask.runtime.engines.openvino import has_bfloat16
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.tasks.engine_benchmark import compare, installed, sample_documents
from fillmask.tokenization.masked_input import MaskedInput

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16 arithmetic")


def batch() -> Batch:
    rng = np.random.default_rng(0)
    rows = [MaskedInput(rng.integers(5, 370, n).tolist(), [0] * n, [1, n // 2][: 1 + n % 2]) for n in (30, 12, 5, 21)]
    return collate(rows, pad=1)


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_float32_is_the_default_engines(engine: str, folder: Path) -> None:
    exact = MaskedLM(folder).engine.run(batch())
    found = MaskedLM(folder, RuntimeOptions(engine=engine, precision="float32")).engine.run(batch())
    np.testing.assert_allclose(found, exact, atol=1e-4)


@pytest.mark.parametrize(
    ("engine", "precision"),
    [pytest.param("openvino", "bfloat16", marks=needs_bfloat16), ("openvino", "int8"), ("torch", "bfloat16")],
)
def test_rounded_arithmetic_stays_near(engine: str, precision: str, folder: Path) -> None:
    exact = MaskedLM(folder).engine.run(batch())
    found = MaskedLM(folder, RuntimeOptions(engine=engine, precision=precision)).engine.run(batch())
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=2e-3)
    divergence = (np.exp(exact) * (exact - found)).sum(axis=1)
    assert 1e-9 < divergence.mean() < 0.1
    assert not np.array_equal(found, exact)


@needs_bfloat16
def test_rescoring_breaks_the_ties_of_bfloat16(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ties(found: np.ndarray) -> int:
        likely = [row[row > row.max() - 6] for row in found]
        return sum(len(row) - len(np.unique(row)) for row in likely)

    rescored = MaskedLM(folder, RuntimeOptions(engine="openvino", precision="bfloat16")).engine.run(batch())
    monkeypatch.setattr("fillmask.runtime.engines.rescoring.Head.rescore", lambda *_: None)
    plain = MaskedLM(folder, RuntimeOptions(engine="openvino", precision="bfloat16")).engine.run(batch())
    assert ties(plain) > 10
    assert ties(rescored) == 0


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_threads_do_not_mix_answers(engine: str, folder: Path) -> None:
    """One engine asked from several threads at once."""
    from concurrent.futures import ThreadPoolExecutor

    unmask = FillMask(folder, engine=engine)
    texts = [f"The {'old ' * n}dog went to the <mask>" for n in range(12)]
    expected = [unmask(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(unmask, texts)) == expected


def test_all_that_is_installed_is_measured(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    pairs = installed(checkpoint)
    assert len(pairs) == sum(map(len, ENGINE_PRECISIONS.values()))
    measured = list(compare(checkpoint, sample_documents(), masks=100))
    expected = [pair for pair in pairs if has_bfloat16() or pair != ("openvino", "bfloat16")]
    assert [(row.engine, row.precision) for row in measured] == expected
    assert all(row.agreement == 1 for row in measured if row.precision == "float32")


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match="torch cannot use the device 'cuda:99'"):
        MaskedLM(folder, RuntimeOptions(engine="torch", device="cuda:99"))


def test_bfloat16_on_a_processor_without_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillmask.runtime.engines.openvino.has_bfloat16", lambda: False)
    with pytest.raises(InputError, match="no bfloat16 arithmetic"):
        MaskedLM(folder, RuntimeOptions(engine="openvino", precision="bfloat16"))
    assert MaskedLM(folder, RuntimeOptions(engine="openvino")).engine.precision == "float32"
