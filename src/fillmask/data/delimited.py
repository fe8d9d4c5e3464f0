"""CSV and TSV: fields between separators, with a heading.

Two conventions are common. In one (RFC 4180, spreadsheets) a field may stand in double quotes, and then holds separators
and line ends. In the other (GLUE's files, most corpora) a quote is a character like any other, and a reader of the first
kind merges rows where a text begins with a quote. Where fields are separated by tabs the file tells which it is: if every
line has the fields of the heading although a quote that opens is not closed in its field, quotes are text. Elsewhere the
first convention holds, and a quote that is not closed is an error that names its line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fillmask.data.files import OpenFile
from fillmask.data.records import Record, RowReader
from fillmask.data.text import LONGEST_LINE, LineReader, ReadOptions, damage
from fillmask.data.values import counted
from fillmask.errors import InputError

# Characters of a field. Python's own limit of 131,072 is shorter than a chapter.
csv.field_size_limit(LONGEST_LINE)

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SNIFFED_LINES = 2000  # of which the convention of quotes is told before the first row is read
_MARKER = "sep="  # begins a first line that names the separator, as Excel writes it


@dataclass(frozen=True, slots=True)
class _Row:
    """A raw row: its line, and its fields or what is wrong with it; or its text, not yet split."""

    line: int
    fields: list[str] | None = None
    text: str | None = None
    problem: str | None = None


class DelimitedReader(RowReader):
    """The rows of a CSV or TSV file. A row may span lines; it is named by its first one.

    Args:
        needed: the columns that are needed, by which the separator is told.

    Raises:
        InputError: the file cannot be read, or its heading cannot.
    """

    def __init__(self, file: OpenFile, format: str, options: ReadOptions, needed: Sequence[str] = ()) -> None:
        super().__init__(file, iter(()))
        reader = LineReader(file, options.encoding, newline="")
        self._encoding = reader.encoding
        self._lines = _Lines(iter(reader))
        self._quote = options.quote
        self._heading: list[str] = []
        try:
            self._separator = self._find_separator(format, options.separator, needed)
            self._heading = self._read_heading()
        except BaseException:
            self.close()
            raise
        self.columns = [name for name in self._heading if name]
        unnamed = len(self._heading) - len(self.columns)
        if unnamed:
            self.warnings.append(
                f"{file.path} has {unnamed} column{'' if unnamed == 1 else 's'} without a name, which"
                f" {'is' if unnamed == 1 else 'are'} left out"
            )
        self._detect_quotes()
        self._rows = self._records()

    def _find_separator(self, format: str, separator: str | None, needed: Sequence[str]) -> str:
        lines = self._lines
        while (line := lines.peek(0)) is not None and not line.strip():
            lines.next()
        if line is not None and line.lower().startswith(_MARKER) and len(line.rstrip("\r\n")) == len(_MARKER) + 1:
            lines.next()
            separator = separator or line[len(_MARKER)]
        if separator is not None:
            return separator
        default = "\t" if format == "tsv" else ","
        heading = lines.peek(0)
        for candidate in (default, *SEPARATORS):
            names = self._split_heading(heading or "", candidate) if needed else None
            if names is not None and set(needed) <= set(names):
                return candidate
        return default

    def _split_heading(self, line: str, separator: str) -> list[str] | None:
        if self._quote == "none":
            return [name.strip() for name in line.rstrip("\r\n").split(separator)]
        try:
            return [name.strip() for name in next(csv.reader([line], delimiter=separator, strict=True))]
        except (csv.Error, StopIteration):
            return None

    def _read_heading(self) -> list[str]:
        while (line := self._lines.next()) is not None:
            if not line.strip():
                continue
            number = self._lines.number
            if (problem := damage(line, self._encoding)) is not None:
                raise InputError(
                    f"{self.file.path}, line {number}: the heading is {problem}; name the encoding with --encoding"
                )
            if self._quote == "none":
                return [name.strip() for name in line.rstrip("\r\n").split(self._separator)]
            try:
                row = self._quoted(line)
            except _UnclosedQuoteError as error:
                raise InputError(f"{self.file.path}, line {number}: {error}") from error
            if row.problem is not None:
                raise InputError(f"{self.file.path}, line {number} is no heading: {row.problem}")
            return [name.strip() for name in row.fields or []]
        return []  # the file is blank

    def _detect_quotes(self) -> None:
        """Decide from the front of the file whether quotes are text, so that all its rows are read alike."""
        if self._quote == "auto" and (self._separator != "\t" or len(self._heading) < 2):
            self._quote = "csv"
        if self._quote != "auto":
            return
        place = 0
        while place < _SNIFFED_LINES and (line := self._lines.peek(place)) is not None:
            place += 1
            if '"' not in line:
                continue
            span, fields = self._span(line, place)
            if fields is None or span > 1 or len(fields) != len(self._heading):
                if self._is_plain(line, place, span, fields):
                    self._quote = "none"
                    self._say_quotes()
                    return
                if fields is not None and len(fields) == len(self._heading):
                    self._quote = "csv"  # only quotes make sense of it
                    return
            place += span - 1

    def _say_quotes(self) -> None:
        self.warnings.append(
            f"{self.file.path}: quotes are read as text, since each line has the fields of the heading (--quote csv|none)"
        )

    def _span(self, line: str, ahead: int) -> tuple[int, list[str] | None]:
        """How many lines a row in quotes takes from this line on, and its fields; None where it is not CSV.

        Args:
            ahead: lines to look past to find the second line of the row.
        """
        count = 0

        def lines() -> Iterator[str]:
            nonlocal count
            size, text = 0, line
            while text and size <= LONGEST_LINE:
                size += len(text)
                count += 1
                yield text
                text = self._lines.peek(ahead + count - 1) or ""

        try:
            fields = next(csv.reader(lines(), delimiter=self._separator, strict=True))
        except csv.Error:
            return count, None
        return count, fields

    def _is_plain(self, line: str, ahead: int, count: int, fields: list[str] | None) -> bool:
        """Whether the lines of a row have the fields of the heading where quotes are text.

        Where the row is no CSV, its first line tells. Where it is, all its lines must agree.
        """
        lines = [line]
        if fields is not None:
            lines += [self._lines.peek(ahead + place) or "" for place in range(count - 1)]
        width = len(self._heading)
        return width > 1 and all(text.count(self._separator) == width - 1 for text in lines)

    def _records(self) -> Iterator[_Row]:
        while (line := self._lines.next()) is not None:
            number = self._lines.number
            if line == "":
                yield _Row(number, problem=f"the line is longer than {LONGEST_LINE >> 20} million characters")
            elif '"' not in line or self._quote == "none":
                yield _Row(number, text=line)
            else:
                try:
                    yield self._quoted(line)
                except _UnclosedQuoteError as error:
                    raise InputError(f"{self.file.path}, line {number}: {error}") from error

    def _quoted(self, line: str) -> _Row:
        number = self._lines.number
        span, fields = self._span(line, 0)
        if self._quote == "auto" and (fields is None or span > 1) and self._is_plain(line, 0, span, fields):
            self._quote = "none"
            self._say_quotes()
            return _Row(number, text=line)
        if fields is None:
            if span > 1 or self._opens(line):
                raise _UnclosedQuoteError(
                    'a field opens with a quote (") that is not closed as CSV asks; close it, double the quotes within it,'
                    " or say --quote none if quotes are text"
                )
            return _Row(number, problem="a field in quotes has text after its closing quote")
        for _ in range(span - 1):
            self._lines.next()
        return _Row(number, fields=fields)

    def _opens(self, line: str) -> bool:
        """Whether a quote of this line is still open at its end."""
        try:
            next(csv.reader([line], delimiter=self._separator, strict=True))
        except csv.Error as error:
            return "unexpected end of data" in str(error)
        return False

    def record(self, raw: Any) -> Record:
        row: _Row = raw
        if row.problem is not None:
            return Record(row.line, None, f"not CSV: {row.problem}")
        fields = row.fields
        if fields is None:
            text = (row.text or "").rstrip("\r\n")
            if not text or (text.isspace() and (self._separator not in text or len(self._heading) == 1)):
                return Record(row.line, None)
            fields = text.split(self._separator)
        width = len(self._heading)
        if len(fields) != width:
            if len(fields) < width or any(fields[width:]):
                return Record(
                    row.line, None, f"the row has {counted(len(fields), 'field')}; expected {width} as in the heading"
                )
            fields = fields[:width]
        values = {}
        for name, value in zip(self._heading, fields, strict=True):
            if not value.isascii() and (problem := damage(value, self._encoding)) is not None:
                return Record(row.line, None, _in_column(problem, name))
            if name:
                values[name] = value
        return Record(row.line, values)


def _in_column(problem: str, name: str) -> str:
    head, _, tail = problem.partition(":")
    return f"{head} in {name!r}:{tail}"


class _UnclosedQuoteError(Exception):
    """A field in quotes that does not end."""


class _Lines:
    """Lines that can be looked at before they are taken.

    Attributes:
        number: of the line taken last, from 1.
    """

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._source = lines
        self._ahead: list[str] = []
        self._first = 0  # of those ahead that were not taken
        self.number = 0

    def peek(self, place: int) -> str | None:
        """The line `place` lines after the next one; None at the end."""
        while len(self._ahead) - self._first <= place:
            try:
                line = next(self._source)
            except StopIteration:
                return None
            self._ahead.append("" if line is None else line)  # an empty line stands for one that is too long
        return self._ahead[self._first + place]

    def next(self) -> str | None:
        """Take the next line; None at the end."""
        line = self.peek(0)
        if line is not None:
            self.number += 1
            self._first += 1
            if self._first > 1000 or self._first == len(self._ahead):
                del self._ahead[: self._first]
                self._first = 0
        return line
