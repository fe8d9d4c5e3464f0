"""Input files as rows, cut into shards: text, CSV, JSON lines and Parquet, compressed or not, and stdin.

Rows are numbered over all files in their order, and shard n is rows
n·size to (n + 1)·size, whatever was read before: a job that goes on passes
over the shards that are done. No file is held in memory whole.
"""

from __future__ import annotations

import bz2
import csv
import glob
import gzip
import io
import json
import lzma
import sys
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Protocol, cast

from fillmask.batch.rows import Records, Rows, UnusableRowError, Wanted, kind_of, parse
from fillmask.choices import INPUT_FORMATS
from fillmask.data.tables import LONGEST_FIELD, repeated
from fillmask.errors import InputError, MissingExtraError

COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
STDIN = "-"
_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LONGEST_LINE = LONGEST_FIELD  # bytes; a longer line is a rejected row, so that no file can fill the memory
_PEEK = 1000  # rows that tell the columns of JSON lines
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@dataclass(frozen=True)
class Source:
    """One input file, or stdin.

    Attributes:
        path: as it was given; "-" for stdin.
        format: one of `fillmask.choices.INPUT_FORMATS`.
        size: bytes; None for stdin.
        modified: time of its last change, in nanoseconds.
    """

    path: str
    format: str
    size: int | None = None
    modified: int | None = None

    @property
    def name(self) -> str:
        return Path(self.path).name

    def identity(self) -> dict[str, Any]:
        """What must be the same when a job goes on."""
        return {"name": self.name, "format": self.format, "size": self.size, "modified": self.modified}


def find(patterns: Sequence[str], format: str | None = None) -> tuple[Source, ...]:
    """The files that paths and globs name, in that order, those of a glob by name.

    Raises:
        InputError: nothing there, a folder, formats that differ, or a format that cannot be told.
    """
    sources = []
    for pattern in patterns:
        named = pattern == STDIN or Path(pattern).exists()
        # A glob may begin at the root, which Path's do not.
        found = [pattern] if named else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not found:
            raise InputError(f"there is no file {pattern}; expected a path, a glob in quotes, or - for stdin")
        sources += [
            _source(path, format) for path in found if path == STDIN or not Path(path).is_dir() or len(found) == 1
        ]
    formats = sorted({source.format for source in sources})
    if len(formats) > 1:
        raise InputError(f"the inputs are of {' and '.join(formats)}; expected files of one format, or --input-format")
    if any(source.path == STDIN for source in sources) and len(sources) > 1:
        raise InputError("stdin (-) is read by itself; expected no other input beside it")
    return tuple(sources)


def _source(path: str, format: str | None) -> Source:
    if path == STDIN:
        if format == "parquet":
            raise InputError("Parquet cannot be read from stdin; save it as a file first")
        return Source(STDIN, format or "text")
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; name its files, for instance '{path.rstrip('/')}/*.parquet'")
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    found = format or (_SUFFIXES.get(suffixes[-1]) if suffixes else None)
    if found is None:
        raise InputError(
            f"{path} has no suffix that tells its format; name it with --input-format {'|'.join(INPUT_FORMATS)}"
        )
    status = Path(path).stat()
    return Source(path, found, status.st_size, status.st_mtime_ns)


class Reader(Protocol):
    """One file, front to back."""

    def take(self, count: int) -> Any:
        """The next rows, at most `count`, as the file has them; none at its end."""
        ...

    def skip(self, count: int) -> int:
        """Pass over as many rows, and return how many there were."""
        ...

    def peek(self, count: int) -> Any:
        """The rows that `take` will give."""
        ...

    def parse(self, raw: Any, wanted: Wanted, *, shard: int, row: int, line: int) -> Rows:
        """Make rows of what `take` gave."""
        ...

    def types(self, wanted: Wanted) -> dict[str, str]:
        """Names of the columns to carry through and their types, from the front of the file.

        Raises:
            InputError: the columns asked for are not there.
        """
        ...

    def position(self) -> float:
        """How much of the file is behind, in bytes of it."""
        ...

    def close(self) -> None: ...


def open_source(source: Source, wanted: Wanted) -> Reader:
    """A reader at the front of a file.

    Raises:
        InputError: it cannot be read, or has not the columns asked for.
    """
    if source.format == "parquet":
        from fillmask.batch.parquet import ParquetReader

        return ParquetReader(source, wanted)
    return _Csv(source, wanted) if source.format in ("csv", "tsv") else _Lines(source)


def _open(source: Source) -> tuple[IO[bytes], IO[bytes] | None]:
    """The bytes of a file, unpacked, and the file itself where its position can be told."""
    if source.path == STDIN:
        return _stdin(), None
    raw = open(source.path, "rb")  # noqa: SIM115  # closed by the reader
    match Path(source.path).suffix.lower():
        case ".gz":
            return cast("IO[bytes]", io.BufferedReader(gzip.GzipFile(fileobj=raw))), raw
        case ".xz":
            return cast("IO[bytes]", io.BufferedReader(lzma.LZMAFile(raw))), raw
        case ".bz2":
            return cast("IO[bytes]", io.BufferedReader(bz2.BZ2File(raw))), raw
        case ".zst":
            try:
                import zstandard
            except ImportError as missing:
                raw.close()
                raise MissingExtraError(f"{source.name}: reading .zst", "data") from missing
            stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            return cast("IO[bytes]", io.BufferedReader(stream, 1 << 18)), raw
    return raw, raw


def _stdin() -> IO[bytes]:
    """Stdin through a buffer of its own: Python aborts at its end where a thread still waits in that of `sys.stdin`."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)  # closed by nobody
    except OSError:  # what stands for it is no file
        return sys.stdin.buffer


class _File:
    """What the readers of text have in common: rows from an iterator, and errors of the file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.file, self._raw = _open(source)
        self._rows: Iterator[Any] = iter(())

    def take(self, count: int) -> list[Any]:
        try:
            return list(islice(self._rows, count))
        except _errors() as error:
            raise InputError(f"cannot read {self.source.path}: {error or type(error).__name__}") from error

    def skip(self, count: int) -> int:
        passed = 0
        while passed < count and (found := len(self.take(min(count - passed, 10_000)))):
            passed += found
        return passed

    def peek(self, count: int) -> list[Any]:
        found = self.take(count)
        self._rows = chain(found, self._rows)
        return found

    def position(self) -> float:
        return float(self._raw.tell()) if self._raw is not None and not self._raw.closed else 0.0

    def close(self) -> None:
        if self.source.path != STDIN:
            self.file.close()
            if self._raw is not None:
                self._raw.close()


def _errors() -> tuple[type[Exception], ...]:
    """What reading a file may raise."""
    errors: tuple[type[Exception], ...] = (OSError, *_BROKEN)
    with suppress(ImportError):
        import zstandard

        errors += (zstandard.ZstdError,)
    return errors


class _Lines(_File):
    """Text and JSON lines."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._rows = self._lines()

    def _lines(self) -> Iterator[bytes | None]:
        first = True
        while line := self.file.readline(_LONGEST_LINE):
            if first:
                line, first = line.removeprefix(b"\xef\xbb\xbf"), False
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := self.file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield None
            else:
                yield line

    def types(self, wanted: Wanted) -> dict[str, str]:
        """Those of JSON lines are what the first rows have."""
        if self.source.format == "text":
            names, records = [wanted.text], []
        else:
            raw = self.peek(_PEEK)
            rows = self.parse(raw, Wanted(wanted.text), shard=0, row=0, line=1)
            assert isinstance(rows.carried, Records)
            records = rows.carried.rows
            names = list(dict.fromkeys(name for record in records for name in record))
            if rows.rejects and not names:
                reason = rows.rejects[0].reason
                raise InputError(
                    f"none of the first {len(raw):,} rows of {self.source.path} can be used: {reason}; the texts are"
                    " taken from the column that --text-column names"
                )
            if not names:
                return {}
        check_names(self.source.path, names, wanted)
        chosen = names if wanted.columns is None else [name for name in names if name in wanted.columns]
        return {name: kind_of([record.get(name) for record in records]) for name in chosen}

    def parse(self, raw: Sequence[bytes | None], wanted: Wanted, *, shard: int, row: int, line: int) -> Rows:
        read = _json_record if self.source.format == "jsonl" else lambda found: _text_record(found, wanted.text)
        lines = range(line, line + len(raw))
        return parse(raw, read, wanted, shard=shard, row=row, file=self.source.name, lines=lines)


def _decoded(line: bytes | None) -> str:
    if line is None:
        raise UnusableRowError(f"the line is longer than {_LONGEST_LINE >> 20} MB")
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UnusableRowError(f"not UTF-8: byte {line[error.start]:#04x} at {error.start}") from error


def _text_record(line: bytes | None, column: str) -> dict[str, Any] | None:
    text = _decoded(line)
    return {column: text} if text and not text.isspace() else None


def _json_record(line: bytes | None) -> dict[str, Any] | None:
    text = _decoded(line)
    if not text or text.isspace():
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableRowError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise UnusableRowError(f"the JSON is of type {type(record).__name__}; expected an object")
    return record


class _Csv(_File):
    """CSV and TSV with a heading. A record may span lines; it is told where its first one is."""

    def __init__(self, source: Source, wanted: Wanted) -> None:
        super().__init__(source)
        # Bytes that are not UTF-8 stay visible as lone surrogates, so that one row is rejected and not the file.
        self._text = io.TextIOWrapper(self.file, "utf-8-sig", errors="surrogateescape", newline="")
        self._csv = csv.reader(self._text, delimiter="\t" if source.format == "tsv" else ",")
        try:
            self.heading = self._heading()
            check_names(source.path, self.heading, wanted)
        except InputError:
            self.close()
            raise
        self._rows = self._records()

    def _heading(self) -> list[str]:
        try:
            heading = next(self._csv, [])
        except (csv.Error, *_BROKEN, OSError) as error:
            raise InputError(f"cannot read {self.source.path}: {error}") from error
        if not heading:
            raise InputError(f"{self.source.path} is empty; expected a heading with the names of the columns")
        for name in heading:
            try:
                name.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InputError(f"{self.source.path} has the column {name!a}, which is not UTF-8") from error
        return heading

    def _records(self) -> Iterator[tuple[int, list[str] | str]]:
        """The line of each record, and its fields or what is wrong with it."""
        while True:
            line = self._csv.line_num + 1
            try:
                yield line, next(self._csv)
            except StopIteration:
                return
            except csv.Error as error:  # of one record: the next call goes on after it
                yield line, str(error)

    def types(self, wanted: Wanted) -> dict[str, str]:
        return dict.fromkeys(self.heading if wanted.columns is None else wanted.columns, "string")

    def parse(
        self, raw: Sequence[tuple[int, list[str] | str]], wanted: Wanted, *, shard: int, row: int, line: int
    ) -> Rows:
        lines, records = [number for number, _ in raw], [fields for _, fields in raw]
        return parse(records, self._record, wanted, shard=shard, row=row, file=self.source.name, lines=lines)

    def _record(self, fields: list[str] | str) -> dict[str, Any] | None:
        if isinstance(fields, str):
            raise UnusableRowError(f"not CSV: {fields}")
        if not fields:
            return None
        if len(fields) != len(self.heading):
            raise UnusableRowError(f"the row has {len(fields)} fields; expected {len(self.heading)} as in the heading")
        for name, value in zip(self.heading, fields, strict=True):
            if not value.isascii():
                try:
                    value.encode("utf-8")
                except UnicodeEncodeError as error:
                    raise UnusableRowError(f"not UTF-8 in {name!r} at character {error.start}") from error
        return dict(zip(self.heading, fields, strict=True))


def check_names(path: str, names: Sequence[str], wanted: Wanted) -> None:
    """Raise InputError unless a file with these columns has those that are asked for, and none that answers have."""
    if (twice := repeated(names)) is not None:
        raise InputError(f"{path} has two columns {twice!r}; expected names that differ")
    asked = {"--text-column": wanted.text, "--id-column": wanted.id}
    for option, name in [*asked.items(), *(("--columns", name) for name in wanted.columns or ())]:
        if name is not None and name not in names:
            raise InputError(f"{path} has no column {name!r}; it has {', '.join(names)}: name one with {option}")
    clash = sorted(wanted.reserved & set(wanted.columns or names))
    if clash:
        raise InputError(
            f"{path} has a column {clash[0]!r}, which the answers have too; choose the columns to keep with --columns"
        )


class Inputs:
    """All files one after the other, a shard at a time.

    Raises:
        InputError: the first file cannot be read, or has not the columns asked for.
    """

    def __init__(self, sources: Sequence[Source], wanted: Wanted, shard_rows: int) -> None:
        self.sources, self.wanted, self.shard_rows = tuple(sources), wanted, shard_rows
        self.size = sum(source.size or 0 for source in sources)  # bytes; nothing for stdin
        # The first is opened once, since stdin cannot be read twice.
        self._first: Reader | None = open_source(self.sources[0], wanted)
        self._reader: Reader | None = self._first
        self.rows_read = 0
        self.bytes_read = 0.0  # of the files as they lie there

    @property
    def may_wait(self) -> bool:
        """Whether reading may wait for whoever writes."""
        return any(source.path == STDIN for source in self.sources)

    def types(self) -> dict[str, str]:
        """Names and types of the columns to carry through."""
        assert self._first is not None, "the front of the input is behind"
        return self._first.types(self.wanted)

    def shards(self, done: Container[int] = ()) -> Iterator[Rows]:
        """The shards that are not done, in order; to be called once.

        Raises:
            InputError: a file cannot be read.
        """
        shard = row = filled = 0  # the shard being filled, the number of the next row, and rows of the shard so far
        rows: Rows | None = None
        for source in self.sources:
            self._reader = reader = self._first or open_source(source, self.wanted)
            self._first = None
            line, behind = 1, self.bytes_read
            try:
                while True:
                    missing = self.shard_rows - filled
                    if shard in done:
                        count = reader.skip(missing)
                    else:
                        raw = reader.take(missing)
                        if count := len(raw):
                            more = reader.parse(raw, self.wanted, shard=shard, row=row, line=line)
                            rows = more if rows is None else rows.and_then(more)
                    if not count:
                        break
                    row, line, filled = row + count, line + count, filled + count
                    self.rows_read, self.bytes_read = row, behind + reader.position()
                    if filled == self.shard_rows:
                        if rows is not None:
                            yield rows
                        rows, shard, filled = None, shard + 1, 0
            finally:
                reader.close()
            self._reader, self.bytes_read = None, behind + (source.size or 0)
        if rows is not None:
            yield rows

    def rows_expected(self) -> int | None:
        """How many rows there will be, as far as one can tell from what was read; None for stdin."""
        if not self.size or not self.bytes_read:
            return None
        return round(self.rows_read * max(1.0, self.size / self.bytes_read))

    def close(self) -> None:
        """Close the file that is open."""
        if self._reader is not None:
            self._reader.close()
