"""DeBERTa v2 and v3 (He et al. 2021): attention that sees content and distance apart.

To the usual score of two tokens' contents come two more: of the query's
content with the key's distance, and of the key's content with the query's.
Distances share embeddings in buckets.

For T tokens there are 2T − 1 distances, and only their embeddings are
projected. The score of every query with every distance is one product,
(T, 2T); reading it with rows of 2T − 1 shifts each row by one more, which
puts distance q − k at column k: no gather over (T, T) is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm, uses_own_head
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


@dataclass(frozen=True)
class _Distances:
    """What all layers share of relative positions.

    Attributes:
        falling: embeddings of the distances T − 1, T − 2, … −T, (2T, hidden). rising: of 1 − T, … T.
        kinds: c2p (the query's content with the key's distance), p2c, or both.
        shared: whether distances are projected by the contents' own matrices.
        columns: where a slot finds each key among falling distances, (B, H, S, T).
    """

    falling: Value
    rising: Value | None
    kinds: frozenset[str]
    shared: bool
    columns: Value


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
    config.require("attention_head_size", sizes.head)
    width = config.integer("embedding_size", sizes.hidden)
    base = f"{_BASE}.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), width)
    positions = config.integer("max_position_embeddings", 512)
    places = (postnorm.positions_from_zero(g, inputs), positions) if config.flag("position_biased_input", True) else None  # fmt: skip
    kinds = config.integer("type_vocab_size", 0)
    x = postnorm.embeddings(g, inputs, base, words, width, position=places, kinds=kinds)
    if width != sizes.hidden:
        x = ops.linear(g, x, f"{base}.embed_proj", sizes.hidden, width, bias=False)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", sizes.hidden, sizes.eps)

    kinds_of_scores = _kinds(config)
    distances = _distances(g, config, inputs, sizes, positions, kinds_of_scores)
    scale = math.sqrt(sizes.head * (1 + len(kinds_of_scores)))
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


def _kinds(config: Config) -> frozenset[str]:
    kinds = config.raw("pos_att_type", [])
    kinds = frozenset(k.strip() for k in (kinds.lower().split("|") if isinstance(kinds, str) else kinds) if k.strip())
    if kinds - {"c2p", "p2c"}:
        raise UnsupportedModelError(
            f"config.json has pos_att_type {', '.join(sorted(kinds))}; expected c2p, p2c or both"
        )
    return kinds


def buckets(differences: npt.NDArray[np.int64], count: int, furthest: int) -> npt.NDArray[np.int64]:
    """The bucket of each distance: near ones have their own, far ones share in a logarithmic scale; the sign is kept."""
    middle = count // 2
    distance = np.abs(differences)
    with np.errstate(divide="ignore"):
        scale = np.log(np.float32((furthest - 1) / middle))
        shares = np.log((distance / middle).astype(np.float32)) / scale
    far = np.ceil(np.where(distance > middle, shares, 0) * np.float32(middle - 1)).astype(np.int64) + middle
    return np.where(distance <= middle, differences, far * np.sign(differences))


def _distances(
    g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: Sizes, positions: int, kinds: frozenset[str]
) -> _Distances | None:
    if not config.flag("relative_attention", False) or not kinds:
        return None
    furthest = int(config.number("max_relative_positions", -1))
    furthest = positions if furthest < 1 else furthest
    count = int(config.number("position_buckets", -1))
    span = count if count > 0 else furthest
    table = g.weight(f"{_BASE}.encoder.rel_embeddings.weight", 2 * span, sizes.hidden)
    norms = {name.strip() for name in config.text("norm_rel_ebd", "none").lower().split("|")}

    length = g.op("Shape", inputs.ids, start=1, end=2)
    start, end = g.op("Sub", g.int64_vector(positions), length), g.op("Add", g.int64_vector(positions), length)

    def rows(name: str, differences: npt.NDArray[np.int64]) -> Value:
        """Embeddings of the middle 2T of these distances."""
        found = buckets(differences, count, furthest) if count > 0 else differences
        found = np.clip(found + span, 0, 2 * span - 1)
        x = g.op("Gather", table, g.op("Slice", g.int64_array(name, found), start, end, g.int64_vector(0)))
        return ops.layer_norm(g, x, f"{_BASE}.encoder.LayerNorm", sizes.hidden, sizes.eps) if "layer_norm" in norms else x  # fmt: skip

    falling = rows("distances/falling", np.arange(positions - 1, -positions - 1, -1))
    rising = rows("distances/rising", np.arange(1 - positions, positions + 1)) if "p2c" in kinds else None
    # Distance q − k is at column T − 1 − (q − k) of the falling ones.
    keys = postnorm.positions_from_zero(g, inputs)
    highest = g.op("Sub", length, g.int64_vector(1))
    columns = g.op("Add", g.op("Sub", keys, g.op("Unsqueeze", inputs.slots, g.int64_vector(2))), highest)  # (B, S, T)
    shape = g.op("Shape", inputs.slots)
    batch, slots = (
        g.op("Slice", shape, g.int64_vector(0), g.int64_vector(1)),
        g.op("Slice", shape, g.int64_vector(1), g.int64_vector(2)),
    )
    each = g.op("Concat", batch, g.int64_vector(sizes.heads), slots, length, axis=0)
    columns = g.op("Expand", g.op("Unsqueeze", columns, g.int64_vector(1)), each)
    return _Distances(falling, rising, kinds, config.flag("share_att_key", False), columns)


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, distances: _Distances | None, scale: float,
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
        scores = _add_distances(g, inputs, scores, q, k, f"{prefix}.attention.self", sizes, distances, scale, last=last)
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Reshape", g.op("Transpose", g.op("MatMul", shares, v), perm=[0, 2, 1, 3]), g.int64_vector(-1, size))
    return postnorm.after_attention(g, x, mixed, prefix, LAYER, sizes)


def _add_distances(
    g: GraphBuilder, inputs: GraphInputs, scores: Value, q: Value, k: Value, own: str, sizes: Sizes, distances: _Distances,
    scale: float, *, last: bool,
) -> Value:  # fmt: skip
    """Scores (B, H, T or S, T) with those of distances, from queries q, already scaled, and keys k."""
    size, heads, head = sizes.hidden, sizes.heads, sizes.head

    def project(rows: Value, name: str) -> Value:
        """Rows of distances to (H, D, 2T)."""
        y = ops.linear(g, rows, f"{own}.{name}", size, size)
        return g.op("Transpose", g.op("Reshape", y, g.int64_vector(-1, heads, head)), perm=[1, 2, 0])

    pick: Callable[[Value], Value] = lambda x: _shifted(g, inputs, x, heads)  # noqa: E731
    if "c2p" in distances.kinds:
        found = g.op("MatMul", q, project(distances.falling, "key_proj" if distances.shared else "pos_key_proj"))
        found = g.op("GatherElements", found, distances.columns, axis=-1) if last else pick(found)
        scores = g.op("Add", scores, found)
    if distances.rising is not None:
        rows = project(distances.rising, "query_proj" if distances.shared else "pos_query_proj")
        found = pick(g.op("MatMul", k, g.op("Mul", rows, g.float32(1 / scale))))  # (B, H, T of keys, T of queries)
        found = g.op("Transpose", found, perm=[0, 1, 3, 2])
        if last:
            found = _rows_at_slots(g, inputs, found, distances)
        scores = g.op("Add", scores, found)
    return scores


def _shifted(g: GraphBuilder, inputs: GraphInputs, x: Value, heads: int) -> Value:
    """(B, H, T, 2T) to (B, H, T, T), row r beginning at column T − 1 − r: the diagonals become columns."""
    length = g.op("Shape", inputs.ids, start=1, end=2)
    shape = g.op("Shape", x)
    rows = g.op("Slice", shape, g.int64_vector(0), g.int64_vector(3))
    flat = g.op(
        "Reshape",
        x,
        g.op("Concat", g.op("Slice", shape, g.int64_vector(0), g.int64_vector(2)), g.int64_vector(-1), axis=0),
    )
    flat = g.op("Slice", flat, g.op("Sub", length, g.int64_vector(1)), g.int64_vector(-1), g.int64_vector(2))
    narrower = g.op("Sub", g.op("Mul", length, g.int64_vector(2)), g.int64_vector(1))
    return g.op(
        "Slice",
        g.op("Reshape", flat, g.op("Concat", rows, narrower, axis=0)),
        g.int64_vector(0),
        length,
        g.int64_vector(3),
    )


def _rows_at_slots(g: GraphBuilder, inputs: GraphInputs, x: Value, distances: _Distances) -> Value:
    """(B, H, T, T) to the slots' rows, (B, H, S, T)."""
    own = g.op("Expand", g.op("Unsqueeze", inputs.slots, g.int64_vector(1, 3)), g.op("Shape", distances.columns))
    return g.op("GatherElements", x, own, axis=2)


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
