"""Requests that are too much, or that mean harm: refused at once, by name."""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import JSON, PHRASE, Service, refused

_FILL = "/v1/fill-mask"


def post(client: httpx.Client, body: bytes, path: str = _FILL, **headers: str) -> httpx.Response:
    start = time.monotonic()
    answer = client.post(path, content=body, headers={**JSON, **headers})
    assert time.monotonic() - start < 5
    return answer


@pytest.mark.parametrize(
    ("body", "status", "error_type", "message"),
    [
        (b"", 400, "invalid_json", "empty"),
        (b"{", 400, "invalid_json", "not JSON"),
        (b'\xef\xbb\xbf{"inputs": "<mask>"}', 400, "invalid_json", "not JSON"),
        (b'{"inputs": "\xff<mask>"}', 400, "invalid_json", "not UTF-8"),
        (b'{"inputs": NaN}', 400, "invalid_json", "NaN"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": Infinity}}', 400, "invalid_json", "Infinity"),
        (b'{"inputs": "<mask>", "inputs": "b <mask>"}', 400, "invalid_json", "'inputs' comes twice"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": 1, "top_k": 2}}', 400, "invalid_json", "twice"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": ' + b"9" * 6000 + b"}}", 400, "invalid_json", "digits"),
        (b"[" * 500_000, 422, "limit_exceeded", "max_json_depth"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 422, "limit_exceeded", "max_json_depth"),
        (b'{"inputs": "\\ud800 <mask>"}', 422, "invalid_request", "inputs"),
        (b"[]", 422, "invalid_request", "the body"),
        (b"null", 422, "invalid_request", "the body"),
        (b"{}", 422, "invalid_request", "inputs"),
        (b'{"inputs": null}', 422, "invalid_request", "inputs"),
        (b'{"inputs": 5}', 422, "invalid_request", "inputs"),
        (b'{"inputs": ["<mask>", 5]}', 422, "invalid_request", "inputs"),
        (b'{"inputs": {"a": "<mask>"}}', 422, "invalid_request", "inputs"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": "5"}}', 422, "invalid_request", "parameters.top_k"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": 5.0}}', 422, "invalid_request", "parameters.top_k"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": true}}', 422, "invalid_request", "parameters.top_k"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": 0}}', 422, "invalid_request", "parameters.top_k"),
        (b'{"inputs": "<mask>", "parameters": {"top_k": -1}}', 422, "invalid_request", "parameters.top_k"),
        (b'{"inputs": "<mask>", "parameters": {"topk": 5}}', 422, "invalid_request", "parameters.topk"),
        (b'{"inputs": "<mask>", "model": "/etc/passwd"}', 422, "invalid_request", "model"),
        (b'{"inputs": "no gap"}', 422, "no_mask", "write <mask>"),
        (b'{"inputs": "<mask>", "parameters": {"targets": []}}', 422, "no_target", "At least one target"),
        (b'{"inputs": "<mask>", "parameters": {"targets": [""]}}', 422, "no_target", "At least one target"),
    ],
)
def test_bodies_that_say_nothing(client: httpx.Client, body: bytes, status: int, error_type: str, message: str) -> None:
    assert message in refused(post(client, body), status, error_type)


def _of(inputs: Any, **parameters: Any) -> bytes:
    return json.dumps({"inputs": inputs, "parameters": parameters}).encode()


@pytest.mark.parametrize(
    ("limit", "body", "path"),
    [
        ("max_texts", _of(["<mask>"] * 129), _FILL),
        ("max_texts", _of(["a"] * 129), "/v1/score"),
        ("max_text_characters", _of("a" * 1_000_000 + "<mask>"), _FILL),
        ("max_text_characters", _of("a" * 20_001), "/v1/score"),
        ("max_document_characters", _of("a" * 100_001), "/v1/restore"),
        ("max_masks", _of("<mask> " * 129, long_text="window"), _FILL),
        ("max_top_k", _of(PHRASE, top_k=512), _FILL),
        ("max_top_k", _of(PHRASE, top_k=10**4000), _FILL),
        ("max_targets", _of(PHRASE, targets=["a"] * 1001), _FILL),
        ("max_target_characters", _of(PHRASE, targets=["a" * 101]), _FILL),
        ("max_readings", _of("[...]", readings=51), "/v1/restore"),
        ("max_model_tokens", _of(["x y z " * 19] * 128), "/v1/score"),
        ("max_answer_characters", _of("a" * 19_000 + "<mask>" * 30, top_k=100, long_text="window"), _FILL),
    ],
)  # fmt: skip
def test_every_limit_is_named(service: Service, client: httpx.Client, limit: str, body: bytes, path: str) -> None:
    named = client.get("/info").json()["limits"]
    message = refused(post(client, body, path), 422, "limit_exceeded")
    assert f"at most {named[limit]:,} (limit {limit}, see /info)" in message


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to measure memory")
def test_large_bodies_take_no_memory(service: Service, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(1600):
            yield b"x" * 65536

    before = resident(service.process.pid)
    start = time.monotonic()
    refused(client.post(_FILL, content=chunks(), headers=JSON), 413, "body_too_large")
    refused(client.post(_FILL, content=b"x" * 100_000_000, headers=JSON), 413, "body_too_large")
    assert time.monotonic() - start < 10
    bomb = gzip.compress(b"0" * 300_000_000)
    assert len(bomb) < 400_000
    message = refused(post(client, bomb, **{"Content-Encoding": "gzip"}), 413, "body_too_large")
    assert "max_body_bytes" in message
    assert resident(service.process.pid) - before < 30_000_000
    assert client.post(_FILL, json={"inputs": PHRASE}).status_code == 200


def test_gzip(client: httpx.Client) -> None:
    packed = gzip.compress(_of(PHRASE))
    assert post(client, packed, **{"Content-Encoding": "gzip"}).json() == post(client, _of(PHRASE)).json()
    for broken in (packed[:-9], b"no gzip"):
        refused(post(client, broken, **{"Content-Encoding": "gzip"}), 400, "bad_request")
    refused(post(client, packed, **{"Content-Encoding": "br"}), 415, "unsupported_media_type")


def test_only_json_is_taken(client: httpx.Client) -> None:
    """A form or a text is what a page of another site could post."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused(client.post(_FILL, content=_of(PHRASE), headers={"Content-Type": kind}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/docs/../app.py", "/docs/%2e%2e/app.py",
     "//etc/passwd", "/page/index.html", "/static/%00", "/docs/docs.js%00", "/http://example.org/"],
)  # fmt: skip
def test_no_path_reaches_the_disk(service: Service, path: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer[:100]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 900) for n in range(200)) + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_broken_requests_do_no_harm(service: Service, client: httpx.Client, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100)
        except OSError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 5")
    assert client.get("/health/ready").status_code == 200


def test_limits_can_be_set(serve: Callable[..., Service]) -> None:
    service = serve("--limit", "max_top_k=3", FILLMASK_LIMITS="max_texts=9")  # a flag wins over the environment
    with service.client() as client:
        assert client.get("/info").json()["limits"]["max_top_k"] == 3
        assert "at most 3" in refused(post(client, _of(PHRASE, top_k=4)), 422, "limit_exceeded")
        schema = client.get("/openapi.json").json()["components"]["schemas"]["FillMaskParameters"]
        assert schema["properties"]["top_k"]["anyOf"][0]["maximum"] == 3
