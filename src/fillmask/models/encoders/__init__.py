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
from typing import Literal

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
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
    """A family's module here, and how many tokens its models take.

    Attributes:
        module: of this package.
        positions: where the config does not say.
        first: number of the first token's position: the tokens have so many fewer positions. "pad" stands for the
            one after the padding id.
    """

    module: str
    positions: int = 512
    first: int | Literal["pad"] = 0


# By model_type in config.json.
FAMILIES = {
    "bert": Family("bert"),
    "roberta": Family("roberta", first="pad"),
    "xlm-roberta": Family("roberta", first="pad"),
    "camembert": Family("roberta", first="pad"),
    "distilbert": Family("distilbert"),
    "albert": Family("albert"),
    "electra": Family("electra"),
    "mpnet": Family("mpnet", first=2),
    "convbert": Family("convbert"),
    "deberta-v2": Family("deberta_v2"),
    "nomic_bert": Family("nomic_bert", positions=2048),
    "modernbert": Family("modernbert", positions=8192),
}

# Families without a graph here whose first token, as RoBERTa's, has the position after the padding id.
_COUNTED_FROM_PAD = frozenset({
    "data2vec-text", "esm", "ibert", "longformer", "luke", "roberta-prelayernorm", "xlm-roberta-xl", "xmod",
})  # fmt: skip

# Counts changes to any graph; a cached graph of another version is not used.
VERSION = 8


def has_graph(config: Config) -> bool:
    """Whether the config's family has a graph here."""
    return config.family in FAMILIES


def is_masked_lm(config: Config) -> bool:
    """Whether the config is of a masked language model, by its family or by the class that it was saved from."""
    return has_graph(config) or any("ForMaskedLM" in str(name) for name in config.raw("architectures", []) or [])


def longest(config: Config) -> int | None:
    """Most tokens, special ones included, that the model has positions for; None where nothing says."""
    family = FAMILIES.get(config.family)
    if family is None:
        positions = config.integer("max_position_embeddings", 0)
        first = config.integer("pad_token_id", 1) + 1 if config.family in _COUNTED_FROM_PAD else 0
        return positions - first if positions > first else None
    first = config.integer("pad_token_id", 1) + 1 if family.first == "pad" else family.first
    return config.integer("max_position_embeddings", family.positions) - first


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
    return config.family == "modernbert" and config.text("classifier_pooling", "cls") == "mean"


def _built(config: Config, weights: Weights, labels: int | None = None) -> Graph:
    if not has_graph(config):
        raise UnsupportedModelError(
            f"config.json has model_type={config.family!r}, which has no graph here; expected one of"
            f" {', '.join(FAMILIES)}, or engine='torch', which runs what transformers runs"
        )
    module = importlib.import_module(f"fillmask.models.encoders.{FAMILIES[config.family].module}")
    builder = importlib.import_module("fillmask.models.encoders.graph").GraphBuilder(weights)
    if labels is None:
        module.build(builder, config)
    else:
        module.build_classifier(builder, config, labels)
    return Graph(builder.serialize(config.family), builder.references(), builder.tables())
