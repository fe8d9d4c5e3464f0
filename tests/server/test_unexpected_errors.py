"""Whatever fails in the server itself is a JSON error with the request's id; the application runs here without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import JSON, refused
from tiny import SENTENCES
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from fillmask.server.http.app import create_app
from fillmask.server.service import Service
from fillmask.server.settings import ServerSettings


class _PanicError(BaseException):
    """What the libraries in Rust raise when they panic: no Exception."""


def in_process(folder: Path) -> Service:
    return Service(ServerSettings(model=str(folder), threads=1))


@pytest.fixture(scope="module")
def service(modernbert_folder: Path) -> Iterator[Service]:
    service = in_process(modernbert_folder)
    yield service
    end(service)


def end(service: Service) -> None:
    for replica in service.replicas._all:
        replica.process.kill()
        replica.process.wait()
        for pipe in (replica.process.stdin, replica.process.stdout):
            assert pipe is not None
            pipe.close()
    asyncio.run(asyncio.sleep(0))


def post(service: Service, path: str, body: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, content=json.dumps(body), headers={**JSON, "X-Request-Id": "mine"})

    return asyncio.run(send())


@pytest.mark.parametrize("kind", [Exception, KeyError, MemoryError, RecursionError, _PanicError])
@pytest.mark.parametrize("path", ["/v1/fill-mask", "/v1/score"])
def test_an_exception_of_any_kind_is_a_json_500(
    service: Service, kind: type[BaseException], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind("a secret of the server")

    monkeypatch.setattr(type(service.tokenizer), "encode_text", fail)
    monkeypatch.setattr(type(service.tokenizer), "encode", fail)
    answer = post(service, path, {"inputs": "The <mask> dog." if path == "/v1/fill-mask" else "The dog."})
    message = refused(answer, 500, "internal")
    assert "secret" not in message
    assert answer.json()["request_id"] == "mine"
    assert not service.calls
    assert {capacity.used_items for capacity in service.capacities.values()} == {0}
    assert service.bodies.bytes == 0


def test_a_text_that_the_tokenizer_cannot_encode_is_an_error_of_that_request(
    modernbert_folder: Path, tmp_path: Path
) -> None:
    """A WordPiece without its unknown token knows the words of its vocabulary alone."""
    for file in modernbert_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    original = Tokenizer.from_file(str(modernbert_folder / "tokenizer.json"))
    words = sorted({word for sentence in SENTENCES for word in sentence.replace(".", " .").split()})[:200]
    special = [original.id_to_token(number) for number in range(5)]
    vocabulary = {token: number for number, token in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[none]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    mask = next(token for token in special if "mask" in token.lower())
    tokenizer.add_special_tokens([mask])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    service = in_process(tmp_path)
    try:
        for path, text in (("/v1/fill-mask", f"{words[0]} {mask} Ωunseen"), ("/v1/score", f"{words[0]} Ωunseen")):
            assert "cannot encode" in refused(post(service, path, {"inputs": text}), 422, "invalid_input")
    finally:
        end(service)
