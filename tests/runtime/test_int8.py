"""int8 on onnxruntime: what is rounded, and that no sum of products saturates on any processor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from fillmask.models.checkpoint import open_checkpoint
from fillmask.models.encoders import Graph
from fillmask.runtime.batching import collate
from fillmask.runtime.engines import Batch, int8
from fillmask.runtime.graph_cache import cached_graph
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.processor import Processor, processor
from fillmask.tasks.engine_benchmark import sample_documents
from fillmask.tasks.evaluate import masked_windows
from fillmask.tokenization.masked_input import MaskedInput

AVX2 = Processor("without VNNI", "x86_64", frozenset({"avx2"}))
AVX512 = Processor("without VNNI", "x86_64", frozenset({"avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"}))
VNNI = Processor("with VNNI", "x86_64", AVX512.extensions | {"avx512_vnni"})
ARM64 = Processor("arm64", "aarch64", frozenset({"asimd"}))
UNKNOWN = Processor("on Windows", "AMD64", frozenset())
WITHOUT_VNNI = pytest.mark.parametrize("machine", [AVX2, AVX512, UNKNOWN], ids=["AVX2", "AVX-512", "unknown"])


def batch(vocabulary: int = 370) -> Batch:
    rng = np.random.default_rng(0)
    rows = [MaskedInput(rng.integers(5, vocabulary, n).tolist(), [0] * n, [1, n // 2]) for n in (30, 12, 5)]
    return collate(rows, pad=1)


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_rounding_is_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(0, 1, (70, 33)).astype(np.float32)
    matrix[3] = 0
    values, steps = int8.rounded_matrix(matrix)
    assert values.dtype == np.int8
    assert np.abs(values).max(axis=1)[4:].tolist() == [127] * 66  # all of the range is used
    assert (np.abs(values * steps[:, None] - matrix) <= steps[:, None] / 2 * 1.001).all()
    turned, again = int8.rounded_matrix(matrix, turned=True)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, values.T)
    np.testing.assert_array_equal(again, steps)


def test_large_matrices_are_rounded_in_parts() -> None:
    matrix = np.random.default_rng(0).normal(0, 1, (3000, 700)).astype(np.float32)
    whole = np.rint(matrix / (np.abs(matrix).max(axis=1) / np.float32(127))[:, None])
    np.testing.assert_array_equal(int8.rounded_matrix(matrix)[0], whole)


@pytest.mark.parametrize("rewrite", [int8.signed_products, int8.unsigned_products])
def test_int8_rewrites_every_linear_layer(rewrite: Callable[[Graph], Graph], folder: Path) -> None:
    graph = cached_graph(open_checkpoint(folder))
    before = [n.op_type for n in onnx.load_from_string(graph.model).graph.node]
    after = [n.op_type for n in onnx.load_from_string(rewrite(graph).model).graph.node]
    assert before.count("Gemm") > 10
    assert "Gemm" not in after
    assert after.count("MatMulIntegerToFloat") == before.count("Gemm")
    assert after.count("QuantizeLinear") < before.count("Gemm")  # query, key and value share one rounding


def test_int8_stays_near_float32(folder: Path) -> None:
    exact = MaskedLM(folder).engine.run(batch())
    found = MaskedLM(folder, RuntimeOptions(precision="int8")).engine.run(batch())
    assert np.abs(np.exp(found).sum(axis=1) - 1).max() < 1e-4
    divergence = (np.exp(exact) * (exact - found)).sum(axis=1)
    assert 0 < divergence.mean() < 0.1
    assert (exact.argmax(axis=1) == found.argmax(axis=1)).mean() > 0.6


def test_int8_of_a_row_does_not_depend_on_its_batch(folder: Path) -> None:
    """Each token is rounded by itself: company and padding do not move an answer."""
    model = MaskedLM(folder, RuntimeOptions(precision="int8"))
    items = [MaskedInput([0, *range(10, 10 + n), 2], [0] * (n + 2), [2]) for n in (20, 3, 9)]
    together = dict(model.log_probabilities(items))
    for index, item in enumerate(items):
        ((_, alone),) = model.log_probabilities([item])
        np.testing.assert_allclose(together[index], alone, atol=1e-4)


def test_int8_starts_from_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = MaskedLM(folder, RuntimeOptions(precision="int8")).engine.run(batch())
    monkeypatch.setattr("fillmask.models.encoders.build", None)  # would raise if it were called
    monkeypatch.setattr(onnx, "load_from_string", None)
    np.testing.assert_array_equal(MaskedLM(folder, RuntimeOptions(precision="int8")).engine.run(batch()), first)


def products(graph: Graph) -> list[tuple[int, int, tuple[int, ...]]]:
    """Of each integer product in a graph: the types of its activations and of its weights, and the weights' shape."""
    model = onnx.load_from_string(graph.model).graph
    weights = {t.name: t for t in model.initializer}
    rounded = {name for node in model.node if node.op_type == "QuantizeLinear" for name in node.output}
    zeros = {node.input[0]: node.input[2] for node in model.node if node.op_type == "QuantizeLinear"}
    assert all(weights[_source(model, zero)].data_type == TensorProto.UINT8 for zero in zeros.values())
    found = []
    for node in model.node:
        if node.op_type == "MatMulIntegerToFloat":
            assert node.input[0] in rounded
            found.append((TensorProto.UINT8, weights[node.input[1]].data_type, tuple(weights[node.input[1]].dims)))
        assert node.op_type not in ("MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul")
    return found


def _source(model: onnx.GraphProto, name: str) -> str:
    """The constant that a chain of Expand nodes repeats."""
    made_by = {out: node for node in model.node for out in node.output}
    while name in made_by:
        name = made_by[name].input[0]
    return name


@WITHOUT_VNNI
def test_no_signed_byte_meets_an_unsigned_one_where_their_sums_saturate(machine: Processor, folder: Path) -> None:
    """onnxruntime adds products of unsigned and signed bytes in pairs of 16 bits there, and of unsigned ones in 32 bits."""
    found = products(int8.products_for(machine)(cached_graph(open_checkpoint(folder))))
    assert len(found) > 10
    for activations, weights, (size, _) in found:
        assert (activations, weights) == (TensorProto.UINT8, TensorProto.UINT8)
        assert size * 255 * 255 < 2**31  # a sum over the whole row fits in 32 bits


@WITHOUT_VNNI
def test_the_sum_of_the_bundled_models_products_fits(machine: Processor) -> None:
    found = products(int8.products_for(machine)(cached_graph(open_checkpoint())))
    assert all(weights == TensorProto.UINT8 and size * 255 * 255 < 2**31 for _, weights, (size, _) in found)


def pair_sums(activations: npt.NDArray[np.integer], weights: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """What `vpmaddubsw` adds before it saturates: products of neighbours, (rows, size / 2, out)."""
    terms = activations[:, :, None].astype(np.int64) * weights[None].astype(np.int64)
    return terms[:, 0::2] + terms[:, 1::2]


def test_the_signed_form_would_leave_16_bits(folder: Path) -> None:
    """Why there are two forms: on real layouts, the pairs of the signed form do not fit."""
    checkpoint = open_checkpoint(folder)
    graph = int8.signed_products(cached_graph(checkpoint))
    tensors = int8.tensors(checkpoint.weights, graph.references)
    activations = np.full((1, 2), 255, np.uint8)
    largest = max(
        pair_sums(activations, np.sort(values, axis=0)[-2:]).max()
        for values in tensors.values()
        if values.dtype == np.int8
    )
    assert largest > np.iinfo(np.int16).max


@pytest.mark.parametrize("machine", [VNNI, ARM64], ids=["VNNI", "arm64"])
def test_the_signed_form_is_for_processors_that_add_in_32_bits(machine: Processor, folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    graph = int8.products_for(machine)(cached_graph(checkpoint))
    assert {weights for _, weights, _ in products(graph)} == {TensorProto.INT8}
    # arm64 without dot products turns the activations to signed bytes and adds pairs in 16 bits: so they must fit too.
    for values in int8.tensors(checkpoint.weights, graph.references).values():
        if values.dtype == np.int8:
            assert 2 * 127 * np.abs(values.astype(np.int64)).max() <= np.iinfo(np.int16).max


def test_both_forms_hold_the_same_numbers(folder: Path) -> None:
    checkpoint = open_checkpoint(folder)
    signed, unsigned = (
        int8.tensors(checkpoint.weights, rewrite(cached_graph(checkpoint)).references)
        for rewrite in (int8.signed_products, int8.unsigned_products)
    )
    matrices = [name for name in signed if name.startswith("int8.T:")]
    assert len(matrices) > 10
    for name in matrices:
        other = unsigned[name.replace("int8.T:", "uint8.T:")]
        assert other.dtype == np.uint8
        assert other.flags.c_contiguous
        np.testing.assert_array_equal(other.astype(np.int64) - 128, signed[name])
        np.testing.assert_array_equal(
            unsigned[name.replace("int8.T:", "steps:")], signed[name.replace("int8.T:", "steps:")]
        )


@pytest.mark.parametrize("rewrite", [int8.signed_products, int8.unsigned_products])
@pytest.mark.parametrize("rows", [1, 3, 17, 64])
@pytest.mark.parametrize("size", [32, 33, 768])
def test_the_largest_numbers_are_added_up_exactly(rewrite: Callable[[Graph], Graph], rows: int, size: int) -> None:
    """Activations and weights at both ends of their ranges, through onnxruntime's own kernels."""
    if rewrite is int8.signed_products and not processor().sums_int8_in_32_bits:
        pytest.skip("the signed form is not for this processor")
    rng = np.random.default_rng(size + rows)
    matrix = rng.choice([-1.0, 1.0], (48, size)).astype(np.float32)
    matrix[0], matrix[1] = 1, -1
    x = rng.choice([-1.0, 1.0], (rows, size)).astype(np.float32)
    x[0] = 1
    node = helper.make_node("Gemm", ["x", "matrix"], ["y"], transB=1)
    tensor = TensorProto(
        name="matrix", data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL, dims=matrix.shape
    )
    tensor.external_data.add(key="location", value="checkpoint")
    graph = helper.make_graph(
        [node], "product", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 48])], [tensor],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    rewritten = rewrite(Graph(model.SerializeToString(), ("matrix",), ()))

    class Weights:
        def floats(self, reference: str) -> npt.NDArray[np.float32]:
            assert reference == "matrix"
            return matrix

    options = ort.SessionOptions()
    values = {
        name: ort.OrtValue.ortvalue_from_numpy(array)
        for name, array in int8.tensors(Weights(), rewritten.references).items()  # type: ignore[arg-type]
    }
    options.add_external_initializers(list(values), list(values.values()))
    session = ort.InferenceSession(rewritten.model, options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    np.testing.assert_allclose(y, x.astype(np.float64) @ matrix.T, rtol=1e-5, atol=1e-3)


def test_the_processor_decides_the_form_and_each_is_cached(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path))
    answers = {}
    for machine in (AVX2, VNNI, AVX512):
        if machine is VNNI and not processor().sums_int8_in_32_bits:
            continue
        monkeypatch.setattr("fillmask.runtime.engines.onnxruntime.processor", lambda machine=machine: machine)
        answers[machine] = MaskedLM(folder, RuntimeOptions(precision="int8")).engine.run(batch())
    assert len(list((tmp_path / "graphs").iterdir())) == (2 if VNNI in answers else 1)
    for answer in answers.values():
        np.testing.assert_allclose(answer, answers[AVX2], atol=2e-5)


def test_the_bundled_model_keeps_its_answers_without_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 masks: the saturating form gave other best words for 13 of them, and scores that were off by up to 0.13."""
    checkpoint = open_checkpoint()
    tokenizer = checkpoint.tokenizer
    assert tokenizer.mask_token_id is not None
    windows = [w for seed in range(4) for w in masked_windows(tokenizer, sample_documents(), length=128, seed=seed)]
    items = [window.hidden(tokenizer.mask_token_id) for window in windows]
    monkeypatch.setattr("fillmask.runtime.engines.onnxruntime.processor", lambda: AVX2)
    exact, rounded = (
        dict(MaskedLM(None, RuntimeOptions(precision=p)).log_probabilities(items)) for p in ("float32", "int8")
    )
    expected, found = (np.concatenate([answers[n] for n in range(len(items))])[:300] for answers in (exact, rounded))
    assert len(expected) == 300
    same = expected.argmax(axis=1) == found.argmax(axis=1)
    assert same.mean() > 0.965
    best = np.argpartition(expected, -5, axis=1)[:, -5:]
    change = np.abs(np.exp(np.take_along_axis(expected, best, 1)) - np.exp(np.take_along_axis(found, best, 1)))
    assert change.max() < 0.08
    assert (np.exp(expected) * (expected - found)).sum(axis=1).mean() < 0.0015
