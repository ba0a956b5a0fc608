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
from fastavro.schema import SchemaParseException, UnknownType


def decoder(definitions: list[str], number: type[str] = str) -> Callable[[bytes], Any] | None:
    """What reads values of a schema; None where the schema itself cannot be read.

    Args:
        definitions: texts of the schemas it refers to, and its own last.
        number: what numbers become.
    """
    named: dict[str, Any] = {}
    try:
        for text in definitions:
            schema = fastavro.parse_schema(json.loads(text), named_schemas=named)
    except (ValueError, SchemaParseException, UnknownType, TypeError, KeyError):
        return None

    def decode(data: bytes) -> Any:
        stream = io.BytesIO(data)
        try:
            found = fastavro.schemaless_reader(stream, schema, None)
        # whatever a reader meets in bytes that are no record
        except Exception as broken:
            raise ValueError(type(broken).__name__) from None
        if stream.read(1):
            raise ValueError("more than a record")
        return _plain(found, number)

    return decode


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
    if isinstance(value, int | float):
        return number(value)
    return str(value) if isinstance(value, UUID) else value
