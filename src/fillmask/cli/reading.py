"""Texts from files and stdin, one a line, in chunks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

_CHUNK = 64


def lines(file: Iterable[bytes]) -> Iterator[str]:
    """The lines that are not blank. Bytes that are not UTF-8 become replacement characters: a damaged line is no reason to stop."""
    for line in file:
        decoded = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if decoded.strip():
            yield decoded


def chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    """Lists of texts: full batches, or single ones where someone is typing and wants each answer at once."""
    size = 1 if sys.stdin.isatty() else _CHUNK
    while chunk := list(islice(texts, size)):
        yield chunk
