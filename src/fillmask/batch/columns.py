"""Columns of answers: values, and lists of values to any depth, without a Python object for each.

A column is kept as arrays until it is written: `plain` makes Python lists of
it, and `fillmask.batch.parquet` Arrow arrays. Types are written as Arrow
prints them: `int64`, `float`, `double`, `string`, `list<string>` …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Lookup:
    """Words of a table: `table[places[i]]` for each i."""

    table: Sequence[str]
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Lists:
    """Lists of values one after the other: list i is `values[offsets[i]:offsets[i + 1]]`; offsets is (lists + 1,)."""

    offsets: npt.NDArray[np.int64]
    values: Values

    def __len__(self) -> int:
        return len(self.offsets) - 1


Values = npt.NDArray[Any] | list[Any] | Lookup | Lists


@dataclass(frozen=True)
class Column:
    """A named column and its type."""

    name: str
    type: str
    values: Values


def offsets(counts: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Offsets of lists with so many values each."""
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)


def even(count: int, each: int) -> npt.NDArray[np.int64]:
    """Offsets of `count` lists with `each` values."""
    return np.arange(count + 1, dtype=np.int64) * each


def plain(values: Values) -> list[Any]:
    """The values as Python's own, lists as lists."""
    if isinstance(values, Lists):
        inner = plain(values.values)
        ends = values.offsets.tolist()
        return [inner[start:stop] for start, stop in pairwise(ends)]
    if isinstance(values, Lookup):
        table = values.table
        return [table[place] for place in values.places.tolist()]
    return values if isinstance(values, list) else list(values.tolist())
