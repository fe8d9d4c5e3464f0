"""What the readers of tables have in common: how long a field may be, and how they name what they found."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

# Bytes of a line, and characters of a field of CSV. Python's own limit of 131,072 is shorter than a chapter.
LONGEST_FIELD = 16 << 20
csv.field_size_limit(LONGEST_FIELD)


def repeated(names: Sequence[str]) -> str | None:
    """The first name that two columns have."""
    return next((name for name in names if names.count(name) > 1), None)


def type_with_article(value: Any) -> str:
    """The type of a value with its article, as messages name it."""
    if value is None:
        return "null"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def counted(count: int, noun: str) -> str:
    """A number of things: 1 row, 2 rows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
