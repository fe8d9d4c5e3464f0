"""One call with one phrase, and one with 128 tokens, fillmask against transformers' pipeline and faster-clip.

    python benchmarks/one_phrase.py [--shape distilroberta|bert] [--length 128]

The checkpoint has DistilRoBERTa's sizes (82M parameters, 50,265 tokens) or BERT-base's (110M, 30,522) and random
weights, so nothing is downloaded. faster-clip runs BERT-base's shape alone, with weights in int8. Claim: with
DistilRoBERTa's shape, at least four times faster than transformers in bfloat16. fillmask in float32 gives transformers'
five answers, or the script stops; for the rest a column says so. Each contender lives in a process of its own, as it would with its user, and they take
turns. The floor is the time in which all cores together read every weight once.
"""

from __future__ import annotations

import argparse
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
from checkpoints import bert_base_shaped, distilroberta_shaped
from harness import Needs, engine_needs, leave_out, possible, report

PHRASE = "Read the rest of this <mask> to understand things in more detail"
TRANSFORMERS = "transformers pipeline, float32"
FASTER_CLIP = "faster-clip, int8 weights"
FLOOR = "floor: reading the weights once, float32"
ENGINES = {
    "fillmask, default": ("auto", "auto"),
    "fillmask, onnxruntime float32": ("onnxruntime", "float32"),
    "fillmask, onnxruntime int8": ("onnxruntime", "int8"),
    "fillmask, openvino float32": ("openvino", "float32"),
    "fillmask, openvino bfloat16": ("openvino", "bfloat16"),
    "fillmask, openvino int8": ("openvino", "int8"),
}
NEEDS = {
    TRANSFORMERS: Needs(),
    FASTER_CLIP: Needs(packages=("faster_clip",)),
    **{
        name: Needs() if engine == "auto" else engine_needs(engine, precision)
        for name, (engine, precision) in ENGINES.items()
    },
    FLOOR: Needs(),
}
SHAPES = {
    "distilroberta": ("DistilRoBERTa's shape", distilroberta_shaped),
    "bert": ("BERT-base's shape", bert_base_shaped),
}
ROUNDS, CALLS, SETTLE = 5, 20, 5
LARGE_PAGES_SECONDS = 3.0  # the weights move to large pages soon after a model is opened


def text_of(length: int | None) -> str:
    """The phrase, or one that is repeated to about so many tokens; it has one mask."""
    if length is None:
        return PHRASE
    rest = PHRASE.replace("<mask>", "book")
    return " ".join([PHRASE, *[rest] * ((length - 14) // 12)])


def _call(name: str, folder: str, text: str) -> Callable[[], Any]:
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
        own = text.replace("<mask>", theirs.tokenizer.mask_token)
        return lambda: theirs(own)
    if name == FASTER_CLIP:
        os.environ["FASTER_CLIP_CACHE"] = str(Path(folder).parent)  # it looks for bert-base-uncased in there
        from faster_clip import FillMask

        peer = FillMask()
        own = text.replace("<mask>", "[MASK]")
        return lambda: peer.predict(own, lang="en")
    import fillmask

    engine, precision = ENGINES[name]
    ours = fillmask.pipeline("fill-mask", model=folder, engine=engine, precision=precision)
    return lambda: ours(text)


def _contend(name: str, folder: str, text: str, pipe: Connection) -> None:
    """Answer once; then, whenever told, time some calls."""
    call = _call(name, folder, text)
    pipe.send(None if name == FLOOR else call())
    while pipe.recv():
        seconds = []
        for number in range(-SETTLE, CALLS):
            start = time.perf_counter()
            call()
            if number >= 0:
                seconds.append(time.perf_counter() - start)
        pipe.send(seconds)


def measure(folder: Path, text: str, names: list[str]) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of each call and the answer of each contender; one whose process ends is left out."""
    context = mp.get_context("spawn")
    pipes, answers = {}, {}
    for name in names:
        pipe, end = context.Pipe()
        context.Process(target=_contend, args=(name, str(folder), text, end), daemon=True).start()
        end.close()  # so that a contender that ends is noticed here
        try:
            answers[name] = pipe.recv()
        except EOFError:
            leave_out(name, "its process ended; see above")
            continue
        pipes[name] = pipe
    time.sleep(LARGE_PAGES_SECONDS)
    seconds: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(ROUNDS):
        for name, pipe in pipes.items():
            pipe.send(True)
            seconds[name] += pipe.recv()
    for pipe in pipes.values():
        pipe.send(False)
    return seconds, answers


def rows_of(seconds: dict[str, list[float]], answers: dict[str, Any]) -> list[dict[str, Any]]:
    """A table row for each contender.

    Raises:
        SystemExit: fillmask in float32 gives other answers than transformers.
    """
    reference = answers[TRANSFORMERS]
    base = statistics.median(seconds[TRANSFORMERS])
    rows = []
    for name, times in seconds.items():
        same, differ = "", ""
        if name != FLOOR:
            best = answers[name][: len(reference)]
            same_words = [a["token_str"].strip() for a in best] == [r["token_str"].strip() for r in reference]
            if not same_words and name.startswith("fillmask") and name.endswith("float32"):
                raise SystemExit(f"{name} answers {best}, transformers {reference}")
            same = "yes" if same_words else "no"
            scores = {r["token_str"].strip(): r["score"] for r in reference}
            shared = [(a["score"], scores[word]) for a in best if (word := a["token_str"].strip()) in scores]
            differ = f"{max(abs(ours / theirs - 1) for ours, theirs in shared):.0e}" if shared else "–"
        median = statistics.median(times)
        rows.append(
            {
                "call": name,
                "milliseconds": round(1000 * median, 2),
                "times faster": round(base / median, 2),
                "same five answers": same,
                "scores differ by": differ,
            }
        )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--shape", choices=list(SHAPES), default="distilroberta")
    arguments.add_argument("--length", type=int, help="tokens of the text  [default: those of a phrase, 14]")
    options = arguments.parse_args()
    title, write = SHAPES[options.shape]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bert-base-uncased"
        same_tokenizer = write(folder)
        names = list(possible({name: (needs, name) for name, needs in NEEDS.items()}))
        if FASTER_CLIP in names and not same_tokenizer:
            leave_out(FASTER_CLIP, "it runs BERT-base's shape with its own vocabulary")
            names.remove(FASTER_CLIP)
        rows = rows_of(*measure(folder, text_of(options.length), names))
    name = "one_phrase" if options.shape == "distilroberta" else f"one_phrase_{options.shape}"
    if options.length:
        name, title = f"{name}_{options.length}", f"{title}, 1×{options.length}"
    report(name, f"One phrase, {title}, medians of {ROUNDS * CALLS}", rows)


if __name__ == "__main__":
    main()
