"""MariaDB and MySQL, real ones: every type with all its digits, one snapshot, and failures that show nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.sources.objects import SECRET, values
from tests.sources.test_sql import COLUMNS, EXPECTED, ROWS, arrivals, rows, source

from potable.errors import EnvironmentFailure
from potable.sources import sql as module
from potable.sources.databases import base as why
from potable.sources.databases import mysql as dialect
from potable.sources.sql import SqlSource


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """A connection of its own as root, without a strict mode, so that odd values can be stored."""
    import pymysql

    with closing(pymysql.connect(unix_socket=url.partition("unix_socket=")[2], user="root", database="hr")) as opened:
        opened.cursor().execute("SET sql_mode = ''")
        yield opened
        opened.commit()


@pytest.fixture(params=["mariadb", pytest.param("mysql_server", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest) -> str:
    """URL of each server in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


def is_mysql(url: str) -> bool:
    return bool(run(url, "SELECT 1 WHERE version() NOT LIKE '%MariaDB%'"))


def run(url: str, *statements: str) -> list[Sequence[Any]]:
    with connection(url) as opened, opened.cursor() as cursor:
        for statement in statements:
            # which MariaDB alone can say at once
            if again := re.match(r"CREATE OR REPLACE TABLE (\w+)", statement):
                cursor.execute(f"DROP TABLE IF EXISTS {again[1]}")
            cursor.execute(statement.replace("CREATE OR REPLACE TABLE", "CREATE TABLE"))
        return list(cursor.fetchall())


def reader(url: str, password: str = SECRET) -> str:
    return url.replace("root@", f"reader:{password}@")


def test_both_give_the_rows_sqlite_gives(server: str, tmp_path: Path) -> None:
    types = "id int PRIMARY KEY, name text, pay decimal(12,2), rate double, active bool, born date, seen datetime(6)"
    run(server, f"CREATE OR REPLACE TABLE people ({types}) CHARACTER SET utf8mb4")
    with connection(server) as opened, opened.cursor() as cursor:
        cursor.executemany("INSERT INTO people VALUES (%s, %s, %s, %s, %s, %s, %s)", ROWS)
    found = rows(source(reader(server), unique=["id"]), tmp_path)
    assert values(found, *COLUMNS) == EXPECTED
    assert values(rows(source(reader(server).replace("mysql:", "mariadb+pymysql:")), tmp_path), "id") != []


VALUES: dict[str, tuple[str, str, str | None]] = {
    "unsigned": ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
    "padded": ("int(5) zerofill", "42", "00042"),
    "flags": ("bit(5)", "b'00101'", "00101"),
    "zero_date": ("date", "'0000-00-00'", "0000-00-00"),
    "no_day": ("datetime", "'2023-02-30 00:00:00'", "0000-00-00 00:00:00"),
    "millis": ("datetime(3)", "'2020-01-01 10:00:00.25'", "2020-01-01 10:00:00.250000"),
    "whole": ("datetime(6)", "'2020-01-01 10:00:00'", "2020-01-01 10:00:00"),
    "in_utc": ("timestamp(3) NULL", "'2020-01-01 10:00:00.5'", "2020-01-01 10:00:00.500000+00:00"),
    "no_stamp": ("timestamp NULL", "0", "0000-00-00 00:00:00"),
    "long_time": ("time(1)", "'-838:59:58.5'", "-838:59:58.500000"),
    "year": ("year", "1999", "1999"),
    "single": ("float", "16777217", "16777216.0"),
    "third": ("float", "0.1", "0.1"),
    "tiny": ("double", "1e-7", "0.0000001"),
    "huge": ("double", "123456789012345680000", "123456789012345680000"),
    "exact": ("decimal(30,10)", "'-12345678901234567890.0000000001'", "-12345678901234567890.0000000001"),
    "mood": ("enum('good','bad')", "'bad'", "bad"),
    "tags": ("set('x','y')", "'y,x'", "x,y"),
    "document": ("json", """'{"a": [1.10, "é"]}'""", '{"a": [1.10, "é"]}'),
    "bytes": ("binary(3)", "'ab'", "616200"),
    "blob": ("blob", "x'00ff'", "00ff"),
    "latin": ("varchar(9) character set latin1", "'Ünal'", "Ünal"),
    "uuid": ("uuid", "'a81bc81b-dead-4e5d-abff-90865d1e13b1'", "a81bc81b-dead-4e5d-abff-90865d1e13b1"),
    "nothing": ("int", "NULL", None),
}
"""By column: its type, what is stored and what is read."""


def test_every_type_keeps_all_its_digits(server: str, tmp_path: Path) -> None:
    kinds = dict(VALUES)
    if is_mysql(server):
        # which has no such type, and keeps a number of JSON as a number
        del kinds["uuid"]
        kinds["document"] = ("json", """'{"a": [1.10, "é"]}'""", '{"a": [1.1, "é"]}')
    columns = ", ".join(f"`{name}` {kind}" for name, (kind, *_) in kinds.items())
    stored = ", ".join(item for _, item, _ in kinds.values())
    run(
        server,
        f"CREATE OR REPLACE TABLE kinds ({columns}) CHARACTER SET utf8mb4",
        f"INSERT INTO kinds VALUES ({stored})",
    )
    for keys in ({"table": "kinds"}, {"query": "SELECT * FROM kinds"}):
        (found,) = rows(source(reader(server), {name: {} for name in kinds}, **keys), tmp_path)
        assert {name: found[name] for name in kinds} == {name: read for name, (_, _, read) in kinds.items()}


def test_a_declared_comma_is_of_texts_alone(server: str, tmp_path: Path) -> None:
    kinds = ("decimal(9,3)", "double", "float", "int", "text", "varchar(9)")
    cells = ", ".join("1125" if kind == "int" else "'1.125'" for kind in kinds)
    names = [f"c{number}" for number in range(len(kinds))]
    table = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    run(server, f"CREATE OR REPLACE TABLE people ({table})", f"INSERT INTO people VALUES ({cells})")
    (found,) = rows(source(server, {name: {"type": "float", "decimal": ","} for name in names}), tmp_path)
    assert values([found], *names) == [(1.125, 1.125, 1.125, 1125, 1125, 1125)]


def test_the_moment_does_not_depend_on_the_zone_of_the_server(server: str, tmp_path: Path) -> None:
    run(
        server,
        "SET time_zone = '+05:30'",
        "CREATE OR REPLACE TABLE moments (t timestamp)",
        "INSERT INTO moments VALUES ('2020-01-01 05:30:00')",
    )
    made = source(reader(server), {"t": {"type": "timestamp"}}, table="moments")
    assert values(rows(made, tmp_path), "t") == [datetime(2020, 1, 1)]


def test_texts_that_are_equal_to_it_have_one_order(server: str, tmp_path: Path) -> None:
    made = source(reader(server), {"a": {}}, table="cases")
    landed = []
    for order in ("('a'), ('A'), ('á')", "('á'), ('A'), ('a')"):
        run(
            server,
            "CREATE OR REPLACE TABLE cases (a varchar(9)) CHARACTER SET utf8mb4",
            f"INSERT INTO cases VALUES {order}",
        )
        landed.append(arrivals(made, tmp_path))
    assert landed[0] == landed[1]


def test_all_tables_come_from_one_snapshot(server: str, tmp_path: Path) -> None:
    run(server, "CREATE OR REPLACE TABLE people (id int)", "INSERT INTO people VALUES (1), (2)")
    columns = {"id": {"type": "integer"}}
    tables = {"first": {"table": "people", "columns": columns}, "second": {"table": "people", "columns": columns}}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": reader(server), "tables": tables})
    seen = []
    for arrival in made.arrivals(tmp_path):
        with arrival.open() as stream:
            seen.append(stream.read())
        run(server, "DELETE FROM people WHERE id = 1")
    assert seen[0] == seen[1]


def test_parts_hold_every_row_once(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 10)
    run(
        server,
        "CREATE OR REPLACE TABLE people (id int, at timestamp NULL)",
        "INSERT INTO people SELECT seq, '2020-01-01' + INTERVAL seq DAY FROM seq_1_to_50",
        "INSERT INTO people VALUES (NULL, NULL)",
    )
    columns = {"id": {"type": "integer"}, "at": {"type": "timestamp"}}
    for column in columns:
        made = source(reader(server), columns, order_by=["id"], partition={"column": column, "parts": 3})
        assert values(rows(made, tmp_path), "id") == [None, *range(1, 51)]
        names = [name for name, _ in arrivals(made, tmp_path)]
        assert names == [f"people-p0{part}-0000{n}.parquet" for part in (1, 2, 3) for n in (1, 2)]


def test_bytes_and_bits_have_parts(server: str, tmp_path: Path) -> None:
    run(
        server,
        "CREATE OR REPLACE TABLE people (id int, u binary(3), v varbinary(9), b bit(9), t varchar(9), e enum('z', 'a'))",
        "INSERT INTO people SELECT seq, unhex(sha2(seq, 224)), unhex(left(sha2(seq, 224), seq % 9 * 2)), seq, "
        "concat(seq % 7, char(39), char(92), 'ü'), 1 + seq % 2 FROM seq_1_to_50",
        "INSERT INTO people VALUES (51, NULL, NULL, NULL, NULL, NULL)",
    )
    columns: dict[str, Any] = {"id": {"type": "integer"}, "u": {}, "v": {}, "b": {}, "t": {}, "e": {}}
    for column in ("u", "v", "b", "t", "e"):
        made = source(reader(server), columns, unique=["id"], partition={"column": column, "parts": 3})
        assert sorted(values(rows(made, tmp_path), "id")) == [*range(1, 52)], column


@pytest.mark.parametrize(
    ("user", "database", "keys", "said"),
    [
        (f"reader:x{SECRET}", "hr", {}, "the user name or password was refused"),
        (f"reader:{SECRET}", "nope", {}, "there is no such database"),
        (f"reader:{SECRET}", "hr", {"table": "nope"}, "there is no such table"),
        ("root", "hr", {"table": f"{SECRET}.people"}, "there is no such "),
        (f"reader:{SECRET}", "hr", {"query": f"SELECT nope AS `{SECRET}` FROM people"}, "there is no such column"),
        (f"reader:{SECRET}", "hr", {"query": f"SELECT '{SECRET}' FROM"}, "does not understand"),
        (f"reader:{SECRET}", "hr", {"query": "SELECT (SELECT 1 UNION SELECT 2) AS id"}, "error 1242 of the server"),
        ("hurried", "hr", {"query": f"SELECT sleep(9) AS `{SECRET}` FROM people"}, "longer than the server allows"),
        ("root", f"hr?ssl_ca=/{SECRET}.pem", {}, "a certificate or key that the URL names cannot be read"),
    ],
)
def test_what_it_refuses_is_told(
    server: str, tmp_path: Path, user: str, database: str, keys: dict[str, Any], said: str
) -> None:
    if user == "hurried" and is_mysql(server):
        pytest.skip("MySQL has no limit of time for a user")
    run(server, "CREATE OR REPLACE TABLE people (id int)", "INSERT INTO people VALUES (1)")
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(
            source(
                server.replace("root", user).replace("/hr?", f"/{database}&" if "?" in database else f"/{database}?"),
                **keys,
            ),
            tmp_path,
        )
    assert caught.value.code == "E001"
    assert said in caught.value.problem
    assert SECRET not in caught.value.text() + repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://u:{SECRET}/#?@x/y", "is not valid"),
        (f"mysql://u:{SECRET}@127.0.0.1:port/y", "is not valid"),
        (f"mysql://u:{SECRET}@127.0.0.1/y?conect_timeout=1", "has the unknown setting `conect_timeout`"),
        (f"mysql://u:{SECRET}@127.0.0.1:1/y?connect_timeout=1", "no server answers at this address"),
    ],
)
def test_urls_that_cannot_be_used_show_nothing(url: str, said: str, tmp_path: Path) -> None:
    pytest.importorskip("pymysql", reason="pymysql is not installed")
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(source(url), tmp_path)
    assert said in caught.value.problem
    assert SECRET not in caught.value.text()


def test_it_is_only_read(server: str, tmp_path: Path) -> None:
    run(
        server,
        "CREATE OR REPLACE TABLE people (id int)",
        "DROP FUNCTION IF EXISTS written",
        "CREATE FUNCTION written() RETURNS int BEGIN INSERT INTO people VALUES (1); RETURN 1; END",
    )
    with pytest.raises(EnvironmentFailure, match="could not be read: the statement would write"):
        arrivals(source(server, query="SELECT written() AS id"), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("tls", ["", "?ssl_ca={ca}", "?ssl_ca={ca}&ssl_verify_cert=true"])
def test_mysql_takes_passwords_over_tcp_in_its_own_way(mysql_server: str, tmp_path: Path, tls: str) -> None:
    """Its default needs a key of the server's where a connection is in the clear."""
    run(mysql_server, "CREATE OR REPLACE TABLE people (id int)", "INSERT INTO people VALUES (1)")
    ((port, folder),) = run(mysql_server, "SELECT @@port, @@datadir")
    url = f"mysql://reader:{SECRET}@127.0.0.1:{port}/hr{tls.format(ca=f'{folder}ca.pem')}"
    assert values(rows(source(url, {"id": {}}), tmp_path), "id") == ["1"]


def test_a_killed_connection_lands_nothing_and_a_retry_everything(server: str, tmp_path: Path, faults: Any) -> None:
    run(
        server,
        "CREATE OR REPLACE TABLE people (id int PRIMARY KEY, a varchar(2000))",
        "INSERT INTO people SELECT seq, repeat('x', 2000) FROM seq_1_to_6000",
    )

    def kill() -> None:
        for (number,) in run(server, "SELECT id FROM information_schema.processlist WHERE user = 'reader'"):
            run(server, f"KILL {number}")

    faults(source(reader(server), {"id": {"type": "integer"}}, unique=["id"]), kill, 6_000)


def test_a_lock_that_another_session_holds_is_not_waited_for_for_ever(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_LONGEST_LOCK", 1)
    run(server, "DROP TABLE IF EXISTS moved", "CREATE TABLE moved AS SELECT 1 AS id")
    made = source(server, {"id": {}}, table="moved")
    with connection(server) as other:
        other.query("LOCK TABLES moved WRITE")
        with pytest.raises(EnvironmentFailure, match="locked by another session") as caught:
            arrivals(made, tmp_path)
    assert caught.value.retryable
    assert values(rows(made, tmp_path), "id") == ["1"]


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        (1040, why.FULL),
        (1041, why.SHORT),
        (1130, why.BARRED),
        (1213, why.CONFLICT),
        (2026, why.NO_TLS),
        (3118, why.REFUSED),
        (3169, why.LOST),
    ],
)
def test_what_a_server_says_is_told(code: int, meant: why.Reason) -> None:
    err = pytest.importorskip("pymysql", reason="pymysql is not installed").err
    session = dialect.MysqlSession("s", SimpleNamespace(err=err), {})
    assert session.reason(err.OperationalError(code, SECRET)) is meant


def test_a_table_emptied_meanwhile_is_never_landed_empty(server: str, tmp_path: Path) -> None:
    run(server, *(f"CREATE OR REPLACE TABLE {name} (id int)" for name in ("first", "second")))
    run(server, *(f"INSERT INTO {name} VALUES (1)" for name in ("first", "second")))
    tables = {name: {"columns": {"id": {"type": "integer"}}} for name in ("first", "second")}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": reader(server), "tables": tables})
    offered = made.arrivals(tmp_path)
    assert next(offered).name == "first-00001.parquet"
    run(server, "TRUNCATE TABLE second")
    with pytest.raises(EnvironmentFailure, match="was altered while it was being read"):
        list(offered)


def test_dates_are_typed(server: str, tmp_path: Path) -> None:
    run(
        server,
        "CREATE OR REPLACE TABLE people (d date, n decimal(5,2))",
        "INSERT INTO people VALUES ('2020-02-29', 1.5)",
    )
    made = source(reader(server), {"d": {"type": "date"}, "n": {"type": "decimal(5,2)"}})
    assert values(rows(made, tmp_path), "d", "n") == [(date(2020, 2, 29), Decimal("1.50"))]


def test_what_the_database_promises_of_columns_is_told(server: str, tmp_path: Path) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (id INT UNIQUE, `updated at` DATETIME NOT NULL, a INT, INDEX (`updated at`, a))",
    )
    found = source(server, {"id": {}}).promised("people", tmp_path)
    assert found == {"id": ["indexed"], "updated at": ["not null", "indexed"]}


def test_bits_and_bytes_are_told_from_numbers(server: str, tmp_path: Path) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (n INT, b BIT(4), o BIT(1), i BINARY(2), v VARBINARY(2), l LONGBLOB, t TEXT)",
    )
    found = source(server, {"n": {}}).promised("people", tmp_path)
    assert found == {name: ["bits or bytes"] for name in ("b", "i", "v", "l")}


@pytest.mark.parametrize(
    ("definition", "key"),
    [
        ("n INT, emp INT, PRIMARY KEY (emp, n)", ["emp", "n"]),
        ("id INT PRIMARY KEY, emp INT NOT NULL UNIQUE", ["id"]),
        ("a INT NOT NULL, b INT NOT NULL, emp INT NOT NULL UNIQUE, UNIQUE (b, a)", ["emp"]),
        ("emp INT UNIQUE", []),
    ],
)
def test_the_key_a_table_declares_is_told_in_its_order(
    server: str, tmp_path: Path, definition: str, key: list[str]
) -> None:
    run(
        server,
        "DROP TABLE IF EXISTS people",
        # the first signs of a text alone tell nothing apart
        f"CREATE TABLE people ({definition}, t VARCHAR(90) NOT NULL, UNIQUE (t(3)))",
    )
    promised = source(server, {"id": {}}).promised("people", tmp_path)
    assert [name for name, words in promised.items() if "key" in words] == key


def test_what_the_database_has_a_key_of_is_not_sorted_by_more(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server, "DROP TABLE IF EXISTS people", "CREATE TABLE people (id INT, n INT, t TEXT, PRIMARY KEY (id, n))")
    asked = []
    read = dialect.MysqlSession.rows
    monkeypatch.setattr(
        dialect.MysqlSession, "rows", lambda it, select: [asked.append(select.order), read(it, select)][1]
    )
    for unique in (["id", "n"], ["id"], []):
        arrivals(source(server, {"id": {}, "n": {}, "t": {}}, unique=unique), tmp_path)
    key, sorted_ = ("q.`id`", "q.`n`"), ("CAST(q.`n` AS BINARY)", "CAST(q.`t` AS BINARY)")
    assert asked == [key, (key[0], *sorted_), key]
