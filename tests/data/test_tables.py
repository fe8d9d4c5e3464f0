"""Tables: quotes, separators, headings, JSON in every shape; each row is read, or named with the reason."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.data.files import find_file
from fillmask.data.records import RowReader
from fillmask.data.tables import open_rows, read_records
from fillmask.data.text import ReadOptions
from fillmask.errors import InputError


def read(path: Path, content: str | bytes, *needed: str, **options: Any) -> tuple[list[Any], RowReader]:
    """The values of each row, or why it cannot be read."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    reader = open_rows(find_file(str(path)), ReadOptions(**options), needed=needed)
    try:
        records = reader.records(reader.take(10_000))
    finally:
        reader.close()
    return [record.values if record.problem is None else record.problem for record in records], reader


def texts(rows: list[Any]) -> list[str]:
    return [row["text"] for row in rows if isinstance(row, dict)]


@pytest.mark.parametrize(
    "lines",
    [
        ['"A gem, said the critic\t1', "Dull as dishwater\t0", 'He called it "a gem"\t1', 'Worst of the year"\t0'],
        ['"It was great.\t1', 'I would go again."\t1', "Never again.\t0"],  # valid where quotes enclose fields
        ["fine\t1", '"Open to the end\t0', "fine\t1"],
        ['"Good" is no word for it\t1', "fine\t0"],
        ['"one" and "two\t0', "fine\t1"],
        ['"Quoted whole."\t1', '"Open\t0'],  # read alike: the quotes of the first row are text, too
    ],
)
def test_tsv_whose_quotes_are_text_keeps_its_rows(tmp_path: Path, lines: list[str]) -> None:
    rows, reader = read(tmp_path / "a.tsv", "\n".join(["text\tlabel", *lines]))
    assert [f"{row['text']}\t{row['label']}" for row in rows] == lines
    assert "quotes are read as text" in reader.warnings[0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"with\ttab"\t1\n"two\nlines"\t0\n', ["with\ttab", "two\nlines"]),
        ('"two\nlines, then one"\t1\n\nfine\t0\n', ["two\nlines, then one", "fine"]),
        ('"he said ""no"""\t1\n', ['he said "no"']),
    ],
)
def test_tsv_whose_quotes_enclose_fields_is_read_as_such(tmp_path: Path, body: str, expected: list[str]) -> None:
    rows, reader = read(tmp_path / "a.tsv", "text\tlabel\n" + body)
    assert texts(rows) == expected
    assert not reader.warnings


def test_a_lone_quote_far_down_merges_nothing(tmp_path: Path) -> None:
    lines = [f"row {number}\t{number % 2}" for number in range(9000)]
    lines[7000] = f'"{lines[7000]}'
    rows, reader = read(tmp_path / "a.tsv", "\n".join(["text\tlabel", *lines]))
    assert len(rows) == 9000
    assert texts(rows)[7000] == '"row 7000'
    assert reader.warnings


@pytest.mark.parametrize(("option", "count"), [("csv", 1), ("none", 2)])
def test_quote_says_what_quotes_are(tmp_path: Path, option: str, count: int) -> None:
    rows, _ = read(tmp_path / "a.tsv", 'text\tlabel\n"a\t1\nb"\t1\n', quote=option)
    assert len(rows) == count


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", 'text\nfine\n"open\nmore\nmore\n', 3),
        ("a.csv", 'id,text\n1,"two\nlines"\n2,"open\n3,more\n', 4),
        ("a.csv", 'text,label\n"open\nthen "closed" badly,1\n', 2),
        ("a.csv", '"text,label\na,1\n', 1),
        ("a.tsv", 'text\n"open\nmore\n', 2),  # one column: nothing tells that quotes are text
    ],
)
def test_a_quote_that_is_not_closed_is_named_by_its_line(tmp_path: Path, name: str, content: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"{name}, line {line}: .*--quote none"):
        read(tmp_path / name, content)


def test_text_after_a_closing_quote_is_one_rows_matter(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", 'text,label\n"good" bread,1\nfine,2\n')
    assert rows == ["not CSV: a field in quotes has text after its closing quote", {"text": "fine", "label": "2"}]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_gives_the_columns(tmp_path: Path, separator: str) -> None:
    content = f'id{separator}text\n1{separator}"a, b; c"\n'
    for name in ("a.csv", "a.tsv"):
        assert texts(read(tmp_path / name, content, "text")[0]) == ["a, b; c"]


def test_separators_that_are_named(tmp_path: Path) -> None:
    assert texts(read(tmp_path / "a.csv", "sep=;\ntext;n\na,b;1\n")[0]) == ["a,b"]
    assert texts(read(tmp_path / "a.csv", "text~n\na,b~1\n", separator="~")[0]) == ["a,b"]


def test_columns_without_a_name_do_no_harm(tmp_path: Path) -> None:
    rows, reader = read(tmp_path / "a.csv", "v1,v2,,,\nham,see you,,,\nspam,win,more,,\n")
    assert rows == [{"v1": "ham", "v2": "see you"}, {"v1": "spam", "v2": "win"}]
    assert reader.warnings == [f"{tmp_path / 'a.csv'} has 3 columns without a name, which are left out"]
    assert read(tmp_path / "a.csv", ",text\n0,a\n1,b\n")[0] == [{"text": "a"}, {"text": "b"}]  # an index of pandas


def test_fields_beyond_the_heading(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.csv", "a,b\n1,2,,\n1,2,3\n1\n \n\n")
    assert rows == [
        {"a": "1", "b": "2"},
        "the row has 3 fields; expected 2 as in the heading",
        "the row has 1 field; expected 2 as in the heading",
        None,
        None,
    ]


def test_blank_files_and_lines_before_the_heading(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "")[1].columns == []
    assert read(tmp_path / "a.csv", "\n  \n\n")[1].columns == []
    assert read(tmp_path / "a.csv", "\r\n\r\ntext\r\na\r\n")[0] == [{"text": "a"}]
    assert read(tmp_path / "a.csv", b"\xef\xbb\xbftext\ra\rb\r")[0] == [
        {"text": "a"},
        {"text": "b"},
    ]  # old Mac line ends


_CELL = st.text(st.sampled_from('ab",;\n\té '), max_size=6)


@given(rows=st.lists(st.tuples(_CELL, _CELL, _CELL), max_size=8), separator=st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], separator: str) -> None:  # fmt: skip
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("x", "text", "z"), *rows])
    found, _ = read(tmp_path_factory.mktemp("csv") / "a.csv", written.getvalue(), "text", quote="csv")
    assert [tuple(row.values()) for row in found] == rows


OBJECTS = [{"text": "a", "n": [1, {"x": None}]}, {"text": 'b\n"[{', "n": 2.5}, {"text": "é" * 40_000}]


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_arrays_of_objects(tmp_path: Path, name: str, indent: int | None) -> None:
    assert read(tmp_path / name, json.dumps(OBJECTS, indent=indent))[0] == OBJECTS
    assert read(tmp_path / name, "\n \n" + json.dumps(OBJECTS, indent=indent, ensure_ascii=False) + "\n")[0] == OBJECTS


def test_objects_one_after_the_other(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", "\n".join(json.dumps(row, indent=2) for row in OBJECTS))[0] == OBJECTS
    assert read(tmp_path / "a.json", "\n".join(map(json.dumps, OBJECTS)))[0] == OBJECTS
    assert read(tmp_path / "a.json", "[]")[0] == []
    assert read(tmp_path / "a.json", "")[0] == []


def test_an_array_longer_than_a_line_may_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fillmask.data.text.LONGEST_LINE", 1000)
    rows = [{"text": f"row {number}"} for number in range(9000)]
    assert read(tmp_path / "a.json", json.dumps(rows))[0] == rows


def test_lines_that_are_no_objects_are_named_one_by_one(tmp_path: Path) -> None:
    rows, _ = read(tmp_path / "a.jsonl", '{"text": "a"}\n\n{"text"\n[1]\n{"text": "b"}\n' + "[" * 99_999)
    assert rows[:2] == [{"text": "a"}, None]
    assert rows[4] == {"text": "b"}
    assert [row[:24] for row in (rows[2], rows[3], rows[5])] == ["not JSON: Expecting ':' ", "the JSON is a list; expe", "not JSON: lists or objec"]  # fmt: skip
    assert read(tmp_path / "a.jsonl", '{"text"\n{"text": "b"}\n')[0][1] == {"text": "b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1},\n{"a": 2},', "ends within its JSON array"),
        ('[{"a": 1}\n', "ends within its JSON array"),
        ('[{"a": 1},\n{"a": tru}]', "line 2 is not JSON"),
        ('[{"a": 1}] and more', "line 1: text follows the end"),
        ('[{"a": "open', "line 1 is not JSON"),
    ],
)
def test_arrays_that_are_broken_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.json", content)


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=9), max_size=3), min_size=1, max_size=6),
    indent=st.none() | st.integers(0, 3),
)  # fmt: skip
def test_any_array_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], indent: int | None) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    assert read(path, json.dumps(rows, indent=indent, ensure_ascii=False).encode("utf-8", "replace"))[0] is not None
    assert read(path, json.dumps(rows, indent=indent))[0] == rows


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    rows = [{"text": "a, b", "label": "x"}, {"text": "c", "label": "y"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "a.csv").write_text('text,label\n"a, b",x\nc,y\n')
    (tmp_path / "a.tsv").write_text("text\tlabel\na, b\tx\nc\ty\n")
    names = ["a.jsonl", "a.json", "a.csv", "a.tsv"]
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        pass
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
        names.append("a.parquet")
    for name in names:
        assert [record.values for record in read_records(find_file(str(tmp_path / name)), ["text", "label"])] == rows
    with pytest.raises(InputError, match=r"a\.csv has no column 'said'; its columns: text, label"):
        list(read_records(find_file(str(tmp_path / "a.csv")), ["said"]))
