"""A new version beside an earlier one, before its name moves."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import Bench

from potable.cli.output import summary
from potable.cli.reporting import report_of
from potable.datasets.version import current, history
from potable.errors import ProjectError
from potable.project import load
from potable.runs.record import RunRecord
from potable.runs.runner import Options, run

EXAMPLE = Path(__file__).parents[2] / "examples" / "churn"


@pytest.fixture
def shop(finished_small: Bench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_small.root, tmp_path / "shop"))


def made(root: Path, as_of: date | None = None, scoring: bool = False) -> RunRecord:
    return run(load(root, as_of=as_of, scoring=scoring), Options(), lambda event: None)


def published(root: Path, **asked: Any) -> RunRecord:
    record = made(root, **asked)
    assert record.outcome == "published", record.error
    return record


def more_tickets(root: Path) -> None:
    """Every ticket eight times, under other numbers."""
    path = root / "data/tickets.ndjson"
    tickets = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [
        json.dumps({**each, "id": f"{each['id']}{turn}", "opened_at": f"{each['opened_at'][:-2]}{turn:02}"}) + "\n"
        for turn in range(1, 9)
        for each in tickets
    ]
    path.write_text("".join(lines), encoding="utf-8")


def declare(root: Path, text: str) -> None:
    path = root / "features.yaml"
    path.write_text(re.sub("\ndrift:.*", "", path.read_text(encoding="utf-8")) + f"\ndrift: {text}", encoding="utf-8")


def test_what_moved_since_the_version_before_is_told(shop: Path) -> None:
    more_tickets(shop)
    record = published(shop)
    assert record.dataset and record.dataset.beside
    beside = record.dataset.beside
    assert beside.reference == "customer_churn version 1"
    states = {each.column: each.state for each in beside.shifts}
    assert (states["tickets_6mo"], states["churn"], states["plan"]) == ("warn", "ok", "ok")
    assert "tickets_6mo drifted" in summary(record, "")
    page = Path(report_of(load(shop), None)[0]["report"]).read_text(encoding="utf-8")
    assert "compared with customer_churn version 1" in page and "<code>tickets_6mo</code>: PSI" in page
    again = made(shop)
    assert again.outcome == "nothing new" and again.dataset and again.dataset.beside is None


def test_a_version_that_moved_too_far_does_not_become_current(shop: Path) -> None:
    more_tickets(shop)
    declare(shop, "{severity: stop}")
    for _ in range(2):
        record = made(shop)
        assert (record.exit_code, record.error["code"]) == (1, "D010")
        assert "version 1 stays current" in record.error["text"] and "tickets_6mo" in record.error["text"]
    versions = load(shop).lake().versions("customer_churn")
    assert len(history(versions)) == 1
    until = date.today() + timedelta(days=3)
    names = ("tickets_6mo", "urgent_6mo", "tickets_per_month", "hours_avg_last3", "days_since_ticket")
    # what was expected before may stand below
    days = (until, date.today() - timedelta(days=3))
    accepted = ", ".join(f"{{column: {name}, until: {day}, reason: a new form}}" for day in days for name in names)
    declare(shop, f"{{severity: stop, accepted: [{accepted}]}}")
    record = published(shop)
    assert {step.state for step in record.steps} == {"skipped"}
    assert record.dataset and record.dataset.beside
    assert {each.state for each in record.dataset.beside.shifts} == {"ok", "accepted"}
    assert (found := current(versions)) and found.number == 2


def test_a_column_that_is_defined_otherwise_is_not_compared(shop: Path) -> None:
    path = shop / "features.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("count() in 6mo\n", "count() in 3y\n"), encoding="utf-8")
    record = published(shop)
    assert record.dataset and record.dataset.beside
    columns = [each.column for each in record.dataset.beside.shifts]
    assert "tickets_6mo" not in columns and "urgent_6mo" in columns


def test_a_version_that_is_named_is_compared_with(shop: Path) -> None:
    more_tickets(shop)
    published(shop)
    declare(shop, "{against: 1, psi: 9}")
    shutil.copy(EXAMPLE / "data/tickets.ndjson", shop / "data/tickets.ndjson")
    record = published(shop)
    assert record.dataset and record.dataset.beside and record.dataset.beside.reference == "customer_churn version 1"
    assert {each.state for each in record.dataset.beside.shifts} == {"ok"}
    declare(shop, "{against: 7}")
    more_tickets(shop)
    record = published(shop)
    assert record.dataset and record.dataset.beside
    assert (record.dataset.beside.reference, record.dataset.beside.unknown) == (
        "customer_churn version 7",
        "there is no such version",
    )


def test_rows_to_score_are_compared_with_what_models_were_trained_on(shop: Path) -> None:
    record = published(shop, as_of=date(2024, 6, 30), scoring=True)
    assert record.dataset and record.dataset.beside
    assert record.dataset.beside.reference == "customer_churn version 1"
    assert "churn" not in [each.column for each in record.dataset.beside.shifts]


def test_an_expected_change_of_no_column_is_refused(shop: Path) -> None:
    declare(shop, "{accepted: [{column: tickets_6m, until: 2030-01-01, reason: x}]}")
    with pytest.raises(ProjectError, match="`tickets_6m`, which is not a column of `customer_churn`"):
        load(shop)
    path = shop / "features.yaml"
    whole = path.read_text(encoding="utf-8")
    label = re.search(r"label:\n.*\n", whole)
    assert label
    path.write_text(whole.replace(label[0], "label: {}\n"), encoding="utf-8")
    with pytest.raises(ProjectError, match="`tickets_6m`, which is not a column of `customer_churn`"):
        load(shop)
    path.write_text(whole.replace("tickets_6m,", "churn,"), encoding="utf-8")
    load(shop)
    load(shop, as_of=date(2024, 6, 30), scoring=True)
