"""Many requests, few places; clients that leave, deadlines that pass, a model process that dies, and the end.

A model process that is stopped (SIGSTOP) holds everything in its place, so that these need no timing.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from served import JSON, PHRASE, Service, refused

_BODY = json.dumps({"inputs": PHRASE}).encode()
_FILL = "/v1/fill-mask"


@contextmanager
def held(service: Service, nth: int = 1) -> Iterator[int]:
    """The model process does nothing meanwhile."""
    pid = service.worker(nth)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def ask(service: Service, seconds: float | None = None) -> tuple[int, float, dict[str, str]]:
    """Status, seconds and headers of a request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        connection.connect()
        start = time.perf_counter()
        headers = {**JSON, "X-Request-Timeout": str(seconds)} if seconds else JSON
        connection.request("POST", _FILL, _BODY, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - start, dict(answer.getheaders())
    finally:
        connection.close()


def test_two_hundred_requests_into_eight_places(serve: Callable[..., Service]) -> None:
    service = serve("--limit", "queue_items=8")
    service.worker()
    with ThreadPoolExecutor(200) as pool:
        with held(service):
            asked = [pool.submit(ask, service) for _ in range(200)]
            end = time.monotonic() + 20
            while sum(one.done() for one in asked) < 192:
                assert time.monotonic() < end
                time.sleep(0.01)
            # One at a time, so that what is measured is the service and not two hundred threads.
            times = sorted(ask(service)[1] for _ in range(20))
        statuses = sorted(one.result()[0] for one in asked)
    assert statuses == [200] * 8 + [429] * 192
    assert all(one.result()[2]["retry-after"].isdecimal() for one in asked if one.result()[0] == 429)
    assert times[10] < 0.05
    assert service.metric("fillmask_in_flight") == 1  # the request for the metrics
    assert ask(service)[0] == 200


def test_a_request_larger_than_the_queue_is_no_429(serve: Callable[..., Service]) -> None:
    service = serve("--limit", "queue_items=4", "--limit", "queue_tokens=50")
    with service.client() as client:
        assert "queue_items" in refused(client.post(_FILL, json={"inputs": [PHRASE] * 5}), 422, "limit_exceeded")
        long = {"inputs": PHRASE * 8}
        assert "queue_tokens" in refused(client.post(_FILL, json=long), 422, "limit_exceeded")
        assert client.post(_FILL, json={"inputs": [PHRASE] * 3}).status_code == 200


def test_clients_that_leave_are_not_inferred(serve: Callable[..., Service]) -> None:
    service = serve()
    service.worker()
    with held(service), ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, service)  # is with the model process, so that the others wait
        service.wait_for_metric("fillmask_batch_rows_count", 1)
        leaving: list[socket.socket] = []
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", service.port))
            head = f"POST {_FILL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
            connection.sendall(head.encode() + _BODY)
            leaving.append(connection)
        service.wait_for_metric("fillmask_queued", 100)
        for connection in leaving:
            connection.close()
        service.wait_for_metric("fillmask_queued", 0)
        service.wait_for_metric("fillmask_clients_left_total", 100)
        os.kill(service.worker(), signal.SIGCONT)
        assert first.result()[0] == 200
    assert ask(service)[0] == 200
    assert service.metric("fillmask_batch_rows_sum") == 2  # the first and the last


def test_deadlines(serve: Callable[..., Service]) -> None:
    service = serve("--timeout", "1")
    service.worker()
    with held(service), ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, service, 20)
        service.wait_for_metric("fillmask_batch_rows_count", 1)
        by_header, by_default = pool.submit(ask, service, 0.2), pool.submit(ask, service)
        assert (by_header.result()[0], by_default.result()[0]) == (504, 504)
        assert 0.2 <= by_header.result()[1] < by_default.result()[1] < 10
        assert service.metric("fillmask_queued") == 0
        os.kill(service.worker(), signal.SIGCONT)
        assert first.result()[0] == 200
    assert service.metric("fillmask_batch_rows_sum") == 1, "an expired row was run"
    with service.client() as client:
        for wrong in ("0", "-1", "1e3", "nan", "soon"):
            answer = client.post(_FILL, json={"inputs": PHRASE}, headers={"X-Request-Timeout": wrong})
            assert "X-Request-Timeout" in refused(answer, 400, "bad_request")
        with held(service):
            answer = client.post(_FILL, json={"inputs": PHRASE}, headers={"X-Request-Timeout": "0.05"})
            refused(answer, 504, "deadline_exceeded")


def ready(service: Service) -> int:
    return httpx.get(f"{service.url}/health/ready").status_code


def test_a_killed_model_process_is_noticed_and_replaced(serve: Callable[..., Service]) -> None:
    service = serve()
    first = service.worker()
    assert ready(service) == 200
    with ThreadPoolExecutor(2) as pool:
        os.kill(first, signal.SIGSTOP)
        in_hand = pool.submit(ask, service)
        service.wait_for_metric("fillmask_batch_rows_count", 1)
        waiting = pool.submit(ask, service)
        service.wait_for_metric("fillmask_queued", 1)
        killed = time.monotonic()
        os.kill(first, signal.SIGKILL)
        while ready(service) == 200 and not any(e["event"] == "model process died" for e in service.log):
            assert time.monotonic() - killed < 10
        status, _, headers = in_hand.result()
        assert (status, headers["retry-after"]) == (503, "1")
        assert waiting.result()[0] == 200, "what waits goes to the next process"
    assert service.worker(2) != first
    assert ready(service) == 200
    assert service.metric("fillmask_model_process_restarts_total") == 1


def test_a_silent_model_process_is_not_ready(serve: Callable[..., Service]) -> None:
    service = serve()
    service.worker()
    with held(service):
        end = time.monotonic() + 10
        while ready(service) == 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert httpx.get(f"{service.url}/health/live").status_code == 200
    end = time.monotonic() + 15
    while ready(service) != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_sigterm_finishes_what_was_accepted(serve: Callable[..., Service]) -> None:
    service = serve()
    service.worker()
    with httpx.Client(base_url=service.url) as kept, ThreadPoolExecutor(20) as pool:
        assert kept.get("/health/ready").status_code == 200
        with held(service):
            accepted: list[Future[tuple[int, float, dict[str, str]]]] = [pool.submit(ask, service) for _ in range(20)]
            service.wait_for_metric("fillmask_queued", 19)
            start = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            service.event("draining")
            assert ask(service)[0] == 503
            refused(kept.post(_FILL, content=_BODY, headers=JSON), 503, "shutting_down")
            assert kept.get("/health/live").status_code == 200
            refused(kept.get("/health/ready"), 503, "shutting_down")
        assert [one.result()[0] for one in accepted] == [200] * 20
    assert service.process.wait(10) == 0
    assert time.monotonic() - start < 10


def test_sigterm_gives_up_what_cannot_be_finished(serve: Callable[..., Service]) -> None:
    service = serve("--shutdown-timeout", "1")
    worker = service.worker()
    with ThreadPoolExecutor(1) as pool:
        os.kill(worker, signal.SIGSTOP)
        stuck = pool.submit(ask, service)
        service.wait_for_metric("fillmask_batch_rows_count", 1)
        start = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert stuck.result()[0] == 503
    assert service.process.wait(8) == 0
    assert time.monotonic() - start < 6
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_sigint_exits_with_130(serve: Callable[..., Service]) -> None:
    service = serve()
    worker = service.worker()
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(10) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_replicas(serve: Callable[..., Service]) -> None:
    service = serve("--replicas", "2")
    pids = {service.worker(1), service.worker(2)}
    assert len(pids) == 2
    # The other one answers, once the first has its fill.
    with held(service), ThreadPoolExecutor(4) as pool:
        found = [pool.submit(ask, service, 2) for _ in range(4)]
        assert 200 in [one.result()[0] for one in found]
