"""Which output matrix and bias count, when the config says that they are tied and the file holds them all the same."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="parity is held against transformers, which the train extra brings")

import transformers
from parity import assert_same, random_items, random_model, save
from safetensors.torch import load_file, save_file
from test_parity import bert_values, modernbert_values
from transformers import AutoModelForMaskedLM, ModernBertConfig, NomicBertConfig, PreTrainedModel

FAMILIES = [
    getattr(transformers, f"{name}Config")
    for name in (
        "Albert", "Bert", "ConvBert", "DebertaV2", "DistilBert", "Electra", "ModernBert", "MPNet", "NomicBert", "Roberta",
    )
]  # fmt: skip


def rewritten(folder: Path, **changes: Any) -> None:
    """The config with these values; None takes a key away."""
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def reread(folder: Path) -> PreTrainedModel:
    """transformers' model of the files as they are now."""
    return AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


@pytest.mark.parametrize("said", [True, None])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_file_holds_is_used(family: Any, said: bool | None, tmp_path: Path) -> None:
    values = modernbert_values(3) | {"decoder_bias": True} if family is ModernBertConfig else bert_values(3)
    config = family(**values | {"tie_word_embeddings": False})
    save(random_model(config, seed=3), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert any("decoder" in name or "projector" in name or "lm_head" in name for name in tensors)
    torch.manual_seed(0)
    for name, tensor in tensors.items():
        if name.endswith("decoder.bias"):
            tensors[name] = torch.randn_like(tensor)  # not the head's own, where a head has two
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    rewritten(tmp_path, tie_word_embeddings=said)
    model = reread(tmp_path)
    longest = min(24, config.max_position_embeddings - 4)
    alone = family is transformers.ConvBertConfig  # transformers lets padding into its convolutions
    assert_same(tmp_path, model, random_items(config, longest=longest, seed=3), alone=alone)


LOCAL_AND_GLOBAL = modernbert_values(4) | {
    "layer_types": ["sliding_attention", "full_attention"],
    "num_hidden_layers": 2,
}


@pytest.mark.parametrize(
    ("family", "values", "changes"),
    [
        (ModernBertConfig, LOCAL_AND_GLOBAL, {"sliding_window": 2, "local_attention": 10}),
        (ModernBertConfig, LOCAL_AND_GLOBAL, {"rope_scaling": {"rope_type": "default"}}),
        (NomicBertConfig, bert_values(4), {"rope_scaling": {"type": "default"}}),
    ],
)
def test_other_spellings_of_the_config(family: Any, values: dict[str, Any], changes: Any, tmp_path: Path) -> None:
    config = family(**values)
    save(random_model(config, seed=4), tmp_path)
    rewritten(tmp_path, **changes)
    model = reread(tmp_path)
    assert_same(tmp_path, model, random_items(config, longest=20, seed=4))
