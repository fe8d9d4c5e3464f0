"""Rows of a shard: what becomes a reject, and how shards are put together and taken apart."""

import json
from typing import Any

import pytest

from fillmask.batch.rows import Reject, RowSelection, ShardRows, parse
from fillmask.data.records import Record

VALUES = [{"text": f"text {n}", "id": n, "more": [n]} for n in range(4)]


def rows_of(*values: dict[str, Any] | None, shard: int = 0, row: int = 0, **selection: Any) -> ShardRows:
    records = [Record(line, value) for line, value in enumerate(values, start=row + 1)]
    return parse(records, RowSelection(**selection), shard=shard, row=row, file="in.jsonl")


def test_rows_keep_numbers_lines_and_ids() -> None:
    rows = rows_of(VALUES[0], None, VALUES[1], row=10, id="id", columns=("more",))
    assert (rows.count, rows.numbers, rows.texts, rows.ids) == (3, [10, 12], ["text 0", "text 1"], [0, 1])
    assert rows.lines == [("in.jsonl", 11), ("in.jsonl", 13)]
    assert rows.carried.records() == [{"more": [0]}, {"more": [1]}]


@pytest.mark.parametrize(
    ("values", "selection", "reason"),
    [
        ({"id": 1}, {}, "there is no 'text'"),
        ({"text": None}, {}, "'text' is null"),
        ({"text": 7}, {}, "'text' is an int; expected text"),
        ({"text": "a\ud800"}, {}, "'text' has a lone surrogate at character 1"),
        ({"text": "a", "x": ["\udfff"]}, {}, "'x' has a lone surrogate"),
        ({"text": "a", "row": 1}, {"reserved": frozenset({"row"})}, "there is a column 'row' already"),
        ({"text": "a", "new": 1}, {"types": {"text": "string"}}, "there is a column 'new', which the first rows have not"),
        ({"text": "a", "n": float("nan")}, {"types": {"text": "string", "n": "int64"}}, "'n' is null, and the first rows have int64"),
        ({"text": "a", "n": (1 << 53) + 1}, {"types": {"text": "string", "n": "double"}}, "the first rows have double there"),
    ],
)  # fmt: skip
def test_rows_that_are_no_use(values: dict[str, Any], selection: dict[str, Any], reason: str) -> None:
    rows = rows_of(VALUES[0] | {"n": 1} if "types" in selection and "n" in values else {"text": "fine"}, values, **{"columns": None, **selection})  # fmt: skip
    assert [reject.row for reject in rows.rejects][-1] == 1
    assert reason in rows.rejects[-1].reason


def test_lists_nested_too_deep_are_a_reject() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    rows = rows_of({"text": "a", "x": nested}, VALUES[0])
    assert [reject.reason for reject in rows.rejects] == ["'x' has lists or objects that are nested too deep"]
    while nested:  # deleting it as a whole would end the process
        nested = nested.pop()


def test_failures_become_rejects_in_their_place() -> None:
    rows = rows_of(*VALUES, {"text": None}, id="id")
    answered = rows.without({0: "first", 2: "third"})
    assert answered.numbers == [1, 3]
    assert [(r.row, r.id, r.line, r.reason) for r in answered.rejects] == [(0, 0, 1, "first"), (2, 2, 3, "third"), (4, None, 5, "'text' is null")]  # fmt: skip
    assert answered.carried.records() == [VALUES[1], VALUES[3]]
    assert rows.without({}) is rows


def test_a_shard_of_two_files() -> None:
    rows = rows_of(*VALUES[:2]).and_then(rows_of(*VALUES[2:], row=2))
    assert (rows.count, rows.numbers) == (4, [0, 1, 2, 3])
    assert rows.carried.records() == VALUES


def test_a_reject_is_a_line_of_standard_json() -> None:
    line = Reject(1, float("inf"), "in.txt", 2, "why", "é" * 300).to_json()
    assert line.isascii()
    found = json.loads(line)
    assert (found["id"], len(found["text"])) == (None, 201)
