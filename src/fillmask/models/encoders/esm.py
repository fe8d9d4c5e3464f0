"""ESM-1b and ESM-2 (Rives et al. 2021, Lin et al. 2022), which read proteins: one amino acid is one token.

Pre-norm layers, a norm after the last one, and positions that are learned (ESM-1b) or rotary (ESM-2). With token
dropout, embeddings of masks are zero, and those of the other tokens are scaled for the share of masks in the row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorruptCheckpointError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm, rotary
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, Biases, EncoderOutput, HeadNames, Sizes
from fillmask.models.encoders.rotary import Angles
from fillmask.models.weights import Weights

HEAD = HeadNames(
    dense="lm_head.dense",
    norm="lm_head.layer_norm",
    decoder="lm_head.decoder.weight",
    bias=("lm_head.bias",),
)
# What was masked in training, whatever the config says: 80% of 15% of the tokens.
_MASKED_IN_TRAINING = 0.15 * 0.8


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of EsmForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation="gelu")


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of EsmForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), postnorm.FIRST_TOKEN, labels)


def stored_frequencies(weights: Weights) -> npt.NDArray[np.float32] | None:
    """The rotary frequencies that the checkpoint holds, (D/2,); None where it holds none.

    They count, since older checkpoints were trained with frequencies that were rounded to float16.
    """
    names = [name for name in weights if name.endswith("rotary_embeddings.inv_freq")]
    return weights.floats(min(names)) if names else None


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    config.require("is_decoder", False)
    config.require("add_cross_attention", False)
    config.require("position_embedding_type", "absolute", "rotary")
    sizes = Sizes.of(config)
    words = g.weight("esm.embeddings.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    x = _embed(g, config, inputs, words, sizes)
    angles = None
    if config.text("position_embedding_type", "absolute") == "rotary":
        angles = rotary.angles(g, inputs, "rotary", _frequencies(g, config, sizes), _positions(config))
    bias = postnorm.padding(g, inputs)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        x = _layer(g, inputs, x, f"esm.encoder.layer.{number}", sizes, angles, bias, last=number == layers - 1)
    if not layers:
        x = ops.at_slots(g, x, inputs)
    x = ops.layer_norm(g, x, "esm.encoder.emb_layer_norm_after", sizes.hidden, sizes.eps)
    return EncoderOutput(x, words, sizes.hidden, sizes)


def _positions(config: Config) -> int:
    return config.integer("max_position_embeddings", 1026)


def _frequencies(g: GraphBuilder, config: Config, sizes: Sizes) -> npt.NDArray[np.float32]:
    stored = stored_frequencies(g.weights)
    if stored is None:
        return rotary.frequencies(config.number("rope_theta", 10_000.0), sizes.head)
    if stored.shape != (sizes.head // 2,):
        raise CorruptCheckpointError(
            f"the weights do not fit the config: the rotary frequencies have shape {list(stored.shape)}; expected"
            f" [{sizes.head // 2}]"
        )
    return stored


def _embed(g: GraphBuilder, config: Config, inputs: GraphInputs, words: Value, sizes: Sizes) -> Value:
    """Embedded tokens, (B·T, hidden)."""
    size = sizes.hidden
    batched = g.op("Concat", g.op("Shape", inputs.ids), g.int64_vector(size), axis=0)
    x = g.op("Reshape", ops.embed(g, words, inputs.ids, size), batched)
    if config.flag("token_dropout", False):
        masked = g.op("Cast", g.op("Equal", inputs.ids, g.int64(config.integer("mask_token_id"))), to=1)
        unit = g.float32(1.0)
        x = g.op("Mul", x, g.op("Unsqueeze", g.op("Sub", unit, masked), g.int64_vector(2)))
        tokens = g.op("ReduceSum", g.op("Cast", inputs.attention_mask, to=1), g.int64_vector(1))
        share = g.op("Div", g.op("ReduceSum", masked, g.int64_vector(1)), tokens)  # (B, 1)
        unmasked = g.op("Max", g.op("Sub", unit, share), g.float32(1e-6))  # a row of masks alone stays at zero
        scale = g.op("Div", g.float32(1 - _MASKED_IN_TRAINING), unmasked)
        x = g.op("Mul", x, g.op("Unsqueeze", scale, g.int64_vector(2)))
    if config.text("position_embedding_type", "absolute") == "absolute":
        table = g.weight("esm.embeddings.position_embeddings.weight", _positions(config), size)
        x = g.op(
            "Add", x, g.op("Gather", table, postnorm.positions_after_padding(g, inputs, config.integer("pad_token_id")))
        )
    x = g.op("Reshape", x, g.int64_vector(-1, size))
    if config.flag("emb_layer_norm_before", False):
        x = ops.layer_norm(g, x, "esm.embeddings.layer_norm", size, sizes.eps)
    return x


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, angles: tuple[Angles, Angles] | None,
    biases: Biases, *, last: bool,
) -> Value:  # fmt: skip
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer."""
    size, inner = sizes.hidden, sizes.inner
    normed = ops.layer_norm(g, x, f"{prefix}.attention.LayerNorm", size, sizes.eps)
    k = ops.split_heads(g, ops.linear(g, normed, f"{prefix}.{BERT_LAYER.key}", size, size), inputs.ids, sizes.heads, sizes.head)  # fmt: skip
    v = ops.split_heads(g, ops.linear(g, normed, f"{prefix}.{BERT_LAYER.value}", size, size), inputs.ids, sizes.heads, sizes.head)  # fmt: skip
    like, bias = inputs.ids, biases.everywhere
    if last:
        x, normed = ops.at_slots(g, x, inputs), ops.at_slots(g, normed, inputs)
        like, bias = inputs.slots, biases.slots
    q = ops.split_heads(g, ops.linear(g, normed, f"{prefix}.{BERT_LAYER.query}", size, size), like, sizes.heads, sizes.head)  # fmt: skip
    if angles is not None:
        q, k = rotary.rotate(g, q, angles[1] if last else angles[0]), rotary.rotate(g, k, angles[0])
    mixed = ops.attend(g, q, k, v, bias, sizes.heads, sizes.head)
    x = g.op("Add", x, ops.linear(g, mixed, f"{prefix}.{BERT_LAYER.out}", size, size))
    y = ops.layer_norm(g, x, f"{prefix}.LayerNorm", size, sizes.eps)
    y = ops.activation(g, ops.linear(g, y, f"{prefix}.{BERT_LAYER.up}", inner, size), "gelu")
    return g.op("Add", x, ops.linear(g, y, f"{prefix}.{BERT_LAYER.down}", size, inner))
