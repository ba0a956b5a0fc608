"""A client of a schema registry (Confluent's, and compatible ones).

Schemas are fetched while messages are landed and land beside them, so that parsing needs no registry. Protobuf schemas
are asked for in compiled form; `.proto` texts, which some registries give all the same, are for `prototexts`. What is
done with schemas is `avro` and `protobuf`.

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
_COMPILED = {"format": "serialized"}
_ANSWERED = frozenset({200, 404})
_REFUSED = _ANSWERED | {400, 422, 500, 501}
"""What registries answer that cannot give a schema in this form: Karapace 500, Redpanda 501."""
_TEXT = "text"
"""The form of a Protobuf schema as it was written."""
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
            EnvironmentFailure: E001, the registry does not answer, or not like one, or a schema does not compile.
            MissingExtra: what reads Protobuf, or compiles its texts, is not installed.
        """
        if (form, number) not in self._known:
            self._known[form, number] = self._found(form, number)
        return self._known[form, number]

    def _found(self, form: str, number: int) -> list[str] | None:
        path = f"/schemas/ids/{number}"
        found = self._asked(form, path)
        if found is None or found.get("schemaType", "AVRO").lower() != form:
            return None
        texts = dict(self._whole(form, found, _MAIN, ()))
        if form == "avro":
            return list(texts.values())
        try:
            return self._named(texts)
        except ValueError:
            # some may be compiled all the same, and protoc takes texts
            main = self._asked(_TEXT, path) or found
            return self._of_texts(dict(self._whole(_TEXT, main, _MAIN, ())), number)

    def _whole(self, form: str, found: dict[str, Any], name: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Texts by what they are called by those that refer to them."""
        for item in found.get("references") or ():
            path = f"/subjects/{quote(item['subject'], safe='')}/versions/{int(item['version'])}"
            inner = self._asked(form, path) if path not in above else None
            if inner is None:
                raise failure(self._source, "a schema refers to one that the registry does not have", retryable=False)
            yield from self._whole(form, inner, str(item["name"]), (*above, path))
        yield name, found["schema"]

    def _named(self, texts: dict[str, str]) -> list[str] | None:
        try:
            from potable.sources.protobuf import named
        except ModuleNotFoundError:
            raise MissingExtra("protobuf", "protobuf") from None
        return named(texts)

    def _of_texts(self, texts: dict[str, str], number: int) -> list[str]:
        """Schemas of a registry that does not know `format=serialized`."""
        try:
            from potable.sources.prototexts import compiled
        except ModuleNotFoundError:
            absent = MissingExtra("grpcio-tools", "protobuf-texts")
            absent.hint = (
                "the schema registry returns Protobuf schemas only as text, not compiled (`format=serialized`)"
            )
            raise absent from None
        try:
            return compiled(texts)
        except ValueError as broken:
            why = f"schema {number} of the schema registry cannot be compiled: {broken}"
            raise failure(self._source, why, retryable=False) from None

    def _asked(self, form: str, path: str) -> dict[str, Any] | None:
        """What the registry has there; None where it has nothing, a text where it cannot compile."""
        name, url = "the schema registry", self.service.below(path)
        if form in ("avro", _TEXT):
            return self.service.get(url, name, self._answer, statuses=_ANSWERED)
        compiled = url.copy_merge_params(_COMPILED)
        found = self.service.get(compiled, name, self._tried, statuses=_REFUSED)
        if found == {}:
            # alive, as the text then shows, it may only have stumbled
            text = self.service.get(url, name, self._answer, statuses=_ANSWERED)
            found = text and (self.service.get(compiled, name, self._tried, statuses=_REFUSED) or text)
        return found

    def _tried(self, body: bytes, headers: httpx.Headers) -> dict[str, Any] | None:
        """The same, and nothing in it where there is no schema in the form that was asked for."""
        try:
            return self._answer(body, headers)
        except ValueError:
            return {}

    def _answer(self, body: bytes, headers: httpx.Headers) -> dict[str, Any] | None:
        found = read_json(body)
        if isinstance(found, dict) and isinstance(found.get("schema"), str):
            return found
        if isinstance(found, dict) and found.get("error_code") in _ABSENT:
            return None
        raise ValueError("the schema registry returned no schema")
