"""Word documents: one record per file, from its form table and its paragraphs.

A column's path is the label in the form's first column (`Employee number`); `@text` is all paragraphs
outside tables, one per line. Text is read as Word shows it: runs joined, tabs and breaks kept.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pyarrow as pa
from lxml import etree

from potable.sources.base import Blob
from potable.sources.files import FileSource, FileTable, unreadable
from potable.sources.typed import typed

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LARGEST = 64 << 20
"""Bytes of unpacked text a document may have; more is taken for an attack."""


class DocxTable(FileTable):
    """A table of Word documents."""


class DocxSource(FileSource[DocxTable]):
    """A folder of Word documents."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        contract = self.tables[table]
        found = _read(blob)
        texts = {
            name: pa.array([next((found[path] for path in column.paths(name) if path in found), None)], pa.string())
            for name, column in contract.columns.items()
        }
        yield typed(contract, texts, blob.name)


def _read(blob: Blob) -> dict[str, str]:
    """Form values by label, and `@text`."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        with zipfile.ZipFile(blob.open()) as package:
            if package.getinfo("word/document.xml").file_size > _LARGEST:
                raise unreadable(blob, "its text is larger than 64 MiB unpacked")
            body = etree.fromstring(package.read("word/document.xml"), parser).find(f"{_W}body")
    except (zipfile.BadZipFile, KeyError, etree.XMLSyntaxError, OSError, EOFError, zipfile.zlib.error) as failure:
        raise unreadable(blob, f"not a whole Word document ({type(failure).__name__})") from None
    if body is None:
        raise unreadable(blob, "a Word document without a body")
    form: dict[str, str] = {}
    lines: list[str] = []
    for element in body:
        if element.tag == f"{_W}tbl":
            for row in element.iter(f"{_W}tr"):
                cells = [_cell(cell) for cell in row.findall(f"{_W}tc")]
                if len(cells) > 1:
                    form.setdefault(cells[0].strip().rstrip(":"), cells[1])
        elif element.tag == f"{_W}p":
            lines.append(_paragraph(element))
    return {**form, "@text": "\n".join(line for line in lines if line)}


def _cell(cell: etree._Element) -> str:
    return "\n".join(_paragraph(paragraph) for paragraph in cell.iter(f"{_W}p"))


def _paragraph(paragraph: etree._Element) -> str:
    pieces = []
    for element in paragraph.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}noBreakHyphen"):
        kind = str(element.tag).removeprefix(_W)
        pieces.append({"tab": "\t", "br": "\n", "noBreakHyphen": "-"}.get(kind) or element.text or "")
    return "".join(pieces)
