"""Shards as Arrow tables: rows from Parquet, and shards as Parquet files.

Rows stay Arrow tables until they are written, so that their types are kept. Needs pyarrow (the extra `data`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fillmask.batch.columns import Column, Lists, Lookup, Values
from fillmask.batch.rows import ROW, CarriedColumns, RecordColumns, Reject, RowSelection, ShardRows
from fillmask.data.arrow import conform, json_values, texts
from fillmask.data.text import damage
from fillmask.data.values import JSON, json_text
from fillmask.errors import MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise MissingExtraError("Parquet", "data") from missing


@dataclass(frozen=True)
class ArrowColumns:
    """Columns as an Arrow table; see `fillmask.batch.rows.CarriedColumns`."""

    table: Any

    def keep(self, places: Sequence[int]) -> ArrowColumns:
        if len(places) == len(self.table):
            return self
        return ArrowColumns(self.table.take(pa.array(places, pa.int64())))

    def extended(self, more: ArrowColumns) -> ArrowColumns:
        return ArrowColumns(pa.concat_tables([self.table, more.table]))

    def records(self) -> list[dict[str, Any]]:
        names = self.table.column_names
        values = [json_values(self.table.column(name)) for name in names]
        return (
            [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
            if names
            else [{}] * len(self.table)
        )


def parse_table(
    raw: Any, schema: Any, selection: RowSelection, *, shard: int, row: int, file: str, line: int
) -> ShardRows:
    """The rows of a shard from an Arrow table.

    Args:
        schema: what the table is to conform to.
        row: number of the first row in all of the input, from 0.
        file: its name.
        line: number of the first row in the file, from 1.
    """
    table, problems = conform(raw, schema)
    values = texts(table.column(selection.text))
    ids = None if selection.id is None else json_values(table.column(selection.id))
    rejects, good = [], []
    for place, text in enumerate(values):
        reason = problems.get(place) or _unusable(text, selection.text)
        if reason is None:
            good.append(place)
        else:
            shown = text if isinstance(text, str) else None
            rejects.append(Reject(row + place, None if ids is None else ids[place], file, line + place, reason, shown))
    names = [name for name in table.column_names if selection.carries(name)]
    if selection.columns is not None:
        names = [name for name in selection.columns if name in names]
    # A table without columns has no rows: the text stands for what is not carried.
    carried: CarriedColumns = ArrowColumns(table.select(names)) if names else RecordColumns([{}] * len(table))
    if rejects:
        carried = carried.keep(good)
        values = [values[place] for place in good]
        ids = None if ids is None else [ids[place] for place in good]
    lines = [(file, line + place) for place in good]
    return ShardRows(shard, len(raw), [row + place for place in good], values, lines, carried, ids, rejects)


def _unusable(text: Any, column: str) -> str | None:
    if text is None:
        return f"{column!r} is null"
    problem = damage(text)
    return problem and problem.replace(":", f" in {column!r}:", 1)


def encode_parquet(rows: ShardRows, answers: Sequence[Column], types: Mapping[str, str], provenance: str) -> bytes:
    """A Parquet file of the rows and their answers.

    Args:
        types: of the carried columns, where rows are not Parquet already.
        provenance: JSON, kept in the file's metadata as `fillmask`.
    """
    columns: list[tuple[str, Any]] = [(ROW, pa.array(rows.numbers, pa.int64()))]
    if isinstance(rows.carried, ArrowColumns):
        columns += zip(rows.carried.table.column_names, rows.carried.table.columns, strict=True)
    else:
        assert isinstance(rows.carried, RecordColumns)
        columns += [(name, _carried(rows.carried.rows, name, kind)) for name, kind in types.items()]
    columns += [(column.name, arrow_array(column.values, arrow_type(column.type))) for column in answers]
    table = pa.table(dict(columns)).replace_schema_metadata({"fillmask": provenance})
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd")
    return bytes(out.getvalue())


def _carried(rows: Sequence[Mapping[str, Any]], name: str, kind: str) -> Any:
    values = [row.get(name) for row in rows]
    if kind == JSON:
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())
    if kind == "double":
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, arrow_type(kind))


def arrow_type(name: str) -> Any:
    """The Arrow type of a column's type."""
    if name.startswith("list<"):
        return pa.list_(arrow_type(name[5:-1]))
    return {"float": pa.float32(), "double": pa.float64(), "bool": pa.bool_(), "string": pa.string(), "int32": pa.int32(), "int64": pa.int64()}[name]  # fmt: skip


def arrow_array(values: Values, kind: Any) -> Any:
    """Values as an Arrow array."""
    if isinstance(values, Lists):
        inner = arrow_array(values.values, kind.value_type)
        return pa.ListArray.from_arrays(pa.array(values.offsets, pa.int32()), inner, type=kind)
    if isinstance(values, Lookup):
        return pa.array(values.table, kind).take(pa.array(values.places, pa.int64()))
    return pa.array(values.astype(kind.to_pandas_dtype()) if isinstance(values, np.ndarray) else values, kind)
