"""What every request passes before and after its route: key, place, body limits, deadline, disconnects, log, metrics.

Plain ASGI, since it must see a request before its body is read: one that is
refused for want of room costs neither memory nor a parser.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
import zlib
from typing import Any

from fillmask.errors import FillMaskError
from fillmask.server import logs
from fillmask.server.errors import STATUSES, ApiError, body_of, type_of
from fillmask.server.http.auth import CHALLENGE, ApiKeys
from fillmask.server.http.call import Call, deadline_exceeded
from fillmask.server.service import Service

Scope = dict[str, Any]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_SECONDS = re.compile(rb"[0-9]{1,6}(\.[0-9]{1,6})?")
_BODY_SECONDS = 15.0
_DRAIN_SECONDS = 0.3
_OPEN = ("/health/live",)  # without the key
_SECURITY = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        b" base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class LimitsMiddleware:
    """ASGI middleware round the whole application.

    Args:
        routes: the paths that are told apart in metrics and logs.
    """

    def __init__(self, app: Any, service: Service, routes: frozenset[str]) -> None:
        self._app = app
        self._service = service
        self._routes = routes
        key = service.settings.api_key
        self._key = ApiKeys(key) if key is not None else None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Any, send: Any) -> None:
        headers = _first_of_each(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        call = Call(request_id, scope["path"] if scope["path"] in self._routes else "other")
        scope["fillmask.call"] = call
        metrics = self._service.metrics
        in_flight = metrics.in_flight.labels(call.route)
        in_flight.inc()
        status, answered = 0, False

        async def answer(message: dict[str, Any]) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_SECURITY, (b"x-request-id", request_id.encode())]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                answered = not call.left.is_set()

        watch = None
        try:
            body = await self._let_in(call, scope, headers, receive)
            if body is not None:
                receive, watch = self._replay(call, body, receive)
            await self._app(scope, receive, answer)
        except ApiError as error:
            await _send_error(answer, call, error, close=error.error_type in ("body_too_large", "request_timeout"))
        except FillMaskError as error:
            await _send_error(answer, call, ApiError(type_of(error), str(error)), close=False)
        except Exception as error:
            logs.event("failure", level=logging.ERROR, error=error, request_id=request_id, path=call.route)
            if not status:
                await _send_error(answer, call, ApiError("internal", "the service failed on this request; see its log"), close=False)  # fmt: skip
        finally:
            call.end()
            self._service.calls.discard(call)
            if watch is not None:
                watch.cancel()
            in_flight.dec()
            # Who has read the answer to its end may leave: a server tells the application of that as of any leaving.
            if call.left.is_set() and not answered:
                status = STATUSES["client_left"]
                metrics.left.inc()
            self._account(call, scope, status)

    def _account(self, call: Call, scope: Scope, status: int) -> None:
        """Count and log an answered request."""
        seconds = time.perf_counter() - call.started
        metrics = self._service.metrics
        metrics.requests.labels(call.route, status).inc()
        metrics.total.labels(call.route).observe(seconds)
        if call.error_type is not None:
            metrics.rejections.labels(call.error_type).inc()
        level = logging.DEBUG if call.route.startswith(("/health", "/metrics")) else logging.INFO
        values: dict[str, Any] = {"error_type": call.error_type} if call.error_type else {}
        logs.event(
            "request",
            level=logging.ERROR if status in (500, 501) else level,
            request_id=call.request_id,
            method=scope["method"],
            path=call.route,
            status=status,
            ms=round(1000 * seconds, 1),
            **values,
        )

    async def _let_in(self, call: Call, scope: Scope, headers: dict[bytes, bytes], receive: Any) -> bytes | None:
        """Check the head of a request, and read its body where it is one for the model.

        Raises:
            ApiError: it is refused.
        """
        path = scope["path"]
        if self._key is not None and path not in _OPEN and not self._key.opens(headers.get(b"authorization")):
            raise ApiError(
                "unauthorized",
                "the service needs its key: send the header 'Authorization: Bearer KEY'",
                {"WWW-Authenticate": CHALLENGE},
            )
        room = self._service.rooms.get(path)
        if room is None or scope["method"] != "POST":
            return None
        if self._service.draining:
            raise ApiError("shutting_down", "the service is shutting down; ask another", {"Retry-After": "5", "Connection": "close"})  # fmt: skip
        settings, limits = self._service.settings, self._service.limits
        seconds = settings.restore_timeout if path == "/v1/restore" else settings.timeout
        asked = headers.get(b"x-request-timeout")
        if asked is not None:
            if not _SECONDS.fullmatch(asked) or float(asked) == 0:
                raise ApiError(
                    "bad_request", "X-Request-Timeout is no number of seconds above 0; expected one such as 2.5"
                )
            seconds = min(float(asked), float(limits.max_seconds))
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        # A page of another site can make a browser post other types without asking, but not this one.
        if kind != b"application/json":
            raise ApiError("unsupported_media_type", f"the content type is {kind.decode('latin-1')[:60]!r}; expected application/json")  # fmt: skip
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"gzip"):
            raise ApiError("unsupported_media_type", "the content encoding is not known; expected gzip or none")
        call.take(room.enter())
        self._service.calls.add(call)
        call.set_deadline(seconds)
        try:
            async with asyncio.timeout(min(seconds, _BODY_SECONDS)):
                return await _read_body(headers, receive, limits.max_body_bytes, unzip=encoding == b"gzip")
        except TimeoutError:
            if seconds <= _BODY_SECONDS:
                raise deadline_exceeded(seconds) from None
            raise ApiError("request_timeout", f"the body did not arrive within {_BODY_SECONDS:g} s") from None

    def _replay(self, call: Call, body: bytes, receive: Any) -> tuple[Any, asyncio.Task[None]]:
        """A receive that gives the body and then waits for the client to leave, and the task that watches for that."""

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            call.leave()

        given = False

        async def replayed() -> dict[str, Any]:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            await call.left.wait()
            return {"type": "http.disconnect"}

        return replayed, asyncio.get_running_loop().create_task(watch())


async def _read_body(headers: dict[bytes, bytes], receive: Any, most: int, *, unzip: bool) -> bytes:
    """The body, unpacked.

    Raises:
        ApiError: too large, packed or unpacked; or no gzip; or the client left.
    """
    too_large = f"the body has more than {most:,} bytes (limit max_body_bytes, see /info)"
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > most:
        if headers.get(b"expect", b"").lower() != b"100-continue":
            await _drain(receive)
        raise ApiError("body_too_large", too_large)
    unpacker = zlib.decompressobj(wbits=31) if unzip else None
    body = bytearray()
    arrived = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError("client_left", "the client closed the connection")
        data = message.get("body", b"")
        more = message.get("more_body", False)
        arrived += len(data)
        if unpacker is not None:
            try:
                data = unpacker.decompress(data, most + 1 - len(body))
            except zlib.error as error:
                raise ApiError("bad_request", "the body is not gzip, as its Content-Encoding says") from error
        body += data
        if len(body) > most or arrived > most:
            if more:
                await _drain(receive)
            raise ApiError("body_too_large", too_large)
    if unpacker is not None and not unpacker.eof:
        raise ApiError("bad_request", "the gzip body ends too early")
    return bytes(body)


async def _drain(receive: Any) -> None:
    """Throw the rest of a body away, for a moment: a client that is still sending would not read the answer."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    except TimeoutError:
        pass


async def _send_error(send: Any, call: Call, error: ApiError, *, close: bool) -> None:
    call.error_type = error.error_type
    if error.error_type == "client_left":
        call.left.set()
        return
    body = body_of(str(error), error.error_type, call.request_id)
    headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items()]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store")]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _first_of_each(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in reversed(headers)}
