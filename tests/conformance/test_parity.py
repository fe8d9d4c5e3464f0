"""BERT, RoBERTa and ModernBERT: the log-probabilities of transformers, for configs drawn at random and layouts met in the wild."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity is held against transformers, which the train extra brings")

from parity import assert_parity, assert_same, random_items, random_model, save
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    CamembertConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from fillmask.errors import UnsupportedModelError
from fillmask.runtime.masked_lm import MaskedLM

SPECIAL = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh", "tanh", "quick_gelu"]


def bert_values(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    heads = int(rng.choice([1, 2, 4]))
    return {
        "vocab_size": int(rng.integers(40, 90)),
        "hidden_size": heads * int(rng.choice([4, 8, 12])),
        "num_attention_heads": heads,
        "num_hidden_layers": int(rng.integers(1, 4)),
        "intermediate_size": int(rng.integers(10, 50)),
        "max_position_embeddings": int(rng.integers(30, 60)),
        "type_vocab_size": int(rng.choice([1, 2, 3])),
        "hidden_act": str(rng.choice(ACTIVATIONS)),
        "layer_norm_eps": float(rng.choice([1e-12, 1e-5, 1e-3])),
        "tie_word_embeddings": bool(rng.integers(2)),
    } | SPECIAL


def modernbert_values(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    heads = int(rng.choice([1, 2, 4]))
    layers = int(rng.integers(1, 6))
    kinds = rng.choice(["full_attention", "sliding_attention"], layers).tolist()
    thetas = rng.choice([100.0, 10_000.0, 160_000.0], 2).tolist()
    return {
        "vocab_size": int(rng.integers(40, 90)),
        "hidden_size": heads * int(rng.choice([4, 8, 12])),
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": int(rng.integers(10, 50)),
        "max_position_embeddings": int(rng.integers(30, 60)),
        "hidden_activation": str(rng.choice(ACTIVATIONS)),
        "classifier_activation": str(rng.choice(ACTIVATIONS)),
        "norm_eps": float(rng.choice([1e-6, 1e-5, 1e-3])),
        "norm_bias": bool(rng.integers(2)),
        "attention_bias": bool(rng.integers(2)),
        "mlp_bias": bool(rng.integers(2)),
        "classifier_bias": bool(rng.integers(2)),
        "decoder_bias": bool(rng.integers(2)),
        "tie_word_embeddings": bool(rng.integers(2)),
        "local_attention": int(rng.choice([2, 4, 6, 10])),
        "layer_types": kinds,
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": theta}
            for kind, theta in zip(("full_attention", "sliding_attention"), thetas, strict=True)
        },
    } | SPECIAL


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("family", [BertConfig, RobertaConfig])
def test_bert_and_roberta(family: type[PreTrainedConfig], seed: int, tmp_path: Path) -> None:
    values = bert_values(seed)
    assert_parity(family(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@pytest.mark.parametrize("family", [XLMRobertaConfig, CamembertConfig])
def test_families_of_robertas_shape(family: type[PreTrainedConfig], tmp_path: Path) -> None:
    assert_parity(family(**bert_values(11)), tmp_path)


@pytest.mark.parametrize("seed", range(8))
def test_modernbert(seed: int, tmp_path: Path) -> None:
    assert_parity(ModernBertConfig(**modernbert_values(seed)), tmp_path, seed=seed)


def test_gelu_of_the_roberta_head_is_not_the_configs_activation(tmp_path: Path) -> None:
    assert_parity(RobertaConfig(**(bert_values(0) | {"hidden_act": "relu"})), tmp_path)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_padding_id_that_is_not_the_tokenizers(layers: int, tmp_path: Path) -> None:
    """RoBERTa numbers positions from the config's padding id up."""
    values = bert_values(3) | {"pad_token_id": 1, "num_hidden_layers": layers, "max_position_embeddings": 80}
    assert_parity(RobertaConfig(**values), tmp_path)


def test_the_padding_token_written_in_a_text(tmp_path: Path) -> None:
    """RoBERTa gives it no position of its own; attention sees it all the same."""
    model = random_model(RobertaConfig(**bert_values(2)))
    items = random_items(model.config, longest=20)
    for item in items[1:]:
        assert isinstance(item.ids, list)
        item.ids[len(item.ids) // 2] = 1
    assert_same(save(model, tmp_path), model, items)


@pytest.mark.parametrize(
    "build", [lambda: BertConfig(**bert_values(1)), lambda: ModernBertConfig(**modernbert_values(1))]
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_computed_in_float32(build: Any, dtype: Any, tmp_path: Path) -> None:
    save(random_model(build()).to(dtype), tmp_path)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert_same(tmp_path, model, random_items(model.config))


def test_shards(tmp_path: Path) -> None:
    model = random_model(BertConfig(**bert_values(5)))
    save(model, tmp_path, max_shard_size="5KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert_same(tmp_path, model, random_items(model.config))


def test_old_names_of_norms(tmp_path: Path) -> None:
    """Checkpoints that came from TensorFlow have LayerNorm.gamma and LayerNorm.beta."""
    model = random_model(BertConfig(**bert_values(4)))
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in load_file(path).items()
    }
    assert any(name.endswith("gamma") for name in renamed)
    save_file(renamed, path, metadata={"format": "pt"})
    assert_same(tmp_path, model, random_items(model.config))


def test_the_old_form_of_modernberts_config(tmp_path: Path) -> None:
    """Files of before transformers 5 give the global layers' period and two rotary bases by name."""
    values = modernbert_values(2) | {"num_hidden_layers": 5, "layer_types": None, "rope_parameters": None}
    config = ModernBertConfig(**values, global_attn_every_n_layers=2)
    model = random_model(config)
    save(model, tmp_path)
    path = tmp_path / "config.json"
    written = json.loads(path.read_text())
    thetas = {kind: p["rope_theta"] for kind, p in written.pop("rope_parameters").items()}
    assert written.pop("layer_types") == ["full_attention", "sliding_attention"] * 2 + ["full_attention"]
    written |= {
        "global_attn_every_n_layers": 2,
        "global_rope_theta": thetas["full_attention"],
        "local_rope_theta": thetas["sliding_attention"],
    }
    path.write_text(json.dumps(written))
    assert_same(tmp_path, model, random_items(model.config))


@pytest.mark.parametrize("config", [RobertaConfig(**bert_values(7)), ModernBertConfig(**modernbert_values(7))])
def test_a_row_does_not_depend_on_its_company(config: PreTrainedConfig, tmp_path: Path) -> None:
    model = random_model(config)
    ours = MaskedLM(save(model, tmp_path))
    items = random_items(config, rows=12)
    together = dict(ours.log_probabilities(items))
    for index, item in enumerate(items):
        ((_, alone),) = ours.log_probabilities([item])
        np.testing.assert_allclose(together[index], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "change", "named"),
    [
        (BertConfig, {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        (BertConfig, {"is_decoder": True}, "is_decoder"),
        (RobertaConfig, {"hidden_act": "mish"}, "mish"),
        (ModernBertConfig, {"hidden_activation": "laplace"}, "laplace"),
        (ModernBertConfig, {"layer_types": ["chunked_attention"]}, "chunked_attention"),
        (ModernBertConfig, {"rope_scaling": {"type": "yarn"}}, "rotary scaling"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(
    config: Any, change: dict[str, Any], named: str, tmp_path: Path
) -> None:
    values = modernbert_values(0) if config is ModernBertConfig else bert_values(0)
    if "layer_types" in change:
        values |= {"num_hidden_layers": 1, "layer_types": ["full_attention"]}
    save(random_model(config(**values)), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UnsupportedModelError, match=named):
        MaskedLM(tmp_path)
