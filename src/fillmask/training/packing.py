"""Pieces of text into rows of one fixed length, with no mixing between pieces.

A row holds `<s> piece </s> <s> piece </s> …`, cut or padded to the row's
length. Each `<s>` begins a new segment, and attention stays within a segment,
so the segment ids need not be stored: they are the running count of `<s>`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fillmask.training.corpus import TokenizedCorpus

_SMALLEST_SEGMENT = 8  # tokens with <s> and </s>; a smaller rest of a row is padded


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the special tokens that rows are built from."""

    bos: int
    eos: int
    pad: int
    mask: int

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter((self.bos, self.eos, self.pad, self.mask))


def pack(
    corpus: TokenizedCorpus, special: SpecialIds, length: int, order: Sequence[int] | npt.NDArray[np.int64]
) -> npt.NDArray[np.uint16]:
    """Rows of `length` tokens from the pieces in `order`; shape (rows, length).

    A piece that does not fit goes on in the next row as a segment of its own.
    The last, unfinished row is padded.
    """
    room = int(sum(len(corpus.piece(int(i))) + 2 for i in order) * 1.15 / (length - 2)) + 16
    rows = np.full((room, length), special.pad, np.uint16)
    row, at = 0, 0
    for index in order:
        piece = corpus.piece(int(index))
        start = 0
        while start < len(piece):
            if length - at < _SMALLEST_SEGMENT:
                row, at = row + 1, 0
                if row == len(rows):
                    rows = np.concatenate([rows, np.full_like(rows[: len(rows) // 4 + 1], special.pad)])
            take = min(len(piece) - start, length - at - 2)
            rows[row, at] = special.bos
            rows[row, at + 1 : at + 1 + take] = piece[start : start + take]
            rows[row, at + 1 + take] = special.eos
            at += take + 2
            start += take
    return rows[: row + 1]


def packed(corpus: TokenizedCorpus, special: SpecialIds, length: int, seed: int, cache: Path) -> npt.NDArray[np.uint16]:
    """The whole corpus in shuffled order as memory-mapped rows, packed once and kept in `cache`."""
    key = hashlib.sha256(
        repr((len(corpus), int(corpus.ends[-1]), corpus.tokens[:4096].tobytes(), tuple(special), seed)).encode()
    )
    path = cache / f"rows-{length}-{key.hexdigest()[:16]}.npy"
    if not path.exists():
        order = np.random.default_rng([seed, length]).permutation(len(corpus))
        rows = pack(corpus, special, length, order)
        part = path.with_suffix(".part")
        with open(part, "wb") as out:
            np.save(out, rows)
        os.replace(part, path)
    mapped: npt.NDArray[np.uint16] = np.load(path, mmap_mode="r")
    return mapped


def segments(rows: npt.NDArray[np.uint16], special: SpecialIds) -> npt.NDArray[np.int64]:
    """Segment number of every token, 1 up, and 0 for padding; shape of `rows`."""
    numbers = np.cumsum(rows == special.bos, axis=1, dtype=np.int64)
    numbers[rows == special.pad] = 0
    return numbers
