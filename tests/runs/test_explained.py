"""`explain`: what is told of a cell agrees with the cell, over many rows and kinds of features."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from tests.runs.conftest import Bench

from potable.datasets.version import current
from potable.errors import ProjectError
from potable.runs.explained import OF_THE_ROW, USED, Explained, explain
from potable.runs.record import RunRecord

Finished = tuple[Bench, RunRecord]
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def rows(finished: Finished) -> list[dict[str, Any]]:
    """The finished dataset."""
    found: list[dict[str, Any]] = finished[0].table().to_pylist()
    return found


def explained(finished: Finished, name: str, row: str | None = None) -> Explained:
    project = finished[0].project()
    version = current(project.lake().versions(project.features.dataset))
    assert version
    return explain(project, version, name, row)


def used(found: Explained) -> list[Any]:
    return [fact.value for fact in found.facts if fact.fate == USED]


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("surveys_answered", len),
        ("overtime_hours_6mo", lambda values: round(sum(values), 4)),
        ("rating_avg_last3", lambda values: round(sum(values) / len(values), 4)),
        ("rating_worst_3y", min),
        ("job_role", lambda values: values[0]),
        ("courses_taken", lambda values: len(set(values))),
    ],
)
def test_the_used_records_give_the_cell(finished: Finished, rows: list[dict[str, Any]], name: str, again: Any) -> None:
    filled = [row["employee_id"] for row in rows if row[name]]
    for row in (filled[0], filled[len(filled) // 2]):
        found = explained(finished, name, row)
        assert found.computed == found.cell == pytest.approx(again(used(found)))
        assert not found.emptied and found.row == row


def test_records_that_are_not_used_say_which_rule_leaves_them_out(
    finished: Finished, rows: list[dict[str, Any]]
) -> None:
    whose = next(row["employee_id"] for row in rows if 2010 < row["as_of"].year < 2021 and row["rating_avg_last3"])
    found = explained(finished, "rating_worst_3y", whose)
    cut = found.as_of - 30 * DAY
    assert [fact.happened for fact in found.facts] == sorted((fact.happened for fact in found.facts), reverse=True)
    fates = {
        "had not happened": lambda fact: fact.happened.date() >= cut,
        "was not known": lambda fact: fact.happened.date() < cut and fact.known.date() >= found.as_of,
        "outside of the window": lambda fact: fact.happened.date() < cut.replace(year=cut.year - 3),
        USED: lambda fact: cut.replace(year=cut.year - 3) <= fact.happened.date() < cut,
    }
    for fact in found.facts:
        (rule,) = [words for words in fates if words in fact.fate]
        assert fates[rule](fact), fact.fate
    assert {fact.value is None for fact in found.facts if fact.fate != USED} <= {True}


def test_a_label_is_explained_by_what_came_after(finished: Finished, rows: list[dict[str, Any]]) -> None:
    whose = next(row["employee_id"] for row in rows if row["attrition"] == "Left")
    found = explained(finished, "attrition", whose)
    (fact,) = [fact for fact in found.facts if fact.fate == USED]
    assert fact.columns["kind"] == "voluntary" and fact.happened and fact.happened.date() > found.as_of
    assert found.computed == found.cell == "Left"


def test_a_derived_feature_names_the_cells_it_is_computed_from(finished: Finished) -> None:
    found = explained(finished, "training_pace")
    assert found.inputs and set(found.inputs) == {"training_hours_12mo", "tenure_years"}
    assert found.inputs["tenure_years"] == OF_THE_ROW and not found.facts
    assert found.computed == found.cell


def test_values_that_are_not_published_as_they_are_are_shapes(finished: Finished) -> None:
    found = explained(finished, "monthly_income")
    assert found.facts and {fact.columns["gross_usd"].replace("9", "") for fact in found.facts} == {"."}
    assert all(set(str(fact.value)) <= set("9.") for fact in found.facts if fact.fate == USED)


def test_times_that_are_not_published_as_they_are_are_shapes(finished: Finished, monkeypatch: Any) -> None:
    bench, _ = finished
    project = bench.project()
    table = project.tables["payroll.payslips"]
    assert table.time
    hidden = table.columns[table.time].model_copy(update={"category": "user.financial.salary"})
    monkeypatch.setitem(table.columns, table.time, hidden)
    version = current(project.lake().versions(project.features.dataset))
    assert version
    found = explain(project, version, "overtime_hours_6mo", None)
    assert found.facts and {fact.happened for fact in found.facts} == {"9999-99-99 99:99:99"}
    assert found.computed == found.cell


def test_what_k_anonymity_emptied_stays_hidden(finished: Finished, rows: list[dict[str, Any]]) -> None:
    project = finished[0].project()
    assert project.policy.anonymity
    quasi = project.policy.anonymity.columns
    emptied = [row["employee_id"] for row in rows if all(row[name] is None for name in quasi)]
    assert emptied
    for name in (*quasi, *project.plan.kin(quasi)):
        found = explained(finished, name, emptied[0])
        assert found.emptied and not found.facts and found.cell is None and found.computed is None


def test_a_column_or_row_that_is_not_there_is_refused(finished: Finished) -> None:
    with pytest.raises(ProjectError, match="no feature `jobrole`") as refused:
        explained(finished, "jobrole")
    assert "job_role" in refused.value.hint
    with pytest.raises(ProjectError, match="has no row `nobody`"):
        explained(finished, "job_role", "nobody")
