"""Faults while the keys that are there now are read: a list is whole or not there, so no record counts as deleted that is there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.sources import dying
from tests.sources.objects import SECRET
from tests.sources.test_fault_matrix import (
    COLUMNS,
    KEYS,
    OBJECTS,
    POSITIONS,
    PROCESS,
    STOPS,
    Api,
    World,
    declared,
    numbers,
)
from tests.sources.web import Answer, Server

from potable.errors import EnvironmentFailure
from potable.sources import onwards, sql
from potable.sources.databases import sqlite
from potable.sources.databases.base import Select, Session
from potable.sources.ingest import current

GONE = "E0001"
"""The record that is deleted after the first reading."""


class Listed(World):
    """A system whose keys are read too, one a chunk or page: after the first reading one record is gone and one new."""

    TABLE: ClassVar[dict[str, Any]] = {"unique": ["no"], "known": "at"}
    COLUMNS: ClassVar[dict[str, Any]] = {**COLUMNS, "at": {"type": "timestamp"}}
    ON: ClassVar[dict[str, Any]] = {"column": "at", "keys": {"every": "1d"}}

    now = datetime(2024, 2, 1, tzinfo=UTC)

    def keep_time(self, patch: pytest.MonkeyPatch) -> None:
        """Let sources see this time."""
        patch.setattr(onwards, "now", lambda: self.now)

    @property
    def there(self) -> list[str]:
        """The keys there are."""
        raise NotImplementedError

    def remove(self, no: str) -> None:
        """Delete a record."""
        raise NotImplementedError

    def listed(self) -> list[list[str]]:
        """The keys of each list that was landed."""
        found: dict[int, list[str]] = {}
        for item in current(self.landing.log).objects.values():
            for blob in self.source.blobs([item], self.landing.store.locate("")) if item.keys_of else ():
                rows = [row for batch in self.source.parse("t", blob) for row in batch.to_pylist()]
                found.setdefault(item.batch, []).extend(row["no"] for row in rows)
        return [sorted(keys) for keys in found.values()]


class ListedDatabase(Listed):
    """A database, a row a chunk."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self.keep_time(patch)
        patch.setattr(sql, "CHUNK_ROWS", 1)
        patch.setattr(sqlite, "_ROWS", 1)
        table = {**self.TABLE, "table": "people", "incremental": self.ON}
        self.source = declared("sql", url="sqlite:///hr.db", columns=self.COLUMNS, table=table)
        self.meddle: Callable[[Session, int], None] = lambda session, number: None
        rows = sqlite.SqliteSession.rows

        def read(session: Any, select: Select) -> Iterator[Any]:
            for number, part in enumerate(rows(session, select)):
                if [column.name for column in select.columns] == ["no"]:
                    self.meddle(session, number)
                yield part

        patch.setattr(sqlite.SqliteSession, "rows", read)

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.folder / "hr.db")) as database:
            # what is written while it is read is not waited for
            database.execute("PRAGMA journal_mode = WAL")
            with database:
                for statement in statements:
                    database.execute(statement)

    def grow(self, count: int) -> None:
        self.run("CREATE TABLE IF NOT EXISTS people (no UNIQUE, name, at)")
        for no in numbers(count):
            self.run(f"INSERT OR IGNORE INTO people VALUES ('{no}', 'Ama', '2024-01-01 00:00:00')")

    def remove(self, no: str) -> None:
        self.run(f"DELETE FROM people WHERE no = '{no}'")

    @property
    def there(self) -> list[str]:
        with closing(sqlite3.connect(self.folder / "hr.db")) as database:
            return [no for (no,) in database.execute("SELECT no FROM people ORDER BY no")]

    @contextmanager
    def fault(self, name: str, position: int) -> Iterator[None]:
        def meddle(session: Session, number: int) -> None:
            if number == position:
                self.met += 1
                if name == "reset":
                    with session.told("t"):
                        raise sqlite3.OperationalError("disk I/O error")
                else:
                    self.run("DELETE FROM people WHERE no = 'E0004'", "INSERT INTO people VALUES ('E0099', 'B', NULL)")

        self.meddle = meddle
        yield
        self.meddle = lambda session, number: None


class ListedApi(Listed, Api):
    """An endpoint for the keys beside that of the records, one a page."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, server: Server) -> None:
        Api.__init__(self, folder, patch, server)
        self.keep_time(patch)
        self.records: list[str] = []
        table = {
            **self.TABLE,
            "endpoint": "/list",
            "pagination": {"page": "p", "total": "total"},
            "incremental": {**self.ON, "param": "since", "keys": {"every": "1d", "endpoint": "/ids"}},
        }
        auth = self.source.auth  # type: ignore[attr-defined]
        self.source = declared("rest", url=server.url, columns=self.COLUMNS, table=table, auth=auth, timeout=0.3)
        self.cut: int | None = None
        self.shift: int | None = None

    def grow(self, count: int) -> None:
        self.records += [no for no in numbers(count) if no not in self.records]

    def remove(self, no: str) -> None:
        self.records.remove(no)

    @property
    def there(self) -> list[str]:
        return sorted(self.records)

    def page(self, number: int) -> Answer:
        found = [{"no": no, "name": "Ama", "at": "2024-01-01"} for no in self.records[number : number + 1]]
        return 200, {}, json.dumps({"data": found, "total": len(self.records)}).encode()

    def handle(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == "/list":
            return self.page(int(query["p"][0]) - 1)
        number = int(query["p"][0]) - 1 if "p" in query else -1
        if self.cut is not None and number >= self.cut:
            self.met += 1
            return 200, {}, json.dumps({"data": [], "total": len(self.records)}).encode()
        if self.shift == number:
            # all behind it move up by one
            self.met, self.shift = self.met + 1, None
            self.records.pop(0)
        return super().handle(path, query)

    @contextmanager
    def fault(self, name: str, position: int) -> Iterator[None]:
        if name == "short list":
            self.met, self.cut = 0, position
            yield
            self.cut = None
        elif name == "shifted page":
            self.met, self.shift = 0, position
            yield
        else:
            # the first page of the keys is number 0, as is that of the records
            with super().fault(name, position - 1):
                yield

    def other(self, number: int) -> dict[str, Any]:
        return {"more": 1, "id": self.records[number]}


@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind, faults in KEYS.items() for fault in faults])
def test_a_list_of_keys_is_whole_or_not_there(
    kind: str, fault: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for position in POSITIONS.values():
        folder = tmp_path / str(position)
        folder.mkdir()
        if kind == "sql keys":
            made: Listed = ListedDatabase(folder, monkeypatch)
        else:
            made = ListedApi(folder, monkeypatch, request.getfixturevalue("server"))
        _prove(made, fault, position)
        monkeypatch.undo()


def _prove(made: Listed, fault: str, position: int) -> None:
    made.grow(OBJECTS)
    assert made.ingest() == OBJECTS and not made.listed()
    made.now += timedelta(1)
    made.remove(GONE)
    made.grow(OBJECTS + 1)
    made.remove(GONE)
    assert len(made.there) == OBJECTS
    before = made.there
    finished = _run_with(made, fault, position)
    # the first page of a list is the first that could tell how many there are
    stops = fault in {*STOPS, "short list"} or (fault, isinstance(made, ListedDatabase)) == ("reset", True)
    assert finished is not (stops or (fault == "shifted page" and position > 0))
    if finished:
        assert made.listed() == [before if fault != "shifted page" else made.there]
    else:
        assert made.listed() == [] and current(made.landing.log).batch == 1 and made.rows() == numbers(OBJECTS)
    made.now += timedelta(1)
    assert made.ingest() > 0
    assert made.listed()[-1] == made.there
    # nothing is lost, nothing doubled; what is deleted was landed all the same
    assert made.rows() == [*numbers(OBJECTS + 1), *(["E0099"] if fault == "changed" else [])]
    assert made.ingest() == 0


def _run_with(made: Listed, fault: str, position: int) -> bool:
    """Whether the run with the fault finished."""
    if fault in PROCESS:
        # before the keys there is the new record
        code = dying.landed(made.source, made.folder, made.folder / "lake", fault, position + 1)
        assert code == (-9 if fault == "killed" else 4)
        return False
    with made.fault(fault, position):
        try:
            made.ingest()
        except EnvironmentFailure as failure:
            assert failure.code == "E001" and SECRET not in failure.text()
            return False
        finally:
            assert made.met
    return True
