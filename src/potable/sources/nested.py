"""Tables of records that may hold others: where their records lie, and which paths lead to values.

What kinds of files have in common whose records are objects with lists in them (JSON, Parquet).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Self, TypeVar

import pyarrow as pa
from pydantic import field_validator, model_validator

from potable.sources.files import FileSource, FileTable
from potable.sources.inner import around, ways_in
from potable.sources.jsonrows import SIGNS, Row, column_texts, rest_texts
from potable.sources.keypaths import KEYS, dotted, require_spelled, steps
from potable.sources.typed import typed_at
from potable.tables import Column

_PATH = re.compile(rf"(\.\./)*(#|{KEYS})|\.|@rest|@object", re.DOTALL)


class NestedTable(FileTable):
    """A table whose records may lie in others."""

    records: str = ""
    """Dotted path from the document, line or row to the records; lists on the way are flattened. Empty if the lines,
    the rows, the elements of the document's list or the document itself are the records."""
    optional: bool = False
    """Whether a document or file may lack the list, because some systems leave out empty lists; it then has no
    records."""

    @field_validator("records")
    @classmethod
    def _dotted(cls, value: str) -> str:
        if value and (not re.fullmatch(KEYS, value, re.DOTALL) or dotted(steps(value), SIGNS) != value):
            raise ValueError(
                "write a dotted path such as `response.items`, or nothing; only a key with a dot is quoted"
            )
        return value

    @model_validator(mode="after")
    def _readable_paths(self) -> Self:
        require_paths(self.columns)
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys `records` leads through."""
        return steps(self.records)

    @property
    def value_paths(self) -> list[str]:
        """Where the columns take their values from."""
        return [path for path in self.paths if path != "@object"]


N = TypeVar("N", bound=NestedTable)


class NestedSource(FileSource[N]):
    """Files whose records may lie in others."""

    def around(self, table: str) -> tuple[str, str]:
        """The table in whose records a list of those of `table` lies."""
        return around(self._ways(table), table)

    def inside(self, table: str) -> set[str]:
        """Paths in the records of `table` at which those of other tables lie."""
        return ways_in(self._ways(table), table)

    def _ways(self, table: str) -> dict[str, tuple[str, ...]]:
        """What leads to the records of each table of the same files as `table`."""
        return {name: each.steps for name, each in self.tables.items() if each.files == self.tables[table].files}


def require_paths(columns: Mapping[str, Column]) -> None:
    """Refuse columns with paths that cannot lead anywhere.

    Raises:
        ValueError: a column has one.
    """
    for name, column in columns.items():
        for path in column.paths(name):
            if not _PATH.fullmatch(path):
                known = '`user.email`, `user."e.mail"`, `../id`, `../#`, `.` or `@rest`'
                raise ValueError(f"column `{name}`: `{path}` is not a path such as {known}")
    require_spelled(columns, SIGNS)


def batch_of(table: NestedTable, rows: Sequence[Row], names: str | pa.StringArray) -> pa.RecordBatch:
    """Records as typed rows."""
    texts = {
        name: column_texts(rows, declared.paths(name), told=declared.decimal == ",")
        for name, declared in table.columns.items()
    }
    if "@rest" in table.value_paths:
        left = rest_texts(rows, table.value_paths)
        texts |= {name: left for name, column in table.columns.items() if "@rest" in column.paths(name)}
    return typed_at(table, texts, names, pa.array([row.number for row in rows], pa.int64()))
