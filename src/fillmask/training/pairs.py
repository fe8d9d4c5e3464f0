"""Pairs of sentences: BERT's next-sentence prediction and ALBERT's sentence order.

Rows are `[CLS] A [SEP] B [SEP]`, padded; A and B are runs of whole sentences
of documents. Next sentence (Devlin et al. 2019): half of the time B is from
another document. Sentence order (Lan et al. 2020): B always goes on A, and
half of the time the two are exchanged. A tenth of the pairs is short, as in
both papers, so that short texts are known too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorpusError
from fillmask.training.corpus import Indices, TokenizedCorpus, Tokens
from fillmask.training.packing import SpecialIds

_SHORT_SHARE = 0.1


@dataclass(frozen=True)
class Pairs:
    """Rows of pairs, (rows, length), and for each 1 if B is not the text that follows A, else 0, (rows,)."""

    rows: Tokens
    labels: npt.NDArray[np.int64]


def make_pairs(
    corpus: TokenizedCorpus, special: SpecialIds, length: int, chosen: Indices, objective: str, seed: int
) -> Pairs:
    """Pairs from the `chosen` pieces, which are sentences in the order of the text.

    Args:
        objective: "nsp" or "sop".

    Raises:
        CorpusError: no document has two sentences, or for "nsp" there is one document only.
    """
    rng = np.random.default_rng([seed, length])
    bounds = np.flatnonzero(np.diff(corpus.owners[chosen], prepend=-1))
    documents = [part.tolist() for part in np.split(chosen, bounds[1:]) if len(part)]
    if objective == "nsp" and len(documents) < 2:
        raise CorpusError("next-sentence prediction needs two documents at least; put blank lines between documents")
    room = length - 3
    rows: list[npt.NDArray[np.int64]] = []
    labels: list[int] = []
    for number, document in enumerate(documents):
        at = 0
        while at < len(document):
            target = int(rng.integers(2, room + 1)) if rng.random() < _SHORT_SHARE else room
            chunk: list[int] = []
            size = 0
            start = at
            while at < len(document) and size < target:
                chunk.append(document[at])
                size += len(corpus.piece(document[at]))
                at += 1
            if len(chunk) < 2 and objective == "sop":
                continue
            cut = int(rng.integers(1, len(chunk))) if len(chunk) > 1 else 1
            a = _join(corpus, chunk[:cut])
            changed = len(chunk) < 2 or rng.random() < 0.5
            if not changed:
                b = _join(corpus, chunk[cut:])
            elif objective == "sop":
                a, b = _join(corpus, chunk[cut:]), a
            else:
                other = documents[(number + 1 + int(rng.integers(len(documents) - 1))) % len(documents)]
                begin = int(rng.integers(len(other)))
                b = _join(corpus, other[begin : begin + len(chunk) + 1])[: max(1, target - len(a))]
                at = start + cut  # what was left of the chunk is used again, as in BERT
            rows.append(_row(a, b, special, length, rng))
            labels.append(int(changed))
    if not rows:
        raise CorpusError("no document has two sentences; sentence pairs need such")
    stacked: Any = np.stack(rows).astype(corpus.tokens.dtype)
    return Pairs(stacked, np.array(labels))


def _join(corpus: TokenizedCorpus, sentences: list[int]) -> npt.NDArray[np.int64]:
    joined: npt.NDArray[np.int64] = np.concatenate([corpus.piece(s) for s in sentences]).astype(np.int64)
    return joined


def _row(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], special: SpecialIds, length: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """One row; what is too long is cut from the longer of the two, at its beginning or its end by chance."""
    while len(a) + len(b) > length - 3:
        excess = len(a) + len(b) - (length - 3)
        longer, shorter = (a, b) if len(a) > len(b) else (b, a)
        excess = min(excess, max(1, len(longer) - len(shorter)))
        shortened = longer[excess:] if rng.random() < 0.5 else longer[:-excess]
        a, b = (shortened, b) if longer is a else (a, shortened)
    row = np.full(length, special.pad, np.int64)
    row[: len(a) + len(b) + 3] = [special.bos, *a, special.eos, *b, special.eos]
    return row


def token_types(rows: npt.NDArray[np.int64], special: SpecialIds) -> npt.NDArray[np.int64]:
    """0 for `[CLS] A [SEP]`, 1 for `B [SEP]`, 0 for padding; shape of `rows`."""
    ends = rows == special.eos
    types = np.cumsum(ends, axis=1) - ends
    types[rows == special.pad] = 0
    first_two: npt.NDArray[np.int64] = np.minimum(types, 1)
    return first_two
