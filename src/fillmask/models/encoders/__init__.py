"""ONNX graphs of encoder families, built from config and weights without torch.

`build` turns a checkpoint's config and the layout of its weights into a
serialised graph that gives log-probabilities at the masked positions only;
`build_classifier` into one that gives the logits of labels.
Nothing here runs a graph. The families import `onnx`, so they are imported
when a graph is built and not before: a cached graph starts without them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

from fillmask.errors import UnsupportedModelError
from fillmask.models import heads
from fillmask.models.config import Config
from fillmask.models.heads import Task
from fillmask.models.weights import Weights


@dataclass(frozen=True)
class Graph:
    """A serialised ONNX model and the weights that it must be given.

    Attributes:
        references: see `Weights.floats`.
        tables: those of them in which rows are looked up.
    """

    model: bytes
    references: tuple[str, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """A family's module here, where its models keep their tensors, and how many tokens they take.

    Attributes:
        module: of this package.
        base: the module of the encoder in the checkpoint, such as `bert`.
        mask_head: modules that only a masked language model holds; one of them is enough.
        classifier_head: modules that only a classifier holds; one of them is enough.
        ignored: patterns of tensors that a file may hold for nothing, as in transformers.
        positions: number of positions, where the config does not say.
        first: number of the first token's position: the tokens have so many fewer positions. "pad" stands for the
            one after the padding id.
    """

    module: str
    base: str
    mask_head: tuple[str, ...]
    classifier_head: tuple[str, ...] = ("classifier",)
    ignored: tuple[str, ...] = ()
    positions: int = 512
    first: int | Literal["pad"] = 0

    def head(self, task: Task) -> tuple[str, ...]:
        return self.mask_head if task == "fill" else self.classifier_head


_BERT_HEAD, _ROBERTA_HEAD = ("cls.predictions",), ("lm_head",)
_ELECTRA_HEAD = ("generator_predictions", "generator_lm_head")
_POSITIONS = (r"(^|\.)embeddings\.position_embeddings\.",)
_ROBERTA = Family("roberta", "roberta", _ROBERTA_HEAD, first="pad")

# By model_type in config.json.
FAMILIES = {
    "bert": Family("bert", "bert", _BERT_HEAD),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Family("distilbert", "distilbert", ("vocab_transform", "vocab_layer_norm", "vocab_projector")),
    "albert": Family("albert", "albert", ("predictions",)),
    "electra": Family("electra", "electra", _ELECTRA_HEAD),
    "mpnet": Family("mpnet", "mpnet", _ROBERTA_HEAD, first=2),
    "convbert": Family("convbert", "convbert", _ELECTRA_HEAD),
    "deberta": Family("deberta", "deberta", ("lm_predictions", *_BERT_HEAD), ignored=_POSITIONS),
    "deberta-v2": Family("deberta_v2", "deberta", ("lm_predictions", *_BERT_HEAD), ignored=_POSITIONS),
    "ernie": Family("ernie", "ernie", _BERT_HEAD),
    "esm": Family(
        "esm",
        "esm",
        _ROBERTA_HEAD,
        ignored=(*_POSITIONS, r"(^|\.)contact_head\."),
        positions=1026,
        first="pad",
    ),
    "eurobert": Family("eurobert", "model", _ROBERTA_HEAD, positions=8192),
    "mobilebert": Family("mobilebert", "mobilebert", _BERT_HEAD),
    "rembert": Family("rembert", "rembert", _BERT_HEAD),
    "roformer": Family("roformer", "roformer", _BERT_HEAD, positions=1536),
    "squeezebert": Family("squeezebert", "transformer", _BERT_HEAD),
    "nomic_bert": Family("nomic_bert", "nomic_bert", _BERT_HEAD, positions=2048),
    # Its classifier has a `head` too.
    "modernbert": Family("modernbert", "model", ("decoder",), positions=8192),
}

_DEBERTAS = ("deberta", "deberta-v2")
# Families without a graph here whose first token, as RoBERTa's, has the position after the padding id.
_COUNTED_FROM_PAD = frozenset({
    "data2vec-text", "ibert", "longformer", "luke", "roberta-prelayernorm", "xlm-roberta-xl", "xmod",
})  # fmt: skip

# Counts changes to any graph; a cached graph of another version is not used.
VERSION = 10


def has_graph(config: Config) -> bool:
    """Whether the config's family has a graph here."""
    return config.family in FAMILIES


def holds_head(config: Config, weights: Weights, task: Task) -> bool:
    """Whether a checkpoint holds the head for a task: by its tensors, or, where these do not tell, by its class.

    The tensors do not tell for a family that has no graph here, and for a mask head that is the word embeddings alone.
    """
    family = FAMILIES.get(config.family)
    if family is not None and any(heads.starts_with_any(name, family.head(task)) for name in weights):
        return True
    undecided = family is None or (task == "fill" and _head_may_have_no_tensor(config))
    return undecided and heads.is_saved_for(config, task)


def _head_may_have_no_tensor(config: Config) -> bool:
    """Whether a mask head of the family may be the word embeddings alone."""
    if config.family == "modernbert":
        return config.flag("tie_word_embeddings", True) and not config.flag("decoder_bias", True)
    if config.family == "eurobert":
        return config.flag("tie_word_embeddings", False) and not config.flag("mlp_bias", False)
    return False


def longest(config: Config) -> int | None:
    """Most tokens, special ones included, that the model has positions for; None where nothing says."""
    family = FAMILIES.get(config.family)
    if family is None:
        positions = config.integer("max_position_embeddings", 0)
        first = config.integer("pad_token_id", 1) + 1 if config.family in _COUNTED_FROM_PAD else 0
        return positions - first if positions > first else None
    first = config.integer("pad_token_id", 1) + 1 if family.first == "pad" else family.first
    return config.integer("max_position_embeddings", family.positions) - first


def describe_head(config: Config, weights: Weights, task: Task) -> str | None:
    """Which modules of a checkpoint are its head for a task; None where it has no such head."""
    if not holds_head(config, weights, task):
        return None
    family = FAMILIES.get(config.family)
    if family is None:
        return ", ".join(heads.class_names(config)) or "known when torch loads it"
    modules = [module for module in family.head(task) if any(heads.starts_with_any(name, [module]) for name in weights)]
    if task == "fill" and config.family in _DEBERTAS and uses_own_head(config, weights):
        return "lm_predictions, with which DeBERTa was trained"
    if task == "fill" and config.family in _DEBERTAS:
        return "cls.predictions, of transformers"
    return ", ".join(modules) or "the word embeddings"


def transformers_options(config: Config, weights: Weights) -> dict[str, Any]:
    """Values that `from_pretrained` must be given so that transformers builds the head that the checkpoint holds."""
    if config.family in _DEBERTAS:
        return {"legacy": not uses_own_head(config, weights)}
    return {}


def uses_own_head(config: Config, weights: Weights) -> bool:
    """Whether a DeBERTa fills masks with the head that it was trained with, `lm_predictions`.

    transformers' own head, `cls.predictions`, runs where the file holds only that one, or holds both and the config
    says `legacy`.
    """
    own = any(heads.starts_with_any(name, ["lm_predictions"]) for name in weights)
    other = any(heads.starts_with_any(name, ["cls.predictions"]) for name in weights)
    return own and not (other and config.flag("legacy", False))


def stored_constants(config: Config, weights: Weights) -> list[float]:
    """Values of the checkpoint that the graph holds itself, and on which it depends therefore."""
    if config.family == "esm":
        frequencies = importlib.import_module("fillmask.models.encoders.esm").stored_frequencies(weights)
        return [] if frequencies is None else [float(value) for value in frequencies]
    return []


def build(config: Config, weights: Weights) -> Graph:
    """The ONNX graph of the checkpoint.

    Raises:
        UnsupportedModelError: the family or a config value is not implemented.
        CorruptCheckpointError: the weights do not fit the config.
    """
    return _built(config, weights)


def build_classifier(config: Config, weights: Weights, labels: int) -> Graph:
    """The ONNX graph of a checkpoint with a classifier for so many labels.

    The graph is asked for the first place of each row, or for all of them in order: see `pools_all`.

    Raises:
        UnsupportedModelError: the family or a config value is not implemented.
        CorruptCheckpointError: the weights do not fit the config.
    """
    return _built(config, weights, labels)


def pools_all(config: Config) -> bool:
    """Whether the classifier of the config's family looks at all places of a text, not at the first alone."""
    if config.family == "eurobert":
        return config.text("classifier_pooling", "late") != "bos"
    return config.family == "modernbert" and config.text("classifier_pooling", "cls") == "mean"


def _built(config: Config, weights: Weights, labels: int | None = None) -> Graph:
    if not has_graph(config):
        raise UnsupportedModelError(
            f"config.json has model_type={config.family!r}, which has no graph here; expected one of"
            f" {', '.join(FAMILIES)}, or engine='torch', which runs what transformers runs"
        )
    family = FAMILIES[config.family]
    task: Task = "fill" if labels is None else "classify"
    module = importlib.import_module(f"fillmask.models.encoders.{family.module}")
    builder = importlib.import_module("fillmask.models.encoders.graph").GraphBuilder(weights, family.base)
    if labels is None:
        module.build(builder, config)
    else:
        module.build_classifier(builder, config, labels)
    heads.check_all_read(builder.unread(), family.base, family.head(task), family.ignored)
    return Graph(builder.serialize(config.family), builder.references(), builder.tables())
