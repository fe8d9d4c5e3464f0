"""The families beyond BERT, RoBERTa and ModernBERT: configs drawn at random from what each config class allows."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity is held against transformers, which the train extra brings")

import transformers
from parity import assert_parity, assert_same, random_items, random_model, save
from safetensors.torch import load_file, save_file
from test_parity import ACTIVATIONS, SPECIAL, bert_values
from transformers import (
    AlbertConfig,
    ConvBertConfig,
    DebertaConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ErnieConfig,
    EsmConfig,
    EuroBertConfig,
    MobileBertConfig,
    MPNetConfig,
    NomicBertConfig,
    RemBertConfig,
    RoFormerConfig,
    SqueezeBertConfig,
)
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
from transformers.models.mobilebert.modeling_mobilebert import NoNorm
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from fillmask.errors import UnsupportedModelError
from fillmask.models.encoders import disentangled, mpnet
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.masked_input import MaskedInput

SEEDS = pytest.mark.parametrize("seed", range(6))


def drawn(seed: int, **choices: Any) -> dict[str, Any]:
    """BERT's values with, of each further key's choices, one."""
    rng = np.random.default_rng([seed, 1])
    picked = {key: values[int(rng.integers(len(values)))] for key, values in choices.items()}
    return bert_values(seed) | picked


@SEEDS
def test_distilbert(seed: int, tmp_path: Path) -> None:
    values = bert_values(seed)
    config = DistilBertConfig(
        vocab_size=values["vocab_size"],
        dim=values["hidden_size"],
        n_heads=values["num_attention_heads"],
        n_layers=values["num_hidden_layers"],
        hidden_dim=values["intermediate_size"],
        max_position_embeddings=values["max_position_embeddings"],
        activation=["gelu", "relu"][seed % 2],
        sinusoidal_pos_embds=bool(seed % 3 == 0),
        tie_word_embeddings=values["tie_word_embeddings"],
        pad_token_id=1,
    )
    assert_parity(config, tmp_path, seed=seed)


@SEEDS
def test_albert(seed: int, tmp_path: Path) -> None:
    layers = int(np.random.default_rng(seed).integers(1, 5))
    groups = [n for n in range(1, layers + 1) if layers % n == 0]
    values = drawn(
        seed, num_hidden_layers=[layers], num_hidden_groups=groups, inner_group_num=[1, 2], embedding_size=[6, 16]
    )
    assert_parity(AlbertConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@SEEDS
def test_electra(seed: int, tmp_path: Path) -> None:
    values = drawn(seed, embedding_size=[6, 16, bert_values(seed)["hidden_size"]])
    assert_parity(ElectraConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@SEEDS
def test_mpnet(seed: int, tmp_path: Path) -> None:
    values = drawn(seed, relative_attention_num_buckets=[32, 40])
    assert_parity(MPNetConfig(**values), tmp_path, seed=seed)


def test_mpnet_far_apart(tmp_path: Path) -> None:
    """Long enough for the buckets that distances share."""
    config = MPNetConfig(**bert_values(1) | {"max_position_embeddings": 300})
    model = random_model(config)
    assert_same(save(model, tmp_path), model, random_items(config, rows=3, longest=290))


def test_mpnets_buckets() -> None:
    differences = np.arange(-600, 601)
    expected = MPNetEncoder.relative_position_bucket(torch.from_numpy(differences), num_buckets=32)
    np.testing.assert_array_equal(mpnet.buckets(differences), expected.numpy())


@SEEDS
def test_convbert(seed: int, tmp_path: Path) -> None:
    """Row by row: in a batch, transformers lets padding into the convolutions of the last tokens."""
    heads = [2, 4, 8][seed % 3]
    values = drawn(
        seed, num_attention_heads=[heads], hidden_size=[heads * 4, heads * 8], embedding_size=[6, 16],
        head_ratio=[1, 2, 4, 16], conv_kernel_size=[1, 3, 9], num_groups=[1, 2], intermediate_size=[24, 40],
        type_vocab_size=[2],
    )  # fmt: skip
    assert_parity(ConvBertConfig(**values), tmp_path, seed=seed, pairs=True, alone=True)


@SEEDS
def test_deberta_v2(seed: int, tmp_path: Path) -> None:
    values = drawn(
        seed, relative_attention=[True, True, False], pos_att_type=[["c2p"], ["p2c"], "p2c|c2p", ["c2p", "p2c"]],
        position_biased_input=[True, False], max_relative_positions=[-1, 5, 40], position_buckets=[-1, 4, 16],
        share_att_key=[True, False], norm_rel_ebd=["none", "layer_norm"], type_vocab_size=[0, 2],
        conv_kernel_size=[0, 3, 5], conv_act=["gelu", "tanh"], legacy=[True, False], tie_word_embeddings=[True],
    )  # fmt: skip
    if values["legacy"]:
        values["embedding_size"] = [8, values["hidden_size"]][seed % 2]
    else:
        values["conv_groups"] = 2 if values["hidden_size"] % 2 == 0 else 1
    assert_parity(DebertaV2Config(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 0)


@SEEDS
def test_deberta(seed: int, tmp_path: Path) -> None:
    values = drawn(
        seed, relative_attention=[True, True, False], pos_att_type=[["c2p"], ["p2c"], "p2c|c2p", ["c2p", "p2c"]],
        position_biased_input=[True, False], max_relative_positions=[-1, 5, 40], type_vocab_size=[0, 2],
        legacy=[True, False], tie_word_embeddings=[True],
    )  # fmt: skip
    if values["legacy"]:
        values["embedding_size"] = [8, values["hidden_size"]][seed % 2]
    assert_parity(DebertaConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 0)


@pytest.mark.parametrize("kinds", [["c2p"], ["p2c"], ["c2p", "p2c"]])
@pytest.mark.parametrize("layers", [1, 2])
def test_each_kind_of_distance_in_a_last_layer_and_before_it(kinds: list[str], layers: int, tmp_path: Path) -> None:
    values = bert_values(3) | {"type_vocab_size": 0, "num_hidden_layers": layers, "max_position_embeddings": 60}
    values |= {"relative_attention": True, "pos_att_type": kinds, "position_biased_input": False}
    assert_parity(DebertaV2Config(**values, position_buckets=8, norm_rel_ebd="layer_norm"), tmp_path / "2")
    assert_parity(DebertaConfig(**values), tmp_path / "1")


def test_deberta_v3_without_the_word_legacy(tmp_path: Path) -> None:
    """Published configs are older than that key; the checkpoint says which head it was trained with."""
    config = DebertaV2Config(**bert_values(0) | {"tie_word_embeddings": True}, legacy=False)
    model = random_model(config)
    save(model, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"legacy": false,', ""))
    assert "legacy" not in path.read_text()
    assert_same(tmp_path, model, random_items(config))


@pytest.mark.parametrize(("count", "furthest"), [(256, 512), (64, 512), (32, 128), (16, 40)])
def test_debertas_buckets(count: int, furthest: int) -> None:
    differences = np.arange(-furthest, furthest + 1)
    expected = make_log_bucket_position(torch.from_numpy(differences), count, furthest)
    np.testing.assert_array_equal(disentangled.buckets(differences, count, furthest), expected.numpy())


@SEEDS
def test_esm(seed: int, tmp_path: Path) -> None:
    values = drawn(
        seed, token_dropout=[True, True, False], emb_layer_norm_before=[True, False, None], mask_token_id=[4],
        position_embedding_type=["rotary", "rotary", "absolute"], rope_theta=[100.0, 10_000.0],
    )  # fmt: skip
    config = EsmConfig(**values)
    model = random_model(config, seed)
    # Of a row of masks alone, transformers gives NaN.
    items = [item for item in random_items(config, seed=seed, rows=9) if len(item.positions) < len(item.ids)]
    assert_same(save(model, tmp_path), model, items)
    ((_, rows),) = MaskedLM(tmp_path).log_probabilities([MaskedInput([4, 4], [0, 0], [0, 1])])
    assert np.isfinite(rows).all()


@SEEDS
def test_ernie(seed: int, tmp_path: Path) -> None:
    values = drawn(seed, use_task_id=[True, False], task_type_vocab_size=[1, 3])
    assert_parity(ErnieConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@SEEDS
def test_rembert(seed: int, tmp_path: Path) -> None:
    values = drawn(seed, input_embedding_size=[6, 16], output_embedding_size=[6, 16, 24])
    values["tie_word_embeddings"] &= values["input_embedding_size"] == values["output_embedding_size"]
    assert_parity(RemBertConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@SEEDS
def test_roformer(seed: int, tmp_path: Path) -> None:
    values = drawn(seed, embedding_size=[6, 16, None], rotary_value=[True, False])
    assert_parity(RoFormerConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@pytest.mark.parametrize("stored", [True, False])
def test_roformers_own_table_of_angles_counts(stored: bool, tmp_path: Path) -> None:
    """Whatever it holds; without one both libraries compute it."""
    config = RoFormerConfig(**bert_values(1))
    model = transformers.RoFormerForMaskedLM(config).eval() if not stored else random_model(config)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(1 if stored else 20)
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    if not stored:
        save_file(
            {k: t for k, t in load_file(path).items() if "embed_positions" not in k}, path, metadata={"format": "pt"}
        )
    for engine in ("onnxruntime", "torch"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


@SEEDS
def test_squeezebert(seed: int, tmp_path: Path) -> None:
    keys = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")
    values = drawn(seed, **{key: [1, 2, 4] for key in keys}, intermediate_size=[24, 40])
    values |= {"embedding_size": values["hidden_size"]}
    assert_parity(SqueezeBertConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@pytest.mark.parametrize("seed", range(10))
def test_mobilebert(seed: int, tmp_path: Path) -> None:
    """Row by row: in a batch, transformers embeds the last token of a row together with its padding."""
    values = drawn(
        seed, embedding_size=[3, bert_values(seed)["hidden_size"] - 1], trigram_input=[True, False],
        use_bottleneck=[True, True, False], use_bottleneck_attention=[True, False], key_query_shared_bottleneck=[True],
        num_feedforward_networks=[1, 3], normalization_type=["no_norm", "layer_norm"],
        intra_bottleneck_size=[bert_values(seed)["num_attention_heads"] * 4],
    )  # fmt: skip
    if not values["use_bottleneck"]:
        values["use_bottleneck_attention"] = False
    config = MobileBertConfig(**values)
    model = random_model(config, seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, NoNorm):  # it holds nothing in bounds: states would grow from layer to layer
                module.weight.mul_(0.6)
    items = random_items(config, pairs=values["type_vocab_size"] > 1, seed=seed)
    assert_same(save(model, tmp_path), model, items, alone=True)


@SEEDS
def test_eurobert(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, 2])
    values = bert_values(seed) | {
        "num_attention_heads": 4, "hidden_size": 16, "num_key_value_heads": [None, 1, 2, 4][seed % 4],
        "head_dim": [None, 6][seed % 2], "attention_bias": bool(rng.integers(2)), "mlp_bias": bool(rng.integers(2)),
        "rms_norm_eps": float(rng.choice([1e-5, 1e-2])), "mask_token_id": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": float(rng.choice([100.0, 250_000.0]))},
    }  # fmt: skip
    assert_parity(EuroBertConfig(**values), tmp_path, seed=seed)


def test_the_old_form_of_euroberts_config(tmp_path: Path) -> None:
    """Published files give the base of the angles by its own name."""
    config = EuroBertConfig(
        **bert_values(2) | {"num_attention_heads": 4, "hidden_size": 16, "mask_token_id": 4},
        rope_parameters={"rope_type": "default", "rope_theta": 250.0},
    )
    model = random_model(config)
    save(model, tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    values |= {"rope_theta": values.pop("rope_parameters")["rope_theta"], "rope_scaling": None}
    path.write_text(json.dumps(values))
    for engine in ("onnxruntime", "torch"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


ESM_2 = bert_values(5) | {"token_dropout": True, "position_embedding_type": "rotary", "mask_token_id": 4}


@pytest.mark.parametrize(
    "name", ["esm.rotary_embeddings.inv_freq", "esm.encoder.layer.{}.attention.self.rotary_embeddings.inv_freq"]
)
def test_esms_own_frequencies_count(name: str, tmp_path: Path) -> None:
    """Rounded ones, as in published files, and others of the same layout after them, which the graph's cache must tell apart."""
    config = EsmConfig(**ESM_2)
    model = random_model(config)
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    stored = {key: tensor for key, tensor in load_file(path).items() if "inv_freq" not in key}
    frequencies = model.esm.rotary_embeddings.inv_freq.clone()
    for changed in (frequencies.half().float(), frequencies * 1.5):
        layers = range(config.num_hidden_layers if "{}" in name else 1)
        save_file(stored | {name.format(n): changed.clone() for n in layers}, path, metadata={"format": "pt"})
        model.esm.rotary_embeddings.inv_freq.copy_(changed)
        for engine in ("onnxruntime", "torch"):
            assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")
    save_file(stored, path, metadata={"format": "pt"})
    model.esm.rotary_embeddings.inv_freq.copy_(frequencies)
    for engine in ("onnxruntime", "torch"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


def test_esm_without_its_contact_head(tmp_path: Path) -> None:
    """It fills no masks."""
    model = random_model(EsmConfig(**ESM_2))
    save(model, tmp_path)
    path = tmp_path / "model.safetensors"
    save_file({k: t for k, t in load_file(path).items() if "contact" not in k}, path, metadata={"format": "pt"})
    for engine in ("onnxruntime", "torch"):
        assert_same(tmp_path, model, random_items(model.config), engine=engine, precision="float32")


@SEEDS
def test_nomic_bert(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    values = bert_values(seed) | {
        "rope_parameters": {"rope_type": "default", "rope_theta": float(rng.choice([100.0, 1000.0, 10_000.0]))},
        "head_dim": [None, 6][seed % 2],
        "hidden_act": str(rng.choice(ACTIVATIONS)),
    }
    assert_parity(NomicBertConfig(**values), tmp_path, seed=seed, pairs=values["type_vocab_size"] > 1)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (ConvBertConfig(**bert_values(0) | {"conv_kernel_size": 4}), "conv_kernel_size"),
        (DebertaV2Config(**bert_values(0), pos_att_type=["p2p"]), "pos_att_type"),
        (DebertaV2Config(**bert_values(0), conv_kernel_size=4), "conv_kernel_size"),
        (NomicBertConfig(**bert_values(0), rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e3}), "scaling"),
        (NomicBertConfig(**bert_values(0), rope_parameters={"type": "linear", "factor": 2.0, "rope_theta": 1e3}), "scaling"),
        (MPNetConfig(**bert_values(0), relative_attention_num_buckets=8), "relative_attention_num_buckets"),
        (ElectraConfig(**bert_values(0), is_decoder=True), "is_decoder"),
        (EsmConfig(**bert_values(0), mask_token_id=4, position_embedding_type="relative_key"), "position_embedding_type"),
    ],
)  # fmt: skip
def test_what_is_not_implemented_is_refused_by_name(config: Any, named: str, tmp_path: Path) -> None:
    save(random_model(config), tmp_path)
    with pytest.raises(UnsupportedModelError, match=named):
        MaskedLM(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        ConvBertConfig(**bert_values(2) | {"hidden_size": 16, "num_attention_heads": 4, "embedding_size": 8}),
        DebertaV2Config(
            **bert_values(2) | {"num_hidden_layers": 2}, relative_attention=True, pos_att_type="c2p|p2c",
            position_buckets=8, conv_kernel_size=3,
        ),
        MobileBertConfig(**bert_values(2) | {"embedding_size": 8, "intra_bottleneck_size": 8, "num_attention_heads": 2}),
        EsmConfig(**ESM_2),
    ],
)  # fmt: skip
def test_a_row_does_not_depend_on_its_company(config: Any, tmp_path: Path) -> None:
    """Where convolutions could let padding in."""
    ours = MaskedLM(save(random_model(config), tmp_path))
    items = random_items(config, rows=12)
    together = dict(ours.log_probabilities(items))
    for index, item in enumerate(items):
        ((_, alone),) = ours.log_probabilities([item])
        np.testing.assert_allclose(together[index], alone, atol=1e-5)


def test_special_ids_are_those_of_the_draws() -> None:
    """`bert_values` gives every family the padding id that the stand-in tokenizer has."""
    assert bert_values(0)["pad_token_id"] == SPECIAL["pad_token_id"] == 1
