"""XML exports, streamed: gzip or plain, nested elements, attributes, namespaces.

Records are found by a path of local names (`/payroll/payslip`; prefixes are optional), values by paths
below it (`employee/empNo`, `gross/@currency`, `@id`); `/payroll/@period` style absolute paths are for
attributes of the root. Reading is xml2arrow's; it neither expands entities nor fetches anything.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import xml2arrow

from potable.sources.base import Blob
from potable.sources.files import FileSource, FileTable, decompressed, unreadable
from potable.sources.typed import typed

_BATCH_ROWS = 16_384
_ROOT = re.compile(rb"<(?![?!])(?:[\w.-]+:)?([\w.-]+)")
_TAIL = re.compile(rb"</(?:[\w.-]+:)?([\w.-]+)\s*>\s*(?:<!--.*?-->\s*)*$", re.DOTALL)


class XmlTable(FileTable):
    """A table of XML records."""

    record: str
    """Path of the record element from the root, such as `/payroll/payslip`."""


class XmlSource(FileSource[XmlTable]):
    """A folder of XML files."""

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        contract = self.tables[table]
        fields = _fields(contract)
        parser = _parser(json.dumps(_configuration(contract.record, tuple(fields))))
        watched = _Watched(decompressed(blob))
        done = 0
        try:
            for _, batch in parser.parse_batches(watched, max_rows_per_batch=_BATCH_ROWS):
                texts = {
                    name: pc.coalesce(*(batch.column(place) for place in places)) if places[1:] else batch.column(places[0])
                    for name, places in _by_column(fields).items()
                }
                yield typed(contract, texts, blob.name, first=done + 1)
                done += batch.num_rows
        except (xml2arrow.Xml2ArrowError, OSError, EOFError, RuntimeError) as failure:
            # the parser's own text may quote the record
            raise unreadable(blob, _reason(failure), row=done) from None
        if not watched.complete:
            raise unreadable(blob, "it ends before its root element is closed", row=done)

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        return _paths_of_first(self.tables[table].record, blob)


class _Watched(io.RawIOBase):
    """A stream that remembers its head and tail: the parser accepts a document cut between two elements."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._head = b""
        self._tail = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        if len(self._head) < 4096:
            self._head += chunk[:4096]
        self._tail = (self._tail + chunk[-4096:])[-4096:]
        return chunk

    @property
    def complete(self) -> bool:
        """Whether the last tag closes the root element."""
        root, last = _ROOT.search(self._head), _TAIL.search(self._tail)
        return bool(root and last and root[1] == last[1])


def _fields(table: XmlTable) -> list[tuple[str, str]]:
    """(column, absolute path) of every place a value may stand."""
    found = []
    for name, column in table.columns.items():
        if column.path == "@object":
            continue
        for path in column.paths(name):
            found.append((name, _local(path if path.startswith("/") else f"{table.record}/{path}")))
    return found


def _by_column(fields: list[tuple[str, str]]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for place, (name, _) in enumerate(fields):
        out.setdefault(name, []).append(place)
    return out


def _local(path: str) -> str:
    return re.sub(r"(?<=[/@])[\w.-]+:", "", path)


def _configuration(record: str, fields: tuple[tuple[str, str], ...]) -> dict[str, object]:
    parent, _, row = _local(record).rpartition("/")
    return {
        "tables": [
            {
                "name": row,
                "xml_path": parent or "/",
                "levels": [],
                "fields": [
                    {"name": f"f{place}", "xml_path": path, "data_type": "Utf8", "nullable": True}
                    for place, (_, path) in enumerate(fields)
                ],
            }
        ]
    }


@cache
def _parser(configuration: str) -> xml2arrow.XmlToArrowParser:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xml2arrow.yaml"
        path.write_text(configuration, encoding="utf-8")
        return xml2arrow.XmlToArrowParser(path)


def _reason(failure: Exception) -> str:
    if isinstance(failure, xml2arrow.Xml2ArrowError):
        text = str(failure)
        if "more than once" in text:
            return "a record repeats an element the contract takes a single value from"
        if "entity" in text:
            return "it uses entities of its own, which are refused"
        return "not well-formed XML"
    return "the compressed file is cut short or damaged"


def _paths_of_first(record: str, blob: Blob) -> frozenset[str] | None:
    """Leaf and attribute paths of the first record, relative to it."""
    from lxml import etree

    row = _local(record).rsplit("/", 1)[1]
    try:
        events = etree.iterparse(decompressed(blob), events=("end",), resolve_entities=False, no_network=True)
        for _, element in events:
            if etree.QName(element).localname == row:
                return frozenset(_leaves(element, ""))
    except (etree.XMLSyntaxError, OSError, EOFError):
        return None
    return None


def _leaves(element: object, path: str) -> Iterator[str]:
    from lxml import etree

    assert isinstance(element, etree._Element)
    for name in element.attrib:
        yield f"{path}/@{etree.QName(str(name)).localname}".lstrip("/")
    children = [child for child in element if isinstance(child.tag, str)]
    if not children and path:
        yield path.lstrip("/")
    for child in children:
        yield from _leaves(child, f"{path}/{etree.QName(child).localname}")
