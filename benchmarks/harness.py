"""What the benchmark scripts share: interleaved timing, tables, result files."""

from __future__ import annotations

import csv
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def medians(
    contenders: Mapping[str, Callable[[], object]], runs: int, *, warm_ups: int = 1, calls: int = 1, settle: int = 0
) -> dict[str, float]:
    """Median seconds of each contender, run in turn so that a slow moment of the machine falls on all of them.

    Args:
        calls: timed calls in each turn.
        settle: calls before them that are not timed. Short calls need some: the turn begins with another's weights
            in the caches, and another's threads still spinning.
    """
    for run in contenders.values():
        for _ in range(warm_ups):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, run in contenders.items():
            if settle:
                time.sleep(0.1)
            for call in range(-settle, calls):
                start = time.perf_counter()
                run()
                if call >= 0:
                    seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(name: str, title: str, rows: Sequence[Mapping[str, Any]], *, by: str | None = None) -> None:
    """Print the rows as a table, or as one for each value of the column `by`, and keep them as `results/NAME.csv`."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[by] if by else title, []).append(row)
    for group, members in groups.items():
        table = Table(title=f"{title}: {group}" if by else title, title_justify="left")
        columns = [column for column in rows[0] if column != by]
        for column in columns:
            table.add_column(column, justify="left" if column == columns[0] else "right")
        for row in members:
            table.add_row(*(_shown(row[column]) for column in columns))
        console.print(table)
    console.print(f"{processor()}, {os.cpu_count()} cores", style="dim")
    RESULTS.mkdir(exist_ok=True)
    part = RESULTS / f"{name}.csv.part"
    with open(part, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, RESULTS / f"{name}.csv")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return str(value)


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
