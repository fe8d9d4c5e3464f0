"""ERNIE (Sun et al. 2019 to 2021): BERT, with an embedding of the task where the config asks for one."""

from __future__ import annotations

from fillmask.models.config import Config
from fillmask.models.encoders import bert, ops, postnorm
from fillmask.models.encoders.graph import GraphBuilder
from fillmask.models.encoders.ops import GraphInputs
from fillmask.models.encoders.postnorm import ClassifierNames, EncoderOutput

CLASSIFIER = ClassifierNames("ernie.pooler.dense", "classifier", "tanh")


def build(g: GraphBuilder, config: Config) -> None:
    """The graph of ErnieForMaskedLM."""
    inputs = ops.inputs(g)
    encoded = _encode(g, config, inputs)
    postnorm.head(g, config, inputs, encoded, bert.HEAD, activation=encoded.sizes.activation)


def build_classifier(g: GraphBuilder, config: Config, labels: int) -> None:
    """The graph of ErnieForSequenceClassification."""
    inputs = ops.inputs(g)
    postnorm.classifier(g, config, inputs, _encode(g, config, inputs), CLASSIFIER, labels)


def _encode(g: GraphBuilder, config: Config, inputs: GraphInputs) -> EncoderOutput:
    task = None
    if config.flag("use_task_id", False):  # every text is of task 0, as in transformers where none is given
        size, tasks = config.integer("hidden_size", 768), config.integer("task_type_vocab_size", 3)
        task = g.weight("ernie.embeddings.task_type_embeddings.weight", tasks, size, rows=(0, 1))
    return bert.encode(g, config, inputs, "ernie", postnorm.positions_from_zero(g, inputs), offset=task)
