"""The long forms of the service's tests: `make soak`, or python tests/soak/soak.py [PART…].

Each part starts a service of its own over a toy model on the loopback address,
prints what it measured, and fails where a bound does not hold:

- requests: 50,000 requests of 16 clients; resident memory of both processes
  grows by less than 20 MB after the warm-up, descriptors and threads stay;
- hostile: bodies of 100 MB, a gzip bomb, a million characters, top_k of the
  whole vocabulary: refused in under a second each, memory +< 100 MB;
- burst: 200 requests into 8 places, ten times: all admitted finish, the rest
  are 429, and no 5xx;
- leave: 100 clients that leave, ten times: none is inferred;
- slow: 300 half-open connections, 512 requests without a body, bodies that drip, and large answers and streams that
  nobody reads, at once and with the default limits; meanwhile a probe and a request for a mask are answered, and
  afterwards every connection is gone and every place is free;
- mix: all kinds of large and malformed bodies from 32 clients; a probe beside them answers within 100 ms (its 99th
  percentile; more on a machine where one takes long by itself);
- schema: 10,000 cases of schemathesis: no 5xx, no break of the description.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "server")]

import httpx
from api_fuzzing import fuzz
from served import JSON, PHRASE, Service
from tiny import write_modernbert

_FILL = "/v1/fill-mask"
_BODY = json.dumps({"inputs": PHRASE}).encode()
MB = 1_000_000


def main() -> None:
    parts = {
        "requests": requests, "hostile": hostile, "burst": burst, "leave": leave, "slow": slow, "mix": mix, "schema": schema
    }  # fmt: skip
    chosen = sys.argv[1:] or list(parts)
    with tempfile.TemporaryDirectory() as folder:
        model = write_modernbert(Path(folder) / "model")
        for name in chosen:
            start = time.monotonic()
            parts[name](model)
            print(f"{name}: done in {time.monotonic() - start:.0f} s", flush=True)


def started(model: Path, *arguments: str) -> Service:
    service = Service("--model", str(model), "--log-level", "info", *arguments)
    service.worker()
    return service


def hold(true: bool, what: str) -> None:
    if not true:
        raise SystemExit(f"does not hold: {what}")


def usage(pid: int) -> tuple[int, int, int]:
    """Resident bytes, descriptors and threads of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    threads = int(status.partition("Threads:")[2].split()[0])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir())), threads


def requests(model: Path, count: int = 50_000, warm_up: int = 5_000, clients: int = 16) -> None:
    service = started(model)
    port, pids = service.port, {"server": service.process.pid, "model": service.worker()}
    # Texts of every length, so that every shape of batch comes by; some are refused.
    bodies = [json.dumps({"inputs": f"{'The old dog went. ' * (n % 20)}It was <mask>."}).encode() for n in range(40)]
    bodies += [
        json.dumps({"inputs": "no gap"}).encode(),
        json.dumps({"inputs": ["<mask> dog", "a <mask>"]}).encode(),
        b"{",
    ]

    async def send(total: int) -> dict[bytes, int]:
        statuses: dict[bytes, int] = {}
        numbers = iter(range(total))

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for number in numbers:
                body = bodies[number % len(bodies)]
                head = f"POST {_FILL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                found = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in found.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                statuses[found[9:12]] = statuses.get(found[9:12], 0) + 1
            writer.close()
            await writer.wait_closed()

        await asyncio.gather(*(client() for _ in range(clients)))
        return statuses

    asyncio.run(send(warm_up))
    service.log.clear()
    time.sleep(1)
    before = {name: usage(pid) for name, pid in pids.items()}
    start = time.monotonic()
    statuses = asyncio.run(send(count))
    seconds = time.monotonic() - start
    time.sleep(1)
    after = {name: usage(pid) for name, pid in pids.items()}
    service.end()
    print(f"requests: {count:,} in {seconds:.0f} s, statuses {statuses}")
    for name in pids:
        (was, files, threads), (now, files_now, threads_now) = before[name], after[name]
        print(
            f"requests: {name}: {was / MB:.1f} → {now / MB:.1f} MB, descriptors {files} → {files_now}, threads {threads} → {threads_now}"
        )
        hold(now - was < 20 * MB, f"{name} grew by {(now - was) / MB:.1f} MB")
        hold((files, threads) == (files_now, threads_now), f"descriptors or threads of {name} changed")
    hold(set(statuses) == {b"200", b"400", b"422"}, f"statuses {statuses}")


def hostile(model: Path) -> None:
    service = started(model)
    pid = service.process.pid
    vocabulary = httpx.get(f"{service.url}/info").json()["vocabulary"]
    httpx.post(service.url + _FILL, content=_BODY, headers=JSON)
    before = usage(pid)[0]
    peak = before

    def chunks() -> Iterator[bytes]:
        nonlocal peak
        for _ in range(1526):
            yield b"x" * 65536
            peak = max(peak, usage(pid)[0])

    bodies: dict[str, tuple[object, dict[str, str]]] = {
        "100 MB, chunked": (chunks(), {}),
        "100 MB, announced": (b"x" * (100 * MB), {}),
        "gzip bomb of 1 GB": (gzip.compress(b"0" * (1000 * MB), 9), {"Content-Encoding": "gzip"}),
        "1M characters": (json.dumps({"inputs": "a" * MB + "<mask>"}).encode()[: 1 << 20], {}),
        "1M characters, one text": (json.dumps({"inputs": "a" * (MB - 100) + "<mask>"}).encode(), {}),
        "top_k = vocabulary": (json.dumps({"inputs": PHRASE, "parameters": {"top_k": vocabulary}}).encode(), {}),
        "100,000 lists in each other": (b"[" * 100_000, {}),
    }
    with service.client() as client:
        for name, (body, headers) in bodies.items():
            start = time.monotonic()
            answer = client.post(_FILL, content=body, headers={**JSON, **headers})  # type: ignore[arg-type]
            seconds = time.monotonic() - start
            peak = max(peak, usage(pid)[0])
            entry = service.event("request", len([e for e in service.log if e["event"] == "request"]))
            print(
                f"hostile: {name}: {answer.status_code} {answer.json()['error_type']} in {1000 * seconds:.0f} ms ({entry['ms']:.0f} in the service), memory +{(peak - before) / MB:.1f} MB"
            )
            hold(400 <= answer.status_code < 500, f"{name} is refused")
            hold(seconds < 1, f"{name} is refused within a second")
    hold(peak - before < 100 * MB, "memory")
    service.end()


def burst(model: Path) -> None:
    service = started(model, "--limit", "queue_items=8")

    async def one(client: httpx.AsyncClient) -> int:
        return (await client.post(_FILL, content=_BODY, headers=JSON)).status_code

    async def all_at_once() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=service.url, timeout=30, limits=limits) as client:
            return await asyncio.gather(*(one(client) for _ in range(200)))

    found: list[int] = []
    for _ in range(10):
        found += asyncio.run(all_at_once())
    slowest = max(entry["ms"] for entry in service.log if entry.get("status") == 429)
    service.end()
    print(
        f"burst: {found.count(200)} answered, {found.count(429)} refused, the slowest refusal after {slowest} ms in the service"
    )
    hold(found.count(200) + found.count(429) == 2000, f"statuses {set(found)}")
    hold(found.count(200) >= 80, "what is admitted is answered")
    hold(slowest < 50, "429 within 50 ms")


def leave(model: Path) -> None:
    service = started(model)

    left = 0
    for _ in range(10):
        os.kill(service.worker(), signal.SIGSTOP)
        sent = []
        head = f"POST {_FILL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
        for number in range(101):  # the first is with the model process, so that the others wait
            connection = socket.create_connection(("127.0.0.1", service.port))
            connection.sendall(head.encode() + _BODY)
            sent.append(connection)
            if not number:
                time.sleep(0.3)
        service.wait_for_metric("fillmask_queued", 100)
        for connection in sent[1:]:
            connection.close()
        service.wait_for_metric("fillmask_queued", 0)
        left += 100
        os.kill(service.worker(), signal.SIGCONT)
        sent[0].recv(100)
        sent[0].close()
        service.wait_for_metric("fillmask_in_flight", 1)
    rows = service.metric("fillmask_batch_rows_sum")
    service.end()
    print(f"leave: {left} clients left; rows run: {rows:.0f}, those of the 10 that stayed")
    hold(rows == 10, "none of them was inferred")


def slow(model: Path) -> None:
    service = started(model)
    limits = httpx.get(f"{service.url}/info").json()["limits"]
    connections = []

    def connect(data: bytes, receive_buffer: int | None = None) -> None:
        connection = socket.socket()
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(data)
        connections.append(connection)

    def head(path: str, length: int) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()

    large = json.dumps(
        {"inputs": [f"{'The old dog went. ' * 20}{'<mask> ' * 16}"] * 4, "parameters": {"top_k": 100}}
    ).encode()
    document = "The old [...] went. " + "She found two coins there, and one was gold. " * 1_800
    stream = json.dumps(
        {"inputs": document, "parameters": {"formats": ["json", "html", "tei"]}, "stream": True}
    ).encode()
    for _ in range(300):
        connect(b"POST /v1/fill-mask HTTP/1.1\r\nHost: localhost\r\n")
    for _ in range(512):
        connect(head(_FILL, len(_BODY)))
    for _ in range(4):
        connect(head(_FILL, len(large)) + large, 4096)
        connect(head("/v1/restore", len(stream)) + stream, 4096)
    dripping = []
    for _ in range(20):
        connect(head(_FILL, 1_000_000) + b"{")
        dripping.append(connections[-1])
    start = time.monotonic()
    slowest_probe = slowest_fill = 0.0
    last = limits["header_seconds"] + limits["write_seconds"] + 30
    with service.client() as client:
        while service.metric("fillmask_connections") > 3 and time.monotonic() - start < last:
            for connection in dripping:
                with contextlib.suppress(OSError):
                    connection.send(b" ")
            begin = time.perf_counter()
            hold(client.get("/health/live").status_code == 200, "a probe is answered")
            slowest_probe = max(slowest_probe, time.perf_counter() - begin)
            hold(client.post(_FILL, content=_BODY, headers=JSON).status_code == 200, "a request is answered")
            slowest_fill = max(slowest_fill, time.perf_counter() - begin)
            time.sleep(0.2)
    seconds = time.monotonic() - start
    remaining = service.metric("fillmask_connections")
    places = service.metric("fillmask_in_flight")
    for connection in connections:
        connection.close()
    service.end()
    print(
        f"slow: {len(connections)} slow clients, all gone after {seconds:.0f} s; slowest probe {1000 * slowest_probe:.0f} ms,"
        f" slowest answer {1000 * slowest_fill:.0f} ms"
    )
    hold(remaining <= 3, f"{remaining:.0f} connections are left")
    hold(places == 1, "every place is free")  # but that of the request for the metrics


def mix(model: Path, seconds: float = 30) -> None:
    service = started(model)

    def probe(end: float) -> list[float]:
        """Milliseconds of each probe on a connection of its own, in order of size."""
        times = []
        while time.monotonic() < end:
            begin = time.perf_counter()
            with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while data := connection.recv(65536):
                    answer += data
            times.append(1000 * (time.perf_counter() - begin))
            hold(b" 200 " in answer[:20], "a probe is answered")
            time.sleep(0.02)
        return sorted(times)

    alone = probe(time.monotonic() + 5)
    # The load comes from another process, whose work must not be taken for the service's.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        statuses = pool.submit(send_mix, service.url, seconds)
        time.sleep(3)
        beside = probe(time.monotonic() + seconds - 3)
        print(f"mix: statuses {dict(sorted(statuses.result().items()))}")
    service.end()
    for name, times in (("alone", alone), ("beside the mix", beside)):
        print(
            f"mix: {len(times)} probes {name}: median {times[len(times) // 2]:.1f} ms,"
            f" 99% within {times[int(0.99 * len(times))]:.1f}, at most {times[-1]:.1f}"
        )
    # Beside other programs a probe takes longer in both cases.
    bound = 100 + 10 * alone[int(0.99 * len(alone))]
    hold(beside[int(0.99 * len(beside))] < bound, f"a probe is answered within {bound:.0f} ms")


def send_mix(url: str, seconds: float, clients: int = 32) -> dict[int, int]:
    """Send large and malformed bodies of all kinds; how often each status was answered."""
    words = "The old dog went to the bakery early. "

    def of(inputs: object, **parameters: object) -> bytes:
        return json.dumps({"inputs": inputs, "parameters": parameters}).encode()

    bodies = [
        (_FILL, b"[" * (1 << 20)),
        (_FILL, b'{"inputs":[' + b"[]," * 340_000 + b"1]}"),
        (_FILL, b'{"inputs":[' + b"1," * 9_000 + b"1]}"),
        (_FILL, json.dumps({"inputs": "a <mask>", **{f"x{n}": n for n in range(4_900)}}).encode()),
        (_FILL, of([f"{'word ' * 1_580}<mask>"] * 128, long_text="window")),
        (_FILL, of("a" * 19_000 + "<mask>", long_text="window")),
        (_FILL, of("a <mask>", targets=["w" * 90 + str(n) for n in range(1_000)])),
        (_FILL, of("a " * 500_000)),
        (_FILL, of(f"{words * 5}{'<mask> ' * 60}", top_k=100)),
        (_FILL, _BODY),
        ("/v1/score", of([words * 10] * 128)),
        ("/v1/restore", of(words.replace("dog", "[...]") * 900)),
        ("/v1/restore", of("a [...]", locked={f"x{n}": n for n in range(4_900)})),
    ]
    end = time.monotonic() + seconds
    statuses: dict[int, int] = {}

    def send(number: int) -> None:
        path, body = bodies[number % len(bodies)]
        with httpx.Client(base_url=url, timeout=60, headers={"X-Request-Timeout": "5", **JSON}) as client:
            while time.monotonic() < end:
                status = client.post(path, content=body).status_code
                statuses[status] = statuses.get(status, 0) + 1

    with ThreadPoolExecutor(clients) as pool:
        for each in [pool.submit(send, number) for number in range(clients)]:
            each.result()
    return statuses


def schema(model: Path, cases: int = 10_000) -> None:
    service = started(model)
    total, statuses = 0, dict[int, int]()
    seed = 1
    while total < cases:
        found = fuzz(
            service.url, cases=600, phases="coverage,fuzzing" if seed == 1 else "fuzzing", workers=4, seed=seed
        )
        for status, count in found.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
        total += found.cases
        seed += 1
        print(
            f"schema: {total:,} cases, statuses {dict(sorted(statuses.items()))}, failures {found.failures}", flush=True
        )
        if found.failures:
            print(found.report)
        hold(not found.failures, "the description")
        hold(not any(status >= 500 for status in statuses), "no 5xx")
        hold(found.cases > 0, "cases are made")
    service.end()


if __name__ == "__main__":
    main()
