"""SQL databases, read-only and as one consistent snapshot, landed as text columns in Parquet chunks.

Rows have no bytes of their own, so what is landed is every value in its canonical text form, ordered by
a key or by all columns: the same rows of a database give the same bytes and hash. SQLite by file,
PostgreSQL through psycopg.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from potable.errors import EnvironmentFailure, MissingExtra, did_you_mean
from potable.sources.base import Arrival, Blob, Held, Source
from potable.sources.files import unreadable
from potable.sources.moments import moments
from potable.sources.onwards import IncrementalTable, Reading, State
from potable.sources.originals import missing
from potable.sources.typed import clean, typed

CHUNK_ROWS = 50_000
_Rows = Iterator[Sequence[tuple[Any, ...]]]
_Select = Callable[[str], tuple[list[str], _Rows]]


class SqlTable(IncrementalTable):
    """A table or query of a database."""

    table: str | None = None
    """Name in the database; the contract's own name by default."""
    query: str | None = None
    """A SELECT instead of a table."""
    order_by: list[str] = Field(default_factory=list)
    """Columns that give every row a fixed place; by default the columns of `unique`, then all others."""

    @model_validator(mode="after")
    def _one_origin(self) -> SqlTable:
        if self.table and self.query:
            raise ValueError("give `table` or `query`, not both")
        return self


class SqlSource(Source[SqlTable]):
    """A database, by URL: `sqlite:///path`, `postgresql://host/database`."""

    url: str = Field(repr=False)
    """URL of the database; take it from a reference."""

    snapshot: ClassVar[bool] = True
    fixed_columns: ClassVar[bool] = True

    def arrivals(self, base: Path, state: State | None = None) -> Iterator[Arrival]:
        """The rows of every table, in chunks, from one snapshot: all, or those recorded since the last time."""
        state = state or State()
        with _connected(self.source, self.url, base) as select:
            for name, table in self.tables.items():
                names = self._names(select, name, table)
                reading = _reading(name, table, state)
                query = f"SELECT * FROM {_origin(name, table)}{self._since(name, table, names, reading)}"
                _, rows = select(f"{query} ORDER BY {self._order(name, table, names)}")
                chunks = (self._new(name, table, chunk, reading) for chunk in _chunks(names, rows))
                if reading and reading.since:
                    label, chunks = f"{name}-{state.batch:06d}", (chunk for chunk in chunks if chunk.num_rows)
                else:
                    label = name
                for number, chunk in enumerate(chunks, 1):
                    yield Arrival(f"{label}-{number:05d}.parquet", (name,), Held(_parquet(chunk)))
                if reading and (after := reading.state()):
                    state.after[name] = after

    def parse(self, table: str, blob: Blob) -> Iterator[pa.RecordBatch]:
        """Typed batches of one chunk."""
        contract = self.tables[table]
        first = 1
        for batch in _landed(blob).iter_batches(16_384):
            texts = {}
            for name, column in contract.columns.items():
                path = next((path for path in column.paths(name) if path in batch.schema.names), None)
                if path is not None:
                    texts[name] = batch.column(path)
            yield typed(contract, texts, blob.name, first=first, rows=batch.num_rows)
            first += batch.num_rows

    def record(self, table: str, blob: Blob, ordinal: int) -> bytes:
        """The row as JSON, every value in its canonical text."""
        rows = _landed(blob).read().slice(ordinal - 1, 1).to_pylist() if ordinal > 0 else []
        if not rows:
            raise missing(blob, ordinal)
        return json.dumps(rows[0], ensure_ascii=False).encode()

    def observe(self, table: str, blob: Blob) -> frozenset[str] | None:
        """The columns the table had when it was landed."""
        return frozenset(_landed(blob).schema_arrow.names)

    def _names(self, select: _Select, name: str, table: SqlTable) -> list[str]:
        """Names of the columns; each once, or values could not be told apart."""
        names, rows = select(f"SELECT * FROM {_origin(name, table)} LIMIT 0")
        list(rows)
        if twice := [column for column in names if names.count(column) > 1]:
            raise EnvironmentFailure(
                f"source `{self.source}`: the query of `{name}` gives two columns called `{twice[0]}`",
                "E007",
                hint="give one of them another name with AS",
            )
        return names

    def _since(self, name: str, table: SqlTable, names: Sequence[str], reading: Reading | None) -> str:
        """The condition that leaves out what was read before."""
        if reading is None or table.incremental is None:
            return ""
        column = table.incremental.column
        if not (found := [path for path in table.columns[column].paths(column) if path in names]):
            raise EnvironmentFailure(
                f"source `{self.source}`: `{name}` has no column `{column}`, which `incremental` reads on by",
                "E007",
                hint=did_you_mean(column, names),
            )
        at = _quoted(found[0])
        return f" WHERE {at} >= '{reading.since}' OR {at} IS NULL" if reading.since else ""

    def _new(self, name: str, table: SqlTable, chunk: pa.Table, reading: Reading | None) -> pa.Table:
        """The rows of a chunk that were not landed before."""
        if reading is None or table.incremental is None:
            return chunk
        column = table.incremental.column
        path = next(path for path in table.columns[column].paths(column) if path in chunk.schema.names)
        texts = clean(table.columns[column], chunk.column(path).combine_chunks())
        # the database compares texts as texts, so no form but ISO 8601 will do
        times = moments(texts, (), pa.timestamp("us"))
        if times.null_count > texts.null_count:
            raise EnvironmentFailure(
                f"source `{self.source}`: `{name}` cannot be read on by `{column}`: not every value is a moment",
                "E007",
                allowed="dates and timestamps, or texts of them in ISO 8601",
                hint="read the whole table every time: take `incremental` away",
            )
        fresh = reading.new(times, lambda number: json.dumps(chunk.slice(number, 1).to_pylist()).encode())
        return chunk if len(fresh) == len(chunk) else chunk.take(pa.array(fresh, pa.int64()))

    def _order(self, name: str, table: SqlTable, names: Sequence[str]) -> str:
        """What gives every row a place that does not depend on where it lies."""
        for column in table.order_by:
            # SQLite would take an unknown name for a text
            if column not in names:
                raise EnvironmentFailure(
                    f"source `{self.source}`: `{name}` has no column `{column}` to be ordered by",
                    "E007",
                    hint=did_you_mean(column, names),
                )
        keys = table.order_by or [
            path for key in table.unique for path in table.columns[key].paths(key) if path in names
        ]
        # as text, for some types have no order
        others = (
            [] if table.order_by else [f"CAST({_quoted(column)} AS TEXT)" for column in names if column not in keys]
        )
        return ", ".join([*map(_quoted, keys), *others])


def _reading(name: str, table: SqlTable, state: State) -> Reading | None:
    if table.incremental is None:
        return None
    return Reading(table.incremental, _origin(name, table), state.before.get(name))


def _landed(blob: Blob) -> pq.ParquetFile:
    try:
        with blob.open() as stream:
            return pq.ParquetFile(io.BytesIO(stream.read()))
    except (pa.ArrowInvalid, OSError) as failure:
        raise unreadable(blob, f"not the chunk that was landed ({type(failure).__name__})") from None


def _origin(name: str, table: SqlTable) -> str:
    return f"({table.query}\n) AS q" if table.query else _quoted(table.table or name)


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


@contextmanager
def _connected(source: str, url: str, base: Path) -> Iterator[_Select]:
    """A function from a query to its column names and rows in chunks, inside one read-only snapshot."""
    # as in SQLAlchemy, the scheme may name a driver
    scheme = url.partition(":")[0].partition("+")[0]
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
def _sqlite(source: str, url: str, base: Path) -> Iterator[_Select]:
    # as in SQLAlchemy: three slashes and a relative path, four and an absolute one
    path = base / url.partition("://")[2].removeprefix("/")
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
def _postgres(source: str, url: str, base: Path) -> Iterator[_Select]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise MissingExtra("psycopg", "postgres") from None
    try:
        with psycopg.connect(f"postgresql:{url.partition(':')[2]}", options="-c TimeZone=UTC") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True

            def select(query: str) -> tuple[list[str], _Rows]:
                cursor = connection.cursor(name="potable")
                try:
                    cursor.execute(query.encode())
                except psycopg.Error:
                    cursor.close()
                    raise
                names = [item.name for item in cursor.description or ()]
                return names, _until_empty(cursor)

            yield select
    except psycopg.Error as failure:
        raise _unreachable(source, f"{type(failure).__name__} {failure.sqlstate or ''}".strip()) from None


def _until_empty(cursor: Any) -> _Rows:
    with cursor:
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield rows


def _chunks(names: Sequence[str], rows: _Rows) -> Iterator[pa.Table]:
    """The rows in chunks of texts; a table without rows gives one empty chunk, for its columns."""
    schema = pa.schema([(name, pa.string()) for name in names])
    empty = True
    for chunk in rows:
        empty = False
        yield pa.table([_texts(column) for column in zip(*chunk, strict=True)], schema=schema)
    if empty:
        yield schema.empty_table()


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _texts(column: Sequence[Any]) -> pa.Array:
    """The values in their canonical text form, many at once where they are all texts or all whole numbers."""
    kinds = set(map(type, column)) - {type(None)}
    if kinds <= {str}:
        return pa.array(column, pa.string())
    if kinds == {int}:
        return pa.array(map(_if_any(str), column), pa.string())
    if kinds == {date}:
        return pa.array(column, pa.date32()).cast(pa.string())
    return pa.array(map(_if_any(_text), column), pa.string())


def _if_any(form: Callable[[Any], str]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else form(value)


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return format(Decimal(repr(value)), "f") if isfinite(value) else str(value)
        case Decimal():
            return format(value, "f")
        case bytes() | memoryview():
            return bytes(value).hex()
        case datetime():
            return value.isoformat(sep=" ")
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=_text)
        case _:
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
