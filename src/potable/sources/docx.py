"""Word documents: one record per file, from its form table and its paragraphs.

A column's path is the label in the form's first column (`Employee number`); `@text` is all paragraphs outside tables,
one per line. A form may stand in a table that only lays it out. Text is read as Word shows it: runs joined, tabs and
breaks kept, deleted text left out. Headers, footers and notes are not read. A document that cannot be read is
quarantined (`documents`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from lxml import etree

from potable.sources.blobs import Blob
from potable.sources.documents import TWICE, DocumentSource, DocumentTable, Unread
from potable.sources.files import COMPOUND, DAMAGE, is_sealed

_TRANSITIONAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
"""What Word calls the same if it is asked to be strict."""
_W = f"{{{_TRANSITIONAL.decode()}}}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PART = "word/document.xml"
_LARGEST = 64 << 20
"""Bytes of unpacked text a document may have; more is taken for an attack."""
_P, _R, _T, _TBL = f"{_W}p", f"{_W}r", f"{_W}t", f"{_W}tbl"
_SIGNS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HIDDEN = {f"{_W}{name}" for name in ("pPr", "rPr", "tblPr", "trPr", "tcPr", "sdtPr", "del", "moveFrom")} | {_FALLBACK}
_WRAPPERS = {f"{_W}{name}" for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")}
"""Elements that stand around paragraphs, tables, rows or cells without being shown."""


class DocxTable(DocumentTable):
    """A table of Word documents."""


class DocxSource(DocumentSource[DocxTable]):
    """A folder of Word documents."""

    def fields(self, table: DocxTable, blob: Blob, wanted: frozenset[str]) -> dict[str, str]:
        return _read(blob)


def _read(blob: Blob) -> dict[str, str]:
    """Form values by label, and `@text`."""
    form: dict[str, str] = {}
    lines: list[str] = []
    for block in _children(_body(blob), _P, _TBL):
        # nearly all that is shown stands in runs, and a run is nothing but a step on the way
        etree.strip_tags(block, _R)
        if block.tag == _P:
            lines.append(_text(block))
            continue
        for row in _rows(block):
            cells = [_text(cell) for cell in row]
            label = " ".join(cells[0].split()).rstrip(": ") if len(cells) > 1 else ""
            if label and form.setdefault(label, cells[1]) != cells[1]:
                form[label] = TWICE
    return {**form, "@text": "\n".join(line for line in lines if line)}


def _rows(table: etree._Element) -> Iterator[list[etree._Element]]:
    """The cells of each row, also in the tables of one that only lays them out: nothing else is in its first cell."""
    for row in _children(table, f"{_W}tr"):
        cells = [*_children(row, f"{_W}tc")]
        inner = [each for cell in cells for each in _children(cell, _TBL)]
        if inner and not any(map(_text, _children(cells[0], _P))):
            for each in inner:
                yield from _rows(each)
        else:
            yield cells


def _body(blob: Blob) -> etree._Element:
    """The document's body.

    Raises:
        Unread: it is not a Word document, or an attack.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        with blob.open() as stream:
            data = stream.read()
        if data.startswith(COMPOUND):
            raise Unread("encrypted" if is_sealed(data) else "an old document (.doc) and not a docx")
        # a package is read in many small steps
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if package.getinfo(_PART).file_size > _LARGEST:
                raise Unread("larger than 64 MiB unpacked")
            root = etree.fromstring(package.read(_PART).replace(_STRICT, _TRANSITIONAL), parser)
    # RuntimeError and its NotImplementedError: packed in an unknown way; ValueError: its start is cut off
    except (zipfile.BadZipFile, KeyError, RuntimeError, ValueError, etree.XMLSyntaxError, *DAMAGE):
        raise Unread("damaged") from None
    if root.getroottree().docinfo.internalDTD is not None:
        # as no Word document does
        raise Unread("its text declares a document type")
    body = root.find(f"{_W}body")
    if body is None:
        raise Unread("a Word document without a body")
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
