"""Peak memory of a process that answers 32 texts of 128 tokens, fillmask beside transformers.

    python benchmarks/memory.py

Each contender runs in a process of its own; the number is its peak resident
set as the kernel counts it (VmHWM: the other count, ru_maxrss, begins at the
peak of the process that started it). Claim: at most a third of transformers'.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from checkpoints import distilroberta_shaped
from harness import engine_needs, possible, report
from workloads import texts

import fillmask
from fillmask.choices import ENGINE_PRECISIONS

_TRANSFORMERS = """
import json, sys
from transformers import pipeline
folder, path = sys.argv[1:]
pipeline("fill-mask", model=folder)(json.load(open(path)), batch_size=32)
"""
_FILLMASK = """
import json, sys
import fillmask
folder, path, engine, precision = sys.argv[1:]
fillmask.pipeline("fill-mask", model=folder, engine=engine, precision=precision)(json.load(open(path)))
"""
_PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        distilroberta_shaped(Path(folder))
        unmask = fillmask.FillMask(folder)
        weights = unmask.model.checkpoint.weights.parameters * 4 / 1e6
        path = Path(scratch) / "texts.json"
        path.write_text(json.dumps(texts([128] * 32, unmask)), "utf-8")
        del unmask
        arguments = [folder, str(path)]
        commands = {"transformers pipeline, fp32": [_TRANSFORMERS, *arguments]}
        ours = {
            f"fillmask, {engine} {precision}": (
                engine_needs(engine, precision), [_FILLMASK, *arguments, engine, precision],
            )
            for engine in ("onnxruntime", "openvino")
            for precision in ENGINE_PRECISIONS[engine]
        }  # fmt: skip
        commands |= possible(ours)
        commands["Python alone"] = [""]
        # Once before, so that graphs are built and cached: that is another process's memory.
        peaks = {name: min(_peak(command) for _ in range(2)) for name, command in commands.items()}
    theirs = peaks["transformers pipeline, fp32"]
    rows = [
        {"process": name, "peak MB": round(peak), "of transformers'": f"{peak / theirs:.0%}"}
        for name, peak in peaks.items()
    ]
    report("memory", f"Peak memory, 32×128; the weights alone are {weights:.0f} MB in float32", rows)


def _peak(command: list[str]) -> float:
    """Megabytes."""
    program, *arguments = command
    found = subprocess.run(
        [sys.executable, "-c", program + _PEAK, *arguments], capture_output=True, text=True, check=True
    )
    return int(found.stdout.split()[-1]) / 1e3 * 1.024


if __name__ == "__main__":
    main()
