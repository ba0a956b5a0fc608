"""Records deleted in a database leave its validated table, by a mark or by a list of keys, in layers as in a whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.runs.test_layers import Notes, notes_project, open_notes
from tests.sources.test_keys import Clock, clock

from potable.contracts.deletions import deleted_schema
from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.project import Project
from potable.sources.ingest import Landing, ingest
from potable.sources.onwards import IncrementalTable
from potable.store.manifest import Manifest

__all__ = ["clock"]

PEOPLE = """
source: notes
type: sql
url: sqlite:///hr.db
tables:
  notes:
    columns:
      emp_no: {type: string, required: true, key: emp_no}
      day: {type: date, required: true, category: none}
      left: {type: boolean, category: none}
    unique: [emp_no]
    time: day
    known: day
    deleted: left
    incremental: {column: day, keys: {every: 7d}}
"""


class Staff(Notes):
    """A table of a database that is read on."""

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.root / "hr.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    def judged(self) -> Manifest:
        """What is landed now, judged on what stands, which must be what a whole judging gives."""
        source, lake = self.shop.project.sources["notes"], self.shop.lake
        landing = Landing(lake.restricted, lake.batches("notes"))
        self.shop.landed["notes"] = ingest(source, landing, base=self.root).objects
        made = self.layered()
        assert self.all_of(made) == self.all_of(self.whole())
        return made

    def all_of(self, manifest: Manifest) -> dict[str, Any]:
        rows = {output: self.rows(manifest, output) for output in ("rows", "quarantine")}
        return {**rows, "deleted": self.gone(manifest), "counts": manifest.counts, "totals": manifest.facts["totals"]}

    def gone(self, manifest: Manifest) -> list[tuple[str, str, int]]:
        schema = deleted_schema(self.shop.project.tables["notes.notes"])
        engine, paths = self.shop.engine, manifest.paths(self.shop.lake.restricted, "deleted")
        rows = collect(engine, engine.read(paths, schema)).to_pylist()
        return sorted((row["emp_no"], row["_reasons"], row["_batch"]) for row in rows)

    def staff(self, manifest: Manifest) -> list[str]:
        return sorted(row["emp_no"] for row in self.rows(manifest, "rows"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return notes_project(tmp_path_factory.mktemp("staff") / "project", PEOPLE)


@pytest.fixture
def staff(project: Project, engine: Engine, tmp_path: Path) -> Staff:
    made = open_notes(project, engine, tmp_path)
    return Staff(made.root, made.shop)


@pytest.mark.long_on_spark
def test_deleted_records_leave_the_table_and_are_counted(staff: Staff, clock: Clock) -> None:
    staff.run(
        "CREATE TABLE notes (emp_no TEXT, day TEXT, left TEXT)",
        "INSERT INTO notes VALUES ('E1','2024-01-01','0'), ('E2','2024-01-02','0'), ('E3','2024-01-03','0')",
    )
    assert staff.staff(staff.judged()) == ["E1", "E2", "E3"]
    staff.run("UPDATE notes SET left = '1', day = '2024-02-01' WHERE emp_no = 'E1'")
    made = staff.judged()
    assert staff.staff(made) == ["E2", "E3"]
    assert staff.gone(made) == [("E1", "deleted", 2), ("E1", "tombstone", 2)]
    staff.run("DELETE FROM notes WHERE emp_no = 'E2'", "INSERT INTO notes VALUES ('E4','2024-02-03','0')")
    clock.now += timedelta(7)
    made = staff.judged()
    assert staff.staff(made) == ["E3", "E4"]
    assert ("E2", "deleted", 3) in staff.gone(made)
    assert made.counts == {"rows_in": 5, "rows": 2, "quarantined": 0, "deleted": 3, "cells": 0}
    # who comes back is there again, known later
    staff.run("INSERT INTO notes VALUES ('E2','2024-02-05','0')")
    assert staff.staff(staff.judged()) == ["E2", "E3", "E4"]


@pytest.mark.long_on_spark
def test_of_a_record_that_changes_again_on_the_day_it_was_read_the_last_state_counts(
    staff: Staff, clock: Clock
) -> None:
    staff.run(
        "CREATE TABLE notes (emp_no TEXT, day TEXT, left TEXT)",
        "INSERT INTO notes VALUES ('E1','2024-01-01','0'), ('E2','2024-01-02',NULL)",
    )
    staff.judged()
    staff.run("UPDATE notes SET left = '0' WHERE emp_no = 'E2'")
    made = staff.judged()
    assert sorted((row["emp_no"], row["left"]) for row in staff.rows(made, "rows")) == [("E1", False), ("E2", False)]
    assert staff.gone(made) == [("E2", "deleted", 2)]
    assert made.counts == {"rows_in": 3, "rows": 2, "quarantined": 0, "deleted": 1, "cells": 0}
    staff.run(
        "UPDATE notes SET left = 'perhaps' WHERE emp_no = 'E2'", "INSERT INTO notes VALUES ('E3','2024-01-02','0')"
    )
    made = staff.judged()
    # what breaks the contract replaces nothing
    assert (staff.staff(made), made.counts["quarantined"]) == (["E1", "E2", "E3"], 1)
    staff.run("UPDATE notes SET left = '1' WHERE emp_no = 'E2'")
    assert staff.staff(staff.judged()) == ["E1", "E3"]


@pytest.mark.parametrize("changes", [{"known": "told"}, {"incremental": None}])
def test_where_the_known_time_need_not_move_with_a_change_the_first_state_stays(changes: dict[str, Any]) -> None:
    columns = {
        name: {"type": kind, "category": "none"}
        for name, kind in {"id": "string", "at": "timestamp", "told": "timestamp"}.items()
    }
    declared = {"columns": columns, "unique": ["id"], "known": "at", "incremental": {"column": "at"}}
    assert IncrementalTable.model_validate(declared).landed_in_order
    assert not IncrementalTable.model_validate({**declared, **changes}).landed_in_order


@pytest.mark.long_on_spark
def test_keys_that_cannot_be_read_delete_nothing(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, tmp_path: Path, clock: Clock
) -> None:
    whole = PEOPLE.replace("emp_no: {type: string", "emp_no: {type: integer")
    made = open_notes(notes_project(tmp_path_factory.mktemp("numbers") / "project", whole), engine, tmp_path)
    staff = Staff(made.root, made.shop)
    staff.run(
        "CREATE TABLE notes (emp_no, day TEXT, left TEXT)",
        "INSERT INTO notes VALUES (1,'2024-01-01','0'), (2,'2024-01-02','0')",
    )
    staff.judged()
    clock.now += timedelta(7)
    staff.run("UPDATE notes SET emp_no = 'E-2' WHERE emp_no = 2")
    with pytest.raises(DataError) as caught:
        staff.judged()
    assert (
        caught.value.code == "D007"
        and "1 keys do not fit the type that the contract declares for `emp_no`" in caught.value.given
    )
    assert "E-2" not in caught.value.text()
