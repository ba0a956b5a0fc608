"""A table's profile as it is read: the counts of all layers, by batch and by period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potable.contracts.profile import ALL, BROKEN, ROWS, distinct, kind_of
from potable.tables import Table


@dataclass(frozen=True)
class Profile:
    """The profile of a table with all its layers."""

    cells: pa.Table = field(repr=False)
    """Rows of `profile.PROFILE`."""
    sketches: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def batches(self) -> list[int]:
        """Numbers of the batches, in order."""
        return sorted(self.cells["batch"].unique().to_pylist())

    def of_batch(self, number: int) -> Profile:
        """The part of one batch."""
        return Profile(self.cells.filter(pc.equal(self.cells["batch"], number)))

    def of_period(self, period: int) -> Profile:
        """The part of one period."""
        return Profile(self.cells.filter(pc.equal(self.cells["period"], period)))

    @cached_property
    def periods(self) -> dict[int, int]:
        """Rows by period, in order; rows without a time are in none."""
        found = self.cells.filter(pc.and_(pc.equal(self.cells["column"], ROWS), pc.equal(self.cells["word"], ALL)))
        counted = found.filter(pc.is_valid(found["period"])).group_by("period").aggregate([("rows", "sum")])
        return dict(sorted(zip(counted["period"].to_pylist(), counted["rows_sum"].to_pylist(), strict=True)))

    @cached_property
    def columns(self) -> dict[str, dict[Any, int]]:
        """Rows by cell (a number, a word, or None) of each column."""
        keys = ["column", "number", "word"]
        out: dict[str, dict[Any, int]] = {}
        for row in self.cells.group_by(keys).aggregate([("rows", "sum")]).to_pylist():
            cell = row["word"] if row["number"] is None else row["number"]
            out.setdefault(row["column"], {})[cell] = row["rows_sum"]
        return out

    @property
    def rows(self) -> int:
        """How many rows it is of."""
        return self.columns.get(ROWS, {}).get(ALL, 0)

    def share(self, column: str) -> float:
        """The share of nulls of a column, or with `ROWS` of rows that break a rule."""
        cells = self.columns.get(column, {})
        return cells.get(BROKEN if column == ROWS else None, 0) / self.rows if self.rows else 0.0

    def values(self, column: str) -> dict[Any, int]:
        """Rows by cell of the values of a column."""
        return {cell: rows for cell, rows in self.columns.get(column, {}).items() if cell is not None}

    def distinct(self, table: Table) -> dict[str, int]:
        """Distinct values by column: exactly of words and of times of the table, else about; not of amounts."""
        exact = {name: len(self.values(name)) for name in table.columns if kind_of(table, name) in ("word", "day")}
        return {**{name: distinct(sketch) for name, sketch in self.sketches.items()}, **exact}
