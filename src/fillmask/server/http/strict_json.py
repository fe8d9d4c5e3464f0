"""JSON bodies, read strictly and in bounded time.

What two parsers could understand differently is refused. A parser needs a
hundred times as long for a megabyte of empty lists as for a megabyte of text,
and holds the event loop meanwhile; so depth and number of values are counted
first, in time that grows with the bytes alone and ends where there are too many.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from fillmask.server.errors import ApiError, LimitError

# Every character of a body belongs to one match: a string, whether it ends or not; a sign; or what stands between them.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},:]|[^"\[\]{},:]++', re.DOTALL)
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

    Raises:
        LimitError: too many values, or lists and objects too deep inside each other.
    """
    depth = signs = 0
    # JSON with so many signs has at most a value and some white space between any two of them.
    max_tokens = 5 * max_values
    for number, match in enumerate(_TOKENS.finditer(body)):
        first = body[match.start()]
        if first in b",:":
            signs += 1
        elif first in b"[{":
            depth += 1
            signs += 1
            if depth > max_depth:
                raise _too_deep(max_depth)
        elif first in b"]}":
            depth -= 1
        if signs > max_values or number > max_tokens:
            raise LimitError("max_json_values", max_values, f"the body has more than {max_values:,} values and keys")


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
