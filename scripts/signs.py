"""Write the table of signs in docs/guide/signs.md from the code that reads them.

python scripts/signs.py          write it
python scripts/signs.py --check  say whether it is up to date
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from fillmask.restore.notation.common_signs import COMMON_SIGNS
from fillmask.restore.notation.leiden import LEIDEN_SIGNS
from fillmask.restore.notation.plain import PLAIN_SIGNS
from fillmask.restore.notation.tei import ELEMENTS

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "signs.md"
_HEAD = """# All signs

Every sign of damage that `fillmask restore` reads. `scripts/signs.py` writes this page from the code that reads the
signs. [Restore damaged documents](restore.md) explains notations and options.

A sign inside an address, a file name, or an identifier is text. What looks like damage and is none of these signs is
listed in a warning, with its place.
"""
_PARTS = (
    ("Plain text", "These signs, and those of the next table.", [s for s in PLAIN_SIGNS if s not in COMMON_SIGNS]),
    ("Plain text and Leiden", "Transcripts of any kind may have these.", COMMON_SIGNS),
    (
        "Leiden and Leiden+",
        "These signs come first, then those of the table above.",
        [s for s in LEIDEN_SIGNS if s not in COMMON_SIGNS],
    ),
)


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, about, signs in _PARTS:
        parts.append(f"## {title}\n\n{about}\n\n{table((', '.join(s.examples), s.says) for s in signs)}")
    parts.append(f"## TEI\n\n{table((f'`{example}`', says) for example, says in ELEMENTS)}")
    return "\n".join(parts)


def table(rows: Iterable[tuple[str, str]]) -> str:
    """A table in Markdown."""
    lines = ["| you write | it says |", "|---|---|"]
    lines += [f"| {left.replace('|', chr(92) + '|')} | {right.replace('|', chr(92) + '|')} |" for left, right in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = page()
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != text:
            sys.exit(f"{PAGE} is not what the code reads; run scripts/signs.py")
    else:
        PAGE.write_text(text, "utf-8")
