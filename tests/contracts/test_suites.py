"""Suites of Great Expectations that a table names: what they say is judged with its checks, what is wrong told with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_checks import BETWEEN, UNIQUE
from tests.contracts.test_validate import payslips
from tests.runs.test_layers import NOTES, notes_project

from potable.contracts.checks import parse
from potable.contracts.suites import Item, Suite, read_suite
from potable.errors import ProjectError, ProjectErrors


def test_a_severity_that_is_none_is_told_of_a_suite_too() -> None:
    suite = Suite("s", [Item("s.json", 0, UNIQUE, {"column": "emp_no", "severity": ["warning"]})], [])
    checks, (error,) = parse("payslips", payslips(checks=[]), suite=suite)
    assert not checks and "`severity` must be one of stop, warn" in error.problem


def test_parameters_of_a_suite_have_the_values_it_gives(tmp_path: Path) -> None:
    kwargs = {
        "column": "gross",
        "min_value": {"$PARAMETER": "low"},
        "max_value": {"$PARAMETER": "high", "$PARAMETER.high": 9},
    }
    entry = {"type": BETWEEN, "kwargs": kwargs}
    for key in ("evaluation_parameters", "suite_parameters"):
        (tmp_path / "s.json").write_text(json.dumps({"expectations": [entry], key: {"low": 1}}))
        (check,), errors = parse("payslips", payslips(checks=[]), suite=read_suite(tmp_path, "s.json"))
        assert not errors and check.arguments == {"column": "gross", "min_value": 1, "max_value": 9}


def test_a_parameter_without_a_value_is_named(tmp_path: Path) -> None:
    kwargs = {"column": "gross", "max_value": {"$PARAMETER": "now() - timedelta(weeks=1)"}}
    (tmp_path / "s.json").write_text(json.dumps({"expectations": [{"type": BETWEEN, "kwargs": kwargs}]}))
    checks, (error,) = parse("payslips", payslips(checks=[]), suite=read_suite(tmp_path, "s.json"))
    assert not checks and "the parameter `now() - timedelta(weeks=1)` of `max_value`" in error.problem
    assert "in its place" in error.hint


def test_arguments_of_earlier_gx_are_told_with_what_to_do_and_idle_ones_are_left_out(tmp_path: Path) -> None:
    former = {"column": "gross", "min_value": 1, "parse_strings_as_datetimes": None, "auto": False}
    entries = [{"expectation_type": BETWEEN, "kwargs": kwargs}
               for kwargs in (former, {**former, "parse_strings_as_datetimes": True})]  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps({"expectations": entries}))
    checks, (error,) = parse("payslips", payslips(checks=[]), suite=read_suite(tmp_path, "s.json"))
    assert len(checks) == 1 and "declare the column's `type`" in error.hint


def test_everything_wrong_with_a_suite_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    bad = [
        {"type": "expect_column_values_to_be_odd", "kwargs": {"column": "amount"}},
        {"expectation_type": BETWEEN, "kwargs": {"column": "amont", "min_value": 1}},
        {"type": "expect_query_results_to_match_comparison", "kwargs": {}},
    ]
    with pytest.raises(ProjectErrors) as caught:
        suited(tmp_path / "project", bad)
    told = [(str(error.place), error.problem.partition("`:")[0]) for error in caught.value.errors]
    assert [place for place, _ in told] == ["gx/notes.json[0]", "gx/notes.json[1]", "gx/notes.json[2]"]
    assert caught.value.errors[1].hint == "did you mean `amount`?"


def test_a_suite_is_judged_with_the_checks_and_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    from potable.runs.plan import validate_steps

    entry = {"type": BETWEEN, "kwargs": {"column": "amount", "max_value": 5}, "severity": "warning", "id": "x"}
    prints = []
    for index, changed in enumerate([{}, {"id": "y"}, {"kwargs": {"column": "amount", "max_value": 6}}]):
        project = suited(tmp_path / str(index), [{**entry, **changed}])
        assert project.checks["notes.notes"][-1].severity == "warn"
        prints.append(validate_steps(project, {"notes": ()}, ["notes.notes"])[0].fingerprint)
    assert prints[0] == prints[1] != prints[2]


def suited(root: Path, expectations: list[dict[str, Any]]) -> Any:
    """A project of notes with a suite."""
    import shutil

    from tests.runs.conftest import EXAMPLE
    from tests.runs.test_layers import VARIABLES

    from potable.project import load

    shutil.copytree(EXAMPLE, root)
    (root / "gx").mkdir()
    (root / "gx/notes.json").write_text(json.dumps({"name": "notes", "expectations": expectations}), encoding="utf-8")
    source = NOTES.replace("    unique: [emp_no, day]\n", "    unique: [emp_no, day]\n    suite: gx/notes.json\n")
    (root / "sources/notes.yaml").write_text(source, encoding="utf-8")
    return load(root, variables=VARIABLES)


def test_a_suite_outside_the_project_is_refused(tmp_path: Path) -> None:
    source = NOTES.replace("    unique:", "    suite: ../notes.json\n    unique:")
    with pytest.raises(ProjectError, match="inside the project folder"):
        notes_project(tmp_path / "project", source)
