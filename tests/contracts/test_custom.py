"""Expectation classes of a project: judged by Great Expectations itself, with our quarantine, shares and secrecy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.contracts.conftest import Ask, Case
from tests.contracts.test_parity import (
    ABOVE,
    DAY,
    EMPTY,
    NULLS,
    ONE,
    PAIRS,
    REAL,
    WORD,
    case_of,
    differences,
    ours,
    tables,
)
from tests.contracts.test_parity import local as local
from tests.contracts.test_validate import GOOD, one, payslips, places, rows_of
from tests.runs.test_layers import NOTES, VARIABLES, notes_project, open_notes, outcome
from tests.runs.test_layers import text as text_of

import potable.contracts.checks
from potable.contracts.checks import parse
from potable.contracts.custom import Custom, classes
from potable.contracts.suite_files import to_suite
from potable.contracts.suites import Item, Suite
from potable.contracts.validate import Contract, Validated, validate
from potable.engines.base import Engine
from potable.engines.duckdb import DuckDBEngine
from potable.errors import EnvironmentFailure, MissingExtra, ProjectError
from potable.plugins import Module, module
from potable.project import Project, load
from potable.runs.plan import validate_steps
from potable.sources.groups import schema
from potable.sources.typed import typed
from potable.tables import BATCH, Table

HERE = Path(__file__).parent
DIGIT = "expect_column_values_to_have_check_digit"
INDIA, PARSER = 'col("currency")=="INR"', {"condition_parser": "great_expectations"}
ALIKE: list[tuple[str, dict[str, Any]]] = [
    (DIGIT, {**WORD, "modulus": 2}),
    (DIGIT, {**WORD, "mostly": 0.5}),
    (DIGIT, {**REAL, "modulus": 5, "row_condition": ABOVE}),
    ("expect_column_values_to_be_in_month", {**DAY, "month": 2}),
    *(
        ("expect_column_pair_to_be_longer", {"column_A": "word", "column_B": "other", "ignore_row_if": way})
        for way in PAIRS
    ),
    *(
        ("expect_multicolumn_to_rise", {"column_list": ["number", "more"], "ignore_row_if": way})
        for way in ("all_values_are_missing", "any_value_is_missing", "never")
    ),
    ("expect_column_values_to_begin_small", WORD),
    ("expect_small_number", {"mostly": 0.25}),
    ("expect_small_maximum", {"column": "number"}),
    *(("expect_column_spread_to_be_even", {"column": name, "most": 1.5}) for name in ("number", "real")),
    ("expect_column_spread_to_be_even", {"column": "number", "most": 9, "power": 2, "row_condition": ABOVE}),
    ("expect_column_to_begin_with", {**WORD, "first": "a"}),
    ("expect_column_mean_to_be_near", {"column": "more", "near": 2}),
    ("expect_column_values_to_end_in_one_digit", WORD),
    ("expect_column_values_to_be_unique_somehow", {**WORD, "mostly": 0.5}),
    ("expect_table_to_be_even", {}),
    ("expect_table_to_be_even", {"even": False}),
    ("expect_table_to_be_filled", {"cells": 20}),
    ("expect_table_to_have_columns", {"value": 7}),
]


@pytest.fixture(scope="module", autouse=True)
def needed() -> None:
    """Not asked for before the first test runs: it takes seconds, and other workers do not need it."""
    pytest.importorskip("great_expectations", reason="Great Expectations is not installed")


@pytest.fixture(scope="module")
def customs() -> dict[str, Custom]:
    """The classes of the file beside this one."""
    return classes([module(HERE, "expectations.py")])


def of_class(text: str) -> Custom:
    """The last expectation class of a module."""
    (*_, found) = classes([Module("m.py", text)]).values()
    return found


def judged(engine: Engine, folder: Path, customs: dict[str, Custom], *checks: Any, rows: Any = None) -> Validated:
    """What becomes of payslips by these checks alone."""
    table = payslips(checks=list(checks), unique=[])
    rows = [{**GOOD, **row} for row in rows]
    texts = {column: pa.array([row.get(column) for row in rows], pa.string()) for column in table.columns}
    batch = typed(table, texts, "file-1").append_column(BATCH, pa.array([1] * len(rows), pa.int64()))
    parsed = engine.map_items([batch], one, schema(table))
    found, errors = parse("payslips", table, customs=customs)
    assert not errors, [error.problem for error in errors]
    return validate(parsed, Contract("payroll.payslips", table, found), engine=engine, places=places(folder))


def configured(case: Case) -> list[Any]:
    """The checks of a case as our results name them: with the arguments their class sets."""
    sets = {
        "expect_small_number": {"column": "number", "min_value": 0, "max_value": 5},
        "expect_small_maximum": {"max_value": 5},
    }
    return [(name, {**sets.get(name, {}), **kwargs}) for name, kwargs in case["checks"]]


@pytest.mark.parametrize("values", [EMPTY, NULLS, ONE], ids=["empty", "nulls", "one"])
def test_tables_at_the_edge_are_judged_as_by_great_expectations(
    local: Engine, gx: Ask, customs: dict[str, Custom], tmp_path: Path, values: dict[str, list[Any]]
) -> None:
    case = case_of(values, ALIKE)
    theirs = gx(case)
    assert not differences({**case, "checks": configured(case)}, ours(local, tmp_path, case, customs), theirs)


def test_random_tables_are_judged_as_by_great_expectations(
    local: Engine, gx: Ask, customs: dict[str, Custom], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=6, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    @given(values=tables())
    def holds(values: dict[str, list[Any]]) -> None:
        case = case_of(values, ALIKE)
        mine = ours(local, tmp_path_factory.mktemp("case"), case, customs)
        assert not differences({**case, "checks": configured(case)}, mine, gx(case)), values

    holds()


@pytest.mark.long_on_spark
def test_every_engine_judges_as_great_expectations(
    engine: Engine, gx: Ask, customs: dict[str, Custom], tmp_path: Path
) -> None:
    values: dict[str, list[Any]] = {
        "word": ["a2", "10", None, "", "10", "[1"],
        "other": ["abc", None, None, "b", "A", "[1"],
        "number": [1, 2, None, 4, 9, 2],
        "more": [2, 1, None, 4, None, 1],
        "real": [0.5, None, 0.2, math.nan, 1.5, 1e6],
        "day": ["2000-01-01", "2000-02-29", None, "2000-02-29", "1999-12-31", "2000-03-01"],
    }
    case = case_of(values, ALIKE)
    theirs = gx(case)
    assert any(not entry["success"] for entry in theirs) and any(entry["success"] for entry in theirs)
    assert not differences({**case, "checks": configured(case)}, ours(engine, tmp_path, case, customs), theirs)


def test_a_row_that_fails_goes_to_quarantine_with_its_reason(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    checks = [
        {
            DIGIT: {
                "column": "emp_no",
                "row_condition": INDIA,
                **PARSER,
            }
        },
        {DIGIT: {"column": "dependents", "modulus": 2}},
    ]
    rows = [
        {"emp_no": "E10"},
        {"emp_no": "E11"},
        {"emp_no": "E11", "currency": "USD"},
        {"emp_no": "E20", "dependents": "3"},
        {"emp_no": "E20", "dependents": None},
    ]
    made = judged(engine, tmp_path, customs, *checks, rows=rows)
    table = payslips(unique=[])
    assert [row["_row"] for row in rows_of(engine, tmp_path, made, table, "quarantine")] == [2]
    assert made.reasons["have_check_digit:emp_no"] == sum(made.reasons.values()) == 1
    # `on_error: null` of the column holds for these too
    assert [row["dependents"] for row in rows_of(engine, tmp_path, made, table, "rows")] == [2, 2, None, None]
    by_digit = made.results[3]
    assert (by_digit.element_count, by_digit.unexpected_count, by_digit.partial_unexpected_list) == (4, 1, ["A99"])


@pytest.mark.long_on_spark
def test_values_have_the_types_of_pandas(engine: Engine, customs: dict[str, Custom], tmp_path: Path) -> None:
    kinds = {
        "text": ("string", "str", ["a", None, "b"]),
        "whole": ("integer", "int", ["1", None, "2"]),
        "part": ("float", "float", ["1.5", None, "2"]),
        "money": ("decimal(12,2)", "Decimal", ["1.50", None, "2"]),
        "day": ("date", "Timestamp", ["2020-01-31", None, "2020-02-29"]),
        "moment": ("timestamp", "Timestamp", ["2020-01-31T10:00:00", None, "2020-02-29T10:00:00.5"]),
        "flag": ("boolean", "bool", ["true", None, "false"]),
    }
    columns = {name: {"type": declared, "category": "none"} for name, (declared, _, _) in kinds.items()}
    checks = [
        {"expect_column_values_to_be_of_kind": {"column": name, "kind": kind}} for name, (_, kind, _) in kinds.items()
    ]
    table = Table.model_validate({"columns": columns, "checks": checks})
    texts = {name: pa.array(values, pa.string()) for name, (_, _, values) in kinds.items()}
    batch = typed(table, texts, "file-1").append_column(BATCH, pa.array([1, 1, 1], pa.int64()))
    found, errors = parse("t", table, customs=customs)
    assert not errors
    parsed = engine.map_items([batch], one, schema(table))
    made = validate(parsed, Contract("t.t", table, found), engine=engine, places=places(tmp_path))
    assert made.reasons == {} and [result.judged for result in made.results[1:]] == [2] * len(kinds)


@pytest.mark.long_on_spark
def test_a_missed_share_stops_the_run(engine: Engine, customs: dict[str, Custom], tmp_path: Path) -> None:
    rows = [{"emp_no": f"E{number}"} for number in range(10)]
    check = {DIGIT: {"column": "emp_no", "mostly": 0.5}}
    made = judged(engine, tmp_path, customs, check, rows=rows)
    assert made.stopped == [f"{DIGIT}(emp_no)"] and made.rows_quarantined == 9


def test_a_class_that_judges_a_value_by_the_others_is_refused(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    check = {"expect_column_values_to_be_there_once": {"column": "emp_no"}}
    with pytest.raises(ProjectError, match="judges a row by the values of other rows") as refused:
        judged(engine, tmp_path, customs, check, rows=[{"emp_no": "E1"}, {"emp_no": "E1"}, {"emp_no": "E2"}])
    assert refused.value.place and str(refused.value.place).startswith("expectations.py:")


@pytest.mark.long_on_spark
def test_an_error_of_a_class_names_its_line_and_no_value(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    check = {"expect_column_values_to_be_whole": {"column": "emp_no"}}
    with pytest.raises(ProjectError) as failed:
        judged(engine, tmp_path, customs, check, rows=[{"emp_no": "E-secret"}])
    line = next(
        number
        for number, text in enumerate((HERE / "expectations.py").read_text(encoding="utf-8").splitlines(), 1)
        if "cannot judge" in text
    )
    told = "\n".join([failed.value.text(), *getattr(failed.value, "__notes__", ())])
    assert f"expectations.py:{line}:1" in told and "secret" not in told


def test_a_wrong_argument_is_told_when_the_class_takes_it(
    local: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    check = {DIGIT: {"column": "emp_no", "modulus": "many"}}
    with pytest.raises(ProjectError, match="does not accept its arguments") as failed:
        judged(local, tmp_path, customs, check, rows=[{}])
    assert "modulus" in failed.value.given


def test_a_module_that_cannot_be_imported_is_called_that(
    local: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    custom = customs[DIGIT]
    broken = Module("m.py", f"{custom.module.text}\nfrom math import nothing_of_this_name\n")
    check = {DIGIT: {"column": "emp_no"}}
    with pytest.raises(ProjectError, match="module cannot be imported") as failed:
        judged(local, tmp_path, {DIGIT: replace(custom, module=broken)}, check, rows=[{}])
    assert "nothing_of_this_name" in failed.value.given


def test_nothing_that_a_class_sees_is_printed_or_logged(
    customs: dict[str, Custom],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = {"expect_column_spread_to_be_even": {"column": "dependents", "most": 1}}
    engine = DuckDBEngine(memory=1 << 30, threads=2, scratch=tmp_path / "scratch")
    caplog.set_level("DEBUG")
    try:
        # more than a slice, so that workers of their own judge them
        rows = [{"emp_no": f"Esecret{number}"} for number in range(40_000)]
        made = judged(engine, tmp_path, customs, {DIGIT: {"column": "emp_no"}}, whole, rows=rows)
    finally:
        engine.close()
    shown = capfd.readouterr()
    assert made.rows_quarantined == 36_000
    assert "of people" not in shown.out + shown.err + caplog.text
    assert "secret" not in shown.out + shown.err + caplog.text + str(made.results)


def test_a_class_that_cannot_run_is_refused_with_the_reason() -> None:
    refused = of_class("class ExpectX(QueryExpectation): pass")
    _, (error,) = parse("payslips", payslips(checks=[{"expect_x": {}}]), customs={"expect_x": refused})
    assert "it needs SQL for one database" in error.problem and "m.py:1" in error.problem


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            "class ExpectX(gxe.ExpectColumnValuesToBeBetween):\n  min_value: int = len('abc')",
            "an expression, which could only be known by running",
        ),
        ("class ExpectX(Nothing): pass", "is not a GX class for rows"),
        (
            "class ExpectX(gxe.ExpectTableRowCountToEqualOtherTable):\n  def _validate(self): pass",
            "a check of two tables",
        ),
        ("class ExpectColumnValuesToBeBetween(ColumnMapExpectation): pass", "with this name"),
    ],
)
def test_what_would_be_judged_wrongly_is_refused(body: str, why: str) -> None:
    assert why in of_class(body).refused


@pytest.mark.parametrize(
    "body",
    [
        "class ExpectX(ColumnAggregateExpectation):\n  def _validate(self): pass",
        "class ExpectX(gxe.ExpectColumnMeanToBeBetween):\n  def _validate(self): pass",
        "class ExpectX(gxe.ExpectColumnValuesToBeUnique):\n  def helper(self): pass",
        # rows are given to GX without nulls, and no verdict on them but its own is joined to them
        "class ExpectX(gxe.ExpectColumnValuesToNotBeNull):\n  map_metric = 'other'",
        "class ExpectX(ColumnMapExpectation):\n  map_metric = 'm'\n  def _validate(self): pass",
        "class M(ColumnMapMetricProvider):\n  condition_metric_name = 'm'\n  filter_column_isnull = False\n"
        "class ExpectX(ColumnMapExpectation):\n  map_metric = 'm'",
    ],
)
def test_what_is_no_verdict_on_single_values_is_judged_of_the_column_as_a_whole(body: str) -> None:
    found = of_class(body)
    assert found.through_gx and (found.word.kind, found.word.severities) == ("column", ("stop", "warn"))


def test_a_column_is_judged_as_a_whole_of_the_rows_that_stay(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    checks = [
        {"expect_column_values_to_be_between": {"column": "gross", "max_value": 100}},
        {"expect_column_spread_to_be_even": {"column": "dependents", "most": 1}},
        {"expect_column_spread_to_be_even": {"column": "dependents", "most": 0.5, "row_condition": INDIA, **PARSER}},
    ]
    rows = [
        {"gross": "10", "dependents": "1"},
        {"gross": "10", "dependents": "5", "currency": "USD"},
        {"gross": "10", "dependents": "1"},
        {"gross": "1000", "dependents": "9"},
    ]
    made = judged(engine, tmp_path, customs, *checks, rows=rows)
    spread, in_india = made.results[-2:]
    assert made.rows_quarantined == 1 and made.stopped == ["expect_column_spread_to_be_even(dependents)"]
    assert (spread.success, spread.element_count) == (False, 3)
    assert (in_india.success, in_india.element_count) == (True, 2)


@pytest.mark.parametrize(
    "body",
    [
        "class ExpectX(BatchExpectation):\n  def _validate(self): pass",
        "class ExpectX(gxe.ExpectTableRowCountToEqual):\n  def _validate(self): pass",
    ],
)
def test_what_is_a_verdict_on_a_table_is_judged_of_all_its_columns(body: str) -> None:
    found = of_class(body)
    assert found.through_gx and found.of_table and found.word.severities == ("stop", "warn")


def test_a_table_is_judged_as_a_whole_of_the_rows_that_stay(
    local: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    """What the class observed may be of any column, and one of them has a category."""
    checks = [
        {"expect_column_values_to_be_between": {"column": "gross", "max_value": 100}},
        {"expect_table_to_be_even": {}},
        {"expect_table_to_be_even": {"row_condition": INDIA, "severity": "warn", **PARSER}},
        {"expect_table_to_be_seen": {}},
    ]
    rows: list[Any] = [{}, {"currency": "USD"}, {"gross": "1000"}]
    made = judged(local, tmp_path, customs, *checks, rows=rows)
    whole, in_india, first = made.results[-3:]
    assert (made.rows_quarantined, made.stopped) == (1, [])
    assert [(each.success, each.element_count) for each in (whole, in_india)] == [(True, 2), (False, 1)]
    assert first.observed_value.startswith('{"aaaaa": ["A9"], "aaaaaa": [9, 9,')


def test_a_table_of_more_than_memory_holds_is_refused(
    local: Engine, customs: dict[str, Custom], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "memory", 1 << 20)
    with pytest.raises(EnvironmentFailure, match="needs all values of the table in memory"):
        judged(local, tmp_path, customs, {"expect_table_to_be_even": {}}, rows=[{}] * 400)


def test_what_a_class_observed_is_shown_as_a_shape_where_its_column_has_a_category(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path
) -> None:
    check = {"expect_column_to_begin_with": {"column": "emp_no", "first": "E12", "severity": "warn"}}
    made = judged(engine, tmp_path, customs, check, rows=[{"emp_no": "E12"}, {"emp_no": "E34"}])
    (result,) = made.results[-1:]
    assert result.success and result.observed_value == '{"aaaaa": ["A99", "A99"], "aaaaa": 9}'


@pytest.mark.long_on_spark
def test_more_values_than_memory_holds_are_refused_before_all_of_them_are_read(
    engine: Engine, customs: dict[str, Custom], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = {"expect_column_to_begin_with": {"column": "emp_no", "first": "E1"}}
    rows = [{"emp_no": f"E{number}"} for number in range(4000)]
    assert not judged(engine, tmp_path / "enough", customs, check, rows=rows).results[-1].success
    monkeypatch.setattr(engine, "memory", 4 << 20)
    with pytest.raises(EnvironmentFailure, match="needs all values of `emp_no` in memory") as refused:
        judged(engine, tmp_path / "little", customs, check, rows=rows)
    assert refused.value.code == "E007" and "a quarter of `memory`" in refused.value.given


def test_a_class_is_what_those_it_is_made_of_are() -> None:
    text = (
        "from great_expectations.expectations.core import ExpectColumnMaxToBeBetween as Most\n"
        "class ExpectFew(Most):\n  max_value: int = 5\n  strict_max = True\n"
        "class ExpectFewer(ExpectFew):\n  '''Fewer.'''\n  max_value = 3\n  severity = FailureSeverity.WARNING\n"
    )
    found = of_class(text)
    assert (found.name, found.core) == ("expect_fewer", "expect_column_max_to_be_between")
    assert found.defaults == {"max_value": 3, "strict_max": True, "severity": "warn"}


def test_an_argument_that_a_class_needs_must_be_given(customs: dict[str, Custom]) -> None:
    _, errors = parse(
        "t", payslips(checks=[{"expect_column_values_to_be_in_month": {"column": "pay_date"}}]), customs=customs
    )
    assert [error.problem for error in errors] == ["`expect_column_values_to_be_in_month` needs `month`"]


def test_without_great_expectations_the_command_to_install_it_is_named(
    customs: dict[str, Custom], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(potable.contracts.checks, "find_spec", lambda name: None)
    _, (error,) = parse("payslips", payslips(checks=[{DIGIT: {"column": "emp_no"}}]), customs=customs)
    assert isinstance(error, MissingExtra) and error.next == "pip install 'potable[gx]'"
    # what only sets arguments needs nothing of it
    _, errors = parse("payslips", payslips(checks=[{"expect_small_number": {"column": "gross"}}]), customs=customs)
    assert not errors


def with_plugins(root: Path, plugins: str, text: str = "") -> Project:
    """A project of notes with a check of its own class."""
    source = NOTES.replace("    checks:\n", f"    checks:\n      - {DIGIT}: {{column: emp_no}}\n")
    notes_project(root, NOTES)
    (root / "checks.py").write_text(text or (HERE / "expectations.py").read_text(encoding="utf-8"), encoding="utf-8")
    (root / "sources/notes.yaml").write_text(source, encoding="utf-8")
    with (root / "potable.yaml").open("a", encoding="utf-8") as file:
        file.write(f"plugins: [{plugins}]\n")
    return load(root, variables=VARIABLES)


def test_a_project_names_its_plug_ins_and_reading_it_runs_none(tmp_path: Path) -> None:
    text = (HERE / "expectations.py").read_text(encoding="utf-8")
    prints = []
    for number, changed in enumerate([text, f"raise SystemExit\n{text}"]):
        project = with_plugins(tmp_path / str(number), "checks.py", changed)
        steps = validate_steps(project, {"notes": (), "lms": ()}, ["notes.notes", "lms.trainings"])
        prints.append({step.name: step.fingerprint for step in steps})
    # a class may have changed, so the tables that ask for one are judged again, and no other
    assert prints[0]["notes.notes"] != prints[1]["notes.notes"]
    assert prints[0]["lms.trainings"] == prints[1]["lms.trainings"]


def test_layers_come_out_as_the_whole(local: Engine, tmp_path: Path) -> None:
    notes = open_notes(with_plugins(tmp_path / "project", "checks.py"), local, tmp_path / "lake")
    notes.land(m=text_of(("E10", "2020-01-31", "", "1", "0"), ("E11", "2020-01-31", "", "1", "0")))
    assert notes.layered().facts["reasons"]["have_check_digit:emp_no"] == 1
    notes.land(a=text_of(("E20", "2020-02-29", "", "1", "0"), ("E11", "2020-02-29", "", "1", "0")))
    layered, whole = notes.layered(), notes.whole()
    assert layered.facts["stands_on"] and outcome(notes, layered) == outcome(notes, whole)
    (found,) = [check for check in layered.facts["checks"] if check["expectation"] == DIGIT]
    assert (found["element_count"], found["unexpected_count"], found["partial_unexpected_list"]) == (
        4,
        2,
        ["A99", "A99"],
    )


def test_a_suite_may_name_a_class(customs: dict[str, Custom]) -> None:
    entries = [
        {"type": DIGIT, "kwargs": {"column": "emp_no", "modulus": 3, "mostly": 0.9}, "severity": "warning"},
        {"type": "expect_column_pair_to_be_longer", "kwargs": {"column_A": "emp_no", "column_B": "currency"}},
    ]
    items = [
        Item("s.json", number, str(entry["type"]), {**entry["kwargs"], **severity(entry)})  # type: ignore[dict-item]
        for number, entry in enumerate(entries)
    ]
    found, errors = parse("t", payslips(checks=[]), suite=Suite("s", items, []), customs=customs)
    assert not errors
    assert (found[0].severity, found[0].mostly, found[0].arguments["modulus"]) == ("warn", 0.9, 3)
    # with GX's own default, not that of a contract
    assert found[1].arguments["ignore_row_if"] == "both_values_are_missing"


def severity(entry: dict[str, Any]) -> dict[str, Any]:
    return {"severity": entry["severity"]} if "severity" in entry else {}


@pytest.mark.parametrize(
    ("plugins", "text", "problem"),
    [
        ("nothing.py", "", "`nothing.py` does not exist"),
        ("../checks.py", "", "a file of the project folder or an installed module"),
        ("company.checks", "", "there is no Python module `company.checks`"),
        ("checks.py", "class", "is not valid Python"),
    ],
)
def test_a_plug_in_that_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, plugins: str, text: str, problem: str
) -> None:
    with pytest.raises(ProjectError) as failed:
        with_plugins(tmp_path / "project", plugins, text)
    assert problem in failed.value.text()


def test_an_installed_module_is_named_as_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    assert DIGIT in classes([module(HERE, "expectations")])


def test_a_check_of_a_class_is_exported_as_it_is(customs: dict[str, Custom]) -> None:
    table = Table.model_validate(
        {"columns": {"a": {"category": "none"}}, "checks": [{DIGIT: {"column": "a", "modulus": 3}}]}
    )
    (entry,) = to_suite("t.t", table)["expectations"]
    assert (entry["type"], entry["kwargs"]) == (DIGIT, {"column": "a", "modulus": 3})
