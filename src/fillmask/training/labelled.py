"""Texts with labels, from tables: CSV, TSV, JSON Lines and Parquet.

A row that has no text or no label is passed over, and its number kept: nothing is dropped in silence. A row that is not
of the table's form, or holds what is no text, is an error that names it. Knows rows and labels, not tokens or models.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

from fillmask.data.tables import counted, repeated, type_with_article
from fillmask.errors import CorpusError, InputError, MissingExtraError

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_OPENERS: dict[str, Callable[..., object]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_NUMBER = re.compile(r"-?\d{1,18}")
_SHOWN = 5  # row numbers that a message names

_Row = tuple[int, Mapping[str, Any]]


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
    """What a table gave.

    Attributes:
        examples: the rows that have all they need, in order.
        empty: numbers of the rows without a text (the first row below the heading is 1).
        unlabelled: numbers of those without a label.
    """

    examples: tuple[Example, ...]
    empty: tuple[int, ...] = ()
    unlabelled: tuple[int, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each label, labels in alphabetical order."""
        return dict(sorted(Counter(example.label for example in self.examples).items()))

    def complaints(self) -> list[str]:
        """What is to be said of rows that were passed over."""
        kinds = (("no text", self.empty), ("no label", self.unlabelled))
        return [f"{_rows(numbers)} {what}" for what, numbers in kinds if numbers]


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + ("" if len(numbers) <= _SHOWN else ", …")
    return f"1 row (row {shown}) has" if len(numbers) == 1 else f"{len(numbers):,} rows (rows {shown}) have"


def read_labelled(path: Path, columns: Columns = Columns()) -> Labelled:
    """The examples of a table; the format is told by the name's ending, and .gz, .xz or .bz2 may follow it.

    Raises:
        CorpusError: it cannot be read, a column is not there, a row is not of its form or holds what is no text, or no
            row has a text and a label.
        MissingExtraError: Parquet, without pyarrow.
    """
    examples: list[Example] = []
    empty: list[int] = []
    unlabelled: list[int] = []
    for number, row in _checked(path, columns):
        try:
            text = _written(row, columns.text)
            pair = None if columns.pair is None else _written(row, columns.pair)
            label = _written(row, columns.label)
        except ValueError as error:
            raise CorpusError(f"{path}, row {number}: {error}") from error
        if not text or pair == "":
            empty.append(number)
        elif not label:
            unlabelled.append(number)
        else:
            examples.append(Example(text, pair, label))
    labelled = Labelled(tuple(examples), tuple(empty), tuple(unlabelled))
    if not examples:
        why = "; ".join(labelled.complaints()) or "it has no rows"
        raise CorpusError(f"{path} has no example: {why}; expected rows with {columns.text!r} and {columns.label!r}")
    return labelled


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
    """Examples for training and for validation, about `share` of all.

    The text decides, by its hash with `seed`: a text that comes twice is on one side, and a row stays on its side
    when others are added.

    Raises:
        InputError: `share` is not between 0 and 1.
        CorpusError: one side would be empty.
    """
    if not 0 < share < 1:
        raise InputError(f"the share for validation is {share}; expected a number between 0 and 1")
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in table.examples:
        digest = hashlib.sha256(json.dumps([seed, example.text, example.pair]).encode()).digest()
        sides[int.from_bytes(digest[:8]) < share * 2**64].append(example)
    if not all(sides):
        raise CorpusError(
            f"{len(table.examples)} examples are too few to keep {share:.0%} of them for validation; add some, or name a file"
        )
    return Labelled(tuple(sides[0])), Labelled(tuple(sides[1]))


def _written(row: Mapping[str, Any], name: str) -> str:
    """A cell as text; nothing, and what is no number, as an empty one.

    Raises:
        ValueError: it holds what is no text.
    """
    value = row.get(name)
    if value is None or value != value:  # noqa: PLR0124  # only NaN differs from itself
        return ""
    if not isinstance(value, str | int | float | Decimal):  # a bool is an int
        raise ValueError(f"{name!r} is {type_with_article(value)}; expected text")
    text = str(value).strip()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name!r} holds half of a surrogate pair, which is no character; expected text") from error
    return text


def _checked(path: Path, columns: Columns) -> Iterator[_Row]:
    """Numbered rows, after making sure of the columns."""
    rows = _read(path)
    names = [name for name in (columns.text, columns.pair, columns.label) if name is not None]
    first = next(rows, None)
    if first is None:
        return
    missing = [name for name in names if name not in first[1]]
    if missing:
        there = ", ".join(map(repr, first[1])) or "none"
        raise CorpusError(f"{path} has no column {' or '.join(map(repr, missing))}; its columns are {there}")
    yield first
    yield from rows


def _read(path: Path) -> Iterator[_Row]:
    inner = path.with_suffix("") if path.suffix in _OPENERS else path
    match inner.suffix.lower():
        case ".csv":
            rows: Iterable[_Row] = _csv(path, ",")
        case ".tsv":
            rows = _csv(path, "\t")
        case ".jsonl" | ".ndjson":
            rows = _json(path)
        case ".parquet":
            rows = _parquet(path)
        case other:
            raise CorpusError(f"{path} ends in {other!r}; expected one of {', '.join(FORMATS)}")
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text ({error.reason}); convert it, or name another file") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(f"cannot read {path}: {error}") from error


def _open(path: Path) -> IO[str]:
    raw = cast("IO[bytes]", _OPENERS.get(path.suffix, open)(path, "rb"))
    # utf-8-sig: spreadsheets put a mark before the first column's name.
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def _csv(path: Path, delimiter: str) -> Iterator[_Row]:
    with _open(path) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        number, line = 0, 1  # of the row, and where it begins: a field in quotes may span lines
        try:
            heading = next(reader, [])
            _check_heading(path, heading)
            line = reader.line_num + 1
            for fields in reader:
                if fields:
                    number += 1
                    if len(fields) != len(heading):
                        raise CorpusError(
                            f"{path}, line {line}: found {counted(len(fields), 'field')}, expected {len(heading)} as in the heading;"
                            " a field with a separator in it stands in double quotes"
                        )
                    yield number, dict(zip(heading, fields, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise CorpusError(f"{path}, line {reader.line_num} is not CSV ({error})") from error


def _check_heading(path: Path, names: Sequence[str]) -> None:
    if (twice := repeated(names)) is not None:
        raise CorpusError(f"{path} has two columns {twice!r}; expected names that differ")


def _json(path: Path) -> Iterator[_Row]:
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:  # the last: of lists in lists, a thousand deep
                why = getattr(error, "msg", error)
                raise CorpusError(f"{path}, line {number} is not JSON ({why}); expected an object") from error
            if not isinstance(row, dict):
                raise CorpusError(f"{path}, line {number} is {type_with_article(row)}; expected a JSON object")
            yield number, row


def _parquet(path: Path) -> Iterator[_Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as missing:
        raise MissingExtraError("reading Parquet", "data") from missing
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            _check_heading(path, file.schema_arrow.names)
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        raise CorpusError(f"{path} is not a Parquet file ({str(error).splitlines()[0]})") from error
