"""RoFormer (Su et al. 2021): BERT with rotary positions, in which neighbouring coordinates make a pair."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm, rotary
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import BERT_LAYER, ClassifierNames, EncoderOutput, Rotation, Sizes
from fillmask.models.encoders.rotary import Angles

CLASSIFIER = ClassifierNames("classifier.dense", "classifier.out_proj", "hidden_act", configured=True)
_TABLE = "roformer.encoder.embed_positions.weight"


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of RoFormerForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    postnorm.head(g, config, inputs, encoded, bert.HEAD, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of RoFormerForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    postnorm.refuse_decoders(config)
    sizes = Sizes.of(config)
    width = config.integer("embedding_size", sizes.hidden)
    words = g.weight("roformer.embeddings.word_embeddings.weight", config.integer("vocab_size"), width)
    kinds = config.integer("type_vocab_size", 2)
    x = postnorm.embeddings(g, inputs, "roformer.embeddings", words, width, position=None, kinds=kinds)
    x = ops.layer_norm(g, x, "roformer.embeddings.LayerNorm", width, sizes.eps)
    if width != sizes.hidden:
        x = ops.linear(g, x, "roformer.embeddings_project", sizes.hidden, width)
    everywhere, slots = _angles(g, config, inputs, sizes)
    rotation = Rotation(_rotate, everywhere, slots, values=config.flag("rotary_value", False))
    layers = [f"roformer.encoder.layer.{n}" for n in range(config.integer("num_hidden_layers", 12))]
    x = postnorm.encode(g, inputs, x, layers, BERT_LAYER, sizes, postnorm.padding(g, inputs), rotation)
    return EncoderOutput(x, words, width, sizes)


def _angles(g: GraphBuilder, config: Config, inputs: GraphInputs, sizes: Sizes) -> tuple[Angles, Angles]:
    """Cosines and sines at all places and at the slots, as for `rotary.angles`, from the checkpoint's own table."""
    positions = config.integer("max_position_embeddings", 1536)
    if not g.has(_TABLE):
        return rotary.angles(g, inputs, "rotary", rotary.frequencies(10_000.0, sizes.head), positions)
    table = g.weight(_TABLE, positions, sizes.head)  # sines, then cosines
    everywhere = g.op("Unsqueeze", postnorm.positions_from_zero(g, inputs), g.int64_vector(0, 1))
    slots = g.op("Unsqueeze", inputs.slots, g.int64_vector(1))

    def at(places: Value) -> Angles:
        sin, cos = g.split("Split", g.op("Gather", table, places), outputs=2, axis=-1, num_outputs=2)
        return cos, sin

    return at(everywhere), at(slots)


def _rotate(g: GraphBuilder, x: Value, angles: Angles) -> Value:
    """x (B, H, L, D) turned: coordinates 0 and 1, 2 and 3, … are the two coordinates of a pair."""
    cos, sin = (g.op("Unsqueeze", part, g.int64_vector(-1)) for part in angles)
    pairs = g.op("Reshape", x, g.int64_vector(0, 0, 0, -1, 2))
    a, b = g.split("Split", pairs, outputs=2, axis=-1, num_outputs=2)
    first = g.op("Sub", g.op("Mul", a, cos), g.op("Mul", b, sin))
    second = g.op("Add", g.op("Mul", b, cos), g.op("Mul", a, sin))
    return g.op("Reshape", g.op("Concat", first, second, axis=-1), g.int64_vector(0, 0, 0, -1))
