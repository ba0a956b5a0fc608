"""One sheet of a workbook as a grid of cells, and every cell as one exact text.

Which table a sheet belongs to and which of its rows are records is decided in `xlsx`.

Entry: `Sheet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineSheet

from potable.sources.cells import Cells, apart
from potable.sources.excel_dates import moment
from potable.sources.typed import clean, convert
from potable.sources.workbook import UNCALCULATED, Errors
from potable.tables import Column


@dataclass(frozen=True)
class Sheet:
    """One sheet as rows of texts."""

    name: str
    sheet: CalamineSheet
    errors: Errors
    from_1904: bool
    among: int
    """How many sheets its workbook has."""

    def header(self, rows: Sequence[int]) -> list[str]:
        """The name of each column; empty where there is none."""
        grid = {row: [*map(text_of, cells)] for row, cells in enumerate(islice(self.rows(), max(rows) + 1))}
        parts = [[*(cell or "" for cell in grid.get(row, []))] for row in rows]
        for (top, left), (bottom, right) in self.sheet.merged_cell_ranges or ():
            text = grid.get(top, [])[left : left + 1]
            for row, names in zip(rows, parts, strict=True):
                if top <= row <= bottom and text:
                    names[left : right + 1] = [text[0] or ""] * (min(right + 1, len(names)) - left)
        width = max(map(len, parts))
        padded = [[*names, *[""] * (width - len(names))] for names in parts]
        # a name that several rows share by a merged cell counts once
        return [" ".join(dict.fromkeys(filter(None, map(str.strip, column)))) for column in zip(*padded, strict=True)]

    def records(self, first: int) -> Iterator[list[Any]]:
        """The rows from `first` on that have a value."""
        for cells in islice(self.rows(), first, None):
            if any(cell != "" for cell in cells):
                yield cells

    def texts(self, column: Column, cells: Sequence[Any]) -> tuple[Cells, list[int]]:
        """The texts of a column, and where formulas have no value that the contract does not call nothing."""
        texts = [*map(text_of, cells)]
        lost: list[int] = []
        if self.errors and UNCALCULATED not in column.null_values:
            lost = [index for index, text in enumerate(texts) if text == UNCALCULATED]
            for index in lost:
                texts[index] = None
        if column.type in ("date", "timestamp") and not column.extract:
            plain = clean(column, pa.array(texts, pa.string()))
            for index in pc.indices_nonzero(
                pc.and_(pc.is_valid(plain), pc.is_null(convert(column, plain)))
            ).to_pylist():
                texts[index] = moment(cells[index], from_1904=self.from_1904) or texts[index]
        found = pa.array(texts, pa.string())
        return (apart(found, [type(cell) in (int, float) for cell in cells]) if column.decimal == "," else found), lost

    def is_texts(self, number: int) -> bool:
        """Whether all that stands in a row, counted from 1, is text."""
        return all(isinstance(cell, str) for cell in next(islice(self.rows(), number - 1, None)))

    def rows(self) -> Iterator[list[Any]]:
        """The grid of cells, from its first row and column."""
        left = self.sheet.start[1] if self.sheet.start else 0
        odd: dict[int, dict[int, str]] = {}
        for (row, column), text in self.errors.items():
            odd.setdefault(row, {})[column] = text
        # to calamine they are empty, so that it may end before them
        width = max([left + self.sheet.width, *(column + 1 for _, column in self.errors)])
        height = max([self.sheet.end[0] if self.sheet.end else -1, *odd]) + 1
        for row, cells in enumerate(islice(chain(self.sheet.iter_rows(), repeat([])), height)):
            found = [*([""] * left), *cells]
            found += [""] * (width - len(found))
            for column, text in odd.get(row, {}).items():
                found[column] = text
            yield found


def text_of(value: Any) -> str | None:
    """A cell as text; None for an empty one."""
    match value:
        case "":
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if not value.is_integer():
            return format(Decimal(repr(value)), "f")
        case int() | float():
            return str(int(value))
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            seconds = round(value.total_seconds())
            return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    raise TypeError(type(value).__name__)
