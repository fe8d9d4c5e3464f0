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
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import Inputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, Encoded, Sizes

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


def _encode(g: GraphBuilder, config: Config, inputs: Inputs) -> Encoded:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    shape = _shape(config, sizes)
    width = config.integer("embedding_size", 768)
    x, words = electra.embed(g, config, inputs, "convbert", sizes, width)
    bias = ops.padding_bias(g, inputs)
    real = g.op("Cast", g.op("Reshape", inputs.attention_mask, g.wholes(-1, 1)), to=1)  # (B·T, 1)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        x = _layer(
            g, inputs, x, f"convbert.encoder.layer.{number}", sizes, shape, bias, real, last=number == layers - 1
        )
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return Encoded(x, words, width, sizes)


def _shape(config: Config, sizes: Sizes) -> _Shape:
    heads = max(1, sizes.heads // config.integer("head_ratio", 2))
    window = config.integer("conv_kernel_size", 9)
    if window % 2 == 0:
        raise UnsupportedModelError(f"config.json has conv_kernel_size={window}; expected an odd number")
    return _Shape(heads, sizes.hidden // heads // 2, window, config.integer("num_groups", 1))


def _layer(
    g: GraphBuilder, inputs: Inputs, x: str, prefix: str, sizes: Sizes, shape: _Shape, bias: str, real: str, *, last: bool
) -> str:  # fmt: skip
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


def _convolve(g: GraphBuilder, q: str, span: str, neighbours: list[str], own: str, sizes: Sizes, shape: _Shape) -> str:
    """The weighted mean of each query's neighbours, (N, H·D).

    Args:
        q: queries, (N, H·D). span: what the depthwise convolution makes of their surroundings, (N, hidden).
        neighbours: for each place of the window, values (N, H·D).
    """
    width = shape.width
    pointwise = g.weight(f"{own}.key_conv_attn_layer.pointwise.weight", width, sizes.hidden, 1)
    offset = g.weight(f"{own}.key_conv_attn_layer.bias", width, 1)
    flat = [g.op("Squeeze", part, g.wholes(-1)) for part in (pointwise, offset)]
    key = g.op("Gemm", span, *flat, transB=1)
    kernels = ops.linear(g, g.op("Mul", key, q), f"{own}.conv_kernel_layer", shape.heads * shape.window, width)
    weights = g.op("Softmax", g.op("Reshape", kernels, g.wholes(-1, shape.heads, shape.window)), axis=-1)
    shares = g.split("Split", weights, outputs=shape.window, axis=-1, num_outputs=shape.window)  # (N, H, 1) each
    heads = g.wholes(-1, shape.heads, shape.head)
    total = ""
    for share, values in zip(shares, neighbours, strict=True):
        part = g.op("Mul", g.op("Reshape", values, heads), share)
        total = g.op("Add", total, part) if total else part
    return g.op("Reshape", total, g.wholes(-1, width))


def _neighbours(g: GraphBuilder, inputs: Inputs, x: str, shape: _Shape, *, at_slots: bool) -> list[str]:
    """Flat x (B·T, n) as seen at each place of the window round each token, or round each slot: (B·T or B·S, n) each."""
    reach = shape.window // 2
    padded = _padded(g, inputs, x, shape.width, reach)  # (B, T + 2·reach, n)
    flat = g.wholes(-1, shape.width)
    if not at_slots:
        return [g.op("Reshape", part, flat) for part in _shifted(g, inputs, padded, shape.window)]
    rows = g.op("Reshape", padded, flat)
    length = g.op("Add", g.op("Shape", inputs.ids, start=1, end=2), g.whole(2 * reach))
    batch = g.op("Squeeze", g.op("Shape", inputs.ids, start=0, end=1), g.wholes(0))
    starts = g.op("Unsqueeze", g.op("Mul", g.op("Range", g.whole(0), batch, g.whole(1)), length), g.wholes(1))
    at = g.op("Reshape", g.op("Add", inputs.slots, starts), g.wholes(-1))
    return [g.op("Gather", rows, g.op("Add", at, g.whole(place))) for place in range(shape.window)]


def _depthwise(g: GraphBuilder, inputs: Inputs, x: str, name: str, size: int, window: int) -> str:
    """A convolution of each channel by itself over flat x (B·T, n): a sum of shifted products."""
    kernels = g.op("Transpose", g.op("Squeeze", g.weight(name, size, 1, window), g.wholes(1)), perm=[1, 0])
    rows = g.split("Split", kernels, outputs=window, axis=0, num_outputs=window)  # (1, n) each
    total = ""
    for row, part in zip(rows, _shifted(g, inputs, _padded(g, inputs, x, size, window // 2), window), strict=True):
        product = g.op("Mul", part, row)
        total = g.op("Add", total, product) if total else product
    return g.op("Reshape", total, g.wholes(-1, size))


def _padded(g: GraphBuilder, inputs: Inputs, x: str, size: int, reach: int) -> str:
    """Flat x (B·T, n) as (B, T + 2·reach, n), with zeros before and after each row."""
    batched = g.op("Reshape", x, g.op("Concat", g.op("Shape", inputs.ids), g.wholes(size), axis=0))
    return g.op("Pad", batched, g.wholes(0, reach, 0, 0, reach, 0))


def _shifted(g: GraphBuilder, inputs: Inputs, padded: str, window: int) -> list[str]:
    """(B, T + window − 1, n) seen from each place of the window: (B, T, n) each."""
    length = g.op("Shape", inputs.ids, start=1, end=2)
    return [
        g.op("Slice", padded, g.wholes(place), g.op("Add", length, g.wholes(place)), g.wholes(1))
        for place in range(window)
    ]
