"""SQLite, by the standard library: a file opened to be read only, its rows as Python has them.

A column of SQLite may hold values of any type, so each value is written by its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from potable.sources.cells import Cells, apart
from potable.sources.databases.base import (
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
from potable.sources.databases.forms import batch, texts

_ROWS = 5_000
_COLUMNS = "SELECT name FROM pragma_table_info(:table)"
_INDEXES = "FROM pragma_index_list(:table) l, pragma_index_info(l.name) i"
_UNIQUE = f"""
    SELECT i.name {_INDEXES} WHERE l.name = (
        SELECT l.name {_INDEXES} LEFT JOIN pragma_table_info(:table) c ON c.name = i.name
        WHERE l."unique" AND NOT l.partial GROUP BY l.name
        HAVING min(coalesce(c."notnull", 0)) ORDER BY count(*), l.name LIMIT 1
    ) ORDER BY i.seqno"""
"""Columns of the shortest unique key without null."""
_REASONS = {
    sqlite3.SQLITE_BUSY: Reason("the file is locked by another program, which writes"),
    sqlite3.SQLITE_NOTADB: Reason("the file is no SQLite database, or encrypted", False),
    sqlite3.SQLITE_CORRUPT: Reason("the file is damaged, or was copied while it was written", False),
    sqlite3.SQLITE_CANTOPEN: Reason("the file, or one that belongs to it, cannot be opened: may this user read it?"),
    sqlite3.SQLITE_IOERR: Reason("the disk refused to read the file"),
}
"""By what SQLite calls primary result codes."""


class SqliteSession(Session):
    """A database file in one read transaction."""

    failures = (sqlite3.Error,)

    def __init__(self, source: str, connection: sqlite3.Connection) -> None:
        super().__init__(source)
        self._connection = connection

    def columns(self, origin: Origin) -> list[Found]:
        with self.told(origin.name):
            cursor = self._connection.execute(f"SELECT * FROM {self.origin(origin)} LIMIT 0")
            return [Found(item[0]) for item in cursor.description]

    def rows(self, select: Select) -> Generator[pa.RecordBatch]:
        names = [column.name for column in select.columns]
        wanted = ", ".join(map(self.column, names))
        with self.told(select.origin.name):
            cursor = self._connection.execute(f"SELECT {wanted}{select.clauses(self.origin(select.origin))}")
            while rows := cursor.fetchmany(_ROWS):
                columns = zip(names, zip(*rows, strict=True), strict=True)
                yield batch(names, (_cells(values, told=name in select.told) for name, values in columns))

    def promised(self, origin: Origin) -> dict[str, list[str]]:
        about = {"table": origin.table.rpartition(".")[2]}

        def asked(query: str) -> list[Any]:
            return self._connection.execute(query, about).fetchall()

        with self.told(origin.name):
            return listed(
                [
                    (KEY, asked(f"{_COLUMNS} WHERE pk ORDER BY pk") or asked(_UNIQUE)),
                    (NOT_NULL, asked(f'{_COLUMNS} WHERE "notnull" OR pk')),
                    (INDEXED, asked(f"SELECT i.name {_INDEXES} WHERE i.seqno = 0 AND i.name IS NOT NULL")),
                ]
            )

    def reason(self, failure: Exception) -> Reason:
        # of these words it is known that they name tables and columns only
        said, code = str(failure), getattr(failure, "sqlite_errorcode", 0) & 0xFF
        return _REASONS.get(code) or Reason(said if said.startswith("no such") else type(failure).__name__)

    def cancel(self) -> bool:
        self._connection.interrupt()
        return True

    def literal(self, column: Found) -> str:
        return f"quote({self.column(column.name)})"


def _cells(values: Sequence[Any], *, told: bool) -> Cells:
    found = texts(values)
    return apart(found, [type(value) in (int, float) for value in values]) if told else found


@contextmanager
def connected(source: str, url: str, base: Path, origins: Sequence[Origin]) -> Iterator[Session]:
    """A session on a database file; a relative path starts at `base`."""
    # as in SQLAlchemy: three slashes and a relative path, four and an absolute one
    path = base / url.partition("://")[2].removeprefix("/")
    if not path.is_file():
        raise unreachable(source, Reason("the database file does not exist"), "E002")
    opened = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    with closing(opened) as connection:
        session = SqliteSession(source, connection)
        with session.told():
            connection.execute("BEGIN")
        yield session
