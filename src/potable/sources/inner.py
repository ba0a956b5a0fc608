"""Lists inside records, whose elements are the records of a table of their own.

Entry: `InnerTable` declares one of messages, `elements` finds its records, `texts_at` what stands at a path of each;
`seen`, `lists_in` and `around` say for every kind of source what a contract may be made of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from potable.sources.base import Source
from potable.sources.blobs import Blob, Malformed
from potable.sources.cells import Cells, Number, NumberType, apart, texts, whole
from potable.sources.files import unreadable
from potable.sources.jsonrows import SIGNS, Row, below, value_at
from potable.sources.jsonrows import leaves as leaves_of
from potable.sources.jsontext import canonical
from potable.sources.keypaths import KEYS, dotted, require_spelled, steps
from potable.sources.originals import missing
from potable.sources.records import column as cells_at
from potable.sources.records import leaves, text_of
from potable.sources.typed import typed_at, untyped
from potable.tables import Column, Table

_BATCH_ROWS = 16_384
_PATH = re.compile(rf"(\.\./)*(#|{KEYS})|\.", re.DOTALL)


class InnerTable(Table):
    """A table of records, or of the elements of lists inside of them."""

    records: str = ""
    """Dotted path to a list inside each record, whose elements become the records of this table; lists on the way are
    flattened. `../id` is a value of the surrounding record, `#` the position in the list, from 1, and `.` the
    element itself if it is not an object. `parts_of` deletes elements that a list no longer has."""

    @model_validator(mode="after")
    def _readable_inner_paths(self) -> Self:
        if not self.records:
            require_spelled(self.columns, "@")
            require_inside(self.columns)
            return self
        if not re.fullmatch(KEYS, self.records, re.DOTALL) or dotted(self.steps, SIGNS) != self.records:
            raise ValueError("`records` must be a dotted path such as `order.lines`; only a key with a dot is quoted")
        for name, column in self.columns.items():
            for path in column.paths(name):
                if not path.startswith("@") and not _PATH.fullmatch(path):
                    raise ValueError(f"column `{name}`: `{path}` is not a path such as `sku`, `../id`, `#` or `.`")
        require_spelled(self.columns, SIGNS)
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys `records` leads through."""
        return steps(self.records)

    @property
    def of_values(self) -> bool:
        """Whether elements need not be objects."""
        return "." in self.paths


def require_inside(columns: Mapping[str, Column]) -> None:
    """Refuse paths that lead out of a record, of a table without `records`.

    Raises:
        ValueError: a column has one.
    """
    for name, column in columns.items():
        if any(path.startswith("../") for path in column.paths(name)):
            raise ValueError(
                f"column `{name}`: the path leads out of the record, but there is no `records`, so nothing is around it"
            )


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a landed object: a message of it, or an element of a list inside of one."""

    ordinal: int
    value: Any
    """What it holds."""
    inner: Row | None
    """The element it is, if it is one."""
    wrong: str | None
    """None where it can be read; else why not, in a few words that quote nothing of it, or none."""

    def landed(self) -> bytes:
        """The message it is, or lies in, as it landed."""
        raise AttributeError(f"{type(self).__name__} does not say how it landed")

    def original(self) -> bytes:
        """The record for people: its message, or the element as JSON."""
        return whole(canonical(self.inner.value)).encode() if self.inner else self.landed()


L = TypeVar("L", bound=InnerTable)
R = TypeVar("R", bound=Record)


class InnerSource(Source[L], Generic[L, R]):
    """What sources of messages have in common, whose records may hold lists of others."""

    def rows(self, table: L, blob: Blob, number: NumberType | None = None) -> Iterator[R]:
        """All records of a table in an object, those that cannot be read too; numbers become `number`."""
        raise AttributeError(f"{type(self).__name__} does not say how to read")

    def beside_record(self, rows: Sequence[R], path: str, *, told: bool) -> Cells:
        """What messages have at a path that leads to nothing in their records, such as `@stream`."""
        raise AttributeError(f"{type(self).__name__} does not say what a message has")

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one object; what cannot be read comes with its text only."""
        contract = self.tables[table]
        rows = self.rows(contract, blob)
        while part := list(islice(rows, _BATCH_ROWS)):
            if good := [row for row in part if row.wrong is None]:
                try:
                    cells = {name: self._cells(good, column, name) for name, column in contract.columns.items()}
                except Malformed as failure:
                    raise unreadable(blob, failure.why) from None
                yield typed_at(contract, cells, blob.name, pa.array([row.ordinal for row in good], pa.int64()))
            if bad := [row for row in part if row.wrong is not None]:
                originals = [row.original().decode("utf-8", "replace") for row in bad]
                reasons = [row.wrong for row in bad if row.wrong]
                yield untyped(contract, blob.name, [row.ordinal for row in bad], originals, reasons)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The message as it landed, or the element of a list inside of one as JSON."""
        rows = self.rows(self.tables[table], blob, Number)
        found = next((row for row in rows if row.ordinal == ordinal), None)
        if found is None:
            raise missing(blob, ordinal)
        return found.original()

    def _cells(self, rows: Sequence[R], column: Column, name: str) -> Cells:
        """The texts of a column, from the first of its paths that has one."""
        told = column.decimal == ","
        found = [self._at(rows, path, told=told) for path in column.paths(name)]
        return pc.coalesce(*found) if found[1:] else found[0]

    def _at(self, rows: Sequence[R], path: str, *, told: bool) -> Cells:
        if path.startswith("@"):
            return self.beside_record(rows, path, told=told)
        inner = [row.inner for row in rows if row.inner]
        return texts_at(inner, path, told=told) if inner else cells_at([row.value for row in rows], (path,), told=told)

    def first(self, table: str, blob: Blob) -> Sequence[tuple[Any, Row | None]]:
        """The first records of an object that can be read, each with the element that it is, if it is one."""
        raise AttributeError(f"{type(self).__name__} does not say how to read")

    def of_stream(self, table: str) -> Hashable:
        """What the records of a table are taken from; tables of the same may lie in one another."""
        raise AttributeError(f"{type(self).__name__} does not say what a table is of")

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """Dotted paths of all values in the first records, but of lists that other tables have."""
        contract, of_others = self.tables[table], self.inside(table)
        rows = self.first(table, blob)
        if contract.records:
            return seen(contract, (inner for _, inner in rows if inner), of_others).keys() or None
        declared = set(contract.paths)
        there = leaves([record for record, _ in rows], signs="@")
        return dict.fromkeys(path for path in there if path in declared or path not in of_others).keys() or None

    def children(self, table: str, blob: Blob) -> Mapping[str, Mapping[str, str]]:
        """Paths at which the first records have nothing but lists of objects, where no table has these."""
        found = lists_in([record for record, _ in self.first(table, blob)], self.inside(table))
        return {path: {"records": dotted([*self.tables[table].steps, *steps(path)], SIGNS)} for path in found}

    def around(self, table: str) -> tuple[str, str]:
        """The table in whose records the list lies of which `table` has the elements."""
        return around(self._ways(table), table)

    def inside(self, table: str) -> Set[str]:
        """Paths in the records of `table` at which those of other tables lie."""
        return ways_in(self._ways(table), table)

    def _ways(self, table: str) -> dict[str, tuple[str, ...]]:
        """What leads to the records of each table of the same stream."""
        mine = self.of_stream(table)
        return {name: each.steps for name, each in self.tables.items() if self.of_stream(name) == mine}


def elements(table: InnerTable, record: Any, numbers: Counter[int]) -> Iterator[Row]:
    """The elements of the lists inside a record, numbered on from `numbers`."""
    return below(record, table.steps, None, numbers)


def texts_at(rows: Sequence[Row], path: str, *, told: bool) -> Cells:
    """The texts at a path that is seen from elements; numbers `told` apart from them.

    Raises:
        Malformed: it leads further out than there are records.
    """
    values = [value_at(row, path) for row in rows]
    plain = [value if value is None or type(value) is str else text_of(value) for value in values]
    found = texts(plain)
    return apart(found, [type(value) is Number for value in values]) if told else found


def seen(table: Table, rows: Iterable[Row], inside: Set[str]) -> dict[str, None]:
    """Paths of what stands in some elements, and of what is declared around them.

    Args:
        inside: paths at which the elements of other tables lie.
    """
    declared = dict.fromkeys(table.paths)
    found: dict[str, None] = {}
    for row in rows:
        there = leaves_of(row.value, "", {*declared, *inside})
        mine = (path for path in there if path in declared or not (path in inside or "@rest" in declared))
        found |= dict.fromkeys(mine)
        out = (path for path in declared if path.startswith((".", "#")) and value_at(row, path) is not None)
        found |= dict.fromkeys(out)
    return found


def lists_in(records: Iterable[Any], known: Set[str]) -> list[str]:
    """Paths at which records have nothing but lists of objects, but those that are `known`."""
    kinds: dict[str, set[bool]] = {}
    for record in records:
        row = Row(record, 0, 0)
        for path in leaves_of(record, "", set(known)):
            value = value_at(row, path)
            if value not in (None, []) and path not in known:
                kinds.setdefault(path, set()).add(type(value) is list and all(type(item) is dict for item in value))
    return [path for path, objects in kinds.items() if objects == {True}]


def ways_in(ways: Mapping[str, tuple[str, ...]], table: str) -> set[str]:
    """Paths in the records of `table` at which those of other tables lie, by the steps to the records of each."""
    return {path for name in ways if (path := way_in(ways, table, name))}


def way_in(ways: Mapping[str, tuple[str, ...]], table: str, other: str) -> str:
    """Where the records of another table lie in those of `table`; empty where they do not."""
    mine, inner = ways[table], ways[other]
    return dotted(inner[len(mine) :], SIGNS) if inner[: len(mine)] == mine else ""


def around(ways: Mapping[str, tuple[str, ...]], table: str) -> tuple[str, str]:
    """The table in whose records a list of those of `table` lies, and what leads there."""
    others = [name for name in ways if name != table and way_in(ways, name, table)]
    return max(others, key=lambda name: len(ways[name]), default=""), "../"
