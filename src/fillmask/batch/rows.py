"""Rows as they were read: the texts that can be worked on, what else the rows hold, and the rows that are no use.

A row that cannot be read (not UTF-8, not JSON, no text) is a `Reject` with
the reason. The others keep all that they had beside the text, to be written
out again with the answers: as dictionaries (`Records`), or as an Arrow table
where they came from Parquet (`fillmask.batch.parquet.Table`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

ROW = "row"  # the column of row numbers, first in every output
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 200  # characters of a rejected text that are kept


@dataclass(frozen=True)
class Reject:
    """A row that was not answered.

    Attributes:
        row: its number in all of the input, from 0; in text files every line counts.
        id: its value in the id column, None where it has none.
        file: name of the file.
        line: of the file, from 1, where a record of several lines begins; in Parquet the number of the row.
        reason: in words.
        text: the beginning of its text, where that is known.
    """

    row: int
    id: Any
    file: str
    line: int
    reason: str
    text: str | None = None

    def to_json(self) -> str:
        """One line of a rejects file."""
        found = asdict(self)
        if self.text is not None and len(self.text) > _SHOWN:
            found["text"] = self.text[:_SHOWN] + "…"
        return json.dumps(found, ensure_ascii=True, default=str)


class Carried(Protocol):
    """What rows hold beside their numbers, to be written out with the answers."""

    def keep(self, places: Sequence[int]) -> Carried:
        """Some of the rows, in this order."""
        ...

    def extended(self, more: Any) -> Carried:
        """These rows and then those of `more`, which is of the same class."""
        ...

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        ...


@dataclass(frozen=True)
class Records:
    """Rows of text files as dictionaries."""

    rows: list[dict[str, Any]]

    def keep(self, places: Sequence[int]) -> Records:
        return Records([self.rows[place] for place in places])

    def extended(self, more: Records) -> Records:
        return Records(self.rows + more.rows)

    def records(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass(frozen=True)
class Rows:
    """Rows that follow one another in the input, those of one shard.

    Attributes:
        shard: its number.
        count: rows of the input, blank lines and rejects included.
        numbers: number in all of the input of each row that can be worked on.
        texts: their texts.
        lines: file and line of each, for those that turn out to be no use.
        carried: what is written out with the answers.
        ids: what the id column holds, where one was named.
        rejects: the rows that cannot be worked on.
    """

    shard: int
    count: int
    numbers: list[int]
    texts: list[str]
    lines: list[tuple[str, int]]
    carried: Carried
    ids: list[Any] | None
    rejects: list[Reject] = field(default_factory=list)

    def without(self, failures: Mapping[int, str]) -> Rows:
        """The rows without those whose places are in `failures`, which become rejects for these reasons."""
        if not failures:
            return self
        more = [
            Reject(
                self.numbers[place],
                None if self.ids is None else self.ids[place],
                *self.lines[place],
                failures[place],
                self.texts[place],
            )
            for place in sorted(failures)
        ]
        kept = [place for place in range(len(self.texts)) if place not in failures]
        return Rows(
            self.shard,
            self.count,
            [self.numbers[p] for p in kept],
            [self.texts[p] for p in kept],
            [self.lines[p] for p in kept],
            self.carried.keep(kept),
            None if self.ids is None else [self.ids[p] for p in kept],
            sorted(self.rejects + more, key=lambda reject: reject.row),
        )

    def and_then(self, more: Rows) -> Rows:
        """These rows and those that follow them in the same shard."""
        return Rows(
            self.shard,
            self.count + more.count,
            self.numbers + more.numbers,
            self.texts + more.texts,
            self.lines + more.lines,
            self.carried.extended(more.carried),
            None if self.ids is None or more.ids is None else self.ids + more.ids,
            self.rejects + more.rejects,
        )


class UnusableRowError(Exception):
    """A row cannot be read; the message is the reason."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each row.

    Attributes:
        text: column of the text.
        id: column of the id, where there is one.
        columns: columns to carry through; None for all.
        reserved: names that answers have, which rows may not.
        known: where an output has a fixed schema, the type of each carried column; see `kind_of`.
    """

    text: str = "text"
    id: str | None = None
    columns: tuple[str, ...] | None = None
    reserved: frozenset[str] = frozenset()
    known: Mapping[str, str] | None = None


def parse(
    raw: Sequence[Any],
    read: Callable[[Any], dict[str, Any] | None],
    wanted: Wanted,
    *,
    shard: int,
    row: int,
    file: str,
    lines: Sequence[int],
) -> Rows:
    """Rows from what a file holds.

    Args:
        raw: rows as the file has them.
        read: makes a dictionary of one, or None for a blank line; raises UnusableRowError.
        row: number of the first of them in all of the input, from 0.
        lines: number of each in the file, from 1.
    """
    numbers, texts, records, kept_lines = [], [], [], []
    ids: list[Any] | None = [] if wanted.id else None
    rejects = []
    for place, one in enumerate(raw):
        record: dict[str, Any] | None = None
        try:
            record = read(one)
            if record is None:
                continue
            text = text_of(record, wanted.text)
            kept = record if wanted.columns is None else {n: record[n] for n in wanted.columns if n in record}
            _check_characters(kept)
            _check_columns(kept, wanted)
        except UnusableRowError as error:
            known = record or {}
            shown = known.get(wanted.text)
            number = known.get(wanted.id) if wanted.id is not None else None
            rejects.append(
                Reject(row + place, number, file, lines[place], str(error), shown if isinstance(shown, str) else None)
            )
            continue
        numbers.append(row + place)
        texts.append(text)
        records.append(kept)
        kept_lines.append((file, lines[place]))
        if ids is not None and wanted.id is not None:
            ids.append(record.get(wanted.id))
    return Rows(shard, len(raw), numbers, texts, kept_lines, Records(records), ids, rejects)


def text_of(record: Mapping[str, Any], column: str) -> str:
    """The text of a row.

    Raises:
        UnusableRowError: it has none.
    """
    if column not in record:
        raise UnusableRowError(f"there is no {column!r}")
    text = record[column]
    if text is None:
        raise UnusableRowError(f"{column!r} is null")
    if not isinstance(text, str):
        raise UnusableRowError(f"{column!r} is of type {type(text).__name__}; expected a text")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UnusableRowError(f"{column!r} has a lone surrogate at character {error.start}") from error
    return text


def _check_columns(record: Mapping[str, Any], wanted: Wanted) -> None:
    if not wanted.reserved.isdisjoint(record):
        clash = sorted(wanted.reserved & record.keys())[0]
        raise UnusableRowError(f"there is a column {clash!r} already; choose others with --columns")
    if wanted.known is None:
        return
    for name, value in record.items():
        expected = wanted.known.get(name)
        if expected is None:
            raise UnusableRowError(
                f"there is a column {name!r}, which the first rows have not; name the columns with --columns"
            )
        if value is not None and not fits(value, expected):
            raise UnusableRowError(f"{name!r} is {value!r:.40}, and the first rows have {expected} there")


def _check_characters(record: Mapping[str, Any]) -> None:
    """Raise UnusableRowError where a column, or its name, has a lone surrogate, as JSON can spell it: no output can hold it."""
    for name, value in record.items():
        if _has_surrogate(name):
            raise UnusableRowError(f"the name of the column {name!a:.40} has a lone surrogate")
        if isinstance(value, (str, list, dict)) and _has_surrogate(value):
            raise UnusableRowError(f"{name!r} has a lone surrogate")


def _has_surrogate(value: Any) -> bool:
    left = [value]  # a stack, since JSON may be nested deeper than calls
    while left:
        match left.pop():
            case str(text):
                if not text.isascii() and _SURROGATE.search(text):
                    return True
            case list(values):
                left += values
            case dict(values):
                left += [*values, *values.values()]
    return False


JSON = "json"  # lists, objects and mixtures are written as the text of their JSON


def kind_of(values: Sequence[Any]) -> str:
    """The type of a column with these values: bool, int64, double, string or json (its text)."""
    kinds = {_kind(value) for value in values if value is not None}
    if kinds <= {"int64", "double"} and "double" in kinds:
        return "double"
    return kinds.pop() if len(kinds) == 1 else JSON if kinds else "string"


def fits(value: Any, kind: str) -> bool:
    """Whether a value can stand in a column of this type."""
    return kind == JSON or _kind(value) == kind or (kind == "double" and _kind(value) == "int64")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64" if -(1 << 63) <= value < 1 << 63 else JSON
    if isinstance(value, float):
        return "double"
    return "string" if isinstance(value, str) else JSON
