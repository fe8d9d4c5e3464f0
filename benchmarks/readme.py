"""Write the tables of README.md and docs/benchmarks.md from the committed results.

    python benchmarks/readme.py

Everything between `<!-- table NAME -->` and `<!-- end -->` is replaced by
`results/NAME.csv` as a Markdown table; between `<!-- speed NAME -->` and the
end, by a table of that speed benchmark: a line for each contender, a column
for each workload; `kinds` and `totals` are tables of restoration, by kind of
damage and over all of it. Each of these is written once for each processor
class that the file has rows of. `classes` is one table with a column for each
class: milliseconds, and times faster than the first row. A test holds
documents and results together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from harness import PROCESSOR, RESULTS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_BLOCK = re.compile(
    r"<!-- (?P<kind>table|speed|kinds|totals|classes) (?P<name>[a-z_]+) -->\n.*?<!-- end -->", re.DOTALL
)


def rendered(text: str) -> str:
    """`text` with each marked table made anew."""

    def block(match: re.Match[str]) -> str:
        header, *rows = _rows(match["name"])
        kind = match["kind"]
        made = _classes(header, rows) if kind == "classes" else _for_each_class(_MAKERS[kind], header, rows)
        return f"<!-- {kind} {match['name']} -->\n{made}<!-- end -->"

    return _BLOCK.sub(block, text)


def _rows(name: str) -> list[list[str]]:
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _for_each_class(
    maker: Callable[[list[str], list[list[str]]], str], header: list[str], rows: list[list[str]]
) -> str:
    """The maker's table of each processor class, with the class said below it."""
    place = header.index(PROCESSOR)
    tables = []
    for label in dict.fromkeys(row[place] for row in rows):
        own = [[cell for number, cell in enumerate(row) if number != place] for row in rows if row[place] == label]
        made = maker([name for name in header if name != PROCESSOR], own)
        tables.append(f"{made}\nProcessor class: {label}.\n")
    return "\n".join(tables)


def _classes(header: list[str], rows: list[list[str]]) -> str:
    """A line for each contender, a column for each processor class; "–" where a class cannot run it."""
    named = [dict(zip(header, row, strict=True)) for row in rows]
    labels = list(dict.fromkeys(row[PROCESSOR] for row in named))
    cells: dict[str, dict[str, str]] = {}
    for row in named:
        cells.setdefault(row[header[0]], {})[row[PROCESSOR]] = f"{row['milliseconds']} (×{row['times faster']})"
    return _table(
        [header[0], *labels], [[name, *(of.get(label, "–") for label in labels)] for name, of in cells.items()]
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _speed(header: list[str], rows: list[list[str]]) -> str:
    """Milliseconds of each contender, and how many times faster than transformers in float32 that is."""
    column = {name: header.index(name) for name in ("workload", "contender", "milliseconds", "× transformers eager")}
    workloads = list(dict.fromkeys(row[column["workload"]] for row in rows))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        milliseconds, times = float(row[column["milliseconds"]]), float(row[column["× transformers eager"]])
        shown = f"{milliseconds:,.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"
        ours = row[column["contender"]].startswith("fillmask")
        cells.setdefault(row[column["contender"]], {})[row[column["workload"]]] = (
            f"**{shown}** (×{times:.1f})" if ours else f"{shown} (×{times:.1f})"
        )
    return _table(["milliseconds", *workloads], [[name, *(of[w] for w in workloads)] for name, of in cells.items()])


def _kinds(header: list[str], rows: list[list[str]]) -> str:
    """For each kind of damage and each system: first reading right, and among the first 20, in per cent."""
    named = [dict(zip(header, row, strict=True)) for row in rows]
    systems = list(dict.fromkeys(row["system"] for row in named))
    cells: dict[str, dict[str, str]] = {}
    for row in named:
        if row["kind"] != "all":
            shown = f"{100 * float(row['top1']):.0f} · {100 * float(row['top20']):.0f} ({row['holes']})"
            cells.setdefault(row["kind"], {})[row["system"]] = shown
    return _table(["damage", *systems], [[kind, *(of[system] for system in systems)] for kind, of in cells.items()])


def _totals(header: list[str], rows: list[list[str]]) -> str:
    """For each system, all kinds of damage together."""
    kind = header.index("kind")
    return _table(
        [c for c in header if c != "kind"], [row[:kind] + row[kind + 1 :] for row in rows if row[kind] == "all"]
    )


_MAKERS = {"table": _table, "speed": _speed, "kinds": _kinds, "totals": _totals}


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(rendered(document.read_text("utf-8")), "utf-8")
