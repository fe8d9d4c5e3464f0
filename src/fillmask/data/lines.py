"""Texts from files and stdin, one a line, in chunks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fillmask.data.text import ReadOptions

_CHUNK = 64


class DamagedLine(str):
    """A line with bytes that its encoding does not have. They are lone surrogates, so that every task refuses the line.

    Attributes:
        reason: what is wrong with it.
    """

    reason: str


def read_lines(path: str | Path, options: ReadOptions | None = None) -> Iterator[str]:
    """The lines of a file or of stdin (`-`) that are not blank, without their ends.

    A line that cannot be used is a `DamagedLine`, and no reason to stop.

    Raises:
        InputError: the file cannot be opened, or cannot be read to its end.
    """
    # Only commands that read files pay for these imports.
    from fillmask.data.files import open_file
    from fillmask.data.text import DEFAULT, LONGEST_LINE, LineReader, damage

    options = options or DEFAULT
    with open_file(path, options.zstd_window_log) as file:
        reader = LineReader(file, options.encoding)
        for number, line in enumerate(reader, start=1):
            if line is None:
                yield _damaged("\udc00", f"line {number} is longer than {LONGEST_LINE >> 20} million characters")
                continue
            text = line.rstrip("\r\n")
            if (problem := damage(text, reader.encoding)) is not None:
                yield _damaged(
                    text, f"line {number} is {problem}; name the encoding with --encoding, or convert the text"
                )
            elif text and not text.isspace():
                yield text


def _damaged(text: str, reason: str) -> DamagedLine:
    line = DamagedLine(text)
    line.reason = reason
    return line


def reason(text: str, error: Exception) -> str:
    """Why a text cannot be used."""
    return text.reason if isinstance(text, DamagedLine) else str(error)


def chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of texts: full batches, or single ones where someone is typing and wants each answer at once."""
    size = 1 if sys.stdin.isatty() else _CHUNK
    while chunk := list(islice(texts, size)):
        yield chunk
