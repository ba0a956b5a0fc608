"""Where the HR tables are kept: a SQLite file, or any PostgreSQL by its URL.

SQLite holds dates and moments as ISO text, PostgreSQL as date and timestamp. Both take whole Arrow tables.
Entry: open_database.
"""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv

_BLOCK = 50_000


class Database(Protocol):
    """Takes tables one after the other."""

    def write(self, name: str, table: pa.Table) -> int:
        """Creates a table from an Arrow table with the primary key row_id; returns its number of rows."""

    def close(self) -> int:
        """Commits and closes; returns the bytes written."""


def open_database(directory: Path, url: str | None) -> Database:
    """The PostgreSQL behind a `postgresql://` URL, or a new SQLite file in the directory."""
    if url is None:
        directory.mkdir(parents=True, exist_ok=True)
        return Sqlite(directory / "hrms.sqlite")
    return Postgres(url)


def _declared(table: pa.Table, types: dict[str, str]) -> str:
    columns = [f"{field.name} {types[str(field.type)]}" for field in table.schema]
    columns[0] += " PRIMARY KEY"
    return ", ".join(columns)


class Sqlite:
    """One SQLite file, written without a journal: it is made anew each time."""

    _TYPES: ClassVar = {"int64": "INTEGER", "string": "TEXT", "date32[day]": "TEXT", "timestamp[s]": "TEXT"}

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("BEGIN")

    def write(self, name: str, table: pa.Table) -> int:
        """Creates and fills one table."""
        self._connection.execute(f"CREATE TABLE {name} ({_declared(table, self._TYPES)})")
        marks = ", ".join("?" * table.num_columns)
        for block in table.to_batches(max_chunksize=_BLOCK):
            plain = [column.cast(pa.string()) if pa.types.is_temporal(column.type) else column for column in block]
            rows = zip(*(column.to_pylist() for column in plain), strict=True)
            self._connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
        return int(table.num_rows)

    def close(self) -> int:
        """Commits and closes; returns the size of the file."""
        self._connection.execute("COMMIT")
        self._connection.close()
        return self._path.stat().st_size


class Postgres:
    """A PostgreSQL database, filled through COPY; tables of the same names are replaced."""

    _TYPES: ClassVar = {
        "int64": "bigint",
        "string": "text",
        "date32[day]": "date",
        "timestamp[s]": "timestamp without time zone",
    }

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection: Any = psycopg.connect(url)
        self._sent = 0

    def write(self, name: str, table: pa.Table) -> int:
        """Creates and fills one table."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
            cursor.execute(f"CREATE TABLE {name} ({_declared(table, self._TYPES)})")
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
                for block in table.to_batches(max_chunksize=_BLOCK):
                    text = _csv(block)
                    copy.write(text)
                    self._sent += len(text)
        return int(table.num_rows)

    def close(self) -> int:
        """Commits and closes; returns the bytes sent."""
        self._connection.commit()
        self._connection.close()
        return self._sent


def _csv(block: pa.RecordBatch) -> bytes:
    # texts are quoted and nulls are not, so COPY can tell '' from null
    sink = io.BytesIO()
    pacsv.write_csv(block, sink, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue()
