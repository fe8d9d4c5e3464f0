"""Write the README's tables from the committed results.

    python benchmarks/readme.py

Everything between `<!-- NAME -->` and `<!-- end -->` in README.md is replaced
by `results/NAME.csv` as a Markdown table. A test holds the two together.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from harness import RESULTS

README = Path(__file__).resolve().parents[1] / "README.md"
_BLOCK = re.compile(r"<!-- (?P<name>[a-z_]+) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """`text` with each marked table made anew."""
    return _BLOCK.sub(lambda match: f"<!-- {match['name']} -->\n{_table(match['name'])}<!-- end -->", text)


def _table(name: str) -> str:
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text("utf-8")), "utf-8")
