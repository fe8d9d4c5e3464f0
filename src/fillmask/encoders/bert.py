"""BERT (Devlin et al. 2018): learned positions, two segments, post-norm layers, biases everywhere."""

from __future__ import annotations

from fillmask.encoders import bricks, postnorm
from fillmask.encoders.config import Config
from fillmask.encoders.graph import GraphBuilder
from fillmask.encoders.postnorm import BERT_LAYER, HeadNames, Sizes

HEAD = HeadNames(
    dense="cls.predictions.transform.dense",
    norm="cls.predictions.transform.LayerNorm",
    decoder="cls.predictions.decoder.weight",
    bias=("cls.predictions.bias", "cls.predictions.decoder.bias"),
)


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of BertForMaskedLM."""
    inputs = bricks.inputs(g)
    positions = postnorm.positions_from_zero(g, inputs)
    encode_and_predict(g, config, inputs, "bert", HEAD, positions, config.text("hidden_act", "gelu"))


def encode_and_predict(
    g: GraphBuilder, config: Config, inputs: bricks.Inputs, base: str, head: HeadNames, positions: str, head_act: str
) -> None:
    """All of a model of BERT's shape whose tensors begin with `base`."""
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    kinds = config.integer("type_vocab_size", 2)
    places = (positions, config.integer("max_position_embeddings", 512))
    words = g.weight(f"{base}.embeddings.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    x = postnorm.embeddings(g, inputs, f"{base}.embeddings", words, sizes.hidden, position=places, kinds=kinds)
    x = bricks.layer_norm(g, x, f"{base}.embeddings.LayerNorm", sizes.hidden, sizes.eps)
    layers = [f"{base}.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 12))]
    x = postnorm.encode(g, inputs, x, layers, BERT_LAYER, sizes, postnorm.padding(g, inputs))
    postnorm.head(
        g, config, inputs, x, head, words, hidden=sizes.hidden, size=sizes.hidden, activation=head_act, eps=sizes.eps
    )
