"""The rows of a shard: the texts that can be worked on, what else the rows hold, and the rows that are no use.

A row that cannot be read (bytes that are not UTF-8, no JSON, no text) is a `Reject` with the reason. The others keep all
that they had beside the text, to be written out again with the answers: as dictionaries (`RecordColumns`), or as an Arrow
table where they came from Parquet (`fillmask.batch.arrow_rows.ArrowColumns`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from fillmask.data.records import Record
from fillmask.data.values import fits, has_surrogate, json_text, type_with_article

ROW = "row"  # the column of row numbers, first in every output
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
        text: the beginning of its text, where that can be read.
    """

    row: int
    id: Any
    file: str
    line: int
    reason: str
    text: str | None = None

    def to_json(self) -> str:
        """One line of a rejects file."""
        values = asdict(self)
        if self.text is not None and len(self.text) > _SHOWN:
            values["text"] = self.text[:_SHOWN] + "…"
        return json_text(values, ascii_only=True)


class CarriedColumns(Protocol):
    """What rows hold beside their numbers, to be written out with the answers."""

    def keep(self, places: Sequence[int]) -> CarriedColumns:
        """Some of the rows, in this order."""
        ...

    def extended(self, more: Any) -> CarriedColumns:
        """These rows and then those of `more`, which is of the same class."""
        ...

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of JSON's values."""
        ...


@dataclass(frozen=True)
class RecordColumns:
    """The columns of rows of text formats, as dictionaries."""

    rows: list[dict[str, Any]]

    def keep(self, places: Sequence[int]) -> RecordColumns:
        return RecordColumns([self.rows[place] for place in places])

    def extended(self, more: RecordColumns) -> RecordColumns:
        return RecordColumns(self.rows + more.rows)

    def records(self) -> list[dict[str, Any]]:
        return self.rows


@dataclass(frozen=True)
class ShardRows:
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
    carried: CarriedColumns
    ids: list[Any] | None
    rejects: list[Reject] = field(default_factory=list)

    def without(self, failures: Mapping[int, str]) -> ShardRows:
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
        return ShardRows(
            self.shard,
            self.count,
            [self.numbers[p] for p in kept],
            [self.texts[p] for p in kept],
            [self.lines[p] for p in kept],
            self.carried.keep(kept),
            None if self.ids is None else [self.ids[p] for p in kept],
            sorted(self.rejects + more, key=lambda reject: reject.row),
        )

    def and_then(self, more: ShardRows) -> ShardRows:
        """These rows and those that follow them in the same shard."""
        return ShardRows(
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
    """A row cannot be used; the message is the reason."""


@dataclass(frozen=True)
class RowSelection:
    """What is taken of each row.

    Attributes:
        text: column of the text.
        id: column of the id, where there is one.
        columns: columns to carry through; None for all.
        reserved: names that answers have, which rows may not.
        types: where an output has a fixed schema, the type of each carried column; see `fillmask.data.values.kind_of`.
    """

    text: str = "text"
    id: str | None = None
    columns: tuple[str, ...] | None = None
    reserved: frozenset[str] = frozenset()
    types: Mapping[str, str] | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that every file must have."""
        return (self.text,) if self.id is None else (self.text, self.id)

    def carries(self, name: str) -> bool:
        """Whether a column is carried through."""
        return self.columns is None or name in self.columns

    def with_types(self, types: Mapping[str, str]) -> RowSelection:
        """The same for an output with a fixed schema."""
        return replace(self, types=types)


def parse(records: Sequence[Record], selection: RowSelection, *, shard: int, row: int, file: str) -> ShardRows:
    """The rows of a shard from records.

    Args:
        row: number of the first of them in all of the input, from 0.
        file: its name.
    """
    rows = ShardRows(shard, len(records), [], [], [], RecordColumns([]), [] if selection.id else None)
    carried: list[dict[str, Any]] = []
    for place, record in enumerate(records):
        values = record.values
        try:
            if record.problem is not None:
                raise UnusableRowError(record.problem)
            if values is None:
                continue
            text = text_of(values, selection.text)
            kept = {name: value for name, value in values.items() if selection.carries(name)}
            _check_characters(kept)
            _check_columns(kept, selection)
        except UnusableRowError as error:
            shown = (values or {}).get(selection.text)
            id = None if selection.id is None else (values or {}).get(selection.id)
            rows.rejects.append(
                Reject(row + place, id, file, record.line, str(error), shown if isinstance(shown, str) else None)
            )
            continue
        rows.numbers.append(row + place)
        rows.texts.append(text)
        rows.lines.append((file, record.line))
        carried.append(kept)
        if rows.ids is not None and selection.id is not None:
            rows.ids.append(values.get(selection.id))
    return replace(rows, carried=RecordColumns(carried))


def text_of(values: Mapping[str, Any], column: str) -> str:
    """The text of a row.

    Raises:
        UnusableRowError: it has none.
    """
    if column not in values:
        raise UnusableRowError(f"there is no {column!r}")
    text = values[column]
    if text is None:
        raise UnusableRowError(f"{column!r} is null")
    if not isinstance(text, str):
        raise UnusableRowError(f"{column!r} is {type_with_article(text)}; expected text")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UnusableRowError(f"{column!r} has a lone surrogate at character {error.start}") from error
    return text


def _check_columns(values: Mapping[str, Any], selection: RowSelection) -> None:
    if not selection.reserved.isdisjoint(values):
        clash = sorted(selection.reserved & values.keys())[0]
        raise UnusableRowError(f"there is a column {clash!r} already; choose others with --columns")
    if selection.types is None:
        return
    for name, value in values.items():
        expected = selection.types.get(name)
        if expected is None:
            raise UnusableRowError(
                f"there is a column {name!r}, which the first rows have not; name the columns with --columns"
            )
        if value is not None and not fits(value, expected):
            raise UnusableRowError(f"{name!r} is {json_text(value):.40}, and the first rows have {expected} there")


def _check_characters(values: Mapping[str, Any]) -> None:
    """Raise UnusableRowError where no output can hold a row: a lone surrogate, as JSON can spell it, or deep nesting."""
    for name, value in values.items():
        if has_surrogate(name):
            raise UnusableRowError(f"the name of the column {name!a:.40} has a lone surrogate")
        if isinstance(value, str | list | dict):
            if has_surrogate(value):
                raise UnusableRowError(f"{name!r} has a lone surrogate")
            if not isinstance(value, str):
                try:
                    json_text(value)
                except RecursionError as error:
                    raise UnusableRowError(f"{name!r} has lists or objects that are nested too deep") from error
