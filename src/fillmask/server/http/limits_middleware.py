"""What every request passes before and after its route.

Name and origin, route, key, capacity, body, deadline, disconnects, log and
metrics. Plain ASGI, since it must see a request before its body is read: one
that is refused for want of room costs neither memory nor a parser.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from typing import Any

from fillmask.errors import FillMaskError
from fillmask.server import logs
from fillmask.server.errors import STATUSES, ApiError, body_of, type_of
from fillmask.server.http.auth import CHALLENGE, ApiKeys
from fillmask.server.http.call import Call
from fillmask.server.http.cors import cors_headers, is_preflight, preflight_headers
from fillmask.server.http.hosts import HostPolicy, OriginPolicy
from fillmask.server.http.request_body import BodyReader
from fillmask.server.http.routes import Route, RouteTable
from fillmask.server.service import Service

Scope = dict[str, Any]
HeaderValues = dict[bytes, list[bytes]]
CALL = "fillmask.call"  # key of the call in a scope
ROOT_PATH = "fillmask.root_path"  # key of the prefix under which the client sees the service
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_SECONDS = re.compile(rb"[0-9]{1,6}(\.[0-9]{1,6})?")
_PIECE_BYTES = 65_536
SECURITY_HEADERS = [
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
        routes: all routes of the application.
    """

    def __init__(self, app: Any, service: Service, routes: RouteTable) -> None:
        self._app = app
        self._service = service
        self._routes = routes
        settings = service.settings
        self._keys = ApiKeys(settings.api_keys) if settings.api_keys else None
        self._hosts = HostPolicy(settings.host, settings.allowed_hosts)
        self._origins = OriginPolicy(settings.cors)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Any, send: Any) -> None:
        headers = _all_of_each(scope["headers"])
        client_id = headers.get(b"x-request-id", [b""])[0]
        request_id = client_id.decode() if _REQUEST_ID.fullmatch(client_id) else uuid.uuid4().hex
        root_path = scope.get("root_path", "")
        port = (scope.get("server") or (None, None))[1]
        route = self._routes.find(scope["path"], scope["method"], root_path=root_path, port=port)
        call = Call(request_id, route.path)
        reader = BodyReader(headers, receive, self._service.limits)
        answer = _Answer(send, call, reader, is_head=scope["method"] == "HEAD")
        metrics = self._service.metrics
        in_flight = metrics.in_flight.labels(call.route)
        in_flight.inc()
        watch = None
        try:
            self._check_sender(headers, answer)
            if is_preflight(scope["method"], headers) and answer.origin is not None:
                await answer.send_empty(204, preflight_headers())
            elif route.redirect is not None:
                await answer.send_empty(307, [(b"location", route.redirect.encode()), (b"content-length", b"0")])
            else:
                self._check_route(route, headers)
                inner = scope | {"path": route.path, "raw_path": route.path.encode(), "root_path": "", "method": route.method}  # fmt: skip
                inner |= {CALL: call, ROOT_PATH: root_path or self._service.settings.root_path}
                if route.task is not None:
                    body = await self._admit(call, route.task, headers, reader)
                    receive, watch = self._replay(call, body, receive)
                await self._app(inner, receive, answer)
        except ApiError as error:
            await answer.send_error(error)
        except FillMaskError as error:
            await answer.send_error(ApiError(type_of(error), str(error)))
        except asyncio.CancelledError:
            raise
        # What Rust panics with is no Exception.
        except BaseException as error:
            logs.event("failure", level=logging.ERROR, error=error, request_id=request_id, path=call.route)
            if not answer.status:
                await answer.send_error(ApiError("internal", "the service failed on this request; see its log"))
        finally:
            call.end()
            self._service.calls.discard(call)
            if watch is not None:
                watch.cancel()
            in_flight.dec()
            # Who has read the answer to its end may leave: a server tells the application of that as of any leaving.
            if call.left.is_set() and not answer.is_complete:
                answer.status = STATUSES["client_left"]
                metrics.left.inc()
            self._account(call, scope, answer.status)

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

    def _check_sender(self, headers: HeaderValues, answer: _Answer) -> None:
        """Check by which name the service is called, and from whose page."""
        host = self._hosts.check(headers.get(b"host", ()))
        answer.origin = self._origins.check(headers.get(b"origin", ()), host)

    def _check_route(self, route: Route, headers: HeaderValues) -> None:
        """Check the key, and that there is a route."""
        values = headers.get(b"authorization", [])
        if self._keys is not None and route.needs_key and not (len(values) == 1 and self._keys.accept(values[0])):
            raise ApiError(
                "unauthorized",
                "the service needs a key: send the header 'Authorization: Bearer KEY'",
                {"WWW-Authenticate": CHALLENGE},
            )
        if route.error is not None:
            raise route.error

    async def _admit(self, call: Call, task: str, headers: HeaderValues, reader: BodyReader) -> bytes:
        """The body of a request for the model, which has a place from then on.

        Raises:
            ApiError: it is refused.
        """
        service = self._service
        if service.draining:
            raise ApiError("shutting_down", "the service is shutting down; ask another", {"Retry-After": "5", "Connection": "close"})  # fmt: skip
        settings, limits = service.settings, service.limits
        seconds = settings.restore_timeout if task == "restore" else settings.timeout
        timeout = headers.get(b"x-request-timeout", [None])[0]
        if timeout is not None:
            if not _SECONDS.fullmatch(timeout) or float(timeout) == 0:
                raise ApiError(
                    "bad_request", "X-Request-Timeout is no number of seconds above 0; expected one such as 2.5"
                )
            seconds = min(float(timeout), float(limits.max_seconds))
        kind = headers.get(b"content-type", [b""])[0].split(b";")[0].strip().lower()
        # A page of another site can make a browser post other types without asking, but not this one.
        if kind != b"application/json":
            raise ApiError("unsupported_media_type", f"the content type is {kind.decode('latin-1')[:60]!r}; expected application/json")  # fmt: skip
        capacity = service.capacities[task]
        capacity.check()
        call.set_deadline(seconds)
        call.share = service.bodies.open()
        body = await reader.read(call.share, seconds)
        # Only now: who sends nothing takes no place.
        call.take(capacity.reserve())
        service.calls.add(call)
        return body

    def _replay(self, call: Call, body: bytes, receive: Any) -> tuple[Any, asyncio.Task[None]]:
        """A receive that gives the body and then waits for the client to leave, and the task that watches for that."""

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            call.leave()

        remaining = [body]

        async def replayed() -> dict[str, Any]:
            if remaining:
                return {"type": "http.request", "body": remaining.pop(), "more_body": False}
            await call.left.wait()
            return {"type": "http.disconnect"}

        return replayed, asyncio.get_running_loop().create_task(watch())


class _Answer:
    """The answer of one request, as the application or the middleware sends it.

    Attributes:
        status: 0 before its head is sent.
        origin: of another site's page that may read it.
        is_complete: whether it has been sent to its end.
    """

    def __init__(self, send: Any, call: Call, reader: BodyReader, *, is_head: bool) -> None:
        self._send = send
        self._call = call
        self._reader = reader
        self._is_head = is_head
        self.status = 0
        self.origin: str | None = None
        self.is_complete = False

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await self._reader.skip_what_is_there()
            self.status = message["status"]
            headers = [*message["headers"], *SECURITY_HEADERS, *cors_headers(self.origin)]
            headers.append((b"x-request-id", self._call.request_id.encode()))
            if not self._reader.complete:
                headers.append((b"connection", b"close"))
            await self._send({**message, "headers": headers})
            return
        body = memoryview(b"" if self._is_head else message.get("body", b""))
        has_more = message.get("more_body", False)
        # In pieces, so that the request holds its place until its client has read most of the answer.
        while len(body) > _PIECE_BYTES:
            await self._send_body(body[:_PIECE_BYTES], has_more=True)
            body = body[_PIECE_BYTES:]
        if not has_more and not self._reader.complete:
            await self._send_body(body, has_more=True)
            await self._reader.linger()
            body = body[:0]
        await self._send_body(body, has_more=has_more)
        self.is_complete = not has_more and not self._call.left.is_set()

    async def _send_body(self, body: memoryview, *, has_more: bool) -> None:
        await self._send({"type": "http.response.body", "body": bytes(body), "more_body": has_more})

    async def send_empty(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer without a body."""
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body"})

    async def send_error(self, error: ApiError) -> None:
        """Answer with an error."""
        call = self._call
        call.error_type = error.error_type
        if error.error_type == "client_left":
            call.left.set()
            return
        body = body_of(str(error), error.error_type, call.request_id)
        headers = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items()]
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"cache-control", b"no-store")]
        await self({"type": "http.response.start", "status": error.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _all_of_each(headers: list[tuple[bytes, bytes]]) -> HeaderValues:
    values: HeaderValues = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return values
