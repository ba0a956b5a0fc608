"""Documents as records: one file is one row, with its text, its `Label: value` lines and its format's metadata.

A document that cannot be read (damaged, encrypted, scanned, beyond its limits) goes to quarantine with a reason and
leaves the others in place. What a kind of document holds is said by `fields` of its source.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import ClassVar, TypeVar

import pyarrow as pa

from potable.errors import DataError
from potable.sources.blobs import Blob
from potable.sources.cells import whole
from potable.sources.encodings import Ambiguous, Utf8, found, normal
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed
from potable.sources.originals import only
from potable.sources.typed import typed_at, untyped

LARGEST = 64 << 20
"""Bytes a document may have."""
_BATCH_ROWS = 256
_BATCH_BYTES = 32 << 20
_LINE = re.compile(r"^[^\S\n]*([^\W\d_][^:\n]{0,60}):[^\S\n]+(\S[^\n]*)$", re.MULTILINE)
TWICE = "\0twice"
"""Value of a label whose value is not known; no document can hold it."""


class Unread(Exception):
    """A document that cannot be read; `reason` is a few words without a comma that quote nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DocumentTable(FileTable):
    """A table of documents.

    A column's `path` is a label (of a line such as `Employee number: E0012`, in Word documents of a table's row), or
    one of the names that start with `@`: `@text`, `@object` and those of the kind of document.
    """


D = TypeVar("D", bound=DocumentTable)


class DocumentSource(FileSource[D]):
    """A folder of documents of one kind."""

    loose_labels: ClassVar[bool] = True
    offered: ClassVar[tuple[str, ...]] = ("@text",)
    """Paths that whoever writes a contract should know of, beside the labels."""

    def fields(self, table: D, blob: Blob, wanted: frozenset[str]) -> Mapping[str, str]:
        """The texts of a document by path, those of `wanted` at least, where it has them.

        Raises:
            Unread: it cannot be read.
        """
        raise AttributeError(f"{type(self).__name__} does not say how to read a document")

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """One row."""
        yield from self.parse_all(table, [blob])

    def parse_all(self, table: str, blobs: Iterable[Blob]) -> Iterator[pa.RecordBatch]:
        """One row per document, many in a batch; those that cannot be read apart."""
        contract = self.tables[table]
        paths = {name: column.paths(name) for name, column in contract.columns.items()}
        queue = iter(blobs)
        while some := list(_some(queue)):
            rows, names, lost = [], [], dict[str, str]()
            for blob in some:
                try:
                    rows.append(self._row(contract, blob, paths))
                    names.append(blob.name)
                except Unread as failure:
                    lost[blob.name] = failure.reason
            if rows:
                columns = zip(*rows, strict=True)
                texts = {name: pa.array(column, pa.string()) for name, column in zip(paths, columns, strict=True)}
                yield typed_at(contract, texts, pa.array(names, pa.string()), pa.array([1] * len(rows), pa.int64()))
            if lost:
                reasons = list(lost.values())
                yield untyped(contract, list(lost), [1] * len(lost), reasons, reasons)

    def names(self, table: str, blob: Blob) -> Set[str] | None:
        """What is offered of every document, and the labels of this one; None where it cannot be read."""
        try:
            return dict.fromkeys([*self.offered, *self.fields(self.tables[table], blob, frozenset({"@text"}))]).keys()
        except Unread:
            return None

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The document, as it came."""
        return only(blob, ordinal)

    def _row(self, table: D, blob: Blob, paths: Mapping[str, Sequence[str]]) -> list[str | None]:
        """The text of each column."""
        wanted = frozenset(path for names in paths.values() for path in names) - {"@object"}
        fields = self.fields(table, blob, wanted) if wanted else {}
        values = [next((fields[path] for path in names if path in fields), None) for names in paths.values()]
        if TWICE in values:
            raise Unread("a label stands twice with different values")
        return [value and whole(value) for value in values]


def content(blob: Blob) -> bytes:
    """The document's bytes, unpacked.

    Raises:
        Unread: it is too large, or its packing is damaged.
    """
    try:
        with decompressed(blob) as stream:
            data = stream.read(LARGEST + 1)
    except (DataError, *DAMAGE):
        raise Unread("damaged") from None
    if len(data) > LARGEST:
        raise Unread(f"larger than {LARGEST >> 20} MiB")
    return data


def decoded(data: bytes, encoding: str | None = None) -> str:
    """The text in `data`; without an encoding it is found.

    Raises:
        Unread: it is not in that encoding, or in none that can be found.
    """
    try:
        known = normal(encoding) if encoding else found(io.BytesIO(data))
        with Utf8(io.BytesIO(data), known) as stream:
            return stream.read().decode().replace("\r\n", "\n").replace("\r", "\n")
    except Ambiguous:
        raise Unread("in no encoding that can be found") from None
    except LookupError:
        raise Unread("in an unknown encoding") from None
    except UnicodeDecodeError:
        raise Unread("not in the encoding it declares") from None


def form_lines(text: str) -> dict[str, str]:
    """Values of lines such as `Label: value`; a label with two values has none that a column may take."""
    lines: dict[str, str] = {}
    for label, value in _LINE.findall(text):
        label, value = " ".join(label.split()), value.rstrip()
        if lines.setdefault(label, value) != value:
            lines[label] = TWICE
    return lines


def _some(queue: Iterator[Blob]) -> Iterator[Blob]:
    """The next documents that are worth a batch."""
    size = 0
    for blob in islice(queue, _BATCH_ROWS):
        yield blob
        size += blob.bytes
        if size > _BATCH_BYTES:
            return
