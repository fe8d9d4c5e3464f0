"""Every format gives the same documents; bad rows are named; whole documents are held out."""

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fillmask import CorpusError
from fillmask.data.documents import BadRow, CorpusFile, documents, expand, numbered_parts
from fillmask.training.corpus import tokenize
from fillmask.training.held_out import held_out_documents, split
from fillmask.training.tokenizer import train_tokenizer

DOCUMENTS = ["First paragraph.\nSecond — naïve — one.", "Another document.", "A third."]
TEXT = "\n\n".join(DOCUMENTS).encode()
JSONL = "".join(json.dumps({"id": n, "body": text}) + "\n" for n, text in enumerate(DOCUMENTS)).encode()


def _zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the data extra")
    return bytes(zstandard.ZstdCompressor().compress(data))


def _texts(source: CorpusFile) -> list[str]:
    return [document.text for document in documents(source)]


@pytest.mark.parametrize("name", ["text.txt", "rows.jsonl"])
@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", _zstd)],
)
def test_formats_and_compressions_agree(
    tmp_path: Path, name: str, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / (name + suffix)
    path.write_bytes(compress(TEXT if name == "text.txt" else JSONL))
    assert _texts(CorpusFile(path, column="body")) == DOCUMENTS


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "body": [*DOCUMENTS, None]}), path)
    bad: list[BadRow] = []
    assert [d.text for d in documents(CorpusFile(path, column="body"), bad.append)] == DOCUMENTS
    assert bad == [BadRow(path, 4, "'body' is null")]
    with pytest.raises(CorpusError, match=r"no column 'text'; its columns: id, body"):
        _texts(CorpusFile(path))
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CorpusError, match="cannot read"):
        _texts(CorpusFile(path))


def test_bad_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(
        b'{"text": "good"}\nnot json\n{"other": 1}\n{"text": null}\n{"text": 5}\n[1]\n{"text": "\xff"}\n\n'
        b'{"text": "\\ud800"}\n{"text": "also good"}\n'
    )
    bad: list[BadRow] = []
    assert [d.text for d in documents(CorpusFile(path), bad.append)] == ["good", "also good"]
    assert [b.row for b in bad] == [2, 3, 4, 5, 6, 7, 9]
    assert [str(b).split(": ", 1)[1][:22] for b in bad] == [
        "not JSON: Expecting va", "no column 'text'; its ", "'text' is null", "'text' is an int; expe",
        "the JSON is a list; ex", "not UTF-8: byte 0xff a", "'text' holds half of a",
    ]  # fmt: skip


def test_a_line_nested_too_deep_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good"}\n' + "[" * 100_000 + "\n")
    bad: list[BadRow] = []
    assert [d.text for d in documents(CorpusFile(path), bad.append)] == ["good"]
    assert [b.row for b in bad] == [2]
    assert bad[0].reason.startswith("not JSON: ")


def test_bad_lines_of_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"one\nfa\xe7ade\ntwo\n\nthree")
    bad: list[BadRow] = []
    assert [d.text for d in documents(CorpusFile(path), bad.append)] == ["one\ntwo", "three"]
    assert [(b.row, b.reason[:9]) for b in bad] == [(2, "not UTF-8")]


def test_a_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\r\n")
    assert _texts(CorpusFile(path)) == ["one\ntwo", "three"]


def test_folders_globs_and_shares(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.txt", "a.jsonl.gz", "in/c.txt.xz", "picture.png"):
        (tmp_path / name).write_bytes(b"")
    names = [s.path.name for s in expand([str(tmp_path)])]
    assert sorted(names) == ["a.jsonl.gz", "b.txt", "c.txt.xz"]
    assert [s.path.name for s in expand([f"{tmp_path}/**/*.xz"])] == ["c.txt.xz"]
    (found,) = expand([f"{tmp_path}/b.txt=0.25"])
    assert (found.path.name, found.share) == ("b.txt", 0.25)
    with pytest.raises(CorpusError, match="there is no such file"):
        expand([str(tmp_path / "none.txt")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"has no \.txt"):
        expand([str(tmp_path / "empty")])


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Twenty million characters without a blank line, and in one line."""
    for name, line in (("lines.txt", "some words in a line\n"), ("line.txt", "some words in one line ")):
        path = tmp_path / (name + ".gz")
        with gzip.open(path, "wb", 1) as out:
            for _ in range(20):
                out.write(line.encode() * (1_000_000 // len(line)))
        tracemalloc.start()
        parts = 0
        characters = 0
        for document in documents(CorpusFile(path)):
            assert document.continues == bool(parts)
            parts += 1
            characters += len(document.text.replace("\n", " "))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert parts >= 5
        assert 19_000_000 < characters < 21_000_000
        assert peak < 25_000_000


def test_long_lines_are_cut_between_words() -> None:
    line = "word " * 2_000_000
    cut = list(numbered_parts(io.StringIO(line + "\nnext\n")))
    assert "".join(part for _, part in cut) == line + "\nnext\n"
    assert all(part.endswith((" ", "\n")) for _, part in cut)
    assert cut[-1] == (2, "next\n")


@pytest.fixture
def many(tmp_path: Path) -> list[CorpusFile]:
    (tmp_path / "many.txt").write_text("\n\n".join(f"document {i}\nof some length" for i in range(1500)))
    (tmp_path / "more.txt").write_text("\n\n".join(f"document {i}\nof some length" for i in range(1000, 2000)))
    return [CorpusFile(tmp_path / "many.txt"), CorpusFile(tmp_path / "more.txt")]


def test_whole_documents_are_held_out_by_their_text(many: list[CorpusFile], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(many, 300)
    corpus = tokenize(many, tokenizer, tmp_path / "cache", phrase_share=0.5)
    division = split(corpus, 0.1)
    texts = [tokenizer.decode(corpus.piece(i).tolist()) for i in range(len(corpus))]
    held, trained = set(corpus.owners[division.held_out]), set(corpus.owners[division.training])
    assert not held & trained
    assert len(held) + len(trained) == 2500
    assert 180 < len(held) < 330
    # A document that is in both files is on one side, and the texts are found again.
    whole = tokenize(many, tokenizer, tmp_path / "cache")
    halves = split(whole, 0.1)
    held_texts = {tokenizer.decode(whole.piece(int(i)).tolist()) for i in halves.held_out}
    assert not held_texts & {tokenizer.decode(whole.piece(int(i)).tolist()) for i in halves.training}
    assert set(held_out_documents(many, halves.below, 0)) == held_texts
    # Other files beside it change nothing.
    alone = tokenize(many[:1], tokenizer, tmp_path / "cache")
    assert {tokenizer.decode(alone.piece(int(i)).tolist()) for i in split(alone, 0.1).held_out} <= held_texts
    assert len(texts) == len(corpus)


def test_tiny_corpora_hold_out_one_document(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("one document\n\nanother")
    (tmp_path / "one.txt").write_text("one document\nwith two lines")
    tokenizer = train_tokenizer([CorpusFile(tmp_path / "two.txt")], 300)
    assert len(split(tokenize([CorpusFile(tmp_path / "two.txt")], tokenizer, tmp_path), 0.001).held_out) == 1
    one = tokenize([CorpusFile(tmp_path / "one.txt")], tokenizer, tmp_path)
    with pytest.raises(CorpusError, match="the text is one document"):
        split(one, 0.01)
    assert len(split(one, 0).training) == 1


def test_the_cache_goes_by_content(many: list[CorpusFile], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(many, 300)
    cache = tmp_path / "cache"
    first = tokenize(many, tokenizer, cache)
    many[0].path.touch()
    assert tokenize(many, tokenizer, cache).key == first.key
    many[0].path.write_text(many[0].path.read_text().replace("document 0", "document x", 1))  # same size
    assert tokenize(many, tokenizer, cache).key != first.key
    assert len(list(cache.iterdir())) == 2


def test_bad_rows_are_told_again_from_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good words here"}\n{"text": null}\n')
    tokenizer = train_tokenizer([CorpusFile(path)], 300, on_bad=lambda _: None)
    for _ in range(2):
        bad: list[BadRow] = []
        corpus = tokenize([CorpusFile(path)], tokenizer, tmp_path / "cache", on_bad=bad.append)
        assert [str(b) for b in bad] == [f"{path}, row 2: 'text' is null"]
        assert [(f.documents, f.bad_rows) for f in corpus.files] == [(1, 1)]
    with pytest.raises(CorpusError, match="row 2"):
        tokenize([CorpusFile(path)], tokenizer, tmp_path / "cache")


def test_large_vocabularies_take_32_bits(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {f"w{i}": i for i in range(70_000)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tmp_path / "text.txt").write_text("w1 w69999")
    corpus = tokenize([CorpusFile(tmp_path / "text.txt")], tokenizer, tmp_path / "cache")
    assert corpus.tokens.dtype == np.uint32
    assert corpus.tokens.tolist() == [1, 69999]


def test_how_much_text_to_expect(tmp_path: Path) -> None:
    """What the bar of tokenising goes by: sizes and shares, packed text three times its size."""
    for name in ("a.txt", "a.txt.gz", "a.parquet"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    assert CorpusFile(tmp_path / "a.txt").expected_characters == 1000
    assert CorpusFile(tmp_path / "a.txt", share=0.25).expected_characters == 250
    assert CorpusFile(tmp_path / "a.txt.gz").expected_characters == 3000
    assert CorpusFile(tmp_path / "a.parquet").expected_characters == 3000
    assert CorpusFile(tmp_path / "none.txt").expected_characters == 0
