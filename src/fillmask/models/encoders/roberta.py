"""RoBERTa (Liu et al. 2019), and with it DistilRoBERTa, XLM-RoBERTa and CamemBERT.

BERT's encoder with positions numbered from the padding id up, over the tokens
that are not padding, and a head that always uses gelu.
"""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import EncoderOutput, HeadNames

HEAD = HeadNames(
    dense="lm_head.dense",
    norm="lm_head.layer_norm",
    decoder="lm_head.decoder.weight",
    bias=("lm_head.decoder.bias", "lm_head.bias"),
)


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of RobertaForMaskedLM."""
    inputs = ops.inputs(g)
    postnorm.head(g, config, inputs, _encode(g, config, inputs), HEAD, activation="gelu")


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of RobertaForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), postnorm.FIRST_TOKEN, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    positions = postnorm.positions_after_padding(g, inputs, config.integer("pad_token_id", 1))
    return bert.encode(g, config, inputs, "roberta", positions)
