"""What the input files of a job have in common: looked at in all of them before the first shard is computed.

A file without rows (empty, blank, or a heading or schema alone) has no say. Knows columns and types, not shards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fillmask.batch.rows import RowSelection
from fillmask.data.files import InputFile
from fillmask.data.records import RowReader
from fillmask.data.tables import open_rows
from fillmask.data.text import ReadOptions
from fillmask.data.values import common_kind, has_surrogate, kind_of
from fillmask.errors import InputError

_PEEKED = 1000  # rows that tell the columns of JSON
OpenReaders = dict[int, RowReader]  # by the place of the file


@dataclass(frozen=True)
class InputSchema:
    """The columns of a job's input.

    Attributes:
        types: of the columns that are carried through, by name.
        arrow: for Parquet, the `pyarrow.Schema` of all columns that are read; else None.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    arrow: Any = None


def read_schema(
    files: Sequence[InputFile], selection: RowSelection, options: ReadOptions
) -> tuple[InputSchema, OpenReaders, list[str]]:
    """The schema of files of one format, the readers of streams, and what is to be said about the files.

    Raises:
        InputError: a file cannot be read, does not have the columns, or does not go with another one.
    """
    if files[0].format == "parquet":
        return _parquet_schema(files, selection), {}, []
    kinds: dict[str, str] = {}
    readers: OpenReaders = {}
    notes: list[str] = []
    blank: list[str] = []
    for place, file in enumerate(files):
        reader = open_rows(file, options, text=selection.text, needed=selection.required)
        try:
            if file.stream:
                readers[place] = reader
            columns = _kinds(file, reader, selection)
            notes += reader.warnings
            if columns is None:
                blank.append(file.path)
                continue
            check_names(file.path, list(columns) if reader.columns is None else reader.columns, selection)
            for name, kind in columns.items():
                kinds[name] = common_kind(kinds.get(name, "null"), kind)
        finally:
            if not file.stream:
                reader.close()
    if not kinds and blank and files[0].format in ("csv", "tsv"):
        raise InputError(f"{blank[0]} is empty; expected a heading with the names of the columns")
    if kinds:
        _check_carried(files, list(kinds), selection)
    types = {name: "string" if kind == "null" else kind for name, kind in kinds.items() if selection.carries(name)}
    return InputSchema(types), readers, notes


def _kinds(file: InputFile, reader: RowReader, selection: RowSelection) -> dict[str, str] | None:
    """The columns of a file and their types; None where it has no rows that tell."""
    if file.format == "text":
        return {selection.text: "string"}
    if reader.columns is not None:
        return dict.fromkeys(reader.columns, "string") if reader.columns else None
    raw = reader.peek(_PEEKED)
    records = [record for record in reader.records(raw) if record.values is not None or record.problem]
    rows = [record.values for record in records if record.values]
    names = list(dict.fromkeys(name for row in rows for name in row if not has_surrogate(name)))
    if records and not any(selection.text in row for row in rows):
        problem = next((record.problem for record in records if record.problem), None)
        reason = problem if not rows and problem else f"there is no {selection.text!r}"
        also = f"; their columns: {', '.join(names)}" if names else ""
        raise InputError(
            f"none of the first {len(raw):,} rows of {file.path} can be used: {reason}{also}; the texts are taken from the"
            " column that --text-column names"
        )
    return {name: kind_of([row.get(name) for row in rows]) for name in names} or None


def _parquet_schema(files: Sequence[InputFile], selection: RowSelection) -> InputSchema:
    from fillmask.data.arrow import common_schema, is_text, type_names
    from fillmask.data.parquet import read_schema as read_parquet_schema

    facts = [(file.path, *read_parquet_schema(file)) for file in files]
    facts = [fact for fact in facts if fact[2]] or facts  # those that have rows
    for path, schema, _ in facts:
        check_names(path, schema.names, selection)
        kind = schema.field(selection.text).type
        if not is_text(kind):
            raise InputError(f"{path} has {kind} in the column {selection.text!r}; expected texts (string)")
    names = list(dict.fromkeys(name for _, schema, _ in facts for name in schema.names))
    _check_carried(files, names, selection)
    common = common_schema([(path, _chosen(schema, selection)) for path, schema, _ in facts])
    types = {name: kind for name, kind in type_names(common).items() if selection.carries(name)}
    return InputSchema(types, common)


def _chosen(schema: Any, selection: RowSelection) -> Any:
    import pyarrow as pa

    return pa.schema([f for f in schema if selection.carries(f.name) or f.name in selection.required])


def check_names(path: str, names: Sequence[str], selection: RowSelection) -> None:
    """Raise InputError unless a file with these columns has those that are needed, and none that answers have."""
    used = [name for name in names if selection.carries(name) or name in selection.required]
    twice = next((name for name in used if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} has two columns {twice!r}; expected names that differ, or --columns without them")
    for option, name in (("--text-column", selection.text), ("--id-column", selection.id)):
        if name is not None and name not in names:
            raise InputError(f"{path} has no column {name!r}; it has {', '.join(names)}: name one with {option}")
    clash = sorted(selection.reserved & {name for name in names if selection.carries(name)})
    if clash:
        raise InputError(
            f"{path} has a column {clash[0]!r}, which the answers have too; choose the columns to keep with --columns"
        )


def _check_carried(files: Sequence[InputFile], names: Sequence[str], selection: RowSelection) -> None:
    missing = [name for name in selection.columns or () if name not in names]
    if missing:
        where = files[0].path if len(files) == 1 else f"none of the {len(files):,} inputs"
        verb = "has no column" if len(files) == 1 else "has a column"
        raise InputError(f"{where} {verb} {missing[0]!r}; there are {', '.join(names)}: name them with --columns")
