"""Writing a graph: constants once, tensors under the names that files use, and what was read."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from safetensors.numpy import save_file

from fillmask.errors import CorruptCheckpointError, UnsupportedModelError
from fillmask.models.encoders import ops
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.weights import Weights

RNG = np.random.default_rng(0)


def builder(folder: Path, **tensors: np.ndarray) -> GraphBuilder:
    """A builder over tensors whose names have dots in place of double underscores."""
    named = {name.replace("__", "."): np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
    save_file(named, folder / "model.safetensors")
    return GraphBuilder(Weights.of_folder(folder), "bert")


def run(g: GraphBuilder, value: str, shape: tuple[int, ...], **feeds: np.ndarray) -> np.ndarray:
    g.output(value, "y", *(f"d{n}" for n in range(len(shape))))  # type: ignore[arg-type]
    options = ort.SessionOptions()
    tensors = {name: ort.OrtValue.ortvalue_from_numpy(g.weights.floats(name)) for name in g.references()}
    options.add_external_initializers(list(tensors), list(tensors.values()))
    session = ort.InferenceSession(g.serialize("test"), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feeds)
    assert found.shape == shape
    return np.asarray(found)


def test_a_constant_is_written_once(tmp_path: Path) -> None:
    g = builder(tmp_path, w=np.zeros(1))
    assert g.int64(3) == g.int64(3)
    assert g.int64(3) != g.int64_vector(3) != g.float32(3.0)
    model = onnx.load_from_string(g.serialize("test"))
    assert len(model.graph.initializer) == 3


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("bert__a__weight", "bert.a.weight"),
        ("a__weight", "bert.a.weight"),  # saved from the encoder alone
        ("bert__LayerNorm__gamma", "bert.LayerNorm.weight"),  # from TensorFlow
        ("LayerNorm__beta", "bert.LayerNorm.bias"),
    ],
)
def test_names_that_files_use(stored: str, name: str, tmp_path: Path) -> None:
    g = builder(tmp_path, **{stored: np.zeros(2)}, other=np.zeros(1))
    assert g.has(name)
    assert g.weight(name, 2) == stored.replace("__", ".")
    assert g.unread() == ["other"]


def test_what_is_missing_or_has_another_shape_is_named(tmp_path: Path) -> None:
    g = builder(tmp_path, bert__w=np.zeros((2, 3)))
    assert not g.has("bert.v")
    with pytest.raises(CorruptCheckpointError, match=r"tensor bert\.v is missing; expected it with shape \[5\]"):
        g.weight("bert.v", 5)
    with pytest.raises(CorruptCheckpointError, match=r"tensor bert\.w has shape \[2, 3\]; expected \[3, 2\]"):
        g.weight("bert.w", 3, 2)


def test_rows_of_a_matrix_are_checked_by_its_whole_shape(tmp_path: Path) -> None:
    matrix = RNG.normal(size=(6, 4)).astype(np.float32)
    g = builder(tmp_path, l__weight=matrix, l__bias=np.arange(6))
    x = RNG.normal(size=(5, 4)).astype(np.float32)
    g.input("n", "rows")
    y = ops.linear(g, g.float32_array("x", x), "l", 6, 4, rows=(2, 5))
    assert g.references() == ("l.weight[2:5]", "l.bias[2:5]")
    expected = x @ matrix[2:5].T + np.arange(2, 5)
    np.testing.assert_allclose(run(g, y, (5, 3), n=np.zeros(1, np.int64)), expected, atol=1e-5)


def test_norms(tmp_path: Path) -> None:
    scale, shift = RNG.normal(size=(2, 4)).astype(np.float32)
    x = RNG.normal(size=(3, 4)).astype(np.float32)
    g = builder(tmp_path, a__weight=scale, a__bias=shift, b__weight=scale)
    g.input("n", "rows")
    value = g.float32_array("x", x)
    total = ops.add(g, [ops.layer_norm(g, value, "a", 4, 1e-3), ops.rms_norm(g, value, "b", 4, 1e-3)])
    layer = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-3) * scale + shift
    root = x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-3) * scale
    np.testing.assert_allclose(run(g, total, (3, 4), n=np.zeros(1, np.int64)), layer + root, atol=1e-5)


def test_an_activation_that_is_not_implemented(tmp_path: Path) -> None:
    g = builder(tmp_path, w=np.zeros(1))
    with pytest.raises(UnsupportedModelError, match="names the activation 'mish'; expected gelu"):
        ops.activation(g, g.float32(1.0), "mish")


def test_tables_are_what_rows_are_looked_up_in(tmp_path: Path) -> None:
    g = builder(tmp_path, table=np.zeros((5, 2)), l__weight=np.zeros((3, 2)), l__bias=np.zeros(3))
    ids = g.input("ids", "rows")
    ops.linear(g, ops.embed(g, g.weight("table", 5, 2), ids, 2), "l", 3, 2)
    assert g.tables() == ("table",)
    assert set(g.references()) == {"table", "l.weight", "l.bias"}
