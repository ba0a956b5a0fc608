"""Column drift: what changed, in how many objects, and what the policy makes of it."""

from __future__ import annotations

import pytest

from potable.contracts.drift import Drift, compare, refuse
from potable.errors import DataError
from potable.tables import Table


def table(**drift: str) -> Table:
    columns = {
        "emp_no": {"path": ["employee_number", "EmpNo"], "key": "emp_no"},
        "rating": {"category": "none"},
        "file": {"path": "@object", "category": "none"},
    }
    return Table.model_validate({"columns": columns, "drift": drift})


def test_no_drift_when_each_column_has_one_of_its_names() -> None:
    assert compare(table(), {"a": ["EmpNo", "rating"], "b": ["employee_number", "rating"]}, fixed=True) == []


def test_a_new_column_is_reported_with_its_first_object() -> None:
    found = compare(table(), {"b": ["EmpNo", "rating", "mood"], "a": ["EmpNo", "rating"]}, fixed=True)
    assert found == [Drift("new_column", "mood", 1, "b")]


def test_a_column_missing_from_one_file_has_drifted_only_where_columns_are_fixed() -> None:
    observed = {"a": ["EmpNo", "rating"], "b": ["EmpNo"]}
    assert compare(table(), observed, fixed=True) == [Drift("missing_column", "rating", 1, "b")]
    assert compare(table(), observed, fixed=False) == []


def test_the_policy_decides_what_a_missing_column_does() -> None:
    lost = compare(table(), {"a": ["EmpNo"]}, fixed=True)
    with pytest.raises(DataError) as caught:
        refuse("reviews.ratings", table(), lost)
    assert caught.value.code == "D002" and caught.value.exit_code == 1
    refuse("reviews.ratings", table(missing_column="warn"), lost)
