"""BERT (Devlin et al. 2018): learned positions, two segments, post-norm layers, biases everywhere."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, EncoderOutput, HeadNames, Sizes

HEAD = HeadNames(
    dense="cls.predictions.transform.dense",
    norm="cls.predictions.transform.LayerNorm",
    decoder="cls.predictions.decoder.weight",
    bias=("cls.predictions.decoder.bias", "cls.predictions.bias"),
)

CLASSIFIER = ClassifierNames("bert.pooler.dense", "classifier", "tanh")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of BertForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation=config.text("hidden_act", "gelu"))


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of BertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    return encode(g, config, inputs, "bert", postnorm.positions_from_zero(g, inputs))


def encode(
    g: GraphBuilder, config: Config, inputs: GraphInputs, base: str, positions: Value, *, offset: Value | None = None
) -> EncoderOutput:
    """The encoder of a model of BERT's shape whose tensors begin with `base`.

    Args:
        positions: of the tokens, (T,) or (B, T).
        offset: added to each embedded token before the norm, (1, hidden).
    """
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    kinds = config.integer("type_vocab_size", 2)
    places = (positions, config.integer("max_position_embeddings", 512))
    words = g.weight(f"{base}.embeddings.word_embeddings.weight", config.integer("vocab_size"), sizes.hidden)
    x = postnorm.embeddings(g, inputs, f"{base}.embeddings", words, sizes.hidden, position=places, kinds=kinds)
    if offset is not None:
        x = g.op("Add", x, offset)
    x = ops.layer_norm(g, x, f"{base}.embeddings.LayerNorm", sizes.hidden, sizes.eps)
    layers = [f"{base}.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 12))]
    x = postnorm.encode(g, inputs, x, layers, BERT_LAYER, sizes, postnorm.padding(g, inputs))
    return EncoderOutput(x, words, sizes.hidden, sizes)
