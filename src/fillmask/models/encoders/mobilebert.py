"""MobileBERT (Sun et al. 2020): narrow layers between wide states, and norms that only scale and shift.

A layer narrows its input, attends and runs several feed-forwards in the narrow space, then widens what comes out and
adds it to the input. A token is embedded together with its two neighbours; padding is kept out of them, so that a
row's answer does not depend on the length of its neighbours in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import Biases

_DEFAULT_EPS = 1e-5  # of the norms that the config's value does not reach


@dataclass(frozen=True)
class _Sizes:
    """What a config says of the layers; `narrow` is the size of the states inside one."""

    hidden: int
    narrow: int
    heads: int
    inner: int
    activation: str
    eps: float
    scales_only: bool
    bottleneck: bool
    attention_in_bottleneck: bool
    shared_bottleneck: bool
    feed_forwards: int

    @classmethod
    def of(cls, config: Config) -> _Sizes:
        hidden, bottleneck = config.integer("hidden_size", 512), config.flag("use_bottleneck", True)
        narrow = config.integer("intra_bottleneck_size", 128) if bottleneck else hidden
        config.require("normalization_type", "no_norm", "layer_norm")
        heads = config.integer("num_attention_heads", 4)
        if heads == 0 or narrow % heads:
            raise UnsupportedModelError(
                f"config.json has {heads} attention heads in layers of size {narrow}; expected a divisor"
            )
        return cls(
            hidden,
            narrow,
            heads,
            config.integer("intermediate_size", 512),
            config.text("hidden_act", "relu"),
            config.number("layer_norm_eps", 1e-12),
            config.text("normalization_type", "no_norm") == "no_norm",
            bottleneck,
            config.flag("use_bottleneck_attention", False),
            config.flag("key_query_shared_bottleneck", True),
            config.integer("num_feedforward_networks", 4),
        )


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of MobileBertForMaskedLM.

    The output matrix is in two parts: the word embeddings, which are narrower than the states, and one of the head's.
    """
    inputs = ops.inputs(g)
    sizes = _Sizes.of(config)
    vocab_size, width = config.integer("vocab_size"), config.integer("embedding_size", 128)
    states, words = _encode(g, config, inputs, sizes)
    names = bert.HEAD
    x = g.op("Gather", states, inputs.masks)
    x = ops.activation(g, ops.linear(g, x, names.dense, sizes.hidden, sizes.hidden), sizes.activation)
    x = ops.layer_norm(g, x, names.norm, sizes.hidden, sizes.eps)
    decoder, bias = postnorm.output_matrix(g, config, names, words, width), postnorm.output_bias(g, config, names)
    rest = sizes.hidden - width
    own = "cls.predictions.dense.weight"
    if rest:
        x, other = g.split("Split", x, g.int64_vector(width, rest), outputs=2, axis=-1)
        bias = g.op("Add", g.op("MatMul", other, g.weight(own, rest, vocab_size)), bias)
    else:
        g.has(own)  # it has no rows
    ops.log_probabilities(g, g.op("Gemm", x, decoder, bias, transB=1), vocab_size)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of MobileBertForSequenceClassification."""
    inputs = ops.inputs(g)
    sizes = _Sizes.of(config)
    states, _ = _encode(g, config, inputs, sizes)
    x = g.op("Gather", states, inputs.masks)
    if config.flag("classifier_activation", True):
        x = g.op("Tanh", ops.linear(g, x, "mobilebert.pooler.dense", sizes.hidden, sizes.hidden))
    ops.logits(g, ops.linear(g, x, "classifier", labels, sizes.hidden), labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: _Sizes) -> tuple[Value, Value]:
    """States at the slots, (B·S, hidden), and the word embeddings, (vocabulary, width)."""
    x, words = _embed(g, config, inputs, sizes)
    biases = postnorm.padding(g, inputs)
    layers = config.integer("num_hidden_layers", 24)
    for number in range(layers):
        x = _layer(g, inputs, x, f"mobilebert.encoder.layer.{number}", sizes, biases, last=number == layers - 1)
    return (x if layers else ops.at_slots(g, x, inputs)), words


def _embed(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: _Sizes) -> tuple[Value, Value]:
    """Embedded tokens, (B·T, hidden), and the word embeddings, (vocabulary, width)."""
    base, size = "mobilebert.embeddings", sizes.hidden
    width, trigram = config.integer("embedding_size", 128), config.flag("trigram_input", True)
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), width)
    x = ops.embed(g, words, inputs.ids, width)
    if trigram:
        x = _with_neighbours(g, inputs, x, width)
    names = f"{base}.embedding_transformation"
    if trigram or width != size:
        x = ops.linear(g, x, names, size, width * (3 if trigram else 1))
    else:
        _mark_read(g, names, norm=False)  # the file holds it, and nothing reads it
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
    x = g.op("Reshape", x, batched)
    table = g.weight(f"{base}.position_embeddings.weight", config.integer("max_position_embeddings", 512), size)
    x = g.op("Add", x, g.op("Gather", table, postnorm.positions_from_zero(g, inputs)))
    x = postnorm.add_types(g, x, base, size, config.integer("type_vocab_size", 2))
    x = g.op("Reshape", x, g.int64_vector(-1, size))
    return _norm(g, x, f"{base}.LayerNorm", size, sizes, _DEFAULT_EPS), words


def _with_neighbours(g: GraphBuilder, inputs: GraphInputs, x: Value, width: int) -> Value:
    """Flat x (B·T, n) with the next and the previous token's on either side: (B·T, 3n); there are none at the ends."""
    real = g.op("Cast", g.op("Reshape", inputs.attention_mask, g.int64_vector(-1, 1)), to=1)
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(width), axis=0)
    x = g.op("Reshape", g.op("Mul", x, real), batched)
    length = g.op("Shape", inputs.ids, start=1, end=2)
    padded = g.op("Pad", x, g.int64_vector(0, 1, 0, 0, 1, 0))  # (B, T + 2, n)
    previous, own, following = (
        g.op("Slice", padded, g.int64_vector(start), g.op("Add", length, g.int64_vector(start)), g.int64_vector(1))
        for start in range(3)
    )
    return g.op("Reshape", g.op("Concat", following, own, previous, axis=-1), g.int64_vector(-1, 3 * width))


def _mark_read(g: GraphBuilder, prefix: str, *, norm: bool = True) -> None:
    """Count a layer's tensors as read, which the model has and does not use."""
    layers = [f"{prefix}.dense", f"{prefix}.LayerNorm"] if norm else [prefix]
    for layer in layers:
        g.has(f"{layer}.weight")
        g.has(f"{layer}.bias")


def _norm(g: GraphBuilder, x: Value, prefix: str, size: int, sizes: _Sizes, eps: float) -> Value:
    """The config's kind of norm: a layer norm, or a scale and a shift for each coordinate."""
    if not sizes.scales_only:
        return ops.layer_norm(g, x, prefix, size, eps)
    return g.op("Add", g.op("Mul", x, g.weight(f"{prefix}.weight", size)), g.weight(f"{prefix}.bias", size))


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: _Sizes, biases: Biases, *, last: bool
) -> Value:
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer."""
    size, narrow, heads = sizes.hidden, sizes.narrow, sizes.heads
    head = narrow // heads

    def narrowed(y: Value, name: str) -> Value:
        y = ops.linear(g, y, f"{prefix}.bottleneck.{name}.dense", narrow, size)
        return _norm(g, y, f"{prefix}.bottleneck.{name}.LayerNorm", narrow, sizes, sizes.eps)

    def feed_forward(y: Value, up: str, down: str, norm: str, eps: float) -> Value:
        inner = ops.activation(g, ops.linear(g, y, f"{prefix}.{up}", sizes.inner, narrow), sizes.activation)
        inner = ops.linear(g, inner, f"{prefix}.{down}", narrow, sizes.inner)
        return _norm(g, g.op("Add", inner, y), f"{prefix}.{norm}", narrow, sizes, eps)

    def query_source(y: Value, residual: Value) -> Value:
        if not sizes.bottleneck:
            return y
        if sizes.attention_in_bottleneck:
            if sizes.shared_bottleneck:  # the file holds this too, and nothing reads it
                _mark_read(g, f"{prefix}.bottleneck.attention")
            return residual
        return narrowed(y, "attention") if sizes.shared_bottleneck else y

    residual = narrowed(x, "input") if sizes.bottleneck else x
    source = query_source(x, residual)
    value_source, value_size = (residual, narrow) if sizes.attention_in_bottleneck else (x, size)
    k = ops.linear(g, source, f"{prefix}.attention.self.key", narrow, narrow)
    v = ops.linear(g, value_source, f"{prefix}.attention.self.value", narrow, value_size)
    like, bias = inputs.ids, biases.everywhere
    if last:
        x, residual, source = (ops.at_slots(g, y, inputs) for y in (x, residual, source))
        like, bias = inputs.slots, biases.slots
    q = ops.linear(g, source, f"{prefix}.attention.self.query", narrow, narrow)
    q, k, v = (ops.split_heads(g, y, of, heads, head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids)))
    y = ops.attend(g, q, k, v, bias, heads, head)
    y = g.op("Add", ops.linear(g, y, f"{prefix}.attention.output.dense", narrow, narrow), residual)
    y = _norm(g, y, f"{prefix}.attention.output.LayerNorm", narrow, sizes, sizes.eps)
    for number in range(sizes.feed_forwards - 1):
        own = f"ffn.{number}"
        y = feed_forward(y, f"{own}.intermediate.dense", f"{own}.output.dense", f"{own}.output.LayerNorm", sizes.eps)
    y = feed_forward(y, "intermediate.dense", "output.dense", "output.LayerNorm", _DEFAULT_EPS)
    if not sizes.bottleneck:
        return y
    y = g.op("Add", ops.linear(g, y, f"{prefix}.output.bottleneck.dense", size, narrow), x)
    return _norm(g, y, f"{prefix}.output.bottleneck.LayerNorm", size, sizes, sizes.eps)
