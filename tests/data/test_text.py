"""Encodings, byte order marks, and lines."""

import codecs
from pathlib import Path

import pytest

from fillmask.data.documents import CorpusFile, documents
from fillmask.data.lines import DamagedLine, read_lines
from fillmask.data.text import ReadOptions, damage, read_text
from fillmask.errors import CorpusError, InputError

TEXT = "naïve\r\nzweite Zeile €\n\n  \nlast"
LINES = ["naïve", "zweite Zeile €", "last"]


@pytest.mark.parametrize(
    ("mark", "encoding", "named"),
    [
        (b"", "utf-8", None),
        (codecs.BOM_UTF8, "utf-8", None),
        (codecs.BOM_UTF8, "utf-8", "cp1252"),  # a mark is stronger evidence than an option
        (codecs.BOM_UTF16_LE, "utf-16-le", None),
        (codecs.BOM_UTF16_BE, "utf-16-be", None),
        (codecs.BOM_UTF32_LE, "utf-32-le", None),
        (codecs.BOM_UTF32_BE, "utf-32-be", None),
        (b"", "utf-16-le", "utf-16-le"),
        (b"", "cp1252", "cp1252"),
    ],
)
def test_encodings(tmp_path: Path, mark: bytes, encoding: str, named: str | None) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(mark + TEXT.encode(encoding))
    assert list(read_lines(path, ReadOptions(encoding=named))) == LINES
    assert read_text(path, ReadOptions(encoding=named)) == TEXT
    parts = documents(CorpusFile(path, options=ReadOptions(encoding=named)))
    assert [part.text for part in parts] == ["naïve\nzweite Zeile €", "last"]


def test_bytes_that_the_encoding_does_not_have_are_one_lines_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n\xc3\xa9\xff bad\ngood\n")
    lines = list(read_lines(path))
    assert [type(line) for line in lines] == [str, DamagedLine, str]
    assert lines[1].reason.startswith("line 2 is not UTF-8: byte 0xff at 2; name the encoding with --encoding")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="line 2 is not UTF-8: byte 0xff at 2"):
        read_text(path)
    path.write_bytes(b"\x81 bad\ngood\n")
    assert [type(line) for line in read_lines(path, ReadOptions("cp1252"))] == [DamagedLine, str]
    path.write_bytes("good\nbad".encode("utf-16") + b"\x00\xd8")  # half of a pair at the end
    assert [type(line) for line in read_lines(path)] == [str, DamagedLine]


def test_utf16_without_a_mark_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("some text".encode("utf-16-le"))
    with pytest.raises(InputError, match="encoding must be named: --encoding utf-16-le"):
        list(read_lines(path))
    with pytest.raises(CorpusError, match="is a binary file"):
        list(documents(CorpusFile(path)))


def test_options_are_checked() -> None:
    for options, message in (
        ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
        ({"encoding": "base64"}, "there is no encoding 'base64'"),
        ({"quote": "maybe"}, "quote is 'maybe'"),
        ({"separator": ",,"}, "the separator is ',,'"),
    ):
        with pytest.raises(InputError, match=message):
            ReadOptions(**options)  # type: ignore[arg-type]


def test_damage() -> None:
    assert damage("fine é 😀") is None
    assert damage("é\udcff") == "not UTF-8: byte 0xff at 2"
    assert damage("\ud800") == "not UTF-8: a lone surrogate at character 0"


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fillmask.data.text.LONGEST_LINE", 100)
    path = tmp_path / "a.txt"
    path.write_text("one\n" + "long " * 100 + "\nthree\n", "utf-8")
    assert [type(line) for line in read_lines(path)] == [str, DamagedLine, str]
