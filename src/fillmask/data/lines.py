"""Texts from files and stdin, one a line, in chunks."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import islice

from fillmask.errors import InputError

_CHUNK = 64


class DamagedLine(str):
    """A line that is not UTF-8. Its odd bytes are lone surrogates, so that every task refuses it as no text."""

    what: str


def lines(file: Iterable[bytes]) -> Iterator[str]:
    """The lines that are not blank; one that is not UTF-8 is a `DamagedLine`, and no reason to stop.

    A byte order mark, which Windows' editors put before the first line, is no part of it.
    """
    for number, line in enumerate(file, start=1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        try:
            text = decoded(line, number).rstrip("\r\n")
        except InputError as error:
            text = DamagedLine(line.decode("utf-8", errors="surrogateescape").rstrip("\r\n"))
            text.what = str(error)
        if text.strip():
            yield text


def decoded(line: bytes, number: int) -> str:
    """A line of stdin as text.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"line {number} is not UTF-8: byte {line[error.start]:#04x} at {error.start}; convert the text, for instance with"
            " iconv -t utf-8"
        ) from None


def reason(text: str, error: Exception) -> str:
    """Why a text cannot be used."""
    return text.what if isinstance(text, DamagedLine) else str(error)


def chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of texts: full batches, or single ones where someone is typing and wants each answer at once."""
    size = 1 if sys.stdin.isatty() else _CHUNK
    while chunk := list(islice(texts, size)):
        yield chunk
