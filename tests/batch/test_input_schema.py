"""All inputs are looked at before the first shard: what they have in common, and what is said where they have not."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillmask import InputError
from fillmask.batch.rows import RowSelection
from fillmask.batch.shards import ShardReader, plan_shards
from fillmask.data.files import find_files
from fillmask.data.text import ReadOptions

Write = Callable[[str, Any], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of its name's format and returns its path."""

    def write(name: str, content: Any) -> str:
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in content))
        else:
            pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
            import pyarrow.parquet as pq

            pq.write_table(content, path)
        return str(path)

    return write


def read(*paths: str, typed: bool = False, size: int = 1000, options: ReadOptions | None = None, **selection: Any) -> tuple[dict[str, str], list[Any], list[str]]:  # fmt: skip
    """The types of the carried columns, the rows, and the reasons of the rejects."""
    plan, readers = plan_shards(find_files(paths), RowSelection(**selection), size, options or ReadOptions(), typed=typed)  # fmt: skip
    reader = ShardReader(plan, readers)
    rows, reasons = [], []
    for shard in reader.shards():
        rows += shard.carried.records()
        reasons += [reject.reason for reject in shard.rejects]
    reader.close()
    return dict(plan.schema.types), rows, reasons


@pytest.mark.parametrize("blank", ["", "\n\n  \n"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv"])
def test_a_blank_file_has_no_say(write: Write, suffix: str, blank: str) -> None:
    body = {"jsonl": '{"text": "a", "n": "1"}\n', "csv": "text,n\na,1\n", "tsv": "text\tn\na\t1\n"}[suffix]
    types, rows, reasons = read(write(f"a.{suffix}", blank), write(f"b.{suffix}", body), typed=True)
    assert types == {"text": "string", "n": "string"}
    assert rows == [{"text": "a", "n": "1"}]
    assert not reasons


def test_csv_files_with_their_columns_in_another_order(write: Write) -> None:
    paths = write("a.csv", "text,n\na,1\n"), write("b.csv", "more;n;text\nx;2;b\n")
    types, rows, _ = read(*paths)
    assert list(types) == ["text", "n", "more"]
    assert rows == [{"text": "a", "n": "1"}, {"more": "x", "n": "2", "text": "b"}]


def test_json_lines_have_the_types_of_all_files(write: Write) -> None:
    paths = (
        write("a.jsonl", [{"text": "a", "n": 1, "x": None, "m": 1}]),
        write("b.jsonl", [{"text": "b", "n": 2.5, "x": True, "m": "one", "new": 1}]),
    )
    types, rows, reasons = read(*paths, typed=True)
    assert types == {"text": "string", "n": "double", "x": "bool", "m": "json", "new": "int64"}
    assert len(rows) == 2
    assert not reasons


def test_what_a_later_file_lacks_is_said_before_any_row_is_read(write: Write) -> None:
    good = write("a.csv", "id,text\n1,a\n")
    for name, content, message in (
        ("b.csv", "id,said\n2,b\n", r"b\.csv has no column 'text'; it has id, said: name one with --text-column"),
        ("c.csv", "text\nb\n", r"c\.csv has no column 'id'"),
        ("d.csv", "id,text,score\n1,a,2\n", r"d\.csv has a column 'score', which the answers have too"),
        ("e.csv", "id,text,text\n1,a,2\n", r"e\.csv has two columns 'text'"),
    ):
        with pytest.raises(InputError, match=message):
            read(good, write(name, content), id="id", reserved=frozenset({"score"}))
    with pytest.raises(InputError, match=r"none of the 2 inputs has a column 'more'"):
        read(good, write("b.csv", "id,text\n2,b\n"), columns=("text", "more"))
    with pytest.raises(InputError, match=r"none of the first 1 rows of .*g\.jsonl can be used: there is no 'text'"):
        read(write("f.jsonl", [{"text": "a"}]), write("g.jsonl", [{"said": "b"}]))


def test_columns_that_are_not_carried_may_be_what_they_like(write: Write) -> None:
    paths = write("a.csv", "text,x,x\na,1,2\n"), write("b.csv", "score,text\n1,b\n")
    assert read(*paths, columns=("text",), reserved=frozenset({"score"}))[1] == [{"text": "a"}, {"text": "b"}]


def test_parquet_files_are_reconciled(write: Write) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    first = pa.table({"text": ["a"], "n": pa.array([1], pa.int32()), "word": pa.array(["x"]).dictionary_encode()})
    second = pa.table({"n": pa.array([2, None], pa.int64()), "text": pa.array(["b", "c"], pa.large_string()), "word": ["y", None], "more": [True, False]})  # fmt: skip
    empty = pa.table({"said": pa.array([], pa.null())})
    for size in (1, 1000):
        types, rows, _ = read(
            write("a.parquet", empty), write("b.parquet", first), write("c.parquet", second), size=size
        )
        assert types == {"text": "large_string", "n": "int64", "word": "string", "more": "bool"}
        assert rows == [
            {"text": "a", "n": 1, "word": "x", "more": None},
            {"text": "b", "n": 2, "word": "y", "more": True},
            {"text": "c", "n": None, "word": None, "more": False},
        ]


def test_a_number_that_the_common_type_cannot_hold_is_a_reject(write: Write) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    paths = write("a.parquet", pa.table({"text": ["a", "b"], "n": [1, (1 << 60) + 1]})), write("b.parquet", pa.table({"text": ["c"], "n": [0.5]}))  # fmt: skip
    _, rows, reasons = read(*paths)
    assert [row["n"] for row in rows] == [1.0, 0.5]
    assert reasons == ["the value of 'n' does not fit double, its type in all files"]


def test_parquet_files_that_have_nothing_in_common(write: Write) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    paths = write("a.parquet", pa.table({"text": ["a"], "n": [1]})), write("b.parquet", pa.table({"text": ["b"], "n": ["1"]}))  # fmt: skip
    with pytest.raises(InputError, match=r"column 'n' is int64 in .*a\.parquet and string in .*b\.parquet"):
        read(*paths)
    assert len(read(*paths, columns=("text",))[1]) == 2


def test_what_is_to_be_said_about_a_file_is_a_warning(write: Write) -> None:
    path = write("a.tsv", 'text\tn\n"open\t1\nfine\t2\n')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, rows, _ = read(path)
    assert [str(warning.message).split(": ")[1][:23] for warning in caught] == ["quotes are read as text"]
    assert len(rows) == 2


def test_encodings_and_quotes_of_a_job(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('text\n"olé\n'.encode("latin-1"))
    options = ReadOptions(encoding="latin-1", quote="none")
    assert read(str(tmp_path / "a.csv"), options=options)[1] == [{"text": '"olé'}]
    assert options.identity() == {"encoding": "latin-1", "quote": "none"}
