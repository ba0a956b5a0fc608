"""Records that a program extracted: how they lie in the raw zone, how they become rows, how far a stream was read.

A landed object is a bounded number of RECORD messages of one stream as received, a line each. Airbyte and Singer differ
in where a message says what (`Form`); how programs are run is `programs`.

Entry: `Stream` collects, `parse` reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from potable.sources.base import Arrival, Blob, Held
from potable.sources.cells import Cells, apart, number_of
from potable.sources.files import DAMAGE, unreadable
from potable.sources.keypaths import require_spelled
from potable.sources.onwards import State
from potable.sources.originals import missing
from potable.sources.records import column, leaves, read_json, texts, unread
from potable.sources.typed import typed_at
from potable.tables import Column, Table

_RECORDS = 50_000
_BYTES = 8 << 20
_BATCH_ROWS = 16_384
_FIRST_RECORDS = 100
_REMEMBERED = 100_000
"""Records after the last state that are remembered."""
_OF_MESSAGE = ("@stream", "@emitted_at")


class ExtractTable(Table):
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
        require_spelled(self.columns, "@")
        if self.cursor_field and self.sync_mode == "full_refresh":
            raise ValueError("`cursor_field` goes with `sync_mode: incremental`")
        if self.sync_mode == "incremental" and self.known_column is None:
            raise ValueError(
                "`sync_mode: incremental` needs `known` to be a column, such as one with the path `@emitted_at`: a"
                " record that was changed is said again, and counts as a correction by its later known time"
            )
        return self

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


class Stream:
    """One stream while it is read: an object that is being made, and how far it got."""

    def __init__(self, name: str, tables: Mapping[str, ExtractTable], before: Any, *, batch: int) -> None:
        """Start to read.

        Args:
            name: name of the stream.
            tables: the tables that are made of it, all read in the same way.
            before: what the last batch left of the first of them.
            batch: number of the batch that is made.
        """
        table = next(iter(tables.values()))
        self.name, self.tables = name, tuple(tables)
        self.incremental = table.sync_mode == "incremental"
        # a table that is new has nothing of what was landed before
        way = json.dumps([name, table.sync_mode, table.cursor, sorted(tables)])
        self.origin = hashlib.sha256(way.encode()).hexdigest()[:16]
        known = before if isinstance(before, Mapping) and before.get("origin") == self.origin else {}
        self.before: Any = known.get("state") if self.incremental else None
        """The state it was read to."""
        self.after: Any = None
        """The last state it gave."""
        self.version: str | None = known.get("version")
        self.replaced = False
        """Whether all that was landed before is void."""
        self._seen_before = dict(known.get("seen", {}))
        self._batch, self._number = batch, 0
        self._seen: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self._lines: list[bytes] = []
        self._skip: list[int] = []
        self._bytes, self._digest = 0, hashlib.sha256()

    def add(self, line: bytes, record: Any) -> Iterator[Arrival]:
        """Take a record, as received and read; an object when it is full."""
        data = json.dumps(record, sort_keys=True).encode()
        self._digest.update(data + b"\n")
        self._lines.append(line)
        self._bytes += len(data)
        if self.incremental and self._met(hashlib.blake2b(data, digest_size=8).hexdigest()):
            self._skip.append(len(self._lines))
        if len(self._lines) >= _RECORDS or self._bytes >= _BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Arrival]:
        """The object, if anything is in it that counts; equal records at other times are no other object."""
        if len(self._lines) > len(self._skip):
            self._number += 1
            onwards = f"{self.tables[0]}-{self._batch:06d}" if self.before is not None else self.tables[0]
            held = Held(b"\n".join(self._lines) + b"\n")
            stamp = "" if self.incremental else self._digest.hexdigest()
            yield Arrival(f"{onwards}-{self._number:06d}.ndjson", self.tables, held, stamp, tuple(self._skip))
        self._start()

    def forget(self) -> None:
        """Read it whole, whatever it was read to."""
        self.before, self.version = None, None
        self._seen_before.clear()

    def renewed(self) -> None:
        """What was landed before is to be replaced, so nothing of it counts as landed."""
        self._seen_before.clear()

    def reached(self, state: Any) -> None:
        """Note a state: what was said before it will not be said again."""
        self.after = state
        self._seen.clear()

    def settle(self, state: State) -> None:
        """Leave what to go on from; a stream that is read whole, or told no state, leaves nothing."""
        if not self.incremental or (self.after is None and self.before is None):
            return
        left = {
            "origin": self.origin,
            "resumed": self.before is not None and not self.replaced,
            "state": self.before if self.after is None else self.after,
            "seen": dict(sorted(self._seen.items())),
            "version": self.version,
        }
        state.after |= dict.fromkeys(self.tables, left)
        state.moved |= left["state"] != self.before

    def _met(self, digest: str) -> bool:
        """Note a record; whether it was landed before, after the last state there was."""
        if len(self._seen) < _REMEMBERED:
            self._seen[digest] = self._seen.get(digest, 0) + 1
        if self._seen_before.get(digest, 0) > 0:
            self._seen_before[digest] -= 1
            return True
        return False


def one_way_each(tables: Mapping[str, ExtractTable], streams: Mapping[str, Hashable]) -> None:
    """Refuse tables of one stream that are read in two ways.

    Args:
        tables: the tables by name.
        streams: the stream of each.

    Raises:
        ValueError: two are.
    """
    ways: dict[Hashable, object] = {}
    for name, table in tables.items():
        way = (table.sync_mode, table.cursor)
        if ways.setdefault(streams[name], way) != way:
            raise ValueError(f"table `{name}` is of the same stream as another one, so both have one `sync_mode`")


def parse(form: Form, table: Table, blob: Blob) -> Iterator[pa.RecordBatch]:
    """Typed batches of a landed object; what is no record comes with its text only.

    Raises:
        DataError: D007, it is no object of messages.
    """
    rows = (
        (number, *found) for number, found in enumerate(_messages(blob, number_of(table)), 1) if number not in blob.skip
    )
    while part := list(islice(rows, _BATCH_ROWS)):
        good = [(number, message) for number, _, message in part if isinstance(form.data(message), dict)]
        if good:
            numbers, messages = zip(*good, strict=True)
            found = {name: _cells(form, messages, declared, name) for name, declared in table.columns.items()}
            yield typed_at(table, found, blob.name, pa.array(numbers, pa.int64()))
        if bad := [(number, line) for number, line, message in part if not isinstance(form.data(message), dict)]:
            numbers, lines = zip(*bad, strict=True)
            yield unread(table, [blob.name] * len(bad), numbers, [line.decode("utf-8", "replace") for line in lines])


def record(blob: Blob, ordinal: int) -> bytes:
    """The line of a message.

    Raises:
        DataError: D007, there is no such message, or the object is none of messages.
    """
    found = next(islice(_messages(blob), ordinal - 1, None), None) if ordinal > 0 else None
    if found is None:
        raise missing(blob, ordinal)
    return found[0]


def observe(form: Form, blob: Blob) -> Set[str] | None:
    """Dotted paths of all values in the first records."""
    records = (form.data(message) for _, message in islice(_messages(blob), _FIRST_RECORDS))
    return leaves((item for item in records if isinstance(item, dict)), signs="@") or None


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


def _cells(form: Form, messages: Sequence[Any], declared: Column, name: str) -> Cells:
    """The texts of a column, from the first of its paths that has one."""
    told = declared.decimal == ","
    found = [_at_path(form, messages, path, told=told) for path in declared.paths(name)]
    return pc.coalesce(*found) if found[1:] else found[0]


def _at_path(form: Form, messages: Sequence[Any], path: str, *, told: bool) -> Cells:
    if not path.startswith("@"):
        return column([form.data(message) for message in messages], (path,), told=told)
    found = _of_message(form, messages, path)
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
