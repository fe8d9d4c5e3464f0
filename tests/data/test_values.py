"""What JSON lacks has one standard form, whatever year or unit it is of, and whether or not pandas is installed."""

import datetime
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.data.values import common_kind, fits, iso_date, json_text, kind_of


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        ([1.5, float("inf"), {"a": float("-inf")}], [1.5, None, {"a": None}]),
        (b"\x00\xff", "AP8="),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("NaN"), None),
        (datetime.date(2026, 11, 28), "2026-11-28"),
        (datetime.datetime(2026, 11, 28, 12, 30), "2026-11-28T12:30:00"),
        (datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), "2026-11-28T10:00:00Z"),
        (datetime.time(1, 2, 3, 4), "01:02:03.000004"),
        (datetime.timedelta(days=1, milliseconds=5), "PT86400.005S"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, {2}), [1, [2]]),
        (10**400, 10**400),
    ],
)  # fmt: skip
def test_json_of_values(value: Any, expected: Any) -> None:
    assert strict(json_text({"value": value})) == {"value": expected}


@given(st.dates())
def test_dates_as_python_writes_them(date: datetime.date) -> None:
    assert iso_date((date - datetime.date(1970, 1, 1)).days) == date.isoformat()


def test_dates_that_python_does_not_have() -> None:
    assert iso_date(10**8) == "+275760-09-13"
    assert iso_date(-(10**8)) == "-271821-04-20"


def test_kinds_of_columns() -> None:
    assert kind_of([1, None, 2]) == "int64"
    assert kind_of([1, 2.5]) == "double"
    assert kind_of([1 << 54, 2.5]) == "json"  # a double would round it
    assert kind_of([1 << 64]) == "json"
    assert kind_of([True, 1]) == "json"
    assert kind_of([None]) == "null"
    assert common_kind("null", "bool") == "bool"
    assert common_kind("int64", "double") == "double"
    assert common_kind("int64", "string") == "json"
    assert fits(3, "double")
    assert not fits((1 << 53) + 1, "double")
    assert not fits(True, "int64")
