"""Which documents are trained on and which are held out to judge by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fillmask.data.documents import CorpusFile
from fillmask.errors import CorpusError
from fillmask.training.corpus import Indices, TokenizedCorpus, digest, sampled


@dataclass(frozen=True)
class HeldOutSplit:
    """Which pieces are trained on and which are held out, by whole documents.

    Attributes:
        training: pieces, (training pieces,).
        held_out: pieces, (held-out pieces,).
        below: a document whose digest is below is held out.
    """

    training: Indices
    held_out: Indices
    below: int


def split(corpus: TokenizedCorpus, share: float) -> HeldOutSplit:
    """Hold out about `share` of the documents, one at least, chosen by their texts and nothing else.

    A document is on the same side in every run and whatever other files there
    are; equal documents are on one side. In a corpus so small that chance held
    none out, the document with the smallest digest is.

    Raises:
        CorpusError: there is one document only.
    """
    everything = np.arange(len(corpus), dtype=np.int64)
    if share <= 0:
        return HeldOutSplit(everything, everything[:0], 0)
    below = int(share * 2.0**64)
    distinct = np.unique(corpus.digests)
    if len(distinct) < 2:
        raise CorpusError(
            "the text is one document, so that none can be held out; put a blank line between documents, or name a"
            " validation file (--validation), or hold nothing out (--held-out 0)"
        )
    below = max(below, int(distinct[0]) + 1)
    held = corpus.digests < np.uint64(min(below, (1 << 64) - 1))
    if held.all():
        raise CorpusError(f"holding out {share:.0%} leaves no document to train on; ask for less")
    held_pieces = held[corpus.owners]
    return HeldOutSplit(np.flatnonzero(~held_pieces), np.flatnonzero(held_pieces), below)


def held_out_documents(sources: Sequence[CorpusFile], below: int, seed: int) -> Iterator[str]:
    """The texts of the documents that `split` holds out."""
    held = False
    for source in sources:
        for document in sampled(source, seed, lambda _: None):
            if not document.continues:
                held = digest(document.text) < below
            if held:
                yield document.text
