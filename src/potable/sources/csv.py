"""CSV dumps as they really come: any delimiter, several encodings, quoted newlines, renamed columns.

Delimiter and encoding are declared or found per file. Rows with the wrong number of fields keep their
place and their text and go to quarantine; they are never dropped.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, ClassVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from potable.sources.base import Blob
from potable.sources.files import FileSource, FileTable, decompressed, unreadable
from potable.sources.typed import schema, typed_at
from potable.tables import MISTYPED, OBJECT, ROW, UNPARSED, Table

_DELIMITERS = ",;\t|"
_BLOCK = 4 << 20


class CsvTable(FileTable):
    """A table in CSV files."""

    delimiter: str = "auto"
    """Field separator; `auto` takes the one that splits the header most."""
    encoding: str = "auto"
    """Encoding; `auto` is UTF-8 (with or without BOM) where the bytes are valid, Windows-1252 elsewhere."""


class CsvSource(FileSource[CsvTable]):
    """A folder of CSV files."""

    fixed_columns: ClassVar[bool] = True

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        contract = self.tables[table]
        dialect = _dialect(contract, blob)
        if dialect is None:
            return
        encoding, delimiter, header = dialect
        where = _columns(contract, header)
        ragged: list[arrow_csv.InvalidRow] = []
        done = 0
        try:
            for batch in _batches(blob, encoding, delimiter, header, ragged):
                texts = {name: _text(batch, index) for name, index in where.items()}
                ordinals = _ordinals(done, batch.num_rows, ragged)
                done += batch.num_rows
                if batch.num_rows:
                    yield typed_at(contract, texts, blob.name, ordinals)
        except (pa.ArrowInvalid, UnicodeDecodeError, OSError, EOFError) as failure:
            raise unreadable(blob, f"not well-formed CSV or damaged ({type(failure).__name__})", row=done) from None
        if ragged:
            yield _ragged(contract, blob.name, ragged)

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        dialect = _dialect(self.tables[table], blob)
        return frozenset(dialect[2]) if dialect else None


def _dialect(table: CsvTable, blob: Blob) -> tuple[str, str, list[str]] | None:
    """Encoding, delimiter and header of a file; None for an empty one."""
    try:
        encoding = table.encoding if table.encoding != "auto" else _encoding(decompressed(blob))
        with io.TextIOWrapper(decompressed(blob), encoding=encoding, newline="") as text:
            first = text.readline()
            if not first.strip():
                return None
            delimiter = table.delimiter
            if delimiter == "auto":
                delimiter = max(_DELIMITERS, key=lambda sign: len(next(csv.reader([first], delimiter=sign))))
            while first.count('"') % 2 and (more := text.readline()):
                first += more
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, LookupError) as failure:
        raise unreadable(blob, f"its head cannot be decoded ({type(failure).__name__})") from None
    header = [name.strip() for name in next(csv.reader(io.StringIO(first), delimiter=delimiter))]
    return encoding, delimiter, header


def _encoding(stream: BinaryIO) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with stream:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _columns(table: Table, header: list[str]) -> dict[str, int]:
    """Position of each contract column in the file, by the first of its names that is there."""
    found = {}
    for name, column in table.columns.items():
        for path in column.paths(name):
            if path in header:
                found[name] = header.index(path)
                break
    return found


def _batches(
    blob: Blob, encoding: str, delimiter: str, header: list[str], ragged: list[arrow_csv.InvalidRow]
) -> Iterator[pa.RecordBatch]:
    def keep(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    names = [f"c{index}" for index in range(len(header))]
    stream = _Recoded(decompressed(blob), encoding)
    try:
        reader = arrow_csv.open_csv(
            pa.PythonFile(stream, "r"),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=names, skip_rows_after_names=1
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep, ignore_empty_lines=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as failure:
        if "Empty CSV" in str(failure) or "no column" in str(failure):
            return
        raise
    yield from reader


class _Recoded(io.RawIOBase):
    """A stream re-encoded to UTF-8 without a BOM, chunk by chunk."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace" if encoding == "cp1252" else "strict")
        self._left = b""
        self._end = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._end and (size < 0 or len(self._left) < size):
            chunk = self._stream.read(1 << 20)
            self._end = not chunk
            self._left += self._decoder.decode(chunk, final=self._end).encode()
        size = len(self._left) if size < 0 else size
        out, self._left = self._left[:size], self._left[size:]
        return out


def _text(batch: pa.RecordBatch, index: int) -> pa.StringArray:
    return cast("pa.StringArray", batch.column(index))


def _ordinals(done: int, rows: int, ragged: list[arrow_csv.InvalidRow]) -> pa.Array:
    """1-based record ordinals of the next `rows` good rows, counting the ragged ones between them."""
    ordinals = np.arange(done + 1, done + rows + 1, dtype=np.int64)
    for row in ragged:
        if row.number is not None:
            # the header is row 1 of the file
            ordinals[ordinals >= row.number - 1] += 1
    return pa.array(ordinals)


def _ragged(table: CsvTable, name: str, ragged: list[arrow_csv.InvalidRow]) -> pa.RecordBatch:
    import json

    length = len(ragged)
    columns: dict[str, pa.Array] = {field.name: pa.nulls(length, field.type) for field in schema(table)}
    columns[OBJECT] = pa.repeat(name, length)
    columns[ROW] = pa.array([(row.number or 1) - 1 for row in ragged], pa.int64())
    columns[UNPARSED] = pa.array([json.dumps({"@record": row.text}, ensure_ascii=False) for row in ragged])
    columns[MISTYPED] = pa.repeat("@record", length)
    return pa.record_batch(columns, schema=schema(table))
