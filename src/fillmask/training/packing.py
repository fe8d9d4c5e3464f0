"""Pieces of text into rows of one fixed length, with no mixing between pieces.

A row holds `<s> piece </s> <s> piece </s> …`, cut or padded to the row's
length. Each `<s>` begins a new segment, and attention stays within a segment,
so the segment ids need not be stored: they are the running count of `<s>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.data.atomic import open_atomically
from fillmask.training.corpus import Indices, TokenizedCorpus, Tokens, cannot_write

_SMALLEST_SEGMENT = 8  # tokens with <s> and </s>; a smaller rest of a row is padded
_BLOCK = 4096  # rows held at once


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the special tokens that rows are built from."""

    bos: int
    eos: int
    pad: int
    mask: int

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.bos, self.eos, self.pad, self.mask))


def pack(corpus: TokenizedCorpus, special: SpecialIds, length: int, order: Sequence[int] | Indices) -> Tokens:
    """Rows of `length` tokens from the pieces in `order`; shape (rows, length).

    A piece that does not fit goes on in the next row as a segment of its own.
    The last, unfinished row is padded.
    """
    return np.concatenate(list(_blocks(corpus, special, length, order)))


def _blocks(
    corpus: TokenizedCorpus, special: SpecialIds, length: int, order: Sequence[int] | Indices
) -> Iterator[Tokens]:
    """The rows of `pack`, some thousands at a time."""
    rows = np.full((_BLOCK, length), special.pad, corpus.tokens.dtype)
    row, at = 0, 0
    for index in order:
        piece = corpus.piece(int(index))
        start = 0
        while start < len(piece):
            if length - at < _SMALLEST_SEGMENT:
                row, at = row + 1, 0
                if row == _BLOCK:
                    yield rows.copy()
                    rows[:] = special.pad
                    row = 0
            take = min(len(piece) - start, length - at - 2)
            rows[row, at] = special.bos
            rows[row, at + 1 : at + 1 + take] = piece[start : start + take]
            rows[row, at + 1 + take] = special.eos
            at += take + 2
            start += take
    yield rows[: row + 1].copy()


def packed(
    corpus: TokenizedCorpus,
    special: SpecialIds,
    length: int,
    seed: int,
    cache: Path,
    *,
    chosen: Indices | None = None,
) -> Tokens:
    """The corpus, or its `chosen` pieces, in shuffled order as memory-mapped rows, packed once and kept in `cache`."""
    pieces = np.arange(len(corpus), dtype=np.int64) if chosen is None else chosen
    identity = (corpus.key, len(corpus), int(corpus.ends[-1]), corpus.tokens[:4096].tobytes(), tuple(special), seed)
    key = hashlib.sha256(repr(identity).encode() + hashlib.blake2b(pieces.tobytes()).digest())
    path = cache / f"rows-{length}-{key.hexdigest()[:16]}.bin"
    if not path.exists():
        order = np.random.default_rng([seed, length]).permutation(pieces)
        try:
            with open_atomically(path) as out:
                for block in _blocks(corpus, special, length, order):
                    block.tofile(out)
        except OSError as error:
            raise cannot_write(cache, error) from error
    return np.memmap(path, corpus.tokens.dtype, "r").reshape(-1, length)


def segments(rows: npt.NDArray[Any], special: SpecialIds) -> npt.NDArray[np.int64]:
    """Segment number of every token, 1 up, and 0 for padding; shape of `rows`."""
    numbers = np.cumsum(rows == special.bos, axis=1, dtype=np.int64)
    numbers[rows == special.pad] = 0
    return numbers
