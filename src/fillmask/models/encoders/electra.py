"""ELECTRA's generator (Clark et al. 2020): BERT with embeddings that may be narrower than its layers."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, EncoderOutput, HeadNames, Sizes

HEAD = HeadNames(
    dense="generator_predictions.dense",
    norm="generator_predictions.LayerNorm",
    decoder="generator_lm_head.weight",
    bias=("generator_lm_head.bias",),
)
CLASSIFIER = ClassifierNames("classifier.dense", "classifier.out_proj", "gelu")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of ElectraForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation="gelu")


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of ElectraForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    width = config.integer("embedding_size", 128)
    x, words = embed(g, config, inputs, "electra", sizes, width)
    layers = [f"electra.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 12))]
    x = postnorm.encode(g, inputs, x, layers, BERT_LAYER, sizes, postnorm.padding(g, inputs))
    return EncoderOutput(x, words, width, sizes)


def embed(
    g: GraphBuilder, config: Config, inputs: ops.GraphInputs, base: str, sizes: Sizes, width: int
) -> tuple[Value, Value]:
    """Embedded tokens widened to (B·T, hidden), and the word embeddings (vocabulary, width)."""
    prefix = f"{base}.embeddings"
    places = (postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512))
    words = g.weight(f"{prefix}.word_embeddings.weight", config.integer("vocab_size"), width)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, prefix, words, width, position=places, kinds=kinds)
    x = ops.layer_norm(g, x, f"{prefix}.LayerNorm", width, sizes.eps)
    if width != sizes.hidden:
        x = ops.linear(g, x, f"{prefix}_project", sizes.hidden, width)
    return x, words
