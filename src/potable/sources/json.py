"""JSON files: a record per line, a list inside a document, lists inside records.

`records` leads to the records, dotted; lists on the way are gone through, so that a list inside a record
becomes a table of its own, whose rows take values of the record around them (`../id`). Numbers are the text
they are written as. A line that cannot be read costs exactly itself; a document is cut into records without
being parsed, so it may be larger than memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator, model_validator

from potable.sources.base import Blob
from potable.sources.encodings import UTF16, Utf8, normal
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, unreadable
from potable.sources.jsonrows import SIGNS, Row, below, column_texts, leaves, rest_texts, value_at
from potable.sources.jsonshape import Shape, Unlike
from potable.sources.jsonsplit import Malformed, is_lines, lines, pieces
from potable.sources.jsontext import Refused, canonical, decode, whole
from potable.sources.keypaths import KEYS, dotted, require_spelled, steps
from potable.sources.originals import missing
from potable.sources.typed import typed_at, untyped

_BOM = b"\xef\xbb\xbf"
_PATH = re.compile(rf"(\.\./)*(#|{KEYS})|\.|@rest|@object", re.DOTALL)
_FIRST_RECORDS = 100
_SMALL = 64 << 10
_BATCH_ROWS = 8192
_SAMPLE = 64
_WORTH_A_SHAPE = 256
"""Records in a block from which the fast way is quicker."""
_MOST_SHAPES = 6


Damaged = tuple[int, str, str]
"""A record that cannot be read: its number, its text, and why."""


class JsonTable(FileTable):
    """A table in JSON files.

    Paths of columns are dotted (`user.email`); a key that has a dot or a slash itself, or begins a path with `@` or
    `#`, stands in quotes (`user."e.mail"`, `"@id"`). `../id` is a value of the record around this one, one list
    further out; `#` is a record's position in its list, from 1, and `../#` the ordinal of the record around it in
    the file; `.` is the record itself where it is no object; `@rest` is everything that no other column took, as
    JSON.
    """

    records: str = ""
    """Dotted path from the document, or from each line, to the records; lists on the way are gone through.
    Empty where the lines, the elements of the document's list or the document are the records."""
    format: Literal["auto", "lines", "document"] = "auto"
    """Whether each line is a JSON value (NDJSON) or the file is one; `auto` tells by the first line."""
    encoding: str = "utf-8"
    """Encoding, where no byte order mark says otherwise."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return normal(value)
        except LookupError:
            raise ValueError("not an encoding; examples: utf-8, cp1252, utf-16") from None

    @field_validator("records")
    @classmethod
    def _dotted(cls, value: str) -> str:
        if value and (not re.fullmatch(KEYS, value, re.DOTALL) or dotted(steps(value), SIGNS) != value):
            raise ValueError("a dotted path such as `response.items`, or nothing; only a key with a dot is quoted")
        return value

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        for name, column in self.columns.items():
            for path in column.paths(name):
                if not _PATH.fullmatch(path):
                    known = '`user.email`, `user."e.mail"`, `../id`, `../#`, `.` or `@rest`'
                    raise ValueError(f"column `{name}`: `{path}` is not a path such as {known}")
        require_spelled(self.columns, SIGNS)
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys `records` leads through."""
        return steps(self.records)

    @property
    def paths(self) -> list[str]:
        """Where the columns take their values from."""
        return [path for name, column in self.columns.items() for path in column.paths(name) if path != "@object"]

    def why(self, failure: ValueError) -> str:
        """Why a record cannot be read; a key is named only where a column is declared by it."""
        if not isinstance(failure, Refused):
            return "not UTF-8" if isinstance(failure, UnicodeDecodeError) else "not well-formed JSON"
        known = {key for path in self.paths for key in steps(path.rpartition("../")[2])}
        named = failure.key in known and not {",", ";"} & set(failure.key or "")
        return f"the key `{failure.key}` twice" if named else failure.why


class JsonSource(FileSource[JsonTable]):
    """A folder of JSON files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; lines that cannot be read come with their text only."""
        reading = _Reading(self.tables[table], blob)
        with reading.refusing():
            yield from reading.batches()

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """Typed batches of several files; the records of small ones share batches."""
        contract = self.tables[table]
        rows: list[Row] = []
        names: list[str] = []
        for blob in blobs:
            if blob.bytes > _SMALL:
                yield from self.parse(table, blob)
                continue
            reading = _Reading(contract, blob)
            damaged: list[Damaged] = []
            with reading.refusing():
                rows += reading.rows(damaged)
            names += [blob.name] * (len(rows) - len(names))
            yield from _untyped(contract, blob, damaged)
            if len(rows) >= _BATCH_ROWS:
                yield _batch(contract, rows, pa.array(names, pa.string()))
                rows, names = [], []
        if rows:
            yield _batch(contract, rows, pa.array(names, pa.string()))

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record as its file has it, in UTF-8; one that lies in a line or list of others as canonical JSON."""
        reading = _Reading(self.tables[table], blob)
        with reading.refusing():
            found = reading.original(ordinal)
        if found is None:
            raise missing(blob, ordinal)
        return found

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Dotted paths of all values in the first records, as far as no column takes what is around them."""
        contract = self.tables[table]
        declared = {path for name, column in contract.columns.items() for path in column.paths(name)}
        lists = set(self._inside(table))
        found: dict[str, None] = {}
        rows = self._first(table, blob)
        for row in rows:
            there = leaves(row.value, "", declared | lists)
            mine = (path for path in there if path in declared or not (path in lists or "@rest" in declared))
            around = (path for path in declared if path.startswith((".", "#")) and value_at(row, path) is not None)
            found |= dict.fromkeys([*mine, *around])
        return found.keys() if rows else None

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Paths at which the first records have nothing but lists of objects, where no table has these."""
        inside = set(self._inside(table))
        kinds: dict[str, set[bool]] = {}
        for row in self._first(table, blob):
            for path in leaves(row.value, "", inside):
                value = value_at(row, path)
                if value not in (None, []) and path not in inside:
                    objects = type(value) is list and all(type(item) is dict for item in value)
                    kinds.setdefault(path, set()).add(objects)
        way = self.tables[table].steps
        lists = [path for path, objects in kinds.items() if objects == {True}]
        return {path: {"records": dotted([*way, *steps(path)], SIGNS)} for path in lists}

    def around(self, table: str) -> tuple[str, str]:
        """The table in whose records a list of those of `table` lies."""
        others = [name for name in self.tables if name != table and self._path_in(name, table)]
        return max(others, key=lambda name: len(self.tables[name].steps), default=""), "../"

    def _inside(self, table: str) -> Iterator[str]:
        """Paths in the records of `table` at which those of other tables lie."""
        return filter(None, (self._path_in(table, name) for name in self.tables))

    def _path_in(self, table: str, other: str) -> str:
        """Where the records of another table lie in those of `table`; empty where they do not."""
        mine, inner = self.tables[table], self.tables[other]
        within = inner.files == mine.files and inner.steps[: len(mine.steps)] == mine.steps
        return dotted(inner.steps[len(mine.steps) :], SIGNS) if within else ""

    def _first(self, table: str, blob: Blob) -> list[Row]:
        """The first records of an object; none where they cannot be read."""
        try:
            return list(islice(_Reading(self.tables[table], blob).rows([]), _FIRST_RECORDS))
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return []


@dataclass
class _Reading:
    """One object on its way to batches of one table."""

    table: JsonTable
    blob: Blob
    numbers: Counter[int] = field(default_factory=Counter)
    """Records met so far, by how many steps of the path are left at them."""
    samples: list[Any] = field(default_factory=list)
    shape: Shape | None = None
    shapes: int = 0

    @property
    def done(self) -> int:
        """Records of the table so far."""
        return self.numbers[0]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Typed batches of all records."""
        for block, left, strict in self._blocks():
            if left or not self._plain or len(block) < _WORTH_A_SHAPE:
                yield from self._read(block, left, strict=strict)
            else:
                yield from self._quickly(block, strict=strict)

    def rows(self, damaged: list[Damaged]) -> Iterator[Row]:
        """All records that can be read, one by one; the others go to `damaged`."""
        for block, left, strict in self._blocks():
            for piece in block:
                yield from self._rows(piece, left, strict=strict, damaged=damaged)

    def original(self, ordinal: int) -> bytes | None:
        """The record with that number; None when there are fewer."""
        for block, left, strict in self._blocks():
            if not left and ordinal > self.done + len(block):
                self.numbers[0] += len(block)
                continue
            for piece in block:
                damaged: list[Damaged] = []
                rows = {row.number: row.value for row in self._rows(piece, left, strict=strict, damaged=damaged)}
                if ordinal in rows:
                    return piece.strip() if not left else (whole(canonical(rows[ordinal])) or "").encode()
                if found := next((text for number, text, _ in damaged if number == ordinal), None):
                    return piece.strip() if not left else found.encode()
        return None

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Make what goes wrong with the file a refusal that says after which record.

        Raises:
            DataError: D007.
        """
        try:
            yield
        except Malformed as failure:
            raise unreadable(self.blob, failure.why, row=self.done) from None
        except (UnicodeDecodeError, *DAMAGE) as failure:
            why = f"it is damaged or not in its encoding ({type(failure).__name__})"
            raise unreadable(self.blob, why, row=self.done) from None

    def _blocks(self) -> Iterator[tuple[list[bytes], tuple[str, ...], bool]]:
        """Pieces of the file, the steps left below them, and whether one that is no JSON ruins the file."""
        steps = self.table.steps
        form = self.table.format
        if form == "lines" or (form == "auto" and is_lines(self._open(), whole=not steps)):
            with self._open() as stream:
                yield from ((block, steps, False) for block in lines(stream))
        elif form == "document" or self._has_content():
            with self._open() as stream:
                yield from ((block, steps[taken:], True) for block, taken in pieces(stream, steps))

    def _open(self) -> BinaryIO:
        """The content as UTF-8, or what is meant to be."""
        with decompressed(self.blob) as peek:
            start = peek.read(3)
        encoding = "utf-16" if start.startswith(UTF16) else normal(self.table.encoding)
        stream = decompressed(self.blob)
        if encoding != "utf-8-sig":
            return Utf8(stream, encoding)  # type: ignore[return-value]
        if start == _BOM:
            stream.read(3)
        return stream

    def _has_content(self) -> bool:
        with self._open() as stream:
            return any(not chunk.isspace() for chunk in iter(lambda: stream.read(1 << 16), b""))

    @property
    def _plain(self) -> bool:
        """Whether all values wanted lie inside the record."""
        return not any(path.startswith(".") or path in ("@rest", "#") for path in self.table.paths)

    def _quickly(self, block: list[bytes], *, strict: bool) -> Iterator[pa.RecordBatch]:
        """Batches of records that are pieces themselves, most of which look alike."""
        first = self.done
        if self.shape is None:
            self._learn(block)
        try:
            if self.shape is None:
                raise Unlike
            texts, unlike = self.shape.texts(b"\n".join(block), block)
        except Unlike:
            texts, unlike = {}, list(range(len(block)))
        if 8 * len(unlike) > len(block):
            self._learn([block[index] for index in unlike])
        alike = np.delete(np.arange(first + 1, first + 1 + len(block), dtype=np.int64), unlike)
        if len(alike):
            columns = {
                name: pc.coalesce(*found)
                for name, column in self.table.columns.items()
                if (found := [texts[path] for path in column.paths(name) if path in texts])
            }
            yield typed_at(self.table, columns, self.blob.name, pa.array(alike))
        if unlike:
            numbers = [first + index for index in unlike]
            yield from self._read([block[index] for index in unlike], (), strict=strict, before=numbers)
        self.numbers[0] = first + len(block)

    def _learn(self, block: Sequence[bytes]) -> None:
        """Look at some records for the shape of all."""
        if self.shapes >= _MOST_SHAPES:
            return
        self.shapes += 1
        for piece in block[:_SAMPLE]:
            try:
                self.samples.append(decode(piece))
            except ValueError:
                continue
        self.shape = Shape.of(self.samples, self.table.paths)

    def _read(
        self, block: Sequence[bytes], left: tuple[str, ...], *, strict: bool, before: Sequence[int] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Batches of records read one by one; `before` numbers what stands before each, if they are not in a row."""
        rows: list[Row] = []
        damaged: list[Damaged] = []
        for index, piece in enumerate(block):
            if before:
                self.numbers[0] = before[index]
            rows += self._rows(piece, left, strict=strict, damaged=damaged)
        if rows:
            yield _batch(self.table, rows, self.blob.name)
        yield from _untyped(self.table, self.blob, damaged)

    def _rows(self, piece: bytes, left: tuple[str, ...], *, strict: bool, damaged: list[Damaged]) -> Iterator[Row]:
        """The records in a piece; those that cannot be read go to `damaged`."""
        try:
            value = decode(piece)
        except ValueError as failure:
            if strict and not isinstance(failure, Refused):
                raise Malformed("not well-formed JSON") from None
            self.numbers.update(range(len(left) + 1))
            damaged.append((self.done, piece.decode("utf-8", "backslashreplace"), self.table.why(failure)))
            return
        for row in below(value, left, None, self.numbers):
            if type(row.value) is dict or "." in self.table.paths:
                yield row
            else:
                damaged.append((row.number, whole(canonical(row.value)) or "", "no object"))


def _batch(table: JsonTable, rows: Sequence[Row], names: str | pa.StringArray) -> pa.RecordBatch:
    """Records as typed rows."""
    texts = {name: column_texts(rows, declared.paths(name)) for name, declared in table.columns.items()}
    if "@rest" in table.paths:
        left = rest_texts(rows, table.paths)
        texts |= {name: left for name, column in table.columns.items() if "@rest" in column.paths(name)}
    return typed_at(table, texts, names, pa.array([row.number for row in rows], pa.int64()))


def _untyped(table: JsonTable, blob: Blob, damaged: Sequence[Damaged]) -> Iterator[pa.RecordBatch]:
    if damaged:
        yield untyped(table, blob.name, *zip(*damaged, strict=True))
