"""Files of rows about pseudonyms, as who scored them wrote them: the ids in them, and the same rows with columns added.

CSV (UTF-8; comma, semicolon, tab or bar) keeps every byte it has, Parquet its schema. A file is read several times, a
little at a time, and must stay the same all the while.

Entry: `opened`.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from potable.errors import DataError, EnvironmentFailure, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from typing_extensions import Buffer

_ROWS = 16_384
_DELIMITERS = ",;\t|"
_NOTHING = "nobody was identified; nothing was written"


class Added(Protocol):
    """Columns to add, in the order of the rows."""

    def take(self, ids: Sequence[str | None]) -> pa.Table:
        """The columns of the next rows, whose ids these are."""


class Scores(Protocol):
    """A file of rows about pseudonyms."""

    sha256: str
    """Hash of its bytes when it was opened."""
    columns: Sequence[str]

    def ids(self) -> Iterator[list[str | None]]:
        """The ids in its rows, some at a time; null where there is none."""

    def write(self, file: BinaryIO, names: Sequence[str], added: Added) -> None:
        """Its rows, with what was added to each under `names`.

        Raises:
            DataError: D011, its bytes are not those any more that it was opened with.
        """


@contextmanager
def opened(path: Path, column: str) -> Iterator[Scores]:
    """The file at `path`, whose ids are in `column`.

    Raises:
        EnvironmentFailure: E002, there is no such file.
        DataError: D011, it cannot be read, or has no such column.
    """
    if not path.is_file():
        raise EnvironmentFailure(f"there is no file `{path.name}`", "E002", state=_NOTHING)
    try:
        file = path.open("rb")
    except OSError as failure:
        problem = f"`{path.name}` cannot be read ({type(failure).__name__})"
        raise EnvironmentFailure(problem, "E002", state=_NOTHING) from None
    with file:
        parquet, sha256 = file.read(4) == b"PAR1", _digest(file)
        yield (_Parquet if parquet else _Csv)(path.name, file, column, sha256)


def is_parquet(path: Path) -> bool:
    """Whether a path is one of a Parquet file, by its name."""
    return path.suffix.lower() in (".parquet", ".pq")


def normal(text: str | None) -> str | None:
    """An id in the form in which ids are compared; null for none."""
    return (text or "").strip().lower() or None


def unreadable(name: str, why: str, *, given: str = "", hint: str = "", again: str = "") -> DataError:
    """The error of a file with which nothing can be done; `again` is the command to run next."""
    return DataError(f"`{name}` {why}", "D011", given=given, hint=hint, state=_NOTHING, next=again)


def _digest(file: io.BufferedReader) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _without(name: str, column: str, columns: Sequence[str]) -> DataError:
    hint = did_you_mean(column, columns) or "name the column of subject ids with --column"
    return unreadable(name, f"has no column `{column}`", hint=hint)


@dataclass
class _Csv:
    name: str
    file: io.BufferedReader = field(repr=False)
    column: str
    sha256: str

    def __post_init__(self) -> None:
        self.file.seek(0)
        self._marked = self.file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        headers = {delimiter: self._header(delimiter) for delimiter in _DELIMITERS}
        found = [delimiter for delimiter, names in headers.items() if self.column in names]
        if not found:
            raise _without(self.name, self.column, max(headers.values(), key=len))
        self._delimiter = found[0]
        self.columns: Sequence[str] = headers[found[0]]
        if self.columns.count(self.column) > 1:
            raise unreadable(self.name, f"has several columns `{self.column}`")
        self._place = self.columns.index(self.column)

    def ids(self) -> Iterator[list[str | None]]:
        for chunk in self._chunks():
            yield [normal(row[self._place]) for _, row in chunk if row]

    def write(self, file: BinaryIO, names: Sequence[str], added: Added) -> None:
        if self._marked:
            file.write(codecs.BOM_UTF8)
        header, _ = next(self._records(self._delimiter))
        line, end = _split(header)
        end = end or "\n"
        file.write((line + self._more(names) + end).encode())
        for chunk in self._chunks():
            rows = added.take([normal(row[self._place]) for _, row in chunk if row])
            more = zip(*(column.to_pylist() for column in rows.columns), strict=True)
            for raw, row in chunk:
                line, own = _split(raw)
                file.write((line + self._more(next(more)) + (own or end)).encode() if row else raw.encode())
        _require_same(self, self.file)

    def _more(self, values: Sequence[Any]) -> str:
        return "".join(self._delimiter + self._cell(value) for value in values)

    def _cell(self, value: Any) -> str:
        text = "" if value is None else str(value)
        if any(sign in text for sign in (self._delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def _header(self, delimiter: str) -> list[str]:
        # with another delimiter than its own, quotes may stand anywhere
        return next(self._records(delimiter, strict=False), ("", []))[1]

    def _chunks(self) -> Iterator[list[tuple[str, list[str]]]]:
        """Raw text and values of records behind the header, some at a time; a blank line has no values."""
        chunk: list[tuple[str, list[str]]] = []
        records = self._records(self._delimiter)
        next(records)
        for number, record in enumerate(records, 2):
            if record[1] and len(record[1]) != len(self.columns):
                given = f"record {number:,} has {len(record[1])} values, the header {len(self.columns)}"
                raise unreadable(self.name, "is no table", given=given)
            chunk.append(record)
            if len(chunk) == _ROWS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _records(self, delimiter: str, *, strict: bool = True) -> Iterator[tuple[str, list[str]]]:
        self.file.seek(len(codecs.BOM_UTF8) if self._marked else 0)
        text = io.TextIOWrapper(io.BufferedReader(_Shared(self.file)), encoding="utf-8", newline="")
        lines: list[str] = []

        def noted() -> Iterator[str]:
            for line in text:
                lines.append(line)
                yield line

        try:
            for row in csv.reader(noted(), delimiter=delimiter, strict=strict):
                yield "".join(lines), row
                lines.clear()
        except UnicodeDecodeError:
            raise unreadable(self.name, "is no UTF-8", hint="save it as CSV in UTF-8, or as Parquet") from None
        except csv.Error:
            raise unreadable(self.name, "is no CSV", hint="are quotes closed, and is it CSV or Parquet?") from None


class _Shared(io.RawIOBase):
    """A file that stays open when what reads it is gone."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer` with the next bytes; returns how many."""
        return self._file.readinto(buffer)


@dataclass
class _Parquet:
    name: str
    file: io.BufferedReader = field(repr=False)
    column: str
    sha256: str

    def __post_init__(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._parquet = pq.ParquetFile(self.file)
        except (pa.ArrowException, OSError):
            raise unreadable(self.name, "is no Parquet that can be read") from None
        self._schema = self._parquet.schema_arrow
        self.columns: Sequence[str] = self._schema.names
        if self.column not in self.columns:
            raise _without(self.name, self.column, self.columns)

    def ids(self) -> Iterator[list[str | None]]:
        for batch in self._parquet.iter_batches(_ROWS, columns=[self.column]):
            yield self._ids(batch)

    def write(self, file: BinaryIO, names: Sequence[str], added: Added) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        writer: pq.ParquetWriter | None = None
        for batch in self._parquet.iter_batches(_ROWS):
            rows = pa.Table.from_batches([batch])
            more = added.take(self._ids(batch))
            for name, column in zip(names, more.columns, strict=True):
                rows = rows.append_column(name, column)
            writer = writer or pq.ParquetWriter(file, rows.schema, compression="zstd")
            writer.write_table(rows)
        if writer is None:
            empty = added.take([])
            for name, column in zip(names, empty.schema, strict=True):
                self._schema = self._schema.append(column.with_name(name))
            writer = pq.ParquetWriter(file, self._schema)
        writer.close()
        _require_same(self, self.file)

    def _ids(self, batch: pa.RecordBatch) -> list[str | None]:
        import pyarrow as pa

        try:
            texts = batch.column(self.column).cast(pa.string())
        except pa.ArrowException:
            raise unreadable(self.name, f"has no texts in `{self.column}`") from None
        return [normal(text) for text in texts.to_pylist()]


def _split(raw: str) -> tuple[str, str]:
    """A record and its line end."""
    line = raw.rstrip("\r\n")
    # a quoted value may end in line ends, but not after the quote
    return line, raw[len(line) :]


def _require_same(scores: _Csv | _Parquet, file: io.BufferedReader) -> None:
    if _digest(file) != scores.sha256:
        raise unreadable(
            scores.name, "was changed while it was read", hint="write it anew, and identify it when it is whole"
        )
