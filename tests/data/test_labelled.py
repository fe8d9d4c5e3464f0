"""Tables of texts and labels: every format, what is passed over, and what is refused."""

import bz2
import csv
import gzip
import json
import lzma
from pathlib import Path

import pytest

from fillmask.errors import CorpusError, InputError
from fillmask.training.labelled import Columns, Example, Labelled, labels_of, read_labelled, split

ROWS = [
    {"text": "One, two", "label": "even", "more": "x"},
    {"text": 'It is "three"', "label": "odd", "more": "y"},
    {"text": "Vier\nund fünf", "label": "odd", "more": "z"},
]
EXPECTED = tuple(Example(row["text"], None, row["label"]) for row in ROWS)


def write(path: Path, rows: list[dict[str, object]] = ROWS) -> Path:  # type: ignore[assignment]
    opener = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}.get(path.suffix, open)
    kind = path.suffixes[0]
    with opener(path, "wt", encoding="utf-8", newline="") as out:
        if kind == ".jsonl":
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(out, list(rows[0]), delimiter="\t" if kind == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz", "a.jsonl.xz", "a.csv.bz2"])
def test_formats(name: str, tmp_path: Path) -> None:
    assert read_labelled(write(tmp_path / name)).examples == EXPECTED


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert read_labelled(path).examples == EXPECTED
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(CorpusError, match="is not a whole Parquet file"):
        read_labelled(path)


def test_a_spreadsheets_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\nOne,a\r\nTwo,b\r\n")
    assert read_labelled(path).counts == {"a": 1, "b": 1}


def test_pairs_and_other_columns(tmp_path: Path) -> None:
    found = read_labelled(write(tmp_path / "a.csv"), Columns("more", "label", "text"))
    assert found.examples[0] == Example("x", "One, two", "even")


def test_numbers_are_labels(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"Row {n}", "label": n} for n in (10, 9, 0, 10)]
    found = read_labelled(write(tmp_path / "a.jsonl", rows))
    assert labels_of(found) == ("0", "9", "10")


def test_what_only_looks_like_numbers_is_sorted_by_the_alphabet() -> None:
    for names in (("--1", "1"), ("-", "1"), ("1", "9" * 5000)):
        assert labels_of(Labelled(tuple(Example("Text", None, name) for name in names))) == tuple(sorted(names))
    assert labels_of(Labelled(tuple(Example("Text", None, name) for name in ("10", "-2", "01", "1")))) == (
        "-2",
        "01",
        "1",
        "10",
    )


def test_texts_as_long_as_chapters(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "word " * 60_000, "label": "a"}]
    assert len(read_labelled(write(tmp_path / "a.csv", rows)).examples[0].text) == 299_999


def test_rows_that_lack_something_are_named(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"Row {n}", "label": "ab"[n % 2]} for n in range(12)]
    for n in (1, 3, 4, 5, 6, 9):
        rows[n]["text"] = "  "
    rows[8]["label"] = None
    found = read_labelled(write(tmp_path / "a.jsonl", rows))
    assert (found.empty, found.unlabelled) == ((2, 4, 5, 6, 7, 10), (9,))
    assert found.complaints() == ["6 rows (rows 2, 4, 5, 6, 7, …) have no text", "1 row (row 9) has no label"]
    assert len(found.examples) == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,stars\nGood,5\n", r"has no column 'label'; its columns: text, stars"),
        ("a.csv", b"a,b\nGood,5\n", r"has no column 'text' or 'label'"),
        ("a.csv", b"text,label\n", "has no example: it has no rows"),
        ("a.csv", b"", "has no example: it has no rows"),
        ("a.csv", b"text,label\nGood,\nBad,\n", r"has no example: 2 rows \(rows 1, 2\) have no label"),
        ("a.csv", b"text,label\n\x89PNG\xff\xfe,3\n", "line 2: not UTF-8 in 'text': byte 0x89 at 0"),
        ("a.csv", b'text,label\n"Good" bread,5\n', "line 2: not CSV"),
        ("a.csv.gz", b"text,label\n", "cannot read"),
        ("a.jsonl", b'{"text": "Good", "label": "a"}\n{"text"\n', "line 2: not JSON"),
        (
            "a.csv",
            b'text,label\n"Good\nbread",a\nBad, bread,b\n',
            r"a.csv, line 4: the row has 3 fields; expected 2 as in the heading",
        ),
        ("a.csv", b"text,label\n\nGood\n", r"line 3: the row has 1 field; expected 2"),
        ("a.tsv", b"text\tlabel\tlabel\nGood\ta\tb\n", "has two columns 'label'; expected names that differ"),
        ("a.jsonl", b'{"text": "Good", "label": "a"}\n' + b"[" * 100_000 + b"\n", "line 2: not JSON"),
        ("a.jsonl", b'{"text": ["Good"], "label": "a"}\n', "row 1: 'text' is a list; expected text"),
        ("a.jsonl", b'{"text": "Good", "label": {"a": 1}}\n', "row 1: 'label' is a dict; expected text"),
        ("a.jsonl", b'{"text": "Good \\ud800", "label": "a"}\n', "row 1: 'text' holds half of a surrogate pair"),
        ("a.jsonl", b"[1]\n", "line 1: the JSON is a list; expected an object"),
        ("a.xlsx", b"PK", "ends in '.xlsx'; expected one of .csv, .tsv"),
    ],
)
def test_what_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        read_labelled(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot read"):
        read_labelled(tmp_path / "no.csv")


def test_one_label_is_not_enough() -> None:
    table = Labelled(tuple(Example(f"Text {n}", None, "good") for n in range(7)))
    with pytest.raises(CorpusError, match="all 7 rows have the label 'good'; expected two labels or more"):
        labels_of(table)


def test_the_split_is_by_the_text() -> None:
    table = Labelled(tuple(Example(f"Text {n % 900}", None, "ab"[n % 2]) for n in range(1000)))
    train, judged = split(table, 0.2)
    assert len(train.examples) + len(judged.examples) == 1000
    assert 150 < len(judged.examples) < 250
    assert not {e.text for e in train.examples} & {e.text for e in judged.examples}
    assert split(table, 0.2) == (train, judged)
    assert split(table, 0.2, seed=1) != (train, judged)
    # A row stays on its side when others come.
    more, _ = split(Labelled((*table.examples, Example("New", None, "a"))), 0.2)
    assert more.examples[: len(train.examples)] == train.examples


def test_splits_that_cannot_be() -> None:
    table = Labelled((Example("One", None, "a"), Example("Two", None, "b")))
    with pytest.raises(InputError, match="expected a number between 0 and 1"):
        split(table, 1.0)
    with pytest.raises(CorpusError, match=r"too few examples of 'a' .*--seed.*--validation"):
        split(table, 0.0001)


def examples(**counts: int) -> Labelled:
    return Labelled(
        tuple(Example(f"{label} {n}", None, label) for label, count in counts.items() for n in range(count))
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 0.9])
def test_the_split_has_the_share_of_each_label(share: float, seed: int) -> None:
    table = examples(frequent=400, some=40, rare=3, pair=2)
    train, judged = split(table, share, seed)
    for label, count in table.counts.items():
        assert judged.counts[label] == min(max(1, round(share * count)), count - 1)
        assert train.counts[label] + judged.counts[label] == count


def test_texts_that_come_twice_are_on_one_side_whatever_their_labels() -> None:
    rows = [Example(f"Text {n % 30}", None, "abc"[n % 3]) for n in range(120)]
    rows += [Example(f"Text {n}", None, "abc"[(n + 1) % 3]) for n in range(10)]
    for seed in range(10):
        train, judged = split(Labelled(tuple(rows)), 0.2, seed)
        assert not {e.text for e in train.examples} & {e.text for e in judged.examples}
        assert set(train.counts) == set(judged.counts) == set("abc")


def test_a_label_that_cannot_be_on_both_sides_is_named() -> None:
    with pytest.raises(CorpusError, match=r"too few examples of 'lone' \(1\) .*--seed.*--validation"):
        split(examples(frequent=50, lone=1), 0.15)
    twice = Labelled((*examples(frequent=50).examples, Example("same", None, "lone"), Example("same", None, "lone")))
    with pytest.raises(CorpusError, match=r"'lone' \(2\)"):
        split(twice, 0.15)


def test_unquoted_tables_arrays_and_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"A gem\tgood\nDull\tbad\nA "gem"\tgood\nWorst"\tbad\n')
    table = read_labelled(path)
    assert table.counts == {"bad": 2, "good": 2}
    assert "quotes are read as text" in table.warnings[0]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS, indent=2), "utf-8")
    assert read_labelled(path).examples == EXPECTED
    path = tmp_path / "a.csv"
    path.write_bytes("text;label;;\nolé;a;;\n".encode("utf-16"))
    assert read_labelled(path).examples == (Example("olé", None, "a"),)


def test_a_file_that_was_cut_off_is_no_shorter_table(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the data extra")
    data = "text,label\n" + "".join(f"Text {n},{n % 2}\n" for n in range(5000))
    for suffix, compress in ((".zst", zstandard.compress), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)):  # fmt: skip
        path = tmp_path / f"a.csv{suffix}"
        path.write_bytes(compress(data.encode())[:-20])
        with pytest.raises(CorpusError, match="cut off"):
            read_labelled(path)
