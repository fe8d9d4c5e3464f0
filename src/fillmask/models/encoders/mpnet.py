"""MPNet (Song et al. 2020): BERT's encoder with a bias for the distance between two tokens, shared by all layers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import Biases, EncoderOutput, HeadNames, LayerNames, Sizes

LAYER = LayerNames(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    out="attention.attn.o",
    attention_norm="attention.LayerNorm",
    up="intermediate.dense",
    down="output.dense",
    norm="output.LayerNorm",
)
HEAD = HeadNames(
    dense="lm_head.dense",
    norm="lm_head.layer_norm",
    decoder="lm_head.decoder.weight",
    bias=("lm_head.decoder.bias", "lm_head.bias"),
)
_PAD = 1  # whatever the config says
_BUCKETS, _FURTHEST = 32, 128


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of MPNetForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation="gelu")


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of MPNetForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), postnorm.FIRST_TOKEN, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    sizes = Sizes.of(config)
    count = config.integer("max_position_embeddings", 512)
    places = (postnorm.positions_after_padding(g, inputs, _PAD), count)
    base = "mpnet.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    x = postnorm.embeddings(g, inputs, base, words, sizes.hidden, position=places, kinds=0)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", sizes.hidden, sizes.eps)
    layers = [f"mpnet.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 12))]
    x = postnorm.encode(g, inputs, x, layers, LAYER, sizes, _biases(g, config, inputs, sizes, count))
    return EncoderOutput(x, words, sizes.hidden, sizes)


def buckets(differences: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bucket of each difference (key's place − query's): near ones have their own, far ones share in a logarithmic scale."""
    half = _BUCKETS // 2
    exact = half // 2
    distance = np.abs(differences)
    with np.errstate(divide="ignore"):
        share = np.log(distance.astype(np.float32) / np.float32(exact)) / np.float32(math.log(_FURTHEST / exact))
    far = np.minimum(exact + np.where(distance < exact, 0, share * (half - exact)).astype(np.int64), half - 1)
    return np.where(differences > 0, half, 0) + np.where(distance < exact, distance, far)


def _biases(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: Sizes, longest: int) -> Biases:
    """The bias of each pair's distance, and the padding's: (B, H, T, T) and (B, H, S, T)."""
    rows = config.integer("relative_attention_num_buckets", _BUCKETS)
    if rows < _BUCKETS:
        raise UnsupportedModelError(
            f"config.json has relative_attention_num_buckets={rows}; expected {_BUCKETS}, which is what mpnet counts in"
        )
    table = g.weight("mpnet.encoder.relative_attention_bias.weight", rows, sizes.heads)
    # Differences from −(longest − 1) up, so that difference d is at d + longest − 1.
    lookup = g.int64_array("buckets", buckets(np.arange(1 - longest, longest)))
    places = postnorm.positions_from_zero(g, inputs)
    padding = ops.padding_bias(g, inputs)

    def with_padding(queries: Value, perm: list[int]) -> Value:
        """For queries whose places broadcast against the keys'."""
        at = g.op("Add", g.op("Sub", places, queries), g.int64(longest - 1))
        biases = g.op("Gather", table, g.op("Gather", lookup, at))
        return g.op("Add", g.op("Transpose", biases, perm=perm), padding)

    everywhere = with_padding(g.op("Unsqueeze", places, g.int64_vector(1)), [2, 0, 1])  # (H, T, T)
    slots = with_padding(g.op("Unsqueeze", inputs.slots, g.int64_vector(2)), [0, 3, 1, 2])  # (B, H, S, T)
    return Biases(everywhere, slots)
