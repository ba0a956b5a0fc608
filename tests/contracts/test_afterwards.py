"""What a single landing tells of columns that were filled in later: days, and what is given with them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.contracts.afterwards import afterwards, judge, looked_at
from potable.engines.base import Engine
from potable.tables import Table

LAST = date(2024, 6, 30)
UNTIL = datetime(2026, 1, 1, 12)
READ = {name: [f"of_{name}"] for name in ("closed_on", "due_on", "reason", "hours", "status", "topic", "note")}
Row = dict[str, Any]
Look = Callable[..., dict[str, Any]]


def table(known: str = "+1d", category: str = "none", **health: Any) -> Table:
    columns: dict[str, Any] = {
        "ticket": {"type": "integer", "category": "none"},
        "opened_on": {"type": "date", "category": "none"},
        "closed_on": {"type": "date", "category": category},
        "due_on": {"type": "timestamp", "category": "none"},
        "changed_on": {"type": "date", "category": "none"},
        "reason": {"category": "none"},
        "hours": {"type": "integer", "category": "none"},
        "status": {"category": "none"},
        "topic": {"category": "none"},
        "note": {"category": "none"},
    }
    declared = {"columns": columns, "unique": ["ticket"], "time": "opened_on", "known": known}
    return Table.model_validate(declared | ({"health": {"hindsight": health}} if health else {}))


def tickets(count: int = 900) -> list[Row]:
    """Tickets of three years; those that were closed by the last day were written once more then."""
    dice = random.Random(5)
    rows = []
    for number in range(count):
        opened = LAST - timedelta(days=round(number * 1095 / count))
        closed: date | None = opened + timedelta(days=dice.randrange(300))
        assert closed
        if closed > LAST:
            closed = None
        rows.append(
            {
                "ticket": number,
                "opened_on": opened,
                "closed_on": closed,
                "due_on": datetime.combine(opened, datetime.min.time()) + timedelta(days=dice.randrange(2, 200)),
                "changed_on": opened,
                "reason": dice.choice(["done", "no answer", None]) if closed else None,
                "hours": dice.randrange(500) if closed else None,
                "status": dice.choice(["closed", "void"]) if closed else dice.choice(["open", "waiting"]),
                "topic": dice.choice(["pay", "leave"]),
                "note": f"text {number}",
            }
        )
    return rows


@pytest.fixture
def look(engine: Engine, tmp_path: Path) -> Look:
    def looked(rows: list[Row], given: Table | None = None, until: datetime = UNTIL) -> dict[str, Any]:
        made = given or table()
        path = str(tmp_path / "rows.parquet")
        pq.write_table(pa.Table.from_pylist(rows, made.schema), path)
        return dict(afterwards(made, engine.read([path], made.schema), until, engine))

    return looked


@pytest.mark.long_on_spark
def test_days_that_were_written_down_when_they_had_come_are_told_with_what_was_written_with_them(look: Look) -> None:
    rows = tickets()
    (name, found), *none = look(rows).items()
    late = [row for row in rows if row["closed_on"] and row["closed_on"] > row["opened_on"] + timedelta(days=2)]
    mean = sum((row["closed_on"] - row["opened_on"]).days - 1 for row in late)
    assert (name, none) == ("closed_on", [])
    assert (found["late"], found["rows"], found["days"]) == (len(late), len(rows), mean)
    assert (found["given"], found["words"]) == (["reason", "hours"], ["status"])


@pytest.mark.long_on_spark
def test_a_landing_long_after_the_newest_record_tells_the_same(look: Look) -> None:
    assert look(tickets(), until=datetime(2035, 1, 1)) == look(tickets()) != {}


def test_planned_days_are_not_told_also_where_only_some_are_planned(look: Look) -> None:
    rows = tickets()
    for row in rows:
        # an end that is agreed upon in advance in half of the cases
        row["closed_on"] = row["due_on"].date() if row["ticket"] % 2 else row["closed_on"]
    assert look(rows) == {}


@pytest.mark.long_on_spark
def test_nothing_is_said_where_no_record_is_young_enough(look: Look) -> None:
    rows = tickets()
    for row in rows:
        if row["opened_on"] > date(2023, 1, 1):
            row["due_on"] = None
    assert set(look(rows)) == {"closed_on"}


def test_the_day_after_is_the_same_day_and_few_days_are_chance(look: Look) -> None:
    rows = tickets()
    for row in rows:
        row["closed_on"] = row["opened_on"] + timedelta(days=2)
    assert look(rows) == {}
    for row in rows:
        row["closed_on"] = row["opened_on"] + timedelta(days=9 if row["ticket"] in range(500, 509) else 1)
    assert look(rows) == {}


def test_mistyped_days_change_nothing(look: Look) -> None:
    rows = tickets()
    rows[300]["closed_on"] = rows[301]["closed_on"] = date(2099, 1, 1)
    rows[302]["opened_on"] = date(2098, 1, 1)
    assert set(look(rows)) == {"closed_on"}


@pytest.mark.long_on_spark
def test_a_word_that_stands_in_both_kinds_of_rows_and_a_column_that_is_given_in_both_are_not_told(look: Look) -> None:
    rows = tickets()
    for row in rows[:450]:
        row |= {"status": "open", "reason": row["reason"] or "done"}
    (found,) = look(rows).values()
    assert (found["given"], found["words"]) == (["hours"], [])


def test_a_column_of_the_known_time_and_tables_without_history_are_not_looked_at(look: Look) -> None:
    assert looked_at(table()) == ["closed_on", "due_on", "changed_on"]
    assert looked_at(table(known="closed_on")) == ["due_on", "changed_on"]
    assert looked_at(table(known="landed")) == []
    assert look(tickets(), table(known="closed_on")) == {}


def test_no_rows_say_nothing(look: Look) -> None:
    assert look([]) == {}


@pytest.mark.long_on_spark
def test_what_is_read_is_told_once_with_what_to_do(look: Look) -> None:
    found = list(judge(table(), look(tickets()), READ, ["of_status"]))
    assert [each.column for each in found] == ["closed_on", "reason", "hours", "status"]
    day, reason, _, status = (each.told for each in found)
    later = "lies after the day on which its record counts as known, 142 days on average, in 773 of 900 records"
    assert day.startswith(f"`closed_on` {later}, and next to never after that of the newest one: it was filled in when")
    assert "`of_closed_on` reads it. Declare as `known`" in day
    assert "`closed_on` lies" in reason and "`reason` is given only where it is given. `of_reason` reads it." in reason
    assert "`status` has other words where it is given. `of_status` reads it. Its newest rows may be" in status
    assert {each.state for each in found} == {"warn"} and {each.check for each in found} == {"hindsight"}


@pytest.mark.long_on_spark
def test_how_long_is_not_told_of_protected_days_and_bounds_hold(look: Look) -> None:
    facts = look(tickets())
    (told,) = judge(table(category="user.behavior"), facts, {"reason": ["a"]}, [])
    assert "on average" not in told.told
    (stopped,) = judge(table(severity="stop"), facts, {"reason": ["a"]}, [])
    assert stopped.state == "stop"
    assert list(judge(table(at_most="90%"), facts, READ, [])) == []
    assert list(judge(table(), facts, {"topic": ["a"]}, [])) == []
