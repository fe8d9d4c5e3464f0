"""Texts to answers: fillmask beside transformers and the exported graphs of Optimum's kind, on a CPU.

    python benchmarks/speed.py [--model distilroberta|bundled] [--text held_out.txt] [--quick]

The checkpoint has DistilRoBERTa's sizes (82M parameters, 50,265 tokens) and
random weights, or is the bundled one. Every contender answers the same texts
with one mask each, five answers a mask, from text to text. The contenders take
turns; medians. fp32 contenders must give the same best word for every text.
The sentences are real ones of TEXT, or random words in sentences' lengths.
Claims, for DistilRoBERTa's sizes:

- 32×128, fp32: at least 5 times faster than transformers (eager), at least
  twice as fast as the same arithmetic on the same engine by an exported graph;
  bf16 or int8 at least 10 times faster than transformers (eager, fp32);
- one phrase: at least 1.3 times faster than an exported graph on the same engine;
- 1,000 mixed sentences, fp32: at least 10 times faster than transformers (eager).

Short workloads are medians; what takes seconds is timed once, after as much again to warm up or, where that would take
too long, a few texts. Of the 1,000 sentences transformers (eager) reads every fourth and the other peers every twelfth, in
the same order; the time of each is counted so many times.

The last column is the share of the floor: the least time that this machine's
measured matmul rate and memory bandwidth allow, over the time taken.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import peers
import torch
from checkpoints import BUNDLED, distilroberta_shaped
from harness import Needs, engine_needs, medians, possible, report
from workloads import PHRASE, Machine, Sizes, sentence_lengths, sentences, texts

import fillmask

SIZES = {
    "distilroberta": Sizes(hidden=768, inner=3072, layers=6, vocabulary=50265),
    "bundled": Sizes(hidden=256, inner=384, layers=6, vocabulary=24576, gated=True),
}
TITLES = {"distilroberta": "DistilRoBERTa's shape", "bundled": "the bundled model"}
REFERENCE = "transformers, eager fp32"
# Name, precision, and which peer it is held against at the same precision on the same engine.
OURS = {
    "fillmask, onnxruntime fp32": ("float32", "exported, onnxruntime fp32"),
    "fillmask, onnxruntime int8": ("int8", "exported, onnxruntime int8"),
    "fillmask, openvino fp32": ("float32", "exported, openvino fp32"),
    "fillmask, openvino bf16": ("bfloat16", "exported, openvino bf16"),
    "fillmask, openvino int8": ("int8", "exported, openvino int8"),
}

# Of the sentences, one of so many is read: by the peer that the claim is about, and by the others.
REFERENCE_EVERY, PEERS_EVERY = 4, 12


def contenders(model: str, folder: Path, scratch: Path) -> dict[str, Callable[..., Any]]:
    """Each takes texts and a batch size, and returns transformers' answers."""
    graph = peers.export(folder, scratch)
    openvino, nncf = engine_needs("openvino"), Needs(packages=("openvino", "nncf"))
    every: dict[str, tuple[Needs, Callable[[], Callable[..., Any]]]] = {
        REFERENCE: (Needs(), lambda: peers.on_torch(folder, attention="eager")),
        "transformers, sdpa fp32": (Needs(), lambda: peers.on_torch(folder)),
        "transformers, sdpa bf16": (Needs("bfloat16"), lambda: peers.on_torch(folder, dtype=torch.bfloat16)),
        "transformers, torch.compile fp32": (Needs(), lambda: peers.on_torch(folder, compile=True)),
        "exported, onnxruntime fp32": (Needs(), lambda: peers.on_onnxruntime(folder, graph)),
        "exported, onnxruntime int8": (Needs(), lambda: peers.on_onnxruntime(folder, peers.quantized(graph))),
        "exported, openvino fp32": (openvino, lambda: peers.on_openvino(folder, graph, "float32")),
        "exported, openvino bf16": (
            engine_needs("openvino", "bfloat16"), lambda: peers.on_openvino(folder, graph, "bfloat16"),
        ),
        "exported, openvino int8": (nncf, lambda: peers.on_openvino(folder, graph, "int8")),
    }  # fmt: skip
    if model == "distilroberta":  # onnxruntime's optimizer knows no ModernBERT
        every["exported, onnxruntime fp32 fused"] = (
            Needs(), lambda: peers.on_onnxruntime(folder, peers.fused(graph, _config(folder))),
        )  # fmt: skip
    for name, (precision, _) in OURS.items():
        engine = name.split()[1]
        every[name] = engine_needs(engine, precision), partial(_ours, folder, engine, precision)
    return {name: make() for name, make in possible(every).items()}


def _ours(folder: Path, engine: str, precision: str) -> Callable[..., Any]:
    pipeline = fillmask.pipeline("fill-mask", model=folder, engine=engine, precision=precision)
    return lambda inputs, batch_size=None: pipeline(inputs)


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", choices=list(SIZES), default="distilroberta")
    arguments.add_argument("--text", type=Path, help="a file of paragraphs to take the sentences from")
    arguments.add_argument("--quick", action="store_true", help="fewer runs")
    options = arguments.parse_args()
    quick = options.quick
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as scratch:
        folder = BUNDLED
        if options.model == "distilroberta":
            folder = Path(temporary)
            distilroberta_shaped(folder)
        machine = Machine.measured()
        running = contenders(options.model, folder, Path(scratch))
        unmask = fillmask.FillMask(folder)
        count = 200 if quick else 1000
        mixed = sentences(options.text, count, unmask) if options.text else texts(sentence_lengths(count), unmask)
        workloads = [
            ("one phrase", [PHRASE], 1, 3 if quick else 7),
            ("1×128", texts([128], unmask), 1, 2),
            ("32×128", texts([128] * 32, unmask), 32, 1),
            ("8×512", texts([512] * 8, unmask), 8, 1),
            (f"{count:,} sentences", mixed, 32, 1),
        ]
        rows: list[dict[str, Any]] = []
        for name, inputs, batch_size, runs in workloads:
            lengths = [len(unmask.tokenizer.encode(text)) for text in inputs]
            rows.extend(measure(name, inputs, lengths, batch_size, runs, running, machine, SIZES[options.model]))
    name = "speed" if options.model == "distilroberta" else f"speed_{options.model}"
    report(name, f"Texts to answers, {TITLES[options.model]}", rows, by="workload")


def measure(
    workload: str, inputs: list[str], lengths: list[int], batch_size: int, runs: int,
    running: dict[str, Callable[..., Any]], machine: Machine, sizes: Sizes,
) -> list[dict[str, Any]]:  # fmt: skip
    answers: dict[str, dict[int, int]] = {}  # the best word of each text, by the text's number
    steps = dict.fromkeys(running, 1)
    if len(inputs) >= 1000:
        steps |= {name: PEERS_EVERY for name in running if name not in OURS} | {REFERENCE: REFERENCE_EVERY}

    def ask(name: str) -> None:
        own = inputs[:: steps[name]]
        candidates = running[name](own if len(own) > 1 else own[0], batch_size=batch_size)
        best = candidates if len(own) > 1 else [candidates]
        numbers = range(0, len(inputs), steps[name])
        answers[name] = {number: row[0]["token"] for number, row in zip(numbers, best, strict=True)}

    short = len(inputs) == 1
    # 32×128 has made the room for what comes after it: a few texts do the rest.
    warm_with_all = short or workload == "32×128"
    if not warm_with_all:
        few = inputs[: max(1, 512 // max(lengths))]
        for run in running.values():
            run(few, batch_size=batch_size)
    seconds = medians(
        {name: lambda name=name: ask(name) for name in running},
        runs,
        warm_ups=int(warm_with_all),
        calls=5 if short else 1,
        settle=3 if short else 0,
    )
    seconds = {name: taken * steps[name] for name, taken in seconds.items()}
    rows = []
    batches = -(-sum(lengths) // 4096)
    for name, taken in seconds.items():
        both = answers[name].keys() & answers[REFERENCE].keys()
        agreement = sum(answers[name][number] == answers[REFERENCE][number] for number in both) / len(both)
        if agreement < 1 and "fp32" in name:
            raise SystemExit(f"{name} answers {agreement:.1%} of {workload} as {REFERENCE} does; expected all")
        precision = "bfloat16" if "bf16" in name else "float32"
        floor = sizes.floor(machine, lengths, precision, batches) if "int8" not in name else None
        peer = OURS[name][1] if name in OURS else None
        rows.append(
            {
                "workload": workload,
                "contender": name,
                "milliseconds": round(1000 * taken, 1),
                "texts/s": round(len(inputs) / taken, 1),
                "× transformers eager": round(seconds[REFERENCE] / taken, 2),
                "× same engine, exported": round(seconds[peer] / taken, 2) if peer in seconds else "",
                "same best word": f"{agreement:.1%}",
                "share of floor": f"{floor / taken:.0%}" if floor else "",
            }
        )
    return rows


if __name__ == "__main__":
    main()
