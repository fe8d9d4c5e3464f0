"""Files in, documents out: text, JSONL and Parquet, plain or compressed, streamed.

Text is UTF-8 with one paragraph a line and a blank line between documents.
JSONL and Parquet hold a document a row, in a column that is named. No file is
held in memory whole: a document longer than a few million characters comes in
parts. What cannot be read is told to the caller row by row, never dropped in
silence; this module knows nothing of tokens.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fillmask.data.tables import type_with_article
from fillmask.errors import CorpusError, MissingExtraError

_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")
_TEXT, _JSONL, _PARQUET = (".txt", ".text", ".md"), (".jsonl", ".ndjson"), (".parquet", ".pq")
_LONGEST_DOCUMENT = 2_000_000  # characters held at once; a longer document is given in parts
_LONGEST_LINE = 4_000_000  # bytes of a line of text held at once
_MAGIC = {b"\x1f\x8b": ".gz", b"\xfd7zXZ": ".xz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst", b"PAR1": ".parquet"}
FORMATS = ("auto", "text", "jsonl", "parquet")


@dataclass(frozen=True)
class CorpusFile:
    """One corpus file.

    Attributes:
        path: the file.
        share: share of its documents to take (0 < share <= 1).
        column: for JSONL and Parquet, the column that holds the text.
        format: "text", "jsonl", "parquet", or "auto": by the file's name.
    """

    path: Path
    share: float = 1.0
    column: str = "text"
    format: str = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CorpusError(f"share of {self.path.name} is {self.share}; expected a number above 0 and up to 1")

    @property
    def kind(self) -> str:
        """The format, decided."""
        if self.format != "auto":
            return self.format
        suffix = _suffix(self.path)
        return "jsonl" if suffix in _JSONL else "parquet" if suffix in _PARQUET else "text"

    @property
    def expected_characters(self) -> float:
        """About how many characters will be taken, by the file's size; compressed text is three times as long."""
        packed = self.path.suffix.lower() in _COMPRESSED or self.kind == "parquet"
        try:
            return self.path.stat().st_size * self.share * (3 if packed else 1)
        except OSError:
            return 0.0  # that it cannot be read is told when it is


@dataclass(frozen=True)
class BadRow:
    """A row that holds no usable text: where, counted from 1, and what is wrong with it."""

    path: Path
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, row {self.row}: {self.reason}"


OnBad = Callable[[BadRow], None]


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document, or a part of a very long one; `continues` says that it goes on the one before."""

    text: str
    continues: bool = False


def expand(names: Sequence[str], *, column: str = "text", format: str = "auto") -> list[CorpusFile]:
    """Sources from what a user writes: files, globs and folders, each perhaps with `=SHARE` after it.

    Raises:
        CorpusError: nothing is there.
    """
    sources: list[CorpusFile] = []
    for name in names:
        path, share = Path(name), 1.0
        head, _, tail = name.rpartition("=")
        if head and not path.exists():
            with suppress(ValueError):
                path, share = Path(head), float(tail)
        for found in _files(path):
            sources.append(CorpusFile(found, share, column, format))
    return sources


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        known = (*_TEXT, *_JSONL, *_PARQUET)
        files = sorted(p for p in path.rglob("*") if p.is_file() and _suffix(p) in known)
        if not files:
            raise CorpusError(f"the folder {path} has no {', '.join(known)} file, plain or {', '.join(_COMPRESSED)}")
        return files
    if path.exists():
        return [path]
    matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))  # noqa: PTH207 - a whole pattern, absolute or not
    if not matches:
        raise CorpusError(f"cannot read {path}: there is no such file; expected a file, a folder or a glob")
    return [match for match in matches if match.is_file()]


def _suffix(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    return next((s for s in reversed(suffixes) if s not in _COMPRESSED), "")


def read_documents(path: Path) -> Iterator[str]:
    """The documents of one file of any format, by its name; the column of rows is `text`.

    Raises:
        CorpusError: the file is missing, a row of it cannot be used, or its compression is broken.
    """
    for document in documents(CorpusFile(path)):
        yield document.text


def documents(source: CorpusFile, on_bad: OnBad | None = None) -> Iterator[DocumentPart]:
    """The documents of a source, all of them: its share is the caller's business.

    Args:
        on_bad: told of each row that cannot be used; without it the first is an error.

    Raises:
        CorpusError: the file cannot be read, is binary, or has no such column.
    """
    read = {"text": _text, "jsonl": _jsonl, "parquet": _parquet}[source.kind]
    try:
        yield from read(source, on_bad or _refuse)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(f"cannot read {source.path}: {getattr(error, 'strerror', None) or error}") from error


def _refuse(bad: BadRow) -> None:
    raise CorpusError(str(bad))


def _open(path: Path) -> IO[bytes]:
    match path.suffix.lower():
        case ".gz":
            file: Any = gzip.open(path, "rb")  # noqa: SIM115
        case ".xz":
            file = lzma.open(path, "rb")  # noqa: SIM115
        case ".bz2":
            file = bz2.open(path, "rb")  # noqa: SIM115
        case ".zst":
            try:
                import zstandard
            except ImportError as error:
                raise MissingExtraError(f"reading {path.name}", "data") from error
            file = _Zstd(zstandard, path)
        case _:
            file = open(path, "rb")  # noqa: SIM115
    return _refuse_binary(io.BufferedReader(file, 1 << 20), path)


class _Zstd(io.RawIOBase):
    """A zstd file as raw bytes, its errors as OSError."""

    def __init__(self, zstandard: Any, path: Path) -> None:
        self._error = zstandard.ZstdError
        self._file = open(path, "rb")  # noqa: SIM115
        self._stream = zstandard.ZstdDecompressor().stream_reader(self._file, read_across_frames=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._stream.readinto(buffer))
        except self._error as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        self._file.close()
        super().close()


def _refuse_binary(file: io.BufferedReader, path: Path) -> IO[bytes]:
    try:
        _check_head(file.peek(4096)[:4096], path)
    except BaseException:
        file.close()
        raise
    return file


def _check_head(head: bytes, path: Path) -> None:
    for magic, suffix in _MAGIC.items():
        if head.startswith(magic):
            raise CorpusError(f"{path} is not text: it begins like a {suffix} file; name it so to have it read as one")
    if b"\0" in head:
        raise CorpusError(f"{path} is a binary file; expected UTF-8 text (or .jsonl, .parquet)")


def _text(source: CorpusFile, on_bad: OnBad) -> Iterator[DocumentPart]:
    paragraphs: list[str] = []
    size, started = 0, False
    with _open(source.path) as file:
        for number, line in _lines(file):
            try:
                paragraph = line.decode("utf-8").removeprefix("\ufeff" if number == 1 else "").strip()
            except UnicodeDecodeError as error:
                on_bad(BadRow(source.path, number, f"not UTF-8 ({error.reason} at byte {error.start + 1} of the line)"))
                continue
            if paragraph:
                paragraphs.append(paragraph)
                size += len(paragraph)
            if paragraphs and (not paragraph or size > _LONGEST_DOCUMENT):
                yield DocumentPart("\n".join(paragraphs), started)
                started, paragraphs, size = bool(paragraph), [], 0
            elif not paragraph:
                started = False
    if paragraphs:
        yield DocumentPart("\n".join(paragraphs), started)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; one that is longer than memory should hold is cut at a space."""
    number, rest, whole = 0, b"", True
    while line := file.readline(_LONGEST_LINE):
        number += whole
        whole = line.endswith(b"\n")
        line = rest + line
        rest = b""
        if not whole and len(line) >= _LONGEST_LINE:
            cut = line.rfind(b" ") + 1
            if cut:
                line, rest = line[:cut], line[cut:]
        yield number, line
    if rest:
        yield number, rest


def _jsonl(source: CorpusFile, on_bad: OnBad) -> Iterator[DocumentPart]:
    with _open(source.path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                on_bad(BadRow(source.path, number, f"not UTF-8 ({error.reason})"))
                continue
            except (ValueError, RecursionError) as error:  # the last: of lists in lists, a thousand deep
                on_bad(BadRow(source.path, number, f"not JSON ({error})"))
                continue
            if not isinstance(row, dict):
                on_bad(BadRow(source.path, number, f"{type_with_article(row)}; expected an object"))
            elif source.column not in row:
                found = ", ".join(map(str, row)) or "none"
                on_bad(BadRow(source.path, number, f"no column {source.column!r}; its columns: {found}"))
            elif document := _usable(row[source.column], source, number, on_bad):
                yield document


def _parquet(source: CorpusFile, on_bad: OnBad) -> Iterator[DocumentPart]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"reading {source.path.name}", "data") from error
    try:
        with pq.ParquetFile(source.path) as file:
            if source.column not in file.schema_arrow.names:
                raise CorpusError(
                    f"{source.path} has no column {source.column!r}; its columns: {', '.join(file.schema_arrow.names)}"
                )
            number = 0
            for batch in file.iter_batches(1024, columns=[source.column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    if document := _usable(value, source, number, on_bad):
                        yield document
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise CorpusError(f"cannot read {source.path}: {error}") from error


def _usable(value: object, source: CorpusFile, number: int, on_bad: OnBad) -> DocumentPart | None:
    if value is None:
        on_bad(BadRow(source.path, number, f"{source.column!r} is null"))
    elif not isinstance(value, str):
        on_bad(BadRow(source.path, number, f"{source.column!r} is {type_with_article(value)}; expected text"))
    elif _has_surrogate(value):
        on_bad(BadRow(source.path, number, f"{source.column!r} holds half of a surrogate pair, which is no character"))
    elif value.strip():
        return DocumentPart("\n".join(line.strip() for line in value.splitlines() if line.strip()))
    return None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
