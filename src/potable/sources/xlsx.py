"""Excel workbooks: sheets with a header row, read by calamine; every cell as one exact text.

Numbers are the shortest decimal text that means them (`12345`, never `12345.0`), dates and times ISO 8601 in
both of Excel's calendars, booleans true and false; an error cell is its own text (`#N/A`), so a number column
keeps it in `_unparsed` unless the contract calls it nothing. A number in a column of days or moments counts days as
Excel does. A formula that was never calculated has no value, which is said. Rows without a value are not records.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import chain, islice, repeat
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from potable.sources.base import Blob
from potable.sources.files import DAMAGE, FileSource, FileTable, unreadable
from potable.sources.originals import missing
from potable.sources.serials import moment
from potable.sources.typed import clean, convert, typed, with_lost
from potable.sources.workbook import LARGEST_PACKED, UNCALCULATED, Errors, Package, Refused
from potable.tables import Column

_BATCH_ROWS = 8192
_VIRTUAL = ("@object", "@sheet")
_NEVER_CALCULATED = "a formula that was never calculated (open the workbook in Excel or LibreOffice and save it)"


class XlsxTable(FileTable):
    """A table in Excel workbooks (.xlsx, .xlsm); the path `@sheet` of a column is the name of the sheet.

    A number in a column of type `date` or `timestamp` that its `format` cannot read counts days as the workbook
    does (from 1900 or 1904): `43861` is 2020-01-31. Whole numbers from 1900 to 2100, which are rather years, and 60,
    the 29 February 1900 that never was, are no days; texts never count. A formula that a program wrote and nobody
    calculated has no value: its record goes to quarantine (`mistyped:gross: a formula that was never calculated …`),
    its cell alone where `on_error: "null"` says so, and it is nothing where `null_values: ["#UNCALCULATED!"]` does.
    Open the workbook in Excel or LibreOffice and save it.
    """

    sheet: str | int = 1
    """Name of the sheet, or a pattern of names (`20*`, `*`) whose sheets belong together, or its number from 1."""
    header: int | list[int] = 1
    """Row that names the columns, or rows whose texts together do, from 1; merged cells name all their columns."""
    first: int | None = Field(default=None, ge=1)
    """First row of records; the one below the header by default."""

    @field_validator("header")
    @classmethod
    def _rows(cls, value: int | list[int]) -> int | list[int]:
        if not (rows := [value] if isinstance(value, int) else value) or min(rows) < 1:
            raise ValueError("rows are counted from 1")
        return value

    @field_validator("sheet")
    @classmethod
    def _one(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 1:
            raise ValueError("sheets are counted from 1")
        return value

    @property
    def header_rows(self) -> list[int]:
        """The rows of the header, from 0."""
        return [row - 1 for row in ([self.header] if isinstance(self.header, int) else self.header)]

    @property
    def first_row(self) -> int:
        """The first row of records, from 0."""
        return (self.first or max(self.header_rows) + 2) - 1


class XlsxSource(FileSource[XlsxTable]):
    """A folder of Excel workbooks."""

    fixed_columns: ClassVar[bool] = True

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches, sheet by sheet."""
        contract = self.tables[table]
        done = 0
        for sheet in _sheets(contract, blob):
            places = _places(contract, sheet, blob)
            rows = sheet.records(contract.first_row)
            while part := list(islice(rows, _BATCH_ROWS)):
                texts, lost = dict[str, pa.StringArray](), dict[str, list[int]]()
                for name, column in contract.columns.items():
                    if "@sheet" in column.paths(name):
                        texts[name] = pa.repeat(sheet.name, len(part))
                    elif name in places:
                        texts[name], lost[name] = sheet.texts(column, [row[places[name]] for row in part])
                made = typed(contract, texts, blob.name, first=done + 1, rows=len(part))
                yield with_lost(contract, made, lost, UNCALCULATED, _NEVER_CALCULATED)
                done += len(part)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The row as JSON, every cell in its exact text by the name of its column, or by its number (`#3`)."""
        contract = self.tables[table]
        left = ordinal
        for sheet in _sheets(contract, blob):
            header = sheet.header(contract.header_rows)
            for row in sheet.records(contract.first_row):
                left -= 1
                if left == 0:
                    cells = [*map(_text, row)]
                    names = [*header, *[""] * (len(cells) - len(header))]
                    named = {
                        name if name and header.count(name) == 1 else f"#{number}": cell
                        for number, (name, cell) in enumerate(zip(names, cells, strict=False), 1)
                    }
                    return json.dumps(named, ensure_ascii=False).encode()
        raise missing(blob, ordinal)

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """The names that every sheet of the table has."""
        contract = self.tables[table]
        found = [dict.fromkeys(filter(None, sheet.header(contract.header_rows))) for sheet in _sheets(contract, blob)]
        return (
            dict.fromkeys(name for name in found[0] if all(name in other for other in found)).keys() if found else None
        )


@dataclass(frozen=True)
class _Sheet:
    """One sheet as rows of texts."""

    name: str
    sheet: CalamineSheet
    errors: Errors
    from_1904: bool

    def header(self, rows: Sequence[int]) -> list[str]:
        """The name of each column; empty where there is none."""
        grid = {row: [*map(_text, cells)] for row, cells in enumerate(islice(self._rows(), max(rows) + 1))}
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
        for cells in islice(self._rows(), first, None):
            if any(cell != "" for cell in cells):
                yield cells

    def texts(self, column: Column, cells: Sequence[Any]) -> tuple[pa.StringArray, list[int]]:
        """The texts of a column, and where formulas have no value that the contract does not call nothing."""
        texts = [*map(_text, cells)]
        if column.decimal == ",":
            # a number has no sign of its own, and a point would stand between its thousands
            texts = [
                text.replace(".", ",") if text and isinstance(cell, float) else text
                for text, cell in zip(texts, cells, strict=True)
            ]
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
        return pa.array(texts, pa.string()), lost

    def _rows(self) -> Iterator[list[Any]]:
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


def _sheets(table: XlsxTable, blob: Blob) -> Iterator[_Sheet]:
    """The sheets of a table, one in memory at a time.

    Raises:
        DataError: D007, the workbook cannot be read, or has no such sheet.
    """
    try:
        content = _content(blob)
        package = Package.of(io.BytesIO(content))
        names = list(package.sheets)
        if isinstance(table.sheet, int):
            wanted = names[table.sheet - 1 : table.sheet]
        else:
            wanted = [name for name in names if name == table.sheet] or [
                name for name in names if fnmatchcase(name, table.sheet)
            ]
        if not wanted:
            raise Refused(f"it has no such sheet as `{table.sheet}`")
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in wanted:
            errors = package.errors(name)
            yield _Sheet(name, workbook.get_sheet_by_name(name), errors, package.from_1904)
    except Refused as failure:
        raise unreadable(blob, failure.why) from None
    except (CalamineError, zipfile.BadZipFile, *DAMAGE) as failure:
        raise unreadable(blob, f"not an xlsx workbook, or damaged ({type(failure).__name__})") from None


def _content(blob: Blob) -> bytes:
    with blob.open() as stream:
        content = stream.read(LARGEST_PACKED + 1)
    if len(content) > LARGEST_PACKED:
        raise Refused(f"it is larger than {LARGEST_PACKED >> 20} MiB")
    if not content.startswith(b"PK"):
        raise Refused("not an xlsx workbook; other spreadsheets are to be saved as xlsx")
    return content


def _places(table: XlsxTable, sheet: _Sheet, blob: Blob) -> dict[str, int]:
    """Position of each contract column in the sheet, by the first of its names that is there."""
    header = sheet.header(table.header_rows)
    places = {}
    for name, column in table.columns.items():
        path = next((path for path in column.paths(name) if path in header and path not in _VIRTUAL), None)
        if path is not None:
            if header.count(path) > 1:
                raise unreadable(blob, f"two of its columns are called `{path}`")
            places[name] = header.index(path)
    return places


def _text(value: Any) -> str | None:
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
