"""One call with one phrase on a DistilRoBERTa-shaped checkpoint, fillmask against transformers' pipeline.

    python benchmarks/one_phrase.py

The checkpoint has DistilRoBERTa's sizes (82M parameters, 50,265 tokens) and
random weights, so nothing is downloaded. Claim: at least four times faster,
with the same five answers. The floor is the time to read every weight once at
the memory bandwidth measured in the same run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from checkpoints import distilroberta_shaped
from harness import medians, report
from transformers import logging, pipeline

import fillmask

PHRASE = "Read the rest of this <mask> to understand things in more detail"
RUNS = 5


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        distilroberta_shaped(Path(folder))
        ours = fillmask.pipeline("fill-mask", model=folder)
        theirs = pipeline("fill-mask", model=folder)
        on_openvino = fillmask.pipeline("fill-mask", model=folder, engine="openvino", precision="float32")
        reference = theirs(PHRASE)
        worst = 0.0
        for mine in (ours(PHRASE), on_openvino(PHRASE)):
            if [c["token"] for c in mine] != [c["token"] for c in reference]:
                raise SystemExit(f"the answers differ: {mine} and {reference}")
            worst = max(
                worst, *(abs(a["score"] - b["score"]) / b["score"] for a, b in zip(mine, reference, strict=True))
            )
        weights = ours.model.checkpoint.weights.parameters * 4
        buffer = np.ones(weights // 4, np.float32)
        seconds = medians(
            {
                "transformers pipeline, fp32": lambda: theirs(PHRASE),
                "fillmask, onnxruntime fp32": lambda: ours(PHRASE),
                "fillmask, openvino fp32": lambda: on_openvino(PHRASE),
                "floor: reading the weights once": buffer.sum,
            },
            RUNS,
            calls=10,
            settle=5,
        )
    base = seconds["transformers pipeline, fp32"]
    rows = [
        {"call": name, "milliseconds": round(1000 * s, 2), "times faster": round(base / s, 2)}
        for name, s in seconds.items()
    ]
    report(
        "one_phrase",
        f"One phrase, DistilRoBERTa's shape, medians of {10 * RUNS}; scores differ by {worst:.1e} at most",
        rows,
    )


if __name__ == "__main__":
    main()
