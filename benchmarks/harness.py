"""What the benchmark scripts share: interleaved timing, tables, result files."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def medians(contenders: Mapping[str, Callable[[], object]], runs: int, warm_ups: int = 1) -> dict[str, float]:
    """Median seconds of each contender, run in turn so that a slow moment of the machine falls on all of them."""
    for run in contenders.values():
        for _ in range(warm_ups):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows as a table and keep them as `results/NAME.csv`, written atomically."""
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if column == next(iter(rows[0])) else "right")
    for row in rows:
        table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    console.print(table)
    console.print(f"{processor()}, {os.cpu_count()} cores", style="dim")
    RESULTS.mkdir(exist_ok=True)
    part = RESULTS / f"{name}.csv.part"
    with open(part, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, RESULTS / f"{name}.csv")


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
