"""Reading on: only what is new lands, nothing twice, and without its state a table is read whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.sources.objects import landed_rows, raw_zone

from potable.errors import EnvironmentFailure
from potable.sources import onwards
from potable.sources.ingest import Ingested, Landing, current, ingest, rewind
from potable.sources.onwards import Incremental, Reading
from potable.sources.sql import SqlSource

Row = tuple[int, str | None, str]


@dataclass
class World:
    """A database that grows, and the raw zone it is landed in."""

    folder: Path
    overlap: str = "1d"
    incremental: bool = True

    def write(self, rows: list[Row]) -> None:
        with closing(sqlite3.connect(self.folder / "hr.db")) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER, recorded_at TEXT, a TEXT)")
            database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)

    def run(self, statement: str) -> None:
        with closing(sqlite3.connect(self.folder / "hr.db")) as database, database:
            database.execute(statement)

    @property
    def source(self) -> SqlSource:
        on = {"incremental": {"column": "recorded_at", "overlap": self.overlap}} if self.incremental else {}
        columns = {"id": {"type": "integer"}, "recorded_at": {"type": "timestamp"}, "a": {}}
        table = {"columns": columns, "order_by": ["id"], "time": "recorded_at", "known": "recorded_at", **on}
        keys = {"source": "s", "type": "sql", "url": "sqlite:///hr.db", "tables": {"t": table}}
        return SqlSource.model_validate(keys)

    @property
    def landing(self) -> Landing:
        return raw_zone(self.folder / "lake")

    def ingest(self, **keys: Any) -> Ingested:
        return ingest(self.source, self.landing, base=self.folder, **keys)

    def rows(self) -> list[tuple[int, str]]:
        return sorted((row["id"], row["a"]) for row in landed_rows(self.source, self.landing, "t"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.write([(n, f"2024-01-{n:02d} 10:00:00", "x") for n in range(1, 21)])
    return made


def test_only_new_rows_land(world: World) -> None:
    assert world.ingest().new_objects == 1
    world.write([(21, "2024-01-21 09:00:00", "y")])
    made = world.ingest()
    assert (made.batch, made.new_objects, len(made.objects)) == (2, 1, 2)
    assert world.rows() == [(n, "x") for n in range(1, 21)] + [(21, "y")]
    assert [item.name for item in made.objects] == ["t-000002-00001.parquet", "t-00001.parquet"]
    again = world.ingest()
    assert (again.batch, again.new_objects, again.objects) == (2, 0, made.objects)


def test_a_row_that_was_committed_late_lands_within_the_overlap(world: World) -> None:
    world.ingest()
    world.write([(50, "2024-01-19 00:00:00", "late"), (51, "2024-01-10 00:00:00", "too late")])
    world.ingest()
    assert (50, "late") in world.rows()
    assert (51, "too late") not in world.rows()
    world.ingest(fresh=True)
    assert len(world.rows()) == 22


def test_a_record_from_the_future_does_not_hide_what_comes_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onwards, "now", lambda: datetime(2024, 1, 20, 12, tzinfo=UTC))
    world.write([(98, "2199-01-01 00:00:00", "a wrong clock")])
    world.ingest()
    for day in (21, 22):
        monkeypatch.setattr(onwards, "now", lambda at=day: datetime(2024, 1, at, 12, tzinfo=UTC))
        world.write([(day, f"2024-01-{day} 10:00:00", "x")])
        assert (world.ingest().new_objects, world.ingest().new_objects) == (1, 0)
    assert [number for number, _ in world.rows()] == [*range(1, 23), 98]


def test_two_equal_rows_are_two(world: World) -> None:
    world.write([(20, "2024-01-20 10:00:00", "x")])
    world.ingest()
    world.write([(20, "2024-01-20 10:00:00", "x")])
    world.ingest()
    world.ingest()
    assert world.rows().count((20, "x")) == 3


def test_a_row_without_a_time_lands_once(world: World) -> None:
    world.write([(60, None, "when?")])
    world.ingest()
    world.write([(61, None, "when?")])
    made = world.ingest()
    assert made.batch == 2
    assert {(60, "when?"), (61, "when?")} <= set(world.rows())
    assert world.ingest().batch == 2


def test_a_changed_row_is_landed_beside_its_earlier_version(world: World) -> None:
    world.ingest()
    world.run("UPDATE t SET a = 'changed', recorded_at = '2024-02-01 00:00:00' WHERE id = 3")
    world.ingest()
    assert [a for n, a in world.rows() if n == 3] == ["changed", "x"]


def test_a_full_refresh_forgets_what_is_no_longer_there(world: World) -> None:
    world.ingest()
    world.write([(21, "2024-01-21 09:00:00", "y")])
    world.ingest()
    world.run("DELETE FROM t WHERE id = 3")
    assert len(world.rows()) == 21
    made = world.ingest(fresh=True)
    assert len(world.rows()) == 20
    assert [item.name for item in made.objects] == ["t-00001.parquet"]
    world.write([(22, "2024-01-22 09:00:00", "z")])
    world.ingest()
    assert len(world.rows()) == 21


def test_a_lost_or_foreign_state_costs_a_reload(world: World) -> None:
    world.ingest()
    number, entry = world.landing.log.last()
    assert entry
    world.landing.log.append(
        {**entry, "state": {"t": {**entry["state"]["t"], "origin": "another query"}}}, parent=number
    )
    world.write([(21, "2024-01-21 09:00:00", "y")])
    world.ingest()
    assert len(world.rows()) == 21


def test_rewinding_reads_on_from_an_earlier_batch(world: World) -> None:
    world.ingest()
    for n in (21, 22):
        world.write([(n, f"2024-01-{n} 09:00:00", "y")])
        world.ingest()
    before = world.rows()
    raw = rewind(world.source, world.landing.log, 1)
    assert (raw.batch, len(world.rows())) == (4, 20)
    world.ingest()
    assert world.rows() == before
    with pytest.raises(ValueError, match="batch 9"):
        rewind(world.source, world.landing.log, 9)


def test_the_state_is_readable_and_holds_no_values(world: World) -> None:
    world.ingest()
    state = current(world.landing.log).state
    assert state["t"]["newest"].startswith("2024-01-20T10:00:00")
    assert sorted(state["t"]) == ["newest", "origin", "resumed", "seen"]
    assert len(state["t"]["seen"]) == 3
    assert json.loads(json.dumps(state)) == state


def test_texts_that_are_no_iso_moments_are_refused(world: World) -> None:
    world.write([(70, "21.01.2024", "german")])
    with pytest.raises(EnvironmentFailure, match="cannot be used for `incremental`"):
        world.ingest()
    assert current(world.landing.log).batch == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"incremental": {"column": "b"}}, "date or timestamp"),
        ({"incremental": {"column": "a"}}, "date or timestamp"),
        ({"incremental": {"column": "at"}}, "a column as `known`"),
        ({"incremental": {"column": "at", "overlap": "2mo"}, "known": "at"}, "days or weeks"),
        ({"incremental": {"column": "at", "overlap": "2"}, "known": "at"}, "is not a duration"),
    ],
)
def test_a_table_that_cannot_be_read_on_is_refused(table: dict[str, Any], said: str) -> None:
    columns = {"a": {}, "at": {"type": "timestamp"}}
    keys = {"source": "s", "type": "sql", "url": "sqlite:///x", "tables": {"t": {"columns": columns, **table}}}
    with pytest.raises(ValidationError, match=said):
        SqlSource.model_validate(keys)


_NEW = st.lists(
    st.tuples(st.integers(1, 30), st.none() | st.integers(-2, 1), st.sampled_from("xy")), min_size=0, max_size=6
)


@settings(deadline=None, max_examples=40)
@given(days=st.lists(_NEW, min_size=1, max_size=5))
def test_reading_on_gives_what_a_reload_gives(tmp_path_factory: pytest.TempPathFactory, days: list[Any]) -> None:
    """Rows recorded up to two days late, some at no time, some equal: an overlap of two days misses none."""
    world = World(tmp_path_factory.mktemp("hr"), overlap="2d")
    world.write([(0, "2024-01-01 00:00:00", "first")])
    world.ingest()
    for day, rows in enumerate(days, 5):
        at = [None if late is None else f"2024-01-{day + late:02d} 12:00:00" for _, late, _ in rows]
        world.write([(n, time, a) for (n, _, a), time in zip(rows, at, strict=True)])
        world.ingest()
        assert world.ingest().new_objects == 0
    read_on = world.rows()
    world.ingest(fresh=True)
    assert read_on == world.rows()


def moments(days: range) -> pa.Array:
    return pa.array([datetime(2024, 1, day) for day in days], pa.timestamp("us"))


def test_what_a_record_says_is_asked_where_it_is_compared_or_remembered() -> None:
    asked: list[bytes] = []

    def content(said: bytes) -> bytes:
        asked.append(said)
        return said

    declared = Incremental(column="at", overlap="1d")
    first = Reading(declared, "t", None, content)
    assert first.new(moments(range(1, 11)), lambda number: b"%d" % number) == [*range(10)]
    assert not asked
    state = first.state()
    assert asked == [b"7", b"8", b"9"]
    said = {0: b"7", 1: b"other", 2: b"9"}
    assert Reading(declared, "t", state, content).new(moments(range(8, 11)), said.__getitem__) == [1]
    assert Reading(declared, "t", state).new(moments(range(8, 11)), said.__getitem__) == [1]


@pytest.mark.parametrize("most", [1, 4, 1000])
def test_letting_records_go_changes_nothing(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(onwards, "_PRUNE", most)
    reading = Reading(Incremental(column="at", overlap="2d"), "t", None, lambda said: said)
    for day in range(1, 31):
        reading.new(moments(range(day, day + 2)), lambda number, day=day: b"%d" % ((day + number) % 7))
    state = reading.state()
    assert state is not None and state["newest"].startswith("2024-01-31")
    # from the 28th on, the days between came twice
    assert sorted(state["seen"].values()) == [1, 2, 2, 2]
