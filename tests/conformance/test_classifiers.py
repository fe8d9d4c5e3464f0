"""Classifiers beside transformers' own: logits of every family, and the answers of its pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity is held against transformers, which the train extra brings")

import transformers
from parity import save
from pipelines import write_bert
from test_parity import SPECIAL, bert_values
from test_torch_engine import SMALL
from tiny import LONGEST, SENTENCES, tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, ModernBertConfig

from fillmask.errors import UnsupportedModelError
from fillmask.runtime.engines.openvino import has_bfloat16
from fillmask.tasks.classify import Classifier
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training.tokenizer import save_tokenizer

LABELS = {0: "bad", 1: "good", 2: "neither"}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "distilbert": {},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16, "num_hidden_groups": 1},
    "mpnet": {},
    "convbert": {"embedding_size": 16, "head_ratio": 2, "conv_kernel_size": 3, "num_groups": 2},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8, "conv_kernel_size": 3},
    "nomic_bert": {},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "ernie": {"use_task_id": True},
    "esm": {"token_dropout": True, "position_embedding_type": "rotary", "mask_token_id": 4},
    "eurobert": {"mask_token_id": 4, "classifier_pooling": "bos", "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "mobilebert": {"num_attention_heads": 2, "intra_bottleneck_size": 16, "embedding_size": 3, "num_feedforward_networks": 2, "normalization_type": "layer_norm"},
    "rembert": {"input_embedding_size": 16},
    "roformer": {"embedding_size": 16},
    "squeezebert": {"hidden_size": 32, "embedding_size": 32, "num_attention_heads": 4, "intermediate_size": 24},
    "modernbert": {},
}  # fmt: skip


def config_of(family: str, seed: int, **more: Any) -> Any:
    values = bert_values(seed) | {"vocab_size": tokenizer().get_vocab_size(), "max_position_embeddings": LONGEST + 2}
    if family == "convbert":
        values |= {"num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 24, "type_vocab_size": 2}
    if family == "distilbert":
        values |= {"dim": values["hidden_size"], "n_heads": values["num_attention_heads"], "n_layers": values["num_hidden_layers"], "hidden_dim": 24, "activation": "gelu"}  # fmt: skip
    if family in ("deberta", "deberta-v2"):
        values |= {"type_vocab_size": 0, "tie_word_embeddings": True}
    return AutoConfig.for_model(family, **values | FAMILIES[family] | {"id2label": LABELS} | more)


def modernbert(seed: int, pooling: str) -> Any:
    return ModernBertConfig(
        vocab_size=tokenizer().get_vocab_size(), hidden_size=32, num_attention_heads=2, num_hidden_layers=1 + seed,
        intermediate_size=24, max_position_embeddings=LONGEST, local_attention=8, classifier_pooling=pooling,
        classifier_bias=bool(seed % 2), norm_bias=bool(seed % 2), id2label=LABELS, **SPECIAL,
    )  # fmt: skip


def write(config: Any, folder: Path, seed: int = 0) -> Any:
    """A random classifier in which every tensor moves the logits, with the tests' tokenizer."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1:
                tensor += torch.randn_like(tensor) * 0.3
            else:
                tensor.copy_(torch.randn_like(tensor) * (0.4 if "embed" in name else 1.3 * tensor.shape[-1] ** -0.5))
    save_tokenizer(tokenizer(), folder, LONGEST)
    save(model, folder)
    return model


def expected(model: Any, ids: list[list[int]], types: list[list[int]]) -> np.ndarray:
    """transformers' logits, row by row."""
    rows = []
    for row, kinds in zip(ids, types, strict=True):
        inputs = {"input_ids": torch.tensor([row])}
        if any(kinds):
            inputs["token_type_ids"] = torch.tensor([kinds])
        with torch.no_grad():
            rows.append(model(**inputs).logits[0].numpy())
    return np.array(rows)


def check(folder: Path, model: Any, *, pairs: bool = False, tolerance: float = 1e-4, **how: Any) -> None:
    """The logits of texts of mixed lengths, all in one call, are the model's."""
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, model.config.vocab_size, n).tolist() for n in (30, 4, 17, 9, 23, 9)]
    types = [(np.arange(len(row)) >= len(row) // 2).astype(int).tolist() if pairs else [0] * len(row) for row in ids]
    ours = Classifier(folder, **how)
    items = [
        MaskedInput(row, kinds, range(len(row)) if ours._everywhere else (0,))
        for row, kinds in zip(ids, types, strict=True)
    ]
    reference = expected(model, ids, types)
    assert np.ptp(reference, axis=0).min() > 0.1, "the reference does not depend on the text: it would hide errors"
    np.testing.assert_allclose(ours._logits(items), reference, atol=tolerance, rtol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", list(FAMILIES)[:-1])
def test_every_family(family: str, seed: int, tmp_path: Path) -> None:
    config = config_of(family, seed)
    model = write(config, tmp_path, seed)
    check(tmp_path, model, pairs=getattr(config, "type_vocab_size", 0) > 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_modernbert(pooling: str, seed: int, tmp_path: Path) -> None:
    check(tmp_path, write(modernbert(seed, pooling), tmp_path, seed))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("pooling", ["late", "mean"])
def test_eurobert_over_all_tokens(pooling: str, seed: int, tmp_path: Path) -> None:
    check(tmp_path, write(config_of("eurobert", seed, classifier_pooling=pooling), tmp_path, seed))


def test_mobilebert_without_a_pooler(tmp_path: Path) -> None:
    check(tmp_path, write(config_of("mobilebert", 1, classifier_activation=False), tmp_path))


@pytest.mark.parametrize("config", [modernbert(1, "cls"), modernbert(2, "mean"), config_of("bert", 1), config_of("deberta-v2", 1)])  # fmt: skip
def test_every_engine(config: Any, tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the openvino engine needs the openvino extra")
    model = write(config, tmp_path)
    check(tmp_path, model, engine="openvino")
    check(tmp_path, model, engine="torch")
    if getattr(config, "type_vocab_size", 0) > 1:
        check(tmp_path, model, engine="torch", pairs=True)
    for engine in ("onnxruntime", "openvino"):
        check(tmp_path, model, engine=engine, precision="int8", tolerance=0.4)
    check(tmp_path, model, engine="torch", precision="bfloat16", tolerance=0.4)
    if has_bfloat16():
        check(tmp_path, model, engine="openvino", precision="bfloat16", tolerance=0.4)


def test_a_family_without_a_graph(tmp_path: Path) -> None:
    for family in ("megatron-bert", "fnet"):
        folder = tmp_path / family
        config = AutoConfig.for_model(family, **SMALL | {"id2label": LABELS, "vocab_size": 512})
        model = write(config, folder)
        assert Classifier(folder).engine.name == "torch"
        check(folder, model)


def test_a_torch_model_with_a_part_missing_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from fillmask.errors import CorruptCheckpointError

    write(config_of("bert", 0), tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for engine in ("torch", "onnxruntime"):
        with pytest.raises(CorruptCheckpointError, match=r"classifier\.bias is missing"):
            Classifier(tmp_path, engine=engine)


def test_pooler_of_another_size_is_refused(tmp_path: Path) -> None:
    write(config_of("deberta-v2", 0), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"pooler_hidden_size": ', '"pooler_hidden_size": 1'))
    with pytest.raises(UnsupportedModelError, match="pooler_hidden_size"):
        Classifier(tmp_path)


KINDS: dict[str, dict[str, Any]] = {
    "single": {"id2label": LABELS},
    "two without names": {},
    "multi": {"id2label": LABELS, "problem_type": "multi_label_classification"},
    "regression": {"id2label": {0: "grade"}, "problem_type": "regression"},
    "one label": {"id2label": {0: "spam"}},
}
CALLS: list[dict[str, Any]] = [
    {},
    {"top_k": None},
    {"top_k": 1},
    {"top_k": 2},
    {"top_k": 9},
    {"function_to_apply": "sigmoid"},
    {"function_to_apply": "softmax", "top_k": 2},
    {"function_to_apply": "none", "top_k": None},
]
TEXTS: list[Any] = [
    SENTENCES[0],
    [SENTENCES[0]],
    list(SENTENCES[:5]),
    {"text": SENTENCES[0], "text_pair": SENTENCES[1]},
    [{"text": SENTENCES[0], "text_pair": SENTENCES[1]}, {"text": SENTENCES[2]}],
]


def same(found: Any, theirs: Any) -> None:
    """The same shape and labels, and scores to 1e-4."""
    assert type(found) is type(theirs)
    if isinstance(found, list):
        assert len(found) == len(theirs)
        for a, b in zip(found, theirs, strict=True):
            same(a, b)
    else:
        assert list(found) == list(theirs) == ["label", "score"]
        assert found["label"] == theirs["label"]
        assert found["score"] == pytest.approx(theirs["score"], abs=1e-4)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_pipelines_answers(kind: str, tmp_path: Path) -> None:
    """Of BERT, whose pairs have two segments."""
    folder = write_bert(tmp_path)
    config = AutoConfig.from_pretrained(folder)
    for key, value in KINDS[kind].items():
        setattr(config, key, value)
    config.architectures = None
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.mul_(6) if tensor.ndim > 1 else tensor.add_(0.1 * torch.randn_like(tensor))
    model.save_pretrained(folder)
    theirs = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    ours = Classifier(folder)
    for call in CALLS:
        for text in TEXTS:
            same(ours(text, **call), theirs(text, **call))
    same(list(ours(t for t in SENTENCES)), list(theirs(t for t in SENTENCES)))
    long = " ".join(SENTENCES[:30])
    same(ours(long, truncation=True), theirs(long, truncation=True))
    same(ours(long, truncation=True, max_length=9), theirs(long, truncation=True, max_length=9))
    both = {"text": long, "text_pair": long}
    same(ours(both, truncation=True), theirs(both, truncation=True))
    every = transformers.pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    for text in TEXTS:
        same(Classifier(folder, top_k=None)(text), every(text))
