"""Parses landed messages of a stream to rows: one per message, or per element of a list inside of it.

How they lie in the raw zone is `messages`; reading from brokers is the business of each connector.

Entry: `StreamSource` for the part connectors have in common.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, Literal, Self, TypeVar

import pyarrow as pa
from pydantic import Field, model_validator

from potable.errors import MissingExtra
from potable.sources.blobs import Blob
from potable.sources.cells import Cells, Number, NumberType, apart, number_of, texts
from potable.sources.files import DAMAGE, unreadable
from potable.sources.inner import InnerSource, InnerTable, Record, elements
from potable.sources.jsonrows import Row
from potable.sources.messages import FORM, FRAMED, WITH_SCHEMA, Known, Message, schema_number, written
from potable.sources.records import column, read_json, read_line
from potable.tables import Column

_FIRST_RECORDS = 100
BESIDE = (
    "`@key`, `@timestamp`, `@header.NAME`, `@partition` and `@offset` (which identify a message), and `@deleted` "
    "(true if the message has no value, so that its key may be gone: `deleted`)"
)
"""What is told of messages when a first contract is written."""
Decode = Callable[[bytes], Any]


class StreamTable(InnerTable):
    """A table of messages."""

    columns: dict[str, Column] = Field(min_length=1)
    """Columns by name, in output order. Paths are dotted paths in the value, or `@key` (`@key.PATH`), `@partition`,
    `@offset`, `@timestamp`, `@header.NAME` and `@deleted`, which is true for a message without a value."""
    value: Literal["json", "avro", "protobuf"] = "json"
    """Format of values: JSON objects, or Avro records or Protobuf messages whose schemas are in a registry."""
    key: Literal["text", "json", "avro", "protobuf"] = "text"
    """Format of keys."""
    tombstones: Literal["rows", "none"] = "rows"
    """What messages without a value become: rows with only their key and position, or nothing."""
    lost: Literal["fail", "record"] = "fail"
    """What happens if messages were deleted before they were read: stop the run, or record the gap in the state."""

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        for name, declared in self.columns.items():
            for path in declared.paths(name):
                known = path in _OF_MESSAGE or path.startswith(("@header.", "@key."))
                if path.startswith("@") and not known:
                    allowed = ", ".join((*_OF_MESSAGE, "@key.PATH", "@header.NAME"))
                    raise ValueError(f"column `{name}`: a message has nothing called `{path}`; use {allowed}")
                if path.startswith("@key.") and self.key == "text":
                    raise ValueError(f"column `{name}`: `{path}` needs `key: json`, `avro` or `protobuf`")
                if path == "@deleted" and self.records:
                    raise ValueError(
                        f"column `{name}`: a message without a value has no lists, so it cannot tell which records "
                        "are gone; use `parts_of`"
                    )
        return self

    @property
    def stream_name(self) -> str:
        """The stream whose messages it has."""
        raise AttributeError(f"{type(self).__name__} does not say of which stream it is")

    @property
    def needs_registry(self) -> bool:
        """Whether schemas are needed to read it."""
        return not {self.value, self.key}.isdisjoint(WITH_SCHEMA)


@dataclass(frozen=True, slots=True)
class _Row(Record):
    """A record of a stream; without a value in its message, nothing is in its own."""

    message: Message
    key: Any

    def landed(self) -> bytes:
        return self.message.line().encode()


S = TypeVar("S", bound=StreamTable)


class StreamSource(InnerSource[S, _Row]):
    """What sources of messages have in common: how landed ones become rows."""

    names_objects: ClassVar[bool] = True
    beside: ClassVar[str] = BESIDE

    def rows(self, table: S, blob: Blob, number: NumberType | None = None) -> Iterator[_Row]:
        """Its messages, or elements of the lists inside of them."""
        rows = _decoded(table, blob, number or (Number if table.records else number_of(table)))
        return _elements(table, rows) if table.records else rows

    def beside_record(self, rows: Sequence[_Row], path: str, *, told: bool) -> Cells:
        """What the messages have at `@key`, `@offset` and the like."""
        if path.startswith("@key."):
            keys = [row.key if isinstance(row.key, dict) else {} for row in rows]
            return column(keys, (path.removeprefix("@key."),), told=told)
        found = _meta(rows, path)
        return apart(found) if told else found

    def first(self, table: str, blob: Blob) -> list[tuple[Any, Row | None]]:
        """The values of the first messages that have one, or the first elements of lists inside of them."""
        rows = islice(self.rows(self.tables[table], blob), _FIRST_RECORDS)
        return [(row.value, row.inner) for row in rows if row.value]

    def of_stream(self, table: str) -> str:
        """The stream whose messages a table has."""
        return self.tables[table].stream_name


class _Unread(ValueError):
    """A key or value that cannot be read; the text is a few words that quote nothing of it."""


def _elements(table: StreamTable, rows: Iterator[_Row]) -> Iterator[_Row]:
    numbers = Counter[int]()
    for row in rows:
        if row.wrong is not None:
            # in every table of its stream it counts as one
            numbers.update(range(len(table.steps) + 1))
            yield replace(row, ordinal=numbers[0])
            continue
        for element in elements(table, row.value, numbers):
            fits = isinstance(element.value, dict) or table.of_values
            value, wrong = (element.value or {}, None) if fits else (None, "no object")
            yield _Row(element.number, value, element, wrong, row.message, row.key)


def _decoded(table: StreamTable, blob: Blob, number: type[str]) -> Iterator[_Row]:
    decoders: dict[Known, Decode | None] = {}
    ordinal = 0
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
            yield _Row(ordinal, None, None, str(failure), message, None)
        else:
            yield _Row(ordinal, record, None, None, message, key)


def _lines(blob: Blob) -> Iterator[Message | dict[str, Any]]:
    """Messages, and schemas before they are needed."""
    number = 0
    try:
        with blob.open() as stream:
            # a message is bounded by its broker, so a line is
            lines = _split(stream.read)
            if json.loads(next(lines, b"{}"))["potable"] != FORM:
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
            return read_json(data if schema is None else data[FRAMED:], number)
        if decode is not None:
            return decode(data[FRAMED:])
    except _Unread:
        raise
    except ValueError:
        raise _Unread("not JSON" if form == "json" else "not what its schema says") from None
    raise _Unread("names no schema" if schema is None else "of a schema the registry does not have")


def _decoder(form: str, definitions: list[str] | None, number: type[str]) -> Decode | None:
    if definitions is None:
        return None
    if form == "avro":
        from potable.sources import avro

        return avro.decoder(definitions, number) or _undecodable
    try:
        from potable.sources import protobuf
    except ModuleNotFoundError:
        raise MissingExtra("protobuf", "protobuf") from None
    return protobuf.decoder(definitions, number) or _undecodable


def _undecodable(data: bytes) -> Any:
    raise _Unread("of a schema that cannot be read")


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


def _shown(data: bytes | None) -> str:
    """`data` as a text: its own where it is UTF-8, else base64."""
    told = written(data)
    return told["base64"] if isinstance(told, dict) else told or ""


_OF_MESSAGE: Mapping[str, Callable[[Message], str | None]] = {
    "@key": lambda message: None if message.key is None else _shown(message.key),
    "@partition": lambda message: message.partition,
    "@offset": lambda message: str(message.offset),
    "@timestamp": lambda message: _moment(message.timestamp),
    "@deleted": lambda message: "true" if message.value is None else "false",
    "@object": lambda message: None,
}
"""What a message has beside its value, as texts."""
