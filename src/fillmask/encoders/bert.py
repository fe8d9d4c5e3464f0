"""BERT (Devlin et al. 2018) and the families that share its encoder.

Learned positions, post-norm layers, biases everywhere. RoBERTa differs in how
it numbers positions and in the names of its head; the rest is one graph, so
what differs is a `Names` table and a position rule, not a second encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.encoders import bricks
from fillmask.encoders.bricks import Inputs
from fillmask.encoders.config import Config
from fillmask.encoders.graph import GraphBuilder


@dataclass(frozen=True)
class Names:
    """Where a family keeps its tensors.

    `bias` has two names: the head's own and the decoder's. They are one tensor where embeddings are tied; where
    they are not, the decoder's is the one that is used.
    """

    base: str
    dense: str
    norm: str
    decoder: str
    bias: tuple[str, str]


BERT = Names(
    base="bert",
    dense="cls.predictions.transform.dense",
    norm="cls.predictions.transform.LayerNorm",
    decoder="cls.predictions.decoder.weight",
    bias=("cls.predictions.bias", "cls.predictions.decoder.bias"),
)


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of BertForMaskedLM."""
    inputs = bricks.inputs(g)
    length = g.op("Squeeze", g.op("Shape", inputs.ids, start=1, end=2), g.wholes(0))
    positions = g.op("Range", g.whole(0), length, g.whole(1))
    head_act = config.text("hidden_act", "gelu")
    encode_and_predict(g, config, inputs, BERT, positions, head_act)


def encode_and_predict(
    g: GraphBuilder, config: Config, inputs: Inputs, names: Names, positions: str, head_act: str
) -> None:
    """Embeddings, layers and head; `positions` is (T,) or (B, T)."""
    config.require("position_embedding_type", "absolute")
    config.require("is_decoder", False)
    config.require("add_cross_attention", False)
    size = config.integer("hidden_size", 768)
    layers = config.integer("num_hidden_layers", 12)
    eps = config.number("layer_norm_eps", 1e-12)
    vocab_size = config.integer("vocab_size", 30522)

    words = g.weight(f"{names.base}.embeddings.word_embeddings.weight", vocab_size, size)
    x = _embeddings(g, config, inputs, names, words, positions, size)
    x = bricks.layer_norm(g, x, f"{names.base}.embeddings.LayerNorm", size, eps)
    bias = bricks.padding_bias(g, inputs)
    for number in range(layers):
        prefix = f"{names.base}.encoder.layer.{number}"
        x = _layer(g, config, inputs, prefix, x, bias, size, eps, last=number == layers - 1)
    if layers == 0:
        x = bricks.at_slots(g, x, inputs)

    x = g.op("Gather", x, inputs.chosen)
    x = bricks.activation(g, bricks.linear(g, x, names.dense, size, size), head_act)
    x = bricks.layer_norm(g, x, names.norm, size, eps)
    tied = config.flag("tie_word_embeddings", True)
    decoder = words if tied else g.weight(names.decoder, vocab_size, size)
    candidates = names.bias if tied else names.bias[::-1]
    bias_name = next((name for name in candidates if g.has(name)), names.bias[0])
    logits = g.op("Gemm", x, decoder, g.weight(bias_name, vocab_size), transB=1)
    bricks.log_probabilities(g, logits, vocab_size)


def _embeddings(
    g: GraphBuilder, config: Config, inputs: Inputs, names: Names, words: str, positions: str, size: int
) -> str:
    """Sum of word, position and token-type embeddings, (B·T, size)."""
    prefix = f"{names.base}.embeddings"
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.wholes(size), axis=0)
    x = g.op("Reshape", bricks.embed(g, words, inputs.ids, size), batched)
    table = g.weight(f"{prefix}.position_embeddings.weight", config.integer("max_position_embeddings", 512), size)
    x = g.op("Add", x, g.op("Gather", table, positions))
    kinds = config.integer("type_vocab_size", 2)
    types = g.weight(f"{prefix}.token_type_embeddings.weight", kinds, size)
    if kinds > 1:
        x = g.op("Add", x, g.op("Gather", types, g.input("token_type_ids", "batch", "length")))
    else:
        x = g.op("Add", x, types)
    return g.op("Reshape", x, g.wholes(-1, size))


def _layer(
    g: GraphBuilder,
    config: Config,
    inputs: Inputs,
    prefix: str,
    x: str,
    bias: str,
    size: int,
    eps: float,
    *,
    last: bool,
) -> str:
    heads = config.integer("num_attention_heads", 12)
    head_size = config.divided("hidden_size", "num_attention_heads")
    inner = config.integer("intermediate_size", 3072)
    k = bricks.linear(g, x, f"{prefix}.attention.self.key", size, size)
    v = bricks.linear(g, x, f"{prefix}.attention.self.value", size, size)
    like = inputs.ids
    if last:
        x, like = bricks.at_slots(g, x, inputs), inputs.slots
    q = bricks.linear(g, x, f"{prefix}.attention.self.query", size, size)
    q, k, v = (
        bricks.split_heads(g, y, of, heads, head_size) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids))
    )
    mixed = bricks.attend(g, q, k, v, bias, heads, head_size)
    mixed = bricks.linear(g, mixed, f"{prefix}.attention.output.dense", size, size)
    x = bricks.layer_norm(g, g.op("Add", mixed, x), f"{prefix}.attention.output.LayerNorm", size, eps)
    y = bricks.linear(g, x, f"{prefix}.intermediate.dense", inner, size)
    y = bricks.activation(g, y, config.text("hidden_act", "gelu"))
    y = bricks.linear(g, y, f"{prefix}.output.dense", size, inner)
    return bricks.layer_norm(g, g.op("Add", y, x), f"{prefix}.output.LayerNorm", size, eps)
