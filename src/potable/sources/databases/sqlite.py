"""SQLite, by the standard library: a file opened to be read only, its rows as Python has them.

A column of SQLite may hold values of any type, so each value is written by its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa

from potable.sources.databases.base import (
    INDEXED,
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
                yield batch(names, map(texts, zip(*rows, strict=True)))

    def promised(self, origin: Origin) -> dict[str, list[str]]:
        about = {
            NOT_NULL: 'SELECT name FROM pragma_table_info(?) WHERE "notnull" OR pk',
            INDEXED: "SELECT i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE i.seqno = 0",
        }
        table = origin.table.rpartition(".")[2]
        with self.told(origin.name):
            return listed((word, self._connection.execute(query, [table])) for word, query in about.items())

    def reason(self, failure: Exception) -> Reason:
        # of these words it is known that they name tables and columns only
        said = str(failure)
        return Reason(said if said.startswith("no such") else type(failure).__name__)

    def cancel(self) -> bool:
        self._connection.interrupt()
        return True

    def literal(self, column: Found) -> str:
        return f"quote({self.column(column.name)})"


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
