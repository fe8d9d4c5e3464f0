"""Write the tables of README.md and docs/benchmarks.md from the committed results.

    python benchmarks/readme.py

Everything between `<!-- table NAME -->` and `<!-- end -->` is replaced by
`results/NAME.csv` as a Markdown table; between `<!-- speed NAME -->` and the
end, by a table of that speed benchmark: a line for each contender, a column
for each workload; `kinds` and `totals` are tables of restoration, by kind of
damage and over all of it. A test holds documents and results together.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from harness import RESULTS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_BLOCK = re.compile(r"<!-- (?P<kind>table|speed|kinds|totals) (?P<name>[a-z_]+) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """`text` with each marked table made anew."""

    def block(match: re.Match[str]) -> str:
        header, *rows = _rows(match["name"])
        made = _MAKERS[match["kind"]](header, rows)
        return f"<!-- {match['kind']} {match['name']} -->\n{made}<!-- end -->"

    return _BLOCK.sub(block, text)


def _rows(name: str) -> list[list[str]]:
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


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
