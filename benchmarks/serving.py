"""Requests a second: `fillmask serve` beside a plain FastAPI wrapper round transformers' pipeline.

    python benchmarks/serving.py

On a model of DistilRoBERTa's shape and on the bundled one: 32 clients with a
connection each send 500 texts as long as English sentences are, one text a
request; the services run in turn, by themselves, each warm. Claim: eight times
the requests a second at lower median and 99th percentile, with the same
answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CLIENTS = 32
TEXTS = 500
ROUNDS = 1


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "plain":
        plain(sys.argv[2], int(sys.argv[3]))
        return
    from checkpoints import BUNDLED, distilroberta_shaped
    from harness import Needs, engine_needs, possible, report
    from workloads import sentence_lengths, texts

    import fillmask

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        shaped = Path(folder)
        distilroberta_shaped(shaped)
        for name, model in (("DistilRoBERTa's shape", shaped), ("bundled", BUNDLED)):
            asked = texts(sentence_lengths(TEXTS), fillmask.FillMask(model))
            serve = [
                str(Path(sys.executable).with_name("fillmask")),
                "serve",
                "--model",
                str(model),
                "--log-level",
                "warning",
            ]
            contenders = possible(
                {
                    "FastAPI + transformers": (Needs(), [sys.executable, __file__, "plain", str(model)]),
                    "fillmask serve": (Needs(), [*serve, "--port"]),
                    "fillmask serve, openvino": (engine_needs("openvino"), [*serve, "--engine", "openvino", "--port"]),
                }
            )
            found = {
                service: [measure(command, asked) for _ in range(ROUNDS)] for service, command in contenders.items()
            }
            answers = {service: runs[0].answers for service, runs in found.items()}
            check(answers["fillmask serve"], answers["FastAPI + transformers"])
            base = max(run.rate for run in found["FastAPI + transformers"])
            for service, runs in found.items():
                best = max(runs, key=lambda run: run.rate)
                rows.append(
                    {
                        "model": name,
                        "service": service,
                        "requests/s": round(best.rate, 1),
                        "p50 ms": round(1000 * statistics.median(best.seconds), 1),
                        "p99 ms": round(1000 * statistics.quantiles(best.seconds, n=100)[98], 1),
                        "× FastAPI + transformers": round(best.rate / base, 2),
                    }
                )
    report("serving", f"{TEXTS} texts, {CLIENTS} clients, one run", rows, by="model")


def plain(model: str, port: int) -> None:
    """What one writes first: the pipeline behind a route."""
    import threading

    import uvicorn
    from fastapi import FastAPI
    from transformers import logging, pipeline

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pipe = pipeline("fill-mask", model=model, device="cpu")
    # Its tokenizer cannot be called by two threads at once.
    one_at_a_time = threading.Lock()
    app = FastAPI()

    def fill(body: dict[str, Any]) -> Any:
        with one_at_a_time:
            return pipe(body["inputs"])

    app.post("/v1/fill-mask")(fill)

    @app.get("/health/ready")
    def ready() -> str:
        return "ready"

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


class Run:
    """Seconds and answer of each request, and requests a second of all."""

    def __init__(self, seconds: list[float], answers: list[Any], total: float) -> None:
        self.seconds = seconds
        self.answers = answers
        self.rate = len(seconds) / total


def measure(command: Sequence[str], texts: Sequence[str]) -> Run:
    """Start a service, warm it with the first texts, send all of them, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "true"}
    process = subprocess.Popen([*command, str(port)], env=environment)
    try:
        asyncio.run(_ready(port, process))
        asyncio.run(_send(port, texts[:64]))
        return asyncio.run(_send(port, texts))
    finally:
        process.terminate()
        process.wait()


async def _ready(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            if answer.startswith(b"HTTP/1.1 200"):
                return
        except ConnectionError:
            pass
        await asyncio.sleep(0.1)


async def _send(port: int, texts: Sequence[str]) -> Run:
    seconds = [0.0] * len(texts)
    answers: list[Any] = [None] * len(texts)
    rest = iter(range(len(texts)))
    bodies = [json.dumps({"inputs": text}).encode() for text in texts]

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in rest:
            body = bodies[number]
            head = f"POST /v1/fill-mask HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            start = time.perf_counter()
            writer.write(head.encode() + body)
            head_found = await reader.readuntil(b"\r\n\r\n")
            if not head_found.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a request was refused: {head_found!r}")
            length = next(line for line in head_found.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            answers[number] = await reader.readexactly(int(length.partition(b":")[2]))
            seconds[number] = time.perf_counter() - start
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    total = time.perf_counter() - start
    return Run(seconds, [json.loads(answer) for answer in answers], total)


def check(ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    """The same words with the same probabilities."""
    worst = max(
        abs(a["score"] - b["score"])
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    if not worst < 1e-4:
        raise SystemExit(f"the services differ by {worst}; expected the same answers")


if __name__ == "__main__":
    main()
