"""Documents from text and tables, streamed.

In text a paragraph is a line, and a blank line stands between documents. In tables (JSON, CSV, TSV, Parquet) a document is
a row, in a column that is named. No file is held in memory whole: a document longer than a few million characters comes in
parts. A row that cannot be read is reported to the caller, never dropped in silence. Knows nothing of tokens.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fillmask.data.compression import SUFFIXES as COMPRESSIONS
from fillmask.data.compression import compression_of
from fillmask.data.files import STDIN, SUFFIXES, InputFile, open_file, read_error, suffix_of
from fillmask.data.tables import read_records
from fillmask.data.text import DEFAULT, LineReader, ReadOptions, TextStream, damage
from fillmask.data.values import has_surrogate, type_with_article
from fillmask.errors import CorpusError, InputError

_LONGEST_DOCUMENT = 2_000_000  # characters held at once; a longer document is given in parts
_LONGEST_LINE = 4_000_000  # characters of a line of text held at once
_IN_FOLDERS = (
    ".txt",
    ".text",
    ".md",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".pq",
)  # .json and .csv are often something else
FORMATS = ("auto", "text", "csv", "tsv", "jsonl", "parquet")


@dataclass(frozen=True)
class CorpusFile:
    """One corpus file.

    Attributes:
        path: the file.
        share: share of its documents to take (0 < share <= 1).
        column: for tables, the column that holds the text.
        format: one of `FORMATS`; "auto" for that of the file's name, else text.
        options: how it is read.
    """

    path: Path
    share: float = 1.0
    column: str = "text"
    format: str = "auto"
    options: ReadOptions = DEFAULT

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CorpusError(f"share of {self.path.name} is {self.share}; expected a number above 0 and up to 1")

    @property
    def kind(self) -> str:
        """The format, decided."""
        return SUFFIXES.get(suffix_of(str(self.path)), "text") if self.format == "auto" else self.format

    @property
    def expected_characters(self) -> float:
        """About how many characters will be taken, by the file's size; compressed text is three times as long."""
        packed = compression_of(self.path.name) or self.kind == "parquet"
        try:
            return self.path.stat().st_size * self.share * (3 if packed else 1)
        except OSError:
            return 0.0  # that it cannot be read is reported when it is


@dataclass(frozen=True)
class BadRow:
    """A row that holds no usable text: where, counted from 1, and what is wrong with it."""

    path: Path
    row: int
    reason: str

    def __str__(self) -> str:
        name = "stdin" if str(self.path) == STDIN else self.path
        return f"{name}, row {self.row}: {self.reason}"


OnBad = Callable[[BadRow], None]


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document, or a part of a very long one; `continues` says that it goes on the one before."""

    text: str
    continues: bool = False


def expand(names: Sequence[str], *, column: str = "text", format: str = "auto", options: ReadOptions = DEFAULT) -> list[CorpusFile]:  # fmt: skip
    """The files that a user means: files, globs and folders, each perhaps with `=SHARE` after it.

    Raises:
        CorpusError: nothing is there.
    """
    files: list[CorpusFile] = []
    for name in names:
        path, share = Path(name), 1.0
        head, _, tail = name.rpartition("=")
        if head and not path.exists():
            with suppress(ValueError):
                path, share = Path(head), float(tail)
        files += [CorpusFile(file, share, column, format, options) for file in _files(path)]
    return files


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and suffix_of(p.name) in _IN_FOLDERS)
        if not files:
            raise CorpusError(
                f"the folder {path} has no {', '.join(_IN_FOLDERS)} file, plain or {', '.join(COMPRESSIONS)}"
            )
        return files
    if path.exists():
        return [path]
    matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))  # noqa: PTH207 - a whole pattern, absolute or not
    if not matches:
        raise CorpusError(f"cannot read {path}: there is no such file; expected a file, a folder or a glob")
    return [match for match in matches if match.is_file()]


def read_documents(path: Path | str, options: ReadOptions = DEFAULT) -> Iterator[str]:
    """The documents of one file of any format, by its name, or of stdin (`-`); the column of rows is `text`.

    Raises:
        CorpusError: the file is missing, a row of it cannot be used, or its compression is broken.
    """
    for document in documents(CorpusFile(Path(path), options=options)):
        yield document.text


def documents(file: CorpusFile, on_bad: OnBad | None = None) -> Iterator[DocumentPart]:
    """The documents of a file, all of them: its share is the caller's business.

    Args:
        on_bad: called with each row that cannot be used; without it the first is an error.

    Raises:
        CorpusError: the file cannot be read, is binary, or has no such column.
    """
    try:
        yield from (_of_text if file.kind == "text" else _of_table)(file, on_bad or _refuse)
    except InputError as error:
        raise CorpusError(str(error)) from error
    except (OSError, EOFError) as error:
        raise CorpusError(str(read_error(str(file.path), error))) from error


def _refuse(bad: BadRow) -> None:
    raise CorpusError(str(bad))


def _of_text(file: CorpusFile, on_bad: OnBad) -> Iterator[DocumentPart]:
    paragraphs: list[str] = []
    size, started = 0, False
    with open_file(file.path, file.options.zstd_window_log) as opened:
        reader = LineReader(opened, file.options.encoding)
        for number, line in numbered_parts(reader.text):
            if (problem := damage(line, reader.encoding)) is not None:
                on_bad(BadRow(file.path, number, f"{problem} of the line; name the encoding with --encoding"))
                continue
            paragraph = line.strip()
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


def numbered_parts(text: TextStream) -> Iterator[tuple[int, str]]:
    """Numbered lines; one that is longer than memory should hold is cut at a space."""
    number, rest, ended = 0, "", True
    while line := text.readline(_LONGEST_LINE):
        number += ended
        ended = line.endswith("\n")
        line, rest = rest + line, ""
        if not ended and len(line) >= _LONGEST_LINE and (cut := line.rfind(" ") + 1):
            line, rest = line[:cut], line[cut:]
        yield number, line
    if rest:
        yield number, rest


def _of_table(file: CorpusFile, on_bad: OnBad) -> Iterator[DocumentPart]:
    rows = read_records(InputFile(str(file.path), file.kind), [file.column], file.options)
    for record in rows:
        if record.problem is not None:
            on_bad(BadRow(file.path, record.line, record.problem))
        elif record.values is not None:
            if file.column not in record.values:
                names = ", ".join(record.values) or "none"
                on_bad(BadRow(file.path, record.line, f"no column {file.column!r}; its columns: {names}"))
            elif document := _usable(record.values[file.column], file, record.line, on_bad):
                yield document


def _usable(value: object, file: CorpusFile, number: int, on_bad: OnBad) -> DocumentPart | None:
    if value is None:
        on_bad(BadRow(file.path, number, f"{file.column!r} is null"))
    elif not isinstance(value, str):
        on_bad(BadRow(file.path, number, f"{file.column!r} is {type_with_article(value)}; expected text"))
    elif has_surrogate(value):
        on_bad(BadRow(file.path, number, f"{file.column!r} holds half of a surrogate pair, which is no character"))
    elif value.strip():
        return DocumentPart("\n".join(line.strip() for line in value.splitlines() if line.strip()))
    return None
