"""Documents to token arrays on disk.

`tokenize` writes memory-mappable arrays: the tokens of all pieces in a row,
where each piece ends, which document it is of, and a digest of each document,
by which documents are held out. A piece is a stretch that is read by itself:
a document, a phrase of it, or one sentence. Files are streamed, and the arrays
are kept under a key made of the files' contents. This module knows nothing of
rows, masks or models.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from fillmask.data.documents import BadRow, CorpusFile, DocumentPart, OnBad, documents, read_documents
from fillmask.data.values import counted
from fillmask.errors import CorpusError, TrainingError

__all__ = ["CorpusFile", "TokenizedCorpus", "pieces", "read_documents", "split_sentences", "tokenize"]

Tokens = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]

# A sentence ends at . ! or ?, perhaps with a closing quote or bracket, before
# a capital letter or an opening quote. Good enough to cut training text into
# phrases; nothing else depends on it.
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(\s+)(?=[\"'(\[]*[A-Z])")
_SHORTEST_SENTENCE = 20  # characters; shorter ones ("Mr.", "No.") join the next
_BATCH_PIECES, _BATCH_CHARACTERS = 2000, 8_000_000  # tokenised together
_VERSION = 2  # of the arrays below; in the key
_UNFINISHED = ".part"  # ends the name of a folder that is being written
_A_DAY = 24 * 3600.0


@dataclass(frozen=True)
class FileCount:
    """Counts of one file: documents read, their characters, and unusable rows."""

    name: str
    documents: int
    characters: int
    bad_rows: int


@dataclass(frozen=True)
class TokenizedCorpus:
    """Memory-mapped token ids with the end of each piece.

    Attributes:
        tokens: token ids of all pieces, without special tokens, (tokens,); 16 bits, or 32 for a large vocabulary.
        ends: where each piece ends in `tokens`, (pieces,).
        owners: number of the document that each piece is of, ascending, (pieces,).
        digests: a digest of each document's text, (documents,).
        files: what each file gave.
        key: of the arrays on disk.
    """

    tokens: Tokens
    ends: Indices
    owners: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    digests: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    files: tuple[FileCount, ...] = ()
    key: str = ""

    def __len__(self) -> int:
        return len(self.ends)

    def piece(self, index: int) -> Tokens:
        """Token ids of piece `index`, shape (length,)."""
        start = int(self.ends[index - 1]) if index else 0
        return self.tokens[start : int(self.ends[index])]


def split_sentences(paragraph: str) -> list[str]:
    """Splits a paragraph after its sentence ends; joining the sentences with spaces restores it."""
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


def sampled(source: CorpusFile, seed: int, on_bad: OnBad | None = None) -> Iterator[DocumentPart]:
    """Yields the requested share of a source's documents, drawn from the seed and the file's name."""
    rng = random.Random(f"{seed}:{source.path.name}")
    is_sampled = True
    for document in documents(source, on_bad):
        if not document.continues:
            is_sampled = source.share >= 1 or rng.random() < source.share
        if is_sampled:
            yield document


def digest(text: str) -> int:
    """Returns a 64-bit digest of a document's text, which decides whether the document is held out."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def corpus_key(sources: Sequence[CorpusFile], tokenizer: Tokenizer, *settings: object) -> str:
    """A digest of all that decides the token arrays: the files' contents, shares and columns, tokenizer and settings.

    Raises:
        CorpusError: a file cannot be read.
    """
    parts: list[object] = [_VERSION, *settings]
    for source in sources:
        try:
            with open(source.path, "rb") as file:
                content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        except OSError as error:
            raise CorpusError(f"cannot read {source.path}: {error.strerror}") from error
        parts.append(
            [source.path.name, content, source.share, source.column, source.kind, *source.options.identity().items()]
        )
    key = hashlib.sha256(json.dumps(parts).encode())
    key.update(tokenizer.to_str().encode())
    return key.hexdigest()[:16]


def tokenize(
    sources: Sequence[CorpusFile],
    tokenizer: Tokenizer,
    cache: Path,
    *,
    seed: int = 0,
    phrase_share: float = 0.0,
    sentences: bool = False,
    on_progress: Callable[[int], None] | None = None,
    on_bad: OnBad | None = None,
) -> TokenizedCorpus:
    """Tokenise every sampled document once, on all cores, into `cache`; later calls with the same arguments map the files.

    Args:
        phrase_share: share of the documents that is cut into single phrases.
        sentences: cut every document into its sentences (for sentence pairs).
        on_progress: called with the number of characters read since the last call.
        on_bad: called with each unusable row, now or when the arrays were made; without it, the first one raises an error.

    Raises:
        CorpusError: a file cannot be read, or there is no text.
        TrainingError: the cache cannot be written, or what is in it is damaged.
    """
    key = corpus_key(sources, tokenizer, seed, phrase_share, sentences)
    folder = cache / f"tokens-{key}"
    if not (folder / "corpus.json").exists():
        # A name of its own: another training may be making the same arrays in a shared cache.
        writing = cache / f"tokens-{key}.{uuid4().hex[:8]}{_UNFINISHED}"
        try:
            writing.mkdir(parents=True)
            with _Writer(writing, tokenizer, on_progress) as writer:
                for source in sources:
                    writer.add(source, seed, phrase_share, sentences, on_bad)
            _take_name(writing, folder)
        except OSError as error:
            raise cannot_write(cache, error) from error
        finally:
            shutil.rmtree(writing, ignore_errors=True)
        _drop_abandoned(cache)
    else:
        _repeat_bad(folder, on_bad)
    return _open(folder, sources, key)


def _take_name(writing: Path, folder: Path) -> None:
    """Renames the folder to its final name; if another training was faster, its arrays are the same."""
    try:
        writing.replace(folder)
    except OSError:
        if (folder / "corpus.json").exists():
            return
        if not folder.exists():
            raise
        shutil.rmtree(folder)  # what somebody has left of one
        writing.replace(folder)


def _drop_abandoned(cache: Path) -> None:
    """Deletes unfinished folders of interrupted trainings that haven't changed for a day."""
    for writing in cache.glob(f"tokens-*{_UNFINISHED}"):
        with suppress(OSError):
            if max(path.stat().st_mtime for path in (writing, *writing.iterdir())) < time.time() - _A_DAY:
                shutil.rmtree(writing, ignore_errors=True)


def cannot_write(cache: Path, error: OSError) -> TrainingError:
    """Returns the error for a cache that is full or isn't writable."""
    reason = error.strerror or "the disk is full"  # numpy says how many numbers it could not write, not why
    return TrainingError(
        f"cannot write the tokenised text to {cache}: {reason}; make room, or name another place with --cache"
    )


def no_text(sources: Sequence[CorpusFile], bad_rows: int) -> str:
    """Returns the error message for sources without text."""
    return (
        f"no text in {', '.join(s.path.name for s in sources)}"
        + (f" ({counted(bad_rows, 'row')} could not be used); " if bad_rows else "; ")
        + "expected paragraphs, one a line, or rows with text"
    )


def _open(folder: Path, sources: Sequence[CorpusFile], key: str) -> TokenizedCorpus:
    facts = json.loads((folder / "corpus.json").read_text("utf-8"))
    files = tuple(FileCount(**entry) for entry in facts["files"])
    if not facts["tokens"]:
        bad = sum(f.bad_rows for f in files)
        raise CorpusError(no_text(sources, bad))
    names = {"tokens": facts["dtype"], "ends": "int64", "owners": "int64", "digests": "uint64"}
    try:
        arrays: dict[str, Any] = {n: np.memmap(folder / f"{n}.bin", np.dtype(d), "r") for n, d in names.items()}
    except (OSError, ValueError) as error:  # numpy's, of a file that is empty or ends within a number
        raise TrainingError(f"{folder} is damaged ({error}); delete it and run the same command again") from error
    counts = {name: len(array) for name, array in arrays.items()}
    counts["last end"] = int(arrays["ends"][-1])
    expected = {
        "tokens": facts["tokens"], "ends": counts["owners"], "owners": counts["ends"],
        "digests": sum(f.documents for f in files), "last end": facts["tokens"],
    }  # fmt: skip
    for name, count in expected.items():
        if counts[name] != count:
            raise TrainingError(
                f"{folder} is damaged: {name} {counts[name]:,}, expected {count:,}; delete it and run the same command again"
            )
    return TokenizedCorpus(**arrays, files=files, key=key)


def _repeat_bad(folder: Path, on_bad: OnBad | None) -> None:
    with open(folder / "bad.jsonl", encoding="utf-8") as lines:
        for line in lines:
            path, row, reason = json.loads(line)
            bad = BadRow(Path(path), row, reason)
            if on_bad is None:
                raise CorpusError(str(bad))
            on_bad(bad)


class _Writer:
    """Writes the arrays of a corpus as documents are read."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, on_progress: Callable[[int], None] | None) -> None:
        self._tokenizer, self._on_progress, self._folder = tokenizer, on_progress, folder
        self._dtype = np.dtype(np.uint16 if tokenizer.get_vocab_size() <= 1 << 16 else np.uint32)
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        self._counts: list[FileCount] = []
        self._batch: list[tuple[int, str]] = []
        self._held = 0  # characters in the batch
        self._documents = self._tokens = 0

    def __enter__(self) -> _Writer:
        for name in ("tokens", "ends", "owners", "digests"):
            self._files[name] = self._open.enter_context(open(self._folder / f"{name}.bin", "wb"))
        self._bad = self._open.enter_context(open(self._folder / "bad.jsonl", "w", encoding="utf-8"))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError):
                self._open.close()
            return
        self._open.close()
        facts = {"dtype": self._dtype.name, "tokens": self._tokens, "files": [asdict(count) for count in self._counts]}
        (self._folder / "corpus.json").write_text(json.dumps(facts), "utf-8")

    def add(self, source: CorpusFile, seed: int, phrase_share: float, sentences: bool, on_bad: OnBad | None) -> None:
        rng = random.Random(seed)
        before, characters, bad_rows = self._documents, 0, 0

        def note(bad: BadRow) -> None:
            nonlocal bad_rows
            bad_rows += 1
            if on_bad is None:
                raise CorpusError(str(bad))
            self._bad.write(json.dumps([str(bad.path), bad.row, bad.reason]) + "\n")
            on_bad(bad)

        for document in sampled(source, seed, note):
            if not document.continues:
                self._documents += 1
                array("Q", [digest(document.text)]).tofile(self._files["digests"])
            characters += len(document.text)
            parts = (
                [s for paragraph in document.text.split("\n") for s in split_sentences(paragraph)]
                if sentences
                else pieces(document.text, rng, phrase_share)
            )
            for part in parts:
                self._batch.append((self._documents - 1, part))
                self._held += len(part)
                if len(self._batch) >= _BATCH_PIECES or self._held >= _BATCH_CHARACTERS:
                    self._flush()
        self._flush()
        self._counts.append(FileCount(source.path.name, self._documents - before, characters, bad_rows))

    def _flush(self) -> None:
        owners, ends = array("q"), array("q")
        # The tokenizers library shares a batch among threads of its own, one a core (RAYON_NUM_THREADS), outside of
        # Python's lock: processes would gain nothing but copies of the text. Special tokens are the packer's business.
        encodings = self._tokenizer.encode_batch_fast([text for _, text in self._batch], add_special_tokens=False)
        ids: list[npt.NDArray[Any]] = []
        for (owner, _), encoding in zip(self._batch, encodings, strict=True):
            piece = np.asarray(encoding.ids, self._dtype)
            if len(piece):
                ids.append(piece)
                self._tokens += len(piece)
                owners.append(owner)
                ends.append(self._tokens)
        if ids:
            np.concatenate(ids).tofile(self._files["tokens"])
        owners.tofile(self._files["owners"])
        ends.tofile(self._files["ends"])
        if self._on_progress:
            self._on_progress(self._held)
        self._batch.clear()
        self._held = 0
