"""`potable test`: tests of features are built as landed records are, and what does not hold is told with its place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import EXAMPLE
from tests.runs.test_contract_tests import command
from tests.runs.test_contract_tests import local as local

from potable.engines.base import Engine
from potable.errors import ProjectErrors
from potable.project import Project, load
from potable.runs.feature_tests import _same, run_feature_tests
from potable.runs.given import Ran
from potable.runs.plan import later_steps

OLD = (EXAMPLE / "features.yaml").read_text(encoding="utf-8").partition("\ntests:")[0] + "\n"
RATING = "{reviewed_on: 2019-12-31, submitted_at: 2020-01-15, rating: High}"
AT = "as_of: 2020-06-30"
HOLD = f"""\
- {{name: nothing is known of who has no records, {AT}, gives: {{rating_avg_last3: null, surveys_answered: 0, age: null}}}}
- {{name: a text is read as the source writes it, {AT}, rows: {{reviews.ratings: [{{reviewed_on: "31.12.2019", rating: hIGH}}]}}, gives: {{performance_rating: High, days_since_review: 182}}}}
- {{name: a lag counts where no moment is given, as_of: 2020-01-30, rows: {{reviews.ratings: [{{reviewed_on: 2019-12-31, rating: High}}]}}, gives: {{performance_rating: null}}}}
- {{name: and then it has passed, as_of: 2020-02-01, rows: {{reviews.ratings: [{{reviewed_on: 2019-12-31, rating: High}}]}}, gives: {{performance_rating: High}}}}
- {{name: a later version of a record corrects it, {AT}, rows: {{reviews.ratings: [{RATING}, {{reviewed_on: 2019-12-31, submitted_at: 2020-02-01, rating: Low}}]}}, gives: {{performance_rating: Low, rating_avg_last3: 1.0}}}}
- {{name: rows that give no key of their own are records of their own, {AT}, rows: {{lms.trainings: [{{completed_at: 2020-01-01, recorded_at: 2020-01-01, hours: 1}}, {{completed_at: 2020-01-01, recorded_at: 2020-01-01, hours: 2}}]}}, gives: {{training_hours_12mo: 3}}}}
- {{name: columns without history, {AT}, rows: {{hrms.people: [{{birth_date: 1980-07-01, gender: FEMALE}}]}}, gives: {{age: 35-45, gender: Female}}}}
- {{name: bands are those that are published, {AT}, rows: {{payroll.payslips: [{{pay_date: 2020-01-31, gross_usd: 3600}}]}}, gives: {{monthly_income: 3000-4500}}}}
"""
FAIL = f"""\
- {{name: an open number, {AT}, gives: {{surveys_answered: 1}}}}
- {{name: a number of people, {AT}, rows: {{reviews.ratings: [{RATING}]}}, gives: {{rating_worst_3y: 3}}}}
- {{name: a word of people, {AT}, rows: {{reviews.ratings: [{RATING}]}}, gives: {{performance_rating: Low}}}}
- {{name: nothing there, {AT}, gives: {{performance_rating: High}}}}
- {{name: cannot be parsed, {AT}, rows: {{lms.trainings: [{{completed_at: 2020-01-01, recorded_at: 2020-01-01, hours: many}}]}}, gives: {{training_hours_12mo: 0}}}}
- {{name: depend on chance, {AT}, rows: {{hrms.employment: [{{hired_on: 2015-01-01, recorded_at: 2015-01-01}}, {{hired_on: 2015-01-01, recorded_at: 2015-01-01, left_on: 2020-01-01}}]}}, gives: {{years_at_company: 60}}}}
- {{name: holds beside them, {AT}, rows: {{reviews.ratings: [{RATING}]}}, gives: {{performance_rating: High}}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """The example with these tests instead of its own."""
    root = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("tested") / "project")

    def project(tests: str) -> Project:
        indented = "".join(f"  {line}\n" for line in tests.splitlines())
        (root / "features.yaml").write_text(OLD + ("tests:\n" + indented if tests else ""), encoding="utf-8")
        return load(root, variables={}, offline=True)

    return project


def ran(project: Project, engine: Engine) -> dict[str, Ran]:
    return {test.name: test for test in run_feature_tests(project, engine)}


@pytest.mark.long_on_spark
def test_what_holds_holds(engine: Engine, made: Callable[[str], Project]) -> None:
    found = ran(made(HOLD), engine)
    assert len(found) == HOLD.count("name: ")
    assert {name: [error.text() for error in test.failures] for name, test in found.items() if test.failures} == {}


@pytest.mark.long_on_spark
def test_what_does_not_hold_is_told_with_its_place(engine: Engine, made: Callable[[str], Project]) -> None:
    found = ran(made(FAIL), engine)
    told = {name: (each.given, each.allowed) for name, test in found.items() for each in test.failures}
    assert told.pop("depend on chance")
    assert told == {
        "an open number": ("`surveys_answered` is `0`", "`surveys_answered` is `1`"),
        # of what carries a category, only the shape is told, and which is more
        "a number of people": (
            "`rating_worst_3y` is a value of the shape `9`, more than expected",
            "`rating_worst_3y` is a value of the shape `9`",
        ),
        "a word of people": (
            "`performance_rating` is a value of the shape `Aaaa`",
            "`performance_rating` is a value of the shape `Aaa`",
        ),
        "nothing there": ("`performance_rating` is nothing", "`performance_rating` is a value of the shape `Aaaa`"),
        "cannot be parsed": ("values that do not fit their column's type: hours", ""),
    }
    assert found["depend on chance"].failures[0].code == "D004"
    lines = (OLD + "tests:\n" + FAIL).splitlines()
    for name, test in found.items():
        for failure in test.failures:
            assert failure.place and failure.place.file == "features.yaml"
            assert f"name: {name}," in lines[failure.place.line - 1] and failure.place.column > 3


def test_everything_wrong_with_a_test_is_found_when_the_project_is_read(made: Callable[[str], Project]) -> None:
    tests = f"""\
- {{name: a, {AT}, gives: {{rating_avg_last: 1}}}}
- {{name: b, {AT}, gives: {{performance_rating: 1}}}}
- {{name: c, {AT}, rows: {{reviews.rating: [{{}}]}}, gives: {{age: null}}}}
- {{name: d, {AT}, rows: {{reviews.ratings: [{{reviewed_on: 2020-01-01, ratings: High}}]}}, gives: {{age: null}}}}
- {{name: e, {AT}, rows: {{lms.trainings: [{{completed_at: 2020-01-01, recorded_at: 2020-01-01, hours: 1.555}}]}}, gives: {{age: null}}}}
- {{name: f, {AT}, rows: {{lms.trainings: [{{completed_at: 2020-01-01}}]}}, gives: {{age: null}}}}
- {{name: g, {AT}, rows: {{reviews.ratings: [{{reviewed_on: 2020-01-01, emp_no: E1}}]}}, gives: {{age: null}}}}
- {{name: h, {AT}, gives: {{surveys_answered: 1.5}}}}
"""
    with pytest.raises(ProjectErrors) as caught:
        made(tests)
    found = caught.value.errors
    assert [error.code for error in found] == ["P021"] * 8
    assert [error.place and error.place.line for error in found] == [OLD.count("\n") + line for line in range(2, 10)]
    assert "did you mean `rating_avg_last3`?" in found[0].hint and "did you mean `reviews.ratings`?" in found[2].hint
    assert "needs `recorded_at`" in found[5].problem and "is a key" in found[6].problem


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (2.3333, 2.33, True),
        (2.3333, 2.34, False),
        (2.345, 2.34, True),
        (2.345, 2.35, True),
        (2.3333, 2, False),
        (2.0, 2, True),
        (2, 2.0, True),
        (2.04, 2.0, True),
        (0.00012, 1e-4, True),
        (1, True, False),
        (True, 1, False),
        (None, 0.0, False),
        (None, None, True),
        ("a", "a", True),
    ],
)
def test_fractions_are_compared_as_they_are_written(found: Any, wanted: Any, same: bool) -> None:
    assert _same(found, wanted) is same


def test_tests_change_nothing_of_what_is_made(made: Callable[[str], Project]) -> None:
    prints = []
    for tests in ("", HOLD):
        project = made(tests)
        steps = later_steps(project, {source: () for source in project.sources}, "key")
        prints.append([step.fingerprint for step in steps])
    assert prints[0] == prints[1]


def test_the_command_runs_them_with_the_others_or_alone(
    made: Callable[[str], Project], capsys: pytest.CaptureFixture[str]
) -> None:
    root = made(FAIL.splitlines()[0] + "\n" + HOLD.splitlines()[0]).root
    assert command(root, "test", "employee_attrition", "-o", "json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["tests"], facts["failed"], facts["results"][0]["table"]) == (2, 1, "employee_attrition")
    assert command(root, "test") == 1
    told = capsys.readouterr().err
    assert "error[D020] features.yaml:" in told and "payroll.payslips: " in told
    assert "employee_attrition: 1 of 2 tests hold, 1 not: an open number" in told
    assert command(root, "test", "lms") == 0
    assert not list((root / ".potable" / "scratch").iterdir()), "nothing of the rows is left"


def test_the_tests_of_the_example_hold(local: Engine, tmp_path: Path) -> None:
    project = load(shutil.copytree(EXAMPLE, tmp_path / "project"), variables={}, offline=True)
    found = list(run_feature_tests(project, local))
    assert len(found) >= 3
    assert [error.text() for test in found for error in test.failures] == []


def test_the_tests_in_the_manual_hold(local: Engine, made: Callable[[str], Project]) -> None:
    page = (EXAMPLE.parents[1] / "docs" / "contracts.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(tests:.*?)```", page, re.DOTALL)
    root = made("").root
    (root / "features.yaml").write_text(OLD + shown, encoding="utf-8")
    found = list(run_feature_tests(load(root, variables={}, offline=True), local))
    assert len(found) == shown.count("name:")
    assert [error.text() for test in found for error in test.failures] == []
