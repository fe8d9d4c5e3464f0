"""The routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, get_type_hints

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route

from fillmask.errors import FillMaskError
from fillmask.server.errors import ApiError, body_of, type_of
from fillmask.server.http import schemas, strict_json, warning_header
from fillmask.server.http.call import Call
from fillmask.server.http.events import events
from fillmask.server.http.limits_middleware import CALL, ROOT_PATH, LimitsMiddleware
from fillmask.server.http.openapi import describe, errors
from fillmask.server.http.routes import RouteTable
from fillmask.server.metrics import CONTENT_TYPE
from fillmask.server.page.static_files import read_static_files
from fillmask.server.service import Service

_HTTP_TYPES = {404: "not_found", 405: "method_not_allowed"}
_JSON = "application/json"
_LARGE_BODY = 4_096  # bytes; parsing fewer takes no time that another request would notice


def create_app(service: Service) -> Any:
    """The application over a service; its lifespan is the service's."""
    limits = service.limits

    def parse(body: bytes, model: type[schemas.RequestBody]) -> schemas.RequestBody:
        value = strict_json.parse(body, max_depth=limits.max_json_depth, max_values=limits.max_json_values)
        return schemas.validated(model, value)

    async def parse_any(body: bytes, model: type[schemas.RequestBody]) -> schemas.RequestBody:
        if len(body) <= _LARGE_BODY:
            return parse(body, model)
        return await service.in_thread(lambda: parse(body, model))

    class StrictRoute(APIRoute):
        """Bodies are parsed and validated in bounded time; FastAPI takes the value as it is then."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()
            model = get_type_hints(self.endpoint).get("body")

            async def strict(request: Request) -> Response:
                if model is not None:
                    request._json = await parse_any(await request.body(), model)
                return await handler(request)

            return strict

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.route_class = StrictRoute

    @app.post("/v1/fill-mask", responses=errors(schemas.FillMaskRequest), tags=["model"])
    @app.post("/", include_in_schema=False)
    async def fill_mask(request: Request, body: schemas.FillMaskRequest) -> Response:
        """Rank the words that fit each mask, in the schema of Hugging Face's inference API."""
        call = _call(request)
        answer = _json(await service.fill(call, body))
        if call.warnings:
            answer.headers[warning_header.HEADER] = warning_header.header(call.warnings)
        return answer

    @app.post("/v1/score", responses=errors(schemas.ScoreRequest), tags=["model"])
    async def score(request: Request, body: schemas.ScoreRequest) -> Response:
        """Say how likely texts are, whole and word by word."""
        return _json(await service.score(_call(request), body))

    @app.post("/v1/classify", responses=errors(schemas.ClassifyRequest), tags=["model"])
    async def classify(request: Request, body: schemas.ClassifyRequest) -> Response:
        """Label texts, where the model is a fine-tuned classifier."""
        return _json(await service.classify(_call(request), body))

    @app.post("/v1/restore", responses=errors(schemas.RestoreRequest), tags=["model"])
    async def restore(request: Request, body: schemas.RestoreRequest) -> Response:
        """Restore a damaged document; with `stream`, send progress while it lasts."""
        call = _call(request)
        job = service.restore(call, body)
        if not body.stream:
            return _json(await call.wait(job.future))
        call.watch(job.future)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(events(call, job), media_type="text/event-stream", headers=headers)

    @app.get("/info", responses=errors(), tags=["service"], response_model=schemas.InfoSchema)
    async def info() -> dict[str, Any]:
        """The model, what runs it, and every limit."""
        return service.info()

    @app.get("/health/live", responses=errors(), tags=["service"], response_model=schemas.HealthSchema)
    async def live() -> dict[str, str]:
        """The server answers."""
        return {"status": "live"}

    @app.get("/health", responses=errors(503), tags=["service"], response_model=schemas.HealthSchema)
    @app.get("/health/ready", responses=errors(503), tags=["service"], response_model=schemas.HealthSchema)
    async def ready() -> dict[str, str]:
        """The model answers, and the service is not shutting down."""
        if service.draining:
            raise ApiError("shutting_down", "the service is shutting down")
        if not service.ready:
            raise ApiError("model_unavailable", "no model process answers at the moment", {"Retry-After": "1"})
        return {"status": "ready"}

    @app.get("/metrics", responses=errors(), tags=["service"])
    async def metrics() -> Response:
        """Counters and histograms for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    schema = describe(app, limits, with_key=bool(service.settings.api_keys))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return Response(schema.under(request.scope[ROOT_PATH]), media_type=_JSON)

    files = read_static_files()

    async def serve_file(request: Request) -> Response:
        file = files[request.scope["path"]]
        packed = "gzip" in request.headers.get("accept-encoding", "")
        etag = f'{file.etag[:-1]}-gzip"' if packed else file.etag
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        content = file.packed if packed else file.content
        return Response(content, media_type=file.content_type, headers=headers)

    async def redirect_to_docs(request: Request) -> Response:
        # Relative, since only the client knows under which prefix it sees the service.
        return Response(status_code=308, headers={"Location": "../docs"})

    for path in files:
        app.add_route(path, serve_file, methods=["GET"], include_in_schema=False)
    for path in ("/docs/", "/docs/index.html"):
        app.add_route(path, redirect_to_docs, methods=["GET"], include_in_schema=False)

    _handle_errors(app)
    settings = service.settings
    routes = RouteTable(_methods(app), root_path=settings.root_path, metrics_port=settings.metrics_port)
    return LimitsMiddleware(app, service, routes)


def _methods(app: FastAPI) -> dict[str, frozenset[str]]:
    """The methods of every path that the application has a route for."""
    methods: dict[str, frozenset[str]] = {}
    for route in app.routes:
        assert isinstance(route, (APIRoute, Route))
        methods[route.path] = methods.get(route.path, frozenset()) | frozenset(route.methods or ())
    return methods


def _call(request: Request) -> Call:
    call: Call = request.scope[CALL]
    return call


def _json(body: bytes) -> Response:
    return Response(body, media_type=_JSON, headers={"Cache-Control": "no-store"})


def _handle_errors(app: FastAPI) -> None:
    def refuse(request: Request, error_type: str, status: int, message: str, headers: Any = None) -> Response:
        call = _call(request)
        call.error_type = error_type
        body = body_of(message, error_type, call.request_id)
        return Response(body, status, {**(headers or {}), "Cache-Control": "no-store"}, _JSON)

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, FillMaskError)
        if not isinstance(error, ApiError):
            error = ApiError(type_of(error), str(error))
        return refuse(request, error.error_type, error.status, str(error), error.headers)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = _HTTP_TYPES.get(error.status_code, "bad_request")
        message = {"not_found": "there is nothing at this path; see /docs",
                   "method_not_allowed": f"{request.method} is not possible here; see /docs"}.get(kind, str(error.detail))  # fmt: skip
        return refuse(request, kind, error.status_code, message, error.headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        # The middleware logs it: Starlette sends this and raises the error again.
        return refuse(request, "internal", 500, "the service failed on this request; see its log")

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(FillMaskError, known)
    app.add_exception_handler(HTTPException, of_http)
