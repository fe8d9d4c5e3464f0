"""What the readers of tables have in common: records, raw rows that become records, and errors of one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from fillmask.data.files import OpenFile


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a table.

    Attributes:
        line: of the file, from 1, where the row begins; in Parquet and in JSON arrays the number of the row.
        values: by column; None for a blank line and for a row that cannot be read.
        problem: why it cannot be read.
    """

    line: int
    values: dict[str, Any] | None
    problem: str | None = None


class RowReader:
    """The rows of an open file, front to back: taken, passed over, or looked at.

    A raw row is what is cheap to get: passing over a million rows parses none of them.

    Attributes:
        columns: the names of the columns, where a heading tells them.
        warnings: what is to be said about the file.
    """

    def __init__(self, file: OpenFile, rows: Iterator[Any]) -> None:
        self.file = file
        self.columns: list[str] | None = None
        self.warnings: list[str] = []
        self._rows = rows

    def take(self, count: int) -> list[Any]:
        """The next raw rows, at most `count`; none at the end.

        Raises:
            InputError: the file cannot be read.
        """
        return list(islice(self._rows, count))

    def skip(self, count: int) -> int:
        """Pass over `count` rows, and return how many there were."""
        skipped = 0
        while skipped < count and (taken := len(self.take(min(count - skipped, 10_000)))):
            skipped += taken
        return skipped

    def peek(self, count: int) -> list[Any]:
        """The raw rows that `take` will give."""
        rows = self.take(count)
        self._rows = chain(rows, self._rows)
        return rows

    def record(self, raw: Any) -> Record:
        """Parse a raw row."""
        raise NotImplementedError

    def records(self, raw: Sequence[Any]) -> list[Record]:
        """Parse raw rows."""
        return [self.record(row) for row in raw]

    def position(self) -> float:
        """Bytes of the file, as it is stored, that have been read."""
        return float(self.file.position)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
