"""PostgreSQL, a real one: the bytes that were always landed, every type, parts, and failures that show nothing."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_manager import AdbcStatusCode
from adbc_driver_postgresql import dbapi
from tests.sources.objects import SECRET, values
from tests.sources.test_sql import arrivals, filled, rows, source

from potable.errors import EnvironmentFailure
from potable.sources import sql as module
from potable.sources.databases import base as why
from potable.sources.databases import forms
from potable.sources.databases import postgres as dialect
from potable.sources.databases.base import Origin, Select
from potable.sources.databases.chunks import side_by_side
from potable.sources.databases.connect import connected
from potable.sources.onwards import State
from potable.sources.sql import SqlSource

SAME = """
    g::smallint AS small, g::bigint * 1000000007 AS large, (g - 50) / 7.0::float8 AS real, g::float4 / 3 AS single,
    (g * 1e15)::float8 AS round, 10 ^ (g - 60) AS power, (g - 50) / 100.0 AS pay, g % 2 = 0 AS even,
    'ü ' || g AS name, 'x'::char(4) AS fixed, date '1970-01-01' + g AS day, (g || ' s')::interval + time '10:00' AS clock,
    timestamp '2020-01-01' + g * interval '0.25 s' AS at, timestamptz '2020-01-01 00:00+05' + g * interval '0.5 s' AS tz,
    md5(g::text)::uuid AS uuid, decode(md5(g::text), 'hex') AS bytes, ARRAY[g, NULL] AS list, ARRAY['a"', 'é'] AS words,
    ARRAY[1.50, NULL] AS exact, jsonb_build_object('a', g, 'b', ARRAY['é,"']) AS j, json_build_object('a', g) AS k,
    '10.0.0.1'::inet AS host, '10.0.0.0/8'::cidr AS net, NULLIF(g, 7) AS gap, g::oid AS oid, B'0101' AS bits"""
"""Columns of all kinds whose bytes the first reader of this source landed, too."""


def read_by_rows(url: str, query: str) -> bytes:
    """The slow way: every row as Python has it, every value by its own."""
    with psycopg.connect(url, options="-c TimeZone=UTC") as connection, connection.cursor() as cursor:
        cursor.execute(query.encode())
        names = [item.name for item in cursor.description or ()]
        columns = [pa.array([None if v is None else forms.text(v) for v in c]) for c in zip(*cursor, strict=True)]
    sink = io.BytesIO()
    pq.write_table(
        pa.table(columns, schema=pa.schema([(name, pa.string()) for name in names])),
        sink,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )
    return sink.getvalue()


def test_what_is_landed_is_what_a_reader_of_rows_landed(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_BATCH_BYTES", 1 << 10)
    query = f"SELECT {SAME} FROM generate_series(1, 100) g"
    ((_, data),) = arrivals(source(postgres, query=query, order_by=["small"]), tmp_path)
    assert data == read_by_rows(postgres, f"{query} ORDER BY 1")


VALUES: dict[str, tuple[str, str | None]] = {
    "nan": ("'NaN'::float8", "nan"),
    "low": ("'-Infinity'::float4", "-inf"),
    "minus": ("'-0'::float8", "-0.0"),
    "tiny": ("1e-7::float8", "0.0000001"),
    "third": ("0.1::float4", "0.1"),
    "no_number": ("'NaN'::numeric", "NaN"),
    "wide": ("123456789012345678901234567890.0000000001::numeric", "123456789012345678901234567890.0000000001"),
    "yes": ("true", "true"),
    "ever": ("'infinity'::date", "infinity"),
    "before": ("'0044-03-15 12:00:00.5 BC'::timestamp", "0044-03-15 12:00:00.5 BC"),
    "late": ("'12020-01-01 00:00:00.5'::timestamp", "12020-01-01 00:00:00.500000"),
    "utc": ("'2020-01-31 10:00:00.5+02'::timestamptz", "2020-01-31 08:00:00.500000+00:00"),
    "never": ("'-infinity'::timestamptz", "-infinity"),
    "midnight": ("'24:00'::time", "24:00:00"),
    "span": ("'1 mon 2 days 03:04:05.6'::interval", "P1M2DT3H4M5.6S"),
    "mood": ("'sad'::mood", "sad"),
    "moods": ("ARRAY['sad', 'glad']::mood[]", '["sad", "glad"]'),
    "capped": ("1.5::capped", "1.50"),
    "pair": ("ROW(1, 'x')::pair", "(1,x)"),
    "nested": ("ARRAY[[1, 2], [3, 4]]", "[[1, 2], [3, 4]]"),
    "asis": ("""'{"b":1.10, "a" : [ "x:,y\\"", 1e5], "b":2}'::json""", r'{"b": 1.10, "a": ["x:,y\"", 1e5], "b": 2}'),
    "sorted": ("""'{"b":1.10,"a":1}'::jsonb""", '{"a": 1, "b": 1.10}'),
    "address": ("'10.1.2.3/8'::inet", "10.1.2.3/8"),
    "range": ("'[1,5)'::int4range", "[1,5)"),
    "nothing": ("NULL::inet", None),
}
"""By column: what is stored and what is read."""


def test_every_type_keeps_all_its_digits(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS kinds; DROP TYPE IF EXISTS mood, pair; DROP DOMAIN IF EXISTS capped;
        CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN capped AS numeric(5, 2)""",
    )
    stored = ", ".join(f"{item} AS {name}" for name, (item, _) in VALUES.items())
    filled(postgres, f"CREATE TABLE kinds AS SELECT {stored}")
    (found,) = rows(source(postgres, {name: {} for name in VALUES}, table="kinds"), tmp_path)
    assert {name: found[name] for name in VALUES} == {name: read for name, (_, read) in VALUES.items()}


def test_a_declared_comma_is_of_texts_alone(postgres: str, tmp_path: Path) -> None:
    kinds = ("numeric", "float8", "float4", "capped", "int4", "text", "varchar")
    filled(postgres, "DROP TYPE IF EXISTS capped CASCADE; CREATE DOMAIN capped AS numeric(5, 3)")
    cells = ("1125" if kind == "int4" else "1.125" for kind in kinds)
    query = "SELECT " + ", ".join(f"'{cell}'::{kind} AS {kind}_" for cell, kind in zip(cells, kinds, strict=True))
    columns: dict[str, Any] = {f"{kind}_": {"type": "float", "decimal": ","} for kind in kinds}
    (found,) = rows(source(postgres, columns, query=query), tmp_path)
    assert values([found], *columns) == [(1.125, 1.125, 1.125, 1.125, 1125, 1125, 1125)]


def test_settings_of_the_server_change_nothing(postgres: str, tmp_path: Path) -> None:
    query = "SELECT '2020-02-01 10:00+00'::timestamptz AS t, interval '1 day' AS i, 0.1::float8 AS f"
    made = arrivals(source(postgres, query=query), tmp_path)
    odd = "-c datestyle=German -c timezone=Asia/Kolkata -c intervalstyle=postgres -c extra_float_digits=-3"
    options = odd.replace(" ", "%20").replace("=", "%3D").replace("/", "%2F")
    assert arrivals(source(f"{postgres}&options={options}", query=query), tmp_path) == made


def parted(url: str, column: str, parts: int, **keys: Any) -> SqlSource:
    columns = {"id": {"type": "integer"}, "at": {"type": "timestamp"}, "name": {}}
    return source(url, columns, unique=["id"], partition={"column": column, "parts": parts}, **keys)


@pytest.mark.parametrize(("column", "parts"), [("id", 2), ("at", 4), ("name", 3)])
def test_parts_hold_every_row_once(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str, parts: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 10)
    filled(
        postgres,
        r"""DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id, timestamptz '2020-01-01' + g * interval '1 d' AS at,
        'a''\' || g AS name FROM generate_series(1, 99) g; INSERT INTO people VALUES (100, NULL, NULL)""",
    )
    made = parted(postgres, column, parts)
    offered = arrivals(made, tmp_path)
    assert [name for name, _ in offered[:parts]] == [
        f"people-p{part:02d}-00001.parquet" for part in range(1, parts + 1)
    ]
    ids = [row["id"] for _, data in offered for row in pq.read_table(io.BytesIO(data)).to_pylist()]
    assert sorted(map(int, ids)) == list(range(1, 101))
    assert arrivals(made, tmp_path) == offered


@pytest.mark.parametrize(
    ("ids", "parts"), [("1, 1, 1, 1, 2", 1), ("1, 1, 2, 2, 2, 2, 3", 2), ("1, 2, 3", 3), ("1", 1), ("NULL, NULL", 1)]
)
def test_few_or_equal_values_make_fewer_parts(postgres: str, tmp_path: Path, ids: str, parts: int) -> None:
    filled(
        postgres,
        f"""DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT unnest(ARRAY[{ids}]::int[]) AS id,
        NULL::timestamp AS at, '' AS name""",
    )
    made = parted(postgres, "id", 3)
    assert len(rows(made, tmp_path)) == len(ids.split(","))
    assert len(arrivals(made, tmp_path)) == parts


def test_all_parts_and_tables_come_from_one_snapshot(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 10)
    filled(
        postgres,
        """DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id, now()::timestamp AS at, '' AS name
        FROM generate_series(1, 100) g""",
    )
    one = parted(postgres, "id", 4).tables["people"].model_dump(exclude_unset=True)
    tables = {name: {**one, "table": "people"} for name in ("first", "second")}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": postgres, "tables": tables})
    offered = made.arrivals(tmp_path)
    seen = [next(offered)]
    filled(postgres, "DELETE FROM people WHERE id > 10")
    seen += offered
    held = {table: [arrival.open().read() for arrival in seen if arrival.tables == (table,)] for table in tables}
    assert held["first"] == held["second"]
    assert len(held["first"]) == 12


def test_a_table_cannot_be_emptied_while_others_are_read(postgres: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        filled(postgres, f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} AS SELECT 1 AS id")
    tables = {name: {"columns": {"id": {"type": "integer"}}} for name in ("first", "second")}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": postgres, "tables": tables})
    offered = made.arrivals(tmp_path)
    next(offered)
    for statement in ("TRUNCATE second", "ALTER TABLE second ALTER id TYPE text"):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            filled(postgres, f"SET lock_timeout = '100ms'; {statement}")
    assert [arrival.name for arrival in offered] == ["second-00001.parquet"]


def test_views_and_foreign_forms_of_tables_are_read(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP MATERIALIZED VIEW IF EXISTS kept; DROP VIEW IF EXISTS seen; DROP TABLE IF EXISTS hr.staff; DROP SCHEMA IF EXISTS hr;
        CREATE SCHEMA hr; CREATE TABLE hr.staff AS SELECT 1 AS id; CREATE VIEW seen AS SELECT * FROM hr.staff;
        CREATE MATERIALIZED VIEW kept AS SELECT * FROM hr.staff""",
    )
    for table in ("hr.staff", "seen", "kept"):
        assert values(rows(source(postgres, {"id": {}}, table=table), tmp_path), "id") == ["1"]


@pytest.fixture
def guarded(postgres: str) -> str:
    """URL of the server for a user who has a password and may read one table."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS secret_pay, open_names")
        connection.execute("DROP ROLE IF EXISTS guarded")
        connection.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'".encode())
        connection.execute(f"CREATE TABLE secret_pay AS SELECT '{SECRET}' AS id".encode())
        connection.execute(f"CREATE TABLE open_names AS SELECT '{SECRET}' AS id".encode())
        connection.execute("GRANT SELECT ON open_names TO guarded")
        (rules,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        path = Path(rules)
        rule = "local all guarded scram-sha-256\n"
        if rule not in path.read_text():
            path.write_text(rule + path.read_text())
        connection.execute("SELECT pg_reload_conf()")
    return postgres.replace("postgres:@", f"guarded:{SECRET}@")


@pytest.mark.parametrize(
    ("change", "keys", "said"),
    [
        (("guarded:", "guarded:x"), {}, "the user name or password was refused"),
        (("guarded:", f"{SECRET}:"), {}, "the user name or password was refused"),
        (("/postgres?", "/nope?"), {}, "there is no such database"),
        (("?host", f"?hst={SECRET}&host"), {}, "has an unknown setting"),
        (("@/postgres?host", "@no.such.host.invalid/x?application_name"), {}, "the host name cannot be resolved"),
        (("@/postgres?host", "@127.0.0.1:1/x?application_name"), {}, "no server answers at this address"),
        (("", ""), {"table": "nope"}, "there is no such table"),
        (("", ""), {"table": "secret_pay"}, "this user has no right to read it"),
        (("", ""), {"query": f'SELECT "{SECRET}" FROM open_names'}, "there is no such column"),
        (("", ""), {"query": "SELECT id::int FROM open_names"}, "SQLSTATE 22P02"),
        (("", ""), {"query": "SELECT FROM WHERE"}, "does not understand the query"),
        (
            ("?host", "?options=-c%20statement_timeout%3D200&host"),
            {"query": "SELECT id, pg_sleep(9)::text AS s FROM open_names"},
            "the statement was cancelled, or ran longer than the server allows",
        ),
        (
            ("?host", "?options=-c%20transaction_timeout%3D200&host"),
            {"query": "SELECT id, pg_sleep(9)::text AS s FROM open_names"},
            "the transaction ran longer than the server allows",
        ),
    ],
)
def test_what_postgres_refuses_is_told(
    guarded: str, tmp_path: Path, change: tuple[str, str], keys: dict[str, Any], said: str
) -> None:
    url = guarded.replace(*change, 1) if change[0] else guarded
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(source(url, {"id": {}}, **{"table": "open_names", **keys} if "query" not in keys else keys), tmp_path)
    assert said in caught.value.problem
    assert caught.value.code == "E001"
    assert SECRET not in caught.value.text() + repr(caught.value) + repr(caught.value.__cause__)


def test_a_server_that_lets_no_more_sessions_in_is_not_taken_for_a_wrong_password(guarded: str, tmp_path: Path) -> None:
    filled(guarded.replace(f"guarded:{SECRET}", "postgres:"), "ALTER ROLE guarded CONNECTION LIMIT 0")
    with pytest.raises(EnvironmentFailure, match="no free connection") as caught:
        arrivals(source(guarded, {"id": {}}, table="open_names"), tmp_path)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('FATAL:  too many connections for database "roles"', why.FULL),
        ("FATAL:  sorry, too many clients already", why.FULL),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", why.FULL),
        ("FATAL:  the database system is starting up", why.LOST),
        ("FATAL:  the database system is shutting down", why.LOST),
        ('FATAL:  role "guarded" is not permitted to log in', why.REFUSED),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "a", database "hr", no encryption', why.BARRED),
        ('FATAL:  database "hr" is not currently accepting connections', why.NO_DATABASE),
        ("server does not support SSL, but SSL was required", why.NO_TLS),
        ("SSL error: certificate verify failed", why.NO_TLS),
        ("Connection refused", why.SILENT),
    ],
)
def test_what_a_server_says_before_there_is_a_session_is_told(said: str, meant: why.Reason) -> None:
    session = dialect.PostgresSession("s", "", dbapi)
    assert (
        session.reason(OSError(f'Failed to connect: connection to server at "db", port 5432 failed: {said}')) is meant
    )


@pytest.mark.parametrize(
    ("state", "meant"),
    [("40001", why.CONFLICT), ("40P01", why.CONFLICT), ("53200", why.SHORT), ("58030", why.SHORT), ("53300", why.FULL)],
)
def test_what_passes_on_a_server_may_be_tried_again(state: str, meant: why.Reason) -> None:
    failure = dbapi.OperationalError("", status_code=AdbcStatusCode.IO, sqlstate=state)
    assert dialect.PostgresSession("s", "", dbapi).reason(failure) is meant
    assert meant.passing


def test_a_session_that_was_ended_before_another_joins_it_is_told_as_lost(postgres: str) -> None:
    session = dialect.PostgresSession("s", postgres, dbapi)
    with session.opened():
        with session.beside():
            pass
        session._connection.close()
        with pytest.raises(EnvironmentFailure, match="the server closed the connection") as caught, session.beside():
            pass
    assert caught.value.retryable


@pytest.mark.parametrize(("longest", "own"), [("100ms", ""), ("1h", "?options=-c%20lock_timeout%3D100&host")])
def test_a_lock_that_another_session_holds_is_not_waited_for_for_ever(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: str, own: str
) -> None:
    monkeypatch.setattr(dialect, "_LONGEST_LOCK", longest)
    filled(postgres, "DROP TABLE IF EXISTS moved; CREATE TABLE moved AS SELECT 1 AS id")
    made = source(postgres.replace("?host", own or "?host"), {"id": {}}, table="moved")
    with psycopg.connect(postgres) as other:
        other.execute("LOCK TABLE moved")
        with pytest.raises(EnvironmentFailure, match="locked by another session") as caught:
            arrivals(made, tmp_path)
    assert caught.value.retryable
    assert values(rows(made, tmp_path), "id") == ["1"]


def test_a_url_may_say_when_a_server_counts_as_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def connect(uri: str, **keys: Any) -> Any:
        asked.append(uri)
        raise dbapi.OperationalError("", status_code=AdbcStatusCode.IO)

    monkeypatch.setattr(dbapi, "connect", connect)
    for url in ("postgresql://db/hr", "postgresql://db/hr?keepalives_idle=5"):
        with pytest.raises(EnvironmentFailure):
            arrivals(source(url, {"id": {}}, table="staff"), tmp_path)
    assert asked[0].startswith("postgresql://db/hr?connect_timeout=30&keepalives_idle=60&")
    assert asked[1].startswith("postgresql://db/hr?keepalives_idle=5&connect_timeout=30&keepalives_interval=10&")


@pytest.mark.parametrize("parts", [None, 3])
def test_a_killed_connection_lands_nothing_and_a_retry_everything(
    postgres: str, faults: Callable[..., None], parts: int | None
) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id, repeat('x', 4000) AS a
        FROM generate_series(1, 6000) g""",
    )
    keys = {"partition": {"column": "id", "parts": parts}} if parts else {}
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND pid <> pg_backend_pid()"
    faults(source(postgres, {"id": {"type": "integer"}}, unique=["id"], **keys), lambda: filled(postgres, kill), 6_000)


def test_giving_up_early_leaves_no_connection_behind(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        "DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id, now() AS at, '' AS name FROM generate_series(1, 200000) g",
    )
    offered = parted(postgres, "id", 2).arrivals(tmp_path)
    next(offered)
    offered.close()  # type: ignore[attr-defined]
    counted = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%people%'"
    with psycopg.connect(postgres, autocommit=True) as connection:
        # a server takes a moment to notice that its client is gone
        for _ in range(300):
            if connection.execute(counted).fetchone() == (0,):
                return
            time.sleep(0.1)
    raise AssertionError("a connection stayed")


def test_what_is_given_up_is_not_waited_for(postgres: str, tmp_path: Path) -> None:
    """The table that is read is given up while its server is busy; if that waited, the test would take a minute."""

    def failing() -> Generator[pa.RecordBatch]:
        yield pa.record_batch({"a": ["x"]})
        raise OSError("gone")

    query = Origin("people", query="SELECT g::text AS a FROM generate_series(1, 2) g, pg_sleep(60)")
    with connected("s", postgres, tmp_path, [query]) as session:
        busy = session.rows(Select(query, session.columns(query)))
        with pytest.raises(OSError, match="gone"):
            list(side_by_side([failing(), busy], session.cancel))


def test_reading_on_works_in_parts(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS people; CREATE TABLE people AS SELECT g AS id, timestamp '2020-01-01' + g * interval '1 h' AS at,
        '' AS name FROM generate_series(1, 100) g""",
    )
    made = parted(postgres, "id", 3, time="at", known="at", incremental={"column": "at"})
    first = State()
    assert len(list(made.arrivals(tmp_path, first))) == 3
    filled(postgres, "INSERT INTO people VALUES (101, '2020-01-06 00:00', 'new')")
    offered = list(made.arrivals(tmp_path, State(first.after, 2)))
    assert [arrival.name for arrival in offered] == ["people-000002-p03-00001.parquet"]
    assert pq.read_table(io.BytesIO(offered[0].open().read())).to_pylist() == [
        {"id": "101", "at": "2020-01-06 00:00:00", "name": "new"}
    ]


def test_naive_and_zoned_moments_are_typed_in_utc(postgres: str, tmp_path: Path) -> None:
    columns = {"z": {"type": "timestamp"}, "n": {"type": "timestamp"}}
    query = "SELECT '2020-01-31 10:00+05:30'::timestamptz AS z, '2020-01-31 04:30'::timestamp AS n"
    (found,) = rows(source(postgres, columns, query=query), tmp_path)
    assert found["z"] == found["n"] == datetime(2020, 1, 31, 4, 30)


def test_what_the_database_promises_of_columns_is_told(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS people; CREATE TABLE people (id int PRIMARY KEY, "Updated'At" timestamptz NOT NULL, a text, b int);
        CREATE INDEX ON people ("Updated'At", a); CREATE INDEX ON people (b) WHERE b > 1; ALTER TABLE people DROP COLUMN a""",
    )
    found = source(postgres, {"id": {}}).promised("people", tmp_path)
    assert found == {"id": ["key", "not null", "indexed"], "Updated'At": ["not null"]}
    filled(postgres, """CREATE INDEX ON people ("Updated'At")""")
    assert source(postgres, {"id": {}}).promised("people", tmp_path)["Updated'At"] == ["not null", "indexed"]
    assert source(postgres, {"id": {}}, query="SELECT 1 AS id").promised("people", tmp_path) == {}


@pytest.mark.parametrize(
    ("definition", "key"),
    [
        ("n int, emp int, PRIMARY KEY (emp, n)", ["emp", "n"]),
        ("id int PRIMARY KEY, emp int NOT NULL UNIQUE", ["id"]),
        ("a int NOT NULL, b int NOT NULL, emp int NOT NULL UNIQUE, UNIQUE (b, a)", ["emp"]),
        ("emp int UNIQUE, a int NOT NULL, b int NOT NULL, UNIQUE (b, a) INCLUDE (emp)", ["b", "a"]),
        ("emp int UNIQUE", []),
    ],
)
def test_the_key_a_table_declares_is_told_in_its_order(
    postgres: str, tmp_path: Path, definition: str, key: list[str]
) -> None:
    filled(
        postgres,
        f"""DROP TABLE IF EXISTS keyed; CREATE TABLE keyed ({definition}, t text NOT NULL);
        CREATE UNIQUE INDEX ON keyed (lower(t)); CREATE UNIQUE INDEX ON keyed (t) WHERE t > 'x'""",
    )
    promised = source(postgres, {"id": {}}, table="keyed").promised("people", tmp_path)
    assert [name for name, words in promised.items() if "key" in words] == key


@pytest.mark.parametrize(
    ("definition", "unique", "order"),
    [
        ("id int PRIMARY KEY", ["id"], ["id"]),
        ("id int PRIMARY KEY", ["t", "id"], ["t", "id"]),
        ("id int PRIMARY KEY", ["t"], ["t", "id", "n"]),
        ("id int PRIMARY KEY", [], ["id"]),
        ("id int, PRIMARY KEY (n, id)", ["id"], ["id", "n", "t"]),
        ("id int UNIQUE", ["id"], ["id", "n", "t"]),
        ("id int", [], ["id", "n", "t"]),
    ],
)
def test_what_the_database_has_a_key_of_is_not_sorted_by_more(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, definition: str, unique: list[str], order: list[str]
) -> None:
    filled(
        postgres,
        f"""DROP TABLE IF EXISTS ordered; CREATE TABLE ordered (n int, t text, {definition});
        INSERT INTO ordered (n, t, id) SELECT g % 7, 't' || g % 3, 500 - g FROM generate_series(1, 300) g""",
    )
    asked: list[list[str]] = []
    read = dialect.PostgresSession.rows

    def rows(session: Any, select: Select) -> Generator[pa.RecordBatch]:
        asked.append([name for each in select.order for name in ("id", "n", "t") if f'"{name}"' in each])
        return read(session, select)

    monkeypatch.setattr(dialect.PostgresSession, "rows", rows)
    made = source(postgres, {"id": {}, "n": {}, "t": {}}, table="ordered", unique=unique)
    (landed,) = arrivals(made, tmp_path)
    assert sorted(asked[0]) == sorted(order) and asked[0][: len(unique)] == unique
    if unique:
        whole = source(postgres, {"id": {}, "n": {}, "t": {}}, query="SELECT n, t, id FROM ordered", unique=unique)
        assert columns_of(landed) == columns_of(*arrivals(whole, tmp_path))


def columns_of(landed: tuple[str, bytes]) -> dict[str, list[Any]]:
    table = pq.read_table(io.BytesIO(landed[1]))
    return {name: table[name].to_pylist() for name in sorted(table.column_names)}


def test_a_key_that_does_not_hold_for_rows_of_tables_that_inherit_is_none(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS badges CASCADE; CREATE TABLE badges (id int PRIMARY KEY, name text NOT NULL);
        CREATE TABLE visitors () INHERITS (badges); INSERT INTO badges VALUES (1, 'b');
        INSERT INTO visitors VALUES (1, 'c'), (1, 'a')""",
    )
    made = source(postgres, {"id": {}, "name": {}}, table="badges")
    assert "key" not in str(made.promised("people", tmp_path))
    # so all columns order the rows
    assert values(rows(made, tmp_path), "name") == ["a", "b", "c"]


def test_bits_and_bytes_are_told_from_numbers(postgres: str, tmp_path: Path) -> None:
    filled(postgres, "DROP TABLE IF EXISTS flags; CREATE TABLE flags (n int, b bit(4), v varbit, r bytea, o bit(1))")
    made = source(postgres, {"n": {}}, table="flags")
    assert made.promised("people", tmp_path) == {"b": ["bits or bytes"], "v": ["bits or bytes"], "r": ["bits or bytes"]}


def test_an_index_that_orders_texts_otherwise_than_their_column_is_no_key(postgres: str, tmp_path: Path) -> None:
    filled(
        postgres,
        """DROP TABLE IF EXISTS alike; CREATE TABLE alike (t text COLLATE "C" NOT NULL);
        CREATE UNIQUE INDEX ON alike (t COLLATE "POSIX")""",
    )
    made = source(postgres, {"t": {}}, table="alike")
    assert made.promised("people", tmp_path) == {"t": ["not null", "indexed"]}
    filled(postgres, "CREATE UNIQUE INDEX ON alike (t)")
    assert made.promised("people", tmp_path) == {"t": ["key", "not null", "indexed"]}
