"""JSON in bounded time: what has too many values or is too deep never reaches a parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.server.errors import ApiError, LimitError
from fillmask.server.http import strict_json

_MEGABYTE = 1 << 20
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=30,
)


def counted(value: Any) -> tuple[int, int]:
    """Values and keys below a value, and its depth."""
    if isinstance(value, list):
        inner = [counted(each) for each in value]
        return len(value) + sum(count for count, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    if isinstance(value, dict):
        inner = [counted(each) for each in value.values()]
        return 2 * len(value) + sum(count for count, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    return 0, 0


@given(_JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_it_is_and_counted_rightly(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    count, depth = counted(value)
    assert strict_json.parse(body, max_depth=max(depth, 1), max_values=2 * count + 10) == value
    if depth > 1:
        with pytest.raises(LimitError, match="max_json_depth"):
            strict_json.check_structure(body, max_depth=depth - 1, max_values=10**6)
    if count > 2:
        with pytest.raises(LimitError, match="max_json_values"):
            strict_json.check_structure(body, max_depth=10**6, max_values=count // 3)


@given(st.binary(max_size=300) | st.text(alphabet='"\\[]{},:1 \n').map(str.encode))
def test_any_bytes_are_counted_without_a_fall(body: bytes) -> None:
    try:
        strict_json.parse(body, max_depth=4, max_values=20)
    except (ApiError, LimitError):
        pass
    else:
        json.loads(body)


@pytest.mark.parametrize(
    "body",
    [b"[" * _MEGABYTE, b'{"a":' * (_MEGABYTE // 5), b"[" + b"[]," * (_MEGABYTE // 3), b"[" + b"1," * (_MEGABYTE // 2),
     b"[" + b'"",' * (_MEGABYTE // 3), b"1 [" * (_MEGABYTE // 3),
     b'{"inputs":"a","x":{' + b'"a":1,' * (_MEGABYTE // 6)],
    ids=["lists", "objects", "empty lists", "numbers", "strings", "junk", "keys"],
)  # fmt: skip
def test_a_megabyte_of_small_values_is_not_parsed(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json.json, "loads", lambda *_, **__: pytest.fail("the parser was called"))
    with pytest.raises(LimitError, match="max_json_"):
        strict_json.parse(body, max_depth=16, max_values=10_000)


@pytest.mark.parametrize(
    "body",
    [b'"' * _MEGABYTE, b'"" ' * (_MEGABYTE // 3), b"]" * _MEGABYTE, b'"a"1' * (_MEGABYTE // 4),
     b"[" * 10 + b'] "a" ] "b" ] "c" ] "d",' + b"[1]" * (_MEGABYTE // 3)],
    ids=["quotes", "strings", "brackets", "pairs", "after an error"],
)  # fmt: skip
def test_what_is_no_json_ends_where_it_is_none(body: bytes) -> None:
    """Neither the count nor the parser looks at the rest."""
    with pytest.raises(ApiError, match=r"not JSON: .*\(char \d{1,2}\)"):
        strict_json.parse(body, max_depth=16, max_values=10_000)
