"""Families without a graph here run through torch, and those with one give there what they give everywhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch engine needs the torch extra")
pytest.importorskip("openvino", reason="the openvino engine needs the openvino extra")

from parity import assert_same, random_items, random_model, save
from test_parity import bert_values
from tiny import VOCABULARY, tokenizer
from transformers import AutoConfig, AutoModelForMaskedLM

from fillmask import FillMask
from fillmask.errors import TextTooLongError, UnsupportedModelError
from fillmask.runtime.engines.openvino import has_bfloat16
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.training.tokenizer import save_tokenizer

FILLMASK = Path(sys.executable).parent / "fillmask"
SMALL = {
    "vocab_size": 60, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48,
    "max_position_embeddings": 64, "type_vocab_size": 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
# Without a graph: plain, padding that leaks, and old names in the config.
NO_GRAPH: dict[str, dict[str, Any]] = {
    "megatron-bert": {},
    "roberta-prelayernorm": {},
    "fnet": {},
    "nystromformer": {},
    "xlm": {"emb_dim": 32, "n_heads": 4, "n_layers": 2},
}


def config_of(family: str) -> Any:
    return AutoConfig.for_model(family, **SMALL | NO_GRAPH[family])


@pytest.mark.parametrize("family", list(NO_GRAPH))
def test_a_family_without_a_graph(family: str, tmp_path: Path) -> None:
    config = config_of(family)
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)  # far from uniform
    save(model, tmp_path)
    assert_same(tmp_path, model, random_items(config), alone=True)
    assert MaskedLM(tmp_path).engine.name == "torch"


@pytest.mark.parametrize("family", ["roberta-prelayernorm", "data2vec-text", "xlm-roberta-xl", "xmod"])
def test_texts_too_long_for_positions_that_begin_after_the_padding_id(family: str, tmp_path: Path) -> None:
    values = SMALL | {"vocab_size": VOCABULARY, "max_position_embeddings": 34}
    if family == "xmod":
        values |= {"languages": ["en_XX"], "default_language": "en_XX"}
    save_tokenizer(tokenizer(), tmp_path, 1 << 20)  # the model alone says how long a text may be
    save(AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, **values)), tmp_path)
    unmask = FillMask(tmp_path)
    room = 32 - len(unmask.tokenizer.encode("<mask>"))
    assert len(unmask("<mask>" + " the" * room)) == 5
    with pytest.raises(TextTooLongError, match="the text has 33 tokens and the model takes 32"):
        unmask("<mask>" + " the" * (room + 1))


@pytest.mark.parametrize("family", ["bert", "albert", "electra", "roformer", "megatron-bert"])
def test_two_segments(family: str, tmp_path: Path) -> None:
    """With a graph elsewhere or without one, the segments of a pair reach the model."""
    config = AutoConfig.for_model(family, **SMALL | ({"embedding_size": 16} if family in ("albert", "electra") else {}))
    model = random_model(config)
    save(model, tmp_path)
    assert_same(tmp_path, model, random_items(config, pairs=True), alone=True, engine="torch", precision="float32")


def test_a_second_segment_that_the_model_has_not(tmp_path: Path) -> None:
    """RoBERTa has one type: as in the graphs, others are passed over."""
    config = AutoConfig.for_model("roberta", **SMALL | {"type_vocab_size": 1})
    save(random_model(config), tmp_path)
    items = random_items(config, pairs=True)
    found = [
        dict(MaskedLM(tmp_path, RuntimeOptions(engine=e)).log_probabilities(items)) for e in ("torch", "onnxruntime")
    ]
    for index in range(len(items)):
        np.testing.assert_allclose(found[0][index], found[1][index], atol=1e-4, rtol=0)


def test_the_other_engines_name_the_torch_engine(tmp_path: Path) -> None:
    save(AutoModelForMaskedLM.from_config(config_of("megatron-bert")), tmp_path)
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(UnsupportedModelError, match=r"'megatron-bert', which has no graph here.*engine='torch'"):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))


def test_a_class_that_does_not_run_in_bfloat16(tmp_path: Path) -> None:
    save(AutoModelForMaskedLM.from_config(config_of("fnet")), tmp_path)
    lm = MaskedLM(tmp_path, RuntimeOptions(engine="torch", precision="bfloat16"))
    with pytest.raises(UnsupportedModelError, match=r"FNetForMaskedLM does not run in bfloat16.*precision='float32'"):
        list(lm.log_probabilities(random_items(config_of("fnet"))))


def models_info(folder: Path) -> dict[str, Any]:
    command = [FILLMASK, "models", "info", "--json", folder]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    facts: dict[str, Any] = json.loads(shown.stdout)
    return facts


def test_models_info_of_a_family_without_a_graph(tmp_path: Path) -> None:
    save(AutoModelForMaskedLM.from_config(config_of("xlm")), tmp_path)
    facts = models_info(tmp_path)
    assert (facts["family"], facts["engines"], facts["mask_head"]) == ("xlm", "torch", "XLMWithLMHeadModel")


@pytest.mark.parametrize(
    ("legacy", "head"),
    [(False, "lm_predictions, with which DeBERTa was trained"), (True, "cls.predictions, of transformers")],
)
@pytest.mark.parametrize("family", ["deberta", "deberta-v2"])
def test_models_info_names_debertas_head(family: str, legacy: bool, head: str, tmp_path: Path) -> None:
    save(
        AutoModelForMaskedLM.from_config(AutoConfig.for_model(family, **SMALL | GRAPHS[family] | {"legacy": legacy})),
        tmp_path,
    )
    facts = models_info(tmp_path)
    assert facts["mask_head"] == head
    assert facts["classifier"] is None
    assert facts["engines"] == "onnxruntime, openvino, torch"


def test_a_model_that_is_none(tmp_path: Path) -> None:
    save(random_model(AutoConfig.for_model("bert", **bert_values(0))), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"bert"', '"gpt2"'))
    with pytest.raises(UnsupportedModelError, match="transformers has no masked language model"):
        MaskedLM(tmp_path, RuntimeOptions(engine="torch"))


GRAPHS = {
    "albert": {"embedding_size": 16},
    "convbert": {"embedding_size": 16, "head_ratio": 2, "conv_kernel_size": 3, "num_groups": 2},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8, "conv_kernel_size": 3},
    "distilbert": {"dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
    "ernie": {"use_task_id": True},
    "esm": {"token_dropout": True, "position_embedding_type": "rotary", "mask_token_id": 4},
    "eurobert": {"num_key_value_heads": 2, "mask_token_id": 4, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "mobilebert": {"intra_bottleneck_size": 16, "embedding_size": 16},
    "mpnet": {},
    "nomic_bert": {},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 24},
    "roformer": {},
    "squeezebert": {"embedding_size": 32},
}  # fmt: skip


@pytest.mark.parametrize("family", list(GRAPHS))
def test_every_engine_and_precision(family: str, tmp_path: Path) -> None:
    config = AutoConfig.for_model(family, **SMALL | GRAPHS[family])
    model = random_model(config)
    save(model, tmp_path)
    items = random_items(config)
    assert_same(tmp_path, model, items, alone=True, engine="openvino", precision="float32")
    assert_same(tmp_path, model, items, alone=True, engine="torch", precision="float32")
    exact = dict(MaskedLM(tmp_path).log_probabilities(items))
    rounded = [("onnxruntime", "int8"), ("openvino", "int8")] + [("openvino", "bfloat16")] * has_bfloat16()
    for engine, precision in rounded:
        found = dict(MaskedLM(tmp_path, RuntimeOptions(engine=engine, precision=precision)).log_probabilities(items))
        divergence = [(np.exp(exact[i]) * (exact[i] - found[i])).sum(axis=1).mean() for i in exact]
        assert 0 < np.mean(divergence) < 0.1
