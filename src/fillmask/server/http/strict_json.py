"""JSON bodies, read strictly and in bounded time.

What two parsers could understand differently is refused. A parser needs a
hundred times as long for a megabyte of empty lists as for a megabyte of text,
and holds the event loop meanwhile; so depth and number of values are counted
first, in time that grows with the bytes alone and ends where there are too many.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NoReturn

from fillmask.server.errors import ApiError, LimitError

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'  # to the end of the body where it does not end
_SHORT = 256  # bytes that cannot hold enough values to matter


def parse(body: bytes, *, max_depth: int, max_values: int) -> Any:
    """The value of a JSON body.

    Raises:
        ApiError: it is no JSON, or has NaN, Infinity, a number too long to read, or a key twice in an object.
        LimitError: too many values, or lists and objects too deep inside each other.
    """
    if len(body) > min(_SHORT, max_depth, max_values):
        check_structure(body, max_depth=max_depth, max_values=max_values)
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ApiError("invalid_json", f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        message = "the body is empty; expected a JSON object" if not body.strip() else f"the body is not JSON: {error}"
        raise ApiError("invalid_json", message) from error
    except RecursionError as error:
        raise _too_deep(max_depth) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise ApiError("invalid_json", "the body has a number of too many digits") from error


def check_structure(body: bytes, *, max_depth: int, max_values: int) -> None:
    """Count the values and the depth of a body that may be no JSON at all.

    Counting ends where the body is no JSON: a parser gets no further either.

    Raises:
        LimitError: too many values, or lists and objects too deep inside each other.
    """
    too_many, next_bracket = _patterns(max_values)
    depth = position = 0
    for _ in range(2 * max_values):
        match = next_bracket.match(body, position)
        if match is None:
            break
        position = match.end()
        depth += 1 if match[1] in b"[{" else -1
        if depth > max_depth:
            raise _too_deep(max_depth)
        if depth < 1:
            break
    if too_many.match(body):
        raise LimitError("max_json_values", max_values, f"the body has more than {max_values:,} values and keys")


@functools.cache
def _patterns(max_values: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Patterns for the beginning of a body with more values and keys, and for what goes before a bracket.

    Each value but the first, and each key, follows a sign. Between two signs there is at most a string or a number with
    white space on both sides, and closing brackets.
    """
    between = rb"(?:[^\"\[{,:]++|" + _STRING + rb"){0,3}+"
    outside = rb"(?:[^\"\[\]{},:]++|" + _STRING + rb"){0,3}+"
    return (
        re.compile(b"(?:%b[\\[{,:]){%d}" % (between, max_values + 1), re.DOTALL),
        re.compile(b"(?:%b[,:]){0,%d}+%b([\\[\\]{}])" % (outside, max_values, outside), re.DOTALL),
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys: set[str] = set()
        twice = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        raise ApiError("invalid_json", f"the key {twice[:60]!a} comes twice in an object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ApiError("invalid_json", f"the body has {name}, which is not JSON")


def _too_deep(max_depth: int) -> LimitError:
    return LimitError(
        "max_json_depth", max_depth, f"the body has more than {max_depth} lists or objects inside each other"
    )
