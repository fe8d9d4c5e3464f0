"""Parquet in and out, by pyarrow (the extra `data`).

Rows are read in record batches, never a file or a row group whole, and stay
Arrow tables until they are written, so that their types are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fillmask.batch.columns import Column, Lists, Lookup, Values
from fillmask.batch.inputs import check_names
from fillmask.batch.rows import JSON, ROW, Carried, Records, Reject, Rows, Wanted
from fillmask.errors import InputError, MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise MissingExtraError("Parquet", "data") from missing

if TYPE_CHECKING:
    from fillmask.batch.inputs import Source

_BATCH = 8192  # rows
_BUFFER = 1 << 20  # bytes of a column


@dataclass(frozen=True)
class Table:
    """Rows as an Arrow table; see `fillmask.batch.rows.Carried`."""

    table: Any

    def keep(self, places: Sequence[int]) -> Table:
        if len(places) == len(self.table):
            return self
        return Table(self.table.take(pa.array(places, pa.int64())))

    def extended(self, more: Table) -> Table:
        return Table(pa.concat_tables([self.table, more.table]))

    def records(self) -> list[dict[str, Any]]:
        names = self.table.column_names
        values = [python(self.table.column(name)) for name in names]
        return (
            [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
            if names
            else [{}] * len(self.table)
        )


def python(column: Any) -> list[Any]:
    """The values of an Arrow column as Python's own; bytes that are no UTF-8 become lone surrogates."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        # Arrow does not look at the bytes of a string until somebody wants it.
        binary = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        raw = [value for chunk in chunks for value in chunk.view(binary).to_pylist()]
        values = [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]
    return values


class ParquetReader:
    """One Parquet file, front to back."""

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self.source = source
        try:
            # With a buffer a row group's pages are read as they are wanted, not its columns whole.
            self._file = pq.ParquetFile(source.path, buffer_size=_BUFFER)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"cannot read {source.path}: {error}") from error
        schema = self._file.schema_arrow
        try:
            _check_schema(source, schema, wanted)
        except InputError:
            self._file.close()
            raise
        self._names = self._used(schema.names, wanted)
        self._schema = schema
        self._empty = schema.empty_table().select(self._names)
        self._next = self._row = 0  # the row group after the one that is being read, and the row that is next
        self._inside = 0  # rows of the row group being read that were not handed out
        self._batches: Iterator[Any] = iter(())
        self._left: Any = None

    @staticmethod
    def _used(names: Sequence[str], wanted: Wanted) -> list[str]:
        asked = {wanted.text, wanted.id, *(wanted.columns or ())}
        return [name for name in names if wanted.columns is None or name in asked]

    def types(self, wanted: Wanted) -> dict[str, str]:
        return {
            n: str(self._schema.field(n).type) for n in self._names if wanted.columns is None or n in wanted.columns
        }

    def peek(self, count: int) -> Any:
        found = self.take(count)
        self._batches = itertools.chain(found.to_batches(), [] if self._left is None else [self._left], self._batches)
        self._left, self._row, self._inside = None, self._row - len(found), self._inside + len(found)
        return found

    def take(self, count: int) -> Any:
        parts: list[Any] = []
        missing = count
        while missing and (batch := self._batch()) is not None:
            parts.append(batch.slice(0, missing))
            self._left = batch.slice(missing) if len(batch) > missing else None
            missing -= len(parts[-1])
        self._inside -= count - missing
        self._row += count - missing
        return pa.Table.from_batches(parts, self._empty.schema)

    def _batch(self) -> Any:
        """The next record batch, perhaps what is left of one; None at the end."""
        if self._left is not None:
            batch, self._left = self._left, None
            return batch
        try:
            while (batch := next(self._batches, None)) is None:
                if self._next >= self._file.num_row_groups:
                    return None
                self._inside += self._file.metadata.row_group(self._next).num_rows
                self._batches = self._file.iter_batches(_BATCH, row_groups=[self._next], columns=self._names)
                self._next += 1
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"cannot read {self.source.path}: {error}") from error
        return batch

    def skip(self, count: int) -> int:
        passed = 0
        if self._inside and self._inside <= count:
            passed, self._inside, self._left, self._batches = self._inside, 0, None, iter(())
        # Whole row groups need not be read at all.
        metadata = self._file.metadata
        while not self._inside and self._next < metadata.num_row_groups:
            rows = metadata.row_group(self._next).num_rows
            if passed + rows > count:
                break
            passed, self._next = passed + rows, self._next + 1
        self._row += passed
        while passed < count and (found := len(self.take(min(count - passed, _BATCH)))):
            passed += found
        return passed

    def position(self) -> float:
        return float(self._row / max(1, self._file.metadata.num_rows) * (self.source.size or 0))

    def close(self) -> None:
        self._file.close()

    def parse(self, raw: Any, wanted: Wanted, *, shard: int, row: int, line: int) -> Rows:
        values = python(raw.column(wanted.text))
        ids = None if wanted.id is None else python(raw.column(wanted.id))
        rejects, good = [], []
        for place, value in enumerate(values):
            reason = _unusable(value, wanted.text)
            if reason is None:
                good.append(place)
            else:
                number = None if ids is None else ids[place]
                rejects.append(Reject(row + place, number, self.source.name, line + place, reason))
        carried: Carried = Table(raw if wanted.columns is None else raw.select(list(wanted.columns)))
        if rejects:
            carried = carried.keep(good)
            values = [values[place] for place in good]
            ids = None if ids is None else [ids[place] for place in good]
        lines = [(self.source.name, line + place) for place in good]
        return Rows(shard, len(raw), [row + place for place in good], values, lines, carried, ids, rejects)


def _check_schema(source: Source, schema: Any, wanted: Wanted) -> None:
    check_names(source.path, schema.names, wanted)
    kind = schema.field(wanted.text).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise InputError(f"{source.path} has {kind} in the column {wanted.text!r}; expected texts (string)")


def count_rows(source: Source) -> int:
    """Rows of a file, from its footer.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return int(pq.read_metadata(source.path).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"cannot read {source.path}: {error}") from error


def _unusable(text: Any, column: str) -> str | None:
    if text is None:
        return f"{column!r} is null"
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"not UTF-8 in {column!r} at character {error.start}"
    return None


def write(rows: Rows, answers: Sequence[Column], types: Mapping[str, str], provenance: str) -> bytes:
    """A Parquet file of the rows and their answers.

    Args:
        types: of the carried columns, where rows are not Parquet already.
        provenance: JSON, kept in the file's metadata as `fillmask`.

    Raises:
        InputError: two input files differ in their schema.
    """
    columns: list[tuple[str, Any]] = [(ROW, pa.array(rows.numbers, pa.int64()))]
    if isinstance(rows.carried, Table):
        found = {
            name: str(kind)
            for name, kind in zip(rows.carried.table.column_names, rows.carried.table.schema.types, strict=True)
        }
        if found != types:
            raise InputError(
                f"a file has the columns {found} and the first one {dict(types)}; expected the same in all"
            )
        columns += zip(rows.carried.table.column_names, rows.carried.table.columns, strict=True)
    else:
        assert isinstance(rows.carried, Records)
        columns += [(name, _carried(rows.carried.rows, name, kind)) for name, kind in types.items()]
    columns += [(column.name, arrow(column.values, arrow_type(column.type))) for column in answers]
    table = pa.table(dict(columns)).replace_schema_metadata({"fillmask": provenance})
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd")
    return bytes(out.getvalue())


def _carried(rows: Sequence[Mapping[str, Any]], name: str, kind: str) -> Any:
    values = [row.get(name) for row in rows]
    if kind == JSON:
        import json

        return pa.array([None if v is None else json.dumps(v, ensure_ascii=False) for v in values], pa.string())
    if kind == "double":
        values = [None if v is None else float(v) for v in values]
    return pa.array(values, arrow_type(kind))


def arrow_type(name: str) -> Any:
    """The Arrow type of a column's type."""
    if name.startswith("list<"):
        return pa.list_(arrow_type(name[5:-1]))
    return {"float": pa.float32(), "double": pa.float64(), "bool": pa.bool_(), "string": pa.string(), "int32": pa.int32(), "int64": pa.int64()}[name]  # fmt: skip


def arrow(values: Values, kind: Any) -> Any:
    """Values as an Arrow array."""
    if isinstance(values, Lists):
        inner = arrow(values.values, kind.value_type)
        return pa.ListArray.from_arrays(pa.array(values.offsets, pa.int32()), inner, type=kind)
    if isinstance(values, Lookup):
        return pa.array(values.table, kind).take(pa.array(values.places, pa.int64()))
    return pa.array(values.astype(kind.to_pandas_dtype()) if isinstance(values, np.ndarray) else values, kind)
