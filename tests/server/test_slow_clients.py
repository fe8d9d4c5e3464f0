"""Clients that send or read slowly, or not at all: each limit of time ends them, and what they held is free again.

The limits of this service are a second or two, so that each ends while a test waits. No test holds a clock against the
service: what is waited for is the end of the connection, or a metric.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from served import PHRASE, Service

_FILL = "/v1/fill-mask"
_BODY = json.dumps({"inputs": PHRASE}).encode()
_LIMITS = {
    "header_seconds": 1,
    "body_start_seconds": 1,
    "body_seconds": 3,
    "write_seconds": 1,
    "min_bytes_per_second": 2_000_000,
    "max_connections": 700,
    "queue_items": 8,
    "queue_documents": 1,
}


@pytest.fixture(scope="module")
def impatient(modernbert_folder: Path) -> Iterator[Service]:
    limits = [argument for name, value in _LIMITS.items() for argument in ("--limit", f"{name}={value}")]
    service = Service("--model", str(modernbert_folder), *limits)
    service.worker()
    yield service
    service.end()


_connections: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    while _connections:
        _connections.pop().close()


def head(length: int, path: str = _FILL) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connect(service: Service, data: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", service.port))
    _connections.append(connection)
    connection.sendall(data)
    return connection


def read_all(connection: socket.socket) -> bytes:
    """What the service sends until it ends the connection."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    connection.close()
    return data


def error_of(answer: bytes) -> tuple[int, str, str]:
    """Status, type, and message of an error."""
    lines, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)
    assert set(error) == {"error", "error_type", "request_id"}
    assert f"x-request-id: {error['request_id']}".encode() in lines.lower()
    return int(lines[9:12]), error["error_type"], error["error"]


def fills(service: Service) -> int:
    return httpx.post(service.url + _FILL, json={"inputs": PHRASE}, timeout=60).status_code


def test_half_open_sockets_are_closed(impatient: Service) -> None:
    """300 clients that never end their headers, of which some send a line now and then and some nothing."""
    begun = [connect(impatient, b"POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\n") for _ in range(150)]
    silent = [connect(impatient) for _ in range(150)]
    assert fills(impatient) == 200
    ended = selectors.DefaultSelector()
    for connection in begun:
        ended.register(connection, selectors.EVENT_READ)
    number = 0
    while len({key.fileobj for key, _ in ended.select(0.1)}) < len(begun):
        number += 1
        time.sleep(0.05)  # what is readable once is so at once
        for connection in begun[:20]:
            with contextlib.suppress(OSError):
                connection.sendall(b"X-%d: slowly\r\n" % number)
        assert number < 1_200, "some are still open"
    answers = [read_all(connection) for connection in [*begun, *silent]]
    assert {error_of(answer)[:2] for answer in answers if answer} == {(408, "request_timeout")}
    assert "header_seconds" in error_of(answers[-1])[2]
    assert fills(impatient) == 200


def test_headers_are_bounded_in_bytes(impatient: Service) -> None:
    for header in (b"X: " + b"a" * 100_000, b"\r\n".join(b"X-%d: %s" % (n, b"a" * 500) for n in range(100))):
        answer = read_all(connect(impatient, b"GET /info HTTP/1.1\r\nHost: localhost\r\n" + header))
        status, error_type, message = error_of(answer)
        assert (status, error_type) == (431, "headers_too_large")
        assert "max_header_bytes" in message
    # Trailers come after the body and are headers all the same.
    chunked = b"POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailers = b"0\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 500) for n in range(100)) + b"\r\n"
    assert b" 200 " not in read_all(connect(impatient, chunked + trailers))


def test_requests_without_a_body_take_no_place(impatient: Service) -> None:
    """512 clients that promise a body and send none, into eight places."""
    waiting = [connect(impatient, head(len(_BODY))) for _ in range(512)]
    assert impatient.metric("fillmask_connections") > 500
    assert [fills(impatient) for _ in range(5)] == [200] * 5
    statuses = [error_of(read_all(connection)) for connection in waiting]
    assert {status[:2] for status in statuses} == {(408, "request_timeout")}
    assert "body_start_seconds" in statuses[0][2]


def test_a_body_that_arrives_too_slowly_is_refused(impatient: Service) -> None:
    connection = connect(impatient, head(1_000_000) + b"{")
    status, error_type, message = 0, "", ""
    connection.setblocking(False)
    for _ in range(600):
        time.sleep(0.05)
        try:
            connection.send(b" ")
            if answer := connection.recv(65536):
                status, error_type, message = error_of(answer)
                break
        except BlockingIOError:
            continue
    connection.close()
    assert (status, error_type) == (408, "request_timeout")
    assert "min_bytes_per_second" in message


def large_request() -> bytes:
    """A request whose answer has some megabytes, more than the system keeps for a client that does not read."""
    inputs = [f"{'The old dog went to the bakery. ' * 12}{'<mask> ' * 16}" for _ in range(4)]
    body = json.dumps({"inputs": inputs, "parameters": {"top_k": 100}}).encode()
    return head(len(body)) + body


def test_a_large_answer_that_nobody_reads_is_given_up(impatient: Service) -> None:
    refusals = 'fillmask_rejections_total{reason="answer_not_read"}'
    before = impatient.metric(refusals)
    connections = [connect(impatient, large_request(), 4096) for _ in range(2)]  # all eight places
    impatient.wait_for_metric("fillmask_inference_seconds_count", 1, at_least=True)
    impatient.wait_for_metric(refusals, before + 2)
    impatient.wait_for_metric('fillmask_in_flight{route="/v1/fill-mask"}', 0)
    assert fills(impatient) == 200
    for connection in connections:
        read_all(connection)


def test_a_large_answer_that_is_read_arrives(impatient: Service) -> None:
    connection = connect(impatient, large_request().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    lines, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b" 200 " in lines[:20]
    assert len(json.loads(body)) == 4


def test_a_stream_that_nobody_reads_is_given_up(impatient: Service) -> None:
    """Its place, the only one, is free again; its result is larger than what the system keeps."""
    document = "The old [...] went to the bakery. " + "She found two coins there, and one was gold. " * 1_800
    body = json.dumps(
        {"inputs": document, "parameters": {"formats": ["json", "html", "tei", "markdown", "text"]}, "stream": True}
    ).encode()
    refusals = 'fillmask_rejections_total{reason="answer_not_read"}'
    before = impatient.metric(refusals)
    connection = connect(impatient, head(len(body), "/v1/restore") + body, 4096)
    impatient.wait_for_metric(refusals, before + 1, seconds=240)
    impatient.wait_for_metric('fillmask_in_flight{route="/v1/restore"}', 0)
    read_all(connection)
    answer = httpx.post(impatient.url + "/v1/restore", json={"inputs": "The old d[.]g"}, timeout=60)
    assert answer.status_code == 200


def test_the_connection_that_waited_longest_makes_room(impatient: Service) -> None:
    """More connections than max_connections: new ones are answered while old ones without a request go."""
    limit = _LIMITS["max_connections"]
    waiting = [connect(impatient) for _ in range(limit + 50)]
    assert fills(impatient) == 200
    assert impatient.metric("fillmask_connections") <= limit
    for connection in waiting:
        read_all(connection)


def test_a_client_that_reads_after_its_refusal_sees_it(impatient: Service) -> None:
    """The rest of a refused body is read for a moment, so that the answer is not lost with the connection."""
    for path, status in (("/nowhere", 404), ("/info", 405), (_FILL, 413)):
        connection = connect(impatient, head(3_000_000, path))
        with contextlib.suppress(OSError):
            connection.sendall(b"x" * 3_000_000)
        assert error_of(read_all(connection))[0] == status
