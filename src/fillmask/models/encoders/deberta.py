"""DeBERTa, the first version (He et al. 2020): attention that sees content and distance apart, with one input projection."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import bert, deberta_v2, disentangled, ops, postnorm, uses_own_head
from fillmask.models.encoders.disentangled import DistanceLayer, Distances
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, EncoderOutput, Sizes


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of DebertaForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    names = deberta_v2.HEAD if uses_own_head(config, g.weights) else bert.HEAD
    postnorm.head(g, config, inputs, encoded, names, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of DebertaForSequenceClassification."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    config.require("pooler_hidden_size", encoded.sizes.hidden)
    postnorm.classifier(g, config, inputs, encoded, deberta_v2.CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    config.require("talking_head", False)
    sizes = Sizes.of(config, default_eps=1e-7)
    x, words, width = disentangled.embed(g, config, inputs, sizes)
    keys, queries = DistanceLayer("pos_proj", bias=False), DistanceLayer("pos_q_proj", bias=True)
    distances = disentangled.distances(g, config, inputs, sizes, keys, queries)
    scale = disentangled.score_scale(config, sizes)
    bias = ops.padding_bias(g, inputs)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        last = number == layers - 1
        x = _layer(g, inputs, x, f"deberta.encoder.layer.{number}", sizes, distances, scale, bias, last=last)
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return EncoderOutput(x, words, width, sizes)


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, distances: Distances | None, scale: float,
    bias: Value, *, last: bool,
) -> Value:  # fmt: skip
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer.

    Queries are computed everywhere even in the last layer: the projection's rows go head by head, the query's, the
    key's and the value's of each in turn, so that no slice of the matrix gives the keys and values alone.
    """
    size, heads, head = sizes.hidden, sizes.heads, sizes.head
    own = f"{prefix}.attention.self"
    projected = ops.linear(g, x, f"{own}.in_proj", 3 * size, size, bias=False)
    by_head = g.op("Reshape", projected, g.int64_vector(-1, heads, 3 * head))
    q, k, v = (
        g.op("Reshape", part, g.int64_vector(-1, size)) for part in g.split("Split", by_head, outputs=3, axis=-1, num_outputs=3)
    )  # fmt: skip
    q = g.op("Mul", g.op("Add", q, g.weight(f"{own}.q_bias", size)), g.float32(1 / scale))
    v = g.op("Add", v, g.weight(f"{own}.v_bias", size))
    like = inputs.ids
    if last:
        x, q, like = ops.at_slots(g, x, inputs), ops.at_slots(g, q, inputs), inputs.slots
    q, k, v = (ops.split_heads(g, y, of, heads, head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids)))
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    if distances is not None:
        scores = disentangled.add_distances(g, inputs, scores, q, k, own, sizes, distances, scale, last=last)
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Reshape", g.op("Transpose", g.op("MatMul", shares, v), perm=[0, 2, 1, 3]), g.int64_vector(-1, size))
    return postnorm.after_attention(g, x, mixed, prefix, BERT_LAYER, sizes)
