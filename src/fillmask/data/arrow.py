"""Arrow types and values: one schema for several files, and the values of a column as JSON has them.

Needs pyarrow (the extra `data`). Knows types and values, not files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fillmask.data.values import iso_date, iso_duration, iso_time, iso_timestamp, json_value
from fillmask.errors import InputError, MissingExtraError

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as missing:
    raise MissingExtraError("Parquet", "data") from missing

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_VIEWS = ("is_string_view", "is_binary_view", "is_list_view", "is_large_list_view")  # newer than the oldest pyarrow


def common_schema(schemas: Sequence[tuple[str, Any]]) -> Any:
    """One schema for files whose rows are written together.

    Columns come in the order of the first file, those that only later files have after them. Integers of several widths
    become the wider one, integers and floating-point numbers double, null any type; strings may be plain, large, views, or
    dictionaries; lists and structs are reconciled by their parts. Whether a column may be null does not count.

    Args:
        schemas: the path and the `pyarrow.Schema` of each file.

    Raises:
        InputError: a column has types in two files that have nothing in common.
    """
    types: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for path, schema in schemas:
        for field in schema:
            if field.name not in types:
                types[field.name], owners[field.name] = field.type, path
                continue
            common = _common_type(types[field.name], field.type)
            if common is None:
                raise InputError(
                    f"the column {field.name!r} is {types[field.name]} in {owners[field.name]} and {field.type} in {path};"
                    " expected types that can be reconciled: convert one, or leave the column out with --columns"
                )
            if common != types[field.name]:
                types[field.name], owners[field.name] = common, path if common == field.type else owners[field.name]
    return pa.schema([(name, _storable(kind)) for name, kind in types.items()])


def _storable(kind: Any) -> Any:
    """A view type as the plain type, which every reader of Parquet knows."""
    if _is_view(kind):
        if pa.types.is_string_view(kind):
            return pa.string()
        if pa.types.is_binary_view(kind):
            return pa.binary()
        return pa.list_(_storable(kind.value_type))
    return kind


def _is_view(kind: Any) -> bool:
    return any(getattr(pa.types, name, lambda _: False)(kind) for name in _VIEWS)


def is_text(kind: Any) -> bool:
    """Whether the values of a type are texts; a column that is all null may be one."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    kind = _storable(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _common_type(first: Any, second: Any) -> Any:
    """The type of values of both types; None where there is none."""
    if first == second:
        return first
    first, second = _plain(first), _plain(second)
    if first == second:
        return first
    types = pa.types
    kinds = (first, second)
    if any(types.is_binary(k) or types.is_large_binary(k) or types.is_fixed_size_binary(k) for k in kinds) and any(
        types.is_string(k) or types.is_large_string(k) for k in kinds
    ):
        return None
    if types.is_timestamp(first) and types.is_timestamp(second):
        if (first.tz is None) != (second.tz is None):
            return None
        unit = max(first.unit, second.unit, key=list(_DIGITS).index)
        return pa.timestamp(unit, first.tz if first.tz == second.tz else "UTC")
    if any(map(types.is_decimal, kinds)) and any(map(types.is_integer, kinds)):
        decimal = first if types.is_decimal(first) else second
        digits = max(decimal.precision - decimal.scale, 20)  # before the point; 20 hold any integer of 64 bits
        return pa.decimal128(digits + decimal.scale, decimal.scale) if digits + decimal.scale <= 38 else None
    if types.is_struct(first) and types.is_struct(second):
        return _common_struct(first, second)
    if _is_list(first) and _is_list(second):
        inner = _common_type(first.value_type, second.value_type)
        large = types.is_large_list(first) or types.is_large_list(second)
        return None if inner is None else pa.large_list(inner) if large else pa.list_(inner)
    try:
        merged = pa.unify_schemas(
            [pa.schema([("value", first)]), pa.schema([("value", second)])], promote_options="permissive"
        )
        common = merged.field("value").type
        for kind in kinds:
            pa.array([], kind).cast(common)
    except (pa.ArrowException, TypeError, ValueError):
        return None
    return common


def _plain(kind: Any) -> Any:
    """A type without how it is stored: dictionaries and views as what they hold."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _storable(kind)


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _common_struct(first: Any, second: Any) -> Any:
    fields = {field.name: field.type for field in first}
    for field in second:
        common = field.type if field.name not in fields else _common_type(fields[field.name], field.type)
        if common is None:
            return None
        fields[field.name] = common
    return pa.struct([pa.field(name, kind) for name, kind in fields.items()])


def conform(table: Any, schema: Any) -> tuple[Any, dict[int, str]]:
    """A table with the columns of a schema: in its order, cast to its types, null where the table has none.

    Returns:
        The table, and by its place why a row does not fit: a number that the type of the column cannot hold exactly.
    """
    problems: dict[int, str] = {}
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(_nulls(len(table), field.type))
            continue
        column = table.column(field.name)
        if column.type != field.type:
            column, places = _cast(column, field.type)
            for place in places:
                problems.setdefault(
                    place, f"the value of {field.name!r} does not fit {field.type}, its type in all files"
                )
        columns.append(column)
    return pa.table(columns, schema=schema), problems


def _cast(column: Any, kind: Any) -> tuple[Any, list[int]]:
    """A column cast to a type, and the places of the values that do not fit, which are null then."""
    if _holds_struct(kind):
        return pa.chunked_array([_rebuilt(_combined(column), kind)]), []
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column.cast(kind), []
    except pa.ArrowInvalid:
        places = []
        values = []
        for place, value in enumerate(_combined(column)):
            try:
                values.append(pa.array([value.as_py()], column.type).cast(kind)[0].as_py())
            except (pa.ArrowInvalid, ValueError, OverflowError):
                values.append(None)
                places.append(place)
        return pa.chunked_array([pa.array(values, kind)]), places


def _nulls(count: int, kind: Any) -> Any:
    # pyarrow.nulls makes a dictionary without the word that its indices name.
    return pa.array([None] * count, kind) if pa.types.is_dictionary(kind) else pa.nulls(count, kind)


def _combined(column: Any) -> Any:
    combined = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(combined, pa.ChunkedArray):
        combined = pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], combined.type)
    return combined


def _holds_struct(kind: Any) -> bool:
    return bool(pa.types.is_struct(kind)) or (_is_list(kind) and _holds_struct(kind.value_type))


def _rebuilt(array: Any, kind: Any) -> Any:
    """Structs and lists of them with the fields of a type: Arrow's own cast wants the same fields."""
    if pa.types.is_null(array.type):
        return _nulls(len(array), kind)
    if pa.types.is_struct(kind):
        names = {field.name: place for place, field in enumerate(array.type)}
        parts = [
            _rebuilt(array.field(names[field.name]), field.type)
            if field.name in names
            else _nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=array.is_null())
    if _is_list(kind) and not pa.types.is_fixed_size_list(array.type):
        array = pa.concat_arrays([array])  # without an offset
        values = _rebuilt(array.values, kind.value_type)
        cls = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        offsets = array.offsets.cast(pa.int64() if cls is pa.LargeListArray else pa.int32())
        return cls.from_arrays(offsets, values, type=kind, mask=array.is_null())
    return array.cast(kind)


def texts(column: Any) -> list[Any]:
    """The values of a column of strings; bytes that are not UTF-8 become lone surrogates, as when text is read."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        # Arrow does not look at the bytes of a string until they are asked for.
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        binary = pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        plain = [chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk for chunk in chunks]
        raw = [value for chunk in plain for value in _viewed(chunk, binary)]
        values = [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]
    return values


def _viewed(array: Any, binary: Any) -> list[Any]:
    values: list[Any] = (array.cast(binary) if _is_view(array.type) else array.view(binary)).to_pylist()
    return values


def json_values(column: Any) -> list[Any]:
    """The values of a column as JSON has them; see `fillmask.data.values`.

    Independent of pandas, and of the years and nanoseconds that Python's own dates do not have.
    """
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in json_values(chunk)]
    kind, types = column.type, pa.types
    if isinstance(kind, pa.ExtensionType) or hasattr(column, "storage"):
        if getattr(kind, "extension_name", "") == "arrow.uuid":
            return [json_value(value) for value in column.to_pylist()]
        return json_values(column.storage)
    if types.is_dictionary(kind):
        return json_values(column.dictionary_decode())
    if types.is_string(kind) or types.is_large_string(kind) or (_is_view(kind) and is_text(kind)):
        return texts(column)
    if types.is_date(kind):
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist() if types.is_date32(kind) else _days(column)
        return [None if day is None else iso_date(day) for day in days]
    if types.is_timestamp(kind):
        digits, zone = _DIGITS[kind.unit], kind.tz
        return [None if v is None else iso_timestamp(v, digits, zone) for v in column.cast(pa.int64()).to_pylist()]
    if types.is_time(kind):
        digits = _DIGITS[kind.unit]
        width = pa.int32() if types.is_time32(kind) else pa.int64()
        return [None if v is None else iso_time(v, digits) for v in column.cast(width).to_pylist()]
    if types.is_duration(kind):
        digits = _DIGITS[kind.unit]
        return [None if v is None else iso_duration(v, digits) for v in column.cast(pa.int64()).to_pylist()]
    if types.is_struct(kind):
        return _structs(column)
    if types.is_map(kind):
        pairs = [[key, value] for key, value in zip(json_values(column.keys), json_values(column.items), strict=True)]
        ends, valid = column.offsets.to_pylist(), column.is_valid().to_pylist()
        return [pairs[ends[n] : ends[n + 1]] if there else None for n, there in enumerate(valid)]
    if _is_list(kind) or (_is_view(kind) and not is_text(kind) and hasattr(column, "flatten")):
        return _lists(column)
    return [json_value(value) for value in column.to_pylist()]


def _days(column: Any) -> list[int | None]:
    return [None if value is None else value // 86_400_000 for value in column.cast(pa.int64()).to_pylist()]


def _structs(column: Any) -> list[Any]:
    names = [field.name for field in column.type]
    parts = [json_values(column.field(place)) for place in range(len(names))]
    rows = zip(*parts, strict=True) if parts else iter([()] * len(column))
    valid = column.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]


def _lists(column: Any) -> list[Any]:
    values = json_values(column.flatten())  # of the lists that are not null, one after the other
    rows, start = [], 0
    for length in pc.list_value_length(column).to_pylist():
        rows.append(None if length is None else values[start : start + length])
        start += length or 0
    return rows


def type_names(schema: Any) -> Mapping[str, str]:
    """The types of a schema as Arrow prints them, by column."""
    return {field.name: str(field.type) for field in schema}
