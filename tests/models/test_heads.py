"""Which tensors a model may leave unread, and how a checkpoint without the head for a task is described."""

import pytest

from fillmask.errors import CorruptCheckpointError
from fillmask.models.config import Config
from fillmask.models.encoders import FAMILIES, holds_head
from fillmask.models.heads import check_all_read, in_short, is_saved_for, no_head, unread_tensors


@pytest.mark.parametrize(
    "name",
    [
        "bert.embeddings.position_ids",
        "embeddings.position_ids",
        "bert.encoder.layer.3.attention.self.rotary_embeddings.inv_freq",
        "bert.pooler.dense.weight",
        "pooler.dense.bias",
        "cls.seq_relationship.weight",
        "classifier.weight",
        "qa_outputs.bias",
        "discriminator_predictions.dense.weight",
    ],
)
def test_what_a_mask_model_may_leave_unread(name: str) -> None:
    assert unread_tensors([name], "bert", ["cls.predictions"]) == []


@pytest.mark.parametrize(
    "name",
    [
        "bert.encoder.layer.12.output.dense.weight",
        "encoder.layer.12.output.dense.weight",
        "bert.encoder.layer.0.attention.self.query.lora_A.weight",
        "cls.predictions.extra.weight",
        "model.bert.embeddings.word_embeddings.weight",
        "adapter.weight",
    ],
)
def test_what_no_model_may_leave_unread(name: str) -> None:
    assert unread_tensors([name], "bert", ["cls.predictions"]) == [name]
    with pytest.raises(CorruptCheckpointError, match=f"tensor {name} has no place in the model"):
        check_all_read([name], "bert", ["cls.predictions"])


def test_a_family_ignores_tensors_of_its_own() -> None:
    name = "deberta.embeddings.position_embeddings.weight"
    assert unread_tensors([name], "deberta", ["cls.predictions"]) == [name]
    assert unread_tensors([name], "deberta", ["cls.predictions"], FAMILIES["deberta-v2"].ignored) == []


@pytest.mark.parametrize(
    ("family", "tensor", "task", "expected"),
    [
        ("bert", "cls.predictions.bias", "fill", True),
        ("bert", "cls.seq_relationship.bias", "fill", False),
        ("bert", "classifier.weight", "fill", False),
        ("bert", "classifier.weight", "classify", True),
        ("bert", "cls.predictions.bias", "classify", False),
        ("electra", "discriminator_predictions.dense.weight", "fill", False),
        ("modernbert", "head.dense.weight", "fill", False),
        ("modernbert", "decoder.bias", "fill", True),
    ],
)
def test_the_tensors_say_which_head_there_is(family: str, tensor: str, task: str, expected: bool) -> None:
    """Whatever class the config names."""
    for names in (None, ["BertModel"], ["BertForMaskedLM"], ["BertForSequenceClassification"]):
        config = Config({"model_type": family, "architectures": names})
        assert holds_head(config, {tensor: None}, task) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "expected"),
    [(None, True), ([], True), (["FNetForMaskedLM"], True), (["FNetForPreTraining"], True), (["XLMWithLMHeadModel"], True),
     (["FNetModel"], False), (["FNetForSequenceClassification"], False), ("not a list", True)],
)  # fmt: skip
def test_without_a_graph_the_class_says_it(names: object, expected: bool) -> None:
    config = Config({"model_type": "fnet", "architectures": names})
    assert is_saved_for(config, "fill") is expected
    assert holds_head(config, {}, "fill") is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["BertModel"], r"m has no masked language model head \(cls.predictions.\*\): it is a BertModel; use a masked"),
        (["BertForSequenceClassification"], r"it is a BertForSequenceClassification; .*`fillmask classify` takes this"),
        (["BertForMaskedLM"], "config.json names BertForMaskedLM, but the weights hold no such tensors"),
        (None, "config.json names no class in architectures"),
    ],
)
def test_the_message_names_the_head_and_the_class(names: object, message: str) -> None:
    config = Config({"model_type": "bert", "architectures": names})
    with pytest.raises(Exception, match=message):
        raise no_head("m", config, "fill", ["cls.predictions"])


def test_many_names_are_told_in_short() -> None:
    assert in_short(["b"]) == "tensor b"
    assert in_short({"b", "a", "c"}) == "tensor a and 2 more"
