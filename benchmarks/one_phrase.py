"""One call with one phrase on a DistilRoBERTa-shaped checkpoint, fillmask against transformers' pipeline.

    python benchmarks/one_phrase.py

The checkpoint has DistilRoBERTa's sizes (82M parameters, 50,265 tokens) and
random weights, so nothing is downloaded. Claim: at least four times faster,
with the same five answers; a contender that answers otherwise stops the run.
Each contender lives in a process of its own, as it would with its user, and
they take turns. The floor is the time in which all cores together read every
weight once.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import distilroberta_shaped
from harness import report

PHRASE = "Read the rest of this <mask> to understand things in more detail"
TRANSFORMERS = "transformers pipeline, float32"
FLOOR = "floor: reading the weights once, float32"
CONTENDERS = {
    TRANSFORMERS: None,
    "fillmask, onnxruntime float32": ("onnxruntime", "float32"),
    "fillmask, openvino float32": ("openvino", "float32"),
    "fillmask, openvino bfloat16": ("openvino", "bfloat16"),
    FLOOR: None,
}
ROUNDS, CALLS, SETTLE = 5, 20, 5


def _call(name: str, folder: str) -> Callable[[], Any]:
    if name == FLOOR:
        from fillmask.models.checkpoint import open_checkpoint

        weights = open_checkpoint(folder).weights.parameters
        parts = np.array_split(np.ones(weights, np.float32), os.cpu_count() or 1)
        threads = ThreadPoolExecutor()
        return lambda: list(threads.map(np.max, parts))
    if name == TRANSFORMERS:
        from transformers import logging, pipeline

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        theirs = pipeline("fill-mask", model=folder)
        return lambda: theirs(PHRASE)
    import fillmask

    engine, precision = CONTENDERS[name] or ("", "")
    ours = fillmask.pipeline("fill-mask", model=folder, engine=engine, precision=precision)
    return lambda: ours(PHRASE)


def _contend(name: str, folder: str, pipe: Connection) -> None:
    """Answer once; then, whenever told, time some calls."""
    call = _call(name, folder)
    pipe.send(None if name == FLOOR else call())
    while pipe.recv():
        seconds = []
        for number in range(-SETTLE, CALLS):
            start = time.perf_counter()
            call()
            if number >= 0:
                seconds.append(time.perf_counter() - start)
        pipe.send(seconds)


def main() -> None:
    context = mp.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        distilroberta_shaped(Path(folder))
        pipes, answers = {}, {}
        for name in CONTENDERS:
            pipes[name], end = context.Pipe()
            context.Process(target=_contend, args=(name, folder, end), daemon=True).start()
            end.close()  # so that a contender that dies is noticed here
            answers[name] = pipes[name].recv()
        time.sleep(3)  # the weights move to large pages soon after a model is opened
        seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):
            for name, pipe in pipes.items():
                pipe.send(True)
                seconds[name] += pipe.recv()
        for pipe in pipes.values():
            pipe.send(False)
    reference = answers[TRANSFORMERS]
    base = statistics.median(seconds[TRANSFORMERS])
    rows = []
    for name, times in seconds.items():
        differ = ""
        if name != FLOOR:
            if [a["token"] for a in answers[name]] != [r["token"] for r in reference]:
                raise SystemExit(f"{name} answers {answers[name]}, transformers {reference}")
            pairs = zip(answers[name], reference, strict=True)
            differ = f"{max(abs(a['score'] / r['score'] - 1) for a, r in pairs):.0e}"
        median = statistics.median(times)
        rows.append(
            {
                "call": name,
                "milliseconds": round(1000 * median, 2),
                "times faster": round(base / median, 2),
                "scores differ by": differ,
            }
        )
    title = f"One phrase, DistilRoBERTa's shape, medians of {ROUNDS * CALLS}; the same five answers"
    report("one_phrase", title, rows)


if __name__ == "__main__":
    main()
