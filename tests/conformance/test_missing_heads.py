"""A checkpoint that lacks a tensor, or holds one too many, is refused by every engine; none is filled up at random."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch engine needs the torch extra")
pytest.importorskip("openvino", reason="the openvino engine needs the openvino extra")

import transformers
from parity import assert_same, random_items, random_model, save
from safetensors.torch import load_file, save_file
from test_torch_engine import GRAPHS, NO_GRAPH, SMALL
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from fillmask.errors import CheckpointError, CorruptCheckpointError, UnsupportedModelError
from fillmask.models import encoders
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.tasks.classify import Classifier

Tensors = dict[str, Any]
EVERY_FAMILY = {"bert": {}, "roberta": {}, "modernbert": {}} | GRAPHS | NO_GRAPH
WITH_CLASSIFIER = sorted(set(EVERY_FAMILY) - {"fnet", "nystromformer", "xlm"})


def config_of(family: str, **more: Any) -> Any:
    return AutoConfig.for_model(family, **SMALL | EVERY_FAMILY[family] | more)


def engines_of(family: str) -> list[str]:
    return ["onnxruntime", "openvino", "torch"] if family in encoders.FAMILIES else ["torch"]


def edited(folder: Path, edit: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    save_file(edit(load_file(path)), path, metadata={"format": "pt"})


@pytest.mark.parametrize("family", list(EVERY_FAMILY))
def test_an_encoder_alone(family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = config_of(family)
    model = AutoModel.from_config(config)
    save(model, tmp_path)
    for engine in engines_of(family):
        for _ in range(2):
            with pytest.raises(
                UnsupportedModelError, match=rf"no masked language model head.* {type(model).__name__};"
            ):
                MaskedLM(tmp_path, RuntimeOptions(engine=engine))
    assert "LOAD REPORT" not in capfd.readouterr().err


@pytest.mark.parametrize("family", list(EVERY_FAMILY))
def test_an_encoder_alone_that_says_it_is_more(family: str, tmp_path: Path) -> None:
    """The tensors count, whatever class the config names, and whether or not they begin with the encoder's name."""
    config = config_of(family)
    model = AutoModelForMaskedLM.from_config(config)
    save(model, tmp_path)
    base = f"{model.base_model_prefix}."
    edited(tmp_path, lambda tensors: {name: t for name, t in tensors.items() if name.startswith(base)})
    for prefix in (base, ""):
        edited(tmp_path, lambda tensors, prefix=prefix: {prefix + k.removeprefix(base): t for k, t in tensors.items()})  # type: ignore[misc]
        for engine in engines_of(family):
            with pytest.raises(
                UnsupportedModelError, match=r"no masked language model head \(\S.*weights hold no such"
            ):
                MaskedLM(tmp_path, RuntimeOptions(engine=engine))


@pytest.mark.parametrize("family", WITH_CLASSIFIER)
def test_a_classifier_does_not_fill_and_a_mask_model_does_not_classify(family: str, tmp_path: Path) -> None:
    config = config_of(family)
    classifier = AutoModelForSequenceClassification.from_config(config)
    save(classifier, tmp_path / "classifier")
    model = AutoModelForMaskedLM.from_config(config)
    save(model, tmp_path / "model")
    for engine in engines_of(family):
        with pytest.raises(UnsupportedModelError, match=rf"no masked language model head.*{type(classifier).__name__}"):
            MaskedLM(tmp_path / "classifier", RuntimeOptions(engine=engine))
        with pytest.raises(UnsupportedModelError, match=rf"no classification head.*{type(model).__name__}"):
            Classifier(tmp_path / "model", engine=engine)


@pytest.mark.parametrize("family", list(EVERY_FAMILY))
def test_each_tensor_that_is_missing_is_named(family: str, tmp_path: Path) -> None:
    model = AutoModelForMaskedLM.from_config(config_of(family))
    save(model, tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    head = [name for name in whole if not name.startswith(f"{model.base_model_prefix}.")]
    layers = [name for name in whole if "layer" in name and "inv_freq" not in name]
    for name in {head[0], head[-1], layers[0], layers[-1]}:
        if len(head) == 1 and name in head:
            continue  # that is a checkpoint without a head
        edited(tmp_path, lambda _, name=name: {key: t for key, t in whole.items() if key != name})  # type: ignore[misc]
        for engine in engines_of(family):
            # ModernBERT's head shares all tensors but this one with its classifier's.
            alone = family == "modernbert" and name == "decoder.bias"
            with pytest.raises(CheckpointError, match="no masked language model head" if alone else "missing"):
                MaskedLM(tmp_path, RuntimeOptions(engine=engine))


@pytest.mark.parametrize("family", ["bert", "modernbert", "deberta-v2", "roformer", "megatron-bert"])
def test_a_layer_too_many_another_shape_and_a_strange_tensor(family: str, tmp_path: Path) -> None:
    config = config_of(family)
    save(AutoModelForMaskedLM.from_config(config), tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    path = tmp_path / "config.json"
    stored = json.loads(path.read_text())
    layers = {"num_hidden_layers": 1} | ({"layer_types": stored["layer_types"][:1]} if "layer_types" in stored else {})
    path.write_text(json.dumps(stored | layers))
    for engine in engines_of(family):
        with pytest.raises(CorruptCheckpointError, match=r"tensor .*1\..* more have no place in the model"):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))
    path.write_text(json.dumps(stored | {"intermediate_size": 40}))
    for engine in engines_of(family):
        with pytest.raises(CorruptCheckpointError, match=r"tensor .* has shape \[.*\]; expected \["):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))
    path.write_text(json.dumps(stored))
    edited(tmp_path, lambda _: whole | {"adapter.weight": torch.zeros(2)})
    for engine in engines_of(family):
        with pytest.raises(CorruptCheckpointError, match=r"tensor adapter\.weight has no place in the model"):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))


@pytest.mark.parametrize("family", ["bert", "roformer"])
def test_names_with_a_prefix_too_many_are_no_head(family: str, tmp_path: Path) -> None:
    save(AutoModelForMaskedLM.from_config(config_of(family)), tmp_path)
    edited(tmp_path, lambda tensors: {f"model.{name}": t for name, t in tensors.items()})
    for engine in engines_of(family):
        with pytest.raises(UnsupportedModelError, match="the weights hold no such tensors"):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))


def test_what_published_checkpoints_keep_does_no_harm(tmp_path: Path) -> None:
    """Positions, a pooler and the head for pairs of sentences, as in bert-base-uncased."""
    config = config_of("bert")
    model = random_model(config)
    pretraining = transformers.BertForPreTraining(config)
    save(pretraining, tmp_path)
    extra = {
        name: tensor
        for name, tensor in load_file(tmp_path / "model.safetensors").items()
        if "pooler" in name or "seq_relationship" in name
    }
    assert len(extra) == 4
    save(model, tmp_path)
    edited(tmp_path, lambda tensors: tensors | extra | {"bert.embeddings.position_ids": torch.arange(64)[None]})
    for engine in engines_of("bert"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2", "modernbert"])
def test_an_encoder_without_its_name_beside_the_head(family: str, tmp_path: Path) -> None:
    """transformers reads such a file, and so do the graphs."""
    config = config_of(family)
    model = random_model(config)
    save(model, tmp_path)
    base = f"{model.base_model_prefix}."
    edited(tmp_path, lambda tensors: {name.removeprefix(base): t for name, t in tensors.items()})
    for engine in engines_of(family):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


def test_the_head_that_deberta_was_trained_with(tmp_path: Path) -> None:
    """It runs where the file holds no other, whatever the config says, and in every engine."""
    config = config_of("deberta-v2", legacy=False)
    model = random_model(config)
    save(model, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"legacy": True}))
    for engine in engines_of("deberta-v2"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")


def test_a_mask_head_without_tensors_of_its_own(tmp_path: Path) -> None:
    """ModernBERT's, where the output matrix is the word embeddings and has no bias: the class says what was trained."""
    config = config_of("modernbert", decoder_bias=False)
    model = random_model(config)
    save(model, tmp_path)
    for engine in engines_of("modernbert"):
        assert_same(tmp_path, model, random_items(config), engine=engine, precision="float32")
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace("ForMaskedLM", "ForTokenClassification"))
    for engine in engines_of("modernbert"):
        with pytest.raises(UnsupportedModelError, match=r"no masked language model head.*ForTokenClassification"):
            MaskedLM(tmp_path, RuntimeOptions(engine=engine))
