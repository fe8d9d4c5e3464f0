"""Answers to the questions that browsers ask for pages of other sites, where `--cors` allows those."""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]

_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-request-id, x-request-timeout"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
]
_EXPOSED = (b"access-control-expose-headers", b"fillmask-warning, retry-after, x-request-id")


def is_preflight(method: str, headers: dict[bytes, list[bytes]]) -> bool:
    """Whether a browser asks if a page may send a request."""
    return method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def preflight_headers() -> Headers:
    """Headers of the answer that allows it, beside `cors_headers`."""
    return list(_PREFLIGHT)


def cors_headers(origin: str | None) -> Headers:
    """Headers by which a browser shows an answer to the page of an allowed origin; none for the service's own."""
    if origin is None:
        return []
    return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), _EXPOSED]
