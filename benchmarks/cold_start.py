"""Cold start: a whole process that answers one phrase, fillmask against transformers on the same checkpoint.

    python benchmarks/cold_start.py

Claim: `fillmask fill "…"` with the bundled model is at least ten times faster
than `pipeline("fill-mask", model=<the same checkpoint>)` of transformers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import medians, report

import fillmask

PHRASE = "I am <mask> to the bakery"
BUNDLED = Path(fillmask.__file__).parent / "bundled"
RUNS = 5

TRANSFORMERS = f"""
import json
from transformers import pipeline
print(json.dumps(pipeline("fill-mask", model={str(BUNDLED)!r})({PHRASE!r})))
"""


def main() -> None:
    commands = {
        "transformers pipeline": [sys.executable, "-c", TRANSFORMERS],
        "fillmask fill": [str(Path(sys.executable).parent / "fillmask"), "fill", "--json", PHRASE],
    }
    answers: dict[str, str] = {}

    def start(name: str) -> None:
        found = subprocess.run(commands[name], capture_output=True, text=True, check=True)
        answers[name] = found.stdout

    seconds = medians({name: lambda name=name: start(name) for name in commands}, RUNS)
    with tempfile.TemporaryDirectory() as empty:
        # And the very first start, when the graph must be built and cached.
        environment = {"FILLMASK_CACHE": empty}
        first = medians({"first": lambda: _first(commands["fillmask fill"], environment)}, 1, warm_ups=0)["first"]

    theirs = json.loads(answers["transformers pipeline"])
    ours = json.loads(answers["fillmask fill"])["masks"][0]
    if [c["token"] for c in theirs] != [c["token"] for c in ours]:
        raise SystemExit(f"the answers differ: {theirs} and {ours}")
    base = seconds["transformers pipeline"]
    rows = [
        {"process": name, "seconds": round(s, 3), "times faster": round(base / s, 1)} for name, s in seconds.items()
    ]
    rows.append(
        {
            "process": "fillmask fill, empty cache (one run)",
            "seconds": round(first, 3),
            "times faster": round(base / first, 1),
        }
    )
    report("cold_start", f"Cold start, medians of {RUNS}, same five answers", rows)


def _first(command: list[str], environment: dict[str, str]) -> None:
    import os

    subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environment})


if __name__ == "__main__":
    main()
