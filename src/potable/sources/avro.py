"""Avro values and the registry that has their schemas (Confluent's, and what speaks like it).

The registry is asked while messages are landed; what it says lands beside them, so that parsing asks nobody.

Entry: `Registry` for the schemas, `decoder` for values.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import fastavro
import httpx
from fastavro.schema import SchemaParseException, UnknownType

from potable.declarations import Declaration
from potable.sources.credentials import Auth
from potable.sources.http import Pace, Service, failure
from potable.sources.records import read_json

_ABSENT = ("40401", "40402", "40403")
"""What a registry says of a subject, version or schema that it does not have; other 404s come from no registry."""


class SchemaRegistry(Declaration):
    """Where schemas are."""

    url: str
    """URL of the registry."""
    auth: Auth | None = None
    """Credentials, by reference."""


class Registry:
    """The schemas of a registry, each asked for once."""

    def __init__(self, source: str, declared: SchemaRegistry, *, timeout: float) -> None:
        self._source = source
        self.service = Service(source, declared.url, declared.auth, timeout=timeout, pace=Pace())
        self._known: dict[int, list[str] | None] = {}

    def definitions(self, number: int) -> list[str] | None:
        """Texts of schema `number` and of those it refers to, these first; None for one the registry does not have.

        Raises:
            EnvironmentFailure: E001, the registry does not answer, or not like one.
        """
        if number not in self._known:
            found = self._asked(f"/schemas/ids/{number}")
            usable = found is not None and found.get("schemaType", "AVRO") == "AVRO"
            self._known[number] = self._whole(found, ()) if found and usable else None
        return self._known[number]

    def _whole(self, found: dict[str, Any], above: tuple[str, ...]) -> list[str]:
        out: list[str] = []
        for item in found.get("references") or ():
            path = f"/subjects/{quote(item['subject'], safe='')}/versions/{int(item['version'])}"
            inner = self._asked(path) if path not in above else None
            if inner is None:
                raise failure(self._source, "a schema refers to one that the registry does not have", retryable=False)
            out += [text for text in self._whole(inner, (*above, path)) if text not in out]
        return [*out, found["schema"]]

    def _asked(self, path: str) -> dict[str, Any] | None:
        name = "the schema registry"
        return self.service.get(self.service.below(path), name, self._answer, statuses=frozenset({200, 404}))

    def _answer(self, body: bytes, headers: httpx.Headers) -> dict[str, Any] | None:
        found = read_json(body)
        if isinstance(found, dict) and isinstance(found.get("schema"), str):
            return found
        if isinstance(found, dict) and found.get("error_code") in _ABSENT:
            return None
        raise ValueError("the schema registry gave no schema")


def decoder(definitions: list[str]) -> Callable[[bytes], Any] | None:
    """What reads values of a schema; None where the schema itself cannot be read.

    Args:
        definitions: texts of the schemas it refers to, and its own last.
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
        return _plain(found)

    return decode


def _plain(value: Any) -> Any:
    """`value` as JSON has it; moments in ISO 8601, numbers with their digits, bytes in base64."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, int | float | UUID) else value
