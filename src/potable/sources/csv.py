"""CSV dumps as they really come: any delimiter, several encodings, quoted newlines, renamed columns.

Delimiter and encoding are declared or found per file. Rows with the wrong number of fields keep their
place and their text and go to quarantine; they are never dropped. Empty lines are not records.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from pydantic import field_validator

from potable.sources.base import Blob
from potable.sources.encodings import Ambiguous, Utf8, found, normal
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, unreadable
from potable.sources.typed import typed_at, untyped
from potable.tables import Table

_DELIMITERS = ",;\t|"
_BLOCK = 2 << 20
"""Bytes read at once, and the most a record may have; pyarrow holds up to 32 blocks."""
_LONGEST_HEADER = 1 << 20


class CsvTable(FileTable):
    """A table in CSV files."""

    delimiter: str = "auto"
    """Field separator; `auto` takes the one that splits the header most."""
    encoding: str = "auto"
    """Encoding; `auto` is UTF-8 (with or without BOM), UTF-16 by its BOM, or else Windows-1252."""

    @field_validator("delimiter")
    @classmethod
    def _one_sign(cls, value: str) -> str:
        if value != "auto" and (len(value) != 1 or not value.isascii() or value in '"\r\n'):
            raise ValueError("one ASCII character, or `auto`")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return value if value == "auto" else normal(value)
        except LookupError:
            raise ValueError("not an encoding; examples: utf-8, cp1252, iso-8859-15, utf-16, auto") from None


class CsvSource(FileSource[CsvTable]):
    """A folder of CSV files."""

    fixed_columns: ClassVar[bool] = True

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; rows with the wrong number of fields come with their text only."""
        contract = self.tables[table]
        dialect = _dialect(contract, blob)
        if dialect is None:
            return
        where = _columns(contract, dialect.header, blob)
        ragged = _Ragged()
        done = 0
        last = ""
        try:
            with dialect.records(blob) as stream:
                for batch in _batches(stream, dialect, ragged):
                    texts = {name: batch.column(index) for name, index in where.items()}
                    ordinals = ragged.ordinals(done, batch.num_rows)
                    done += batch.num_rows
                    if batch.num_rows:
                        last = batch.column(batch.num_columns - 1)[-1].as_py()
                        yield typed_at(contract, texts, blob.name, ordinals)
                    yield from ragged.taken(contract, blob.name)
        except (pa.ArrowInvalid, UnicodeDecodeError, *DAMAGE) as failure:
            raise unreadable(blob, f"not well-formed CSV or damaged ({type(failure).__name__})", row=done) from None
        yield from ragged.taken(contract, blob.name)
        if stream.quotes % 2 and "\n" in last:
            raise unreadable(blob, "its last record opens a quote that is never closed", row=done - 1)

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        """The names in the header."""
        dialect = _dialect(self.tables[table], blob)
        return frozenset(dialect.header) if dialect else None


@dataclass(frozen=True)
class _Dialect:
    """How one file is written."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    start: int
    """Bytes, as UTF-8, before the first record."""

    def records(self, blob: Blob) -> _Records:
        """The file as UTF-8 from its first record on."""
        stream = _Records(decompressed(blob), self.encoding)
        stream.read(self.start)
        return stream


class _Records(Utf8):
    """A CSV stream that counts its quotes: pyarrow closes one that is open at the end."""

    quotes = 0

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        self.quotes += data.count(b'"')
        return data


def _dialect(table: CsvTable, blob: Blob) -> _Dialect | None:
    """How the file is written; None for one without a header."""
    try:
        encoding = table.encoding if table.encoding != "auto" else found(decompressed(blob))
        with Utf8(decompressed(blob), encoding) as stream:
            text = stream.read(_LONGEST_HEADER).decode("utf-8", "ignore")
    except Ambiguous:
        why = "some of its bytes are UTF-8 and others are not; declare its `encoding`"
        raise unreadable(blob, why) from None
    except (UnicodeDecodeError, *DAMAGE) as failure:
        raise unreadable(blob, f"its head cannot be decoded ({type(failure).__name__})") from None
    head = _head(text)
    if not head.strip():
        return None
    delimiter = table.delimiter if table.delimiter != "auto" else _delimiter(head)
    header = tuple(name.strip() for name in _fields(head, delimiter))
    return _Dialect(encoding, delimiter, header, len(head.encode()))


def _head(text: str) -> str:
    """Everything up to the end of the header, blank lines before it included."""
    end, quotes, started = 0, 0, False
    for line in io.StringIO(text, newline=""):
        end += len(line)
        quotes += line.count('"')
        started = started or bool(line.strip())
        if started and quotes % 2 == 0:
            break
    return text[:end]


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=lambda sign: len(_fields(head, sign)))


def _fields(head: str, delimiter: str) -> list[str]:
    csv.field_size_limit(_LONGEST_HEADER)
    return next(csv.reader(io.StringIO(head.lstrip("\r\n"), newline=""), delimiter=delimiter))


def _columns(table: Table, header: tuple[str, ...], blob: Blob) -> dict[str, int]:
    """Position of each contract column in the file, by the first of its names that is there."""
    places = {}
    for name, column in table.columns.items():
        path = next((path for path in column.paths(name) if path in header), None)
        if path is not None:
            if header.count(path) > 1:
                raise unreadable(blob, f"two of its columns are called `{path}`")
            places[name] = header.index(path)
    return places


def _batches(stream: _Records, dialect: _Dialect, ragged: _Ragged) -> Iterator[pa.RecordBatch]:
    names = [f"c{index}" for index in range(len(dialect.header))]
    try:
        reader = arrow_csv.open_csv(
            pa.PythonFile(stream, "r"),
            # one thread, or rows would not be numbered
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=ragged.keep
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as failure:
        if "Empty CSV file" in str(failure):
            return
        raise
    yield from reader


class _Ragged:
    """Rows with the wrong number of fields: where they stood, and their texts until they are taken."""

    def __init__(self) -> None:
        self._seen = array("q")
        self._texts: list[str] = []

    def keep(self, row: arrow_csv.InvalidRow) -> str:
        """Note a row, as pyarrow's handler; its number counts all records from 1."""
        self._seen.append(row.number)
        self._texts.append(row.text)
        return "skip"

    def ordinals(self, done: int, rows: int) -> pa.Array:
        """Ordinals of good rows `done` + 1 to `done` + `rows`, counting the ragged ones between them.

        Before the j-th ragged row, which is record r, stand r - j good ones.
        """
        good = np.arange(done + 1, done + rows + 1, dtype=np.int64)
        seen = np.array(self._seen, dtype=np.int64)
        before = seen - np.arange(1, len(seen) + 1)
        return pa.array(good + np.searchsorted(before, good, side="left"))

    def taken(self, table: Table, name: str) -> Iterator[pa.RecordBatch]:
        """The rows kept since the last call, as a batch."""
        texts, self._texts = self._texts, []
        if texts:
            yield untyped(table, name, self._seen[-len(texts) :], texts)
