"""Tables: rows of CSV, TSV, JSON, Parquet, and plain text, all read here.

`open_rows` gives the raw rows of a text format, for readers that pass over many; `read_records` gives the parsed rows of
any format. What makes one table of several files is here too. Knows rows and columns, not what is done with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fillmask.data.delimited import DelimitedReader
from fillmask.data.files import InputFile, open_file
from fillmask.data.json_rows import JsonReader
from fillmask.data.records import Record, RowReader
from fillmask.data.text import DEFAULT, LONGEST_LINE, LineReader, ReadOptions, damage
from fillmask.errors import InputError

_BATCH = 1024  # rows of Parquet that are held at once


class TextReader(RowReader):
    """A plain text as a table of one column, a line a row; raw rows are pairs of a number and a line."""

    def __init__(self, file: Any, options: ReadOptions, column: str) -> None:
        super().__init__(file, iter(()))
        reader = LineReader(file, options.encoding)
        self._encoding, self._column = reader.encoding, column
        self.columns = [column]
        self._rows = enumerate(reader, start=1)

    def record(self, raw: Any) -> Record:
        number, line = raw
        if line is None:
            return Record(number, None, f"the line is longer than {LONGEST_LINE >> 20} million characters")
        text = line.rstrip("\r\n")
        if (problem := damage(text, self._encoding)) is not None:
            return Record(number, None, problem)
        return Record(number, {self._column: text} if text and not text.isspace() else None)


def open_rows(
    file: InputFile, options: ReadOptions = DEFAULT, *, text: str = "text", needed: Sequence[str] = ()
) -> RowReader:
    """A reader at the front of a file of any format but Parquet.

    Args:
        text: the column that the lines of a plain text become.
        needed: the columns that are needed, by which the separator of CSV is told.

    Raises:
        InputError: the file cannot be read.
    """
    opened = open_file(file.path, options.zstd_window_log)
    try:
        match file.format:
            case "text":
                return TextReader(opened, options, text)
            case "jsonl":
                return JsonReader(opened, options)
            case _:
                return DelimitedReader(opened, file.format, options, needed)
    except BaseException:
        opened.close()
        raise


def read_records(
    file: InputFile, needed: Sequence[str], options: ReadOptions = DEFAULT, warnings: list[str] | None = None
) -> Iterator[Record]:
    """The parsed rows of a file of any format, one after the other; blank lines have neither values nor a problem.

    Args:
        needed: the columns to read; a file with a heading must have them all.
        warnings: gets what is to be said about the file.

    Raises:
        InputError: the file cannot be read, or does not have the columns.
    """
    if file.format == "parquet":
        yield from _parquet_records(file, needed)
        return
    reader = open_rows(file, options, needed=needed)
    try:
        if reader.columns is not None and (reader.columns or file.format == "text"):
            check_columns(file.path, reader.columns, needed)
        while raw := reader.take(_BATCH):
            yield from reader.records(raw)
        if warnings is not None:
            warnings += reader.warnings
    finally:
        reader.close()


def _parquet_records(file: InputFile, needed: Sequence[str]) -> Iterator[Record]:
    from fillmask.data.arrow import is_text, json_values, texts
    from fillmask.data.parquet import ParquetReader, read_schema

    schema, _ = read_schema(file)
    check_columns(file.path, schema.names, needed)
    reader = ParquetReader(file, needed)
    number = 0
    try:
        while table := reader.take(_BATCH):
            columns = [(name, table.column(name)) for name in dict.fromkeys(needed)]
            values = [texts(column) if is_text(column.type) else _plain(column, json_values) for _, column in columns]
            for row in zip(*values, strict=True):
                number += 1
                yield Record(number, dict(zip((name for name, _ in columns), row, strict=True)))
    finally:
        reader.close()


def _plain(column: Any, json_values: Any) -> list[Any]:
    """Numbers and lists as Python has them, all else as JSON."""
    import pyarrow as pa

    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return json_values(column)  # type: ignore[no-any-return]


def check_columns(path: str, columns: Sequence[str], needed: Collection[str]) -> None:
    """Raise InputError unless a file with these columns has each of those needed, once."""
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"{path} has no column {' or '.join(map(repr, missing))}; its columns: {', '.join(columns) or 'none'}"
        )
    twice = [name for name in needed if list(columns).count(name) > 1]
    if twice:
        raise InputError(f"{path} has two columns {twice[0]!r}; expected names that differ")
