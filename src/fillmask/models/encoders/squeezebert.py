"""SqueezeBERT (Iandola et al. 2020): BERT whose linear layers are grouped convolutions over single tokens."""

from __future__ import annotations

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import Biases, ClassifierNames, EncoderOutput, Sizes

CLASSIFIER = ClassifierNames("transformer.pooler.dense", "classifier", "tanh")
_EPS = 1e-12  # of the layers' norms, whatever the config says


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of SqueezeBertForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    postnorm.head(g, config, inputs, encoded, bert.HEAD, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of SqueezeBertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    sizes = Sizes.of(config)
    config.require("embedding_size", sizes.hidden)
    places = (postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512))
    base = "transformer.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, base, words, sizes.hidden, position=places, kinds=kinds)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", sizes.hidden, sizes.eps)
    biases = postnorm.padding(g, inputs)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        prefix = f"transformer.encoder.layers.{number}"
        x = _layer(g, config, inputs, x, prefix, sizes, biases, last=number == layers - 1)
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return EncoderOutput(x, words, sizes.hidden, sizes)


def _layer(
    g: GraphBuilder, config: Config, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, biases: Biases, *, last: bool
) -> Value:  # fmt: skip
    """States (B·T, hidden) to states, or to those at the mask slots, (B·S, hidden), in the last layer."""
    size, inner = sizes.hidden, sizes.inner

    def convolve(y: Value, name: str, out_size: int, in_size: int, key: str, default: int = 4) -> Value:
        return _convolution(g, y, f"{prefix}.{name}", out_size, in_size, key, config.integer(key, default))

    k = convolve(x, "attention.key", size, size, "k_groups")
    v = convolve(x, "attention.value", size, size, "v_groups")
    like, bias = inputs.ids, biases.everywhere
    if last:
        x, like, bias = ops.at_slots(g, x, inputs), inputs.slots, biases.slots
    q = convolve(x, "attention.query", size, size, "q_groups")
    q, k, v = (
        ops.split_heads(g, y, of, sizes.heads, sizes.head) for y, of in ((q, like), (k, inputs.ids), (v, inputs.ids))
    )
    y = ops.attend(g, q, k, v, bias, sizes.heads, sizes.head)
    y = convolve(y, "post_attention.conv1d", size, size, "post_attention_groups", 1)
    x = ops.layer_norm(g, g.op("Add", y, x), f"{prefix}.post_attention.layernorm", size, _EPS)
    y = ops.activation(g, convolve(x, "intermediate.conv1d", inner, size, "intermediate_groups"), sizes.activation)
    y = convolve(y, "output.conv1d", size, inner, "output_groups")
    return ops.layer_norm(g, g.op("Add", y, x), f"{prefix}.output.layernorm", size, _EPS)


def _convolution(g: GraphBuilder, x: Value, prefix: str, out_size: int, in_size: int, key: str, groups: int) -> Value:
    """A convolution of width 1 over flat x (N, in_size), whose channels fall into groups: (N, out_size).

    Raises:
        UnsupportedModelError: the sizes do not fall into so many groups.
    """
    if groups == 0 or in_size % groups or out_size % groups:
        raise UnsupportedModelError(f"config.json has {key}={groups}; expected a divisor of {in_size} and {out_size}")
    stored = g.weight(f"{prefix}.weight", out_size, in_size // groups, 1)
    bias = g.weight(f"{prefix}.bias", out_size)
    blocks = g.op("Reshape", stored, g.int64_vector(groups, out_size // groups, in_size // groups))
    if groups == 1:
        return g.op("Gemm", x, g.op("Squeeze", blocks, g.int64_vector(0)), bias, transB=1)
    x = g.op("Transpose", g.op("Reshape", x, g.int64_vector(-1, groups, in_size // groups)), perm=[1, 0, 2])
    y = g.op("MatMul", x, g.op("Transpose", blocks, perm=[0, 2, 1]))
    return g.op("Add", g.op("Reshape", g.op("Transpose", y, perm=[1, 0, 2]), g.int64_vector(-1, out_size)), bias)
