"""From text files to masked batches: nothing lost, nothing mixed, exact rates."""

import gzip
import lzma
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask import CorpusError, TrainingError
from fillmask.tokenization.tokenizer import load_tokenizer
from fillmask.training.corpus import CorpusFile, TokenizedCorpus, pieces, read_documents, split_sentences, tokenize
from fillmask.training.packing import SpecialIds, pack, packed, segments
from fillmask.training.tokenizer import save_tokenizer, special_ids, train_tokenizer

SPECIAL = SpecialIds(bos=0, eos=2, pad=1, mask=4)
TEXT = "The first paragraph. It has two sentences.\nA second one.\n\nAnother document stands here.\n\n\n\nA third, after more blanks.\n"
DOCUMENTS = [
    "The first paragraph. It has two sentences.\nA second one.",
    "Another document stands here.",
    "A third, after more blanks.",
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_documents_are_split_at_blank_lines(text: Path) -> None:
    assert list(read_documents(text)) == DOCUMENTS


def test_compressed_files_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(TEXT.encode()))
    for name in ("a.txt.gz", "a.txt.xz"):
        assert list(read_documents(tmp_path / name)) == DOCUMENTS


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "cannot read"),
        ("binary.txt", b"fine\n\xff\xfe\x00", "is a binary file"),
        ("latin.txt", b"fine\nfa\xe7ade", "row 2: not UTF-8"),
        ("gzip.txt", gzip.compress(TEXT.encode()), "like a .gz file"),
        ("cut.txt.xz", lzma.compress(TEXT.encode())[:-8], "cannot read"),
        ("cut.txt.gz", gzip.compress(TEXT.encode() * 99)[:-9], "cannot read"),
        ("plain.txt.xz", TEXT.encode(), "cannot read"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=f"{message}|{name}.*{message}"):
        list(read_documents(tmp_path / name))


def test_sentences_join_back() -> None:
    paragraph = 'It was late. "Who is there?" she asked. No. 5 was dark! (Nobody lived there.) The end'
    assert " ".join(split_sentences(paragraph)) == paragraph
    assert len(split_sentences(paragraph)) >= 3


@given(st.lists(st.text(alphabet='ab. "?!AB', max_size=60), max_size=4), st.integers(0, 99), st.floats(0, 1))
def test_pieces_keep_every_word(paragraphs: list[str], seed: int, share: float) -> None:
    document = "\n".join(paragraphs)
    assert " ".join(pieces(document, random.Random(seed), share)).split() == document.split()


@pytest.fixture
def sources(tmp_path: Path) -> list[CorpusFile]:
    sentences = [
        f"The {a} {b} goes to the {c}."
        for a in ("old", "new", "red")
        for b in ("cat", "dog", "bird")
        for c in ("town", "sea", "hill")
    ]
    (tmp_path / "corpus.txt").write_text("\n\n".join("\n".join(sentences[i::9] * 4) for i in range(9)) + "\n")
    return [CorpusFile(tmp_path / "corpus.txt")]


def test_tokenizer_is_roberta_shaped_and_lossless(sources: list[CorpusFile], tmp_path: Path) -> None:
    backend = train_tokenizer(sources, 300)
    assert special_ids(backend) == SPECIAL
    save_tokenizer(backend, tmp_path / "model", 64)
    tokenizer = load_tokenizer(tmp_path / "model", longest=64)
    text = "The old cat — naïve 😀\tgoes\n home"
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text
    assert tokenizer.encode("a<mask>") == tokenizer.encode("a <mask>")
    assert tokenizer.mask_token_id == SPECIAL.mask


def test_tokenised_once_then_mapped(sources: list[CorpusFile], tmp_path: Path) -> None:
    backend = train_tokenizer(sources, 300)
    seen: list[int] = []
    first = tokenize(sources, backend, tmp_path / "cache", on_progress=seen.append)
    again = tokenize(sources, backend, tmp_path / "cache", on_progress=seen.append)
    documents = list(read_documents(sources[0].path))
    assert sum(seen) == sum(map(len, documents))
    assert [backend.decode(first.piece(i).tolist()) for i in range(len(first))] == documents
    np.testing.assert_array_equal(first.tokens, again.tokens)


def test_two_trainings_make_the_same_arrays_at_once(sources: list[CorpusFile], tmp_path: Path) -> None:
    """One begins and ends while the other is at work in the same cache, and each has the whole corpus."""
    backend = train_tokenizer(sources, 300)
    alone = tokenize(sources, backend, tmp_path / "alone")
    others: list[TokenizedCorpus] = []

    def while_it_is_at_work(_: int) -> None:
        if not others:
            others.append(tokenize(sources, backend, tmp_path / "cache"))

    slow = tokenize(sources, backend, tmp_path / "cache", on_progress=while_it_is_at_work)
    for found in (slow, *others):
        for name in ("tokens", "ends", "owners", "digests"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"tokens-{alone.key}"]


def test_what_a_killed_training_left_is_deleted_after_a_day(sources: list[CorpusFile], tmp_path: Path) -> None:
    for name, age in (("old", 2 * 86400), ("new", 60)):
        folder = tmp_path / f"tokens-0123.{name}.part"
        folder.mkdir()
        (folder / "tokens.bin").write_bytes(b"")
        for path in (folder / "tokens.bin", folder):
            os.utime(path, (time.time() - age,) * 2)
    tokenize(sources, train_tokenizer(sources, 300), tmp_path)
    assert [path.name for path in tmp_path.glob("tokens-*.part")] == ["tokens-0123.new.part"]


@pytest.mark.parametrize("name", ["tokens", "ends", "owners", "digests"])
@pytest.mark.parametrize("kept", [0, 16, -3])
def test_arrays_that_are_cut_short_are_an_error(
    sources: list[CorpusFile], tmp_path: Path, name: str, kept: int
) -> None:
    backend = train_tokenizer(sources, 300)
    found = tokenize(sources, backend, tmp_path)
    path = tmp_path / f"tokens-{found.key}" / f"{name}.bin"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TrainingError, match=r"is damaged.*; delete it and run the same command again"):
        tokenize(sources, backend, tmp_path)


def test_a_share_takes_that_share(tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text("\n\n".join(f"document number {i}" for i in range(2000)))
    backend = train_tokenizer([CorpusFile(tmp_path / "many.txt")], 300)
    taken = tokenize([CorpusFile(tmp_path / "many.txt", 0.25)], backend, tmp_path / "cache")
    assert 420 < len(taken) < 580


def test_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "blank.txt").write_text("\n \n\n")
    backend = train_tokenizer([CorpusFile(tmp_path / "blank.txt")], 300)
    with pytest.raises(CorpusError, match=r"no text in blank\.txt"):
        tokenize([CorpusFile(tmp_path / "blank.txt")], backend, tmp_path / "cache")


def test_a_share_out_of_range_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="expected a number above 0"):
        CorpusFile(tmp_path / "a.txt", 1.5)


corpora = st.lists(st.lists(st.integers(5, 60), min_size=1, max_size=40), min_size=1, max_size=12)


@given(corpora, st.integers(10, 40))
def test_packing_loses_and_mixes_nothing(documents: list[list[int]], length: int) -> None:
    corpus = TokenizedCorpus(
        np.array([t for d in documents for t in d], np.uint16), np.cumsum([len(d) for d in documents])
    )
    rows = pack(corpus, SPECIAL, length, range(len(documents)))
    assert rows.shape[1] == length
    parts: list[list[int]] = []
    for row, numbers in zip(rows, segments(rows, SPECIAL), strict=True):
        for number in range(1, numbers.max() + 1):
            part = row[numbers == number].tolist()
            assert part[0] == SPECIAL.bos
            assert part[-1] == SPECIAL.eos
            parts.append(part[1:-1])
    # A segment belongs to one document: joined in order they are the documents.
    for document in documents:
        rebuilt: list[int] = []
        while len(rebuilt) < len(document):
            rebuilt += parts.pop(0)
        assert rebuilt == document
    assert not parts


def test_packed_rows_are_kept(sources: list[CorpusFile], tmp_path: Path) -> None:
    corpus = tokenize(sources, train_tokenizer(sources, 300), tmp_path)
    first = packed(corpus, SPECIAL, 32, 0, tmp_path)
    np.testing.assert_array_equal(first, packed(corpus, SPECIAL, 32, 0, tmp_path))
    assert len(list(tmp_path.glob("rows-*.bin"))) == 1
    packed(corpus, SPECIAL, 32, 1, tmp_path)
    assert len(list(tmp_path.glob("rows-*.bin"))) == 2
