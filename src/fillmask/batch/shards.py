"""Input files cut into shards.

Rows are numbered over all files in their order, and shard n is rows n·size to (n + 1)·size, whatever was read before: a
job that goes on passes over the shards that are done. No file is held in memory whole. Knows rows and shards; how files
are read is for `fillmask.data`.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fillmask.batch.rows import RowSelection, ShardRows, parse
from fillmask.batch.schema import InputSchema, OpenReaders, read_schema
from fillmask.data.files import InputFile
from fillmask.data.tables import open_rows
from fillmask.data.text import DEFAULT, ReadOptions
from fillmask.errors import FillMaskWarning


@dataclass(frozen=True)
class ShardPlan:
    """What of which files belongs to which shard; workers of a cluster get a copy.

    Attributes:
        files: all of one format.
        selection: what is taken of each row.
        shard_rows: rows of input in a shard.
        schema: what the files have in common.
        options: how they are read.
    """

    files: tuple[InputFile, ...]
    selection: RowSelection
    shard_rows: int
    schema: InputSchema
    options: ReadOptions = DEFAULT


def plan_shards(
    files: Sequence[InputFile],
    selection: RowSelection,
    shard_rows: int,
    options: ReadOptions = DEFAULT,
    *,
    typed: bool = False,
) -> tuple[ShardPlan, OpenReaders]:
    """Look at all files before any shard is read.

    Args:
        typed: the output has a schema, so that a row of JSON must fit the types of the first rows.

    Returns:
        The plan, and the readers of streams, which cannot be opened twice.

    Raises:
        InputError: a file cannot be read, does not have the columns, or does not go with another one.
    """
    schema, readers, notes = read_schema(files, selection, options)
    for note in notes:
        warnings.warn(note, FillMaskWarning, stacklevel=2)
    if typed and files[0].format != "parquet":
        selection = selection.with_types(schema.types)
    return ShardPlan(tuple(files), selection, shard_rows, schema, options), readers


class ShardReader:
    """The shards of a plan, one after the other.

    Attributes:
        rows_read: rows of the files that have been read or passed over.
        bytes_read: bytes of the files, as they are stored, that have been read or passed over.
    """

    def __init__(self, plan: ShardPlan, readers: OpenReaders | None = None) -> None:
        self.plan = plan
        self.size = sum(file.size or 0 for file in plan.files)
        self.rows_read = 0
        self.bytes_read = 0.0
        self._readers = {} if readers is None else readers  # each is this one's when its turn comes
        self._reader: Any = None

    @property
    def may_wait(self) -> bool:
        """Whether reading may wait for the program that writes."""
        return any(file.stream for file in self.plan.files)

    def shards(self, done: Container[int] = ()) -> Iterator[ShardRows]:
        """The shards that are not done, in order; to be called once.

        Raises:
            InputError: a file cannot be read.
        """
        size = self.plan.shard_rows
        shard = row = filled = 0  # the shard being filled, the number of the next row, and rows of the shard so far
        rows: ShardRows | None = None
        for place, file in enumerate(self.plan.files):
            self._reader = reader = self._readers.pop(place, None) or self._open(file)
            line, before = 1, self.bytes_read
            try:
                while True:
                    missing = size - filled
                    if shard in done:
                        count = reader.skip(missing)
                    else:
                        raw = reader.take(missing)
                        if count := len(raw):
                            more = self._parse(file, reader, raw, shard=shard, row=row, line=line)
                            rows = more if rows is None else rows.and_then(more)
                    if not count:
                        break
                    row, line, filled = row + count, line + count, filled + count
                    self.rows_read, self.bytes_read = row, before + reader.position()
                    if filled == size:
                        if rows is not None:
                            yield rows
                        rows, shard, filled = None, shard + 1, 0
            finally:
                reader.close()
            self._reader, self.bytes_read = None, before + (file.size or 0)
        if rows is not None:
            yield rows

    def _open(self, file: InputFile) -> Any:
        plan = self.plan
        if file.format == "parquet":
            from fillmask.data.parquet import ParquetReader

            return ParquetReader(file, plan.schema.arrow.names)
        return open_rows(file, plan.options, text=plan.selection.text, needed=plan.selection.required)

    def _parse(self, file: InputFile, reader: Any, raw: Any, *, shard: int, row: int, line: int) -> ShardRows:
        plan = self.plan
        if file.format == "parquet":
            from fillmask.batch.arrow_rows import parse_table

            return parse_table(raw, plan.schema.arrow, plan.selection, shard=shard, row=row, file=file.name, line=line)
        return parse(reader.records(raw), plan.selection, shard=shard, row=row, file=file.name)

    def rows_expected(self) -> int | None:
        """How many rows there will be, as far as one can tell from what was read; None for streams."""
        if not self.size or not self.bytes_read or self.may_wait:
            return None
        return round(self.rows_read * max(1.0, self.size / self.bytes_read))

    def close(self) -> None:
        """Close the file that is open, and streams that were not read."""
        for reader in (self._reader, *self._readers.values()):
            if reader is not None:
                reader.close()
