"""NomicBERT (Nussbaum et al. 2024): post-norm layers with rotary positions, a gated feed-forward, and few biases.

Tensors have the names of published checkpoints, which transformers renames when it reads them.
"""

from __future__ import annotations

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm, rotary
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import ClassifierNames, EncoderOutput, HeadNames, Sizes
from fillmask.models.encoders.rotary import Angles

HEAD = HeadNames(
    dense=bert.HEAD.dense,
    norm="cls.predictions.transform.layer_norm",
    decoder=bert.HEAD.decoder,
    bias=bert.HEAD.bias,
)
CLASSIFIER = ClassifierNames("nomic_bert.pooler.dense", "classifier", "tanh")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of NomicBertForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation=config.text("hidden_act", "silu"))


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of NomicBertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    if "n_embd" in config:
        raise UnsupportedModelError(
            "config.json is in the form of nomic_bert's own code (n_embd, n_head …), which is never run here; expected"
            " that of transformers (hidden_size, num_attention_heads …)"
        )
    sizes = Sizes.of(config, default_activation="silu")
    head_size = config.integer("head_dim", sizes.head)
    words = g.weight("nomic_bert.embeddings.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, "nomic_bert.embeddings", words, sizes.hidden, position=None, kinds=kinds)
    x = ops.layer_norm(g, x, "nomic_bert.emb_ln", sizes.hidden, sizes.eps)
    positions = config.integer("max_position_embeddings", 2048)
    theta = rotary.theta(config, config.number("rope_theta", 1000.0))
    angles = rotary.angles(g, inputs, "rotary", rotary.frequencies(theta, head_size), positions)
    bias = ops.padding_bias(g, inputs)
    layers = config.integer("num_hidden_layers", 12)
    for number in range(layers):
        last = number == layers - 1
        x = _layer(g, inputs, x, f"nomic_bert.encoder.layers.{number}", sizes, head_size, angles, bias, last=last)
    if not layers:
        x = ops.at_slots(g, x, inputs)
    return EncoderOutput(x, words, sizes.hidden, sizes)


def _layer(
    g: GraphBuilder, inputs: GraphInputs, x: Value, prefix: str, sizes: Sizes, head_size: int, angles: tuple[Angles, Angles],
    bias: Value, *, last: bool,
) -> Value:  # fmt: skip
    size, width = sizes.hidden, sizes.heads * head_size

    def project(y: Value, part: int, like: Value) -> Value:
        rows = (part * width, (part + 1) * width)
        y = ops.linear(g, y, f"{prefix}.attn.Wqkv", 3 * width, size, bias=False, rows=rows)
        return ops.split_heads(g, y, like, sizes.heads, head_size)

    k, v = project(x, 1, inputs.ids), project(x, 2, inputs.ids)
    like, own = inputs.ids, angles[0]
    if last:
        x, like, own = ops.at_slots(g, x, inputs), inputs.slots, angles[1]
    q = rotary.rotate(g, project(x, 0, like), own)
    mixed = ops.attend(g, q, rotary.rotate(g, k, angles[0]), v, bias, sizes.heads, head_size)
    y = ops.linear(g, mixed, f"{prefix}.attn.out_proj", size, width, bias=False)
    x = ops.layer_norm(g, g.op("Add", x, y), f"{prefix}.norm1", size, sizes.eps)

    gate, up = (ops.linear(g, x, f"{prefix}.mlp.{name}", sizes.inner, size, bias=False) for name in ("fc12", "fc11"))
    y = g.op("Mul", ops.activation(g, gate, sizes.activation), up)
    y = ops.linear(g, y, f"{prefix}.mlp.fc2", size, sizes.inner, bias=False)
    return ops.layer_norm(g, g.op("Add", x, y), f"{prefix}.norm2", size, sizes.eps)
