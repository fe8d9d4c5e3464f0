"""What the service refuses with, and how that is written.

Every error body is `{"error": …, "error_type": …, "request_id": …}`; every
type of error has one status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fillmask.errors import FillMaskError, InputError, NoMaskError, TargetsError, TextTooLongError

# Type of error to status. The first of `_INPUT_TYPES` that an InputError is of names its type.
STATUSES = {
    "bad_request": 400,
    "invalid_json": 400,
    "unauthorized": 401,
    "forbidden_origin": 403,
    "not_found": 404,
    "task_not_served": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "unknown_host": 421,
    "invalid_request": 422,
    "invalid_input": 422,
    "limit_exceeded": 422,
    "no_mask": 422,
    "no_target": 422,
    "text_too_long": 422,
    "overloaded": 429,
    "headers_too_large": 431,
    "client_left": 499,
    "internal": 500,
    "not_available": 501,
    "model_unavailable": 503,
    "shutting_down": 503,
    "deadline_exceeded": 504,
}
_INPUT_TYPES: tuple[tuple[type[InputError], str], ...] = (
    (NoMaskError, "no_mask"),
    (TextTooLongError, "text_too_long"),
    (TargetsError, "no_target"),
    (InputError, "invalid_input"),
)


class ApiError(FillMaskError):
    """A request that is refused or fails.

    Args:
        error_type: one of `STATUSES`.
        message: what was found, what was expected, what to do.
        headers: further headers of the answer.
    """

    def __init__(self, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.status = STATUSES[error_type]
        self.headers = dict(headers or {})


class LimitError(InputError):
    """More than a limit of the service allows."""

    def __init__(self, limit: str, maximum: int, what: str) -> None:
        super().__init__(f"{what}; expected at most {maximum:,} (limit {limit}, see /info)")


def type_of(error: FillMaskError) -> str:
    """The type of error that a failure of the library is to a client."""
    if isinstance(error, LimitError):
        return "limit_exceeded"
    return next((name for kind, name in _INPUT_TYPES if isinstance(error, kind)), "internal")


def body_of(message: str, error_type: str, request_id: str) -> bytes:
    """The body of an error."""
    body = {"error": message, "error_type": error_type, "request_id": request_id}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
