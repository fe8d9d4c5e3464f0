"""EuroBERT (Boizard et al. 2025): Llama's layers without its causal mask.

Pre-norm layers with root-mean-square norms, rotary positions, fewer heads for keys and values than for queries, and a
gated feed-forward. The head is the output matrix alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.errors import CorruptCheckpointError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, rotary
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.rotary import Angles


@dataclass(frozen=True)
class _Sizes:
    """Sizes of a layer: its states, its heads of queries and of keys, one head, and the feed-forward."""

    hidden: int
    heads: int
    key_heads: int
    head: int
    inner: int
    eps: float
    activation: str
    attention_bias: bool
    mlp_bias: bool

    @classmethod
    def of(cls, config: Config) -> _Sizes:
        heads = config.integer("num_attention_heads", 12)
        key_heads = config.integer("num_key_value_heads", heads)
        if key_heads == 0 or heads % key_heads:
            raise CorruptCheckpointError(
                f"config.json has num_key_value_heads={key_heads}; expected a divisor of num_attention_heads={heads}"
            )
        return cls(
            config.integer("hidden_size", 768),
            heads,
            key_heads,
            config.raw("head_dim") or config.divided("hidden_size", "num_attention_heads"),
            config.integer("intermediate_size", 3072),
            config.number("rms_norm_eps", 1e-5),
            config.text("hidden_act", "silu"),
            config.flag("attention_bias", False),
            config.flag("mlp_bias", False),
        )


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of EuroBertForMaskedLM."""
    inputs = ops.inputs(g)
    sizes = _Sizes.of(config)
    states, words = _encode(g, config, inputs, sizes)
    x = g.op("Gather", states, inputs.masks)
    vocab_size = config.integer("vocab_size")
    # A matrix that the file holds is used whatever the config says: see `postnorm.head`.
    tied = config.flag("tie_word_embeddings", False) and not g.has("lm_head.weight")
    parts = [x, words if tied else g.weight("lm_head.weight", vocab_size, sizes.hidden)]
    if sizes.mlp_bias:
        parts.append(g.weight("lm_head.bias", vocab_size))
    ops.log_probabilities(g, g.op("Gemm", *parts, transB=1), vocab_size)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of EuroBertForSequenceClassification.

    Where the config pools by the mean, of states or of logits ("late"), the slots of a row are all its places in
    order, as many as the batch is long.
    """
    inputs = ops.inputs(g)
    sizes = _Sizes.of(config)
    x, _ = _encode(g, config, inputs, sizes)
    config.require("classifier_pooling", "late", "bos", "mean")
    pooling = config.text("classifier_pooling", "late")

    def mean(states: Value, size: int) -> Value:
        batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
        return ops.mean_over_tokens(g, g.op("Reshape", states, batched), inputs)

    if pooling == "bos":
        x = g.op("Gather", x, inputs.masks)
    elif pooling == "mean":
        x = mean(x, sizes.hidden)
    x = ops.activation(g, ops.linear(g, x, "dense", sizes.hidden, sizes.hidden), "gelu")
    x = ops.linear(g, x, "classifier", labels, sizes.hidden)
    ops.logits(g, mean(x, labels) if pooling == "late" else x, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: _Sizes) -> tuple[Value, Value]:
    """Normed states at the slots, (B·S, hidden), and the word embeddings, (vocabulary, hidden)."""
    words = g.weight("model.embed_tokens.weight", config.integer("vocab_size"), sizes.hidden)
    x = ops.embed(g, words, inputs.ids, sizes.hidden)
    theta = rotary.theta(config, config.number("rope_theta", 10_000.0))
    positions = config.integer("max_position_embeddings", 8192)
    angles = rotary.angles(g, inputs, "rotary", rotary.frequencies(theta, sizes.head), positions)
    bias = ops.padding_bias(g, inputs)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        x = _layer(g, inputs, x, f"model.layers.{number}", sizes, angles, bias, last=number == layers - 1)
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return ops.rms_norm(g, x, "model.norm", sizes.hidden, sizes.eps), words


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: _Sizes, angles: tuple[Angles, Angles], bias: Value,
    *, last: bool,
) -> Value:  # fmt: skip
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer."""
    size, head = sizes.hidden, sizes.head

    def project(y: Value, name: str, like: Value, heads: int) -> Value:
        y = ops.linear(g, y, f"{prefix}.self_attn.{name}", heads * head, size, bias=sizes.attention_bias)
        return ops.split_heads(g, y, like, heads, head)

    normed = ops.rms_norm(g, x, f"{prefix}.input_layernorm", size, sizes.eps)
    k = rotary.rotate(g, project(normed, "k_proj", inputs.ids, sizes.key_heads), angles[0])
    v = project(normed, "v_proj", inputs.ids, sizes.key_heads)
    if sizes.key_heads < sizes.heads:  # neighbouring heads of queries share one of keys and values
        shared = g.int64_vector(*(number * sizes.key_heads // sizes.heads for number in range(sizes.heads)))
        k, v = g.op("Gather", k, shared, axis=1), g.op("Gather", v, shared, axis=1)
    like = inputs.ids
    if last:
        x, normed, like = ops.at_slots(g, x, inputs), ops.at_slots(g, normed, inputs), inputs.slots
    q = rotary.rotate(g, project(normed, "q_proj", like, sizes.heads), angles[1] if last else angles[0])
    mixed = ops.attend(g, q, k, v, bias, sizes.heads, head)
    y = ops.linear(g, mixed, f"{prefix}.self_attn.o_proj", size, sizes.heads * head, bias=sizes.attention_bias)
    x = g.op("Add", x, y)

    normed = ops.rms_norm(g, x, f"{prefix}.post_attention_layernorm", size, sizes.eps)
    gate, up = (
        ops.linear(g, normed, f"{prefix}.mlp.{name}", sizes.inner, size, bias=sizes.mlp_bias)
        for name in ("gate_proj", "up_proj")
    )
    y = g.op("Mul", ops.activation(g, gate, sizes.activation), up)
    return g.op("Add", x, ops.linear(g, y, f"{prefix}.mlp.down_proj", size, sizes.inner, bias=sizes.mlp_bias))
