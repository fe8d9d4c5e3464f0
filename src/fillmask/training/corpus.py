"""Text files in, documents out, token arrays on disk.

A corpus file is UTF-8 text with one paragraph a line and a blank line between
documents, plain or compressed (`.gz`, `.xz`, `.bz2`). Documents are streamed:
no file is ever held in memory whole. `tokenize` writes a memory-mappable pair
of arrays, the tokens of all pieces in a row and where each piece ends; this
module knows nothing of rows, masks or models.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from fillmask.errors import CorpusError

_OPENERS: dict[str, Callable[..., object]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}

# A sentence ends at . ! or ?, perhaps with a closing quote or bracket, before
# a capital letter or an opening quote. Good enough to cut training text into
# phrases; nothing else depends on it.
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(\s+)(?=[\"'(\[]*[A-Z])")
_SHORTEST_SENTENCE = 20  # characters; shorter ones ("Mr.", "No.") join the next


@dataclass(frozen=True)
class Source:
    """One corpus file and the share of its documents to take (0 < share <= 1)."""

    path: Path
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CorpusError(f"share of {self.path.name} is {self.share}; expected a number above 0 and up to 1")


@dataclass(frozen=True)
class TokenizedCorpus:
    """Memory-mapped token ids and the end offset of each piece.

    A piece is a stretch of one document that is read by itself: the whole
    document, or one or two of its sentences.
    """

    tokens: npt.NDArray[np.uint16]
    ends: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def piece(self, index: int) -> npt.NDArray[np.uint16]:
        """Token ids of piece `index`, shape (length,)."""
        start = int(self.ends[index - 1]) if index else 0
        return self.tokens[start : int(self.ends[index])]


def read_documents(path: Path) -> Iterator[str]:
    """Yield the documents of a text file, paragraphs joined by a newline.

    Raises:
        CorpusError: the file is missing, is not UTF-8, or its compression is broken.
    """
    opener = _OPENERS.get(path.suffix, open)
    paragraphs: list[str] = []
    number = 0
    try:
        with cast("IO[str]", opener(path, "rt", encoding="utf-8")) as lines:
            for line in lines:
                number += 1
                line = line.strip()
                if line:
                    paragraphs.append(line)
                elif paragraphs:
                    yield "\n".join(paragraphs)
                    paragraphs = []
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8 text near line {number + 1} ({error.reason}); convert it first"
        ) from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise CorpusError(f"cannot read {path}: {error}") from error
    if paragraphs:
        yield "\n".join(paragraphs)


def split_sentences(paragraph: str) -> list[str]:
    """Cut a paragraph after its sentence ends; joined by a space they give it back, spaces normalised."""
    sentences: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(paragraph):
        if match.start(1) - start >= _SHORTEST_SENTENCE:
            sentences.append(paragraph[start : match.start(1)])
            start = match.end(1)
    sentences.append(paragraph[start:])
    return sentences


def pieces(document: str, rng: random.Random, phrase_share: float) -> list[str]:
    """A document as one piece, or, for `phrase_share` of documents, as phrases of one to three sentences.

    People ask a fill-mask model about single sentences; a model that only
    ever saw full windows answers those worse.
    """
    if rng.random() >= phrase_share:
        return [document]
    phrases: list[str] = []
    for paragraph in document.split("\n"):
        sentences = split_sentences(paragraph)
        at = 0
        while at < len(sentences):
            count = rng.choice((1, 1, 2, 3))
            phrases.append(" ".join(sentences[at : at + count]))
            at += count
    return phrases


def _sampled(sources: Sequence[Source], seed: int) -> Iterator[str]:
    for source in sources:
        rng = random.Random(f"{seed}:{source.path.name}")
        for document in read_documents(source.path):
            if source.share >= 1 or rng.random() < source.share:
                yield document


def corpus_key(sources: Sequence[Source], tokenizer: Tokenizer, seed: int, phrase_share: float) -> str:
    """A digest of all that decides the token arrays: the files' names, sizes and times, shares, tokenizer and seed."""
    parts: list[object] = [seed, phrase_share]
    for source in sources:
        try:
            status = source.path.stat()
        except OSError as error:
            raise CorpusError(f"cannot read {source.path}: {error.strerror}") from error
        parts.append([source.path.name, status.st_size, status.st_mtime_ns, source.share])
    digest = hashlib.sha256(json.dumps(parts).encode())
    digest.update(tokenizer.to_str().encode())
    return digest.hexdigest()[:16]


def tokenize(
    sources: Sequence[Source],
    tokenizer: Tokenizer,
    cache: Path,
    *,
    seed: int = 0,
    phrase_share: float = 0.0,
    on_progress: Callable[[int], None] | None = None,
) -> TokenizedCorpus:
    """Tokenise every sampled document once, in parallel, into `cache`; later calls with the same arguments map the files.

    Args:
        on_progress: called with the number of characters read since the last call.

    Raises:
        CorpusError: a file cannot be read, there is no text, or the vocabulary does not fit 16 bits.
    """
    if tokenizer.get_vocab_size() > 1 << 16:
        raise CorpusError(
            f"the vocabulary has {tokenizer.get_vocab_size()} tokens; at most {1 << 16} are supported in training"
        )
    folder = cache / f"tokens-{corpus_key(sources, tokenizer, seed, phrase_share)}"
    if not (folder / "ends.npy").exists():
        _write_tokens(sources, tokenizer, folder, seed, phrase_share, on_progress)
    ends = np.load(folder / "ends.npy", mmap_mode="r")
    if len(ends) == 0:
        raise CorpusError(f"no text in {', '.join(s.path.name for s in sources)}; expected paragraphs, one a line")
    tokens = np.memmap(folder / "tokens.bin", np.uint16, "r", shape=(int(ends[-1]),))
    return TokenizedCorpus(tokens, ends)


def _write_tokens(
    sources: Sequence[Source],
    tokenizer: Tokenizer,
    folder: Path,
    seed: int,
    phrase_share: float,
    on_progress: Callable[[int], None] | None,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    ends: list[int] = []
    total = 0
    batch: list[str] = []

    with open(folder / "tokens.bin.part", "wb") as out:

        def flush() -> None:
            nonlocal total
            # encode_batch uses every core; special tokens are the packer's business.
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                if encoding.ids:
                    np.asarray(encoding.ids, np.uint16).tofile(out)
                    total += len(encoding.ids)
                    ends.append(total)
            if on_progress:
                on_progress(sum(map(len, batch)))
            batch.clear()

        for document in _sampled(sources, seed):
            batch.extend(pieces(document, rng, phrase_share))
            if len(batch) >= 2000:
                flush()
        flush()
    os.replace(folder / "tokens.bin.part", folder / "tokens.bin")
    # ends.npy is written last: its presence says that the pair is whole.
    with open(folder / "ends.npy.part", "wb") as out:
        np.save(out, np.asarray(ends, np.int64))
    os.replace(folder / "ends.npy.part", folder / "ends.npy")
