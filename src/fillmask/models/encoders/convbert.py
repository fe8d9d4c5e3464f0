"""ConvBERT (Jiang et al. 2020): half of the attention heads replaced by convolutions whose kernels the text decides.

A layer mixes in two ways, side by side: attention as in BERT with fewer
heads, and for each token and head a weighted mean of its neighbours, with
weights computed from the token and its span.

Padding is kept out of the convolutions' windows, so that a row's answer does
not depend on the length of its neighbours in a batch. In transformers the
states of padding leak into the last tokens of a padded row.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import electra, ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, EncoderOutput, Sizes

CLASSIFIER = ClassifierNames("classifier.dense", "classifier.out_proj", "hidden_act", configured=True)


@dataclass(frozen=True)
class _Shape:
    """Heads of the attention, which are also those of the convolution, and how far a convolution sees."""

    heads: int
    head: int
    window: int
    groups: int

    @property
    def width(self) -> int:
        return self.heads * self.head


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of ConvBertForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), electra.HEAD, activation="gelu")


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of ConvBertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    shape = _shape(config, sizes)
    width = config.integer("embedding_size", 768)
    x, words = electra.embed(g, config, inputs, "convbert", sizes, width)
    bias = ops.padding_bias(g, inputs)
    real = g.op("Cast", g.op("Reshape", inputs.attention_mask, g.int64_vector(-1, 1)), to=1)  # (B·T, 1)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        x = _layer(
            g, inputs, x, f"convbert.encoder.layer.{number}", sizes, shape, bias, real, last=number == layers - 1
        )
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return EncoderOutput(x, words, width, sizes)


def _shape(config: Config, sizes: Sizes) -> _Shape:
    heads = max(1, sizes.heads // config.integer("head_ratio", 2))
    window = config.integer("conv_kernel_size", 9)
    if window % 2 == 0:
        raise UnsupportedModelError(f"config.json has conv_kernel_size={window}; expected an odd number")
    return _Shape(heads, sizes.hidden // heads // 2, window, config.integer("num_groups", 1))


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, shape: _Shape, bias: Value, real: Value, *, last: bool
) -> Value:  # fmt: skip
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer."""
    own = f"{prefix}.attention.self"
    clean = g.op("Mul", x, real)
    k, v = (ops.linear(g, x, f"{own}.{name}", shape.width, sizes.hidden) for name in ("key", "value"))
    values = g.op("Mul", ops.linear(g, x, f"{own}.conv_out_layer", shape.width, sizes.hidden), real)
    span = _depthwise(g, inputs, clean, f"{own}.key_conv_attn_layer.depthwise.weight", sizes.hidden, shape.window)
    neighbours = _neighbours(g, inputs, values, shape, at_slots=last)
    like = inputs.ids
    if last:
        x, span, like = ops.at_slots(g, x, inputs), ops.at_slots(g, span, inputs), inputs.slots

    q = ops.linear(g, x, f"{own}.query", shape.width, sizes.hidden)
    convolved = _convolve(g, q, span, neighbours, own, sizes, shape)
    q, k, v = (
        ops.split_heads(g, y, of, shape.heads, shape.head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids))
    )
    attended = ops.attend(g, q, k, v, bias, shape.heads, shape.head)
    mixed = g.op("Concat", attended, convolved, axis=1)
    return postnorm.after_attention(g, x, mixed, prefix, BERT_LAYER, sizes, groups=shape.groups)


def _convolve(
    g: GraphBuilder, q: Value, span: Value, neighbours: list[Value], own: str, sizes: Sizes, shape: _Shape
) -> Value:
    """The weighted mean of each query's neighbours, (N, H·D).

    Args:
        q: queries, (N, H·D). span: what the depthwise convolution makes of their surroundings, (N, hidden).
        neighbours: for each place of the window, values (N, H·D).
    """
    width = shape.width
    pointwise = g.weight(f"{own}.key_conv_attn_layer.pointwise.weight", width, sizes.hidden, 1)
    offset = g.weight(f"{own}.key_conv_attn_layer.bias", width, 1)
    flat = [g.op("Squeeze", part, g.int64_vector(-1)) for part in (pointwise, offset)]
    key = g.op("Gemm", span, *flat, transB=1)
    kernels = ops.linear(g, g.op("Mul", key, q), f"{own}.conv_kernel_layer", shape.heads * shape.window, width)
    weights = g.op("Softmax", g.op("Reshape", kernels, g.int64_vector(-1, shape.heads, shape.window)), axis=-1)
    shares = g.split("Split", weights, outputs=shape.window, axis=-1, num_outputs=shape.window)  # (N, H, 1) each
    heads = g.int64_vector(-1, shape.heads, shape.head)
    products = [
        g.op("Mul", g.op("Reshape", values, heads), share) for share, values in zip(shares, neighbours, strict=True)
    ]
    return g.op("Reshape", ops.add(g, products), g.int64_vector(-1, width))


def _neighbours(g: GraphBuilder, inputs: GraphInputs, x: Value, shape: _Shape, *, at_slots: bool) -> list[Value]:
    """Flat x (B·T, n) as seen at each place of the window round each token, or round each slot: (B·T or B·S, n) each."""
    reach = shape.window // 2
    padded = _padded(g, inputs, x, shape.width, reach)  # (B, T + 2·reach, n)
    flat = g.int64_vector(-1, shape.width)
    if not at_slots:
        return [g.op("Reshape", part, flat) for part in _shifted(g, inputs, padded, shape.window)]
    rows = g.op("Reshape", padded, flat)
    length = g.op("Add", g.op("Shape", inputs.ids, start=1, end=2), g.int64(2 * reach))
    batch = g.op("Squeeze", g.op("Shape", inputs.ids, start=0, end=1), g.int64_vector(0))
    starts = g.op("Unsqueeze", g.op("Mul", g.op("Range", g.int64(0), batch, g.int64(1)), length), g.int64_vector(1))
    at = g.op("Reshape", g.op("Add", inputs.slots, starts), g.int64_vector(-1))
    return [g.op("Gather", rows, g.op("Add", at, g.int64(place))) for place in range(shape.window)]


def _depthwise(g: GraphBuilder, inputs: GraphInputs, x: Value, name: str, size: int, window: int) -> Value:
    """A convolution of each channel by itself over flat x (B·T, n): a sum of shifted products."""
    kernels = g.op("Transpose", g.op("Squeeze", g.weight(name, size, 1, window), g.int64_vector(1)), perm=[1, 0])
    rows = g.split("Split", kernels, outputs=window, axis=0, num_outputs=window)  # (1, n) each
    parts = zip(rows, _shifted(g, inputs, _padded(g, inputs, x, size, window // 2), window), strict=True)
    products = [g.op("Mul", part, row) for row, part in parts]
    return g.op("Reshape", ops.add(g, products), g.int64_vector(-1, size))


def _padded(g: GraphBuilder, inputs: GraphInputs, x: Value, size: int, reach: int) -> Value:
    """Flat x (B·T, n) as (B, T + 2·reach, n), with zeros before and after each row."""
    batched = g.op("Reshape", x, g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0))
    return g.op("Pad", batched, g.int64_vector(0, reach, 0, 0, reach, 0))


def _shifted(g: GraphBuilder, inputs: GraphInputs, padded: Value, window: int) -> list[Value]:
    """(B, T + window − 1, n) seen from each place of the window: (B, T, n) each."""
    length = g.op("Shape", inputs.ids, start=1, end=2)
    return [
        g.op("Slice", padded, g.int64_vector(place), g.op("Add", length, g.int64_vector(place)), g.int64_vector(1))
        for place in range(window)
    ]
