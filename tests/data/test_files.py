"""Names, formats, and the opener: what a name means, and what a file that is not what its name says gets."""

import gzip
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from fillmask.data.files import find_file, find_files, format_of, is_url, open_file, suffix_of
from fillmask.errors import InputError


def test_formats_go_by_suffixes() -> None:
    for name, format in (
        ("a.csv", "csv"),
        ("a.JSON.gz", "jsonl"),
        ("x/a.b.tsv.zst", "tsv"),
        ("a", None),
        ("a.gz", None),
    ):
        assert format_of(name) == format
    assert suffix_of("a.Txt.XZ") == ".txt"


def test_urls_and_paths() -> None:
    assert is_url("s3://bucket/key")
    assert not is_url("a/b://c")
    assert not is_url("C:/x")


def test_files_in_the_order_of_patterns_and_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.csv"):
        (tmp_path / name).write_text("x")
    files = find_files([str(tmp_path / "c.csv"), str(tmp_path / "[ab].csv")])
    assert [file.name for file in files] == ["c.csv", "a.csv", "b.csv"]
    assert files[0].identity() == {"name": "c.csv", "format": "csv", "size": 1, "modified": (tmp_path / "c.csv").stat().st_mtime_ns}  # fmt: skip


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"PAR1....", "begins like a Parquet file"),
        (b"PK\x03\x04....", "a zip archive or a spreadsheet"),
        (gzip.compress(b"x"), "begins like a .gz file; give it that suffix"),
    ],
)
def test_a_file_that_is_not_text_is_named(tmp_path: Path, head: bytes, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(head)
    with pytest.raises(InputError, match=message):
        open_file(tmp_path / "a.txt")


def test_a_pipe_is_read_once_and_decompressed_by_its_first_bytes(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = gzip.compress(b"one\ntwo\n")
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    file = find_file(str(path))
    assert (file.format, file.size, file.stream) == ("text", None, True)
    with open_file(file.path) as opened:
        assert opened.content.read() == b"one\ntwo\n"
        assert opened.position == len(content)
    writer.join(20)


def test_stdin_that_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"some text")))
    with open_file("-") as opened:
        assert opened.content.read() == b"some text"


def test_urls_by_fsspec() -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe("/texts/b.csv.gz", gzip.compress(b"text\nb\n"))
    system.pipe("/texts/a.csv.gz", gzip.compress(b"text\na\n"))
    try:
        files = find_files(["memory://texts/*.csv.gz"])
        assert [(file.name, file.format) for file in files] == [("a.csv.gz", "csv"), ("b.csv.gz", "csv")]
        with open_file(files[0].path) as opened:
            assert opened.content.read() == b"text\na\n"
        with pytest.raises(InputError, match="there is no file memory://texts/none"):
            find_files(["memory://texts/none.csv"])
        with pytest.raises(InputError, match="nosuch"):
            find_files(["nosuch://bucket/a.csv"])
    finally:
        system.rm("/texts", recursive=True)
