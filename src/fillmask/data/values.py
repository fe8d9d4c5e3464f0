"""Values of rows: their column types, and their standard form in JSON.

JSON has no NaN, bytes, dates, or decimals. They are written as other tools write them: NaN and infinities as null, bytes
in Base64, dates and times in ISO 8601, decimals and UUIDs as text. Knows values, not files.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

JSON = "json"  # lists, objects, and mixtures are written as the text of their JSON
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT = 1 << 53  # beyond it, a double does not hold every integer


def type_with_article(value: Any) -> str:
    """The type of a value with its article, as messages name it."""
    if value is None:
        return "null"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def counted(count: int, noun: str) -> str:
    """A number of things: 1 row, 2 rows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def json_text(value: Any, *, ascii_only: bool = False) -> str:
    """A value as JSON that every parser reads; see the module for what stands for what JSON does not have.

    Raises:
        RecursionError: lists or objects are nested too deep.
    """
    try:
        return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(json_value(value), ensure_ascii=ascii_only, allow_nan=False)


def json_value(value: Any) -> Any:
    """A value whose parts are all JSON's own."""
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key if isinstance(key, str) else json_text(key): json_value(part) for key, part in value.items()}
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case Decimal():
            return format(value, "f") if value.is_finite() else None
        case uuid.UUID():
            return str(value)
        case datetime.datetime():
            return _datetime(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return iso_duration((value.days * 86_400 + value.seconds) * 10**6 + value.microseconds, 6)
        case Sequence() | set() | frozenset():
            return [json_value(part) for part in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return json_value(value.tolist())
    return str(value)


def _datetime(value: datetime.datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() + "Z"


def iso_date(days: int) -> str:
    """The ISO 8601 date of a day counted from 1970-01-01; years outside 0000 to 9999 have a sign and six digits."""
    # The calendar's 400 years have 146,097 days; they begin here on 1 March, so that a leap day comes last.
    era, day = divmod(days + 719_468, 146_097)
    year_of_era = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day_of_year = day - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = era * 400 + year_of_era + (month <= 2)
    shown = f"{year:04d}" if 0 <= year <= 9999 else f"{year:+07d}"
    return f"{shown}-{month:02d}-{day_of_year - (153 * shifted + 2) // 5 + 1:02d}"


def iso_time(value: int, digits: int) -> str:
    """The ISO 8601 time of a day; `value` counts units of 10^-digits seconds."""
    seconds, fraction = divmod(value, 10**digits)
    minutes, second = divmod(seconds, 60)
    shown = f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
    return f"{shown}.{fraction:0{digits}d}" if fraction else shown


def iso_timestamp(value: int, digits: int, zone: str | None) -> str:
    """The ISO 8601 time of an instant; with a time zone it is in UTC and ends in Z. `value` as for `iso_time`."""
    days, rest = divmod(value, 86_400 * 10**digits)
    return f"{iso_date(days)}T{iso_time(rest, digits)}{'' if zone is None else 'Z'}"


def iso_duration(value: int, digits: int) -> str:
    """The ISO 8601 duration in seconds; `value` as for `iso_time`."""
    seconds, fraction = divmod(abs(value), 10**digits)
    shown = f"{seconds}.{fraction:0{digits}d}".rstrip("0") if fraction else str(seconds)
    return f"{'-' if value < 0 else ''}PT{shown}S"


def kind_of(values: Sequence[Any]) -> str:
    """The type of a column with these values: bool, int64, double, string, or json (its text); null of none."""
    kinds = {_kind(value) for value in values if value is not None}
    if kinds <= {"int64", "double"} and "double" in kinds:
        exact = all(isinstance(value, float) or abs(value) <= _EXACT for value in values if value is not None)
        return "double" if exact else JSON
    return kinds.pop() if len(kinds) == 1 else JSON if kinds else "null"


def common_kind(first: str, second: str) -> str:
    """The type of a column that has one type in one file and another in another."""
    if second in (first, "null"):
        return first
    if first == "null":
        return second
    return "double" if {first, second} == {"int64", "double"} else JSON


def fits(value: Any, kind: str) -> bool:
    """Whether a value can stand in a column of this type."""
    if kind == "double":
        return isinstance(value, float) or (_kind(value) == "int64" and abs(value) <= _EXACT)
    return kind == JSON or _kind(value) == kind


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int64" if -(1 << 63) <= value < 1 << 63 else JSON
        case float():
            return "double"
        case str():
            return "string"
    return JSON


def has_surrogate(value: Any) -> bool:
    """Whether a text, or one in a list or an object, holds a lone surrogate, which no output can hold."""
    values = [value]  # a stack, since JSON may be nested deeper than calls
    while values:
        match values.pop():
            case str(text):
                if not text.isascii() and _SURROGATE.search(text):
                    return True
            case list(parts):
                values += parts
            case dict(parts):
                values += [*parts, *parts.values()]
    return False
