"""Checks of one table by another: what is not found there is counted and shown, a null asks for nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import open_engine
from tests.contracts.test_validate import one

from potable.contracts.aggregates import Whole
from potable.contracts.checks import parse
from potable.contracts.references import judge
from potable.contracts.results import Result, stops
from potable.contracts.validate import validated_schema
from potable.engines.base import Engine
from potable.identity.match import normalise
from potable.tables import Table

KEY = "expect_column_values_to_exist_in_other_table"
KEYS = "expect_compound_columns_to_exist_in_other_table"
COUNT = "expect_table_row_count_to_equal_other_table"
PEOPLE = Table.model_validate(
    {
        "columns": {
            "emp_no": {"type": "string", "key": "emp_no"},
            "site": {"type": "string", "category": "none"},
            "grade": {"type": "integer", "category": "none"},
        }
    }
)
Rows = Sequence[tuple[str | None, str | None, int | None]]
_numbers = itertools.count()


def table(*checks: dict[str, Any]) -> Table:
    columns = {**PEOPLE.model_dump()["columns"], "boss": {"type": "string", "key": "emp_no", "someone_else": True}}
    return Table.model_validate({"columns": columns, "checks": list(checks)})


def whole(engine: Engine, folder: Path, declared: Table, rows: Rows) -> Whole:
    values = dict(zip(("emp_no", "site", "grade"), zip(*rows, strict=True), strict=True)) if rows else {}
    columns: dict[str, Any] = {
        **{name: values.get(name, [None] * len(rows)) for name in declared.columns},
        "_object": ["file"] * len(rows),
        "_row": range(1, len(rows) + 1),
    }
    schema = validated_schema(declared)
    batch = pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
    place = f"{folder}/{next(_numbers)}"
    parts = engine.write(engine.map_items([batch], one, schema), place)
    return Whole(engine.read([f"{place}/{part.path}" for part in parts], schema), declared, engine)


def judged(engine: Engine, folder: Path, check: dict[str, Any], rows: Rows, others: Rows) -> tuple[Result, bool]:
    """The result of one check, and whether it stops."""
    declared = table(check)
    (parsed,), errors = parse("notes", declared, tables={"hr.people": PEOPLE})
    assert not errors
    there = whole(engine, folder, PEOPLE, others)
    result = judge(parsed, whole(engine, folder, declared, rows), there, normalise=normalise)
    return result, stops(parsed, result)


@pytest.mark.long_on_spark
def test_keys_that_are_not_there_are_counted_and_shown_by_their_shape(engine: Engine, tmp_path: Path) -> None:
    rows: Rows = [("E-001", "x", 1), ("e001", "x", 1), ("E9", "y", 1), (None, "y", 1), ("E8", "y", 2)]
    asked = {"column": "emp_no", "other_table_name": "hr.people"}
    result, stopping = judged(engine, tmp_path, {KEY: asked}, rows, [("E001", "x", 1), (None, None, None)])
    assert (result.element_count, result.missing_count, result.unexpected_count) == (5, 1, 2)
    assert (result.success, stopping, list(result.partial_unexpected_list)) == (False, True, ["A9", "A9"])
    allowed = {**asked, "at_most": 2}
    result, stopping = judged(engine, tmp_path, {KEY: allowed}, rows, [("E001", "x", 1)])
    assert not stopping
    some = {**asked, "row_condition": 'col("grade") == 2', "condition_parser": "great_expectations"}
    result, _ = judged(engine, tmp_path, {KEY: {**some, "severity": "warn"}}, rows, [("E001", "x", 1)])
    assert (result.element_count, result.unexpected_count, result.action) == (1, 1, "warn")
    counted, stopping = judged(engine, tmp_path, {COUNT: {"other_table_name": "hr.people"}}, rows, rows[:3])
    assert stopping and counted.observed_value == {"self": 5, "other": 3}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """DuckDB alone, where there are many small queries."""
    engine = open_engine("duckdb", tmp_path_factory.mktemp("scratch"))
    yield engine
    engine.close()


cells = st.tuples(
    st.sampled_from([None, "E1", "e-1", "E2", " E2 ", "", "É", "é-", " –"]),
    st.sampled_from([None, "x", "X", "x "]),
    st.sampled_from([None, 0, 1]),
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(cells, max_size=8), others=st.lists(cells, max_size=8), names=st.sampled_from([1, 2, 3]))
def test_what_is_found_is_what_python_finds(
    local: Engine, tmp_path_factory: pytest.TempPathFactory, rows: Rows, others: Rows, names: int
) -> None:
    listed = ["emp_no", "site", "grade"][:names]
    asked = {"column": listed[0]} if names == 1 else {"column_list": listed}
    check = {KEY if names == 1 else KEYS: {**asked, "other_table_name": "hr.people", "severity": "warn"}}
    result, _ = judged(local, tmp_path_factory.mktemp("rows"), check, rows, others)

    def form(row: tuple[Any, ...]) -> tuple[Any, ...]:
        key = "".join(c for c in (row[0] or "").upper() if c.isalnum()) or None
        return (key, *row[1:names])

    known = {form(row) for row in others}
    there = [row for row in rows if None not in row[:names]]
    lost = [row for row in there if None in form(row) or form(row) not in known]
    assert (result.element_count, result.missing_count) == (len(rows), len(rows) - len(there))
    assert result.unexpected_count == len(lost) and len(result.partial_unexpected_list) == len(lost)


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({KEY: {"column": "emp_no", "other_table_name": "hr.peple"}}, "the project has no table `hr.peple`"),
        (
            {KEY: {"column": "boss", "other_table_name": "hr.people"}},
            "`hr.people` has no column `boss`",
        ),
        (
            {KEY: {"column": "emp_no", "other_table_name": "hr.people", "other_column": "grade"}},
            "`emp_no` is of type string, but `hr.people.grade` is of type integer",
        ),
        (
            {KEYS: {"column_list": ["emp_no", "site"], "other_table_name": "hr.people", "other_column_list": ["site"]}},
            "as many columns",
        ),
        ({KEY: {"column": "emp_no"}}, "needs `other_table_name`"),
        ({KEY: {"column": "emp_no", "other_table_name": "hr.people", "severity": "quarantine"}}, "stop, warn"),
    ],
)
def test_what_is_wrong_with_the_other_table_is_named(check: dict[str, Any], problem: str) -> None:
    checks, (error,) = parse("notes", table(check), tables={"hr.people": PEOPLE})
    assert not checks and error.code == "P020" and problem in error.problem, error.problem
