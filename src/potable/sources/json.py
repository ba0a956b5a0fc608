"""JSON files: a record per line, a list inside a document, lists inside records.

`records` leads to the records, dotted; lists on the way are gone through, so that a list inside a record
becomes a table of its own, whose rows take values of the record around them (`../id`). Numbers are the text
they are written as. A line that cannot be read costs exactly itself; a document is cut into records without
being parsed, so it may be larger than memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
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
from potable.sources.jsonshape import Shape, Unlike
from potable.sources.jsonsplit import Malformed, is_lines, lines, pieces
from potable.sources.jsontext import Refused, decode, text, whole
from potable.sources.jsontext import canonical as canonical_text
from potable.sources.typed import typed_at, untyped

_BOM = b"\xef\xbb\xbf"
_KEYS = r"[^./@#][^./]*(\.[^./]+)*"
_PATH = re.compile(rf"(\.\./)*(#|{_KEYS})|\.|@rest|@object")
_FIRST_RECORDS = 100
_SAMPLE = 64
_WORTH_A_SHAPE = 256
"""Records in a block from which the fast way is quicker."""
_MOST_SHAPES = 6


class JsonTable(FileTable):
    """A table in JSON files.

    Paths of columns are dotted (`user.email`). `../id` is a value of the record around this one, one list
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
        if value and not re.fullmatch(_KEYS, value):
            raise ValueError("a dotted path such as `response.items`, or nothing")
        return value

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        for name, column in self.columns.items():
            for path in column.paths(name):
                if not _PATH.fullmatch(path):
                    known = "`user.email`, `../id`, `../#`, `.` or `@rest`"
                    raise ValueError(f"column `{name}`: `{path}` is not a path such as {known}")
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys `records` leads through."""
        return tuple(self.records.split(".")) if self.records else ()


class JsonSource(FileSource[JsonTable]):
    """A folder of JSON files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; lines that cannot be read come with their text only."""
        reading = _Reading(self.tables[table], blob)
        try:
            yield from reading.batches()
        except Malformed as failure:
            raise unreadable(blob, failure.why, row=reading.done) from None
        except (UnicodeDecodeError, *DAMAGE) as failure:
            why = f"it is damaged or not in its encoding ({type(failure).__name__})"
            raise unreadable(blob, why, row=reading.done) from None

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        """Dotted paths of all values in the first records, as far as no column takes what is around them."""
        contract = self.tables[table]
        declared = {path for name, column in contract.columns.items() for path in column.paths(name)}
        lists = {
            ".".join(other.steps[len(contract.steps) :])
            for other in self.tables.values()
            if other.files == contract.files and other.steps[: len(contract.steps)] == contract.steps
        } - {""}
        found: set[str] = set()
        try:
            rows = list(islice(_Reading(contract, blob).rows(), _FIRST_RECORDS))
        except (Malformed, UnicodeDecodeError, *DAMAGE):
            return None
        for row in rows:
            leaves = set(_leaves(row.value, "", declared | lists))
            found |= {path for path in leaves if path in declared or "@rest" not in declared} - (lists - declared)
            found |= {path for path in declared if path.startswith((".", "#")) and _value(row, path) is not None}
        return frozenset(found) if rows else None


@dataclass(frozen=True, slots=True)
class _Row:
    """A record where it stands: its number among those at its path, and the record around it."""

    value: Any
    number: int
    place: int
    """Its position in the list it is in."""
    above: _Row | None = None


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

    def rows(self) -> Iterator[_Row]:
        """All records that can be read, one by one."""
        for block, left, strict in self._blocks():
            for piece in block:
                yield from self._rows(piece, left, strict=strict, damaged=[])

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
        return not any(path.startswith(".") or path in ("@rest", "#") for path in self._paths)

    @property
    def _paths(self) -> list[str]:
        columns = self.table.columns.items()
        return [path for name, column in columns for path in column.paths(name) if path != "@object"]

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
        self.shape = Shape.of(self.samples, self._paths)

    def _read(
        self, block: Sequence[bytes], left: tuple[str, ...], *, strict: bool, before: Sequence[int] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Batches of records read one by one; `before` numbers what stands before each, if they are not in a row."""
        rows: list[_Row] = []
        damaged: list[tuple[int, str]] = []
        for index, piece in enumerate(block):
            if before:
                self.numbers[0] = before[index]
            rows += self._rows(piece, left, strict=strict, damaged=damaged)
        if rows:
            numbers = pa.array([row.number for row in rows], pa.int64())
            texts = {name: _column(rows, column.paths(name)) for name, column in self.table.columns.items()}
            if "@rest" in self._paths:
                texts |= self._rest(rows)
            yield typed_at(self.table, texts, self.blob.name, numbers)
        if damaged:
            ordinals, originals = zip(*damaged, strict=True)
            yield untyped(self.table, self.blob.name, ordinals, originals)

    def _rows(
        self, piece: bytes, left: tuple[str, ...], *, strict: bool, damaged: list[tuple[int, str]]
    ) -> Iterator[_Row]:
        """The records in a piece; those that cannot be read go to `damaged`, with number and text."""
        try:
            value = decode(piece)
        except ValueError as failure:
            if strict and not isinstance(failure, Refused):
                raise Malformed("not well-formed JSON") from None
            self.numbers.update(range(len(left) + 1))
            damaged.append((self.done, piece.decode("utf-8", "backslashreplace")))
            return
        for row in _below(value, left, None, self.numbers):
            if type(row.value) is dict or "." in self._paths:
                yield row
            else:
                damaged.append((row.number, whole(canonical_text(row.value)) or ""))

    def _rest(self, rows: Sequence[_Row]) -> dict[str, pa.StringArray]:
        """The texts of the columns that take what no other takes."""
        taken: dict[str, Any] = {}
        for path in self._paths:
            if not path.startswith((".", "@", "#")):
                tree = taken
                for step in path.split(".")[:-1]:
                    tree = tree.setdefault(step, {})
                    if tree is None:
                        break
                else:
                    tree[path.split(".")[-1]] = None
        rests = [_without(row.value, taken) for row in rows]
        texts = _texts([canonical_text(rest) if rest else None for rest in rests])
        return {name: texts for name, column in self.table.columns.items() if "@rest" in column.paths(name)}


def _below(
    value: Any, left: tuple[str, ...], above: _Row | None, numbers: Counter[int], place: int = 0
) -> Iterator[_Row]:
    """The records at the steps `left` below `value`, which is one itself when none is left."""
    numbers[len(left)] += 1
    here = _Row(value, numbers[len(left)], place or numbers[len(left)], above)
    if not left:
        yield here
        return
    for index, step in enumerate(left, 1):
        value = value.get(step) if type(value) is dict else None
        if type(value) is list:
            for position, item in enumerate(value, 1):
                yield from _below(item, left[index:], here, numbers, position)
            return
    if value is not None:
        yield from _below(value, (), here, numbers, 1)


def _value(row: _Row, path: str) -> Any:
    """What stands at `path`, seen from a record."""
    if path == "#":
        return str(row.place)
    while path.startswith("../"):
        path = path.removeprefix("../")
        if row.above is None:
            raise Malformed("a column's path leads out of the outermost list")
        row = row.above
    if path == "#":
        return str(row.number)
    value = row.value
    for step in path.split(".") if path != "." else ():
        value = value.get(step) if type(value) is dict else None
    return value


def _column(rows: Sequence[_Row], paths: Sequence[str]) -> pa.StringArray:
    """The texts at the first of `paths` that has a value, record by record."""
    values: list[Any] = [None] * len(rows)
    for path in paths:
        values = [_value(row, path) if value is None else value for row, value in zip(rows, values, strict=True)]
    return _texts([text(value) for value in values])


def _texts(values: Sequence[str | None]) -> pa.StringArray:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([whole(value) for value in values], pa.string())


def _without(value: Any, taken: dict[str, Any]) -> Any:
    """`value` without what lies at the leaves of `taken`."""
    if type(value) is not dict:
        return value
    kept = {}
    for name, inner in value.items():
        below = taken.get(name, {})
        if below is None:
            continue
        rest = _without(inner, below) if below else inner
        if rest != {} or inner == {}:
            kept[name] = rest
    return kept


def _leaves(value: Any, path: str, ends: set[str]) -> Iterator[str]:
    """Paths of all values that are no objects, or lie at one of `ends`."""
    if type(value) is dict and path not in ends:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name, ends)
    elif path:
        yield path
