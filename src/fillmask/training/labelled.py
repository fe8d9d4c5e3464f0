"""Texts with labels, from tables: CSV, TSV, JSON, and Parquet, as `fillmask.data.tables` reads them.

A row that has no text or no label is passed over, and its number kept: nothing is dropped in silence. A row that is not
of the table's form, or holds what is no text, is an error that names it. Knows rows and labels, not tokens or models.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillmask.data.compression import SUFFIXES as COMPRESSIONS
from fillmask.data.files import SUFFIXES, InputFile, find_file, suffix_of
from fillmask.data.tables import read_records
from fillmask.data.text import DEFAULT, ReadOptions
from fillmask.data.values import has_surrogate, type_with_article
from fillmask.errors import CorpusError, InputError

FORMATS = tuple(suffix for suffix, format in SUFFIXES.items() if format != "text")
_NUMBER = re.compile(r"-?\d{1,18}")
_SHOWN = 5  # row numbers that a message names


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read; `pair` holds a second text, where there is one."""

    text: str = "text"
    label: str = "label"
    pair: str | None = None


@dataclass(frozen=True)
class Example:
    """A text, perhaps with a second one, and its label."""

    text: str
    pair: str | None
    label: str


@dataclass(frozen=True)
class Labelled:
    """Examples of a table.

    Attributes:
        examples: the rows that have all they need, in order.
        empty: numbers of the rows without a text (the first row below the heading is 1).
        unlabelled: numbers of those without a label.
        warnings: what else is to be said about the table.
    """

    examples: tuple[Example, ...]
    empty: tuple[int, ...] = ()
    unlabelled: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each label, labels in alphabetical order."""
        return dict(sorted(Counter(example.label for example in self.examples).items()))

    def complaints(self) -> list[str]:
        """Returns messages about skipped rows."""
        kinds = (("no text", self.empty), ("no label", self.unlabelled))
        return [f"{_rows(numbers)} {what}" for what, numbers in kinds if numbers]


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + ("" if len(numbers) <= _SHOWN else ", …")
    return f"1 row (row {shown}) has" if len(numbers) == 1 else f"{len(numbers):,} rows (rows {shown}) have"


def read_labelled(
    path: Path | str, columns: Columns = Columns(), options: ReadOptions = DEFAULT, format: str | None = None
) -> Labelled:
    """The examples of a table.

    Args:
        format: "csv", "tsv", "jsonl", or "parquet"; by default that of the name's suffix, which one of a compression may
            follow.

    Raises:
        CorpusError: it cannot be read, a column is not there, a row is not of its form or holds what is no text, or no
            row has a text and a label.
        MissingExtraError: Parquet or Zstandard, without the extra `data`.
    """
    try:
        return _read(_table_file(str(path), format), columns, options)
    except InputError as error:
        raise CorpusError(str(error)) from error


def _table_file(path: str, format: str | None) -> InputFile:
    file = find_file(path, format or SUFFIXES.get(suffix_of(path), "text"))
    if file.format == "text":
        raise InputError(
            f"{path} ends in {suffix_of(path)!r}; expected one of {', '.join(FORMATS)}, perhaps with"
            f" {', '.join(COMPRESSIONS)} after it, or --input-format"
        )
    return file


def _read(file: InputFile, columns: Columns, options: ReadOptions) -> Labelled:
    path = file.path
    needed = [name for name in (columns.text, columns.pair, columns.label) if name is not None]
    examples: list[Example] = []
    empty: list[int] = []
    unlabelled: list[int] = []
    warnings: list[str] = []
    number = 0
    for record in read_records(file, needed, options, warnings):
        if record.problem is not None:
            raise InputError(f"{path}, line {record.line}: {record.problem}")
        if record.values is None:
            continue
        number += 1
        missing = [name for name in needed if name not in record.values]
        if missing and number == 1:
            names = ", ".join(record.values) or "none"
            raise InputError(f"{path} has no column {' or '.join(map(repr, missing))}; its columns: {names}")
        try:
            text = _cell(record.values, columns.text)
            pair = None if columns.pair is None else _cell(record.values, columns.pair)
            label = _cell(record.values, columns.label)
        except ValueError as error:
            raise InputError(f"{path}, row {number}: {error}") from error
        if not text or pair == "":
            empty.append(number)
        elif not label:
            unlabelled.append(number)
        else:
            examples.append(Example(text, pair, label))
    table = Labelled(tuple(examples), tuple(empty), tuple(unlabelled), tuple(warnings))
    if not examples:
        why = "; ".join(table.complaints()) or "it has no rows"
        raise InputError(f"{path} has no example: {why}; expected rows with {columns.text!r} and {columns.label!r}")
    return table


def labels_of(*tables: Labelled) -> tuple[str, ...]:
    """All labels, in the order of their numbers where they are numbers, else of the alphabet.

    Raises:
        CorpusError: there are fewer than two.
    """
    names = {example.label for table in tables for example in table.examples}
    if len(names) < 2:
        count = sum(len(table.examples) for table in tables)
        raise CorpusError(f"all {count:,} rows have the label {min(names, default='')!r}; expected two labels or more")
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))  # 1 and 01 are two labels
    return tuple(sorted(names))


def split(table: Labelled, share: float, seed: int = 0) -> tuple[Labelled, Labelled]:
    """Examples for training and for validation: of each label about `share`, and at least one on each side.

    The hash of the text with `seed` decides: a text that comes twice, also with another label, is on one side only.

    Raises:
        InputError: `share` is not between 0 and 1.
        CorpusError: a label cannot be on both sides.
    """
    if not 0 < share < 1:
        raise InputError(f"the share for validation is {share}; expected a number between 0 and 1")
    groups: dict[bytes, Counter[str]] = defaultdict(Counter)
    keys = [_key(example, seed) for example in table.examples]
    for key, example in zip(keys, table.examples, strict=True):
        groups[key][example.label] += 1
    # The rarest labels choose first: a text that they need on one side may have another label, too.
    counts = Counter(example.label for example in table.examples)
    validation: set[bytes] = set()
    decided: set[bytes] = set()
    for label in sorted(counts, key=lambda name: (counts[name], name)):
        of_label = [key for key, labels in groups.items() if label in labels]
        free = sorted(key for key in of_label if key not in decided)
        judged = sum(groups[key][label] for key in of_label if key in validation)
        target = min(max(1, round(share * counts[label])), counts[label] - 1)
        for key in free:
            if judged + groups[key][label] <= target:
                validation.add(key)
                judged += groups[key][label]
        if not judged and free and len(of_label) > 1:
            validation.add(min(free, key=lambda key: (groups[key][label], key)))
        decided.update(free)
    sides: tuple[list[Example], list[Example]] = ([], [])
    for key, example in zip(keys, table.examples, strict=True):
        sides[key in validation].append(example)
    _check_sides(sides, counts)
    return Labelled(tuple(sides[0])), Labelled(tuple(sides[1]))


def _key(example: Example, seed: int) -> bytes:
    return hashlib.sha256(json.dumps([seed, example.text, example.pair]).encode()).digest()


def _check_sides(sides: tuple[Sequence[Example], Sequence[Example]], counts: Mapping[str, int]) -> None:
    """Raise CorpusError unless each label is on both sides."""
    labels = [{example.label for example in side} for side in sides]
    lone = [label for label in counts if not (label in labels[0] and label in labels[1])]
    if lone:
        shown = ", ".join(f"{label!r} ({counts[label]:,})" for label in lone[:_SHOWN]) + (
            ", …" if lone[_SHOWN:] else ""
        )
        raise CorpusError(
            f"too few examples of {shown} to train on some and to judge by others; add examples with other texts, try"
            " another --seed, or name a file to judge by with --validation"
        )


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A cell as text; null and NaN as an empty one.

    Raises:
        ValueError: it holds what is no text.
    """
    value = row.get(name)
    if value is None or value != value:  # noqa: PLR0124  # only NaN differs from itself
        return ""
    if not isinstance(value, str | int | float | Decimal):  # a bool is an int
        raise ValueError(f"{name!r} is {type_with_article(value)}; expected text")
    text = str(value).strip()
    if has_surrogate(text):
        raise ValueError(f"{name!r} holds half of a surrogate pair, which is no character; expected text")
    return text
