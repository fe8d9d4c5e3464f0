"""DeBERTa v2 and v3 (He et al. 2021): distances in buckets, and a convolution beside the first layer."""

from __future__ import annotations

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import bert, disentangled, ops, postnorm, uses_own_head
from fillmask.models.encoders.disentangled import DistanceLayer, Distances
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import ClassifierNames, EncoderOutput, HeadNames, LayerNames, Sizes

LAYER = LayerNames(
    query="attention.self.query_proj",
    key="attention.self.key_proj",
    value="attention.self.value_proj",
    out="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm="output.LayerNorm",
)
# The head that DeBERTa was trained with, where the checkpoint has it; the other one is transformers' own.
HEAD = HeadNames("lm_predictions.lm_head.dense", "lm_predictions.lm_head.LayerNorm", None, ("lm_predictions.lm_head.bias",))  # fmt: skip
CLASSIFIER = ClassifierNames("pooler.dense", "classifier", "pooler_hidden_act", configured=True)
_BASE = "deberta"


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of DebertaV2ForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    names = HEAD if uses_own_head(config, g.weights) else bert.HEAD
    postnorm.head(g, config, inputs, encoded, names, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of DebertaV2ForSequenceClassification."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    config.require("pooler_hidden_size", encoded.sizes.hidden)
    postnorm.classifier(g, config, inputs, encoded, CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    sizes = Sizes.of(config, default_eps=1e-7)
    x, words, width = disentangled.embed(g, config, inputs, sizes)
    shared = config.flag("share_att_key", False)  # distances are then projected by the contents' own layers
    norms = {name.strip() for name in config.text("norm_rel_ebd", "none").lower().split("|")}
    distances = disentangled.distances(
        g, config, inputs, sizes,
        DistanceLayer("key_proj" if shared else "pos_key_proj", True),
        DistanceLayer("query_proj" if shared else "pos_query_proj", True),
        bucket_count=int(config.number("position_buckets", -1)), normed="layer_norm" in norms,
    )  # fmt: skip
    scale = disentangled.score_scale(config, sizes)
    convolution = config.integer("conv_kernel_size", 0)
    layers = config.integer("num_hidden_layers", 24)
    first = x
    bias = ops.padding_bias(g, inputs)
    at_slots = layers == 0
    for number in range(layers):
        convolved = number == 0 and convolution > 0
        last = number == layers - 1 and not convolved
        x = _layer(g, inputs, x, f"{_BASE}.encoder.layer.{number}", sizes, distances, scale, bias, last=last)
        if convolved:
            x = _convolution(g, config, inputs, first, x, sizes, convolution)
            at_slots = layers == 1
    if at_slots:
        x = ops.at_slots(g, x, inputs)
    return EncoderOutput(x, words, width, sizes)


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, distances: Distances | None, scale: float,
    bias: Value, *, last: bool,
) -> Value:  # fmt: skip
    size, heads, head = sizes.hidden, sizes.heads, sizes.head
    k = ops.linear(g, x, f"{prefix}.{LAYER.key}", size, size)
    v = ops.linear(g, x, f"{prefix}.{LAYER.value}", size, size)
    like = inputs.ids
    if last:
        x, like = ops.at_slots(g, x, inputs), inputs.slots
    q = g.op("Mul", ops.linear(g, x, f"{prefix}.{LAYER.query}", size, size), g.float32(1 / scale))
    q, k, v = (ops.split_heads(g, y, of, heads, head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids)))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    if distances is not None:
        scores = disentangled.add_distances(
            g, inputs, scores, q, k, f"{prefix}.attention.self", sizes, distances, scale, last=last
        )
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Reshape", g.op("Transpose", g.op("MatMul", shares, v), perm=[0, 2, 1, 3]), g.int64_vector(-1, size))
    return postnorm.after_attention(g, x, mixed, prefix, LAYER, sizes)


def _convolution(
    g: GraphBuilder, config: Config, inputs: GraphInputs, first: Value, x: Value, sizes: Sizes, window: int
) -> Value:
    """What a convolution over the embeddings adds to the first layer's states; flat (B·T, hidden) all."""
    if window % 2 == 0:
        raise UnsupportedModelError(f"config.json has conv_kernel_size={window}; expected an odd number")
    size, groups = sizes.hidden, config.integer("conv_groups", 1)
    prefix = f"{_BASE}.encoder.conv"
    real = g.op("Cast", g.op("Reshape", inputs.attention_mask, g.int64_vector(-1, 1)), to=1)
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
    y = g.op("Transpose", g.op("Reshape", g.op("Mul", first, real), batched), perm=[0, 2, 1])
    parts = [
        g.weight(f"{prefix}.conv.weight", size, size // max(1, groups), window),
        g.weight(f"{prefix}.conv.bias", size),
    ]
    y = g.op("Conv", y, *parts, group=groups, pads=[window // 2, window // 2])
    y = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1]), g.int64_vector(-1, size))
    y = ops.activation(g, g.op("Mul", y, real), config.text("conv_act", "tanh"))
    y = ops.layer_norm(g, g.op("Add", x, y), f"{prefix}.LayerNorm", size, sizes.eps)
    return g.op("Mul", y, real)
