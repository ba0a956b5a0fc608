"""Records that belong to nobody: a table of no others stops a run, and so does a batch whose keys changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs.test_apart import FIRST, SECOND, calls, made

from potable.datasets.version import current
from potable.project import load
from potable.report.health import answers
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

STRANGERS = calls(p4930777777=(1, 2), p4930888888=(10, 20), p4930999999=(100, 200)).replace("+49", "0049")
HEAD = "phone,day,minutes\n"
KNOWN = [f"+4930777777,2023-{month:02}-{day:02},7\n" for month in range(1, 5) for day in range(1, 29)]
STRANGE = [line.replace("+49", "0049").replace("2023", "2024") for line in KNOWN]


def ran(root: Path, data: dict[str, str]) -> RunRecord:
    for name, text in data.items():
        (root / "data" / name).write_text(text, encoding="utf-8")
    return run(load(root), Options(), lambda event: None)


def declare(root: Path, text: str, file: str = "sources/desk.yaml") -> None:
    path = root / file
    margin = "    " if "sources" in file else ""
    path.write_text(path.read_text(encoding="utf-8") + f"{margin}{text}\n", encoding="utf-8")


def version(root: Path) -> int:
    found = current(load(root).lake().versions("callers"))
    return found.number if found else 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "project")


def test_a_table_of_nobodys_records_stops_the_run_until_that_is_expected(root: Path) -> None:
    assert ran(root, FIRST).outcome == "published"
    record = ran(root, {"calls-1.csv": STRANGERS})
    assert (record.exit_code, record.error["code"], version(root)) == (1, "D008", 1)
    assert record.error["problem"] == "`desk.calls` breaks `health: unmatched`"
    assert "None of its 6 rows belongs to a person" in record.error["given"]
    assert "is `phone` written the same way as in `crm.phones`?" in record.error["hint"]
    # it tells the same again, though every step is done
    assert ran(root, {}).error["code"] == "D008"
    declare(root, "health: {accepted: [{check: unmatched, until: 9999-01-01, reason: the desk has not moved yet}]}")
    record = ran(root, {})
    assert (record.outcome, version(root)) == ("published", 2)
    (table,) = [table for table in record.tables if table.table == "desk.calls"]
    (finding,) = [finding for finding in table.health if finding.check == "unmatched"]
    assert (
        finding.state == "accepted"
        and "the desk has not moved yet" in finding.told
        and "expected" in [answer.word for answer in answers(table)]
    )


def test_a_table_without_a_key_or_without_rows_stops_nothing(root: Path) -> None:
    path = root / "sources/desk.yaml"
    days = "  days: {files: calls-*.csv, columns: {day: {type: date, category: none}}}\n"
    path.write_text(path.read_text(encoding="utf-8") + days, encoding="utf-8")
    assert ran(root, {**FIRST, "calls-1.csv": HEAD}).outcome == "published"


@pytest.mark.parametrize("severity", ["warn", "stop"])
def test_a_batch_whose_keys_changed_is_told(root: Path, severity: str) -> None:
    declare(root, f"health: {{unmatched: {{at_most: 5%, severity: {severity}}}}}")
    record = ran(root, {**FIRST, "calls-1.csv": HEAD + "".join(KNOWN[:50])})
    assert (record.outcome, found(record)) == ("published", ["open"]), record.error
    assert found(ran(root, {"calls-2.csv": HEAD + "".join(KNOWN[50:])})) == ["ok"]
    for data in ({"calls-3.csv": HEAD + "".join(STRANGE)}, {}):
        record = ran(root, data)
        assert found(record) == [severity] and record.exit_code == (severity == "stop")
        told = next(each.told for table in record.tables for each in table.health if each.check == "unmatched")
        assert told == "100.0% of its rows belong to nobody, 0.0% before; at most 5% more allowed."
    assert version(root) == 2 + (severity == "warn")
    # what stopped goes on stopping, also beside rows of people
    record = ran(root, {"calls-4.csv": HEAD + "".join(line.replace("2023", "2025") for line in KNOWN)})
    assert found(record) == (["stop"] if severity == "stop" else ["ok"])
    assert version(root) == (2 if severity == "stop" else 4)


def test_a_table_that_is_read_whole_is_compared_with_what_it_was(root: Path) -> None:
    declare(root, "health: {unmatched: 5%}")
    ran(root, {**FIRST, "calls-1.csv": HEAD + "".join(KNOWN)})
    for data in ({"calls-1.csv": HEAD + "".join([*KNOWN, *STRANGE])}, {}):
        assert found(ran(root, data)) == ["warn"]


def found(record: RunRecord) -> list[str]:
    return [finding.state for table in record.tables for finding in table.health if finding.check == "unmatched"]


def test_rows_that_belong_to_nobody_count_in_the_limits_of_the_quarantine(root: Path) -> None:
    data = {**FIRST, "calls-1.csv": FIRST["calls-1.csv"] + "+4930000000,2024-02-01,1\n+4930000000,2024-02-01,x\n"}
    declare(root, "quarantine: {at_most: 1}")
    record = ran(root, data)
    assert record.error["problem"] == "`desk.calls` breaks `quarantine: at_most`"
    assert (
        record.error["given"] == "2 of 8 rows go to quarantine, 1 of them because they belong to nobody; at most 1 may"
    )
    path = root / "sources/desk.yaml"
    path.write_text(path.read_text().replace("at_most: 1", "at_most: 2"))
    declare(root, "quarantine: {at_most: 1}", "potable.yaml")
    record = ran(root, {})
    assert "more rows of all tables together are quarantined" in record.error["problem"]
    assert record.error["given"] == "2 of 14 rows; most of `desk.calls`, `crm.contracts`, `crm.phones`"
    assert version(root) == 0


def test_the_second_day_of_somebody_brings_them_back(root: Path) -> None:
    """Calls of a number that nobody has yet belong to nobody, until it is known whose it is."""
    assert ran(root, {**FIRST, "calls-2.csv": SECOND["calls-2.csv"]}).outcome == "published"
    record = ran(root, {"phones-2.csv": SECOND["phones-2.csv"]})
    assert [table.nobody for table in record.tables if table.table == "desk.calls"] == [0]
