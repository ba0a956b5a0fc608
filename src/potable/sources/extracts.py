"""Parses the records that an external program extracted to rows: one per record, or per element of a list inside of it.

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

from pydantic import Field, model_validator

from potable.sources.blobs import Blob
from potable.sources.cells import Cells, Number, NumberType, apart, number_of, texts
from potable.sources.files import DAMAGE, unreadable
from potable.sources.inner import InnerSource, InnerTable, Record, elements
from potable.sources.jsonrows import Row
from potable.sources.records import at, read_json
from potable.tables import Column

_FIRST_RECORDS = 100
_OF_MESSAGE = ("@stream", "@emitted_at")


class ExtractTable(InnerTable):
    """A table of the records of a stream."""

    stream: str | None = None
    """Name of the stream; the table's own name by default."""
    sync_mode: Literal["full_refresh", "incremental"] = "full_refresh"
    """Whether the whole stream is read each time, or from the state that the program gave."""
    cursor_field: str | list[str] | None = None
    """Field (or its path) that tells what is new, if the stream defines none; for `incremental`."""
    columns: dict[str, Column] = Field(min_length=1)
    """Columns by name, in output order. Paths are dotted paths in the record, or `@stream` and `@emitted_at`: when the
    program said it, which may serve as `known`."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for name, declared in self.columns.items():
            for path in declared.paths(name):
                if path.startswith("@") and path not in _OF_MESSAGE:
                    raise ValueError(f"column `{name}`: write {', '.join(_OF_MESSAGE)}, or a path in the record")
        if self.cursor_field and self.sync_mode == "full_refresh":
            raise ValueError("`cursor_field` needs `sync_mode: incremental`")
        if self.sync_mode == "incremental" and self.known_column is None:
            raise ValueError(
                "`sync_mode: incremental` needs a column as `known`, such as one with the path `@emitted_at`: a "
                "changed record is sent again and counts as a correction because it is known later"
            )
        return self

    @property
    def tells_versions(self) -> bool:
        """Whether a record itself tells its key and when it was known, so that an equal one is a duplicate."""
        names = [*self.unique, *filter(None, [self.known_column])]
        of_message = any(path in _OF_MESSAGE for name in names for path in self.columns[name].paths(name))
        return bool(self.unique) and self.known_column is not None and not of_message

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

    record: str
    emitted: str
    stream: str
    moment: Callable[[str], str | None]
    """When it was said, as ISO 8601."""


def one_way_each(tables: Mapping[str, ExtractTable]) -> None:
    """Refuse tables of one stream that are read in two ways.

    Raises:
        ValueError: two are.
    """
    ways: dict[Hashable, object] = {}
    for name, table in tables.items():
        way = (table.sync_mode, table.cursor)
        if ways.setdefault(table.of_stream(name), way) != way:
            raise ValueError(
                f"table `{name}` reads the same stream as another table, so both need the same `sync_mode`"
            )


@dataclass(frozen=True, slots=True)
class _Row(Record):
    line: bytes
    message: Any

    def landed(self) -> bytes:
        return self.line


E = TypeVar("E", bound=ExtractTable)


class ExtractSource(InnerSource[E, _Row]):
    """What sources of extracted records have in common: how landed ones become rows."""

    snapshot: ClassVar[bool] = True
    names_objects: ClassVar[bool] = True
    form: ClassVar[Form]
    """Where its messages say what."""

    def rows(self, table: E, blob: Blob, number: NumberType | None = None) -> Iterator[_Row]:
        """The records of its messages that count, or elements of the lists inside of them."""
        return _rows(self.form, table, blob, number or (Number if table.records else number_of(table)))

    def beside_record(self, rows: Sequence[_Row], path: str, *, told: bool) -> Cells:
        """What the messages say at `@stream` or `@emitted_at`."""
        said = [_text(at(row.message, self.form.stream if path == "@stream" else self.form.emitted)) for row in rows]
        found = texts(said if path == "@stream" else [text and self.form.moment(text) for text in said])
        return apart(found) if told else found

    def first(self, table: str, blob: Blob) -> list[tuple[Any, Row | None]]:
        """The first records that are objects, or the first elements of lists inside of them."""
        rows = islice(self.rows(self.tables[table], blob), _FIRST_RECORDS)
        return [(row.value, row.inner) for row in rows if isinstance(row.value, dict) or row.inner]

    def of_stream(self, table: str) -> Hashable:
        """The stream that a table is of."""
        return self.tables[table].of_stream(table)


def _rows(form: Form, table: ExtractTable, blob: Blob, number: type[str]) -> Iterator[_Row]:
    """The records of a table that count: those of messages, or elements of the lists inside of them."""
    numbers = Counter[int]()
    for place, (line, message) in enumerate(_messages(blob, number), 1):
        record = at(message, form.record)
        wrong = None if isinstance(record, dict) else ""
        if not table.records:
            if place not in blob.skip:
                yield _Row(place, record, None, wrong, line, message)
            continue
        if wrong is not None:
            # in every table of its stream it counts as one
            numbers.update(range(len(table.steps) + 1))
            yield _Row(numbers[0], None, None, wrong, line, message)
            continue
        for element in elements(table, record, numbers):
            if place not in blob.skip:
                wrong = None if isinstance(element.value, dict) or table.of_values else ""
                yield _Row(element.number, element.value, element, wrong, line, message)


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


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
