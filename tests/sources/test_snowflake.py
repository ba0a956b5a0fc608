"""Snowflake, by its own driver, from a server that speaks its protocol (fakesnow): a real account was never asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.sources.objects import SECRET, landed_rows, values
from tests.sources.test_sql import arrivals, rows, source

from potable.errors import EnvironmentFailure
from potable.sources.ingest import Landing, ingest
from potable.sources.sql import SqlSource
from potable.store.log import Log
from potable.store.objects import Store

SERVER = Path(sys.executable).parent.parent / "snowflake" / "bin" / "python"
TYPES: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    "EMP_NO": ("varchar", "'E1'", {}, "E1"),
    "PAY": ("number(12,2)", "12.50", {"type": "decimal(12,2)"}, Decimal("12.50")),
    "WHOLE": ("number(18,0)", "123456789012345678", {"type": "integer"}, 123456789012345678),
    "RATE": ("float", "0.1", {"type": "float"}, 0.1),
    "ACTIVE": ("boolean", "true", {"type": "boolean"}, True),
    "SEEN": ("timestamp_tz", "'2024-01-01 00:00:00+02:00'::timestamp_tz", {"type": "timestamp"}, "2023-12-31T22:00:00"),
    "LOGGED": ("timestamp_ntz", "'2024-01-01 10:00:00.123456'", {"type": "timestamp"}, "2024-01-01T10:00:00.123456"),
    "BORN": ("date", "'1980-02-29'", {"type": "date"}, date(1980, 2, 29)),
    "CLOCK": ("time", "'10:00:00'", {}, "10:00:00"),
    "MORE": ("variant", "parse_json('{\"a\": [1, null]}')", {}, '{"a":[1,null]}'),
    "BYTES": ("binary", "to_binary('AB01', 'HEX')", {}, "ab01"),
    "Full Name": ("varchar", "'Ünal; \"x\"'", {}, 'Ünal; "x"'),
}


@dataclass
class Snow:
    """A server with one database."""

    process: subprocess.Popen[str]
    url: str

    def run(self, *statements: str) -> None:
        for statement in statements:
            answer = told(self.process, json.dumps(statement))
            assert "error" not in answer, answer


def told(process: subprocess.Popen[str], line: str = "") -> dict[str, Any]:
    assert process.stdin and process.stdout
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


@pytest.fixture(scope="module")
def snow() -> Iterator[Snow]:
    pytest.importorskip("adbc_driver_snowflake", reason="adbc-driver-snowflake is not installed")
    if not SERVER.exists():
        pytest.skip("fakesnow is not there: `make .venv/.snowflake`")
    command = [str(SERVER), str(Path(__file__).with_name("snowflake_server.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        to = told(process)
        place = f"{to['host']}:{to['port']}/HR/STAFF?account={to['account']}&protocol=http"
        made = Snow(process, f"snowflake://{to['user']}:{to['password']}@{place}")
        made.run("create database HR", "create schema HR.STAFF", "use schema HR.STAFF")
        columns = ", ".join(f'"{name}" {kind}' for name, (kind, *_) in TYPES.items())
        made.run(f"create table PEOPLE ({columns})")
        made.run(f"insert into PEOPLE select {', '.join(text for _, text, *_ in TYPES.values())}")
        # fakesnow tells a moment that is null as 1970, which its protocol does not
        rest = [text if "timestamp" in kind else "null" for kind, text, *_ in TYPES.values()]
        made.run(f"insert into PEOPLE select {', '.join(rest)}")
        yield made
        process.kill()


def test_every_type_comes_as_it_is(snow: Snow, tmp_path: Path) -> None:
    columns = {name.lower().replace(" ", "_"): {"path": name, **declared} for name, (*_, declared, _) in TYPES.items()}
    found = rows(source(snow.url, columns, table="PEOPLE"), tmp_path)
    (filled,) = [row for row in found if row["emp_no"]]
    told = [value.isoformat() if isinstance(value, datetime) else value for value in map(filled.get, columns)]
    assert told == [wanted for *_, wanted in TYPES.values()]
    (empty,) = [row for row in found if not row["emp_no"]]
    assert [name for name in columns if empty[name] is not None] == ["seen", "logged"]
    assert [row["_unparsed"] for row in found] == [None, None]


def test_parts_and_queries_give_the_same_rows(snow: Snow, tmp_path: Path) -> None:
    snow.run("create or replace table NUMBERS (ID number(9,0), TEXT varchar)")
    snow.run("insert into NUMBERS select seq4(), 'row ' || seq4() from table(generator(rowcount => 20000))")
    columns = {"id": {"path": "ID", "type": "integer"}, "text": {"path": "TEXT"}}
    keys: list[dict[str, Any]] = [
        {"table": "NUMBERS"},
        {"table": "HR.STAFF.NUMBERS", "order_by": ["ID"]},
        {"table": "NUMBERS", "order_by": ["ID"], "partition": {"column": "id", "parts": 3}},
        {"query": 'SELECT ID, "TEXT" FROM NUMBERS'},
    ]
    found = [
        values(rows(source(snow.url, columns, **each), tmp_path / str(at)), "id", "text")
        for at, each in enumerate(keys)
    ]
    wanted = [(number, f"row {number}") for number in range(20_000)]
    assert all(sorted(each) == wanted for each in found) and found[1] == wanted


def test_later_runs_land_what_was_recorded_since(snow: Snow, tmp_path: Path) -> None:
    snow.run("create or replace table JOBS (ID number(9,0), AT_ timestamp_tz)")
    snow.run("insert into JOBS select 1, '2024-01-01 00:00:00+00:00'::timestamp_tz")
    columns = {"id": {"path": "ID", "type": "integer"}, "at": {"path": "AT_", "type": "timestamp"}}
    keys = {"table": "JOBS", "unique": ["id"], "known": "at", "incremental": {"column": "at", "overlap": "1d"}}
    made, store = source(snow.url, columns, **keys), Store(str(tmp_path))
    landing = Landing(store, Log(store, "raw/s/batches"))
    assert len(ingest(made, landing, base=tmp_path).objects) == 1
    assert len(ingest(made, landing, base=tmp_path).objects) == 1
    snow.run("insert into JOBS select 2, '2024-01-01 08:00:00+00:00'::timestamp_tz")
    ingest(made, landing, base=tmp_path)
    assert sorted(row["id"] for row in landed_rows(made, landing, "people")) == [1, 2]


@pytest.mark.parametrize(
    "change", [{"table": "NONE"}, {"query": f"SELECT '{SECRET}' FROM"}, {"query": "SELECT NOPE FROM PEOPLE"}]
)
def test_what_cannot_be_read_is_told_without_the_servers_words(
    snow: Snow, change: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentFailure) as raised:
        arrivals(source(snow.url, {"emp_no": {"path": "EMP_NO"}}, **change), tmp_path)
    assert SECRET not in raised.value.text() and raised.value.code in ("E001", "E007")


def test_a_server_that_is_gone_is_told(snow: Snow, tmp_path: Path) -> None:
    url = snow.url.replace(snow.url.rpartition("@")[2].partition("/")[0], "127.0.0.1:9")
    made: SqlSource = source(f"{url}&loginTimeout=1&clientTimeout=1", {"emp_no": {}}, table="PEOPLE")
    with pytest.raises(EnvironmentFailure) as raised:
        arrivals(made, tmp_path)
    assert raised.value.code == "E001"
