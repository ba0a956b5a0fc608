"""Landed messages of a stream as rows: each message one, or each element of a list inside of it.

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
import pyarrow.compute as pc
from pydantic import Field, model_validator

from potable.errors import MissingExtra
from potable.sources.base import Blob
from potable.sources.cells import Cells, Number, apart, number_of, texts
from potable.sources.files import DAMAGE, unreadable
from potable.sources.inner import InnerSource, InnerTable, elements, shown, texts_at
from potable.sources.jsonrows import Row
from potable.sources.jsonsplit import Malformed
from potable.sources.messages import FORM, FRAMED, WITH_SCHEMA, Known, Message, schema_number, written
from potable.sources.originals import missing
from potable.sources.records import column, read_json, read_line
from potable.sources.typed import typed_at, untyped
from potable.tables import Column

_BATCH_ROWS = 16_384
_FIRST_RECORDS = 100
BESIDE = (
    "`@key`, `@timestamp`, `@header.NAME`, `@partition` and `@offset`, which tell all messages apart, and `@deleted`,"
    " true where a message has no value and its key may be gone (`deleted`)"
)
"""What is told of messages when a first contract is written."""
Decode = Callable[[bytes], Any]


class StreamTable(InnerTable):
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
                if path == "@deleted" and self.records:
                    raise ValueError(
                        f"column `{name}`: a message without a value has no lists, so none tells what went;"
                        " `parts_of` does"
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


S = TypeVar("S", bound=StreamTable)


class StreamSource(InnerSource[S]):
    """What sources of messages have in common: how landed ones become rows."""

    names_objects: ClassVar[bool] = True
    beside: ClassVar[str] = BESIDE

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one object; messages that cannot be read come with their text only."""
        yield from parse(self.tables[table], blob)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The message as it landed: a line of JSON with its place, time, key, headers and value; an element as JSON."""
        rows = _rows(self.tables[table], blob, Number)
        found = next((row for row in rows if row.ordinal == ordinal), None)
        if found is None:
            raise missing(blob, ordinal)
        return (shown(found.inner) if found.inner else found.message.line()).encode()

    def first(self, table: str, blob: Blob) -> list[tuple[Any, Row | None]]:
        """The values of the first messages that have one, or the first elements of lists inside of them."""
        rows = islice(_rows(self.tables[table], blob), _FIRST_RECORDS)
        return [(row.record, row.inner) for row in rows if row.record]

    def of_stream(self, table: str) -> str:
        """The stream whose messages a table has."""
        return self.tables[table].stream_name


def parse(table: StreamTable, blob: Blob) -> Iterator[pa.RecordBatch]:
    """Typed batches of a landed object; messages that cannot be read come with their text only.

    Raises:
        DataError: D007, it is no object of messages, or a path leads further out than there are records.
    """
    rows = _rows(table, blob)
    while part := list(islice(rows, _BATCH_ROWS)):
        if good := [row for row in part if row.record is not None]:
            try:
                found = {name: _cells(good, declared, name) for name, declared in table.columns.items()}
            except Malformed as failure:
                raise unreadable(blob, failure.why) from None
            yield typed_at(table, found, blob.name, pa.array([row.ordinal for row in good], pa.int64()))
        if bad := [row for row in part if row.record is None]:
            originals = [shown(row.inner) if row.inner else row.message.line() for row in bad]
            places = [row.ordinal for row in bad]
            yield untyped(table, blob.name, places, originals, [row.why for row in bad])


@dataclass(frozen=True, slots=True)
class _Row:
    ordinal: int
    message: Message
    record: Any
    """The value, an object; None where it cannot be read, nothing in it where there is none."""
    key: Any
    why: str = ""
    """What is wrong with a message that cannot be read."""
    inner: Row | None = None
    """The element of a list inside the value that it is."""


class _Unread(ValueError):
    """A key or value that cannot be read; the text is a few words that quote nothing of it."""


def _rows(table: StreamTable, blob: Blob, number: type[str] | None = None) -> Iterator[_Row]:
    """The records of a table: messages, or elements of the lists inside of them."""
    rows = _decoded(table, blob, number or (Number if table.records else number_of(table)))
    return _elements(table, rows) if table.records else rows


def _elements(table: StreamTable, rows: Iterator[_Row]) -> Iterator[_Row]:
    numbers = Counter[int]()
    for row in rows:
        if row.record is None:
            # in every table of its stream it counts as one
            numbers.update(range(len(table.steps) + 1))
            yield replace(row, ordinal=numbers[0])
            continue
        for element in elements(table, row.record, numbers):
            fits = isinstance(element.value, dict) or table.of_values
            record, why = (element.value or {}, "") if fits else (None, "no object")
            yield _Row(element.number, row.message, record, row.key, why, element)


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
        inner = [row.inner for row in rows if row.inner]
        return texts_at(inner, path, told=told) if inner else column([row.record for row in rows], (path,), told=told)
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
