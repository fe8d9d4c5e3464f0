"""JSON bodies, read strictly: what two parsers could understand differently is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from fillmask.server.errors import ApiError, LimitError


def parse(body: bytes, max_depth: int) -> Any:
    """The value of a JSON body.

    Raises:
        ApiError: it is no JSON, or has NaN, Infinity, a number too long to read, or a key twice in an object.
        LimitError: too many lists and objects inside each other.
    """
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise ApiError("invalid_json", f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        what = "the body is empty; expected a JSON object" if not body.strip() else f"the body is not JSON: {error}"
        raise ApiError("invalid_json", what) from error
    except RecursionError as error:
        raise LimitError(
            "max_json_depth", max_depth, "the body has lists or objects too deep inside each other"
        ) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise ApiError("invalid_json", "the body has a number of too many digits") from error
    if body.count(b"[") + body.count(b"{") > max_depth:
        _check_depth(found, max_depth)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ApiError("invalid_json", f"the key {twice[:60]!a} comes twice in an object")
    return found


def _constant(name: str) -> NoReturn:
    raise ApiError("invalid_json", f"the body has {name}, which is not JSON")


def _check_depth(value: Any, most: int) -> None:
    level = [value]
    depth = 0
    while level:
        level = [inner for outer in level if isinstance(outer, (list, dict))
                 for inner in (outer.values() if isinstance(outer, dict) else outer)]  # fmt: skip
        depth += 1
        if depth > most and level:
            raise LimitError(
                "max_json_depth", most, f"the body has more than {depth - 1} lists or objects inside each other"
            )
