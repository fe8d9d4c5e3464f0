"""Text: encodings, byte order marks, and numbered lines of bounded length.

Bytes that the encoding does not have become lone surrogates (U+DC00 plus the byte), so that one line is refused and not
the file. Knows lines, not rows.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fillmask.data.files import OpenFile, open_file, read_error
from fillmask.errors import InputError

LONGEST_LINE = 16 << 20  # characters; a longer line is refused, so that no file can fill the memory
_MARK = "\ufeff"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16's, which is its beginning
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_ESCAPE = "fillmask.escape"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ReadOptions:
    """How files are read.

    Attributes:
        encoding: of text; None for the one that a byte order mark names, else UTF-8.
        quote: of CSV and TSV: "csv" for fields in double quotes, "none" for quotes that are text, "auto" to tell by the
            file where fields are separated by tabs, else "csv".
        separator: of CSV and TSV; None for the one of comma, semicolon, tab and bar that gives the columns needed.
        zstd_window_log: logarithm of the largest window of `.zst` files; None for 27.
    """

    encoding: str | None = None
    quote: str = "auto"
    separator: str | None = None
    zstd_window_log: int | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            check_encoding(self.encoding)
        if self.quote not in ("auto", "csv", "none"):
            raise InputError(f"quote is {self.quote!r}; expected auto, csv, or none")
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise InputError(
                f"the separator is {self.separator!r}; expected one character that is no quote or line end"
            )

    def identity(self) -> dict[str, str]:
        """What differs from the defaults, and must be the same for a job to go on."""
        values = {"encoding": self.encoding, "quote": self.quote, "separator": self.separator}
        return {name: value for name, value in values.items() if value not in (None, "auto")}


DEFAULT = ReadOptions()


def check_encoding(name: str) -> None:
    """Raise InputError unless text can have an encoding of this name."""
    try:
        known = "".encode(name) is not None
    except (LookupError, UnicodeError):
        known = False
    if not known:
        raise InputError(f"there is no encoding {name!r}; expected for instance utf-8, utf-16, latin-1, or cp1252")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_ESCAPE, _escape)


def encoding_of(file: OpenFile, encoding: str | None) -> str:
    """The encoding of a file: that of its byte order mark, else `encoding`, else UTF-8.

    Raises:
        InputError: the file is binary.
    """
    for mark, name in _MARKS.items():
        if file.head.startswith(mark):
            return name
    if encoding is None and b"\0" in file.head:
        raise InputError(
            f"{file.path} is a binary file, or text whose encoding must be named: --encoding utf-16-le, for instance"
        )
    return encoding or "utf-8"


def text_of(file: OpenFile, encoding: str | None, newline: str = "\n") -> TextStream:
    """The text of a file without its byte order mark; `newline` as for `open`."""
    text = io.TextIOWrapper(file.content, encoding_of(file, encoding), errors=_ESCAPE, newline=newline)
    # The codecs that are named by a mark keep it. It cannot be looked at ahead of time in a pipe that is still empty.
    return _Unmarked(text) if file.head[:1] in (b"\xef", b"\xff", b"\xfe", b"\0") else text


class TextStream(Protocol):
    """What is read of text."""

    def readline(self, size: int = -1, /) -> str: ...

    def read(self, size: int | None = -1, /) -> str: ...


class _Unmarked(io.TextIOBase):
    """Text whose first character is dropped if it is a byte order mark."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._start = True

    def readable(self) -> bool:
        return True

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        line = self._text.readline(size)
        if self._start:
            self._start = False
            line = line.removeprefix(_MARK) or self._text.readline(size)
        return line

    def read(self, size: int | None = -1) -> str:
        text = self._text.read(size)
        if self._start:
            self._start = False
            text = text.removeprefix(_MARK) or self._text.read(size)
        return text

    def close(self) -> None:
        self._text.close()
        super().close()


def damage(text: str, encoding: str = "utf-8") -> str | None:
    """What is wrong with text that has a byte which its encoding does not have; None where there is none."""
    if text.isascii() or (match := _SURROGATE.search(text)) is None:
        return None
    byte = ord(match[0]) - 0xDC00
    name = {"utf-8": "UTF-8"}.get(encoding.lower(), encoding)
    if not 0 <= byte < 256:
        return f"not {name}: a lone surrogate at character {match.start()}"
    place = len(text[: match.start()].encode("utf-8")) if name == "UTF-8" else match.start()
    return f"not {name}: byte {byte:#04x} at {place}"


class LineReader:
    """The lines of a text file.

    Attributes:
        encoding: that of the file.
        text: what is still to be read, decoded.
    """

    def __init__(self, file: OpenFile, encoding: str | None = None, newline: str = "\n") -> None:
        self.file = file
        self.encoding = encoding_of(file, encoding)
        self.text = text_of(file, encoding, newline)

    def __iter__(self) -> Iterator[str | None]:
        """Each line with its end; None for one that is longer than `LONGEST_LINE`.

        Raises:
            InputError: the file cannot be read to its end.
        """
        readline = self.text.readline
        try:
            while line := readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
                    while (rest := readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
                        pass
                    yield None
                else:
                    yield line
        except (OSError, EOFError) as error:
            raise read_error(self.file.path, error) from error

    def chunks(self, size: int = 1 << 16) -> Iterator[str]:
        """The rest of the text in parts of about `size` characters.

        Raises:
            InputError: the file cannot be read to its end.
        """
        try:
            while chunk := self.text.read(size):
                yield chunk
        except (OSError, EOFError) as error:
            raise read_error(self.file.path, error) from error

    def read(self) -> str:
        """The rest of the text.

        Raises:
            InputError: the file cannot be read to its end, or has a byte that its encoding does not have.
        """
        text = "".join(self.chunks())
        for number, line in enumerate(text.split("\n"), start=1):
            if (problem := damage(line, self.encoding)) is not None:
                raise InputError(f"{self.file.path}, line {number} is {problem}; name the encoding with --encoding")
        return text


def read_text(path: str | Path, options: ReadOptions = DEFAULT) -> str:
    """The whole text of a file or of stdin (`-`), decompressed and decoded.

    Raises:
        InputError: it cannot be read, or has a byte that its encoding does not have.
    """
    with open_file(path, options.zstd_window_log) as file:
        return LineReader(file, options.encoding).read()
