"""Weights from safetensors files: names, shapes, types, slices, shards, and files that lie."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError
from fillmask.models.weights import Weights

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)


def write_raw(path: Path, dtype: str, shape: list[int], data: bytes) -> None:
    """A file with one tensor `w`, whatever numpy knows of its type."""
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    save_file(
        {"m": MATRIX, "v": MATRIX[0].astype(np.float16), "scalar": np.array(2.5, np.float32)},
        tmp_path / "model.safetensors",
    )
    return Weights.of_folder(tmp_path)


def test_names_shapes_and_size(weights: Weights) -> None:
    assert sorted(weights) == ["m", "scalar", "v"]
    assert "m" in weights
    assert "n" not in weights
    assert weights.shape("m") == (4, 3)
    assert weights.shape("scalar") == ()
    assert weights.parameters == 12 + 3 + 1
    assert weights.layout() == [("m", "F32", (4, 3)), ("scalar", "F32", ()), ("v", "F16", (3,))]


def test_float32_is_a_view_of_the_file_and_cannot_be_written(weights: Weights) -> None:
    array = weights.floats("m")
    np.testing.assert_array_equal(array, MATRIX)
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_other_types_are_widened(weights: Weights) -> None:
    assert weights.floats("v").dtype == np.float32
    np.testing.assert_array_equal(weights.floats("v"), MATRIX[0])
    assert weights.floats("scalar") == 2.5


@pytest.mark.parametrize(
    ("reference", "rows"), [("m[0:4]", slice(0, 4)), ("m[1:3]", slice(1, 3)), ("m[2:2]", slice(2, 2))]
)
def test_a_reference_takes_rows(weights: Weights, reference: str, rows: slice) -> None:
    np.testing.assert_array_equal(weights.floats(reference), MATRIX[rows])


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_a_type_that_is_not_read_is_named(tmp_path: Path, dtype: str) -> None:
    write_raw(tmp_path / "model.safetensors", dtype, [2], b"\0\0")
    weights = Weights.of_folder(tmp_path)
    assert weights.shape("w") == (2,)
    with pytest.raises(CorruptCheckpointError, match=f"tensor w has dtype {dtype}; expected one of F64, F32"):
        weights.floats("w")


def test_bfloat16_keeps_every_bit(tmp_path: Path) -> None:
    bits = np.array([0x0000, 0x8000, 0x3F80, 0xC2F7, 0x7F80, 0x0001], np.uint16)  # with infinity and a subnormal number
    write_raw(tmp_path / "model.safetensors", "BF16", [6], bits.tobytes())
    found = Weights.of_folder(tmp_path).floats("w")
    np.testing.assert_array_equal(found.view(np.uint32), bits.astype(np.uint32) << 16)


def test_an_empty_tensor(tmp_path: Path) -> None:
    save_file({"e": np.zeros((0, 5), np.float32), "m": MATRIX}, tmp_path / "model.safetensors")
    weights = Weights.of_folder(tmp_path)
    assert weights.floats("e").shape == (0, 5)
    assert weights.parameters == 12


def test_values_stay_while_pages_are_released(weights: Weights) -> None:
    before = weights.floats("m").copy()
    with weights.passing_through():
        for _ in range(100):
            np.testing.assert_array_equal(weights.floats("m"), before)
    np.testing.assert_array_equal(weights.floats("m"), before)


def test_pages_are_released_after_an_error_too(weights: Weights) -> None:
    with pytest.raises(KeyError), weights.passing_through():
        weights.floats("nothing")
    np.testing.assert_array_equal(weights.floats("m"), MATRIX)


def test_one_file_wins_over_an_index(tmp_path: Path) -> None:
    """As in transformers, where a folder has both."""
    save_file({"m": MATRIX}, tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text("{")
    assert list(Weights.of_folder(tmp_path)) == ["m"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": null}'])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CorruptCheckpointError, match="is not a safetensors index"):
        Weights.of_folder(tmp_path)


def test_shards_together_are_one(tmp_path: Path) -> None:
    save_file({"a": MATRIX}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": MATRIX + 1}, tmp_path / "model-00002-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    weights = Weights.of_folder(tmp_path)
    np.testing.assert_array_equal(weights.floats("b"), MATRIX + 1)
    assert weights.parameters == 24
    (tmp_path / names["b"]).unlink()
    with pytest.raises(CheckpointNotFoundError, match=r"model-00002-of-00002\.safetensors is missing"):
        Weights.of_folder(tmp_path)


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F64", "F32"])
def test_weights_widen_to_float32(tmp_path: Path, dtype: str) -> None:
    values = np.array([[1.5, -2.25], [0.0, 1024.0], [3.0, -0.125]], np.float32)
    stored = {
        "F16": values.astype(np.float16),
        "F32": values,
        "F64": values.astype(np.float64),
        "BF16": (values.view(np.uint32) >> 16).astype(np.uint16),
    }[dtype]
    header = json.dumps({"w": {"dtype": dtype, "shape": [3, 2], "data_offsets": [0, stored.nbytes]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + stored.tobytes())
    weights = Weights([tmp_path / "w.safetensors"])
    np.testing.assert_array_equal(weights.floats("w"), values)
    np.testing.assert_array_equal(weights.floats("w[1:3]"), values[1:3])
    assert weights.floats("w").dtype == np.float32
