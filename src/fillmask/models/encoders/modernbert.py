"""ModernBERT (Warner et al. 2024): pre-norm layers, rotary positions, gated feed-forward.

Some layers attend to all tokens, others to a window round each; the two kinds
may rotate at different bases. The first layer has no attention norm, since
the embeddings have just been normalised.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.errors import CorruptCheckpointError, UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, rotary
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.rotary import Angles

_DEFAULT_THETA = {"full_attention": 160_000.0, "sliding_attention": 10_000.0}
_OLD_THETA = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}


@dataclass(frozen=True)
class _Kind:
    """What a kind of layer (global or local) shares: rotations at all positions and at the slots, and score biases for both."""

    everywhere: Angles
    slots: Angles
    bias: Value
    slots_bias: Value


def layer_types(config: Config) -> list[str]:
    """`full_attention` or `sliding_attention` for each layer, from the new or the old form of the config."""
    layers = config.integer("num_hidden_layers", 22)
    every = config.integer("global_attn_every_n_layers", 3)
    if "layer_types" not in config and every == 0:
        raise CorruptCheckpointError("config.json has global_attn_every_n_layers=0; expected 1 or more")
    kinds = config.raw("layer_types") or ["sliding_attention" if i % every else "full_attention" for i in range(layers)]
    if len(kinds) != layers:
        raise CorruptCheckpointError(f"config.json has {len(kinds)} layer_types for num_hidden_layers={layers}")
    unknown = set(kinds) - set(_DEFAULT_THETA)
    if unknown:
        raise UnsupportedModelError(
            f"config.json has layer_types {sorted(unknown)}; expected full_attention or sliding_attention"
        )
    return list(kinds)


def _theta(config: Config, kind: str) -> float:
    return rotary.theta(config, config.number(_OLD_THETA[kind], _DEFAULT_THETA[kind]), kind)


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of ModernBertForMaskedLM."""
    inputs = ops.inputs(g)
    x, words = _encode(g, config, inputs)
    x = _norm(g, config, g.op("Gather", x, inputs.masks), "model.final_norm")
    x = _head(g, config, x)
    vocab_size, size = config.integer("vocab_size", 50368), config.integer("hidden_size", 768)
    # A matrix that the file holds is used whatever the config says: see `postnorm.head`.
    tied = config.flag("tie_word_embeddings", True) and not g.has("decoder.weight")
    decoder = words if tied else g.weight("decoder.weight", vocab_size, size)
    parts = [x, decoder] + ([g.weight("decoder.bias", vocab_size)] if config.flag("decoder_bias", True) else [])
    ops.log_probabilities(g, g.op("Gemm", *parts, transB=1), vocab_size)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of ModernBertForSequenceClassification.

    Where the config pools by the mean, the slots of a row are all its places in order, as many as the batch is long.
    """
    inputs = ops.inputs(g)
    x, _ = _encode(g, config, inputs)
    config.require("classifier_pooling", "cls", "mean")
    size = config.integer("hidden_size", 768)
    if config.text("classifier_pooling", "cls") == "cls":
        x = _norm(g, config, g.op("Gather", x, inputs.masks), "model.final_norm")
    else:
        batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
        x = g.op("Reshape", _norm(g, config, x, "model.final_norm"), batched)
        x = ops.mean_over_tokens(g, x, inputs)
    ops.logits(g, ops.linear(g, _head(g, config, x), "classifier", labels, size), labels)


def _head(g: GraphBuilder, config: Config, x: Value) -> Value:
    """What both heads make of states (N, hidden) before their last layer."""
    size = config.integer("hidden_size", 768)
    x = ops.linear(g, x, "head.dense", size, size, bias=config.flag("classifier_bias", False))
    return _norm(g, config, ops.activation(g, x, config.text("classifier_activation", "gelu")), "head.norm")


def _norm(g: GraphBuilder, config: Config, x: Value, prefix: str) -> Value:
    size, eps = config.integer("hidden_size", 768), config.number("norm_eps", 1e-5)
    return ops.layer_norm(g, x, prefix, size, eps, bias=config.flag("norm_bias", False))


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> tuple[Value, Value]:
    """States at the slots before the last norm, (B·S, hidden), and the word embeddings, (vocabulary, hidden)."""
    size = config.integer("hidden_size", 768)
    vocab_size = config.integer("vocab_size", 50368)
    head_size = config.raw("head_dim") or config.divided("hidden_size", "num_attention_heads")
    kinds = layer_types(config)

    words = g.weight("model.embeddings.tok_embeddings.weight", vocab_size, size)
    x = ops.embed(g, words, inputs.ids, size)
    x = _norm(g, config, x, "model.embeddings.norm")
    shared = {kind: _kind(g, config, inputs, kind, head_size) for kind in sorted(set(kinds))}
    for number, kind in enumerate(kinds):
        x = _layer(g, config, inputs, number, shared[kind], x, size, head_size, last=number == len(kinds) - 1)
    return (x if kinds else ops.at_slots(g, x, inputs)), words


def _kind(g: GraphBuilder, config: Config, inputs: GraphInputs, kind: str, head_size: int) -> _Kind:
    positions = config.integer("max_position_embeddings", 8192)
    frequencies = rotary.frequencies(_theta(config, kind), head_size)
    everywhere, slots = rotary.angles(g, inputs, kind, frequencies, positions)
    bias = slots_bias = ops.padding_bias(g, inputs)
    if kind == "sliding_attention":
        length = g.op("Squeeze", g.op("Shape", inputs.ids, start=1, end=2), g.int64_vector(0))
        places = g.op("Range", g.int64(0), length, g.int64(1))
        reach = g.int64(config.integer("sliding_window", config.integer("local_attention", 128) // 2))
        bias = g.op("Add", bias, _beyond(g, g.op("Unsqueeze", places, g.int64_vector(1)), places, reach))
        own = g.op("Unsqueeze", inputs.slots, g.int64_vector(1, 3))
        slots_bias = g.op("Add", slots_bias, _beyond(g, own, places, reach))
    return _Kind(everywhere, slots, bias, slots_bias)


def _beyond(g: GraphBuilder, queries: Value, keys: Value, reach: Value) -> Value:
    """`BLOCKED` where a key is further from the query than `reach`, else 0; positions broadcast."""
    far = g.op("Greater", g.op("Abs", g.op("Sub", queries, keys)), reach)
    return g.op("Mul", g.op("Cast", far, to=1), g.float32(ops.BLOCKED))


def _layer(
    g: GraphBuilder, config: Config, inputs: GraphInputs, number: int, kind: _Kind, x: Value, size: int, head_size: int, *, last: bool
) -> Value:  # fmt: skip
    prefix = f"model.layers.{number}"
    heads = config.integer("num_attention_heads", 12)
    inner = config.integer("intermediate_size", 1152)
    eps = config.number("norm_eps", 1e-5)
    norm_bias = config.flag("norm_bias", False)
    attention_bias = config.flag("attention_bias", False)
    mlp_bias = config.flag("mlp_bias", False)
    width = heads * head_size

    def project(y: Value, part: int) -> Value:
        rows = (part * width, (part + 1) * width)
        return ops.linear(g, y, f"{prefix}.attn.Wqkv", 3 * width, size, bias=attention_bias, rows=rows)

    normed = x if number == 0 else ops.layer_norm(g, x, f"{prefix}.attn_norm", size, eps, bias=norm_bias)
    k = ops.split_heads(g, project(normed, 1), inputs.ids, heads, head_size)
    v = ops.split_heads(g, project(normed, 2), inputs.ids, heads, head_size)
    like, angles, bias = inputs.ids, kind.everywhere, kind.bias
    if last:
        x, normed = ops.at_slots(g, x, inputs), ops.at_slots(g, normed, inputs)
        like, angles, bias = inputs.slots, kind.slots, kind.slots_bias
    q = rotary.rotate(g, ops.split_heads(g, project(normed, 0), like, heads, head_size), angles)
    mixed = ops.attend(g, q, rotary.rotate(g, k, kind.everywhere), v, bias, heads, head_size)
    x = g.op("Add", x, ops.linear(g, mixed, f"{prefix}.attn.Wo", size, width, bias=attention_bias))

    y = ops.layer_norm(g, x, f"{prefix}.mlp_norm", size, eps, bias=norm_bias)
    up = ops.linear(g, y, f"{prefix}.mlp.Wi", 2 * inner, size, bias=mlp_bias, rows=(0, inner))
    gate = ops.linear(g, y, f"{prefix}.mlp.Wi", 2 * inner, size, bias=mlp_bias, rows=(inner, 2 * inner))
    y = g.op("Mul", ops.activation(g, up, config.text("hidden_activation", "gelu")), gate)
    return g.op("Add", x, ops.linear(g, y, f"{prefix}.mlp.Wo", size, inner, bias=mlp_bias))
