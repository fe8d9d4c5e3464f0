"""DeBERTa's attention (He et al. 2021), which sees content and distance apart.

To the usual score of two tokens' contents come two more: of the query's
content with the key's distance, and of the key's content with the query's.

For T tokens there are 2T − 1 distances, and only their embeddings are
projected. The score of every query with every distance is one product,
(T, 2T); reading it with rows of 2T − 1 shifts each row by one more, which
puts distance q − k at column k: no gather over (T, T) is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import Sizes

_BASE = "deberta"


@dataclass(frozen=True)
class DistanceLayer:
    """A layer's projection of distances: its tensor's name below the attention, and whether it has a bias."""

    name: str
    bias: bool


@dataclass(frozen=True)
class Distances:
    """What all layers share of relative positions.

    Attributes:
        falling: embeddings of the distances T − 1, T − 2, … −T, (2T, hidden). rising: of 1 − T, … T.
        kinds: c2p (the query's content with the key's distance), p2c, or both.
        key, query: the layers that project the keys' distances, for c2p, and the queries', for p2c.
        columns: where a slot finds each key among falling distances, (B, H, S, T).
    """

    falling: Value
    rising: Value | None
    kinds: frozenset[str]
    key: DistanceLayer
    query: DistanceLayer
    columns: Value


def embed(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: Sizes) -> tuple[Value, Value, int]:
    """Embedded tokens, (B·T, hidden); the word embeddings, (vocabulary, width); and their width."""
    config.require("attention_head_size", sizes.head)
    width = config.integer("embedding_size", sizes.hidden)
    base = f"{_BASE}.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), width)
    places = None
    if config.flag("position_biased_input", True):
        places = postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512)
    kinds = config.integer("type_vocab_size", 0)
    x = postnorm.embeddings(g, inputs, base, words, width, position=places, kinds=kinds)
    if width != sizes.hidden:
        x = ops.linear(g, x, f"{base}.embed_proj", sizes.hidden, width, bias=False)
    return ops.layer_norm(g, x, f"{base}.LayerNorm", sizes.hidden, sizes.eps), words, width


def score_scale(config: Config, sizes: Sizes) -> float:
    """By what scores are divided: there are more of them than in BERT, one for each kind of distance."""
    return math.sqrt(sizes.head * (1 + len(kinds_of_scores(config))))


def kinds_of_scores(config: Config) -> frozenset[str]:
    """Which scores with distances there are: c2p, p2c, both, or neither.

    Raises:
        UnsupportedModelError: the config names another.
    """
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


def distances(
    g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: Sizes, key: DistanceLayer, query: DistanceLayer, *,
    bucket_count: int = -1, normed: bool = False,
) -> Distances | None:  # fmt: skip
    """What all layers share of distances; None where the config asks for none.

    Args:
        key, query: see `Distances`.
        bucket_count: how many buckets distances share; below 1 each distance has an embedding of its own.
        normed: whether the embeddings of distances are normed.
    """
    kinds, positions = kinds_of_scores(config), config.integer("max_position_embeddings", 512)
    if not config.flag("relative_attention", False):
        return None
    furthest = int(config.number("max_relative_positions", -1))
    furthest = positions if furthest < 1 else furthest
    span = bucket_count if bucket_count > 0 else furthest
    table = g.weight(f"{_BASE}.encoder.rel_embeddings.weight", 2 * span, sizes.hidden)
    if not kinds:
        return None

    length = g.op("Shape", inputs.ids, start=1, end=2)
    start, end = g.op("Sub", g.int64_vector(positions), length), g.op("Add", g.int64_vector(positions), length)

    def rows(name: str, differences: npt.NDArray[np.int64]) -> Value:
        """Embeddings of the middle 2T of these distances."""
        numbers = buckets(differences, bucket_count, furthest) if bucket_count > 0 else differences
        numbers = np.clip(numbers + span, 0, 2 * span - 1)
        x = g.op("Gather", table, g.op("Slice", g.int64_array(name, numbers), start, end, g.int64_vector(0)))
        return ops.layer_norm(g, x, f"{_BASE}.encoder.LayerNorm", sizes.hidden, sizes.eps) if normed else x  # fmt: skip

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
    return Distances(falling, rising, kinds, key, query, columns)


def add_distances(
    g: GraphBuilder, inputs: GraphInputs, scores: Value, q: Value, k: Value, own: str, sizes: Sizes, distances: Distances,
    scale: float, *, last: bool,
) -> Value:  # fmt: skip
    """Scores (B, H, T or S, T) with those of distances, from queries q, already scaled, and keys k."""
    size, heads, head = sizes.hidden, sizes.heads, sizes.head

    def project(rows: Value, layer: DistanceLayer) -> Value:
        """Rows of distances to (H, D, 2T)."""
        y = ops.linear(g, rows, f"{own}.{layer.name}", size, size, bias=layer.bias)
        return g.op("Transpose", g.op("Reshape", y, g.int64_vector(-1, heads, head)), perm=[1, 2, 0])

    if "c2p" in distances.kinds:
        by_distance = g.op("MatMul", q, project(distances.falling, distances.key))
        by_key = (
            g.op("GatherElements", by_distance, distances.columns, axis=-1)
            if last
            else _shifted(g, inputs, by_distance)
        )
        scores = g.op("Add", scores, by_key)
    if distances.rising is not None:
        rows = project(distances.rising, distances.query)
        by_query = _shifted(
            g, inputs, g.op("MatMul", k, g.op("Mul", rows, g.float32(1 / scale)))
        )  # (B, H, T of keys, T of queries)
        by_key = g.op("Transpose", by_query, perm=[0, 1, 3, 2])
        if last:
            by_key = _rows_at_slots(g, inputs, by_key, distances)
        scores = g.op("Add", scores, by_key)
    return scores


def _shifted(g: GraphBuilder, inputs: GraphInputs, x: Value) -> Value:
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


def _rows_at_slots(g: GraphBuilder, inputs: GraphInputs, x: Value, distances: Distances) -> Value:
    """(B, H, T, T) to the slots' rows, (B, H, S, T)."""
    own = g.op("Expand", g.op("Unsqueeze", inputs.slots, g.int64_vector(1, 3)), g.op("Shape", distances.columns))
    return g.op("GatherElements", x, own, axis=2)
