"""Databases: one snapshot, as text, the same bytes for the same rows."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import SECRET, blob, parsed, refusal, values
from tests.tried import tried

from potable.errors import EnvironmentFailure
from potable.sources import sql as module
from potable.sources.databases.chunks import parquet
from potable.sources.ingest import Landing, ingest
from potable.sources.landed import Arrival
from potable.sources.sql import SqlSource
from potable.store.log import Log
from potable.store.objects import Store

COLUMNS: dict[str, Any] = {
    "id": {"type": "integer"},
    "name": {},
    "pay": {"type": "decimal(12,2)"},
    "rate": {"type": "float"},
    "active": {"type": "boolean"},
    "born": {"type": "date"},
    "seen": {"type": "timestamp"},
}
ROWS: list[tuple[Any, ...]] = [
    (1, "Ünal; \"x\"\n'y'", "1234.50", 0.1, 1, "1980-02-29", "2020-01-31 10:20:30.5"),
    (2, None, None, None, None, None, None),
    (3, "", "-0.01", 1e22, 0, "0001-01-01", "1969-12-31 23:59:59"),
    (10, " 007 ", "99999999.99", 5.0, 1, "2024-12-31", "2024-12-31 00:00:00"),
]


def source(url: str, columns: dict[str, Any] | None = None, **keys: Any) -> SqlSource:
    table = {"columns": columns or COLUMNS, **keys}
    return SqlSource.model_validate({"source": "s", "type": "sql", "url": url, "tables": {"people": table}})


def arrivals(made: SqlSource, base: Path) -> list[tuple[str, bytes]]:
    def data(arrival: Arrival) -> bytes:
        with arrival.open() as stream:
            return stream.read()

    return [(arrival.name, data(arrival)) for arrival in made.arrivals(base)]


def rows(made: SqlSource, base: Path) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for name, data in arrivals(made, base):
        out += parsed(made, blob(base / "landed", data, name), "people")
    return out


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "hr.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, pay NUMERIC, rate REAL, active INTEGER, born DATE, seen TIMESTAMP)"
        )
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)", ROWS)
    return path


EXPECTED: list[tuple[Any, ...]] = [
    (
        1,
        "Ünal; \"x\"\n'y'",
        Decimal("1234.50"),
        0.1,
        True,
        date(1980, 2, 29),
        datetime(2020, 1, 31, 10, 20, 30, 500_000),
    ),
    (2, None, None, None, None, None, None),
    (3, None, Decimal("-0.01"), 1e22, False, date(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59)),
    (10, "007", Decimal("99999999.99"), 5.0, True, date(2024, 12, 31), datetime(2024, 12, 31)),
]


@pytest.mark.parametrize("url", ["sqlite:///hr.db", "sqlite:///{}"], ids=["relative", "absolute"])
def test_values_of_all_types_are_read(database: Path, url: str) -> None:
    found = rows(source(url.format(database), order_by=["id"]), database.parent)
    assert values(found, *COLUMNS) == EXPECTED
    assert values(found, "_object", "_row", "_unparsed") == [("people-00001.parquet", n, None) for n in range(1, 5)]


def test_odd_paths_are_no_part_of_the_url(database: Path) -> None:
    odd = database.parent / "a b#c?d%20é"
    odd.mkdir()
    database.rename(odd / "hr.db")
    assert len(rows(source(f"sqlite:///{odd}/hr.db"), database.parent)) == 4


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("CREATE TABLE people (i, f, d, b)")
        connection.execute("INSERT INTO people VALUES (9223372036854775807, 1e-7, 12345678901234.5, x'00ff')")
    columns = {"i": {}, "f": {}, "d": {"type": "decimal(20,2)"}, "b": {}}
    (found,) = rows(source("sqlite:///x.db", columns), tmp_path)
    assert values([found], *columns) == [("9223372036854775807", "0.0000001", Decimal("12345678901234.50"), "00ff")]


def test_a_query_instead_of_a_table(database: Path) -> None:
    made = source("sqlite:///hr.db", {"n": {"type": "integer"}}, query="SELECT count(*) AS n FROM people -- all")
    assert values(rows(made, database.parent), "n") == [4]


def test_an_empty_table_has_columns_and_no_rows(database: Path) -> None:
    made = source("sqlite:///hr.db", query="SELECT * FROM people WHERE 0")
    ((name, data),) = arrivals(made, database.parent)
    assert rows(made, database.parent) == []
    assert made.observe("people", blob(database.parent, data, name)) == set(COLUMNS)


@pytest.mark.parametrize(("size", "chunks"), [(1, 4), (2, 2), (3, 2), (4, 1), (5, 1)])
def test_chunks_end_where_they_end(database: Path, monkeypatch: pytest.MonkeyPatch, size: int, chunks: int) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", size)
    made = source("sqlite:///hr.db", order_by=["id"])
    assert len(arrivals(made, database.parent)) == chunks
    found = rows(made, database.parent)
    assert values(found, "id") == [1, 2, 3, 10]
    assert len({(row["_object"], row["_row"]) for row in found}) == 4
    assert all(1 <= row["_row"] <= size for row in found)


@pytest.mark.parametrize("keys", [{}, {"unique": ["id"]}, {"unique": ["name"]}, {"order_by": ["id"]}], ids=str)
def test_the_same_rows_give_the_same_bytes(database: Path, keys: dict[str, Any]) -> None:
    made = source("sqlite:///hr.db", **keys)
    before = arrivals(made, database.parent)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE turned AS SELECT * FROM people ORDER BY id DESC")
        connection.execute("DROP TABLE people")
        connection.execute("ALTER TABLE turned RENAME TO people")
    assert arrivals(made, database.parent) == before


def test_a_chunk_that_says_what_it_said_is_not_made_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 2)
    made, store = source("sqlite:///hr.db", order_by=["id"]), Store(str(database.parent / "lake"))
    landing, written = Landing(store, Log(store, "batches")), []

    def landed(change: str = "") -> tuple[int, int, list[int]]:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(change)
        written.clear()
        done = ingest(made, landing, base=database.parent)
        root = str(database.parent / "lake")
        found = [row for item in made.blobs(done.objects, root) for row in parsed(made, item, "people")]
        return done.batch, len(written), values(found, "id")

    monkeypatch.setattr(module, "parquet", lambda chunk: written.append(chunk) or parquet(chunk))
    assert landed() == (1, 2, [1, 2, 3, 10])
    assert landed() == (1, 0, [1, 2, 3, 10])
    assert landed("UPDATE people SET name = NULL WHERE id = 3") == (2, 1, [1, 2, 3, 10])
    assert landed("DELETE FROM people WHERE id = 10") == (3, 1, [1, 2, 3])
    assert landed("INSERT INTO people SELECT 0, name, pay, rate, active, born, seen FROM people WHERE id = 3") == (
        4,
        2,
        [0, 1, 2, 3],
    )
    assert landed() == (4, 0, [0, 1, 2, 3])
    assert ingest(made, landing, base=database.parent, fresh=True).batch == 4
    assert len(written) == 2


def test_all_tables_come_from_one_snapshot(database: Path) -> None:
    columns = {"id": {"type": "integer"}}
    tables = {"first": {"table": "people", "columns": columns}, "second": {"table": "people", "columns": columns}}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": "sqlite:///hr.db", "tables": tables})
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        seen = []
        for arrival in made.arrivals(database.parent):
            with arrival.open() as stream:
                seen.append(stream.read())
            connection.execute("DELETE FROM people WHERE id = 1")
            connection.commit()
    assert seen[0] == seen[1]


def test_the_database_is_only_read(database: Path) -> None:
    with pytest.raises(EnvironmentFailure):
        arrivals(source("sqlite:///hr.db", query="DELETE FROM people RETURNING id"), database.parent)
    assert len(rows(source("sqlite:///hr.db"), database.parent)) == 4


@pytest.mark.parametrize(
    ("url", "keys", "code", "said"),
    [
        ("sqlite:///nope.db", {}, "E002", "does not exist"),
        ("sqlite:///hr.db", {"table": "nope"}, "E001", "no such table"),
        ("sqlite:///hr.db", {"order_by": ["nam"]}, "E007", "no column `nam` to order by"),
        ("sqlite:///hr.db", {"query": f"SELECT {SECRET!r} FROM"}, "E001", ""),
        ("sqlite:///hr.db", {"query": "SELECT CAST(x'ff' AS TEXT) AS id"}, "E001", ""),
        ("sqlite:///notes.txt", {}, "E001", "the file is no SQLite database"),
        ("oracle://x", {}, "E007", "not supported"),
        (f"{SECRET}:x@host/db", {}, "E007", "not supported"),
        ("sqlite:///hr.db", {"partition": {"column": "gone", "parts": 2}}, "E007", "no column `gone`"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/x?connect_timeout=2", {}, "E001", ""),
    ],
)
def test_what_cannot_be_read_is_told(database: Path, url: str, keys: dict[str, Any], code: str, said: str) -> None:
    (database.parent / "notes.txt").write_text("these are notes, not a database " * 100)
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(source(url, {**COLUMNS, "gone": {}}, **keys), database.parent)
    assert caught.value.code == code
    assert said in caught.value.problem
    assert SECRET not in caught.value.text() + repr(source(url))


def test_a_database_that_somebody_writes_is_told(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.1))
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(EnvironmentFailure, match="is locked by another program"):
            arrivals(source("sqlite:///hr.db", COLUMNS), database.parent)
    finally:
        writer.close()


@tried(20, st.lists(st.integers(0, 99), max_size=60), st.integers(1, 16))
def test_what_rows_say_does_not_depend_on_which_are_asked_for(numbers: list[int], most: int) -> None:
    chunk = pa.table({"id": [str(number) for number in range(100)], "ü": ["é", None] * 50})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_READ_AT_ONCE", most)
        contents = module._Contents(chunk)
        for asked in (numbers, sorted(numbers), range(100)):
            for number in asked:
                assert contents(number) == json.dumps(chunk.slice(number, 1).to_pylist()).encode()


def test_a_table_and_a_query_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="give either"):
        source("sqlite:///x", table="a", query="SELECT 1")


@pytest.mark.parametrize(("column", "parts"), [("rate", 2), ("active", 2), ("nope", 2), ("id", 1), ("id", 100)])
def test_a_table_that_has_no_parts_is_refused(column: str, parts: int) -> None:
    with pytest.raises(ValidationError, match="partition"):
        source("sqlite:///x", partition={"column": column, "parts": parts})


@pytest.mark.parametrize("column", ["id", "name", "born"])
def test_parts_hold_every_row_once(database: Path, column: str) -> None:
    made = source("sqlite:///hr.db", order_by=["id"], partition={"column": column, "parts": 3})
    found = rows(made, database.parent)
    assert sorted(values(found, "id")) == [1, 2, 3, 10]
    assert len({row["_object"] for row in found}) == 3


@pytest.mark.parametrize("data", [b"", b"PAR1" + SECRET.encode()])
def test_a_damaged_chunk_is_refused(tmp_path: Path, data: bytes) -> None:
    refusal(source("sqlite:///x"), blob(tmp_path, data, "people-00001.parquet"), "people")


def test_a_chunk_whose_pages_are_damaged_is_refused(database: Path) -> None:
    made = source("sqlite:///hr.db", order_by=["id"])
    ((name, data),) = arrivals(made, database.parent)
    held = blob(database.parent, b"PAR1" + bytes(40) + data[44:], name)
    assert "not the chunk that was landed" in refusal(made, held, "people")


def filled(url: str, statements: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


def test_postgres_and_sqlite_give_the_same_typed_rows(postgres: str, database: Path) -> None:
    import psycopg

    types = "id int PRIMARY KEY, name text, pay numeric(12,2), rate float8, active boolean, born date, seen timestamp"
    filled(postgres, f"DROP TABLE IF EXISTS people; CREATE TABLE people ({types})")
    with psycopg.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO people VALUES (%s, %s, %s::numeric, %s, %s::int::boolean, %s::date, %s::timestamp)", ROWS
        )
    found = rows(source(postgres, unique=["id"]), database.parent)
    assert values(found, *COLUMNS) == EXPECTED
    assert found == rows(source("sqlite:///hr.db", unique=["id"]), database.parent)
    assert values(rows(source(postgres.replace("postgresql:", "postgresql+psycopg:")), database.parent), "id") != []


def test_types_only_postgres_has_become_texts(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT '{"a": [1, "é"]}'::json AS j, ARRAY[1, 2] AS a,
        '2020-01-31 10:00+02'::timestamptz AS t, '\\x00ff'::bytea AS b, 1e20::numeric AS n,
        'a81bc81b-dead-4e5d-abff-90865d1e13b1'::uuid AS u, 12345678901234567890.5::numeric AS d""",
    )
    columns = {"j": {}, "a": {}, "t": {"type": "timestamp"}, "b": {}, "n": {}, "u": {}, "d": {"type": "decimal(38,2)"}}
    assert values(rows(source(postgres, columns), tmp_path), *columns) == [
        (
            '{"a": [1, "é"]}',
            "[1, 2]",
            datetime(2020, 1, 31, 8),
            "00ff",
            "100000000000000000000",
            "a81bc81b-dead-4e5d-abff-90865d1e13b1",
            Decimal("12345678901234567890.50"),
        )
    ]


def test_postgres_is_only_read_and_its_errors_show_no_values(postgres: str, tmp_path: Path) -> None:
    filled(postgres, f"DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT '{SECRET}'::text AS id")
    for query in (
        "SELECT id::int FROM people",
        "SELECT nextval('nope')",
        "SELECT * FROM nope",
        "SELECT set_config('x.y', 'z', false), (SELECT 1 FROM pg_sleep(0)), lo_create(0)",
    ):
        with pytest.raises(EnvironmentFailure) as caught:
            arrivals(source(postgres, query=query), tmp_path)
        assert caught.value.code == "E001"
        assert SECRET not in caught.value.text()


def test_columns_that_cannot_be_told_apart_are_refused(postgres: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="two columns called `id`"):
        arrivals(source(postgres, query="SELECT 1 AS id, 2 AS id"), tmp_path)


def test_chunks_and_snapshots_work_on_postgres_too(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
    filled(postgres, "DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id FROM generate_series(1, 10) g")
    made = source(postgres, {"id": {"type": "integer"}}, order_by=["id"])
    assert values(rows(made, tmp_path), "id") == list(range(1, 11))
    assert [name for name, _ in arrivals(made, tmp_path)] == [f"people-0000{n}.parquet" for n in (1, 2, 3, 4)]
