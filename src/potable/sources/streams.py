"""Messages of a stream: how they lie in the raw zone, and how they become rows.

A landed object holds a bounded number of messages of one partition as JSON lines: a head, then each message
with its place, time, key, headers and value, exactly as received (text where it is UTF-8, base64 where not),
and before its first use every schema that is needed to read them. Reading from brokers is not done here.

Entry: `Chunk` writes an object, `parse` reads it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from potable.errors import EnvironmentFailure, MissingExtra
from potable.sources.base import Blob
from potable.sources.cells import Cells, apart, number_of
from potable.sources.files import DAMAGE, unreadable
from potable.sources.keypaths import require_spelled
from potable.sources.originals import missing
from potable.sources.records import column, leaves, read_json, read_line, texts, unread
from potable.sources.typed import typed_at
from potable.tables import Column, Table

_FORM = "messages/1"
"""What the first line of an object says it is."""
_MESSAGES = 50_000
_BYTES = 16 << 20
_BATCH_ROWS = 16_384
_FIRST_RECORDS = 100
_FRAMED = 5
"""Bytes before a value that names its schema: a zero and the number of the schema."""
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
BESIDE = (
    "`@key`, `@timestamp`, `@header.NAME`, `@partition` and `@offset`, which tell all messages apart, and `@deleted`,"
    " true where a message has no value and its key may be gone (`deleted`)"
)
"""What is told of messages when a first contract is written."""
Decode = Callable[[bytes], Any]
Schemas = Callable[[str, int], list[str] | None]
"""Texts of a schema of a form and those it refers to, these first; None for one nobody knows."""
Known = tuple[str, int]
"""A schema: its form and its number."""
_WITH_SCHEMA = ("avro", "protobuf")


class StreamTable(Table):
    """A table of messages."""

    columns: dict[str, Column] = Field(min_length=1)
    """Columns by name, in output order. Paths are dotted paths in the value, or `@key` (`@key.PATH`), `@partition`,
    `@offset`, `@timestamp`, `@header.NAME` and `@deleted`, which is true for a message without a value."""
    value: Literal["json", "avro", "protobuf"] = "json"
    """Form of values: JSON objects, or Avro records or Protobuf messages whose schemas a registry has."""
    key: Literal["text", "json", "avro", "protobuf"] = "text"
    """Form of keys."""
    tombstones: Literal["rows", "none"] = "rows"
    """What messages without a value are: rows with nothing but their key and place, or no records."""
    lost: Literal["fail", "record"] = "fail"
    """What messages do that were deleted before they were read: stop the run, or be noted in the state."""

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        for name, declared in self.columns.items():
            for path in declared.paths(name):
                known = path in _OF_MESSAGE or path.startswith(("@header.", "@key."))
                if path.startswith("@") and not known:
                    allowed = ", ".join((*_OF_MESSAGE, "@key.PATH", "@header.NAME"))
                    raise ValueError(f"column `{name}`: `{path}` is nothing a message has; there are {allowed}")
                if path.startswith("@key.") and self.key == "text":
                    raise ValueError(f"column `{name}`: `{path}` needs `key: json`, `avro` or `protobuf`")
        require_spelled(self.columns, "@")
        return self

    @property
    def needs_registry(self) -> bool:
        """Whether schemas are needed to read it."""
        return not {self.value, self.key}.isdisjoint(_WITH_SCHEMA)


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
            "key": _written(self.key),
            "headers": [[name, _written(value)] for name, value in self.headers],
            "value": _written(self.value),
        }
        return _WRITER.encode(line)

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """The message a line holds."""
        headers = [(name, _read(value)) for name, value in line["headers"]]
        key, value = _read(line["key"]), _read(line["value"])
        return cls(line["partition"], line["offset"], line["timestamp"], key, value, headers)


class Chunk:
    """An object that is being made of consecutive messages of one partition."""

    def __init__(self, table: StreamTable, stream: str, schemas: Schemas | None) -> None:
        self._table, self._schemas = table, schemas
        self._lines = [json.dumps({"potable": _FORM, "stream": stream})]
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
                if form in _WITH_SCHEMA and (number := schema_number(data)) is not None:
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
    if data is None or len(data) < _FRAMED or data[0]:
        return None
    return int.from_bytes(data[1:_FRAMED])


def gone(source: str, why: str) -> EnvironmentFailure:
    """The error for messages that can never be read; `why` names them by their place."""
    return EnvironmentFailure(
        f"source `{source}`: {why}",
        "E009",
        hint="run more often than the topic forgets; `lost: record` in the table notes what is lost and reads on",
        state="nothing was landed from this source; what was landed before stays",
        next="potable state show",
    )


def parse(table: StreamTable, blob: Blob) -> Iterator[pa.RecordBatch]:
    """Typed batches of a landed object; messages that cannot be read come with their text only.

    Raises:
        DataError: D007, it is no object of messages.
    """
    rows = _decoded(table, blob)
    while part := list(islice(rows, _BATCH_ROWS)):
        if good := [row for row in part if row.record is not None]:
            found = {name: _cells(good, declared, name) for name, declared in table.columns.items()}
            yield typed_at(table, found, blob.name, pa.array([row.ordinal for row in good], pa.int64()))
        if bad := [row for row in part if row.record is None]:
            originals = [row.message.line() for row in bad]
            places = [row.ordinal for row in bad]
            yield unread(table, [blob.name] * len(bad), places, originals, [row.why for row in bad])


def record(blob: Blob, ordinal: int) -> bytes:
    """The line of a message.

    Raises:
        DataError: D007, there is no such message, or the object is none of messages.
    """
    found = (item for item in _lines(blob) if isinstance(item, Message))
    message = next(islice(found, ordinal - 1, None), None) if ordinal > 0 else None
    if message is None:
        raise missing(blob, ordinal)
    return message.line().encode()


def observe(table: StreamTable, blob: Blob) -> Set[str] | None:
    """Dotted paths of all values in the first messages."""
    records = [row.record for row in islice(_decoded(table, blob), _FIRST_RECORDS) if row.record]
    return leaves(records, signs="@") if records else None


@dataclass(frozen=True, slots=True)
class _Row:
    ordinal: int
    message: Message
    record: dict[str, Any] | None
    """The value; None where it cannot be read, nothing in it where there is none."""
    key: Any
    why: str = ""
    """What is wrong with a message that cannot be read."""


class _Unread(ValueError):
    """A key or value that cannot be read; the text is a few words that quote nothing of it."""


def _decoded(table: StreamTable, blob: Blob) -> Iterator[_Row]:
    decoders: dict[Known, Decode | None] = {}
    ordinal, number = 0, number_of(table)
    for message in _lines(blob):
        if not isinstance(message, Message):
            form = message.get("form", "avro")
            decoders[form, message["schema"]] = _decoder(form, message["definitions"], number)
            continue
        ordinal += 1
        if message.value is None and table.tombstones == "none":
            continue
        try:
            record = {} if message.value is None else _value(table.value, message.value, decoders, number)
            if not isinstance(record, dict):
                raise _Unread("no object")
            text = message.key is None or table.key == "text"
            key = None if text else _value(table.key, message.key or b"", decoders, number)
        except _Unread as failure:
            yield _Row(ordinal, message, None, None, str(failure))
        else:
            yield _Row(ordinal, message, record, key)


def _lines(blob: Blob) -> Iterator[Message | dict[str, Any]]:
    """Messages, and schemas before they are needed."""
    number = 0
    try:
        with blob.open() as stream:
            # a message is bounded by its broker, so a line is
            lines = _split(stream.read)
            if json.loads(next(lines, b"{}"))["potable"] != _FORM:
                raise ValueError
            for line in lines:
                number += 1
                found = read_line(line.decode())
                yield found if "schema" in found else Message.of(found)
    except (ValueError, KeyError, TypeError, *DAMAGE) as failure:
        raise unreadable(blob, f"not an object of messages ({type(failure).__name__})", row=number) from None


def _split(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a stream; the last one is ended too, or the object was cut."""
    rest = b""
    while block := read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        raise EOFError


def _value(form: str, data: bytes, decoders: Mapping[Known, Decode | None], number: type[str]) -> Any:
    """What a key or value says, numbers as `number`.

    Raises:
        _Unread: it cannot be read.
    """
    schema = schema_number(data)
    decode = None if schema is None else decoders.get((form, schema))
    try:
        if form == "json":
            # producers that use a registry put the number of the schema before the JSON too
            return read_json(data if schema is None else data[_FRAMED:], number)
        if decode is not None:
            return decode(data[_FRAMED:])
    except ValueError:
        raise _Unread("not JSON" if form == "json" else "not what its schema says") from None
    raise _Unread("names no schema" if schema is None else "of a schema the registry does not have")


def _decoder(form: str, definitions: list[str] | None, number: type[str]) -> Decode | None:
    if definitions is None:
        return None
    if form == "avro":
        from potable.sources import avro

        return avro.decoder(definitions, number)
    try:
        from potable.sources import protobuf
    except ModuleNotFoundError:
        raise MissingExtra("protobuf", "protobuf") from None
    return protobuf.decoder(definitions, number)


def _cells(rows: Sequence[_Row], declared: Column, name: str) -> Cells:
    """The texts of a column, from the first of its paths that has one."""
    told = declared.decimal == ","
    found = [_at(rows, path, told=told) for path in declared.paths(name)]
    return pc.coalesce(*found) if found[1:] else found[0]


def _at(rows: Sequence[_Row], path: str, *, told: bool) -> Cells:
    if path.startswith("@key."):
        keys = [row.key if isinstance(row.key, dict) else {} for row in rows]
        return column(keys, (path.removeprefix("@key."),), told=told)
    if not path.startswith("@"):
        return column([row.record for row in rows], (path,), told=told)
    found = _meta(rows, path)
    return apart(found) if told else found


def _meta(rows: Sequence[_Row], path: str) -> pa.StringArray:
    if path.startswith("@header."):
        name = path.removeprefix("@header.")
        return texts([next((_shown(value) for key, value in row.message.headers if key == name), None) for row in rows])
    return texts([_OF_MESSAGE[path](row.message) for row in rows])


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _written(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _read(written: str | dict[str, str] | None) -> bytes | None:
    if isinstance(written, dict):
        return base64.b64decode(written["base64"])
    return None if written is None else written.encode()


def _shown(data: bytes | None) -> str:
    """`data` as a text: its own where it is UTF-8, else base64."""
    written = _written(data)
    return written["base64"] if isinstance(written, dict) else written or ""


_OF_MESSAGE: Mapping[str, Callable[[Message], str | None]] = {
    "@key": lambda message: None if message.key is None else _shown(message.key),
    "@partition": lambda message: message.partition,
    "@offset": lambda message: str(message.offset),
    "@timestamp": lambda message: _moment(message.timestamp),
    "@deleted": lambda message: "true" if message.value is None else "false",
    "@object": lambda message: None,
}
"""What a message has beside its value, as texts."""
