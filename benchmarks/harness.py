"""What the benchmark scripts share: interleaved timing, contenders that this machine cannot run, tables, result files."""

from __future__ import annotations

import csv
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from fillmask.runtime.processor import processor, usable_cores

RESULTS = Path(__file__).parent / "results"
PROCESSOR = "processor"
"""Column of a result file that holds the processor class of each row."""

T = TypeVar("T")


@dataclass(frozen=True)
class Needs:
    """What a contender needs of the machine.

    Attributes:
        precision: the arithmetic that it runs in.
        packages: names under which Python imports what it is made of.
    """

    precision: str = "float32"
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """What this machine lacks of it, in words; "" where it lacks nothing."""
        lacks = [f"{package} is not installed" for package in self.packages if find_spec(package) is None]
        if self.precision in ("bfloat16", "bf16") and not processor().has_bfloat16:
            lacks.append("this processor has no bfloat16")
        return ", ".join(lacks)


def engine_needs(engine: str, precision: str = "float32") -> Needs:
    """What fillmask needs to run on an engine."""
    return Needs(precision, ("torch", "transformers") if engine == "torch" else (engine,))


def possible(contenders: Mapping[str, tuple[Needs, T]]) -> dict[str, T]:
    """The contenders that this machine can run; each of the others is named, with the reason."""
    for name, (needs, _) in contenders.items():
        if needs.missing:
            leave_out(name, needs.missing)
    return {name: value for name, (needs, value) in contenders.items() if not needs.missing}


def leave_out(name: str, reason: str) -> None:
    """Say that a contender does not run, and why."""
    print(f"left out: {name} ({reason})", file=sys.stderr)


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
    """Print the rows as a table, or as one for each value of the column `by`, and keep them in `results/NAME.csv`.

    The file gets a column with this processor's class. Rows that it holds of other classes stay.
    """
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
    console.print(f"{processor().name} ({processor().label}), {usable_cores()} cores", style="dim")
    own = [{**row, PROCESSOR: processor().label} for row in rows]
    path = RESULTS / f"{name}.csv"
    others = [row for row in read_rows(path) if row.get(PROCESSOR) not in (None, processor().label)]
    keep_rows(path, [*others, *own] if others and list(others[0]) == list(own[0]) else own)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a result file; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keep_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a result file, whole or not at all."""
    rows = list(rows)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".csv.part")
    with open(part, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return str(value)
