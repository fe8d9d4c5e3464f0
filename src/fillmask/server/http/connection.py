"""One connection: uvicorn's HTTP/1.1 protocol, with bounds on clients that are slow or send too much.

uvicorn bounds the time between two requests and nothing else: a client may
take for ever to send its headers or to read its answer. A sweep over all
connections, twice a second, ends those that have used up their time. What
concerns bodies is `request_body`'s, which can still answer in JSON.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fillmask.server import logs
from fillmask.server.errors import STATUSES, body_of
from fillmask.server.http.limits_middleware import SECURITY_HEADERS
from fillmask.server.limits import Limits
from fillmask.server.metrics import Metrics

SWEEP_SECONDS = 0.5
_LINGER_SECONDS = 1.0


class _CountingTransport:
    """A transport that counts what is written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection and how long it has been in its present state.

    Args:
        limits, metrics: of the service.
        arguments: uvicorn's.
    """

    transport: Any  # a _CountingTransport

    def __init__(self, limits: Limits, metrics: Metrics, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._metrics = metrics
        # When the headers that are awaited began; None while a request is in work, or between two of them.
        self._headers_since: float | None = None
        self._idle_since: float | None = None
        self._in_headers = False
        self._message_number = 0
        self._header_bytes = 0  # of the headers that the parser has given out
        self._raw_header_bytes = 0  # that arrived while it had not given out all
        # When the client was found to be behind with reading, and what had been sent by then.
        self._behind_since: float | None = None
        self._sent_before = 0
        self._refusal: tuple[str, str] | None = None
        self._refused_since: float | None = None

    @property
    def waiting_since(self) -> float | None:
        """Since when the client could send a request and has not; None while one is in work."""
        return self._headers_since if self._headers_since is not None else self._idle_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_CountingTransport(transport))  # type: ignore[arg-type]
        self._headers_since = time.monotonic()
        self._metrics.connections.set(len(self.connections))
        if len(self.connections) > self._limits.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._metrics.connections.set(len(self.connections))

    def _make_room(self) -> None:
        """Close the connection that has waited longest without a request, or this one where all have one."""
        waiting = [
            (each.waiting_since, number, each)
            for number, each in enumerate(self.connections)
            if isinstance(each, LimitedHttpProtocol) and each is not self and each.waiting_since is not None
        ]
        oldest = min(waiting, default=(0.0, 0, self), key=lambda entry: entry[:2])[2]
        limit = f"{self._limits.max_connections:,} connections are open (limit max_connections)"
        oldest.refuse("overloaded", f"the service is busy: {limit}; try again later")

    def data_received(self, data: bytes) -> None:
        if self._refused_since is not None:
            return
        if self._headers_since is None and self._idle_since is not None:
            self._idle_since = None
            self._headers_since = time.monotonic()
        awaited, message = self._headers_since is not None, self._message_number
        super().data_received(data)
        # The parser keeps a header to itself until it has all of it, so the bytes that arrive are counted too.
        if self._in_headers and (self._message_number == message or (awaited and self._headers_since is not None)):
            self._raw_header_bytes += len(data)
            if self._raw_header_bytes > self._limits.max_header_bytes:
                self.refuse(*self._headers_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._message_number += 1
        self._header_bytes = self._raw_header_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_header_bytes(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header_bytes(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._headers_since = self._idle_since = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.pipeline:
            self._idle_since = time.monotonic()

    def _count_header_bytes(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.max_header_bytes:
            self._refusal = self._headers_too_large()
            raise ValueError  # the parser stops, and uvicorn calls `send_400_response`

    def _headers_too_large(self) -> tuple[str, str]:
        limit = self._limits.max_header_bytes
        return "headers_too_large", f"the headers have more than {limit:,} bytes (limit max_header_bytes, see /info)"

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that the parser does not take."""
        self.refuse(*(self._refusal or ("bad_request", "the request is not HTTP/1.1")))

    def refuse(self, error_type: str, message: str) -> None:
        """Send an error where no application answers, and close the connection."""
        if self.transport.is_closing() or self._refused_since is not None:
            return
        request_id = uuid.uuid4().hex
        status = STATUSES[error_type]
        self._metrics.rejections.labels(error_type).inc()
        logs.event("connection refused", request_id=request_id, status=status, error_type=error_type)
        # In the middle of another answer nothing can be said.
        if self.cycle is None or self.cycle.response_complete:
            body = body_of(message, error_type, request_id)
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
                (b"x-request-id", request_id.encode()),
                *SECURITY_HEADERS,
            ]
            lines = b"".join(b"%s: %s\r\n" % header for header in headers)
            self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
            if error_type != "overloaded" and self.transport.can_write_eof():
                # A client that is still sending would not see the answer, were the connection closed at once.
                self.transport.write_eof()
                self._refused_since = time.monotonic()
                self._headers_since = self._idle_since = None
                return
        self.transport.close()

    def check_time(self, now: float) -> None:
        """End the connection if its client has used up its time.

        Args:
            now: seconds of the monotonic clock.
        """
        limits = self._limits
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self._behind_since = None
        else:
            sent = self.transport.written - unsent
            if self._behind_since is None:
                self._behind_since, self._sent_before = now, sent
            earned = (sent - self._sent_before) / limits.min_bytes_per_second
            if now - self._behind_since > limits.write_seconds + earned:
                self._metrics.rejections.labels("answer_not_read").inc()
                logs.event("answer not read", level=logging.WARNING, unsent_bytes=unsent)
                self.transport.abort()
                return
        if self._refused_since is not None and now - self._refused_since > _LINGER_SECONDS:
            self.transport.close()
        if self._headers_since is not None and now - self._headers_since > limits.header_seconds:
            message = f"the headers did not arrive within {limits.header_seconds} s (limit header_seconds, see /info)"
            self.refuse("request_timeout", message)


def check_times(connections: Iterable[Any], now: float) -> None:
    """End the connections whose clients have used up their time."""
    for connection in list(connections):
        if isinstance(connection, LimitedHttpProtocol):
            connection.check_time(now)
