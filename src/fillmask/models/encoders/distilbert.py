"""DistilBERT (Sanh et al. 2019): BERT's encoder without token types, under names of its own."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import ClassifierNames, EncoderOutput, HeadNames, LayerNames, Sizes

LAYER = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    out="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    norm="output_layer_norm",
)
HEAD = HeadNames(
    dense="vocab_transform",
    norm="vocab_layer_norm",
    decoder="vocab_projector.weight",
    bias=("vocab_projector.bias",),
)
CLASSIFIER = ClassifierNames("pre_classifier", "classifier", "relu")
_EPS = 1e-12  # not in the config


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of DistilBertForMaskedLM. Sinusoidal positions are a table in the checkpoint like learned ones."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation=config.text("activation", "gelu"))


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of DistilBertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    config.divided("dim", "n_heads")
    activation = config.text("activation", "gelu")
    sizes = Sizes(
        config.integer("dim", 768), config.integer("n_heads", 12), config.integer("hidden_dim", 3072), activation, _EPS
    )
    places = (postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512))
    base = "distilbert.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    x = postnorm.embeddings(g, inputs, base, words, sizes.hidden, position=places, kinds=0)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", sizes.hidden, _EPS)
    layers = [f"distilbert.transformer.layer.{n}" for n in range(config.integer("n_layers", 6))]
    x = postnorm.encode(g, inputs, x, layers, LAYER, sizes, postnorm.padding(g, inputs))
    return EncoderOutput(x, words, sizes.hidden, sizes)
