"""Conditions of rows as GX writes them for each engine: comparisons are read, programs refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_checks import BETWEEN, paid, positive
from tests.contracts.test_validate import GOOD, judge, payslips

from potable.contracts.checks import parse
from potable.engines.base import Engine


@pytest.mark.parametrize("parser", ["pandas", "spark"])
@pytest.mark.parametrize(
    "condition",
    ["gross.apply(str) == '1'", "@gross > 1", "gross > currency", "not gross > 1", "gross", "gross > 1 and", "(gross > 1",
     "1 < gross < 3", "gross + 1 > 2", "gross > 1; import os", "currency == 'a\\'b'", "gross in []", "gross.sum() > 1", ""],
)  # fmt: skip
def test_programs_are_refused_as_conditions(condition: str, parser: str) -> None:
    _, errors = parse("payslips", positive(row_condition=condition or " ", condition_parser=parser))
    assert errors and "comparisons of a column with a value" in errors[0].problem


def test_a_condition_needs_a_known_parser() -> None:
    _, (error,) = parse("payslips", positive(row_condition="gross > 1", condition_parser="sqlite"))
    assert "must be great_expectations, pandas or spark, not `sqlite`" in error.problem


COMPARISONS = [
    ("currency == 'INR' and gross < 0", "pandas", 1),
    ('`currency` in ["INR", "USD"] & (gross >= 1 | gross < 0)', "pandas", 3),
    ("currency != 'INR'", "pandas", 2),
    ("currency not in ('INR', 'EUR')", "pandas", 2),
    ("currency.isnull()", "pandas", 1),
    ("currency <> 'INR'", "spark", 1),
    ("currency IS NOT NULL AND gross = -1", "spark", 2),
    ("currency NOT IN ('INR') OR gross > 0.5e0", "spark", 2),
]


def test_comparisons_for_pandas_and_spark_are_read(engine: Engine, tmp_path: Path) -> None:
    about = [{"row_condition": condition, "condition_parser": parser} for condition, parser, _ in COMPARISONS]
    table = payslips(checks=[{BETWEEN: {"column": "gross", "min_value": 0, **each}} for each in about])
    more = [{"emp_no": "U", "gross": "-1", "currency": "USD"}, {"emp_no": "N", "gross": None, "currency": None}]
    made = judge(engine, tmp_path, table, [*paid("1", "-1"), *({**GOOD, **each} for each in more)])
    found = [result.element_count for result in made.results][-len(COMPARISONS) :]
    assert found == [judged for _, _, judged in COMPARISONS]


@pytest.mark.long_on_spark
def test_texts_for_pandas_and_spark_are_read_as_gx_writes_them_since_1_9(engine: Engine, tmp_path: Path) -> None:
    def through(text: str) -> dict[str, Any]:
        return {"type": "pass_through", "pass_through_filter": text}

    about = [
        {"row_condition": through("currency != 'INR'"), "condition_parser": "pandas"},
        {"row_condition": through("currency <> 'INR'"), "condition_parser": "spark"},
        {"row_condition": through("currency.isnull()")},
    ]
    table = payslips(checks=[{BETWEEN: {"column": "gross", "min_value": 0, **each}} for each in about])
    more = [{"emp_no": "U", "gross": "-1", "currency": "USD"}, {"emp_no": "N", "gross": None, "currency": None}]
    made = judge(engine, tmp_path, table, [*paid("1"), *({**GOOD, **each} for each in more)])
    assert [result.element_count for result in made.results][-3:] == [2, 1, 1]


@pytest.mark.parametrize(
    ("condition", "parser"),
    [("gross.abs() > 1", "pandas"), ("gross > 1", "great_expectations"), (None, "pandas")],
)
def test_programs_are_refused_inside_of_objects_too(condition: str | None, parser: str) -> None:
    given = {"type": "pass_through", "pass_through_filter": condition}
    _, errors = parse("payslips", positive(row_condition=given, condition_parser=parser))
    assert len(errors) == 1


def test_a_row_condition_says_which_rows_a_check_is_about(engine: Engine, tmp_path: Path) -> None:
    condition = {"row_condition": 'col("currency") == "INR"', "condition_parser": "great_expectations"}
    rows = [*paid("1", "-1"), {**GOOD, "emp_no": "U", "gross": "-1", "currency": "USD"}]
    made = judge(engine, tmp_path, positive(**condition), rows)
    assert made.rows_quarantined == 1 and made.results[-1].element_count == 2
