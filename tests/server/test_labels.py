"""A service over a fine-tuned classifier: its labels, and a clear no to what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from safetensors.numpy import load_file, save_file
from served import PHRASE, Service, refused
from tiny import write_roberta

from fillmask.tasks.classify import Classifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RobertaForSequenceClassification with random weights, made of the masked model."""
    folder = write_roberta(tmp_path_factory.mktemp("classifier"))
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["RobertaForSequenceClassification"],
        "id2label": {"0": "no", "1": "yes", "2": "perhaps"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: value for name, value in load_file(folder / "model.safetensors").items() if "lm_head" not in name}
    rng, size = np.random.default_rng(0), config["hidden_size"]
    for name, shape in {"dense": (size, size), "out_proj": (3, size)}.items():
        tensors[f"classifier.{name}.weight"] = rng.normal(0, 0.4, shape).astype(np.float32)
        tensors[f"classifier.{name}.bias"] = np.zeros(shape[0], np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Iterator[Service]:
    running = Service("--model", str(folder))
    running.worker()
    yield running
    running.end()


def test_labels(classifier: Service, folder: Path) -> None:
    texts = ["The old dog went to the bakery.", "She found two coins there."]
    expected = Classifier(folder, threads=1, top_k=None)(texts)
    with classifier.client() as client:
        assert client.get("/info").json()["tasks"] == ["classify"]
        found = client.post("/v1/classify", json={"inputs": texts}).json()
        for one, other in zip(found, expected, strict=True):
            assert [label["label"] for label in one] == [label["label"] for label in other]
            assert np.allclose([label["score"] for label in one], [label["score"] for label in other], atol=1e-4)
        best = client.post("/v1/classify", json={"inputs": texts[0], "parameters": {"top_k": 1}}).json()
        assert [[label["label"] for label in one] for one in best] == [[expected[0][0]["label"]]]
        raw = {"inputs": texts[0], "parameters": {"function_to_apply": "none"}}
        assert sum(label["score"] for label in client.post("/v1/classify", json=raw).json()[0]) != pytest.approx(1)
        assert "it serves classify" in refused(
            client.post("/v1/fill-mask", json={"inputs": PHRASE}), 404, "task_not_served"
        )
        refused(client.post("/v1/score", json={"inputs": "a"}), 404, "task_not_served")
        refused(client.post("/v1/restore", json={"inputs": "a"}), 404, "task_not_served")
        refused(client.post("/v1/classify", json={"inputs": "dog " * 400}), 422, "text_too_long")


def test_the_hubs_client(classifier: Service) -> None:
    found = InferenceClient(base_url=f"{classifier.url}/v1/classify").text_classification("The old dog.")
    assert {one.label for one in found} == {"no", "yes", "perhaps"}
