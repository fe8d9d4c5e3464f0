"""A checker for the part of JSON Schema that docs/guide/restoration.schema.json uses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    Path(__file__).parents[3].joinpath("docs/guide/restoration.schema.json").read_text("utf-8")
)
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
_UNDERSTOOD = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "enum", "properties", "required", "items"),
    *("additionalProperties", "minimum", "maximum"),
}


def complaints(value: Any, schema: dict[str, Any] = SCHEMA, where: str = "$") -> Iterator[str]:
    """What is wrong with `value`, each with its place; nothing where it is by the schema."""
    if unknown := set(schema) - _UNDERSTOOD:
        raise AssertionError(f"the schema uses {unknown}, which this checker does not know")
    if "$ref" in schema:
        yield from complaints(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(_is(value, kind) for kind in kinds):
            yield f"{where}: {value!r} is no {' or '.join(kinds)}"
            return
    if isinstance(value, dict) and "properties" in schema:
        yield from (f"{where}: {key} is missing" for key in schema["required"] if key not in value)
        for key, item in value.items():
            if key not in schema["properties"]:
                yield f"{where}: {key} is not in the schema"
            else:
                yield from complaints(item, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from complaints(item, schema["items"], f"{where}[{number}]")
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{where}: {value} is out of bounds"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])  # type: ignore[arg-type]
