"""Records that land again with other values: columns filled in after they were known are found, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.runs.test_layers import VARIABLES, Notes, notes_project, open_notes

from potable.contracts.findings import Finding
from potable.engines.base import Engine
from potable.errors import DataError
from potable.project import Project, load
from potable.runs import again, since
from potable.runs.checkup import check_up
from potable.store.manifest import Manifest

TODAY = date(2026, 1, 1)
TICKETS = """
source: notes
type: csv
path: notes
tables:
  notes:
    columns:
      emp_no: {type: string, required: true, key: emp_no}
      ticket: {type: integer, required: true, category: none}
      opened_on: {type: date, required: true, category: none}
      changed_on: {type: date, category: none}
      topic: {type: string, category: none}
      reason: {type: string, category: none}
      status: {type: string, category: none}
      hours: {type: integer, category: none, on_error: "null"}
      note: {type: string, category: none}
    unique: [emp_no, ticket]
    time: opened_on
    known: KNOWN
    checks:
      - expect_column_values_to_be_between: {column: hours, min_value: 0}
"""
FEATURES = """
  notes.notes:
    last_topic: latest(topic)
    last_reason: latest(reason)
    closed: count() where status = 'closed'
    hours: avg(hours)
"""
HEADER = "emp_no,ticket,opened_on,changed_on,topic,reason,status,hours,note"
Ticket = tuple[Any, ...]


def ticket(
    number: int, *, closed: bool = False, opened: str = "2020-01-31", changed: str = "2020-01-31", **cells: Any
) -> Ticket:
    given = {"topic": "pay", "reason": "done" if closed else "", "status": "closed" if closed else "open"}
    given |= {"hours": "4" if closed else "", "note": "read" if closed else ""} | cells
    return (f"E{number}", number, opened, changed, *given.values())


def text(tickets: Iterable[Ticket]) -> str:
    return "\n".join([HEADER, *(",".join(map(str, each)) for each in tickets)]) + "\n"


OLD = [ticket(number, closed=True) for number in range(40)]
OPEN = [ticket(number) for number in range(100, 130)]
CLOSED = [ticket(number, closed=True, changed="2024-05-01") for number in range(100, 120)]
NEW = [ticket(number) for number in range(200, 220)]


@dataclass
class Desk:
    """Tickets, landed, judged and checked up one after the other."""

    notes: Notes

    def land(self, **files: Iterable[Ticket]) -> Manifest:
        self.notes.land(**{name: text(tickets) for name, tickets in files.items()})
        manifest = self.notes.layered()
        since.remember(self.notes.shop.lake, self.notes.step)
        return manifest

    def found(self) -> list[Finding]:
        shop = self.notes.shop
        shop.done["validate", "notes.notes"] = (self.notes.step, self.notes.layered())
        try:
            check_up(shop, ["notes.notes"], TODAY)
        finally:
            found = [each for each in shop.health.pop("notes.notes", ()) if each.check == "hindsight"]
        return found

    def columns(self) -> dict[str, str]:
        return {each.column: each.state for each in self.found()}


Open = Callable[..., Desk]


def desk_project(root: Path, known: str = "+1d", health: str = "", features: str = FEATURES) -> Project:
    source = TICKETS.replace("KNOWN", f'"{known}"') + (f"    health: {health}\n" if health else "")
    notes_project(root, source)
    path = root / "features.yaml"
    path.write_text(path.read_text().replace("\n  derived:\n", f"{features}\n  derived:\n"))
    return load(root, variables=VARIABLES)


@pytest.fixture
def open_desk(engine: Engine, tmp_path: Path) -> Open:
    def opened(**declared: str) -> Desk:
        return Desk(open_notes(desk_project(tmp_path / "project", **declared), engine, tmp_path / "desk"))

    return opened


@pytest.mark.long_on_spark
def test_a_column_that_a_later_file_fills_in_is_told(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[*OLD, *OPEN])
    assert [each.state for each in desk.found()] == ["open"]
    made = desk.land(b=[*CLOSED, *NEW])
    assert made.facts["again"]["seen"] == 20 and made.facts["again"]["came"] == 20
    found = {each.column: each for each in desk.found()}
    assert {name: each.state for name, each in found.items()} == {"reason": "warn", "status": "warn", "hours": "warn"}
    assert found["reason"].value == 0.5
    assert "`last_reason` reads it" in found["reason"].told and "`closed` reads it" in found["status"].told


@pytest.mark.long_on_spark
def test_a_column_that_a_changed_file_fills_in_is_told(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[*OLD, *OPEN], other=[ticket(900, closed=True)])
    made = desk.land(a=[*OLD, *CLOSED, *OPEN[20:], *NEW])
    assert (made.facts["stands_on"], made.facts["again"]["seen"], made.facts["again"]["came"]) == ("", 70, 20)
    assert desk.columns() == {"reason": "warn", "status": "warn", "hours": "warn"}
    # what was found stays found when nothing changes any more, and adds up when something does
    desk.land(c=[ticket(number) for number in range(300, 310)])
    assert desk.columns() == {"reason": "warn", "status": "warn", "hours": "warn"}
    made = desk.land(a=[*OLD, *CLOSED, *OPEN[20:], *(ticket(number, closed=True) for number in range(200, 220))])
    assert made.facts["again"]["columns"]["reason"][0] == 40


@pytest.mark.long_on_spark
def test_what_lands_first_is_compared_with_nothing(open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    # of a large company that would cost as much as validating its records
    monkeypatch.setattr(again, "changes", lambda *_, **__: pytest.fail("records of one batch were compared"))
    made = open_desk().land(a=[*OLD, *OPEN], b=OPEN[:5])
    assert made.counts["quarantined"] == 5 and not made.facts["again"]["seen"]


@pytest.mark.long_on_spark
def test_a_first_landing_tells_by_its_days_what_was_filled_in_and_small_ones_change_nothing(open_desk: Open) -> None:
    desk = open_desk()
    opened = [date(2023, 1, 1) + timedelta(days=number) for number in range(400)]
    # every third is still open, and the youngest are closed sooner
    closed = [
        None if number % 3 == 0 else min(day + timedelta(days=90), opened[-1]) for number, day in enumerate(opened)
    ]
    bulk = [
        ticket(number, closed=bool(end), opened=str(day), changed=str(end or ""))
        for number, (day, end) in enumerate(zip(opened, closed, strict=True))
    ]
    desk.land(a=bulk)
    columns = {"hours": "warn", "reason": "warn", "status": "warn"}
    assert desk.columns() == columns
    desk.land(b=NEW[:3])
    assert desk.columns() == columns
    assert "`changed_on` lies after the day" in desk.found()[0].told


@pytest.mark.long_on_spark
def test_a_table_that_keeps_no_history_is_compared_without_days(engine: Engine, tmp_path: Path) -> None:
    root = tmp_path / "project"
    source = TICKETS.replace("    time: opened_on\n    known: KNOWN\n", "")
    source = source.replace("reason: {type: string,", "reason: {type: string, static: true,")
    notes_project(root, source)
    path = root / "features.yaml"
    path.write_text(
        path.read_text().replace("\n  derived:\n", "\n  notes.notes:\n    why: value(reason)\n\n  derived:\n")
    )
    desk = Desk(open_notes(load(root, variables=VARIABLES), engine, tmp_path / "desk"))
    desk.land(a=[*OLD, *OPEN])
    made = desk.land(a=[*OLD, *CLOSED, *OPEN[20:]])
    assert made.facts["again"]["columns"]["reason"] == [20, 0, 0]
    assert desk.columns() == {"reason": "warn"}


@pytest.mark.long_on_spark
def test_a_known_time_that_moves_with_the_change_is_not_told(open_desk: Open) -> None:
    desk = open_desk(known="changed_on")
    desk.land(a=[*OLD, *OPEN])
    desk.land(b=[*CLOSED, *NEW])
    desk.land(a=[*OLD, *CLOSED, *OPEN[20:]])
    assert desk.found() == []


@pytest.mark.long_on_spark
def test_a_known_time_that_does_not_move_is_told(open_desk: Open) -> None:
    desk = open_desk(known="changed_on")
    desk.land(a=[*OLD, *OPEN])
    desk.land(b=[*(ticket(number, closed=True) for number in range(100, 120)), *NEW])
    assert desk.columns() == {"reason": "warn", "status": "warn", "hours": "warn"}


@pytest.mark.long_on_spark
def test_a_record_that_happened_at_another_time_is_another_one(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[*OLD, *OPEN])
    moved = [ticket(number, closed=True, opened="2021-01-31") for number in range(100, 120)]
    assert desk.land(a=[*OLD, *moved, *OPEN[20:]]).facts["again"]["seen"] == 50
    assert desk.land(b=[ticket(number, closed=True, opened="2022-01-31") for number in range(100, 120)])
    assert [each.state for each in desk.found()] == ["ok"]


@pytest.mark.long_on_spark
def test_a_lag_that_covers_the_change_is_not_told(open_desk: Open) -> None:
    desk = open_desk(known="+90y")
    desk.land(a=[*OLD, *OPEN])
    made = desk.land(a=[*OLD, *CLOSED, *OPEN[20:], *NEW])
    assert made.facts["again"]["seen"] == 70
    assert [each.state for each in desk.found()] == ["ok"]


@pytest.mark.long_on_spark
def test_what_no_output_reads_is_not_told(open_desk: Open) -> None:
    desk = open_desk(features="\n  notes.notes:\n    last_topic: latest(topic)\n")
    desk.land(a=[*OLD, *OPEN])
    made = desk.land(b=[*CLOSED, *NEW])
    assert made.facts["again"]["columns"]["note"][0] == 20
    assert [(each.state, each.column) for each in desk.found()] == [("ok", "")]


@pytest.mark.long_on_spark
def test_a_few_records_that_were_corrected_are_not_told(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[*OLD, *OPEN])
    desk.land(a=[*CLOSED[:9], *OLD, *OPEN[9:], *NEW])
    assert [each.state for each in desk.found()] == ["ok"]


@pytest.mark.long_on_spark
def test_a_column_that_the_source_begins_gives_up_or_writes_otherwise_is_not_told(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[ticket(number, closed=True, topic="", status="open") for number in range(40)])
    desk.land(a=[ticket(number, closed=True, reason="", status="OPEN") for number in range(40)])
    assert [each.state for each in desk.found()] == ["ok"]


@pytest.mark.long_on_spark
def test_a_change_of_the_newest_version_is_told_once(open_desk: Open) -> None:
    desk = open_desk()
    desk.land(a=[*OLD, *OPEN])
    desk.land(b=CLOSED)
    made = desk.land(c=CLOSED)
    assert made.facts["again"]["seen"] == 40
    assert made.facts["again"]["columns"]["reason"][0] == 20


@pytest.mark.long_on_spark
def test_batches_judged_together_are_found_as_those_judged_one_by_one(open_desk: Open) -> None:
    desk = open_desk()
    for files in ({"a": [*OLD, *OPEN]}, {"b": CLOSED}, {"c": [*CLOSED, *NEW]}):
        desk.notes.land(**{name: text(tickets) for name, tickets in files.items()})
    again = desk.notes.layered().facts["again"]
    assert (again["seen"], again["came"], again["columns"]["reason"][0]) == (40, 20, 20)


@pytest.mark.long_on_spark
def test_what_is_expected_is_accepted_and_what_the_contract_forbids_stops(open_desk: Open) -> None:
    accepted = "{check: hindsight, column: status, until: 2026-12-31, reason: archived}"
    desk = open_desk(health=f"{{hindsight: {{at_most: 1%, severity: stop}}, accepted: [{accepted}]}}")
    desk.land(a=[*OLD, *OPEN])
    desk.land(b=[*CLOSED, *NEW])
    with pytest.raises(DataError) as refused:
        desk.found()
    assert refused.value.code == "D008" and "hindsight" in str(refused.value) and "`reason`" in str(refused.value)
