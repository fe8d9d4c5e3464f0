"""ALBERT (Lan et al. 2019): narrow embeddings, and layers that share their weights in groups."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import ClassifierNames, EncoderOutput, HeadNames, LayerNames, Sizes

LAYER = LayerNames(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    out="attention.dense",
    attention_norm="attention.LayerNorm",
    up="ffn",
    down="ffn_output",
    norm="full_layer_layer_norm",
)
HEAD = HeadNames(
    dense="predictions.dense",
    norm="predictions.LayerNorm",
    decoder="predictions.decoder.weight",
    bias=("predictions.decoder.bias", "predictions.bias"),
)
CLASSIFIER = ClassifierNames("albert.pooler", "classifier", "tanh")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of AlbertForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation=config.text("hidden_act", "gelu_new"))


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of AlbertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config, default_activation="gelu_new")
    width = config.integer("embedding_size", 128)
    places = (postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512))
    base = "albert.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), width)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, base, words, width, position=places, kinds=kinds)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", width, sizes.eps)
    x = ops.linear(g, x, "albert.encoder.embedding_hidden_mapping_in", sizes.hidden, width)
    x = postnorm.encode(g, inputs, x, _layers(config), LAYER, sizes, postnorm.padding(g, inputs))
    return EncoderOutput(x, words, width, sizes)


def _layers(config: Config) -> list[str]:
    """The prefix of each layer in turn: every step takes all inner layers of its group."""
    steps, groups = config.integer("num_hidden_layers", 12), config.integer("num_hidden_groups", 1)
    return [
        f"albert.encoder.albert_layer_groups.{int(step / (steps / groups))}.albert_layers.{inner}"
        for step in range(steps)
        for inner in range(config.integer("inner_group_num", 1))
    ]
