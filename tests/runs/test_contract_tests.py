"""`potable test`: a contract's own tests are judged as landed rows are, and what does not hold is told with its place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import open_engine, require_spark
from tests.runs.conftest import EXAMPLE

from potable.cli.app import main
from potable.engines.base import Engine
from potable.errors import ProjectErrors
from potable.project import Project, load
from potable.runs.contract_tests import Ran, run_tests
from potable.runs.plan import validate_steps

CONTRACT = """\
source: pay
type: csv
path: nowhere
tables:
  slips:
    columns:
      emp_no: {type: string, required: true, key: emp_no}
      day: {type: date, required: true, format: "%d.%m.%Y", category: none}
      paid: {type: "decimal(8,2)", decimal: ",", required: true, category: user.financial.salary}
      hours: {type: integer, category: none, on_error: "null"}
      grade: {type: string, required: true, category: none, levels: [Low, High]}
      at: {type: timestamp, category: none}
      ratio: {type: float, category: none}
      active: {type: boolean, category: none}
      code: {type: string, required: true, category: none}
      letter: {type: string, required: true, extract: "^<(.+)@", null_values: [letter-1], category: none}
      month: {path: "@object", extract: "pay_([0-9-]+)[.]csv", type: string, category: none}
    unique: [emp_no, day]
    quarantine: {at_most: 1}
    checks:
      - expect_column_values_to_be_between: {column: paid, min_value: 0, strict_min: true, max_value: 0.5}
      - expect_column_values_to_be_between: {column: hours, min_value: 0, max_value: 300}
      - expect_column_values_to_match_regex: {column: code, regex: "^code"}
      - expect_column_mean_to_be_between: {column: hours, max_value: 100}
    tests:
"""
HOLD = """\
- {name: an empty row is filled with what the contract allows, rows: [{paid: 0.25}]}
- {name: the rows of a test differ in their key, rows: [{paid: 0.1}, {paid: 0.1}, {paid: 0.1}]}
- name: texts are typed as the source's are and values stand for themselves
  rows: [{paid: "0,5", day: 31.01.2020, month: pay_2020-01.csv, active: "yes"}, {paid: 0.5, day: 2020-01-31, active: false}]
  expect:
    - gives: {paid: 0.50, day: 2020-01-31, month: 2020-01, active: true}
    - gives: {paid: 0.5, day: 2020-01-31, month: null, active: false, ratio: null}
- {name: what is filled in is not extracted, rows: [{paid: 0.1}, {paid: 0.1, letter: <a@b>}], expect: [{gives: {letter: letter-1}}, {gives: {letter: a}}]}
- {name: words are read in any case, rows: [{paid: 0.1, grade: hIGH}], expect: {gives: {grade: High}}}
- {name: moments and floats, rows: [{paid: 0.1, at: 2020-01-31T10:00:00, ratio: 1e-3}], expect: {gives: {at: "2020-01-31 10:00", ratio: 0.001}}}
- {name: a cell that cannot be read costs itself, rows: [{paid: 0.1, hours: many}], expect: {nulled: [hours], gives: {hours: null}}}
- {name: so does one that breaks its check, rows: [{paid: 0.1, hours: 301}], expect: {nulled: [hours]}}
- {name: a row may have several reasons, rows: [{paid: "0.5", code: x}], expect: {quarantined: ["mistyped:paid", "match_regex:code"]}}
- {name: blank is missing, rows: [{paid: "  "}], expect: {quarantined: ["missing:paid"]}}
- name: the first of a key stays
  rows: [{paid: 0.1, emp_no: E1, day: 2020-01-31}, {paid: 0.1, emp_no: E1, day: 2020-01-31}]
  expect: [passes, {quarantined: [duplicate]}]
- {name: one may be held back, rows: [{paid: 1}, {paid: 0.1, hours: 1}], expect: [{quarantined: ["be_between:paid"]}, passes], stopped: []}
- {name: two may not, rows: [{paid: 1}, {paid: -1}, {paid: 0.1, hours: 1}], expect: [{quarantined: ["be_between:paid"]}, {quarantined: ["be_between:paid"]}, passes], stopped: ["quarantine()"]}
- {name: a mean stops, rows: [{paid: 0.1, hours: 101}], stopped: [expect_column_mean_to_be_between]}
- {name: what stops is only looked at where it is asked for, rows: [{paid: 0.1, hours: 101}]}
- {name: without rows no mean, rows: [], stopped: [expect_column_mean_to_be_between]}
"""
COMMONEST = """\
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
    column_aggregate_value,
)


class Commonest(ColumnAggregateMetricProvider):
    metric_name = "column.commonest"

    @column_aggregate_value(engine=PandasExecutionEngine)
    def _pandas(cls, column, **kwargs):
        return column.value_counts().index[0]


class ExpectColumnCommonest(ColumnAggregateExpectation):
    most: int
    metric_dependencies = ("column.commonest",)
    success_keys = ("most",)

    def _validate(self, metrics, **kwargs):
        found = metrics["column.commonest"]
        return {"success": found <= self.most, "result": {"observed_value": found}}
"""
FAIL = """\
- {name: passes, rows: [{paid: 0}]}
- {name: is quarantined, rows: [{paid: 0.1}], expect: {quarantined: ["be_between:paid"]}}
- {name: one reason less, rows: [{paid: 1, code: x}], expect: {quarantined: ["be_between:paid"]}}
- {name: nulled, rows: [{paid: 0.1, hours: 1}], expect: {nulled: [hours]}}
- {name: silently nulled, rows: [{paid: 0.1, hours: many}]}
- {name: other value, rows: [{paid: 0.1}], expect: {gives: {paid: 0.2}}}
- {name: other open value, rows: [{paid: 0.1, hours: 7}], expect: {gives: {hours: 8}}}
- {name: second row, rows: [{paid: 0.1}, {paid: 1}], expect: passes}
- {name: nothing stops, rows: [{paid: 0.1, hours: 1}], stopped: [expect_column_mean_to_be_between]}
- {name: something stops, rows: [{paid: 0.1, hours: 200}], stopped: []}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """A project whose one table of interest has these tests."""
    root = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("tested") / "project")

    def project(tests: str, contract: str = CONTRACT) -> Project:
        indented = "".join(f"      {line}\n" for line in tests.splitlines())
        (root / "sources" / "pay.yaml").write_text(contract + indented, encoding="utf-8")
        return load(root, variables={}, offline=True)

    return project


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """DuckDB alone, where the engine is not what is tested."""
    engine = open_engine("duckdb", tmp_path_factory.mktemp("scratch"))
    yield engine
    engine.close()


def ran(project: Project, engine: Engine) -> dict[str, Ran]:
    return {test.name: test for test in run_tests(project, ["pay.slips"], engine)}


@pytest.mark.long_on_spark
def test_what_holds_holds(engine: Engine, made: Callable[..., Project]) -> None:
    found = ran(made(HOLD), engine)
    assert len(found) == HOLD.count("name: ")
    assert {name: [error.text() for error in test.failures] for name, test in found.items() if test.failures} == {}


@pytest.mark.long_on_spark
def test_what_does_not_hold_is_told_with_its_place(engine: Engine, made: Callable[..., Project]) -> None:
    found = ran(made(FAIL), engine)
    told = {name: (test.failures[0].given, test.failures[0].allowed) for name, test in found.items()}
    assert told == {
        "passes": ("row 1 is quarantined for be_between:paid", "row 1 passes"),
        "is quarantined": ("row 1 passes", "row 1 is quarantined for be_between:paid"),
        "one reason less": (
            "row 1 is quarantined for be_between:paid, match_regex:code",
            "row 1 is quarantined for be_between:paid",
        ),
        "nulled": ("row 1 passes", "row 1 passes with hours set to null"),
        "silently nulled": ("row 1 passes with hours set to null", "row 1 passes"),
        # what a protected column holds is never shown
        "other value": (
            "row 1 has a value of the shape `9.99`, less than expected in `paid`",
            "row 1 has a value of the shape `9.99` in `paid`",
        ),
        "other open value": ("row 1 has `7` in `hours`", "row 1 has `8` in `hours`"),
        "second row": ("row 2 is quarantined for be_between:paid", "row 2 passes"),
        "nothing stops": ("nothing stops the run", "expect_column_mean_to_be_between stops the run"),
        "something stops": ("expect_column_mean_to_be_between stops the run", "nothing stops the run"),
    }  # fmt: skip
    lines = (CONTRACT + FAIL).splitlines()
    for name, test in found.items():
        (failure,) = test.failures
        assert failure.place and (failure.place.file, failure.code) == ("sources/pay.yaml", "D020")
        assert f"name: {name}," in lines[failure.place.line - 1] and failure.place.column > 1


def test_a_class_about_a_whole_column_is_asked_only_where_a_test_looks_at_what_stops(
    local: Engine, made: Callable[..., Project]
) -> None:
    pytest.importorskip("great_expectations", reason="Great Expectations is not installed")
    contract = CONTRACT.replace(
        "    checks:\n", "    checks:\n      - expect_column_commonest: {column: hours, most: 5}\n"
    )
    tests = "- {name: t, rows: [{paid: 1}], expect: {quarantined: ['be_between:paid']}}\n"
    asks = "- {name: asks, rows: [{paid: 0.1, hours: 7}], stopped: [expect_column_commonest]}\n"
    root = made(HOLD.splitlines()[0]).root
    (root / "checks.py").write_text(COMMONEST, encoding="utf-8")
    platform = (root / "potable.yaml").read_text(encoding="utf-8")
    (root / "potable.yaml").write_text(platform + "plugins: [checks.py]\n", encoding="utf-8")
    try:
        # of no row that stays the class would raise an error
        assert [test.failures for test in ran(made(tests + asks, contract), local).values()] == [[], []]
    finally:
        (root / "potable.yaml").write_text(platform, encoding="utf-8")


def test_a_column_that_was_filled_wrongly_is_named(local: Engine, made: Callable[..., Project]) -> None:
    contract = CONTRACT.replace('regex: "^code"', 'regex: "^[A-Z]{3}$"')
    (test,) = ran(made("- {name: t, rows: [{paid: 0.1}]}", contract), local).values()
    assert test.failures[0].hint.startswith("the row has no value for code:")


GONE = """\
- {name: who is gone takes what was, rows: [{code: code-A}, {code: code-B}, {code: code-A, gone: true}], expect: [{deleted: true}, passes, {deleted: true}]}
- {name: the same key elsewhere, rows: [{code: code-A}, {code: code-A}], expect: [passes, {quarantined: [duplicate]}]}
- {name: what comes again is there, rows: [{code: code-A}, {code: code-A, gone: true}, {code: code-A}], expect: [{deleted: true}, {deleted: true}, passes]}
- {name: whose, rows: [{code: null, gone: true}], expect: {quarantined: [deletion_without_key]}}
- {name: wrongly gone, rows: [{code: code-C}], expect: {deleted: true}}
- {name: wrongly there, rows: [{code: code-D, gone: true}]}
"""


@pytest.mark.long_on_spark
def test_what_is_deleted_is_told(engine: Engine, made: Callable[..., Project]) -> None:
    deleting = "      gone: {type: boolean, category: none}\n    deleted: gone\n    known: at\n    unique: [code]\n"
    contract = "".join(
        line for line in CONTRACT.splitlines(keepends=True) if not re.search("unique|paid|quarantine", line)
    ).replace("    checks:\n", f"{deleting}    checks:\n")
    found = ran(made(GONE, contract), engine)
    told = {name: (error.given, error.allowed) for name, test in found.items() for error in test.failures}
    assert told == {
        "wrongly gone": ("row 1 passes", "row 1 is deleted"),
        "wrongly there": ("row 1 is deleted", "row 1 passes"),
    }


def test_everything_wrong_with_a_test_is_found_when_the_project_is_read(made: Callable[..., Project]) -> None:
    tests = """\
- {name: a, rows: [{payed: 1}]}
- {name: b, rows: [{hours: 1.5}]}
- {name: c, rows: [{code: 7}]}
- {name: d, rows: [{}], expect: {quarantined: ["between:paid"]}}
- {name: e, rows: [{}], expect: {nulled: [paid]}}
- {name: f, rows: [{}], expect: {gives: {hours: "7"}}}
- {name: g, rows: [{}], stopped: [expect_table_row_count_to_equal]}
- {name: h, rows: [{}], expect: {deleted: true}}
"""
    with pytest.raises(ProjectErrors) as caught:
        made(tests)
    found = caught.value.errors
    assert [error.code for error in found] == ["P021"] * 8
    assert [error.place and error.place.line for error in found] == [
        CONTRACT.count("\n") + line for line in range(1, 9)
    ]
    assert "did you mean `paid`?" in found[0].hint and "did you mean `be_between:paid`?" in found[3].hint


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("{name: a, rows: [{}], expect: {}}", "a test needs an expected result"),
        ("{name: a, rows: [{}], expect: [passes, passes]}", "lists 2 outcomes for 1 rows"),
        ("{name: a, rows: []}", "a test without rows must say which check stops the run"),
        ("{name: a, rows: [{}], expect: {quarantined: [duplicate], nulled: [hours]}}", "cannot have `gives`"),
        ("{name: a, row: [{}]}", "unknown key `row`"),
    ],
)
def test_a_test_that_says_nothing_is_refused(made: Callable[..., Project], test: str, problem: str) -> None:
    with pytest.raises(Exception, match="error") as caught:
        made(f"- {test}")
    assert problem in str(caught.value)


def test_tests_change_nothing_of_what_is_made(made: Callable[..., Project]) -> None:
    prints = [validate_steps(made(tests), {"pay": ()}, ["pay.slips"])[0].fingerprint for tests in (HOLD, FAIL)]
    assert prints[0] == prints[1]


def test_the_command_exits_with_one_where_a_test_fails(
    made: Callable[..., Project], capsys: pytest.CaptureFixture[str]
) -> None:
    root = made(HOLD.splitlines()[0] + "\n" + FAIL.splitlines()[0]).root
    assert command(root, "test", "pay") == 1
    told = capsys.readouterr().err
    assert "error[D020] sources/pay.yaml:" in told and "pay.slips: 1 of 2 tests hold, 1 not: passes" in told
    assert command(root, "test", "pay.slips", "-o", "json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["tests"], facts["failed"]) == (2, 1)
    assert facts["results"][1]["errors"][0]["place"]["line"]
    assert command(root, "test", "pay.slip") == 2
    assert "did you mean `pay.slips`?" in capsys.readouterr().err
    assert command(root, "test", "lms") == 0
    assert not list((root / ".potable" / "scratch").iterdir()), "nothing of the rows is left"


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
def test_the_command_runs_them_on_the_engine_that_is_named(
    made: Callable[..., Project], capsys: pytest.CaptureFixture[str]
) -> None:
    require_spark()
    root = made(HOLD.splitlines()[0] + "\n" + FAIL.splitlines()[0]).root
    assert command(root, "test", "pay", "--engine", "spark", "-o", "json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["engine"], facts["tests"], facts["failed"]) == ("spark", 2, 1)
    assert facts["results"][1]["errors"][0]["next"] == "potable test pay.slips --engine spark"
    assert not list((root / ".potable" / "scratch").iterdir()), "nothing of the rows is left"


def test_an_engine_that_there_is_not_is_told(made: Callable[..., Project], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(made(HOLD.splitlines()[0]).root, "test", "--engine", "sparc") == 2
    assert "did you mean `spark`?" in capsys.readouterr().err


def test_the_tests_in_the_manual_hold(local: Engine, tmp_path: Path) -> None:
    root = shutil.copytree(EXAMPLE, tmp_path / "project")
    page = (EXAMPLE.parents[1] / "docs" / "contracts.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(    tests:\n.*?)```", page, re.DOTALL)
    path = root / "sources" / "payroll.yaml"
    path.write_text(path.read_text(encoding="utf-8").partition("    tests:")[0] + shown, encoding="utf-8")
    found = list(run_tests(load(root, variables={}, offline=True), ["payroll.payslips"], local))
    assert [error.text() for test in found for error in test.failures] == []
    assert len(found) == shown.count("name:")


def test_the_tests_of_the_example_hold(local: Engine, tmp_path: Path) -> None:
    project = load(shutil.copytree(EXAMPLE, tmp_path / "project"), variables={}, offline=True)
    names = [name for name, table in project.tables.items() if table.tests]
    assert len(names) >= 3
    assert [error.text() for test in run_tests(project, names, local) for error in test.failures] == []


def command(root: Path, *arguments: str) -> int:
    try:
        main(["-C", str(root), *arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
