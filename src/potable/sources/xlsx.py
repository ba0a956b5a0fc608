"""Excel workbooks: sheets with a header row, read by calamine; every cell as one exact text.

Numbers are the shortest decimal text that means them (`12345`, never `12345.0`), dates and times ISO 8601 in both of
Excel's calendars, booleans true and false; an error cell is its own text (`#N/A`), so in a number column it is
mistyped unless it is one of the `null_values`. Of merged cells below the header the first has the value. A number in a
date or timestamp column counts days as Excel does. A formula that was never calculated has no value and is reported.
Rows without a value are not records. If `header` is not declared and row 1 looks like a title, or `sheet` is not
declared and several sheets have the same header, the workbook is refused, and the error says what to declare.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Set
from fnmatch import fnmatchcase
from itertools import islice
from typing import ClassVar

import pyarrow as pa
from pydantic import Field, field_validator
from python_calamine import CalamineError, CalamineWorkbook

from potable.sources.blobs import Blob, Malformed, Original
from potable.sources.cells import Cells
from potable.sources.files import DAMAGE, FileSource, FileTable, is_sealed, positions, unreadable
from potable.sources.originals import picked
from potable.sources.sheets import Sheet, text_of
from potable.sources.typed import typed, with_lost
from potable.sources.workbook import LARGEST_PACKED, UNCALCULATED, Package

_BATCH_ROWS = 8192
_TOP_ROWS = 50
_VIRTUAL = ("@object", "@sheet")
_ONE_TABLE = "columns of one sheet need names of their own; are these two tables? Give each a sheet, or a workbook"
_NEVER_CALCULATED = "a formula that was never calculated (open the workbook in Excel or LibreOffice and save it)"


class XlsxTable(FileTable):
    """A table in Excel workbooks (.xlsx, .xlsm); the path `@sheet` of a column is the name of the sheet.

    A number in a column of type `date` or `timestamp` that its `format` cannot read counts days as the workbook does
    (from 1900 or 1904): `43861` is 2020-01-31. Whole numbers from 1900 to 2100 (probably years) and 60 (29 February
    1900, which never existed) do not count as days, and texts never do. A formula that was written by a program and
    never calculated has no value: its record is quarantined (`mistyped:gross: a formula that was never calculated
    …`), only its cell becomes null with `on_error: "null"`, and it counts as null with `null_values:
    ["#UNCALCULATED!"]`. Open the workbook in Excel or LibreOffice and save it.
    """

    sheet: str | int = 1
    """Name of the sheet, or a pattern of names (`20*`, `*`) of sheets that belong together, or its number from 1,
    hidden ones counted; the first that is not hidden by default. Must be declared if several sheets have the same
    header."""
    header: int | list[int] = 1
    """Row with the column names, or several rows whose texts together form them, from 1; merged cells name all their
    columns. Must be declared if row 1 names fewer than half of the columns, like a title."""
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
        for sheet in _settled(contract, blob):
            places = positions(contract, sheet.header(contract.header_rows), blob, virtual=_VIRTUAL, hint=_ONE_TABLE)
            rows = sheet.records(contract.first_row)
            while part := list(islice(rows, _BATCH_ROWS)):
                texts, lost = dict[str, Cells](), dict[str, dict[int, str]]()
                for name, column in contract.columns.items():
                    if "@sheet" in column.paths(name):
                        texts[name] = pa.repeat(sheet.name, len(part))
                    elif name in places:
                        texts[name], rows_lost = sheet.texts(column, [row[places[name]] for row in part])
                        lost[name] = dict.fromkeys(rows_lost, UNCALCULATED)
                made = typed(contract, texts, blob.name, first=done + 1, rows=len(part))
                yield with_lost(contract, made, lost, _NEVER_CALCULATED)
                done += len(part)

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The row as JSON, every cell in its exact text by the name of its column, or by its number (`#3`)."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The rows of one reading of the workbook."""
        contract = self.tables[table]
        rows = (
            (header, row)
            for sheet in _sheets(contract, blob)
            for header in [sheet.header(contract.header_rows)]
            for row in sheet.records(contract.first_row)
        )
        for header, row in picked(rows, ordinals, blob):
            cells = [*map(text_of, row)]
            names = [*header, *[""] * (len(cells) - len(header))]
            named = {
                name if name and header.count(name) == 1 else f"#{number}": cell
                for number, (name, cell) in enumerate(zip(names, cells, strict=False), 1)
            }
            yield Original(json.dumps(named, ensure_ascii=False).encode())

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """The names that every sheet of the table has."""
        contract = self.tables[table]
        found = [dict.fromkeys(filter(None, sheet.header(contract.header_rows))) for sheet in _settled(contract, blob)]
        return (
            dict.fromkeys(name for name in found[0] if all(name in other for other in found)).keys() if found else None
        )


def _settled(table: XlsxTable, blob: Blob) -> Iterator[Sheet]:
    """The sheets of a table, where what it leaves unsaid has one meaning.

    Raises:
        DataError: D007, also where `header` is not declared and the first row is rather a title, and where `sheet` is
            not and several sheets have the header of the first.
    """
    for sheet in _sheets(table, blob):
        if "header" not in table.model_fields_set:
            _require_header(sheet, blob)
        if "sheet" not in table.model_fields_set:
            _require_one(table, sheet, blob)
        yield sheet


def _require_header(sheet: Sheet, blob: Blob) -> None:
    """Refuse a first row that names less than half of the columns, which is a title above the header."""
    top = [[cell != "" for cell in cells] for cells in islice(sheet.rows(), _TOP_ROWS)]
    filled = [sum(cells) for cells in top]
    width = sum(map(any, zip(*top, strict=True)))
    if not width or 2 * filled[0] >= width:
        return
    row = next((number for number, cells in enumerate(filled, 1) if 2 * cells >= width and sheet.is_texts(number)), 0)
    named = f"declare which row names the columns (`header: {row or 'N'}`), or `header: 1` if row 1 is complete"
    raise unreadable(blob, f"row 1 names only {filled[0]} of the {width} columns that have values", hint=named)


def _require_one(table: XlsxTable, first: Sheet, blob: Blob) -> None:
    """Refuse sheets with the columns of the first one, which would stay unread."""
    names = set(first.header(table.header_rows)) - {""}
    if first.among == 1 or not names:
        return
    every = _sheets(table.model_copy(update={"sheet": "*"}), blob)
    same = sum(set(sheet.header(table.header_rows)) - {""} == names for sheet in every)
    if same > 1:
        raise unreadable(
            blob,
            f"{same} of its {first.among} sheets have this header, and the contract does not declare which to read",
            hint='declare which to read: `sheet: "*"` or a pattern of names, or `sheet: 1` for the first one alone',
        )


def _sheets(table: XlsxTable, blob: Blob) -> Iterator[Sheet]:
    """The sheets of a table, one in memory at a time.

    Raises:
        DataError: D007, the workbook cannot be read, or has no such sheet.
    """
    try:
        content = _content(blob)
        package = Package.of(io.BytesIO(content))
        names = list(package.sheets)
        if "sheet" not in table.model_fields_set:
            wanted = [name for name in names if name not in package.hidden][:1] or names[:1]
        elif isinstance(table.sheet, int):
            wanted = names[table.sheet - 1 : table.sheet]
        else:
            wanted = [name for name in names if name == table.sheet] or [
                name for name in names if fnmatchcase(name, table.sheet)
            ]
        if not wanted:
            raise Malformed(f"it has no sheet `{table.sheet}`")
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in wanted:
            errors = package.errors(name)
            yield Sheet(name, workbook.get_sheet_by_name(name), errors, package.from_1904, len(names))
    except Malformed as failure:
        raise unreadable(blob, failure.why) from None
    except (CalamineError, zipfile.BadZipFile, *DAMAGE) as failure:
        raise unreadable(blob, f"it is damaged, or not an xlsx workbook ({type(failure).__name__})") from None


def _content(blob: Blob) -> bytes:
    with blob.open() as stream:
        content = stream.read(LARGEST_PACKED + 1)
    if len(content) > LARGEST_PACKED:
        raise Malformed(f"it is larger than {LARGEST_PACKED >> 20} MiB")
    if is_sealed(content):
        raise Malformed("it is encrypted")
    if not content.startswith(b"PK"):
        raise Malformed("it is not an xlsx workbook; save other spreadsheets as xlsx")
    return content
