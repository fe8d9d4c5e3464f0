"""ONNX graphs of encoder families, built from config and weights without torch.

`build` turns a checkpoint's config and the layout of its weights into a
serialised graph that gives log-probabilities at the masked positions only.
Nothing here runs a graph. The families import `onnx`, so they are imported
when a graph is built and not before: a cached graph starts without them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from fillmask.encoders.config import Config
from fillmask.errors import UnsupportedModelError
from fillmask.weights import Weights


@dataclass(frozen=True)
class Graph:
    """A serialised ONNX model, and the references to weights that it must be given (see `Weights.floats`)."""

    model: bytes
    references: tuple[str, ...]


# model_type in config.json → module of this package.
FAMILIES = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "modernbert": "modernbert",
}

# Counts changes to any graph; a cached graph of another version is not used.
VERSION = 3


def has_graph(config: Config) -> bool:
    """Whether the config's family has a graph here."""
    return config.family in FAMILIES


def check_family(config: Config) -> str:
    """The module for the config's family.

    Raises:
        UnsupportedModelError: the family is not implemented.
    """
    if config.family not in FAMILIES:
        raise UnsupportedModelError(
            f"config.json has model_type={config.family!r}; expected one of {', '.join(FAMILIES)}"
        )
    return FAMILIES[config.family]


def longest(config: Config) -> int:
    """Most tokens, special ones included, that the model has positions for."""
    if check_family(config) == "roberta":  # positions start after the padding id
        return config.integer("max_position_embeddings", 512) - config.integer("pad_token_id", 1) - 1
    return config.integer("max_position_embeddings", 8192 if config.family == "modernbert" else 512)


def build(config: Config, weights: Weights) -> Graph:
    """The ONNX graph of the checkpoint.

    Raises:
        UnsupportedModelError: the family or a config value is not implemented.
        CorruptCheckpointError: the weights do not fit the config.
    """
    module = importlib.import_module(f"fillmask.encoders.{check_family(config)}")
    builder = importlib.import_module("fillmask.encoders.graph").GraphBuilder(weights)
    module.build(builder, config)
    return Graph(builder.serialize(config.family), builder.references())
