"""Avro values by the schemas that landed beside them.

Entry: `decoder`.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import numpy as np
from fastavro import _read_py
from fastavro.read import LOGICAL_READERS
from fastavro.schema import SchemaParseException, UnknownType

_SINGLE, _EXACT = "potable-single", "potable-decimal"
"""What numbers of single precision and decimals are called in schemas here."""
_KINDS = ("record", "error", "enum", "fixed", "array", "map")


def decoder(definitions: list[str], number: type[str] = str) -> Callable[[bytes], Any] | None:
    """What reads values of a schema; None where the schema itself cannot be read.

    Args:
        definitions: texts of the schemas it refers to, and its own last.
        number: what numbers become.
    """
    named: dict[str, Any] = {}
    try:
        for text in definitions:
            schema = fastavro.parse_schema(_told(json.loads(text)), named_schemas=named)
    except (ValueError, SchemaParseException, UnknownType, TypeError, KeyError, RecursionError):
        return None
    # the quick reader goes as deep as the bytes say, and then the process ends
    read = _read_py.schemaless_reader if _endless(schema, named, frozenset(), set()) else fastavro.schemaless_reader

    def decode(data: bytes) -> Any:
        stream = io.BytesIO(data)
        try:
            found = read(stream, schema, None)
        # whatever a reader meets in bytes that are no record
        except Exception as broken:
            raise ValueError(type(broken).__name__) from None
        if stream.read(1):
            raise ValueError("more than a record")
        try:
            return _plain(found, number)
        except RecursionError:
            raise ValueError("RecursionError") from None

    return decode


def _endless(schema: Any, named: dict[str, Any], around: frozenset[str], known: set[str]) -> bool:
    """Whether its values may lie in one another without end.

    Args:
        around: names of the types that it lies in.
        known: of those that were looked at.
    """
    if isinstance(schema, list):
        return any(_endless(each, named, around, known) for each in schema)
    if isinstance(schema, str):
        return schema in around or (schema in named and _endless(named[schema], named, around, known))
    if name := schema.get("name"):
        if name in around or name in known:
            return name in around
        known.add(name)
        around |= {name}
    inside = [schema[key] for key in ("items", "values") if key in schema]
    inside += [field["type"] for field in schema.get("fields", ())] or [schema["type"]]
    return any(_endless(each, named, around, known) for each in inside if each not in _KINDS)


def _told(schema: Any) -> Any:
    """A schema to read by: no defaults, which nobody wrote, and numbers with the digits that were written.

    Numbers of single precision have others than of double; fastavro rounds a decimal to the digits its schema allows.
    """
    if isinstance(schema, list):
        return [_told(each) for each in schema]
    if not isinstance(schema, dict):
        return {"type": "float", "logicalType": _SINGLE} if schema == "float" else schema
    if schema.get("type") == "float":
        return _told("float")
    if schema.get("logicalType") == "decimal" and schema.get("type") in ("bytes", "fixed"):
        return {**schema, "logicalType": _EXACT}
    inside = {key: _told(schema[key]) for key in ("type", "items", "values") if key in schema}
    if isinstance(schema.get("fields"), list):
        inside["fields"] = [_field(field) for field in schema["fields"]]
    return {**schema, **inside}


def _field(field: Any) -> Any:
    if not isinstance(field, dict) or "type" not in field:
        return field
    return {**{key: value for key, value in field.items() if key != "default"}, "type": _told(field["type"])}


def _single(value: float, *schemas: Any) -> Any:
    return np.float32(value)


def _exact(data: bytes, schema: Any, *others: Any) -> Decimal:
    """All digits of a decimal, however many its schema allows."""
    digits = Decimal(int.from_bytes(data, "big", signed=True)).as_tuple()
    return Decimal((digits.sign, digits.digits, -int(schema.get("scale", 0))))


LOGICAL_READERS.update({f"float-{_SINGLE}": _single, f"bytes-{_EXACT}": _exact, f"fixed-{_EXACT}": _exact})


def _plain(value: Any, number: type[str]) -> Any:
    """`value` as JSON has it; moments in ISO 8601, numbers with their digits, bytes in base64."""
    if isinstance(value, dict):
        return {str(name): _plain(inner, number) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, number) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return number(format(value, "f"))
    if isinstance(value, np.float32):
        return number(format(Decimal(str(value)), "f"))
    if isinstance(value, int | float):
        return number(value)
    return str(value) if isinstance(value, UUID) else value
