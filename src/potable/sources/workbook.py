"""What lies in an xlsx package, looked at before it is read: sizes, the extent of each sheet, cells that are errors.

A reader unpacks whatever a package holds and makes a full grid of a sheet with one cell far out. Here every part
is unpacked once in small pieces and counted, so that a bomb is refused in bounded memory; and error cells, which
calamine gives as empty ones, keep their text. So do formulas that a program wrote and nobody calculated.

Entry: `Package.of` and `Package.errors`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, Self
from xml.etree import ElementTree

from potable.sources.blobs import Malformed
from potable.sources.files import DAMAGE

LARGEST_PACKED = 256 << 20
LARGEST_PART = 512 << 20
"""Bytes of XML a workbook may have in all."""
MOST_CELLS = 16_000_000
"""Cells of the grid a sheet may span."""
_SMALL = 4 << 20
_CHUNK = 1 << 20
_LONGEST_ROW = 32 << 20
# no tag holds the beginning of another: without that the search would run on to the end from each of them
_CELL = re.compile(rb'<(?:\w+:)?c\s[^<>]*?\br="([A-Z]{1,3})(\d{1,7})"[^<>]*>')
_CELLS = re.compile(rb"<(?:\w+:)?c[\s/>]")
_ERROR = re.compile(
    rb'<(?:\w+:)?c\s(?=[^<>]*\bt="e")[^<>]*?\br="([A-Z]{1,3})(\d{1,7})"[^<>]*>'
    rb"(?:<(?:\w+:)?f[^<>]*?(?:/>|>[^<]*</(?:\w+:)?f>))?<(?:\w+:)?v>([^<]*)<"
)
_UTF8 = re.compile(rb"\A(?!<\?xml[^>]*encoding)|encoding=[\"'](?i:utf-?8|us-ascii)[\"']")
_ROW_END = re.compile(rb"</(?:\w+:)?row\s*>")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_UNCALCULATED = re.compile(
    rb'<(?:\w+:)?c\s(?![^<>]*\bt="str")[^<>]*?\br="([A-Z]{1,3})(\d{1,7})"[^<>]*>\s*'
    rb"<(?:\w+:)?f(?:\s[^<>]*?)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v\s*>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
"""Formulas without a value; one whose value is the empty text says that it is a text."""

_LONG = re.compile(
    rb'<(?:\w+:)?c\s(?![^<>]*\bt="(?!n"))[^<>]*?\br="([A-Z]{1,3})(\d{1,7})"[^<>]*>'
    rb"(?:<(?:\w+:)?f[^<>]*?(?:/>|>[^<]*</(?:\w+:)?f>))?<(?:\w+:)?v>(-?\d{16,})<"
)
"""Whole numbers of more digits than Excel keeps, as programs write them; calamine gives the nearest it can count."""
_LONG_VALUE = re.compile(rb">-?\d{16,}<")

UNCALCULATED = "#UNCALCULATED!"
"""Text of a cell whose formula was never calculated."""
MOST_UNCALCULATED = 100_000
Errors = dict[tuple[int, int], str]
"""Texts of cells that are errors, formulas without a value, or longer numbers than a reader keeps, by row and column
from 0."""


@dataclass(frozen=True)
class Package:
    """A workbook whose parts are known to be of sound size."""

    archive: zipfile.ZipFile
    sheets: dict[str, str]
    """Part of each worksheet, by the sheet's name."""
    from_1904: bool = False
    """Whether days are counted from 1904."""
    hidden: frozenset[str] = frozenset()
    """Sheets that nobody sees who opens the workbook."""

    @classmethod
    def of(cls, stream: BinaryIO) -> Self:
        """The package in `stream`, which must be able to seek.

        Raises:
            Malformed: it is no xlsx workbook, is damaged or encrypted, or unpacks to too much.
        """
        try:
            archive = zipfile.ZipFile(stream)
            _require_small(archive)
            _require_xlsx(archive.namelist())
            return cls(archive, _sheets(archive), _from_1904(archive), _hidden(archive))
        # ValueError: bytes are missing, so that its parts would begin before it
        except (zipfile.BadZipFile, KeyError, ValueError, ElementTree.ParseError, RuntimeError, *DAMAGE):
            raise Malformed("it is damaged, or not an xlsx workbook") from None

    def errors(self, sheet: str) -> Errors:
        """The cells of a sheet that are errors, formulas that have no value, or numbers of more digits than fit.

        Raises:
            Malformed: the sheet spans too much, has very many formulas without a value, or is damaged.
        """
        found: Errors = {}
        formulas = 0
        columns: set[bytes] = set()
        last = 0
        with self.archive.open(self.sheets[sheet]) as part:
            for piece in _rows(part):
                cells = _CELL.findall(piece)
                if len(cells) != len(_CELLS.findall(piece)):
                    raise Malformed("it has cells without a position")
                columns.update(cell[0] for cell in cells)
                last = max(last, max((int(cell[1]) for cell in cells), default=0))
                if last * max(map(_number, columns), default=0) > MOST_CELLS:
                    raise Malformed(f"a sheet spans more than {MOST_CELLS:,} cells")
                if b't="e"' in piece:
                    for column, row, text in _ERROR.findall(piece):
                        found[int(row) - 1, _number(column) - 1] = text.decode("utf-8", "replace")
                found |= _long(piece)
                if _FORMULA.search(piece):
                    places = _UNCALCULATED.findall(piece)
                    formulas += len(places)
                    if formulas > MOST_UNCALCULATED:
                        raise Malformed(
                            f"more than {MOST_UNCALCULATED:,} cells of a sheet are formulas that were never calculated;"
                            " open the workbook in Excel or LibreOffice and save it"
                        )
                    found |= {(int(row) - 1, _number(column) - 1): UNCALCULATED for column, row in places}
        return found


def _require_xlsx(names: Sequence[str]) -> None:
    """Refuse workbooks of other kinds that are packages too, by what they are."""
    kinds = {"xl/workbook.bin": "an .xlsb workbook", "content.xml": "an OpenDocument workbook (.ods)"}
    if kind := next((told for part, told in kinds.items() if part in names), None):
        raise Malformed(f"it is {kind}; save it as xlsx")


def _require_small(archive: zipfile.ZipFile) -> None:
    """Unpack everything once, in pieces, and count."""
    left = LARGEST_PART
    if len(set(archive.namelist())) < len(archive.namelist()):
        raise Malformed("two of its parts have the same name")
    for info in archive.infolist():
        if info.flag_bits & 1:
            raise Malformed("it is encrypted")
        if not info.filename.endswith((".xml", ".rels")):
            continue
        start = b""
        with archive.open(info) as part:
            while chunk := part.read(_CHUNK):
                start = start or chunk[: 1 << 12]
                left -= len(chunk)
                if left < 0:
                    raise Malformed(f"it unpacks to more than {LARGEST_PART >> 20} MiB")
        if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
            raise Malformed("it declares a document type, which a workbook must not")
        if b"\0" in start or not _UTF8.search(start):
            raise Malformed("one of its parts is not UTF-8")


def _sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """Parts of the worksheets by name, in the order of the workbook."""
    relations = {item.get("Id"): item.get("Target", "") for item in _tree(archive, "xl/_rels/workbook.xml.rels").iter()}
    names = set(archive.namelist())
    found = {}
    for item in _tree(archive, "xl/workbook.xml").iter():
        target = relations.get(item.get(_RELATION))
        if item.tag.endswith("}sheet") and target:
            part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if part in names and "/worksheets/" in f"/{part}":
                found[item.get("name", "")] = part
    return found


def _hidden(archive: zipfile.ZipFile) -> frozenset[str]:
    sheets = (item for item in _tree(archive, "xl/workbook.xml").iter() if item.tag.endswith("}sheet"))
    return frozenset(item.get("name", "") for item in sheets if item.get("state", "visible") != "visible")


def _from_1904(archive: zipfile.ZipFile) -> bool:
    settings = _tree(archive, "xl/workbook.xml").iter()
    return any(item.tag.endswith("}workbookPr") and item.get("date1904") in ("1", "true") for item in settings)


def _tree(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _SMALL:
        raise Malformed("it has more sheets than a workbook can have")
    return ElementTree.fromstring(archive.read(name))


def _rows(part: IO[bytes]) -> Iterator[bytes]:
    """The part in pieces that end behind a row."""
    held = b""
    while chunk := part.read(_CHUNK):
        held += chunk
        end = max((found.end() for found in _ROW_END.finditer(held)), default=0)
        if end:
            yield held[:end]
            held = held[end:]
        elif len(held) > _LONGEST_ROW:
            raise Malformed("a row is longer than a row can be")
    yield held


def _long(piece: bytes) -> Errors:
    """Whole numbers that no reader keeps, because no float is one of them."""
    found = _LONG.findall(piece) if _LONG_VALUE.search(piece) else []
    return {
        (int(row) - 1, _number(column) - 1): text.decode()
        for column, row, text in found
        if int(float(text)) != int(text)
    }


def _number(column: bytes) -> int:
    """The number of a column from its letters; A is 1."""
    number = 0
    for letter in column:
        number = number * 26 + letter - 64
    return number
