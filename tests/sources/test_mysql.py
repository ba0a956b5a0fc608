"""MariaDB, a real one: every type with all its digits, one snapshot, and failures that show nothing."""

from __future__ import annotations

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


def run(url: str, *statements: str) -> list[Sequence[Any]]:
    with connection(url) as opened, opened.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def reader(url: str, password: str = SECRET) -> str:
    return url.replace("root@", f"reader:{password}@")


def test_mariadb_gives_the_rows_sqlite_gives(mariadb: str, tmp_path: Path) -> None:
    types = "id int PRIMARY KEY, name text, pay decimal(12,2), rate double, active bool, born date, seen datetime(6)"
    with connection(mariadb) as opened, opened.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE TABLE people ({types}) CHARACTER SET utf8mb4")
        cursor.executemany("INSERT INTO people VALUES (%s, %s, %s, %s, %s, %s, %s)", ROWS)
    found = rows(source(reader(mariadb), unique=["id"]), tmp_path)
    assert values(found, *COLUMNS) == EXPECTED
    assert values(rows(source(reader(mariadb).replace("mysql:", "mariadb+pymysql:")), tmp_path), "id") != []


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
    "long_time": ("time(1)", "'-838:59:59.5'", "-838:59:59.500000"),
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


def test_every_type_keeps_all_its_digits(mariadb: str, tmp_path: Path) -> None:
    columns = ", ".join(f"`{name}` {kind}" for name, (kind, *_) in VALUES.items())
    stored = ", ".join(item for _, item, _ in VALUES.values())
    run(
        mariadb,
        f"CREATE OR REPLACE TABLE kinds ({columns}) CHARACTER SET utf8mb4",
        f"INSERT INTO kinds VALUES ({stored})",
    )
    for keys in ({"table": "kinds"}, {"query": "SELECT * FROM kinds"}):
        (found,) = rows(source(reader(mariadb), {name: {} for name in VALUES}, **keys), tmp_path)
        assert {name: found[name] for name in VALUES} == {name: read for name, (_, _, read) in VALUES.items()}


def test_a_declared_comma_is_of_texts_alone(mariadb: str, tmp_path: Path) -> None:
    kinds = ("decimal(9,3)", "double", "float", "int", "text", "varchar(9)")
    cells = ", ".join("1125" if kind == "int" else "'1.125'" for kind in kinds)
    names = [f"c{number}" for number in range(len(kinds))]
    table = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    run(mariadb, f"CREATE OR REPLACE TABLE people ({table})", f"INSERT INTO people VALUES ({cells})")
    (found,) = rows(source(mariadb, {name: {"type": "float", "decimal": ","} for name in names}), tmp_path)
    assert values([found], *names) == [(1.125, 1.125, 1.125, 1125, 1125, 1125)]


def test_the_moment_does_not_depend_on_the_zone_of_the_server(mariadb: str, tmp_path: Path) -> None:
    run(
        mariadb,
        "SET time_zone = '+05:30'",
        "CREATE OR REPLACE TABLE moments (t timestamp)",
        "INSERT INTO moments VALUES ('2020-01-01 05:30:00')",
    )
    made = source(reader(mariadb), {"t": {"type": "timestamp"}}, table="moments")
    assert values(rows(made, tmp_path), "t") == [datetime(2020, 1, 1)]


def test_texts_that_mariadb_takes_for_equal_have_one_order(mariadb: str, tmp_path: Path) -> None:
    made = source(reader(mariadb), {"a": {}}, table="cases")
    landed = []
    for order in ("('a'), ('A'), ('á')", "('á'), ('A'), ('a')"):
        run(
            mariadb,
            "CREATE OR REPLACE TABLE cases (a varchar(9)) CHARACTER SET utf8mb4",
            f"INSERT INTO cases VALUES {order}",
        )
        landed.append(arrivals(made, tmp_path))
    assert landed[0] == landed[1]


def test_all_tables_of_mariadb_come_from_one_snapshot(mariadb: str, tmp_path: Path) -> None:
    run(mariadb, "CREATE OR REPLACE TABLE people (id int)", "INSERT INTO people VALUES (1), (2)")
    columns = {"id": {"type": "integer"}}
    tables = {"first": {"table": "people", "columns": columns}, "second": {"table": "people", "columns": columns}}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": reader(mariadb), "tables": tables})
    seen = []
    for arrival in made.arrivals(tmp_path):
        with arrival.open() as stream:
            seen.append(stream.read())
        run(mariadb, "DELETE FROM people WHERE id = 1")
    assert seen[0] == seen[1]


def test_parts_hold_every_row_once(mariadb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 10)
    run(
        mariadb,
        "CREATE OR REPLACE TABLE people (id int, at timestamp NULL)",
        "INSERT INTO people SELECT seq, '2020-01-01' + INTERVAL seq DAY FROM seq_1_to_50",
        "INSERT INTO people VALUES (NULL, NULL)",
    )
    columns = {"id": {"type": "integer"}, "at": {"type": "timestamp"}}
    for column in columns:
        made = source(reader(mariadb), columns, order_by=["id"], partition={"column": column, "parts": 3})
        assert values(rows(made, tmp_path), "id") == [None, *range(1, 51)]
        names = [name for name, _ in arrivals(made, tmp_path)]
        assert names == [f"people-p0{part}-0000{n}.parquet" for part in (1, 2, 3) for n in (1, 2)]


def test_bytes_and_bits_have_parts(mariadb: str, tmp_path: Path) -> None:
    run(
        mariadb,
        "CREATE OR REPLACE TABLE people (id int, u binary(3), v varbinary(9), b bit(9), t varchar(9), e enum('z', 'a'))",
        "INSERT INTO people SELECT seq, unhex(sha1(seq)), unhex(left(sha1(seq), seq % 9 * 2)), seq, "
        "concat(seq % 7, char(39), char(92), 'ü'), 1 + seq % 2 FROM seq_1_to_50",
        "INSERT INTO people VALUES (51, NULL, NULL, NULL, NULL, NULL)",
    )
    columns: dict[str, Any] = {"id": {"type": "integer"}, "u": {}, "v": {}, "b": {}, "t": {}, "e": {}}
    for column in ("u", "v", "b", "t", "e"):
        made = source(reader(mariadb), columns, unique=["id"], partition={"column": column, "parts": 3})
        assert sorted(values(rows(made, tmp_path), "id")) == [*range(1, 52)], column


@pytest.mark.parametrize(
    ("user", "database", "keys", "said"),
    [
        (f"reader:x{SECRET}", "hr", {}, "the user name or password was refused"),
        (f"reader:{SECRET}", "nope", {}, "there is no such database"),
        (f"reader:{SECRET}", "hr", {"table": "nope"}, "there is no such table"),
        ("root", "hr", {"table": f"{SECRET}.people"}, "there is no such table"),
        (f"reader:{SECRET}", "hr", {"query": f"SELECT nope AS `{SECRET}` FROM people"}, "there is no such column"),
        (f"reader:{SECRET}", "hr", {"query": f"SELECT '{SECRET}' FROM"}, "does not understand"),
        (f"reader:{SECRET}", "hr", {"query": "SELECT (SELECT 1 UNION SELECT 2) AS id"}, "error 1242 of the server"),
        ("hurried", "hr", {"query": f"SELECT sleep(9) AS `{SECRET}` FROM people"}, "longer than the server allows"),
        ("root", f"hr?ssl_ca=/{SECRET}.pem", {}, "a certificate or key that the URL names cannot be read"),
    ],
)
def test_what_mariadb_refuses_is_told(
    mariadb: str, tmp_path: Path, user: str, database: str, keys: dict[str, Any], said: str
) -> None:
    run(mariadb, "CREATE OR REPLACE TABLE people (id int)", "INSERT INTO people VALUES (1)")
    with pytest.raises(EnvironmentFailure) as caught:
        arrivals(
            source(
                mariadb.replace("root", user).replace("/hr?", f"/{database}&" if "?" in database else f"/{database}?"),
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


def test_mariadb_is_only_read(mariadb: str, tmp_path: Path) -> None:
    run(mariadb, "CREATE OR REPLACE TABLE people (id int)", "CREATE OR REPLACE SEQUENCE numbers")
    with pytest.raises(EnvironmentFailure, match="could not be read: the statement would write"):
        arrivals(source(mariadb, query="SELECT nextval(numbers) AS id"), tmp_path)


def test_a_killed_connection_lands_nothing_and_a_retry_everything(mariadb: str, tmp_path: Path, faults: Any) -> None:
    run(
        mariadb,
        "CREATE OR REPLACE TABLE people (id int PRIMARY KEY, a varchar(2000))",
        "INSERT INTO people SELECT seq, repeat('x', 2000) FROM seq_1_to_6000",
    )

    def kill() -> None:
        for (number,) in run(mariadb, "SELECT id FROM information_schema.processlist WHERE user = 'reader'"):
            run(mariadb, f"KILL {number}")

    faults(source(reader(mariadb), {"id": {"type": "integer"}}, unique=["id"]), kill, 6_000)


def test_a_lock_that_another_session_holds_is_not_waited_for_for_ever(
    mariadb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_LONGEST_LOCK", 1)
    run(mariadb, "DROP TABLE IF EXISTS moved", "CREATE TABLE moved AS SELECT 1 AS id")
    made = source(mariadb, {"id": {}}, table="moved")
    with connection(mariadb) as other:
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


def test_a_table_emptied_meanwhile_is_never_landed_empty(mariadb: str, tmp_path: Path) -> None:
    run(mariadb, *(f"CREATE OR REPLACE TABLE {name} (id int)" for name in ("first", "second")))
    run(mariadb, *(f"INSERT INTO {name} VALUES (1)" for name in ("first", "second")))
    tables = {name: {"columns": {"id": {"type": "integer"}}} for name in ("first", "second")}
    made = SqlSource.model_validate({"source": "s", "type": "sql", "url": reader(mariadb), "tables": tables})
    offered = made.arrivals(tmp_path)
    assert next(offered).name == "first-00001.parquet"
    run(mariadb, "TRUNCATE TABLE second")
    with pytest.raises(EnvironmentFailure, match="was altered while it was being read"):
        list(offered)


def test_dates_are_typed(mariadb: str, tmp_path: Path) -> None:
    run(
        mariadb,
        "CREATE OR REPLACE TABLE people (d date, n decimal(5,2))",
        "INSERT INTO people VALUES ('2020-02-29', 1.5)",
    )
    made = source(reader(mariadb), {"d": {"type": "date"}, "n": {"type": "decimal(5,2)"}})
    assert values(rows(made, tmp_path), "d", "n") == [(date(2020, 2, 29), Decimal("1.50"))]


def test_what_the_database_promises_of_columns_is_told(mariadb: str, tmp_path: Path) -> None:
    run(
        mariadb,
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (id INT UNIQUE, `updated at` DATETIME NOT NULL, a INT, INDEX (`updated at`, a))",
    )
    found = source(mariadb, {"id": {}}).promised("people", tmp_path)
    assert found == {"id": ["indexed"], "updated at": ["not null", "indexed"]}


def test_bits_and_bytes_are_told_from_numbers(mariadb: str, tmp_path: Path) -> None:
    run(
        mariadb,
        "DROP TABLE IF EXISTS people",
        "CREATE TABLE people (n INT, b BIT(4), o BIT(1), i BINARY(2), v VARBINARY(2), l LONGBLOB, t TEXT)",
    )
    found = source(mariadb, {"n": {}}).promised("people", tmp_path)
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
    mariadb: str, tmp_path: Path, definition: str, key: list[str]
) -> None:
    run(
        mariadb,
        "DROP TABLE IF EXISTS people",
        # the first signs of a text alone tell nothing apart
        f"CREATE TABLE people ({definition}, t VARCHAR(90) NOT NULL, UNIQUE (t(3)))",
    )
    promised = source(mariadb, {"id": {}}).promised("people", tmp_path)
    assert [name for name, words in promised.items() if "key" in words] == key


def test_what_the_database_has_a_key_of_is_not_sorted_by_more(
    mariadb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(mariadb, "DROP TABLE IF EXISTS people", "CREATE TABLE people (id INT, n INT, t TEXT, PRIMARY KEY (id, n))")
    asked = []
    read = dialect.MysqlSession.rows
    monkeypatch.setattr(
        dialect.MysqlSession, "rows", lambda it, select: [asked.append(select.order), read(it, select)][1]
    )
    for unique in (["id", "n"], ["id"], []):
        arrivals(source(mariadb, {"id": {}, "n": {}, "t": {}}, unique=unique), tmp_path)
    key, sorted_ = ("q.`id`", "q.`n`"), ("CAST(q.`n` AS BINARY)", "CAST(q.`t` AS BINARY)")
    assert asked == [key, (key[0], *sorted_), key]
