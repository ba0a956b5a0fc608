"""CSV dumps as they really come: any delimiter, several encodings, quoted newlines, renamed columns.

Delimiter and encoding are declared, or detected per file (`dialect`): UTF-8, UTF-16 by its byte order mark, and
Windows-1252 are detected, all others must be declared. Rows with the wrong number of fields are quarantined with
their position and text; they are never dropped, nor are those with bytes that are not of a declared encoding. Empty
lines are not records.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Generator, Iterable, Iterator, Sequence, Set
from contextlib import closing, suppress
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from pydantic import Field, ValidationInfo, field_validator, model_validator

from potable.sources.blobs import Blob, Original
from potable.sources.csvpieces import Pieces
from potable.sources.dialect import Content, Dialect, newlines
from potable.sources.encodings import as_written, declared, readable
from potable.sources.files import DAMAGE, FileSource, FileTable, decompressed, positions, unreadable
from potable.sources.originals import picked
from potable.sources.pieces import Numbers
from potable.sources.typed import typed_at, typed_spared, untyped
from potable.tables import Table

_BLOCK = 2 << 20
"""Bytes read at once, and the most a record may have; pyarrow holds up to 32 blocks."""
LONGEST_RECORD = 8 << 20
"""The most bytes a record may have to be shown."""

_TWICE = "name all its columns yourself: `header: false`, `names: […]`, and `skip_lines: 1` (or more) for its header"


class CsvTable(FileTable):
    """A table in CSV files."""

    delimiter: str = "auto"
    """Field separator; `auto` takes the one that a first line `sep=;` tells, or else that splits the header most."""
    encoding: str = "auto"
    """Encoding; `auto` is UTF-8 (with or without BOM), UTF-16 by its BOM, or else Windows-1252."""

    quote: str = '"'
    """Character around fields that contain delimiters or newlines; doubled inside them. Empty if there is none."""
    escape: str = ""
    """Character before a quote, delimiter or newline that is part of a field; none by default."""
    comment: str = ""
    """Start of lines that are comments, such as `#`."""
    skip_lines: int = Field(default=0, ge=0)
    """Number of lines to skip before the header, or before the first record."""
    header: bool = True
    """Whether the first record has the column names; if not, give `names`."""
    names: list[str] = Field(default_factory=list)
    """Names of all columns in the order of the file, if it has no header."""

    @field_validator("delimiter", "quote", "escape")
    @classmethod
    def _one_sign(cls, value: str, info: ValidationInfo) -> str:
        words = ("auto",) if info.field_name == "delimiter" else ("",)
        if value not in words and (len(value) != 1 or not value.isascii() or value in "\0\r\n"):
            raise ValueError(
                f"write one ASCII character, or `{words[0]}`" if words[0] else "write one ASCII character, or nothing"
            )
        return value

    @field_validator("comment")
    @classmethod
    def _start_of_line(cls, value: str) -> str:
        if "\n" in value or "\r" in value:
            raise ValueError("write what the lines start with, such as `#`")
        return value

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        signs = [sign for sign in (self.delimiter, self.quote, self.escape) if sign]
        if len(set(signs)) < len(signs):
            raise ValueError(
                "`delimiter`, `quote` and `escape` must be different characters; doubled quotes need no `escape`"
            )
        if self.header == bool(self.names):
            raise ValueError("`names` is required with `header: false`, and not allowed otherwise")
        if len(set(self.names)) < len(self.names):
            raise ValueError("`names` contains the same name twice")
        return self

    _known_encoding = field_validator("encoding")(declared)


class CsvSource(FileSource[CsvTable]):
    """A folder of CSV files."""

    fixed_columns: ClassVar[bool] = True

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches; rows with the wrong number of fields come with their text only."""
        contract = self.tables[table]
        dialect = Dialect.of(contract, blob)
        if dialect is None:
            return
        where = positions(contract, dialect.header, blob, hint=_TWICE)
        done = 0
        last = ""
        try:
            # the last one tells how the file ends
            wanted = sorted({*where.values(), len(dialect.header) - 1})
            stream = Pieces(dialect.records(blob), dialect, blob.share, _BLOCK)
            ragged = _Ragged(stream.numbers)
            with stream, closing(_batches(stream, dialect, ragged, wanted)) as batches:
                for batch in batches:
                    texts = {name: batch.column(wanted.index(index)) for name, index in where.items()}
                    ordinals = ragged.ordinals(done, batch.num_rows)
                    done += batch.num_rows
                    if batch.num_rows:
                        last = batch.column(batch.num_columns - 1)[-1].as_py()
                        yield (
                            typed_spared(contract, texts, blob.name, ordinals, dialect.encoding)
                            if stream.content.odd
                            else typed_at(contract, texts, blob.name, ordinals)
                        )
                    yield from ragged.taken(contract, blob.name)
        except (pa.ArrowInvalid, OverflowError, UnicodeDecodeError, *DAMAGE) as failure:
            raise unreadable(blob, _reason(failure), row=ragged.before(done)) from None
        yield from ragged.taken(contract, blob.name)
        stream.require(done + ragged.count, blob)
        if blob.share.first and stream.content.quotes % 2 and "\n" in last:
            raise unreadable(blob, "a quote in its last record is never closed", row=ragged.before(done) - 1)

    def may_share(self, table: str) -> bool:
        """Unless an escape may stand before the end of a line."""
        return not self.tables[table].escape

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The record's lines, in the file's own encoding and without the newline behind them."""
        return next(self.records(table, blob, [ordinal])).data

    def records(self, table: str, blob: Blob, ordinals: Iterable[int]) -> Iterator[Original]:
        """The records and the lines they begin in, of one reading of the file."""
        dialect = Dialect.of(self.tables[table], blob)
        if dialect is None:
            yield from picked((), ordinals, blob)
            return
        try:
            with decompressed(blob) as stream:
                start = stream.read(2)
            with dialect.records(blob) as content:
                for data, line in picked(_lines(content, dialect, blob), ordinals, blob):
                    yield Original(as_written(data, dialect.encoding, start), line)
        except (UnicodeDecodeError, *DAMAGE) as failure:
            raise unreadable(blob, f"it is damaged ({type(failure).__name__})") from None

    def observe(self, table: str, blob: Blob) -> Set[str] | None:
        """The names of its columns; a delimiter at the end of the header begins none."""
        dialect = _once(self.tables[table], blob)
        if dialect is None:
            return None
        names = dialect.header if dialect.header[-1] else dialect.header[:-1]
        return dict.fromkeys(names).keys()

    def dialect(self, table: str, blob: Blob) -> frozenset[str]:
        """The delimiter and encoding that were found."""
        dialect = _once(self.tables[table], blob)
        return dialect.found if dialect else frozenset()


def _reason(failure: Exception) -> str:
    if isinstance(failure, OverflowError) or "straddling" in str(failure):
        return f"a record is longer than {_BLOCK >> 20} MiB, or a quote is never closed"
    return f"it is damaged or not well-formed CSV ({type(failure).__name__})"


_last: list[tuple[CsvTable, Blob, Dialect | None]] = []
"""The file looked at last: it is asked two things, and finding its dialect reads all of it."""


def _once(table: CsvTable, blob: Blob) -> Dialect | None:
    for known, looked_at, dialect in _last:
        if known is table and looked_at is blob:
            return dialect
    found = Dialect.of(table, blob)
    _last[:] = [(table, blob, found)]
    return found


def _batches(stream: Pieces, dialect: Dialect, ragged: _Ragged, wanted: Sequence[int]) -> Generator[pa.RecordBatch]:
    """The columns with these numbers; what a block of any other takes is not small, and data may have thousands."""
    names = [f"c{index}" for index in range(len(dialect.header))]
    try:
        reader = arrow_csv.open_csv(
            pa.PythonFile(stream, "r"),
            # one thread, or rows would not be numbered
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.declared.quote or False,
                escape_char=dialect.declared.escape or False,
                newlines_in_values=bool(dialect.declared.quote or dialect.declared.escape),
                invalid_row_handler=ragged.keep,
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[names[index] for index in wanted],
                column_types={names[index]: pa.string() for index in wanted},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as failure:
        # its thread may read on
        stream.content.end_here()
        if stream.failure:
            raise stream.failure from None
        if "Empty CSV file" in str(failure):
            return
        raise
    try:
        yield from reader
    except pa.ArrowInvalid:
        if stream.failure:
            raise stream.failure from None
        raise
    finally:
        # Arrow reads ahead in a thread of its own; one that is left behind when Python ends takes the process with it
        stream.content.end_here()
        with suppress(pa.ArrowException):
            for _ in reader:
                pass
    if stream.failure:
        raise stream.failure


def _lines(stream: Content, dialect: Dialect, blob: Blob) -> Iterator[tuple[bytes, int]]:
    """Every record as written and its first line; cut as pyarrow cuts: a quote counts at the start of a field only."""
    pattern = _record(dialect)
    held, end = b"", False
    before, line = dialect.start, 1 + stream.lines
    while not end:
        chunk = stream.read(_BLOCK)
        end = not chunk
        # a newline at the end may be half of one
        held += chunk or b"\n"
        at = 0
        while (found := pattern.match(held, at)) and (found.end() < len(held) or end):
            if found[1]:
                yield found[1], line + stream.left_out(before + at)
            line += newlines(found[0])
            at = found.end()
        held, before = held[at:], before + at
        if len(held) > LONGEST_RECORD:
            raise unreadable(blob, f"a record is longer than {LONGEST_RECORD >> 20} MiB, or a quote is never closed")
    # what an escape or an open quote at the very end keeps from matching
    if held:
        yield held.removesuffix(b"\n"), line + stream.left_out(before)


def _record(dialect: Dialect) -> re.Pattern[bytes]:
    """A record and the newline behind it; the record is empty for an empty line."""
    quote, escape, between = (
        re.escape(sign.encode()) for sign in (dialect.declared.quote, dialect.declared.escape, dialect.delimiter)
    )
    escaped = b"|" + escape + b"." if escape else b""
    plain = b"(?:[^" + between + b"\\r\\n" + escape + b"]" + escaped + b")*+"
    if quote:
        inside = b"(?:[^" + quote + escape + b"]|" + quote * 2 + escaped + b")*+"
        plain = b"(?:" + quote + inside + quote + plain + b"|(?!" + quote + b")" + plain + b")"
    return re.compile(b"(" + plain + b"(?:" + between + plain + b")*+)(?:\\r\\n|\\n|\\r)", re.DOTALL)


class _Ragged:
    """Rows with the wrong number of fields: where they stood, and their texts until they are taken."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._seen = array("q")
        self._texts: list[str] = []
        self._reasons: list[str] = []

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self._seen)

    def before(self, done: int) -> int:
        """Ordinal of the last of so many good rows."""
        return int(self.ordinals(done - 1, 1)[0].as_py()) if done else 0

    def keep(self, row: arrow_csv.InvalidRow) -> str:
        """Note a row, as pyarrow's handler; its number counts all records from 1."""
        self._seen.append(row.number)
        self._texts.append(readable(row.text))
        self._reasons.append(f"{row.actual_columns} fields instead of {row.expected_columns}")
        return "skip"

    def ordinals(self, done: int, rows: int) -> pa.Array:
        """Ordinals of good rows `done` + 1 to `done` + `rows`, counting the ragged ones between them.

        Before the j-th ragged row, which is record r, stand r - j good ones.
        """
        good = np.arange(done + 1, done + rows + 1, dtype=np.int64)
        seen = np.array(self._seen, dtype=np.int64)
        before = seen - np.arange(1, len(seen) + 1)
        return pa.array(self._numbers.at(good + np.searchsorted(before, good, side="left")))

    def taken(self, table: Table, name: str) -> Iterator[pa.RecordBatch]:
        """The rows kept since the last call, as a batch."""
        texts, reasons, self._texts, self._reasons = self._texts, self._reasons, [], []
        if texts:
            seen = self._numbers.at(np.array(self._seen[-len(texts) :], dtype=np.int64))
            yield untyped(table, name, seen.tolist(), texts, reasons)
