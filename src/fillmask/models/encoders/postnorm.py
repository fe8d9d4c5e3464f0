"""What BERT and most of its children share: embeddings, post-norm layers, and the heads.

A family is its tensors' names and the few places where its arithmetic
differs. Shapes as in `ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fillmask.models.config import Config
from fillmask.models.encoders import ops
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.rotary import Angles


@dataclass(frozen=True)
class LayerNames:
    """Where a layer keeps its tensors, below its own prefix."""

    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    up: str
    down: str
    norm: str


BERT_LAYER = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    out="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm="output.LayerNorm",
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a layer, its activation, and the epsilon of its norms."""

    hidden: int
    heads: int
    inner: int
    activation: str
    eps: float

    @property
    def head(self) -> int:
        return self.hidden // self.heads

    @classmethod
    def of(cls, config: Config, *, default_activation: str = "gelu", default_eps: float = 1e-12) -> Sizes:
        """From a config in BERT's terms; the defaults are a family's own."""
        config.divided("hidden_size", "num_attention_heads")
        return cls(
            config.integer("hidden_size", 768),
            config.integer("num_attention_heads", 12),
            config.integer("intermediate_size", 3072),
            config.text("hidden_act", default_activation),
            config.number("layer_norm_eps", default_eps),
        )


@dataclass(frozen=True)
class EncoderOutput:
    """What an encoder hands to its head: states at the slots, (B·S, hidden), and the word embeddings, (vocabulary, width)."""

    states: Value
    words: Value
    width: int
    sizes: Sizes


@dataclass(frozen=True)
class Biases:
    """What is added to attention scores: for queries everywhere, to (B, H, T, T), and at the slots, to (B, H, S, T)."""

    everywhere: Value
    slots: Value


@dataclass(frozen=True)
class Rotation:
    """Rotary positions: how queries and keys are turned, and by which angles everywhere and at the slots.

    Attributes:
        values: whether values are turned too.
    """

    rotate: Callable[[GraphBuilder, Value, Angles], Value]
    everywhere: Angles
    slots: Angles
    values: bool = False


def padding(g: GraphBuilder, inputs: GraphInputs) -> Biases:
    """Masks padding only; every token attends to every other token."""
    bias = ops.padding_bias(g, inputs)
    return Biases(bias, bias)


def positions_from_zero(g: GraphBuilder, inputs: GraphInputs) -> Value:
    """0, 1, 2 …: (T,)."""
    length = g.op("Squeeze", g.op("Shape", inputs.ids, start=1, end=2), g.int64_vector(0))
    return g.op("Range", g.int64(0), length, g.int64(1))


def positions_after_padding(g: GraphBuilder, inputs: GraphInputs, pad_id: int) -> Value:
    """Numbered from the padding id up over the tokens that are not padding: (B, T)."""
    pad = g.int64(pad_id)
    real = g.op("Cast", g.op("Not", g.op("Equal", inputs.ids, pad)), to=7)
    return g.op("Add", g.op("Mul", g.op("CumSum", real, g.int64(1)), real), pad)


def embeddings(
    g: GraphBuilder,
    inputs: GraphInputs,
    prefix: str,
    words: Value,
    size: int,
    *,
    position: tuple[Value, int] | None,
    kinds: int,
) -> Value:
    """Sum of word, position and token-type embeddings, (B·T, size).

    Args:
        position: positions, (T,) or (B, T), and how many there are; None where a family has none.
        kinds: token types; 0 where a family has none.
    """
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
    x = g.op("Reshape", ops.embed(g, words, inputs.ids, size), batched)
    if position is not None:
        places, count = position
        table = g.weight(f"{prefix}.position_embeddings.weight", count, size)
        x = g.op("Add", x, g.op("Gather", table, places))
    return g.op("Reshape", add_types(g, x, prefix, size, kinds), g.int64_vector(-1, size))


def add_types(g: GraphBuilder, x: Value, prefix: str, size: int, kinds: int) -> Value:
    """x (B, T, size) with the embedding of each token's type added; unchanged where there are no types."""
    if not kinds:
        return x
    types = g.weight(f"{prefix}.token_type_embeddings.weight", kinds, size)
    if kinds > 1:
        types = g.op("Gather", types, g.input("token_type_ids", "batch", "length"))
    return g.op("Add", x, types)


def encode(
    g: GraphBuilder, inputs: GraphInputs, x: Value, layers: Sequence[str], names: LayerNames, sizes: Sizes,
    biases: Biases, rotation: Rotation | None = None,
) -> Value:  # fmt: skip
    """States x (B·T, hidden) through the layers of these prefixes, to states at the mask slots, (B·S, hidden)."""
    for number, prefix in enumerate(layers):
        x = layer(g, inputs, x, prefix, names, sizes, biases, rotation, last=number == len(layers) - 1)
    return x if layers else ops.at_slots(g, x, inputs)


def layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, names: LayerNames, sizes: Sizes, biases: Biases,
    rotation: Rotation | None = None, *, last: bool,
) -> Value:  # fmt: skip
    """Attention and feed-forward, each added to its input and normed; the last layer's queries are the slots alone."""
    size = sizes.hidden
    k = ops.linear(g, x, f"{prefix}.{names.key}", size, size)
    v = ops.linear(g, x, f"{prefix}.{names.value}", size, size)
    like, bias = inputs.ids, biases.everywhere
    if last:
        x, like, bias = ops.at_slots(g, x, inputs), inputs.slots, biases.slots
    q = ops.linear(g, x, f"{prefix}.{names.query}", size, size)
    q, k, v = (
        ops.split_heads(g, y, of, sizes.heads, sizes.head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids))
    )
    if rotation is not None:
        q = rotation.rotate(g, q, rotation.slots if last else rotation.everywhere)
        k = rotation.rotate(g, k, rotation.everywhere)
        v = rotation.rotate(g, v, rotation.everywhere) if rotation.values else v
    mixed = ops.attend(g, q, k, v, bias, sizes.heads, sizes.head)
    return after_attention(g, x, mixed, prefix, names, sizes)


def after_attention(
    g: GraphBuilder, x: Value, mixed: Value, prefix: str, names: LayerNames, sizes: Sizes, *, groups: int = 1
) -> Value:
    """The rest of a layer, from what attention mixed for each state, (N, hidden) both.

    Args:
        groups: into how many blocks the feed-forward's matrices fall.
    """
    size, inner = sizes.hidden, sizes.inner
    mixed = ops.linear(g, mixed, f"{prefix}.{names.out}", size, size)
    x = ops.layer_norm(g, g.op("Add", mixed, x), f"{prefix}.{names.attention_norm}", size, sizes.eps)
    y = ops.grouped_linear(g, x, f"{prefix}.{names.up}", inner, size, groups)
    y = ops.activation(g, y, sizes.activation)
    y = ops.grouped_linear(g, y, f"{prefix}.{names.down}", size, inner, groups)
    return ops.layer_norm(g, g.op("Add", y, x), f"{prefix}.{names.norm}", size, sizes.eps)


@dataclass(frozen=True)
class HeadNames:
    """Where the head keeps its tensors.

    Attributes:
        dense, norm: the layers before the output matrix.
        decoder: the output matrix; None for a head whose matrix always is the word embeddings, whatever the config says.
        bias: names of the output bias, in order of preference. Most models hold one tensor under two names, the
            decoder's and the head's own; where a file has both, the decoder's counts.
        tied_by_default: whether the output matrix is the word embeddings where the config does not say it.
    """

    dense: str
    norm: str
    decoder: str | None
    bias: tuple[str, ...]
    tied_by_default: bool = True


def head(
    g: GraphBuilder, config: Config, inputs: GraphInputs, encoded: EncoderOutput, names: HeadNames, *, activation: str
) -> None:
    """From states at the slots to the graph's output. The word embeddings are the decoder's matrix where they are tied.

    As in transformers a matrix that the file holds is used even if the config says that the embeddings are tied: it is
    a copy of them, or they are not tied.
    """
    words, size, sizes = encoded.words, encoded.width, encoded.sizes
    vocab_size = config.integer("vocab_size")
    x = g.op("Gather", encoded.states, inputs.masks)
    x = ops.activation(g, ops.linear(g, x, names.dense, size, sizes.hidden), activation)
    x = ops.layer_norm(g, x, names.norm, size, sizes.eps)
    decoder, bias = output_matrix(g, config, names, words, size), output_bias(g, config, names)
    ops.log_probabilities(g, g.op("Gemm", x, decoder, bias, transB=1), vocab_size)


def output_matrix(g: GraphBuilder, config: Config, names: HeadNames, words: Value, width: int) -> Value:
    """The matrix that turns states of the head into logits, (vocabulary, width): the head's own, or the word embeddings."""
    if names.decoder is None:
        return words
    if config.flag("tie_word_embeddings", names.tied_by_default) and not g.has(names.decoder):
        return words
    return g.weight(names.decoder, config.integer("vocab_size"), width)


def output_bias(g: GraphBuilder, config: Config, names: HeadNames) -> Value:
    """The bias of each word, (vocabulary,)."""
    stored = [name for name in names.bias if g.has(name)]
    return g.weight(stored[0] if stored else names.bias[-1], config.integer("vocab_size"))


@dataclass(frozen=True)
class ClassifierNames:
    """A head that classifies by the first token: a dense layer as wide as the states, an activation, and the labels' layer.

    `activation` is the function's name, or, with `configured`, the key under which the config names it.
    """

    dense: str
    out: str
    activation: str
    configured: bool = False


# BERT's own pooler, below the model's prefix; and the one that RoBERTa put beside the encoder.
FIRST_TOKEN = ClassifierNames("classifier.dense", "classifier.out_proj", "tanh")


def classifier(
    g: GraphBuilder, config: Config, inputs: GraphInputs, encoded: EncoderOutput, names: ClassifierNames, labels: int
) -> None:
    """From states at the slots, each row's being its first token, to the logits of the labels."""
    size = encoded.sizes.hidden
    act = config.text(names.activation, "gelu") if names.configured else names.activation
    x = g.op("Gather", encoded.states, inputs.masks)
    x = ops.activation(g, ops.linear(g, x, names.dense, size, size), act)
    ops.logits(g, ops.linear(g, x, names.out, labels, size), labels)


def refuse_decoders(config: Config) -> None:
    """Raise UnsupportedModelError for a config of a decoder, or of a form of positions that left transformers."""
    config.require("position_embedding_type", "absolute")
    config.require("is_decoder", False)
    config.require("add_cross_attention", False)
