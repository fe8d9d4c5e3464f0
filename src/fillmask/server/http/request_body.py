"""Reading a request's body: bounded in bytes and in time, packed or not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fillmask.server.errors import ApiError
from fillmask.server.limits import Limits
from fillmask.server.scheduling.admission import BodyShare

Receive = Callable[[], Awaitable[dict[str, Any]]]
_LINGER_SECONDS = 1.0


class BodyReader:
    """The body of one request.

    Attributes:
        complete: whether it has been read to its end, so that the connection can take another request.

    Args:
        headers: of the request, each with all its values.
    """

    def __init__(self, headers: Mapping[bytes, list[bytes]], receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._encoding = headers.get(b"content-encoding", [b"identity"])[0].strip().lower()
        length = headers.get(b"content-length", [b"0"])[0]
        self._length = int(length) if length.isdigit() and len(length) < 20 else limits.max_body_bytes + 1
        self._expects_continue = headers.get(b"expect", [b""])[0].lower() == b"100-continue"
        self.complete = not self._length and b"transfer-encoding" not in headers

    async def read(self, share: BodyShare, seconds: float) -> bytes:
        """The body, unpacked.

        Args:
            share: of the bytes of all bodies.
            seconds: the deadline of the request.

        Raises:
            ApiError: it is too large or too slow, is no gzip where it says so, or the client left.
        """
        if self._encoding not in (b"identity", b"gzip"):
            raise ApiError("unsupported_media_type", "the content encoding is not known; expected gzip or none")
        limits = self._limits
        if self._length > limits.max_body_bytes:
            raise self._too_large()
        unpacker = zlib.decompressobj(wbits=31) if self._encoding == b"gzip" else None
        body = bytearray()
        arrived = 0
        loop = asyncio.get_running_loop()
        start = loop.time()
        last = min(seconds, float(limits.body_seconds))
        try:
            async with asyncio.timeout_at(start + min(last, limits.body_start_seconds)) as timeout:
                while not self.complete:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ApiError("client_left", "the client closed the connection")
                    data = message.get("body", b"")
                    self.complete = not message.get("more_body", False)
                    arrived += len(data)
                    earned = limits.body_start_seconds + arrived / limits.min_bytes_per_second
                    timeout.reschedule(start + min(last, earned))
                    body += data if unpacker is None else self._unpack(unpacker, data, len(body))
                    if max(len(body), arrived) > limits.max_body_bytes:
                        raise self._too_large()
                    share.grow(len(body) - share.bytes)
        except TimeoutError:
            raise self._too_slow(arrived, loop.time() - start, seconds) from None
        if unpacker is not None and not unpacker.eof:
            raise ApiError("bad_request", "the gzip body ends too early")
        return bytes(body)

    async def skip_what_is_there(self) -> None:
        """Read a body that is refused, as far as it has arrived."""
        if self.complete or self._expects_continue or self._length > self._limits.max_body_bytes:
            return
        await self._skip(0)

    async def linger(self) -> None:
        """Read on for a moment after the answer: a client that is still sending would not see it otherwise."""
        if not self._expects_continue:
            await self._skip(_LINGER_SECONDS)

    async def _skip(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self.complete:
                    message = await self._receive()
                    self.complete = message["type"] != "http.request" or not message.get("more_body", False)
        except TimeoutError:
            pass

    def _unpack(self, unpacker: Any, data: bytes, size: int) -> bytes:
        try:
            unpacked: bytes = unpacker.decompress(data, self._limits.max_body_bytes + 1 - size)
        except zlib.error as error:
            raise ApiError("bad_request", "the body is not gzip, as its Content-Encoding says") from error
        return unpacked

    def _too_large(self) -> ApiError:
        limit = self._limits.max_body_bytes
        return ApiError("body_too_large", f"the body has more than {limit:,} bytes (limit max_body_bytes, see /info)")

    def _too_slow(self, arrived: int, seconds: float, deadline: float) -> ApiError:
        limits = self._limits
        if seconds >= deadline:
            return deadline_exceeded(deadline)
        if not arrived:
            reason = f"no byte of the body arrived within {limits.body_start_seconds} s (limit body_start_seconds)"
        elif seconds >= limits.body_seconds:
            reason = f"the body did not arrive within {limits.body_seconds} s (limit body_seconds)"
        else:
            reason = (
                f"the body arrived at less than {limits.min_bytes_per_second:,} bytes a second"
                " (limit min_bytes_per_second)"
            )
        return ApiError("request_timeout", reason)


def deadline_exceeded(seconds: float) -> ApiError:
    """There was no answer in time."""
    return ApiError("deadline_exceeded", f"there was no answer within {seconds:g} s, the deadline of the request")
