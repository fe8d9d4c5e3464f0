"""Parquet files, read in record batches: never a file or a row group whole.

Needs pyarrow (the extra `data`). Knows files and Arrow tables, not texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from fillmask.data.files import InputFile, filesystem, is_url, remote_error
from fillmask.errors import InputError, MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as missing:
    raise MissingExtraError("Parquet", "data") from missing

_BATCH = 8192  # rows
_BUFFER = 1 << 20  # bytes of a column


def open_parquet(path: str) -> Any:
    """A `pyarrow.parquet.ParquetFile` of a path or a URL.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if is_url(path):
            system, name = filesystem(path)
            return pq.ParquetFile(system.open(name, "rb"), buffer_size=_BUFFER)
        # With a buffer a row group's pages are read as they are needed, not its columns whole.
        return pq.ParquetFile(path, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # each store has errors of its own
        raise remote_error(path, error) from error


def _unreadable(path: str, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"cannot read {path}: it is not a whole Parquet file ({reason})")


def read_schema(file: InputFile) -> tuple[Any, int]:
    """The Arrow schema of a file, and how many rows it has, both from its footer.

    Raises:
        InputError: it cannot be read.
    """
    with open_parquet(file.path) as opened:
        return opened.schema_arrow, int(opened.metadata.num_rows)


class ParquetReader:
    """The rows of a file as Arrow tables, front to back.

    Args:
        columns: those to read; those that the file does not have are left out.

    Raises:
        InputError: the file cannot be read.
    """

    def __init__(self, file: InputFile, columns: Sequence[str] | None = None) -> None:
        self._input = file
        self._file = open_parquet(file.path)
        schema = self._file.schema_arrow
        self._names = [name for name in schema.names if columns is None or name in columns]
        self._empty = schema.empty_table().select(self._names)
        self._next_group = self._row = 0  # the row group after the one that is being read, and the next row
        self._pending = 0  # rows of that row group that were not handed out
        self._batches: Iterator[Any] = iter(())
        self._remainder: Any = None  # of a record batch

    def take(self, count: int) -> Any:
        """The next rows, at most `count`, as a `pyarrow.Table`.

        Raises:
            InputError: the file cannot be read.
        """
        parts: list[Any] = []
        missing = count
        while missing and (batch := self._batch()) is not None:
            parts.append(batch.slice(0, missing))
            self._remainder = batch.slice(missing) if len(batch) > missing else None
            missing -= len(parts[-1])
        self._pending -= count - missing
        self._row += count - missing
        return pa.Table.from_batches(parts, self._empty.schema)

    def _batch(self) -> Any:
        """The next record batch, perhaps the remainder of one; None at the end."""
        if self._remainder is not None:
            batch, self._remainder = self._remainder, None
            return batch
        try:
            while (batch := next(self._batches, None)) is None:
                if self._next_group >= self._file.num_row_groups:
                    return None
                rows = self._file.metadata.row_group(self._next_group).num_rows
                self._pending += rows
                if self._names:
                    self._batches = self._file.iter_batches(_BATCH, row_groups=[self._next_group], columns=self._names)
                else:
                    empty = pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
                    self._batches = iter([empty])
                self._next_group += 1
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._input.path, error) from error
        return batch

    def skip(self, count: int) -> int:
        """Pass over `count` rows, and return how many there were; whole row groups are not read at all."""
        skipped = 0
        if self._pending and self._pending <= count:
            skipped, self._pending, self._remainder, self._batches = self._pending, 0, None, iter(())
        metadata = self._file.metadata
        while not self._pending and self._next_group < metadata.num_row_groups:
            rows = metadata.row_group(self._next_group).num_rows
            if skipped + rows > count:
                break
            skipped, self._next_group = skipped + rows, self._next_group + 1
        self._row += skipped
        while skipped < count and (taken := len(self.take(min(count - skipped, _BATCH)))):
            skipped += taken
        return skipped

    def peek(self, count: int) -> Any:
        """The rows that `take` will give."""
        rows = self.take(count)
        remainder = [] if self._remainder is None else [self._remainder]
        self._batches = itertools.chain(rows.to_batches(), remainder, self._batches)
        self._remainder, self._row, self._pending = None, self._row - len(rows), self._pending + len(rows)
        return rows

    def position(self) -> float:
        """Bytes of the file that have been read, by the share of its rows."""
        return float(self._row / max(1, self._file.metadata.num_rows) * (self._input.size or 0))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
