"""Opening checkpoints: each thing that can be wrong has its own clear error."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from fillmask import CheckpointNotFoundError, CorruptCheckpointError, FillMask, InputError, UnsupportedModelError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.models.config import Config
from fillmask.models.encoders import longest


@pytest.fixture
def folder(roberta_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny RoBERTa checkpoint that a test may damage."""
    return Path(shutil.copytree(roberta_folder, tmp_path / "model"))


def _config(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(values))


def _truncate(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _lie(folder: Path) -> None:
    """A header that promises a tensor beyond the end of the file."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _huge_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}")


def _overlap(folder: Path) -> None:
    header = json.dumps(
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        }
    ).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(12))


def _drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["roberta.encoder.layer.0.attention.self.query.weight"]
    save_file(tensors, folder / "model.safetensors")


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


FAULTS: list[tuple[str, Callable[[Path], object], type[Exception], str]] = [
    ("no config", lambda f: (f / "config.json").unlink(), CheckpointNotFoundError, "config.json is missing"),
    ("config not JSON", lambda f: (f / "config.json").write_text("{"), CorruptCheckpointError, "is not JSON"),
    ("config a list", lambda f: (f / "config.json").write_text("[]"), CorruptCheckpointError, "names no model_type"),
    (
        "unknown family",
        lambda f: _config(f, model_type=7),
        CorruptCheckpointError,
        "model_type=7; expected a text",
    ),
    (
        "no weights",
        lambda f: (f / "model.safetensors").unlink(),
        CheckpointNotFoundError,
        "model.safetensors is missing",
    ),
    (
        "pickle only",
        _pickle_only,
        CheckpointNotFoundError,
        "only as pytorch_model.bin, a pickle.* never read.*AutoModelForMaskedLM",
    ),
    ("truncated", _truncate, CorruptCheckpointError, "not a complete safetensors file"),
    (
        "empty",
        lambda f: (f / "model.safetensors").write_bytes(b""),
        CorruptCheckpointError,
        "not a complete safetensors file",
    ),
    ("lying header", _lie, CorruptCheckpointError, "not a complete safetensors file"),
    ("huge header", _huge_header, CorruptCheckpointError, "not a complete safetensors file"),
    ("overlapping tensors", _overlap, CorruptCheckpointError, "not a complete safetensors file"),
    ("tensor missing", _drop_tensor, CorruptCheckpointError, "query.weight is missing"),
    ("other hidden size", lambda f: _config(f, hidden_size=64), CorruptCheckpointError, r"has shape .*; expected"),
    ("heads do not divide", lambda f: _config(f, num_attention_heads=7), CorruptCheckpointError, "not a multiple of"),
    (
        "text for a number",
        lambda f: _config(f, num_hidden_layers="two"),
        CorruptCheckpointError,
        "expected a whole number",
    ),
    ("activation", lambda f: _config(f, hidden_act="mish"), UnsupportedModelError, "activation 'mish'"),
    (
        "relative positions",
        lambda f: _config(f, position_embedding_type="relative_key"),
        UnsupportedModelError,
        "relative_key",
    ),
    ("decoder", lambda f: _config(f, is_decoder=True), UnsupportedModelError, "is_decoder=True"),
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), CheckpointNotFoundError, "has no tokenizer"),
    (
        "broken tokenizer",
        lambda f: (f / "tokenizer.json").write_text("{}"),
        CorruptCheckpointError,
        "tokenizer in .* cannot be read",
    ),
    (
        "broken tokenizer config",
        lambda f: (f / "tokenizer_config.json").write_text("nope"),
        CorruptCheckpointError,
        "is not JSON",
    ),
]


@pytest.mark.parametrize(("damage", "error", "message"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_each_fault_is_named(
    folder: Path, damage: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    damage(folder)
    with pytest.raises(error, match=message):
        FillMask(folder)("a <mask> b")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for name in (tmp_path / "nothing", "x" * 300, "a\0b"):
        with pytest.raises(CheckpointNotFoundError, match=r"there is no (model|folder)"):
            open_checkpoint(name)


@pytest.mark.parametrize("model", ["", 5])
def test_what_names_no_model_is_refused(model: object) -> None:
    with pytest.raises(InputError, match=f"the model is {model!r}; expected a folder, a hub id"):
        open_checkpoint(model)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [None, "bundled", "folder"])
def test_a_revision_of_what_is_not_on_the_hub(folder: Path, model: str | None) -> None:
    with pytest.raises(InputError, match=r"revision is 'v1', and the (bundled model|folder .*) has none"):
        open_checkpoint(folder if model == "folder" else model, revision="v1")


@pytest.mark.parametrize(
    ("family", "pad", "found"),
    [
        ("roberta", 1, 32), ("roberta-prelayernorm", 1, 32), ("data2vec-text", 1, 32), ("xlm-roberta-xl", None, 32),
        ("xmod", 0, 33), ("longformer", 1, 32), ("bert", 0, 34), ("roformer", 0, 34), ("nystromformer", 1, 34),
    ],
)  # fmt: skip
def test_positions_that_begin_after_the_padding_id(family: str, pad: int | None, found: int) -> None:
    values = {"model_type": family, "max_position_embeddings": 34} | ({} if pad is None else {"pad_token_id": pad})
    assert longest(Config(values)) == found


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    vocabulary = 50
    for name in (
        "roberta.embeddings.word_embeddings.weight",
        "lm_head.bias",
        "lm_head.decoder.weight",
        "lm_head.decoder.bias",
    ):
        if name in tensors:
            tensors[name] = tensors[name][:vocabulary]
    save_file(tensors, folder / "model.safetensors")
    _config(folder, vocab_size=vocabulary)
    with pytest.raises(ValueError, match="tokenizer is of another model"):
        FillMask(folder)("somewhere beyond the sea there is a <mask> that we know")


def test_shards_are_read_and_a_missing_one_is_named(folder: Path) -> None:
    whole = FillMask(folder)("a <mask> b")
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    (folder / "model.safetensors").unlink()
    weight_map = {name: file for file, part in parts.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert FillMask(folder)("a <mask> b") == whole
    (folder / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointNotFoundError, match=r"model-2\.safetensors is missing"):
        FillMask(folder)


@pytest.mark.parametrize("name", ["../model-2.safetensors", "/etc/passwd"])
def test_an_index_cannot_point_outside(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CorruptCheckpointError, match="outside its folder"):
        FillMask(folder)
