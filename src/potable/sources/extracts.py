"""Records that a program extracted, as rows: each record one, or each element of a list inside of it.

A landed object is a bounded number of RECORD messages of one stream as received, a line each. Airbyte and Singer differ
in where a message says what (`Form`). How they are collected is `extracting`, how programs are run `programs`.

Entry: `ExtractSource` for the part connectors have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from potable.sources.base import Blob
from potable.sources.cells import Cells, Number, apart, number_of, texts
from potable.sources.files import DAMAGE, unreadable
from potable.sources.inner import InnerSource, InnerTable, elements, shown, texts_at
from potable.sources.jsonrows import Row
from potable.sources.jsonsplit import Malformed
from potable.sources.originals import missing
from potable.sources.records import column, read_json
from potable.sources.typed import typed_at, untyped
from potable.tables import Column

_BATCH_ROWS = 16_384
_FIRST_RECORDS = 100
_OF_MESSAGE = ("@stream", "@emitted_at")


class ExtractTable(InnerTable):
    """A table of the records of a stream."""

    stream: str | None = None
    """Name of the stream; the table's own name by default."""
    sync_mode: Literal["full_refresh", "incremental"] = "full_refresh"
    """Whether the stream is read whole every time, or on from the state the program gave."""
    cursor_field: str | list[str] | None = None
    """Field that says what is new, or its path, where the stream has none of its own; for `incremental`."""
    columns: dict[str, Column] = Field(min_length=1)
    """Columns by name, in output order. Paths are dotted paths in the record, or `@stream` and `@emitted_at`: when the
    program said it, which may serve as `known`."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for name, declared in self.columns.items():
            for path in declared.paths(name):
                if path.startswith("@") and path not in _OF_MESSAGE:
                    raise ValueError(f"column `{name}`: there are {', '.join(_OF_MESSAGE)}, and paths in the record")
        if self.cursor_field and self.sync_mode == "full_refresh":
            raise ValueError("`cursor_field` goes with `sync_mode: incremental`")
        if self.sync_mode == "incremental" and self.known_column is None:
            raise ValueError(
                "`sync_mode: incremental` needs `known` to be a column, such as one with the path `@emitted_at`: a"
                " record that was changed is said again, and counts as a correction by its later known time"
            )
        return self

    def of_stream(self, name: str) -> Hashable:
        """The stream that a table of this `name` is of."""
        return self.stream or name

    @property
    def cursor(self) -> list[str]:
        """Path of the declared cursor; nothing in it where none is."""
        return [self.cursor_field] if isinstance(self.cursor_field, str) else list(self.cursor_field or ())


@dataclass(frozen=True)
class Form:
    """Where a RECORD message says what; dotted paths."""

    record: tuple[str, ...]
    emitted: tuple[str, ...]
    stream: tuple[str, ...]
    moment: Callable[[str], str | None]
    """When it was said, as ISO 8601."""

    def data(self, message: Any) -> Any:
        """The record."""
        return _at(message, self.record)


def one_way_each(tables: Mapping[str, ExtractTable]) -> None:
    """Refuse tables of one stream that are read in two ways.

    Raises:
        ValueError: two are.
    """
    ways: dict[Hashable, object] = {}
    for name, table in tables.items():
        way = (table.sync_mode, table.cursor)
        if ways.setdefault(table.of_stream(name), way) != way:
            raise ValueError(f"table `{name}` is of the same stream as another one, so both have one `sync_mode`")


E = TypeVar("E", bound=ExtractTable)


class ExtractSource(InnerSource[E]):
    """What sources of extracted records have in common: how landed ones become rows."""

    snapshot: ClassVar[bool] = True
    names_objects: ClassVar[bool] = True
    form: ClassVar[Form]
    """Where its messages say what."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one object; what is no record comes with its text only."""
        yield from _parsed(self.form, self.tables[table], blob)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The RECORD message as it landed; an element of a list inside of it as JSON."""
        rows = _rows(self.form, self.tables[table], blob, Number)
        found = next((row for row in rows if row.ordinal == ordinal), None)
        if found is None:
            raise missing(blob, ordinal)
        return shown(found.inner).encode() if found.inner else found.line

    def first(self, table: str, blob: Blob) -> list[tuple[Any, Row | None]]:
        """The first records that are objects, or the first elements of lists inside of them."""
        rows = islice(_rows(self.form, self.tables[table], blob), _FIRST_RECORDS)
        return [(row.record, row.inner) for row in rows if isinstance(row.record, dict) or row.inner]

    def of_stream(self, table: str) -> Hashable:
        """The stream that a table is of."""
        return self.tables[table].of_stream(table)


@dataclass(frozen=True, slots=True)
class _Row:
    ordinal: int
    line: bytes
    message: Any
    record: Any
    inner: Row | None = None
    """The element of a list inside the record that it is."""


def _rows(form: Form, table: ExtractTable, blob: Blob, number: type[str] | None = None) -> Iterator[_Row]:
    """The records of a table that count: those of messages, or elements of the lists inside of them."""
    numbers = Counter[int]()
    number = number or (Number if table.records else number_of(table))
    for place, (line, message) in enumerate(_messages(blob, number), 1):
        record = form.data(message)
        if not table.records:
            if place not in blob.skip:
                yield _Row(place, line, message, record)
            continue
        if not isinstance(record, dict):
            # in every table of its stream it counts as one
            numbers.update(range(len(table.steps) + 1))
            yield _Row(numbers[0], line, message, None)
            continue
        for element in elements(table, record, numbers):
            if place not in blob.skip:
                yield _Row(element.number, line, message, element.value, element)


def _parsed(form: Form, table: ExtractTable, blob: Blob) -> Iterator[pa.RecordBatch]:
    """Typed batches of a landed object.

    Raises:
        DataError: D007, it is no object of messages, or a path leads further out than there are records.
    """

    def fits(row: _Row) -> bool:
        return isinstance(row.record, dict) or (row.inner is not None and table.of_values)

    rows = _rows(form, table, blob)
    while part := list(islice(rows, _BATCH_ROWS)):
        if good := [row for row in part if fits(row)]:
            try:
                found = {name: _cells(form, good, declared, name) for name, declared in table.columns.items()}
            except Malformed as failure:
                raise unreadable(blob, failure.why) from None
            yield typed_at(table, found, blob.name, pa.array([row.ordinal for row in good], pa.int64()))
        if bad := [row for row in part if not fits(row)]:
            originals = [shown(row.inner) if row.inner else row.line.decode("utf-8", "replace") for row in bad]
            yield untyped(table, blob.name, [row.ordinal for row in bad], originals)


def _messages(blob: Blob, number: type[str] = str) -> Iterator[tuple[bytes, Any]]:
    """Lines, and what they say, numbers as `number`."""
    done, rest = 0, b""
    try:
        with blob.open() as stream:
            while block := stream.read(1 << 20):
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    done += 1
                    yield line, read_json(line, number)
            if rest:
                raise EOFError
    except (ValueError, *DAMAGE) as failure:
        raise unreadable(blob, f"not an object of messages ({type(failure).__name__})", row=done) from None


def _cells(form: Form, rows: Sequence[_Row], declared: Column, name: str) -> Cells:
    """The texts of a column, from the first of its paths that has one."""
    told = declared.decimal == ","
    found = [_at_path(form, rows, path, told=told) for path in declared.paths(name)]
    return pc.coalesce(*found) if found[1:] else found[0]


def _at_path(form: Form, rows: Sequence[_Row], path: str, *, told: bool) -> Cells:
    if not path.startswith("@"):
        inner = [row.inner for row in rows if row.inner]
        return texts_at(inner, path, told=told) if inner else column([row.record for row in rows], (path,), told=told)
    found = _of_message(form, [row.message for row in rows], path)
    return apart(found) if told else found


def _of_message(form: Form, messages: Sequence[Any], path: str) -> pa.StringArray:
    if path == "@stream":
        return texts([_text(_at(message, form.stream)) for message in messages])
    said = (_text(_at(message, form.emitted)) for message in messages)
    return texts([text and form.moment(text) for text in said])


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
