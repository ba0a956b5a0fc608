"""The registry that has the schemas of messages (Confluent's, and what speaks like it).

It is asked while messages are landed; what it says lands beside them, so that parsing asks nobody. Protobuf schemas
are asked for in compiled form, so that nothing here has to read `.proto` texts. What is done with schemas is
`avro` and `protobuf`.

Entry: `Registry`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from potable.declarations import Declaration
from potable.errors import MissingExtra
from potable.sources.credentials import Auth
from potable.sources.http import Pace, Service, failure
from potable.sources.records import read_json

_ABSENT = ("40401", "40402", "40403")
"""What a registry says of a subject, version or schema that it does not have; other 404s come from no registry."""
_ASKED = {"avro": {}, "protobuf": {"format": "serialized"}}
_MAIN = "value.proto"
"""Name of a Protobuf schema that no other refers to."""


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
        self._known: dict[tuple[str, int], list[str] | None] = {}

    def definitions(self, form: str, number: int) -> list[str] | None:
        """Texts of schema `number` and of those it refers to, these first; None where there is none of this form.

        Args:
            form: `avro` or `protobuf`.

        Raises:
            EnvironmentFailure: E001, the registry does not answer, or not like one.
            MissingExtra: what reads Protobuf is not installed.
        """
        if (form, number) not in self._known:
            self._known[form, number] = self._found(form, f"/schemas/ids/{number}")
        return self._known[form, number]

    def _found(self, form: str, path: str) -> list[str] | None:
        found = self._asked(form, path)
        if found is None or found.get("schemaType", "AVRO").lower() != form:
            return None
        texts = dict(self._whole(form, found, _MAIN, ()))
        return list(texts.values()) if form == "avro" else self._compiled(texts)

    def _whole(self, form: str, found: dict[str, Any], name: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Texts by what they are called by those that refer to them."""
        for item in found.get("references") or ():
            path = f"/subjects/{quote(item['subject'], safe='')}/versions/{int(item['version'])}"
            inner = self._asked(form, path) if path not in above else None
            if inner is None:
                raise failure(self._source, "a schema refers to one that the registry does not have", retryable=False)
            yield from self._whole(form, inner, str(item["name"]), (*above, path))
        yield name, found["schema"]

    def _compiled(self, texts: dict[str, str]) -> list[str] | None:
        try:
            from potable.sources.protobuf import named
        except ModuleNotFoundError:
            raise MissingExtra("protobuf", "protobuf") from None
        try:
            return named(texts)
        except ValueError:
            why = "the schema registry gives Protobuf schemas as texts only, not compiled (`format=serialized`)"
            raise failure(self._source, why, retryable=False) from None

    def _asked(self, form: str, path: str) -> dict[str, Any] | None:
        name, url = "the schema registry", self.service.below(path).copy_merge_params(_ASKED[form])
        return self.service.get(url, name, self._answer, statuses=frozenset({200, 404}))

    def _answer(self, body: bytes, headers: httpx.Headers) -> dict[str, Any] | None:
        found = read_json(body)
        if isinstance(found, dict) and isinstance(found.get("schema"), str):
            return found
        if isinstance(found, dict) and found.get("error_code") in _ABSENT:
            return None
        raise ValueError("the schema registry gave no schema")
