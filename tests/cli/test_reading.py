"""`potable source discover` suggests reading on where a column tells changes by its name, its values and its database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.cli.test_discovering import discover
from tests.sources.web import Server

from potable.project import one_source
from potable.sources.suggest import tells_of_changes

ROWS = [(n, f"2024-01-{n % 28 + 1:02d} 10:00:00", "x") for n in range(1, 41)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "hr.yaml").write_text("source: hr\ntype: sql\nurl: sqlite:///hr.db\ntables: {people: {}}\n")
    return tmp_path


def people(project: Path, definition: str, rows: Any = ROWS, more: str = "") -> str:
    """What is suggested of a table."""
    with closing(sqlite3.connect(project / "hr.db")) as database, database:
        database.executescript(f"DROP TABLE IF EXISTS people; CREATE TABLE people ({definition}); {more}")
        database.executemany(f"INSERT INTO people VALUES ({','.join('?' * len(rows[0]))})", rows)
    return discover(project, source="hr").stdout


def suggested(text: str) -> Any:
    (table,) = YAML(typ="safe").load(text)["tables"].values()
    return table.get("incremental")


def test_a_column_the_database_keeps_is_suggested_with_its_evidence(project: Path) -> None:
    text = people(
        project,
        "id INTEGER PRIMARY KEY, updated_at TEXT NOT NULL, a TEXT",
        more="CREATE INDEX i ON people (updated_at, a);",
    )
    assert suggested(text) == {"column": "updated_at"}
    assert "by its name, timestamp, not null, indexed;" in text and "does not notice deleted records" in text
    facts = json.loads(discover(project, "-o", "json", source="hr").stdout)["people"]["incremental"]
    assert facts == {"column": "updated_at", "evidence": ["by its name", "timestamp", "not null", "indexed"]}


def test_a_column_that_tells_only_the_day_will_do(project: Path) -> None:
    rows = [(number, at[:10], rest) for number, at, rest in ROWS]
    text = people(project, "id INTEGER PRIMARY KEY, changed_on TEXT NOT NULL, a TEXT", rows)
    assert suggested(text) == {"column": "changed_on"} and "by its name, date, not null" in text


def test_what_is_written_loads_and_reads_on(project: Path) -> None:
    people(project, "id INTEGER PRIMARY KEY, updated_at TEXT NOT NULL, a TEXT")
    discover(project, "--write", source="hr")
    table = one_source(project, "hr").tables["people"]
    assert (table.incremental.column, table.known_column, table.unique) == ("updated_at", "updated_at", ["id"])


def test_a_name_and_values_that_are_always_there_are_evidence_too(project: Path) -> None:
    text = people(project, "id INTEGER, lastModified TEXT, a TEXT")
    assert suggested(text) == {"column": "last_modified"} and "never null in 40 records" in text


def test_of_several_the_one_the_database_keeps_is_taken(project: Path) -> None:
    rows = [(n, at, at, a) for n, at, a in ROWS]
    text = people(project, "id INTEGER PRIMARY KEY, modified_at TEXT, updated_at TEXT NOT NULL, a TEXT", rows)
    assert suggested(text) == {"column": "updated_at"}


def test_when_it_was_recorded_goes_before_when_it_changed(project: Path) -> None:
    rows = [(n, at, at, a) for n, at, a in ROWS]
    text = people(project, "id INTEGER PRIMARY KEY, changed_at TEXT NOT NULL, recorded_at TEXT NOT NULL, a TEXT", rows)
    assert suggested(text) == {"column": "recorded_at"} and "known: recorded_at" in text


@pytest.mark.parametrize(
    ("definition", "rows", "said"),
    [
        ("id INTEGER PRIMARY KEY, created_at TEXT NOT NULL, a TEXT", ROWS, ""),
        ("id INTEGER PRIMARY KEY, pay_date TEXT NOT NULL UNIQUE ON CONFLICT IGNORE, a TEXT", ROWS, ""),
        (
            "id INTEGER PRIMARY KEY, updated_at TEXT, a TEXT",
            [*ROWS, (99, None, "x")],
            "some records have no value in it",
        ),
        ("id INTEGER PRIMARY KEY, updated_at TEXT, a TEXT", [(n, "31.01.2024", a) for n, _, a in ROWS], ""),
        ("id INTEGER PRIMARY KEY, updated_at TEXT, a TEXT", [(n, "x", a) for n, _, a in ROWS], ""),
        ("id INTEGER, updated_at TEXT, a TEXT", [(1, at, a) for _, at, a in ROWS], "declare `unique`"),
    ],
)
def test_without_evidence_the_table_is_read_whole(project: Path, definition: str, rows: Any, said: str) -> None:
    text = people(project, definition, rows)
    assert suggested(text) is None and said in text
    assert said or "incremental" not in text


def test_a_query_is_judged_by_its_values(project: Path) -> None:
    people(project, "id INTEGER PRIMARY KEY, updated_at TEXT NOT NULL, a TEXT")
    file = "source: hr\ntype: sql\nurl: sqlite:///hr.db\ntables: {t: {query: SELECT * FROM people}}\n"
    (project / "sources" / "hr.yaml").write_text(file)
    text = discover(project, source="hr").stdout
    assert suggested(text) == {"column": "updated_at"} and "never null in 40 records" in text


def test_an_endpoint_is_only_told_what_it_would_take(project: Path, server: Server) -> None:
    records = [{"id": n, "updated_at": at.replace(" ", "T") + "Z"} for n, at, _ in ROWS]
    server.answers = [(200, {}, json.dumps({"data": records}).encode())]
    file = f"source: hr\ntype: rest\nurl: {server.url}\ntables: {{people: {{endpoint: /people, pagination: none}}}}\n"
    (project / "sources" / "hr.yaml").write_text(file)
    text = discover(project, source="hr").stdout
    assert suggested(text) is None
    assert "# incremental: {column: updated_at, param: …}" in text and "# known: updated_at" in text


def test_files_are_not_read_on(project: Path) -> None:
    (project / "a.csv").write_text("id,updated_at\n" + "".join(f"{n},{at}\n" for n, at, _ in ROWS))
    (project / "sources" / "hr.yaml").write_text("source: hr\ntype: csv\npath: a.csv\n")
    assert "incremental" not in discover(project, source="hr").stdout


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        *((name, True) for name in ("updated_at", "last_modified", "modified", "recorded_at", "sys_updated_on")),
        *((name, True) for name in ("changed_on", "update_ts", "last_update", "rec_modified_date", "write_date")),
        *((name, False) for name in ("created_at", "updated_by", "pay_date", "changes", "update", "recorded_hours")),
        *((name, False) for name in ("valid_from", "date", "timestamp", "last_login_at", "unmodified")),
    ],
)
def test_names_that_tell_changes(name: str, tells: bool) -> None:
    assert tells_of_changes(name) is tells


def made(project: Path, definition: str, rows: Any, more: str = "") -> Any:
    """The table as it is suggested."""
    (table,) = YAML(typ="safe").load(people(project, definition, rows, more))["tables"].values()
    return table


FEW = [(1, 7, "x"), (2, 7, "y")]


@pytest.mark.parametrize(
    ("definition", "more", "unique"),
    [
        ("n INTEGER, emp INTEGER, a TEXT, PRIMARY KEY (emp, n)", "", ["emp", "n"]),
        ("n INTEGER PRIMARY KEY, emp INTEGER, a TEXT NOT NULL UNIQUE", "", ["n"]),
        ("n INTEGER NOT NULL, emp INTEGER NOT NULL, a TEXT NOT NULL UNIQUE, UNIQUE (emp, n)", "", ["a"]),
        ("n INTEGER NOT NULL, emp INTEGER NOT NULL, a TEXT", "CREATE UNIQUE INDEX i ON people (emp, n);", ["emp", "n"]),
        ("n INTEGER UNIQUE, emp INTEGER, a TEXT", "", None),
        ("n INTEGER NOT NULL, emp INTEGER, a TEXT", "CREATE UNIQUE INDEX i ON people (n) WHERE emp = 1;", None),
        ("n INTEGER NOT NULL, emp INTEGER, a TEXT", "CREATE UNIQUE INDEX i ON people (abs(n));", None),
    ],
)
def test_the_key_a_database_declares_is_unique_however_few_records_there_are(
    project: Path, definition: str, more: str, unique: list[str] | None
) -> None:
    assert made(project, definition, FEW, more).get("unique") == unique


def test_the_key_a_database_declares_goes_before_one_the_records_bear_out(project: Path) -> None:
    rows = [(n, n % 4, f"{n}") for n in range(40)]
    assert made(project, "id INTEGER, part INTEGER, row_id TEXT, PRIMARY KEY (row_id, part)", rows)["unique"] == [
        "row_id",
        "part",
    ]
    assert "primary or unique key in the database" in discover(project, source="hr").stdout


def test_what_may_not_be_null_in_a_database_is_required_unless_it_is_empty(project: Path) -> None:
    columns = made(project, "id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT NOT NULL, c TEXT", [(1, "x", "", "y")])
    assert {name: column.get("required") for name, column in columns["columns"].items()} == {
        "id": True,
        "a": True,
        "b": None,
        "c": None,
    }
    assert "not null in its database" in discover(project, source="hr").stdout
