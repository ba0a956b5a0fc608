"""Checks by a SQL query: what they find on each engine, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_custom import judged, of_class
from tests.contracts.test_parity import local as local

from potable.contracts.checks import parse
from potable.contracts.comparisons import parsed
from potable.contracts.rowqueries import problem_of
from potable.engines.base import Engine
from potable.errors import ProjectError
from potable.tables import Table

NAME = "unexpected_rows_expectation"


def query(text: str, **more: Any) -> dict[str, Any]:
    return {NAME: {"unexpected_rows_query": text, **more}}


ROWS: list[dict[str, Any]] = [
    {"emp_no": "E1", "pay_date": "2024-01-31", "gross": "10.00", "currency": "EUR"},
    {"emp_no": "E1", "pay_date": "2024-02-29", "gross": "12.50", "currency": "EUR"},
    {"emp_no": "E1", "pay_date": "2024-03-31", "gross": "9.00", "currency": "USD"},
    {"emp_no": "E2", "pay_date": "2019-12-31", "gross": "0.50", "currency": "INR"},
    {"emp_no": "E3", "pay_date": "2024-01-31", "gross": "7.00", "currency": "EUR"},
]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT * FROM {batch} WHERE gross > 1000", 0),
        ("SELECT * FROM {batch} WHERE gross < 10 AND currency IN ('INR', 'EUR')", 2),
        ("SELECT emp_no FROM {batch} GROUP BY emp_no HAVING COUNT(DISTINCT currency) > 1", 1),
        ("SELECT * FROM {batch} WHERE pay_date < DATE '2020-01-01' OR currency LIKE 'U%';", 2),
        ("SELECT * FROM {batch} WHERE EXTRACT(YEAR FROM pay_date) = 2024 AND LENGTH(emp_no) <> 2", 0),
        (
            "WITH means AS (SELECT emp_no, AVG(gross) AS mean FROM {batch} GROUP BY emp_no) "
            "SELECT b.* FROM {batch} b JOIN means ON b.emp_no = means.emp_no WHERE b.gross > 1.1 * means.mean",
            1,
        ),
        (
            "SELECT * FROM (SELECT *, LAG(gross) OVER (PARTITION BY emp_no ORDER BY pay_date) AS earlier FROM {batch}) AS x "
            "WHERE gross < earlier",
            1,
        ),
        ("SELECT gross FROM {batch} WHERE currency = 'EUR' UNION ALL SELECT gross FROM {batch} WHERE gross > 10", 4),
        (r"SELECT * FROM {batch} WHERE REGEXP_LIKE(currency, '^[[:alpha:]]UR$')", 3),
        ("SELECT CASE WHEN gross > (SELECT AVG(gross) FROM {batch}) THEN 1 END AS high FROM {batch}", 5),
    ],
)
def test_a_query_fails_by_the_rows_that_come_back(engine: Engine, tmp_path: Path, text: str, count: int) -> None:
    made = judged(engine, tmp_path, {}, query(text), query(text, severity="warn"), rows=ROWS)
    stopping, warning = made.results[-2:]
    assert (stopping.success, stopping.unexpected_count, stopping.element_count) == (count == 0, count, len(ROWS))
    assert stopping.observed_value == count
    assert len(made.stopped) == (count > 0) and warning.action == "warn" and made.rows_quarantined == 0
    assert stopping.told == f"its query returns {count}, from 5 rows"
    # of the rows that came back nothing is told
    assert not stopping.partial_unexpected_list and stopping.details == {"unexpected_count": count}


def test_values_have_the_types_of_the_contract(engine: Engine, tmp_path: Path) -> None:
    exact = query("SELECT * FROM {batch} WHERE gross * 3 <> 30.0 AND emp_no = 'E1' AND pay_date = DATE '2024-01-31'")
    assert judged(engine, tmp_path, {}, exact, rows=ROWS).results[-1].success


def test_only_rows_that_stay_are_asked(engine: Engine, tmp_path: Path) -> None:
    kept = {"expect_column_values_to_be_between": {"column": "gross", "min_value": 1}}
    made = judged(engine, tmp_path, {}, kept, query("SELECT * FROM {batch} WHERE gross < 1"), rows=ROWS)
    assert made.rows_quarantined == 1 and made.results[-1].success


def test_a_query_that_the_engine_refuses_names_the_check_and_no_value(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot be run") as caught:
        judged(engine, tmp_path, {}, query("SELECT * FROM {batch} WHERE CAST(currency AS DATE) > pay_date"), rows=ROWS)
    assert caught.value.code == "P020" and "EUR" not in caught.value.text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT * FROM payslips", "reads from `{batch}`"),
        ("SELEC * FROM {batch}", "not valid"),
        ("SELECT * FROM {batch} WHERE grosss > 1", "grosss"),
        ("SELECT * FROM {batch}; SELECT * FROM {batch}", "not one statement"),
        ("DELETE FROM {batch}", "changes nothing"),
        ("CREATE TABLE x AS SELECT * FROM {batch}", "changes nothing"),
        ("SELECT * INTO x FROM {batch}", "changes nothing"),
        ("SELECT * FROM {batch} JOIN people USING (emp_no)", "reads from `people`"),
        ("SELECT * FROM {batch} WHERE emp_no IN (SELECT emp_no FROM hr.people)", "reads from `hr.people`"),
        ("SELECT * FROM {batch}, read_csv('/etc/passwd')", "reads from `READ_CSV"),
        ("SELECT * FROM {batch} UNION ALL SELECT * FROM read_text('/etc/passwd')", "reads from `READ_TEXT"),
        ("SELECT * FROM {batch} JOIN '/etc/passwd' ON TRUE", "reads from"),
        ('WITH "/x.csv" AS (SELECT * FROM "/x.csv") SELECT "/x.csv".* FROM "/x.csv", {batch}', "reads from `"),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM {batch}) SELECT * FROM a, b", "reads from `b`"),
        ("SELECT * FROM (WITH a AS (SELECT * FROM {batch}) SELECT * FROM a) AS x, a", "reads from `a`"),
        ("SELECT * FROM {batch} WHERE gross = " + "(" * 3000 + "1" + ")" * 3000, "too deeply"),
        ("SELECT * FROM {batch} WHERE pay_date > CURRENT_DATE", "tomorrow"),
        ("SELECT * FROM {batch} WHERE RAND() > 0.5", "tomorrow"),
        ("{batch}", "changes nothing"),
        ("", "reads from `{batch}`"),
    ],
)
def test_what_may_not_run_is_refused_when_the_project_is_read(text: str, problem: str) -> None:
    found = problem_of(text, ["emp_no", "pay_date", "gross", "currency"])
    assert problem in found and "_rows_of" not in found
    table = Table.model_validate({"columns": {"emp_no": {}, "gross": {}}, "checks": [query(text)]})
    _, (error,) = parse("payslips", table)
    assert error.code == "P020" and "`unexpected_rows_query` must be" in error.problem


def test_a_query_has_no_condition_and_no_share() -> None:
    for more in ({"row_condition": "gross > 1"}, {"mostly": 0.5}, {"at_most": 3}):
        text = "SELECT * FROM {batch}"
        table = Table.model_validate({"columns": {"emp_no": {}}, "checks": [query(text, **more)]})
        assert parse("payslips", table)[1]


BASE = "class ExpectLegal(UnexpectedRowsExpectation):\n"


def test_a_class_of_a_plug_in_may_set_its_query(tmp_path: Path, local: Engine) -> None:
    found = of_class(
        f'{BASE}  unexpected_rows_query: str = "SELECT * FROM {{batch}} WHERE gross > 9.5"\n  description: str = "x"\n'
    )
    assert not found.refused and found.core == NAME
    made = judged(local, tmp_path, {"expect_legal": found}, {"expect_legal": {"severity": "warn"}}, rows=ROWS)
    assert [(each.expectation, each.unexpected_count) for each in made.results[-1:]] == [("expect_legal", 2)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("  def _validate(self, *a): ...\n", "adds code"),
        ("  most: int = 3\n", "adds code"),
        ("  unexpected_rows_query: str = made()\n", "an expression"),
    ],
)
def test_a_class_that_does_more_is_refused(body: str, why: str) -> None:
    assert why in of_class(BASE + body).refused


def test_conditions_that_are_nested_too_deeply_are_refused() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        parsed("(" * 5000 + "gross > 1" + ")" * 5000, parser="pandas")
