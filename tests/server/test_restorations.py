"""Restorations over HTTP: the library's, with editions, progress, limits, and an end when nobody waits."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import JSON, PHRASE, Service, refused

import fillmask

_DAMAGED = "The old d[.]g went to the [...] early."
_LONG = "The old [...] went to the ba[..]ry early. She found [---] there, and it was [....]. " * 40


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Names and data of server-sent events."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def without_cost(restoration: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in restoration.items() if key != "cost"}


def test_a_restoration_is_the_librarys(client: httpx.Client, modernbert_folder: Path) -> None:
    asked = {
        "readings": 3,
        "locked": {"1": "market"},
        "evidence": True,
        "formats": ["text", "json", "markdown", "tei", "html"],
    }
    answer = client.post("/v1/restore", json={"inputs": _DAMAGED, "parameters": asked})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    expected = fillmask.FillMask(modernbert_folder, threads=1).restore(_DAMAGED, readings=3, locked={1: "market"}, evidence=True)  # fmt: skip
    plain = json.loads(json.dumps(expected.to_dict()))
    assert found["restoration"]["text"] == plain["text"]
    assert [g["readings"][0]["text"] for g in found["restoration"]["gaps"]] == [g["readings"][0]["text"] for g in plain["gaps"]]  # fmt: skip
    assert set(found["restoration"]) == set(plain)
    assert "market" in found["restoration"]["text"]
    assert set(found["documents"]) == {"text", "json", "markdown", "tei", "html"}
    assert "<supplied" in found["documents"]["tei"]


def test_a_stream_says_how_far_it_is(client: httpx.Client) -> None:
    body = {"inputs": _LONG[:170], "stream": True}
    with client.stream("POST", "/v1/restore", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        found = list(events(answer))
    *progress, (last, result) = found
    assert last == "result"
    assert {name for name, _ in progress} <= {"progress"}
    assert all(set(data) == {"done", "holes", "forward_passes"} for _, data in progress)
    done = [data["done"] for _, data in progress]
    assert done == sorted(done)
    whole = client.post("/v1/restore", json={"inputs": _LONG[:170]}).json()
    assert without_cost(result["restoration"]) == without_cost(whole["restoration"])


def test_a_stream_read_to_its_end_is_counted_as_answered(service: Service, client: httpx.Client) -> None:
    left = service.metric("fillmask_clients_left_total")
    for close in (False, True):
        headers = {"X-Request-Id": f"to-the-end-{close}"} | ({"Connection": "close"} if close else {})
        with client.stream("POST", "/v1/restore", json={"inputs": _DAMAGED, "stream": True}, headers=headers) as answer:
            assert [name for name, _ in events(answer)][-1] == "result"
        entry = service.event("request", where=("request_id", headers["X-Request-Id"]))
        assert entry["status"] == 200
    assert service.metric("fillmask_clients_left_total") == left


def test_an_error_in_a_stream(client: httpx.Client) -> None:
    body = {"inputs": "a [...]", "parameters": {"locked": {"7": "x"}}, "stream": True}
    with client.stream("POST", "/v1/restore", json=body) as answer:
        ((name, data),) = events(answer)
    assert name == "error"
    assert data["error_type"] == "invalid_input"
    assert "hole 7" in data["error"]
    assert data["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("parameters", "error_type", "message"),
    [
        ({"strategy": "guess"}, "invalid_request", "parameters.strategy"),
        ({"formats": ["pdf"]}, "invalid_request", "parameters.formats"),
        ({"locked": {"x": "y"}}, "invalid_request", "parameters.locked"),
        ({"locked": {"-1": "y"}}, "invalid_request", "parameters.locked"),
        ({"locked": {"5": "y"}}, "invalid_input", "names hole 5; the document has 2"),
        ({"targets": {"2": ["y"]}}, "invalid_input", "names hole 2"),
        ({"targets": {"0": ["y"] * 1001}}, "limit_exceeded", "max_targets"),
        ({"locked": {"0": "y" * 101}}, "limit_exceeded", "max_target_characters"),
    ],
)
def test_parameters_that_do_not_fit(client: httpx.Client, parameters: Any, error_type: str, message: str) -> None:
    answer = client.post("/v1/restore", json={"inputs": _DAMAGED, "parameters": parameters})
    assert message in refused(answer, 422, error_type)


def test_half_a_surrogate_pair_is_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/restore", content=b'{"inputs": "I am [...] here \\ud800"}', headers=JSON)
    assert "lone surrogate" in refused(answer, 422, "invalid_input")


def test_holes_are_bounded(client: httpx.Client) -> None:
    answer = client.post("/v1/restore", json={"inputs": "[...] and " * 201})
    assert "201 holes; expected at most 200 (limit max_holes" in refused(answer, 422, "limit_exceeded")


_BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(9))
_TEI = '<?xml version="1.0"?><!DOCTYPE TEI [{}]><TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body><p>a {} <gap reason="lost" quantity="2" unit="character"/></p></body></text></TEI>'


@pytest.mark.parametrize(
    "source",
    [
        _TEI.format(_BOMB, "&l8;"),
        _TEI.format('<!ENTITY e SYSTEM "file:///etc/passwd">', "&e;"),
        _TEI.format('<!ENTITY e SYSTEM "http://127.0.0.1:9/secret">', "&e;"),
        _TEI.format('<!ENTITY % e SYSTEM "http://127.0.0.1:9/x.dtd"> %e;', ""),
        "<TEI>" * 5000,
        "<a><b></a>",
    ],
)
def test_hostile_xml(client: httpx.Client, source: str) -> None:
    start = time.monotonic()
    answer = client.post("/v1/restore", json={"inputs": source, "parameters": {"notation": "tei"}})
    assert time.monotonic() - start < 10
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert "root:" not in answer.text


def test_a_restoration_ends_when_its_client_leaves(serve: Callable[..., Service]) -> None:
    service = serve()
    service.worker()
    for stream in (False, True):
        body = json.dumps({"inputs": _LONG, "stream": stream}).encode()
        connection = socket.create_connection(("127.0.0.1", service.port))
        head = f"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        service.wait_for_metric('fillmask_in_flight{route="/v1/restore"}', 1)
        time.sleep(0.3)
        connection.close()
        service.wait_for_metric('fillmask_in_flight{route="/v1/restore"}', 0)
    with service.client() as client:
        answer = client.post("/v1/restore", json={"inputs": _LONG}, headers={"X-Request-Timeout": "0.3"})
        refused(answer, 504, "deadline_exceeded")
        # Both of the process's threads for restorations are free again, or this would wait for the long ones.
        assert client.post("/v1/restore", json={"inputs": _DAMAGED}).status_code == 200


def test_clients_that_leave_a_stream_leave_no_complaint(serve: Callable[..., Service]) -> None:
    """Their restorations end with an error that nobody asks for; asyncio is not to report it as forgotten."""
    service = serve()
    service.worker()
    body = json.dumps({"inputs": _LONG, "stream": True}).encode()
    head = f"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    clients = 5
    connections = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(clients)]
    for connection in connections:
        connection.sendall(head.encode() + body)
    service.wait_for_metric('fillmask_in_flight{route="/v1/restore"}', clients)
    assert connections[0].recv(64).startswith(b"HTTP/1.1 200")  # in the middle of its stream
    for connection in connections:
        connection.close()
    service.wait_for_metric("fillmask_clients_left_total", clients)
    service.process.terminate()
    assert service.process.wait(15) == 0
    service.end()  # the log is read to its end
    assert [entry for entry in service.log if "never retrieved" in entry["event"]] == []
    assert not any("never retrieved" in line for line in service.stderr)


def test_restorations_do_not_starve_masks(serve: Callable[..., Service]) -> None:
    service = serve()
    service.worker()
    body = json.dumps({"inputs": PHRASE})

    def times(client: httpx.Client) -> list[float]:
        found = []
        for _ in range(25):
            start = time.perf_counter()
            assert client.post("/v1/fill-mask", content=body, headers=JSON).status_code == 200
            found.append(time.perf_counter() - start)
        return found

    with service.client() as client:
        alone = statistics.median(times(client))
        long = json.dumps({"inputs": _LONG}).encode()
        connections = []
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", service.port))
            head = f"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(long)}\r\n\r\n"
            connection.sendall(head.encode() + long)
            connections.append(connection)
        service.wait_for_metric('fillmask_in_flight{route="/v1/restore"}', 3)
        time.sleep(0.3)
        beside = statistics.median(times(client))
        assert service.metric('fillmask_in_flight{route="/v1/restore"}') == 3, (
            "the restorations ended too early to tell"
        )
        for connection in connections:
            connection.close()
    assert beside < 20 * alone + 0.1
