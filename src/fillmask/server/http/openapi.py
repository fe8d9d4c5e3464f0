"""The OpenAPI description: what FastAPI derives from the routes, and what only this service knows.

That is: answers that are written outside FastAPI, examples, the sizes that the
limits allow, and the key.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from fillmask import __version__
from fillmask.server.http import schemas, warning_header
from fillmask.server.http.routes import HEALTH
from fillmask.server.limits import Limits

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = """Fill masks, score texts and restore damaged documents with a masked language model.

Errors are `{"error", "error_type", "request_id"}`. A request may carry `X-Request-Id`, which comes back with the answer
and stands in the log, and `X-Request-Timeout`, seconds after which it is given up with 504. Every limit is named in
`GET /info`."""
_MODEL_ERRORS = {
    400: "The body is not JSON, or is packed wrongly.",
    403: "The request is from a page of another site.",
    404: "The model does not serve this task.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "Not application/json, or an unknown encoding.",
    421: "The Host header names another service.",
    422: "The request does not fit the schema or a limit, or its text cannot be used.",
    429: "The service is busy; try again after Retry-After.",
    500: "The service failed.",
    501: "An optional part is not installed.",
    503: "The model is being started again, or the service is shutting down.",
    504: "The deadline has passed.",
}
_CANDIDATES = [
    {"score": 0.42, "token": 813, "token_str": " going", "sequence": "I am going to the bakery"},
    {"score": 0.11, "token": 2512, "token_str": " walking", "sequence": "I am walking to the bakery"},
]
_SCORE = {
    "text": "I am here",
    "score": -7.5,
    "tokens": 3,
    "pseudo_perplexity": 12.18,
    "words": [
        {"word": "I", "start": 0, "end": 1, "score": -1.0, "tokens": 1},
        {"word": "am", "start": 2, "end": 4, "score": -0.5, "tokens": 1},
        {"word": "here", "start": 5, "end": 9, "score": -6.0, "tokens": 1},
    ],
}
_RESTORED = {
    "restoration": {
        "text": "I am going to the bakery",
        "source": "I am [...] to the bakery",
        "notation": "plain",
        "strategy": "joint",
        "gaps": [
            {
                "index": 0, "start": 5, "end": 10, "source": "[...]", "line": 1, "column": 6,
                "readings": [{"text": "going", "probability": 0.4}], "none_of_these": 0.6, "locked": False, "evidence": [],
            }
        ],
        "hypotheses": [{"text": "I am going to the bakery", "readings": ["going"], "score": -0.916, "probability": 0.4}],
        "confidence": 0.4,
        "complete": True,
        "cost": {"forward_passes": 12, "rows": 80, "seconds": 0.3},
        "calibrated": True,
        "remarks": [],
    },
    "documents": {"text": "I am going to the bakery"},
}  # fmt: skip
# Request, type of the answer, examples of the one and of the other.
_TASKS: dict[str, tuple[type[BaseModel], Any, list[Any], Any]] = {
    "/v1/fill-mask": (
        schemas.FillMaskRequest,
        list[schemas.CandidateSchema] | list[list[schemas.CandidateSchema]] | list[list[schemas.CandidateSchema] | list[list[schemas.CandidateSchema]]],
        [
            {"inputs": "I am <mask> to the bakery"},
            {"inputs": ["The <mask> is red.", "She [MASK] him a letter."], "parameters": {"top_k": 2}},
            {"inputs": "I am <mask> to the bakery", "parameters": {"targets": ["walking", "running"]}},
        ],
        _CANDIDATES,
    ),
    "/v1/score": (
        schemas.ScoreRequest,
        schemas.ScoreSchema | list[schemas.ScoreSchema],
        [{"inputs": "I am here"}, {"inputs": ["I am here", "I here am"], "parameters": {"method": "original"}}],
        _SCORE,
    ),
    "/v1/classify": (
        schemas.ClassifyRequest,
        list[list[schemas.LabelSchema]],
        [{"inputs": "What a lovely day"}],
        [[{"label": "positive", "score": 0.98}, {"label": "negative", "score": 0.02}]],
    ),
    "/v1/restore": (
        schemas.RestoreRequest,
        schemas.RestoredSchema,
        [
            {"inputs": "I am [...] to the b[..]ery"},
            {"inputs": "I am [...] to the b[..]ery", "parameters": {"locked": {"0": "going"}, "formats": ["text", "tei"]}, "stream": True},
        ],
        _RESTORED,
    ),
}  # fmt: skip


def errors(body: type[BaseModel] | int | None = None) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for FastAPI: of one that asks the model, or the statuses given."""
    statuses = (
        _MODEL_ERRORS if isinstance(body, type) else {status: _MODEL_ERRORS[status] for status in (403, 421, 500)}
    )
    if body == 503:
        statuses = {**statuses, 503: "The model does not answer, or the service is shutting down."}
    return {
        status: {
            "model": schemas.ErrorBody,
            "description": text,
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status, text in statuses.items()
    }


# One event of a stream; its data is JSON.
_EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["progress", "result", "error"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
_WARNING = {
    "description": "What was not quite as asked, where there is something: targets outside the vocabulary, each with the"
    " token that stands for it, or ignored. A JSON array of texts, in ASCII.",
    "schema": {"type": "string"},
    "example": json.dumps(["The specified target token `bakeryish` does not exist in the model vocabulary. Replacing with `bakery`."]),
}  # fmt: skip
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}


class Description:
    """The description of the routes."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content
        self._json = {"": json.dumps(content).encode()}

    def under(self, root_path: str) -> bytes:
        """As JSON, for clients that see the service under a prefix."""
        return self._json.get(root_path) or json.dumps({**self._content, "servers": [{"url": root_path}]}).encode()


def describe(app: FastAPI, limits: Limits, *, with_key: bool) -> Description:
    """The description of the routes."""
    app.title, app.version, app.description = "fillmask", __version__, _ABOUT
    description = app.openapi()
    schemas_by_name = description["components"]["schemas"]
    for path, (body_model, answer, examples, example) in _TASKS.items():
        operation = description["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        body["examples"] = {f"example {n}": {"value": value} for n, value in enumerate(examples, 1)}
        schema = TypeAdapter(answer).json_schema(ref_template=_REFERENCE, mode="serialization")
        schemas_by_name.update(schema.pop("$defs", {}))
        if schema.get("title") == "RestoredSchema":
            schemas_by_name["RestoredSchema"], schema = schema, {"$ref": _REFERENCE.format(model="RestoredSchema")}
        operation["responses"]["200"]["content"] = {"application/json": {"schema": schema, "example": example}}
        _bound(schemas_by_name[body_model.__name__], limits)
        if path == "/v1/fill-mask":
            operation["responses"]["200"]["headers"] = {warning_header.HEADER: _WARNING}
        if path == "/v1/restore":
            stream = {
                "schema": _EVENT,
                "example": 'event: progress\ndata: {"done": 1, "holes": 2, "forward_passes": 6}\n\n',
            }
            operation["responses"]["200"]["content"]["text/event-stream"] = stream
    description["paths"]["/metrics"]["get"]["responses"]["200"]["content"] = {
        "text/plain": {"schema": {"type": "string"}}
    }
    for name in ("FillMaskParameters", "ScoreParameters", "ClassifyParameters", "RestoreParameters"):
        _bound(schemas_by_name[name], limits)
    schemas_by_name.pop("HTTPValidationError", None)
    schemas_by_name.pop("ValidationError", None)
    if with_key:
        description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        refused = {"description": "No key, or a wrong one.", "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model="ErrorBody")}}}}  # fmt: skip
        for path, operations in description["paths"].items():
            if path not in HEALTH:
                for operation in operations.values():
                    operation["security"] = [{"key": []}]
                    operation["responses"]["401"] = refused
    return Description(description)


def _bound(schema: dict[str, Any], limits: Limits) -> None:
    """Write the limits into a request's schema."""
    document = schema["title"] == "RestoreRequest"
    characters = limits.max_document_characters if document else limits.max_text_characters
    sizes = {
        "inputs": {"string": {"maxLength": characters}, "array": {"maxItems": limits.max_texts}},
        "top_k": {"integer": {"maximum": limits.max_top_k}},
        "readings": {"integer": {"maximum": limits.max_readings}},
        "targets": {"string": {"maxLength": limits.max_target_characters}, "array": {"maxItems": limits.max_targets}},
    }
    for name, bounds in sizes.items():
        if name in schema["properties"]:
            _bound_value(schema["properties"][name], bounds)
    if schema["title"] == "FillMaskRequest":
        _add_pattern(schema["properties"]["inputs"])


def _bound_value(value: dict[str, Any], bounds: dict[str, dict[str, int]]) -> None:
    value.update(bounds.get(value.get("type", ""), {}))
    for inner in [*value.get("anyOf", ()), *([value["items"]] if "items" in value else ())]:
        _bound_value(inner, bounds)


def _add_pattern(value: dict[str, Any]) -> None:
    if value.get("type") == "string":
        value["pattern"] = schemas.MASK_PATTERN
    for inner in [*value.get("anyOf", ()), *([value["items"]] if "items" in value else ())]:
        _add_pattern(inner)
