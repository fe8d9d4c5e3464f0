"""Classifiers without torch: shapes of answers, streams, batches, and what is refused. tests/conformance holds the numbers."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import LONGEST, SENTENCES, write_classifier

from fillmask import CorruptCheckpointError, InputError, TextTooLongError, UnsupportedModelError
from fillmask.runtime.engines import Batch
from fillmask.tasks.classify import Classifier

LABELS = ("bad", "good", "neither")


@pytest.fixture(scope="module", params=["cls", "mean"])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp(f"classifier-{request.param}")
    return Classifier(write_classifier(folder, *LABELS, classifier_pooling=request.param))


def changed(folder: Path, **values: Any) -> Path:
    """A tiny classifier with other values in its config."""
    path = write_classifier(folder, *LABELS) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


def test_shapes(classifier: Classifier) -> None:
    (one,) = classifier("The old dog.")
    assert list(one) == ["label", "score"]
    assert one["label"] in LABELS
    several = classifier("The old dog.", top_k=2)
    assert several[0] == one
    assert several[0]["score"] >= several[1]["score"]
    every = classifier("The old dog.", top_k=None)
    assert {answer["label"] for answer in every} == set(LABELS)
    assert sum(answer["score"] for answer in every) == pytest.approx(1, abs=1e-5)
    assert classifier(["The old dog."]) == [one]
    assert classifier(["The old dog.", "A cat."])[0]["label"] == one["label"]
    assert classifier([]) == []
    assert classifier({"text": "The old dog."}) == one
    assert classifier("The old dog.", top_k=0) == []
    assert classifier.labels == LABELS


def test_texts_have_different_answers(classifier: Classifier) -> None:
    assert len({answer["score"] for answer in classifier(list(SENTENCES))}) > 40


def test_a_text_does_not_depend_on_its_company(classifier: Classifier) -> None:
    texts = ["A cat.", *SENTENCES[:9], " ".join(SENTENCES[:4]), "The market early in winter"]
    together = classifier.logits(texts)
    assert together.shape == (len(texts), 3)
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.ptp(together, axis=0).min() > 0.1


def test_texts_of_like_length_share_a_batch(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Batch] = []
    run = classifier.engine.run
    monkeypatch.setattr(classifier.engine, "run", lambda batch: seen.append(batch) or run(batch))
    texts = [word * n for n in (1, 90) for word in ("old ", "dog ", "river ") for _ in range(30)]
    classifier(texts)
    tokens = sum(int(batch.attention_mask.sum()) for batch in seen)
    padded = sum(batch.input_ids.size for batch in seen)
    assert tokens > 0.8 * padded
    assert 2 <= len(seen) < 60


def test_a_stream_is_read_as_results_are_taken(classifier: Classifier) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for n in range(1000):
            read += 1
            yield f"The {n} dog"

    answers = classifier(texts())
    assert read == 0
    first = next(answers)
    assert read <= 64
    assert first["score"] == pytest.approx(classifier("The 0 dog")[0]["score"], abs=1e-5)


def test_those_before_a_bad_text_are_answered(classifier: Classifier) -> None:
    answers = classifier(text for text in ["One dog.", "Two.", None, "Three."])
    assert [next(answers)["label"], next(answers)["label"]]
    with pytest.raises(InputError, match="of type NoneType"):
        next(answers)


def test_pairs(classifier: Classifier) -> None:
    (answer,) = classifier([{"text": "The old dog.", "text_pair": "A cat."}], top_k=None)
    (other,) = classifier([{"text": "The old dog.", "text_pair": "A horse."}], top_k=None)
    assert answer != other


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (3, {}, "of type int"),
        (b"abc", {}, "of type bytes"),
        ([["a", "b"]], {}, "a list in a list"),
        ({"txt": "a"}, {}, "has the keys 'txt'; expected text and text_pair"),
        ("\ud800", {}, "lone surrogate"),
        ("a", {"top_k": -1}, "top_k is -1"),
        ("a", {"top_k": "2"}, "top_k is '2'"),
        ("a", {"function_to_apply": "tanh"}, "function_to_apply is 'tanh'; expected 'softmax', 'sigmoid', 'none'"),
        ("a", {"stride": 3}, "tokenizer_kwargs has stride"),
    ],
)
def test_what_cannot_be_classified(classifier: Classifier, inputs: object, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier(inputs, **options)  # type: ignore[arg-type]


def test_long_texts(classifier: Classifier) -> None:
    text = "the old dog " * LONGEST
    with pytest.raises(TextTooLongError, match=r"have its end cut off \(truncation=True, --truncate\)"):
        classifier(text)
    cut = classifier(text, truncation=True)
    assert len(cut) == 1
    assert classifier(text, truncation=True, max_length=5) != cut


def test_functions(classifier: Classifier) -> None:
    logits = classifier.logits(["The old dog."])[0].tolist()
    found = {
        function: {a["label"]: a["score"] for a in classifier("The old dog.", top_k=None, function_to_apply=function)}
        for function in ("none", "SIGMOID", "softmax")
    }
    whole = sum(math.exp(x) for x in logits)
    for label, x in zip(LABELS, logits, strict=True):
        assert found["none"][label] == pytest.approx(x, abs=1e-5)
        assert found["SIGMOID"][label] == pytest.approx(1 / (1 + math.exp(-x)), abs=1e-5)
        assert found["softmax"][label] == pytest.approx(math.exp(x) / whole, abs=1e-5)


def test_the_configs_function(tmp_path: Path) -> None:
    scores = {}
    for kind in ("regression", "multi_label_classification", "single_label_classification"):
        model = Classifier(changed(tmp_path / kind, problem_type=kind))
        scores[kind] = sum(answer["score"] for answer in model("The old dog.", top_k=None))
    assert scores["single_label_classification"] == pytest.approx(1, abs=1e-5)
    assert len({round(score, 3) for score in scores.values()}) == 3
    assert Classifier(tmp_path / "regression", function_to_apply="softmax")("A dog", top_k=None)[0]["score"] <= 1


def test_a_model_without_a_head(modernbert_folder: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"it is a ModernBertForMaskedLM.*fillmask train finetune"):
        Classifier(modernbert_folder)
    with pytest.raises(UnsupportedModelError, match="bundled has no classification head"):
        Classifier("bundled")


def test_a_config_that_names_no_class(tmp_path: Path, modernbert_folder: Path) -> None:
    assert Classifier(changed(tmp_path / "a", architectures=None))("A dog")
    path = write_classifier(tmp_path / "b", *LABELS) / "config.json"
    path.write_text(json.dumps(json.loads((modernbert_folder / "config.json").read_text()) | {"architectures": None}))
    (path.parent / "model.safetensors").write_bytes((modernbert_folder / "model.safetensors").read_bytes())
    with pytest.raises(
        UnsupportedModelError, match=r"no classification head \(classifier\.\*\): config.json names no class"
    ):
        Classifier(path.parent)


@pytest.mark.parametrize("labels", [{}, {"1": "a", "2": "b"}, {"a": "b"}, ["a", "b"]])
def test_labels_that_are_not_numbered(labels: object, tmp_path: Path) -> None:
    with pytest.raises(CorruptCheckpointError, match="id2label"):
        Classifier(changed(tmp_path, id2label=labels))


def test_labels_that_do_not_fit_the_weights(tmp_path: Path) -> None:
    with pytest.raises(
        CorruptCheckpointError, match=r"tensor classifier\.weight has shape \[3, 32\]; expected \[2, 32\]"
    ):
        Classifier(changed(tmp_path, id2label={"0": "a", "1": "b"}))


def test_an_unknown_pooling(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="classifier_pooling='max'"):
        Classifier(changed(tmp_path, classifier_pooling="max"))


def test_int8_stays_near(classifier: Classifier) -> None:
    rounded = Classifier(classifier.checkpoint.folder, precision="int8")
    exact, found = classifier.logits(SENTENCES[:20]), rounded.logits(SENTENCES[:20])
    assert 0 < np.abs(exact - found).mean() < 0.2 * exact.std()
    assert rounded.engine.precision == "int8"
    assert classifier.engine.precision == "float32"


def test_a_graph_of_each_kind_is_kept(tmp_path: Path) -> None:
    """A masked language model's graph and a classifier's do not stand in for each other in the cache."""
    folder = write_classifier(tmp_path, *LABELS)
    first = Classifier(folder).logits(["A dog"])
    np.testing.assert_array_equal(Classifier(folder).logits(["A dog"]), first)
