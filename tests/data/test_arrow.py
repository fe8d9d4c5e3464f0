"""Arrow types of several files are reconciled, or refused with both files; values are JSON's."""

import datetime
from decimal import Decimal
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="needs the data extra")

from fillmask.data.arrow import common_schema, conform, json_values
from fillmask.errors import InputError

WORDS = pa.dictionary(pa.int8(), pa.string())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.uint8(), pa.int16(), pa.int16()),
        (pa.int64(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.string(), WORDS, pa.string()),
        (WORDS, pa.dictionary(pa.int32(), pa.large_string()), pa.large_string()),
        (pa.dictionary(pa.int32(), pa.int64()), pa.int64(), pa.int64()),
        (pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("ns")),
        (pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "UTC")),
        (pa.decimal128(5, 2), pa.int64(), pa.decimal128(22, 2)),
        (pa.list_(pa.int32()), pa.large_list(pa.int64()), pa.large_list(pa.int64())),
        (pa.struct([("a", pa.int32())]), pa.struct([("b", WORDS), ("a", pa.int64())]), pa.struct([("a", pa.int64()), ("b", WORDS)])),
    ],
)  # fmt: skip
def test_types_that_are_reconciled(first: Any, second: Any, expected: Any) -> None:
    schema = common_schema([("a", pa.schema([("x", first)])), ("b", pa.schema([("x", second)]))])
    assert schema.field("x").type == expected
    for kind in (first, second):
        table, problems = conform(pa.table({"x": pa.array([None, None], kind)}), schema)
        table.validate()
        assert table.column("x").to_pylist() == [None, None]
        assert not problems


@pytest.mark.skipif(not hasattr(pa, "string_view"), reason="this pyarrow has no string views")
def test_views_are_plain_strings() -> None:
    schema = common_schema([("a", pa.schema([("x", pa.string_view())]))])
    assert schema.field("x").type == pa.string()
    table, _ = conform(pa.table({"x": pa.array(["long enough to be no inline string"], pa.string_view())}), schema)
    assert table.column("x").to_pylist() == ["long enough to be no inline string"]
    assert json_values(pa.array(["a", None], pa.string_view())) == ["a", None]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.string(), pa.int64()),
        (pa.bool_(), pa.int8()),
        (pa.binary(), pa.string()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.list_(pa.string()), pa.string()),
        (pa.struct([("a", pa.int32())]), pa.struct([("a", pa.string())])),
    ],
)
def test_types_that_are_not_are_one_line_with_both_files(first: Any, second: Any) -> None:
    schemas = [
        (f"{name}.parquet", pa.schema([("x", kind)])) for name, kind in (("a", first), ("b", first), ("c", second))
    ]
    with pytest.raises(InputError, match=r"the column 'x' is .* in a\.parquet and .* in c\.parquet; expected") as error:
        common_schema(schemas)
    assert "\n" not in str(error.value)


def test_order_nullability_and_missing_columns() -> None:
    first = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.string())])
    second = pa.schema(
        [pa.field("c", pa.bool_()), pa.field("b", pa.string(), nullable=False), pa.field("a", pa.int64())]
    )
    schema = common_schema([("1", first), ("2", second)])
    assert schema == pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.bool_())])
    table, _ = conform(pa.table({"c": [True], "b": ["x"], "a": [1]}), schema)
    assert table.to_pylist() == [{"a": 1, "b": "x", "c": True}]
    table, _ = conform(pa.table([pa.array([1], pa.int32()), pa.array(["x"])], schema=first), schema)
    assert table.to_pylist() == [{"a": 1, "b": "x", "c": None}]


def test_a_value_that_does_not_fit_is_its_rows_matter() -> None:
    schema = common_schema([("a", pa.schema([("x", pa.int64())])), ("b", pa.schema([("x", pa.float64())]))])
    table, problems = conform(pa.table({"x": [1, (1 << 60) + 1, None]}), schema)
    assert table.column("x").to_pylist() == [1.0, None, None]
    assert problems == {1: "the value of 'x' does not fit double, its type in all files"}


def test_structs_in_lists_get_the_fields_of_all_files() -> None:
    a, b = pa.list_(pa.struct([("a", pa.int32())])), pa.large_list(pa.struct([("b", WORDS)]))
    schema = common_schema([("1", pa.schema([("x", a)])), ("2", pa.schema([("x", b)]))])
    column = pa.chunked_array([pa.array([[{"a": 1}], None, [], [{"a": 2}, None]], a)]).slice(1)
    table, _ = conform(pa.table({"x": column}), schema)
    table.validate(full=True)
    assert table.column("x").to_pylist() == [None, [], [{"a": 2, "b": None}, None]]


_FAR = 10**8  # days: years that Python's dates do not have


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([_FAR, None, -_FAR], pa.date32(), ["+275760-09-13", None, "-271821-04-20"]),
        ([86_400_000, None, 0], pa.date64(), ["1970-01-02", None, "1970-01-01"]),
        ([1, None, -1], pa.timestamp("ns"), ["1970-01-01T00:00:00.000000001", None, "1969-12-31T23:59:59.999999999"]),
        ([_FAR * 86_400, None, 0], pa.timestamp("s"), ["+275760-09-13T00:00:00", None, "1970-01-01T00:00:00"]),
        ([1_500, None, 0], pa.timestamp("ms", "Europe/Berlin"), ["1970-01-01T00:00:01.500Z", None, "1970-01-01T00:00:00Z"]),
        ([3_600_000, None, 1], pa.time32("ms"), ["01:00:00", None, "00:00:00.001"]),
        ([1, None, 0], pa.time64("ns"), ["00:00:00.000000001", None, "00:00:00"]),
        ([-1_500, None, 0], pa.duration("ms"), ["-PT1.5S", None, "PT0S"]),
        ([b"ab", None, b""], pa.binary(), ["YWI=", None, ""]),
        ([Decimal("1.50"), None, Decimal(0)], pa.decimal128(5, 2), ["1.50", None, "0.00"]),
        ([1.5, None, float("nan")], pa.float64(), [1.5, None, None]),
        ([[_FAR], None, []], pa.list_(pa.date32()), [["+275760-09-13"], None, []]),
        ([{"a": b"x"}, None, {"a": None}], pa.struct([("a", pa.binary())]), [{"a": "eA=="}, None, {"a": None}]),
        ([[("k", 1)], None, []], pa.map_(pa.string(), pa.timestamp("s")), [[["k", "1970-01-01T00:00:01"]], None, []]),
        (["a", None, "b"], WORDS, ["a", None, "b"]),
    ],
)  # fmt: skip
def test_values_as_json_has_them(values: list[Any], kind: Any, expected: list[Any]) -> None:
    array = pa.array(values, kind)
    assert json_values(array) == expected
    assert json_values(array.slice(1)) == expected[1:]
    assert json_values(pa.chunked_array([array, array.slice(2)])) == expected + expected[2:]


def test_dates_are_those_of_python_where_it_has_them() -> None:
    days = [datetime.date(year, 2, 28) for year in (1, 1582, 1900, 2000, 9999)]
    assert json_values(pa.array(days)) == [day.isoformat() for day in days]
