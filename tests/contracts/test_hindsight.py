"""What is told of columns that are filled in later; how records are compared is told by tests/runs/test_again.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from potable.contracts.findings import Finding
from potable.contracts.health import accepted
from potable.contracts.hindsight import FEWEST, Again, comparable, judge, of_records
from potable.tables import Table

SEEN = Again(500, 100, {"reason": [40, 10, 5000], "status": [0, 3, 900]})
READ = {"reason": ["last_reason"], "opened_on": ["days_since"]}


def table(category: str = "none", **declared: Any) -> Table:
    columns = {
        "ticket": {"type": "integer", "category": "none"},
        "opened_on": {"type": "date", "category": category},
        "changed_on": {"type": "date", "category": "none"},
        "reason": {"type": "string", "category": "user.performance"},
        "status": {"type": "string", "category": "none"},
    }
    given = {"columns": columns, "unique": ["ticket"], "time": "opened_on", "known": "+1d"} | declared
    return Table.model_validate({name: value for name, value in given.items() if value is not None})


def told(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(each.column, each.state) for each in found]


def test_a_column_that_is_read_is_told_with_counts_and_what_to_do() -> None:
    (finding,) = judge(table(), SEEN, READ, ["attrition"])
    assert (finding.column, finding.state, finding.value, finding.bound) == ("reason", "warn", 0.333333, 0.01)
    assert finding.told == (
        "`reason` was filled in later in 40 and changed in 10 of the records that landed again, known for 100 days by"
        " then on average; 100 came meanwhile. That is 33.3% of both; at most 1%. `last_reason` reads it. Declare as"
        " `known` a column that the source sets with each change or a longer lag, read a table with a record of each"
        " change, or leave the column out."
    )


def test_how_long_records_were_known_is_not_told_of_a_protected_time() -> None:
    (finding,) = judge(table("user.demographic.date_of_birth"), SEEN, READ, [])
    assert "days" not in finding.told


@pytest.mark.parametrize(
    ("count", "came", "found"), [(FEWEST, 100, 1), (FEWEST - 1, 0, 0), (20, 1980, 0), (21, 1980, 1)]
)
def test_a_column_is_told_from_ten_changes_and_a_share_on(count: int, came: int, found: int) -> None:
    made = judge(table(), Again(5000, came, {"reason": [0, count, 0]}), READ, [])
    assert len([each for each in made if each.state == "warn"]) == found


def test_a_label_and_a_static_column_are_told_what_helps_them() -> None:
    (label,) = judge(table(), SEEN, {"reason": ["attrition"]}, ["attrition"])
    assert "end `coverage` earlier" in label.told
    (static,) = judge(table(time=None, known=None), SEEN, {"reason": ["a", "b", "c", "d"]}, ["d"])
    assert "declared `static`" in static.told and "`a`, `b`, `c` and 1 more read it" in static.told


def test_what_is_suspected_by_nobody_is_told_only_where_it_was_found() -> None:
    assert told(judge(table(known="changed_on"), Again(), READ, [])) == []
    assert told(judge(table(known="changed_on"), SEEN, READ, [])) == [("reason", "warn")]
    assert told(judge(table(known="changed_on", health={"hindsight": "5%"}), Again(), READ, [])) == [("", "open")]
    assert told(judge(table(), Again(), {}, [])) == told(judge(table(), Again(), {"opened_on": ["count"]}, [])) == []


def test_nothing_is_called_fine_that_could_not_be_seen() -> None:
    assert told(judge(table(), Again(), READ, [])) == [("", "open")]
    assert told(judge(table(unique=[]), Again(), READ, [])) == [("", "open")]
    assert told(judge(table(), Again(500, 100), READ, [])) == [("", "ok")]


def test_records_are_compared_where_a_key_and_one_known_time_tell_versions() -> None:
    assert comparable(table()) and comparable(table(known="changed_on")) and comparable(table(time=None, known=None))
    assert not comparable(table(unique=[])) and not comparable(table(known="landed"))
    assert not comparable(table(time=None, known="changed_on"))


def test_a_column_that_changed_as_a_whole_says_nothing_of_records() -> None:
    columns = {name: [0, 0, 0] for name in ("begun", "given_up", "written_otherwise", "filled", "changed")}
    columns |= {"begun": [90, 0, 0], "given_up": [0, 90, 0], "written_otherwise": [0, 95, 0]}
    columns |= {"filled": [30, 0, 0], "changed": [0, 90, 0]}
    before = {"begun": 100, "given_up": 5, "written_otherwise": 0, "filled": 100, "changed": 0}
    now = {"begun": 0, "given_up": 100, "written_otherwise": 0, "filled": 70, "changed": 0}
    assert list(of_records(Again(100, 0, columns), (100, before), (100, now)).columns) == ["filled", "changed"]


def test_evidence_adds_up() -> None:
    more = Again(10, 1, {"status": [1, 1, 1], "topic": [1, 0, 2]})
    assert SEEN + more == Again(510, 101, {"reason": [40, 10, 5000], "status": [1, 4, 901], "topic": [1, 0, 2]})


def test_it_is_accepted_by_column_until_a_day() -> None:
    expected = {"check": "hindsight", "column": "reason", "until": "2026-12-31", "reason": "closed by hand in May"}
    declared = table(health={"hindsight": {"severity": "stop"}, "accepted": [expected]})
    (finding,) = judge(declared, SEEN, READ, [])
    assert accepted(finding, declared.health, date(2026, 12, 31)).state == "accepted"
    assert accepted(finding, declared.health, date(2027, 1, 1)).state == "stop"
    with pytest.raises(ValidationError, match="hindsight"):
        table(health={"accepted": [{name: value for name, value in expected.items() if name != "column"}]})
