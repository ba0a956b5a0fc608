"""The raw-zone format of stream messages.

A landed object holds a bounded number of messages of one partition as JSON lines: a head, then each message
with its place, time, key, headers and value, exactly as received (text where it is UTF-8, base64 where not),
and before its first use every schema that is needed to read them. Reading from brokers is not done here.

Entry: `Chunk` writes an object; `streams` reads it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from potable.errors import EnvironmentFailure

if TYPE_CHECKING:
    from potable.sources.streams import StreamTable

FORM = "messages/1"
"""What the first line of an object says it is."""
_MESSAGES = 50_000
_BYTES = 16 << 20
FRAMED = 5
"""Bytes before a value that names its schema: a zero and the number of the schema."""
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
Schemas = Callable[[str, int], list[str] | None]
"""Texts of a schema of a form and those it refers to, these first; None for one nobody knows."""
Known = tuple[str, int]
"""A schema: its form and its number."""
WITH_SCHEMA = ("avro", "protobuf")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received."""

    partition: str
    offset: int
    timestamp: int | None
    """Milliseconds since 1970, UTC."""
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Sequence[tuple[str, bytes | None]] = field(default=(), repr=False)

    def line(self) -> str:
        """The message as a line of a landed object."""
        line = {
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.timestamp,
            "key": written(self.key),
            "headers": [[name, written(value)] for name, value in self.headers],
            "value": written(self.value),
        }
        return _WRITER.encode(line)

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """The message a line holds."""
        headers = [(name, _bytes_of(value)) for name, value in line["headers"]]
        key, value = _bytes_of(line["key"]), _bytes_of(line["value"])
        return cls(line["partition"], line["offset"], line["timestamp"], key, value, headers)


class Chunk:
    """An object that is being made of consecutive messages of one partition."""

    def __init__(self, table: StreamTable, stream: str, schemas: Schemas | None) -> None:
        self._table, self._schemas = table, schemas
        self._lines = [json.dumps({"potable": FORM, "stream": stream})]
        self._known: set[Known] = set()
        self._bytes = 0
        self.messages = 0
        self.first = 0
        """Offset of the first message."""

    @property
    def full(self) -> bool:
        """Whether another object should begin."""
        return self.messages >= _MESSAGES or self._bytes >= _BYTES

    def add(self, message: Message) -> None:
        """Add a message, and what is needed to read it."""
        if self._schemas:
            for form, data in ((self._table.key, message.key), (self._table.value, message.value)):
                if form in WITH_SCHEMA and (number := schema_number(data)) is not None:
                    self._add_schema(form, number, self._schemas)
        self.first = self.first if self.messages else message.offset
        self.messages += 1
        line = message.line()
        self._lines.append(line)
        self._bytes += len(line)

    def _add_schema(self, form: str, number: int, schemas: Schemas) -> None:
        if (form, number) not in self._known:
            self._known.add((form, number))
            line = {"schema": number, "definitions": schemas(form, number)}
            self._lines.append(json.dumps(line if form == "avro" else {**line, "form": form}))

    def data(self) -> bytes:
        """The object's bytes."""
        return ("\n".join(self._lines) + "\n").encode()


def schema_number(data: bytes | None) -> int | None:
    """Number of the schema a value names; None where it names none."""
    if data is None or len(data) < FRAMED or data[0]:
        return None
    return int.from_bytes(data[1:FRAMED])


def gone(source: str, why: str) -> EnvironmentFailure:
    """The error for messages that can never be read; `why` names them by their place."""
    return EnvironmentFailure(
        f"source `{source}`: {why}",
        "E009",
        hint="run more often than the topic deletes messages; with `lost: record` in the table, the gap is "
        "recorded and reading continues",
        state="nothing was landed from this source; what was landed before is kept",
        next="potable state show",
    )


def written(data: bytes | None) -> str | dict[str, str] | None:
    """Bytes as a line of an object has them."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes_of(written: str | dict[str, str] | None) -> bytes | None:
    if isinstance(written, dict):
        return base64.b64decode(written["base64"])
    return None if written is None else written.encode()
