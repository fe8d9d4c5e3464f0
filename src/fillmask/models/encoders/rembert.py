"""RemBERT (Chung et al. 2020): BERT with narrow embeddings of its input, and a wide output matrix of its own."""

from __future__ import annotations

from fillmask.errors import UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders import ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, EncoderOutput, HeadNames, Sizes

HEAD = HeadNames(
    dense="cls.predictions.dense",
    norm="cls.predictions.LayerNorm",
    decoder="cls.predictions.decoder.weight",
    bias=("cls.predictions.decoder.bias",),
    tied_by_default=False,
)
CLASSIFIER = ClassifierNames("rembert.pooler.dense", "classifier", "tanh")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of RemBertForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    width = config.integer("input_embedding_size", 256)
    if width != encoded.width and config.flag("tie_word_embeddings", False) and not g.has(str(HEAD.decoder)):
        raise UnsupportedModelError(
            f"config.json has tie_word_embeddings=true with input_embedding_size={width} and"
            f" output_embedding_size={encoded.width}; expected the same size twice"
        )
    postnorm.head(g, config, inputs, encoded, HEAD, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of RemBertForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    width, head_width = config.integer("input_embedding_size", 256), config.integer("output_embedding_size", 1664)
    places = (postnorm.positions_from_zero(g, inputs), config.integer("max_position_embeddings", 512))
    base = "rembert.embeddings"
    words = g.weight(f"{base}.word_embeddings.weight", config.integer("vocab_size"), width)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, base, words, width, position=places, kinds=kinds)
    x = ops.layer_norm(g, x, f"{base}.LayerNorm", width, sizes.eps)
    x = ops.linear(g, x, "rembert.encoder.embedding_hidden_mapping_in", sizes.hidden, width)
    layers = [f"rembert.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 32))]
    x = postnorm.encode(g, inputs, x, layers, BERT_LAYER, sizes, postnorm.padding(g, inputs))
    return EncoderOutput(x, words, head_width, sizes)
