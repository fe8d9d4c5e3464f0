"""Files by name: which files a user means, their formats, and their bytes.

A name is a path, a glob, `-` for stdin, or a URL that fsspec opens (`s3://`, `gs://`, `hf://`, …). Files are opened in
one place, here: compressed content is decompressed, a file that is not what its name says is refused, and how much of it
has been read can be asked. Knows bytes, not rows.
"""

from __future__ import annotations

import glob
import io
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fillmask.choices import INPUT_FORMATS
from fillmask.data.compression import compression_of, compression_of_bytes, decompressed
from fillmask.errors import InputError

STDIN = "-"
SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_HEAD = 4096  # bytes that tell what a file is
# What a file that is no text begins with.
_OTHER_FORMATS = {
    b"PAR1": "a Parquet file; name it .parquet, or say --input-format parquet",
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet or document; save it as CSV or text",
    b"%PDF": "a PDF; extract its text first",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
}


@dataclass(frozen=True)
class InputFile:
    """One input file.

    Attributes:
        path: a path, a URL, or "-" for stdin.
        format: one of `fillmask.choices.INPUT_FORMATS`.
        size: in bytes; None for stdin and pipes.
        modified: when it last changed, in nanoseconds; for a URL what the store says of its version; None if unknown.
        stream: it can be read once only, as stdin and pipes.
    """

    path: str
    format: str
    size: int | None = None
    modified: int | str | None = None
    stream: bool = False

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rstrip("/").rpartition("/")[2] if is_url(self.path) else Path(self.path).name

    def identity(self) -> dict[str, Any]:
        """What must be the same for a job to go on."""
        return {"name": self.name, "format": self.format, "size": self.size, "modified": self.modified}


def is_url(path: str) -> bool:
    """Whether a name is a URL for fsspec and not a path."""
    scheme, separator, _ = path.partition("://")
    return bool(separator) and scheme.isascii() and scheme.replace("+", "").replace("-", "").isalnum()


def format_of(path: str) -> str | None:
    """The format that a file's name tells, one of `fillmask.choices.INPUT_FORMATS`, or None."""
    return SUFFIXES.get(suffix_of(path))


def suffix_of(path: str) -> str:
    """The suffix of a file's name in lower case, without that of its compression."""
    return Path(path[: len(path) - len(compression_of(path))]).suffix.lower()


def find_files(patterns: Sequence[str], format: str | None = None) -> tuple[InputFile, ...]:
    """The files that paths, globs and URLs name, in that order; those of a glob by name.

    Args:
        format: of all of them; by default that of their suffixes, and text for stdin and pipes.

    Raises:
        InputError: a file or its package is missing, a folder, formats that differ, or a name that tells no format.
    """
    files: list[InputFile] = []
    for pattern in patterns:
        if pattern == STDIN:
            if format == "parquet":
                raise InputError("Parquet cannot be read from stdin; save it as a file first")
            files.append(InputFile(STDIN, format or "text", stream=True))
        elif is_url(pattern):
            files += _remote_files(pattern, format)
        else:
            files += _local_files(pattern, format)
    formats = sorted({file.format for file in files})
    if len(formats) > 1:
        raise InputError(f"the inputs are of {' and '.join(formats)}; expected files of one format, or --input-format")
    if sum(file.path == STDIN for file in files) > 1 or (len(files) > 1 and any(f.path == STDIN for f in files)):
        raise InputError("stdin (-) is read by itself; expected no other input beside it")
    return tuple(files)


def find_file(path: str, format: str | None = None) -> InputFile:
    """The one file that a path or URL names, or stdin (`-`).

    Raises:
        InputError: it is not there, or its name tells no format.
    """
    if path != STDIN and not is_url(path):
        if not Path(path).exists():
            raise InputError(f"cannot read {path}: there is no such file")
        return _local_file(path, format)
    (file,) = find_files([path], format)
    return file


def _local_files(pattern: str, format: str | None) -> list[InputFile]:
    if Path(pattern).is_dir():
        raise InputError(f"{pattern} is a folder; name its files, for instance '{pattern.rstrip('/')}/*.parquet'")
    # A glob may begin at the root, which Path's do not.
    paths = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    files = [path for path in paths if not Path(path).is_dir()]
    if not files:
        raise InputError(f"there is no file {pattern}; expected a path, a glob in quotes, or - for stdin")
    return [_local_file(path, format) for path in files]


def _local_file(path: str, format: str | None) -> InputFile:
    status = Path(path).stat()
    if stat.S_ISREG(status.st_mode):
        return InputFile(path, _named_format(path, format), status.st_size, status.st_mtime_ns)
    if format == "parquet":
        raise InputError(f"Parquet cannot be read from the pipe {path}; save it as a file first")
    return InputFile(path, format or format_of(path) or "text", stream=True)


def _named_format(path: str, format: str | None) -> str:
    suffix, compression = suffix_of(path), compression_of(path)
    format = format or SUFFIXES.get(suffix)
    if format is None:
        raise InputError(
            f"{path} has no suffix that tells its format; name it with --input-format {'|'.join(INPUT_FORMATS)}"
        )
    if format == "parquet" and compression:
        raise InputError(f"{path}: Parquet is compressed inside; decompress the {compression} file first")
    return format


def _remote_files(pattern: str, format: str | None) -> list[InputFile]:
    system, path = filesystem(pattern)
    try:
        if glob.has_magic(path):
            paths = sorted(str(name) for name in system.glob(path))
        else:
            paths = [path]
        facts = [(name, system.info(name)) for name in paths]
    except FileNotFoundError as error:
        raise InputError(f"there is no file {pattern}; expected a URL of a file, or a glob") from error
    except Exception as error:  # each store has errors of its own
        raise remote_error(pattern, error) from error
    files = [
        InputFile(
            str(system.unstrip_protocol(name)),
            _named_format(name, format),
            fact.get("size"),
            next(
                (str(fact[key]) for key in ("ETag", "etag", "mtime", "LastModified", "updated") if fact.get(key)), None
            ),
        )
        for name, fact in facts
        if fact.get("type") != "directory"
    ]
    if not files:
        raise InputError(f"there is no file {pattern}; expected a URL of a file, or a glob")
    return files


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        InputError: there is none for it, or a package for it is missing.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise InputError(f"{url}: {error}; install the package that fsspec needs for it") from error
    except Exception as error:  # each store has errors of its own
        raise remote_error(url, error) from error
    return system, str(path)


def remote_error(url: str, error: Exception) -> InputError:
    """The error of a store, in one line."""
    if isinstance(error, InputError):
        return error
    return InputError(f"cannot read {url}: {' '.join(str(error).split()) or type(error).__name__}")


class OpenFile:
    """The decompressed content of a file.

    Attributes:
        path: for messages.
        content: decompressed bytes.
        head: the first bytes of the content, which are still to be read.
    """

    def __init__(self, path: str, raw: _Counted, content: Any) -> None:
        self.path, self._raw = path, raw
        self.content: io.BufferedReader = content
        self.head = b""

    @property
    def position(self) -> int:
        """Bytes of the file, as it is stored, that have been read."""
        return self._raw.count

    def close(self) -> None:
        """Close the file; stdin stays open, since a thread may wait for it."""
        if self.path != STDIN:
            self.content.close()
            self._raw.close()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Counted(io.RawIOBase):
    """Raw bytes that are counted; a pipe has no position to ask for."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            size = self._file.readinto(buffer)
        except OSError:
            raise
        except Exception as error:  # each store has errors of its own
            raise OSError(f"{type(error).__name__}: {error}") from error
        self.count += size or 0
        return size  # type: ignore[no-any-return]

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_file(path: str | Path, zstd_window_log: int | None = None) -> OpenFile:
    """Open a file, stdin, or URL, and decompress it by its suffix; stdin, pipes and devices by their first bytes.

    Raises:
        InputError: it cannot be opened, or it does not begin as a file of this kind does.
        MissingExtraError: `.zst`, without the extra `data`.
    """
    path = str(path)
    try:
        return _opened(path, zstd_window_log)
    except (OSError, EOFError) as error:
        raise read_error(path, error) from error


def _opened(path: str, zstd_window_log: int | None) -> OpenFile:
    raw = _Counted(_raw(path))
    buffered = io.BufferedReader(raw, 1 << 16)
    file = OpenFile(path, raw, buffered)
    try:
        compression = compression_of(path)
        head = b"" if compression else buffered.peek(_HEAD)[:_HEAD]
        if not compression:
            compression = compression_of_bytes(head)
            if compression and path != STDIN and Path(path).is_file():
                raise InputError(
                    f"{path} is not text: it begins like a {compression} file; give it that suffix to have it read as one"
                )
        if compression:
            file.content = decompressed(buffered, compression, Path(path).name, zstd_window_log)
            head = file.content.peek(_HEAD)[:_HEAD]
        for magic, description in _OTHER_FORMATS.items():
            if head.startswith(magic):
                raise InputError(f"{path} is not text: it begins like {description}")
        file.head = head
    except BaseException:
        file.close()
        raise
    return file


def _raw(path: str) -> IO[bytes] | Any:
    if path == STDIN:
        return _stdin()
    if is_url(path):
        system, name = filesystem(path)
        try:
            return system.open(name, "rb")
        except Exception as error:  # each store has errors of its own
            raise remote_error(path, error) from error
    return open(path, "rb", buffering=0)


def _stdin() -> IO[bytes]:
    """Stdin without the buffer of `sys.stdin`: Python aborts at its end where a thread still waits in that."""
    try:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # closed by nobody
    except (OSError, ValueError):  # sys.stdin is not a file, as in tests
        return sys.stdin.buffer


def read_error(path: str, error: BaseException) -> InputError:
    """The error of reading a file, in one line."""
    if isinstance(error, InputError):
        return error
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"cannot read {path}: {reason}")
