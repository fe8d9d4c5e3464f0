"""Checkpoint folders of real layouts and toy sizes, with random weights, written without torch.

They are standard Hugging Face folders, which transformers opens too. The
weights are drawn from a seed: the answers mean nothing, yet every part of the
model moves them.
"""

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from fillmask.training.corpus import CorpusFile
from fillmask.training.tokenizer import save_tokenizer, special_ids, train_tokenizer

VOCABULARY = 512
LONGEST = 128  # tokens with special tokens, for both shapes

SENTENCES = tuple(
    f"The {size} {animal} went to the {place} {time}. {pronoun} found {thing} there, and it was {opinion}."
    for (size, animal), (place, time), (pronoun, thing, opinion) in product(
        (("old", "dog"), ("small", "cat"), ("brown", "horse"), ("young", "fox")),
        (("bakery", "early"), ("river", "at noon"), ("town", "in winter"), ("market", "with a friend")),
        (("He", "bread", "good"), ("She", "two coins", "enough"), ("It", "nothing", "a pity")),
    )
)

_MODERNBERT = {
    "architectures": ["ModernBertForMaskedLM"],
    "model_type": "modernbert",
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": LONGEST,
    "local_attention": 8,
    "global_attn_every_n_layers": 3,
    "hidden_activation": "gelu",
    "classifier_activation": "gelu",
    "norm_eps": 1e-5,
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
    "decoder_bias": True,
    "tie_word_embeddings": True,
}
_ROBERTA = {
    "architectures": ["RobertaForMaskedLM"],
    "model_type": "roberta",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": LONGEST + 2,
    "type_vocab_size": 1,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}

_Shapes = dict[str, tuple[int, ...]]


@cache
def tokenizer() -> Tokenizer:
    """Byte-level BPE with RoBERTa's special tokens, trained on `SENTENCES`."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("\n\n".join(SENTENCES), "utf-8")
        return train_tokenizer([CorpusFile(text)], VOCABULARY)


def write_modernbert(folder: Path, *, seed: int = 0, **overrides: Any) -> Path:
    """A ModernBertForMaskedLM in `folder`; `overrides` change its config, and the weights with it."""
    config = _config(_MODERNBERT, overrides)
    every = config["global_attn_every_n_layers"]
    kinds = ["sliding_attention" if i % every else "full_attention" for i in range(config["num_hidden_layers"])]
    config = {"layer_types": kinds} | config
    return _write(folder, config, _modernbert_shapes(config), seed)


def write_classifier(folder: Path, *labels: str, seed: int = 0, **overrides: Any) -> Path:
    """A ModernBertForSequenceClassification in `folder`, of the shape of `write_modernbert`."""
    config = _config(_MODERNBERT, overrides) | {"architectures": ["ModernBertForSequenceClassification"]}
    config |= {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    shapes = {name: shape for name, shape in _modernbert_shapes(config).items() if not name.startswith("decoder")}
    shapes |= {"classifier.weight": (len(labels), config["hidden_size"]), "classifier.bias": (len(labels),)}
    return _write(folder, config, shapes, seed)


def write_roberta(folder: Path, *, seed: int = 0, **overrides: Any) -> Path:
    """A RobertaForMaskedLM in `folder`; `overrides` change its config, and the weights with it."""
    config = _config(_ROBERTA, overrides)
    return _write(folder, config, _roberta_shapes(config), seed)


def _config(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    special = special_ids(tokenizer())
    ids = {
        "vocab_size": tokenizer().get_vocab_size(),
        "pad_token_id": special.pad,
        "bos_token_id": special.bos,
        "cls_token_id": special.bos,
        "eos_token_id": special.eos,
        "sep_token_id": special.eos,
    }
    return {**defaults, **ids, **overrides}


def _modernbert_shapes(config: Mapping[str, Any]) -> _Shapes:
    size, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shapes: _Shapes = {"model.embeddings.tok_embeddings.weight": (vocabulary, size)}

    def linear(name: str, out_size: int, in_size: int, bias: bool) -> None:
        shapes[f"{name}.weight"] = (out_size, in_size)
        if bias:
            shapes[f"{name}.bias"] = (out_size,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = (size,)
        if config["norm_bias"]:
            shapes[f"{name}.bias"] = (size,)

    norm("model.embeddings.norm")
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        if number:
            norm(f"{layer}.attn_norm")
        linear(f"{layer}.attn.Wqkv", 3 * size, size, config["attention_bias"])
        linear(f"{layer}.attn.Wo", size, size, config["attention_bias"])
        norm(f"{layer}.mlp_norm")
        linear(f"{layer}.mlp.Wi", 2 * inner, size, config["mlp_bias"])
        linear(f"{layer}.mlp.Wo", size, inner, config["mlp_bias"])
    norm("model.final_norm")
    linear("head.dense", size, size, config["classifier_bias"])
    norm("head.norm")
    if not config["tie_word_embeddings"]:
        shapes["decoder.weight"] = (vocabulary, size)
    if config["decoder_bias"]:
        shapes["decoder.bias"] = (vocabulary,)
    return shapes


def _roberta_shapes(config: Mapping[str, Any]) -> _Shapes:
    size, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shapes: _Shapes = {
        "roberta.embeddings.word_embeddings.weight": (vocabulary, size),
        "roberta.embeddings.position_embeddings.weight": (config["max_position_embeddings"], size),
        "roberta.embeddings.token_type_embeddings.weight": (config["type_vocab_size"], size),
    }

    def linear(name: str, out_size: int, in_size: int) -> None:
        shapes[f"{name}.weight"] = (out_size, in_size)
        shapes[f"{name}.bias"] = (out_size,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (size,)

    norm("roberta.embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"roberta.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", size, size)
        linear(f"{layer}.attention.output.dense", size, size)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", inner, size)
        linear(f"{layer}.output.dense", size, inner)
        norm(f"{layer}.output.LayerNorm")
    linear("lm_head.dense", size, size)
    norm("lm_head.layer_norm")
    if not config["tie_word_embeddings"]:
        shapes["lm_head.decoder.weight"] = (vocabulary, size)
    shapes["lm_head.bias"] = (vocabulary,)
    return shapes


def _write(folder: Path, config: Mapping[str, Any], shapes: _Shapes, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    # Wide enough that probabilities are far from uniform and differ from place to place.
    tensors = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        if "norm" in name.lower() and name.endswith(".weight"):
            tensor += 1
    if "lm_head.decoder.weight" in tensors:  # an untied checkpoint keeps the one bias under both names
        tensors["lm_head.decoder.bias"] = tensors["lm_head.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    save_tokenizer(tokenizer(), folder, LONGEST)
    return folder
