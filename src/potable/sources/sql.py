"""SQL databases, read-only and as one consistent snapshot, landed as text columns in Parquet chunks.

Rows have no bytes of their own, so what is landed is every value in its canonical text form, ordered by
the table's key: the same rows give the same bytes and hash, whatever database they came from. SQLite by
file, PostgreSQL through psycopg.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import model_validator

from potable.errors import EnvironmentFailure, MissingExtra
from potable.sources.base import Arrival, Blob, Source
from potable.sources.files import unreadable
from potable.sources.typed import typed
from potable.tables import Table

CHUNK_ROWS = 50_000
_Rows = Iterator[Sequence[tuple[Any, ...]]]


class SqlTable(Table):
    """A table or query of a database."""

    table: str | None = None
    """Name in the database; the contract's own name by default."""
    query: str | None = None
    """A SELECT instead of a table."""
    order_by: list[str] = []
    """Columns that give every row a fixed place; the columns of `unique` by default."""

    @model_validator(mode="after")
    def _one_origin(self) -> SqlTable:
        if self.table and self.query:
            raise ValueError("give `table` or `query`, not both")
        return self


class SqlSource(Source[SqlTable]):
    """A database, by URL: `sqlite:///path`, `postgresql://host/database`."""

    url: str
    """URL of the database; take it from a reference."""

    snapshot: ClassVar[bool] = True
    fixed_columns: ClassVar[bool] = True

    def arrivals(self, base: Path) -> Iterator[Arrival]:
        with _connected(self.source, self.url, base) as select:
            for name, table in self.tables.items():
                for number, chunk in enumerate(_chunks(select, self._query(name, table)), 1):
                    yield Arrival(f"{name}-{number:05d}.parquet", (name,), _Opener(chunk))

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        contract = self.tables[table]
        first = (int(blob.name.rsplit("-", 1)[1].removesuffix(".parquet")) - 1) * CHUNK_ROWS + 1
        try:
            file = pq.ParquetFile(io.BytesIO(blob.open().read()))
        except (pa.ArrowInvalid, OSError) as failure:
            raise unreadable(blob, f"not the chunk that was landed ({type(failure).__name__})") from None
        for batch in file.iter_batches(16_384):
            texts = {}
            for name, column in contract.columns.items():
                for path in column.paths(name):
                    if path in batch.schema.names:
                        texts[name] = batch.column(path)
                        break
            yield typed(contract, texts, blob.name, first=first)
            first += batch.num_rows

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        return frozenset(pq.read_schema(io.BytesIO(blob.open().read())).names)

    def _query(self, name: str, table: SqlTable) -> str:
        origin = f"({table.query}) AS q" if table.query else _quoted(table.table or name)
        paths = {column: table.columns[column].paths(column)[0] for column in table.unique}
        order = table.order_by or list(paths.values())
        ordered = " ORDER BY " + ", ".join(_quoted(column) for column in order) if order else ""
        return f"SELECT * FROM {origin}{ordered}"


class _Opener:
    """A chunk in memory, as something to open."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self._data)


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


@contextmanager
def _connected(source: str, url: str, base: Path) -> Iterator[Callable[[str], tuple[list[str], _Rows]]]:
    """A function from a query to its column names and rows in chunks, inside one read-only snapshot."""
    scheme = urlsplit(url).scheme.split("+")[0]
    opener = {"sqlite": _sqlite, "postgresql": _postgres, "postgres": _postgres}.get(scheme)
    if opener is None:
        raise EnvironmentFailure(
            f"source `{source}`: the URL scheme `{scheme}` is not supported",
            "E007",
            allowed="sqlite:///path, postgresql://user@host/database",
        )
    with opener(source, url, base) as select:
        yield select


@contextmanager
def _sqlite(source: str, url: str, base: Path) -> Iterator[Callable[[str], tuple[list[str], _Rows]]]:
    # as in SQLAlchemy: three slashes and a relative path, four and an absolute one
    path = base / urlsplit(url).path.removeprefix("/")
    if not path.is_file():
        raise _unreachable(source, "the database file does not exist", "E002")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("BEGIN")

        def select(query: str) -> tuple[list[str], _Rows]:
            cursor = connection.execute(query)
            names = [item[0] for item in cursor.description]
            return names, iter(lambda: cursor.fetchmany(CHUNK_ROWS), [])

        yield select
    except sqlite3.Error as failure:
        raise _unreachable(source, _sqlite_reason(failure)) from None
    finally:
        connection.close()


def _sqlite_reason(failure: sqlite3.Error) -> str:
    """What SQLite said; it names tables and columns, never values."""
    return str(failure) if str(failure).startswith("no such") else type(failure).__name__


@contextmanager
def _postgres(source: str, url: str, base: Path) -> Iterator[Callable[[str], tuple[list[str], _Rows]]]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise MissingExtra("psycopg", "postgres") from None
    try:
        with psycopg.connect(url, options="-c TimeZone=UTC") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True

            def select(query: str) -> tuple[list[str], _Rows]:
                cursor = connection.cursor(name="potable")
                cursor.execute(query.encode())
                names = [item.name for item in cursor.description or ()]
                return names, _until_empty(cursor)

            yield select
    except psycopg.Error as failure:
        raise _unreachable(source, f"{type(failure).__name__} {failure.sqlstate or ''}".strip()) from None


def _until_empty(cursor: Any) -> _Rows:
    with cursor:
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield rows


def _chunks(select: Callable[[str], tuple[list[str], _Rows]], query: str) -> Iterator[bytes]:
    """Parquet chunks of the query's rows; a table without rows gives one empty chunk, for its columns."""
    names, chunks = select(query)
    schema = pa.schema([(name, pa.string()) for name in names])
    empty = True
    for rows in chunks:
        empty = False
        yield _parquet(pa.table([_texts(column) for column in zip(*rows, strict=True)], schema=schema))
    if empty:
        yield _parquet(schema.empty_table())


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _texts(column: Sequence[Any]) -> pa.Array:
    return pa.array([value if value is None or type(value) is str else _text(value) for value in column], pa.string())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def _unreachable(source: str, why: str, code: str = "E001") -> EnvironmentFailure:
    return EnvironmentFailure(
        f"source `{source}`: the database could not be read: {why}",
        code,
        hint="check `url` in the source's file and that the database is up",
        state="nothing was landed from this source; the last version stays current",
        next="potable doctor",
        retryable=True,
    )
