"""Cases that schemathesis makes of the service's own description, and what did not hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

# Not asked for: that whatever fits the schema is taken. A text may have too many tokens, and a hole no number.
_CONFIG = """
[checks]
positive_data_acceptance.enabled = false

[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "413", "415", "422", "429"]
"""


@dataclass(frozen=True)
class Fuzzed:
    """What came of it.

    Attributes:
        cases: how many were made.
        statuses: how often each status was answered.
        failures: lines of the report that name a check that failed.
    """

    cases: int
    statuses: dict[int, int]
    failures: list[str]
    report: str


def fuzz(url: str, *, cases: int, phases: str = "examples,fuzzing", workers: int = 2, seed: int = 1) -> Fuzzed:
    """Send the cases of some phases, at most `cases` for each route in the last."""
    before = _statuses(url)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "schemathesis.toml"
        config.write_text(_CONFIG, "utf-8")
        command = [
            Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", f"{url}/openapi.json",
            "--max-examples", str(cases), "--phases", phases, "--workers", str(workers), "--seed", str(seed),
            "--no-color", "--continue-on-failure", "--generation-database", "none",
        ]  # fmt: skip
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    report = found.stdout + found.stderr
    made = re.search(r"([\d,]+) generated", report)
    failures = re.findall(r"^- (ST\d+ .*)$", report, re.MULTILINE)
    if found.returncode and not failures:
        failures = report.splitlines()[-30:]
    after = _statuses(url)
    statuses = {
        status: count - before.get(status, 0) for status, count in after.items() if count > before.get(status, 0)
    }
    return Fuzzed(int(made[1].replace(",", "")) if made else 0, statuses, failures, report)


def _statuses(url: str) -> dict[int, int]:
    found: dict[int, int] = {}
    text = httpx.get(f"{url}/metrics").text
    for status, count in re.findall(r'^fillmask_requests_total{.*status="(\d+)"} (\S+)$', text, re.MULTILINE):
        found[int(status)] = found.get(int(status), 0) + int(float(count))
    return found
