"""Word documents: one record per file, from its form table and its paragraphs.

A column's path is the label in the form's first column (`Employee number`); `@text` is all paragraphs
outside tables, one per line. Text is read as Word shows it: runs joined, tabs and breaks kept, deleted
text left out. Headers, footers and notes are not read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import pyarrow as pa
from lxml import etree

from potable.sources.base import Blob
from potable.sources.files import DAMAGE, FileSource, FileTable, unreadable
from potable.sources.originals import only
from potable.sources.typed import typed_at

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PART = "word/document.xml"
_LARGEST = 64 << 20
"""Bytes of unpacked text a document may have; more is taken for an attack."""
_BATCH_ROWS = 1024
_P, _T, _TBL = f"{_W}p", f"{_W}t", f"{_W}tbl"
_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HIDDEN = {f"{_W}{name}" for name in ("pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "del", "moveFrom")} | {_FALLBACK}
_WRAPPERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")}
"""Elements that stand around paragraphs, tables, rows or cells without being shown."""


class DocxTable(FileTable):
    """A table of Word documents."""


class DocxSource(FileSource[DocxTable]):
    """A folder of Word documents."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """One row."""
        yield from self.parse_all(table, [blob])

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """One row per document, many in a batch."""
        contract = self.tables[table]
        paths = {name: column.paths(name) for name, column in contract.columns.items()}
        queue = iter(blobs)
        while some := list(islice(queue, _BATCH_ROWS)):
            rows = [_values(blob, paths) for blob in some]
            texts = {
                name: pa.array(values, pa.string()) for name, values in zip(paths, zip(*rows, strict=True), strict=True)
            }
            names = pa.array([blob.name for blob in some], pa.string())
            yield typed_at(contract, texts, names, pa.array([1] * len(some), pa.int64()))

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The document, as it came."""
        return only(blob, ordinal)


_TWICE = "\0twice"
"""Value of a label whose value is not known; no XML document can hold it."""


def _values(blob: Blob, paths: Mapping[str, tuple[str, ...]]) -> list[str | None]:
    """The text of each column."""
    found = _read(blob)
    values = []
    for names in paths.values():
        path = next((name for name in names if name in found), None)
        values.append(found[path] if path else None)
        if values[-1] == _TWICE:
            raise unreadable(blob, f"its label `{path}` stands twice with different values")
    return values


def _read(blob: Blob) -> dict[str, str]:
    """Form values by label, and `@text`."""
    form: dict[str, str] = {}
    lines: list[str] = []
    for block in _children(_body(blob), _P, _TBL):
        if block.tag == _P:
            lines.append(_text(block))
            continue
        for row in _children(block, f"{_W}tr"):
            cells = [_text(cell) for cell in _children(row, f"{_W}tc")]
            label = " ".join(cells[0].split()).rstrip(": ") if len(cells) > 1 else ""
            if label and form.setdefault(label, cells[1]) != cells[1]:
                form[label] = _TWICE
    return {**form, "@text": "\n".join(line for line in lines if line)}


def _body(blob: Blob) -> etree._Element:
    """The document's body.

    Raises:
        DataError: D007, it is not a Word document, or an attack.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        with blob.open() as stream, zipfile.ZipFile(stream) as package:
            if package.getinfo(_PART).file_size > _LARGEST:
                raise unreadable(blob, "its text is larger than 64 MiB unpacked")
            root = etree.fromstring(package.read(_PART), parser)
    # RuntimeError and its NotImplementedError: encrypted, or packed in an unknown way
    except (zipfile.BadZipFile, KeyError, RuntimeError, etree.XMLSyntaxError, *DAMAGE) as failure:
        raise unreadable(blob, f"not a whole Word document ({type(failure).__name__})") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise unreadable(blob, "its text declares a document type, as no Word document does")
    body = root.find(f"{_W}body")
    if body is None:
        raise unreadable(blob, "a Word document without a body")
    return body


def _children(element: etree._Element, *tags: str) -> Iterator[etree._Element]:
    """Children of `element` that are one of `tags`, wrappers seen through."""
    for child in element:
        if child.tag in tags:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _children(child, *tags)


def _text(element: etree._Element) -> str:
    """The text of a paragraph or a cell, the paragraphs of a cell on lines of their own."""
    pieces: list[str] = []
    _collect(element, pieces)
    return "".join(pieces)


def _collect(element: etree._Element, pieces: list[str]) -> None:
    for child in element:
        tag = child.tag
        if tag == _T:
            pieces.append(child.text or "")
        elif tag in _SIGNS:
            pieces.append(_SIGNS[tag])
        elif tag not in _HIDDEN:
            if tag == _P and pieces:
                pieces.append("\n")
            _collect(child, pieces)
