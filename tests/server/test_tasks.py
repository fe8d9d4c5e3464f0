"""What the model's routes answer: the library's answers, in the inference API's shape."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from served import JSON, PHRASE, Service, refused

import fillmask


@pytest.fixture(scope="module")
def unmask(modernbert_folder: Path) -> fillmask.FillMask:
    return fillmask.FillMask(modernbert_folder, threads=1)


def warnings_of(answer: httpx.Response) -> list[str]:
    value = answer.headers["Fillmask-Warning"]
    assert all(" " <= character <= "~" for character in value)
    assert len(value) < 4000
    return list(json.loads(value))


def test_targets_outside_the_vocabulary_are_told_beside_the_answer(service: Service, client: httpx.Client) -> None:
    def ask(*targets: str, **headers: str) -> httpx.Response:
        answer = client.post(
            "/v1/fill-mask", json={"inputs": PHRASE, "parameters": {"targets": targets}}, headers=headers
        )
        assert answer.status_code == 200
        return answer

    assert "Fillmask-Warning" not in ask("Ġdog", "Ġcat").headers
    told = warnings_of(ask("Ġdog", "dogbakery", "", **{"X-Request-Id": "warned"}))
    start = "The specified target token `dogbakery` does not exist in the model vocabulary. Replacing with `"
    assert told[0].startswith(start)
    assert told[1].endswith("We cannot replace it with anything meaningful, ignoring it")
    assert service.event("targets outside the vocabulary", where=("request_id", "warned"))["targets"] == 2
    assert "dogbakery" not in json.dumps(service.log), "texts do not go into the log"
    odd = "Zürich\n😀\r\x7f\x00"
    assert f"`{odd}`" in warnings_of(ask(odd))[0]
    many = warnings_of(ask(*(f"dogbakery{n}" for n in range(100))))
    assert many[-1] == f"{101 - len(many)} more targets do not exist in the model vocabulary."
    assert len(warnings_of(ask(*("😀" * 90 + str(n) for n in range(30))))) > 1


def test_the_header_is_described(client: httpx.Client) -> None:
    found = client.get("/openapi.json").json()["paths"]["/v1/fill-mask"]["post"]["responses"]["200"]["headers"]
    assert json.loads(found["Fillmask-Warning"]["example"])


def same(found: Any, expected: Any) -> None:
    """The same structure and words, scores within 1e-4."""
    assert type(found) is type(expected)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, float):
        assert abs(found - expected) < 1e-4
    else:
        assert found == expected


@pytest.mark.parametrize("path", ["/v1/fill-mask", "/"])
@pytest.mark.parametrize(
    "inputs",
    [
        PHRASE,
        [PHRASE],
        [],
        "She [MASK] two <mask>.",
        [PHRASE, "It was <mask>, and <mask>.", "<mask>"],
    ],
)
def test_fill_mask_is_the_librarys(client: httpx.Client, unmask: fillmask.FillMask, path: str, inputs: Any) -> None:
    answer = client.post(path, json={"inputs": inputs})
    assert answer.headers["content-type"] == "application/json"
    same(answer.json(), unmask(inputs))


def test_parameters(client: httpx.Client, unmask: fillmask.FillMask) -> None:
    for parameters in (
        {"top_k": 2},
        {"targets": ["dog", " cat"]},
        {"targets": " cat", "top_k": 1},
        {"top_k": None},
        {},
    ):
        with pytest.warns(fillmask.FillMaskWarning) if "targets" in parameters else nullcontext():
            expected = unmask(PHRASE, **parameters)
        same(client.post("/v1/fill-mask", json={"inputs": PHRASE, "parameters": parameters}).json(), expected)


def test_a_text_longer_than_the_model(client: httpx.Client, unmask: fillmask.FillMask) -> None:
    text = "The old dog went to the <mask> early. " * 40
    body = {"inputs": text}
    assert "has" in refused(client.post("/v1/fill-mask", json=body), 422, "text_too_long")
    found = client.post("/v1/fill-mask", json={**body, "parameters": {"long_text": "window"}}).json()
    same(found, unmask(text, long_text="window"))


def test_the_hubs_client(service: Service, unmask: fillmask.FillMask) -> None:
    expected = unmask(PHRASE, top_k=3)
    for address in ("", "/", "/v1/fill-mask"):
        for client in (InferenceClient(base_url=service.url + address), InferenceClient(model=service.url + address)):
            found = client.fill_mask(PHRASE, top_k=3)
            assert [one.token_str for one in found] == [one["token_str"] for one in expected]
            assert [one.sequence for one in found] == [one["sequence"] for one in expected]
            assert np.allclose([one.score for one in found], [one["score"] for one in expected], atol=1e-4)


def test_batches_give_what_single_texts_give(service: Service, unmask: fillmask.FillMask) -> None:
    """Texts of many lengths at once, so that they share batches with padding."""
    texts = [f"{'The old dog went to the market. ' * (n % 9)}She found <mask> there." for n in range(60)]
    before = service.metric("fillmask_batch_rows_count")
    with service.client() as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: client.post("/v1/fill-mask", json={"inputs": text}).json(), texts))
    assert service.metric("fillmask_batch_rows_count") - before < len(texts), "nothing shared a batch"
    for text, answer in zip(texts, answers, strict=True):
        same(answer, unmask(text))


def test_score(client: httpx.Client, unmask: fillmask.FillMask) -> None:
    text = "The old dog went to the bakery."
    expected = unmask.score(text)
    found = client.post("/v1/score", json={"inputs": text}).json()
    assert list(found) == ["text", "score", "tokens", "pseudo_perplexity", "words"]
    assert found["score"] == pytest.approx(expected.score, abs=1e-4)
    assert [word["word"] for word in found["words"]] == [word.word for word in expected.words]
    many = client.post("/v1/score", json={"inputs": [text, "A dog."], "parameters": {"method": "original"}}).json()
    assert [one["score"] for one in many] == pytest.approx([one.score for one in unmask.score([text, "A dog."], method="original")], abs=1e-4)  # fmt: skip
    assert client.post("/v1/score", json={"inputs": []}).json() == []
    assert "only a whole text" in refused(client.post("/v1/score", json={"inputs": PHRASE}), 422, "invalid_input")


def test_classify_without_a_head(client: httpx.Client) -> None:
    message = refused(client.post("/v1/classify", json={"inputs": "a dog"}), 404, "task_not_served")
    assert "fill-mask, score, restore" in message


def test_text_that_is_not_ascii(client: httpx.Client) -> None:
    text = "Das 🐕 ging «früh» <mask> \u202e\u0000 天."
    found = client.post("/v1/fill-mask", content=json.dumps({"inputs": text}), headers=JSON).json()
    assert "🐕 ging «früh»" in found[0]["sequence"]
    assert "天" in found[0]["sequence"]
