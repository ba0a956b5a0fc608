"""PostgreSQL, by ADBC: the server writes every value as text and streams it as binary COPY into Arrow.

All tables are locked against changes of their form before the snapshot is taken, for a table that is rewritten
or emptied later would look empty in it. Further sessions join by the exported snapshot.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.errors import MissingExtra
from potable.sources.cells import Texts
from potable.sources.databases import base as why
from potable.sources.databases import forms
from potable.sources.databases.base import (
    BITS,
    INDEXED,
    KEY,
    NOT_NULL,
    Found,
    Origin,
    Reason,
    Select,
    Session,
    listed,
    unreachable,
)

_BATCH_BYTES = 4 << 20
_LONGEST_LOCK = "5min"
"""How long to wait for a lock, unless this user's settings say; the server's own default is for ever."""
_CONNECTION = {"connect_timeout": 30, "keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
"""Settings of the connection that a URL may change: who has gone without a word is noticed in two minutes."""
_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "idle_in_transaction_session_timeout": "0",
}
_NUMBERS = ("int2", "int4", "int8", "float4", "float8", "numeric")
_TEXTS = ("text", "varchar", "bpchar", "name")
_ARRAYS_AS_JSON = ("_int2", "_int4", "_int8", "_float4", "_float8", "_bool", "_json", "_jsonb")
"""Arrays whose items JSON writes as they are; items of other types are texts."""

_KEY = """
    FROM (
        SELECT i.indrelid, i.indkey, i.indnkeyatts FROM pg_index i
        WHERE i.indrelid = to_regclass('{table}') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM generate_series(0, i.indnkeyatts - 1) n
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n] AND a.attnotnull
            WHERE a.attnum IS NULL OR i.indcollation[n] <> a.attcollation
        )
        AND NOT EXISTS (
            SELECT 1 FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhparent
            WHERE h.inhparent = i.indrelid AND c.relkind = 'r'
        )
        ORDER BY NOT i.indisprimary, i.indnkeyatts, i.indexrelid LIMIT 1
    ) k
    CROSS JOIN generate_series(0, k.indnkeyatts - 1) n
    JOIN pg_attribute a ON a.attrelid = k.indrelid AND a.attnum = k.indkey[n] ORDER BY n"""
"""Columns of the primary key, or of the shortest unique one without null; an expression has no column, texts that
differ to an index may be one to its column, and an index does not hold for rows of tables that inherit."""
_STATES = {
    "28": why.REFUSED,
    "3D": why.NO_DATABASE,
    "42P01": why.NO_TABLE,
    "3F": why.NO_TABLE,
    "42703": why.NO_COLUMN,
    "42501": why.NO_RIGHT,
    "42": why.SYNTAX,
    "25006": why.WRITES,
    "57014": why.STOPPED,
    "25P04": why.TOO_LONG,
    "40": why.CONFLICT,
    "55P03": why.LOCKED,
    "57": why.LOST,
    "58": why.SHORT,
    "08": why.LOST,
    "53300": why.FULL,
    "53": why.SHORT,
}
"""What an SQLSTATE, or its class, means."""
_PHRASES = {
    "translate host name": why.UNKNOWN_HOST,
    "URI": why.BAD_URL,
    # these name a role or a database too
    "too many": why.FULL,
    "connection slots": why.FULL,
    "the database system": why.LOST,
    "pg_hba.conf": why.BARRED,
    "password": why.REFUSED,
    "authentication": why.REFUSED,
    "role": why.REFUSED,
    "database": why.NO_DATABASE,
    "SSL": why.NO_TLS,
    "certificate": why.NO_TLS,
}
"""What libpq says before there is a session, when it gives no SQLSTATE; the first that is found counts."""


class PostgresSession(Session):
    """A connection in a read-only transaction on one snapshot."""

    def __init__(self, source: str, uri: str, driver: Any) -> None:
        super().__init__(source)
        self._uri, self._driver = uri, driver
        self._snapshot = ""
        self.failures = (driver.Error, OSError, pa.ArrowException)

    @contextmanager
    def opened(self, snapshot: str = "") -> Iterator[PostgresSession]:
        """Connect and begin; on the snapshot of another session where one is given."""
        with self.told():
            self._connection = self._driver.connect(self._uri, autocommit=True)
        try:
            with self.told():
                self._run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                if snapshot:
                    self._join(snapshot)
                # SET and SHOW need no snapshot, so none is taken yet
                for name, value in _SETTINGS.items():
                    self._run(f"SET LOCAL {name} = '{value}'")
                if self._said("SHOW lock_timeout") == "0":
                    self._run(f"SET LOCAL lock_timeout = '{_LONGEST_LOCK}'")
            yield self
        finally:
            self._connection.close()

    def lock(self, origins: Sequence[Origin]) -> None:
        """Keep tables in their form; what cannot be locked, such as a foreign table, is left alone."""
        for origin in origins:
            if origin.query:
                continue
            with self.told(origin.name):
                self._run("SAVEPOINT before")
                try:
                    self._run(f"LOCK TABLE {self.origin(origin).removesuffix(' AS q')} IN ACCESS SHARE MODE")
                except self._driver.Error as failure:
                    if not (failure.sqlstate or "").startswith(("42", "0A")):
                        raise
                    self._run("ROLLBACK TO before")
                # a snapshot cannot be exported from inside a savepoint
                self._run("RELEASE before")

    def columns(self, origin: Origin) -> list[Found]:
        with self.told(origin.name), self._cursor() as cursor:
            schema = cursor.adbc_execute_schema(f"SELECT * FROM {self.origin(origin)} LIMIT 0")
        kinds = [(field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema]
        return [Found(field.name, kind) for field, kind in zip(schema, kinds, strict=True)]

    def rows(self, select: Select) -> Generator[pa.RecordBatch]:
        names = [column.name for column in select.columns]
        wanted = ", ".join(f"{_written(c.kind, self.column(c.name))} AS {self.quoted(c.name)}" for c in select.columns)
        query = f"SELECT {wanted}{select.clauses(self.origin(select.origin))}"
        with self.told(select.origin.name), self._cursor(copy=True) as cursor:
            cursor.execute(query)
            # the public reader would hide the SQLSTATE of what fails on the way
            with getattr(cursor._results, "reader", None) or cursor.fetch_record_batch() as reader:
                for read in reader:
                    columns = zip(select.columns, read.columns, strict=True)
                    yield forms.batch(
                        names,
                        (
                            select.cells(found.name, _canonical(found.kind, column), numbers=found.kind in _NUMBERS)
                            for found, column in columns
                        ),
                    )

    def key(self, origin: Origin) -> list[str]:
        with self.told(origin.name), self._cursor() as cursor:
            cursor.execute(f"SELECT a.attname::text {_KEY.format(table=_literal(self.origin(origin)))}")
            return [name for (name,) in cursor.fetchall()]

    def promised(self, origin: Origin) -> dict[str, list[str]]:
        table = _literal(self.origin(origin))
        of = f"FROM pg_attribute a WHERE a.attrelid = to_regclass('{table}') AND a.attnum > 0 AND NOT a.attisdropped"
        index = (
            "SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indpred IS NULL"
        )
        about = {
            NOT_NULL: f"{of} AND a.attnotnull",
            INDEXED: f"{of} AND EXISTS ({index})",
            BITS: f"{of} AND (a.atttypid IN ('varbit'::regtype, 'bytea'::regtype) "
            "OR a.atttypid = 'bit'::regtype AND a.atttypmod > 1)",
        }
        found: list[tuple[str, Sequence[Any]]] = [(KEY, [(name,) for name in self.key(origin)])]
        with self.told(origin.name), self._cursor() as cursor:
            for word, rest in about.items():
                cursor.execute(f"SELECT a.attname::text {rest}")
                found.append((word, cursor.fetchall()))
        return listed(found)

    def reason(self, failure: Exception) -> Reason:
        state = getattr(failure, "sqlstate", None) or ""
        for known in (state, state[:2]):
            if known in _STATES:
                return _STATES[known]
        if state:
            return Reason(f"SQLSTATE {state}", False)
        said = str(failure)
        if "Failed to connect" not in said:
            return why.LOST
        # what libpq says goes no further: it names the user
        told = said.partition("FATAL:")[2] or said.partition("failed:")[2] or said
        return next((reason for phrase, reason in _PHRASES.items() if phrase in told), why.SILENT)

    def cancel(self) -> bool:
        with suppress(*self.failures):
            self._connection.adbc_cancel()
            return True
        return False

    def literal(self, column: Found) -> str:
        return f"quote_literal({self.column(column.name)})"

    @contextmanager
    def beside(self) -> Iterator[Session]:
        if not self._snapshot:
            with self.told():
                self._snapshot = self._said("SELECT pg_export_snapshot()", copy=True)
        with PostgresSession(self.source, self._uri, self._driver).opened(self._snapshot) as session:
            yield session

    def _join(self, snapshot: str) -> None:
        """See what the session sees that exported `snapshot`."""
        try:
            self._run(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        except self._driver.Error as failure:
            # there is none any more: the session that has it was ended
            if failure.sqlstate in ("42704", "22023"):
                raise unreachable(self.source, why.LOST) from None
            raise

    def _run(self, statement: str) -> None:
        with self._cursor() as cursor:
            cursor.execute(statement)

    def _said(self, query: str, *, copy: bool = False) -> str:
        """The one value of the one row."""
        with self._cursor(copy=copy) as cursor:
            cursor.execute(query)
            return str(cursor.fetchone()[0])

    def _cursor(self, *, copy: bool = False) -> Any:
        options = {
            "adbc.postgresql.use_copy": str(copy).lower(),
            "adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES),
        }
        return self._connection.cursor(adbc_stmt_kwargs=options)


def _literal(origin: str) -> str:
    """The name of a table inside quotes."""
    return origin.removesuffix(" AS q").replace("'", "''")


def _written(kind: str, column: str) -> str:
    """A column as the server is to send it: as text, but floating numbers as they are."""
    if kind in (*_TEXTS, "float4", "float8"):
        return column
    if kind == "bytea":
        return f"encode({column}, 'hex')"
    if kind == "inet":
        return f"abbrev({column})"
    if kind in _ARRAYS_AS_JSON:
        return f"to_jsonb({column})::text"
    if kind.startswith("_"):
        return f"to_jsonb({column}::text[])::text"
    return f"{column}::text"


def _canonical(kind: str, column: pa.Array) -> Texts:
    match kind:
        case "float4" | "float8":
            return forms.floats(column)
        case "timestamptz":
            return forms.clock(column, "+00")
        case "timestamp" | "time":
            return forms.clock(column)
        case "json":
            return forms.spaced(column)
        case _:
            return column


@contextmanager
def connected(source: str, url: str, base: Path, origins: Sequence[Origin]) -> Iterator[Session]:
    """A session on a server; `url` is a libpq URI, in which the scheme may name a driver."""
    try:
        from adbc_driver_postgresql import dbapi
    except ModuleNotFoundError as missing:
        raise MissingExtra((missing.name or "").split(".")[0], "postgres") from None
    uri = f"postgresql:{url.partition(':')[2]}"
    for name, value in _CONNECTION.items():
        if f"{name}=" not in uri:
            uri += f"{'&' if '?' in uri else '?'}{name}={value}"
    with PostgresSession(source, uri, dbapi).opened() as session:
        session.lock(origins)
        yield session
