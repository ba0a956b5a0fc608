"""Checks as they are declared: what is wrong is found with its place; severities and limits do what they say."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.contracts.test_validate import GOOD, judge, judge_files, one, payslips, places, rows_of, stands

from potable.contracts.checks import parse
from potable.contracts.findings import Result
from potable.contracts.fitting import fit
from potable.contracts.gx import to_gx
from potable.contracts.results import shape
from potable.contracts.rowwise import like_regex
from potable.contracts.validate import Contract, Validated, validate
from potable.contracts.vocabulary import EXPECTATIONS, LEFT_OUT
from potable.engines.base import Engine
from potable.errors import Outgrown
from potable.sources.groups import schema
from potable.tables import BATCH, OBJECT, ROW, Limit, Table

BETWEEN = "expect_column_values_to_be_between"
UNIQUE = "expect_column_values_to_be_unique"
LIKE = "expect_column_values_to_match_like_pattern"
STRFTIME = "expect_column_values_to_match_strftime_format"
KL = "expect_column_kl_divergence_to_be_less_than"
IN_OTHER = "expect_column_values_to_exist_in_other_table"
IN_OTHERS = "expect_compound_columns_to_exist_in_other_table"


def paid(*grosses: str) -> list[dict[str, str | None]]:
    """Payslips of as many people."""
    return [{**GOOD, "emp_no": f"E{index}", "gross": gross} for index, gross in enumerate(grosses)]


def positive(**more: Any) -> Table:
    return payslips(checks=[{BETWEEN: {"column": "gross", "min_value": 0, **more}}])


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({BETWEEN: {"column": "gross"}}, "needs `min_value`, `max_value` or both"),
        ({BETWEEN: {"column": "gross", "min_value": 2, "max_value": 1}}, "`min_value` is greater"),
        ({BETWEEN: {"column": "gross", "min_value": "2"}}, "`min_value` must be a number"),
        ({BETWEEN: {"column": "pay_date", "min_value": "soon"}}, "a date or timestamp"),
        ({BETWEEN: {"column": "gross", "min_value": 0, "strict_min": "yes"}}, "true or false"),
        ({BETWEEN: {"column": "gross", "min_value": 0, "mostly": 95}}, "a share between 0 and 1"),
        ({BETWEEN: {"column": "gross", "min_value": 0, "severity": "fatal"}}, "warn, stop"),
        ({BETWEEN: {"column": "gross", "min_value": 0, "at_most": "1"}}, "a count such as 100"),
        ({BETWEEN: {"column": "gross", "min_value": 0, "row_condition": "gross > 1"}}, "condition_parser"),
        ({UNIQUE: {"column": "emp_no", "severity": "quarantine"}}, "stop, warn"),
        ({"expect_column_values_to_be_in_set": {"column": "currency", "value_set": [1]}}, "a text; put it in quotes"),
        ({"expect_column_values_to_match_regex": {"column": "currency", "regex": "("}}, "but it is not valid"),
        ({"expect_column_values_to_match_regex": {"column": "currency", "regexp": "a"}}, "has no argument `regexp`"),
        ({"expect_column_values_to_match_regex": {"column": "currency", "regex": "(?<iso>[A-Z]+)"}}, "is not valid"),
        ({"expect_column_values_to_match_regex": {"column": "currency", "regex": "^\\C$"}}, "is not valid"),
        ({STRFTIME: {"column": "currency", "strftime_format": "%-d.%m.%Y"}}, "'-' is a bad directive"),
        ({STRFTIME: {"column": "currency", "strftime_format": "%Q"}}, "'Q' is a bad directive"),
        ({"expect_column_mean_to_be_between": {"column": "currency", "min_value": 1}}, "is only for numbers"),
        ({"expect_multicolumn_sum_to_equal": {"column_list": ["gross"], "sum_total": 1}}, "at least two columns"),
        ({"expect_column_pair_values_to_be_equal": {"column_A": "gross", "column_B": "currency"}}, "different types"),
        ({"expect_column_values_to_match_json_schema": {"column": "currency", "json_schema": {"type": 1}}}, "schema"),
        ({"unexpected_rows_expectation": {"unexpected_rows_query": "select 1"}}, "reads from `{batch}`"),
        ({BETWEEN: {"column": ["gross"], "min_value": 0}}, "the table has no column"),
        ({LIKE: {"column": "currency", "like_pattern": [[1]]}}, "a LIKE pattern"),
        ({KL: {"column": "gross", "partition_object": {"bins": [1, "a"], "weights": [1.0]}}}, "rising numeric bins"),
        (
            {KL: {"column": "gross", "partition_object": {"bins": [1, 2], "weights": [1], "tail_weights": 1}}},
            "`weights`",
        ),
    ],
)
def test_a_wrong_argument_is_named(check: dict[str, Any], problem: str) -> None:
    checks, (error,) = parse("payslips", payslips(checks=[check]))
    assert not checks and error.code == "P020" and problem in error.problem, error.problem


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({IN_OTHER: {"column": "currency", "other_table_name": ["pay.old"]}}, "`other_table_name` must be a text"),
        (
            {IN_OTHER: {"column": "currency", "other_table_name": "pay.old", "other_column": 1}},
            "`other_column` must be a text",
        ),
        (
            {IN_OTHERS: {"column_list": ["emp_no", "pay_date"], "other_table_name": "pay.old", "other_column_list": 1}},
            "`other_column_list` must be a list of texts",
        ),
    ],
)
def test_what_names_no_other_table_or_column_is_told(check: dict[str, Any], problem: str) -> None:
    checks, (error,) = parse("payslips", payslips(checks=[check]), tables={"pay.old": payslips()})
    assert not checks and error.code == "P020" and problem in error.problem, error.problem


def test_a_null_in_a_set_is_never_among_the_values(engine: Engine, tmp_path: Path) -> None:
    names = ("contain_set", "equal_set", "be_in_set")
    items = [{f"expect_column_distinct_values_to_{name}": {"column": "currency"}} for name in names]
    checks = [
        {name: {**given, "value_set": ["INR", None], "severity": "warn"}}
        for each in items
        for name, given in each.items()
    ]
    made = judge(engine, tmp_path, payslips(checks=checks), [GOOD, {**GOOD, "emp_no": "N", "currency": None}])
    found = made.results[-3:]
    assert [each.success for each in found] == [False, False, True]
    assert [each.details.get("missing_count") for each in found] == [1, 1, None]
    assert found[0].details["partial_missing_list"] == [None]


@pytest.mark.long_on_spark
def test_values_judged_by_python_go_with_keys_that_repeat(engine: Engine, tmp_path: Path) -> None:
    check = {"expect_column_values_to_match_regex": {"column": "currency", "regex": "^I(?!X)"}}
    rows = [*paid("1", "2"), {**GOOD, "emp_no": "E0"}, {**GOOD, "emp_no": "E9", "currency": "IXX"}]
    made = judge(engine, tmp_path, payslips(checks=[check]), rows)
    assert (made.rows_out, made.reasons) == (2, {"duplicate": 1, "match_regex:currency": 1})


@pytest.mark.long_on_spark
def test_a_warning_leaves_the_rows_where_they_are(engine: Engine, tmp_path: Path) -> None:
    table = positive(severity="warn", mostly=0.9)
    made = judge(engine, tmp_path, table, paid("1", "-1", "-2"))
    result = made.results[-1]
    assert made.rows_out == 3 and not made.reasons and not made.stopped
    assert (result.success, result.action, result.unexpected_count) == (False, "warn", 2)


@pytest.mark.parametrize("at_most", [pytest.param(1, marks=pytest.mark.long_on_spark), "40%"])
@pytest.mark.parametrize("severity", [pytest.param("warn", marks=pytest.mark.long_on_spark), "quarantine"])
def test_more_failures_than_may_be_stop_the_run(
    engine: Engine, tmp_path: Path, at_most: int | str, severity: str
) -> None:
    table = positive(severity=severity, at_most=at_most)
    few = judge(engine, tmp_path / "few", table, paid("1", "1", "-1"))
    many = judge(engine, tmp_path / "many", table, paid("1", "-1", "-1"))
    assert not few.stopped and many.stopped == [f"{BETWEEN}(gross)"]
    assert many.told == [f"2 of 3 judged rows fail; at most {Limit.parse(at_most)} may"]


@pytest.mark.long_on_spark
def test_a_check_that_stops_does_so_at_the_first_failure(engine: Engine, tmp_path: Path) -> None:
    made = judge(engine, tmp_path, positive(severity="stop"), paid("1", "-1"))
    assert made.stopped and made.rows_quarantined == 1


@pytest.mark.long_on_spark
def test_nulls_are_not_part_of_the_share(engine: Engine, tmp_path: Path) -> None:
    rows = [*paid("1", "-1"), *({**GOOD, "emp_no": f"N{index}", "gross": None} for index in range(8))]
    made = judge(engine, tmp_path, positive(mostly=0.6), rows)
    result = made.results[-1]
    assert made.stopped and (result.missing_count, result.unexpected_percent) == (8, 50.0)


@pytest.mark.long_on_spark
def test_a_table_may_send_only_so_much_to_quarantine(engine: Engine, tmp_path: Path) -> None:
    table = payslips(quarantine={"at_most": "25%"})
    assert not judge(engine, tmp_path / "1", table, paid("1", "1", "1", "-1")).stopped
    made = judge(engine, tmp_path / "2", table, paid("1", "1", "-1"))
    assert made.stopped == ["quarantine()"] and "1 of 3 rows" in made.told[0]


@pytest.mark.long_on_spark
def test_checks_of_a_whole_column_see_the_rows_that_stay_of_all_layers(engine: Engine, tmp_path: Path) -> None:
    checks = [
        {BETWEEN: {"column": "gross", "min_value": 0}},
        {"expect_column_sum_to_be_between": {"column": "gross", "min_value": 6, "max_value": 6}},
        {UNIQUE: {"column": "currency", "severity": "warn"}},
        {"expect_column_values_to_be_increasing": {"column": "gross", "severity": "warn"}},
    ]
    table = payslips(checks=checks)
    first = judge_files(engine, tmp_path / "1", table, [(1, "z", paid("1", "2", "-9"))])
    assert first.stopped == ["expect_column_sum_to_be_between(gross)"]
    more: list[dict[str, str | None]] = [{**GOOD, "emp_no": "F", "gross": "3", "currency": "USD"}]
    second = judge_files(engine, tmp_path / "2", table, [(2, "a", more)], stands(tmp_path / "1", first))
    total, unique, rising = second.results[-3:]
    assert not second.stopped and total.observed_value == "9"
    assert (unique.element_count, unique.unexpected_count) == (3, 2)
    # in the order of landing, not of names; batches of what stands are not known here, and come first
    assert rising.unexpected_count == 0


@pytest.mark.long_on_spark
def test_values_of_personal_columns_are_shown_as_shapes(engine: Engine, tmp_path: Path) -> None:
    checks = [
        {BETWEEN: {"column": "gross", "max_value": 5}},
        {"expect_column_values_to_match_regex": {"column": "emp_no", "regex": "^X"}},
        {"expect_column_max_to_be_between": {"column": "gross", "min_value": 1, "severity": "warn"}},
        {"expect_column_values_to_be_in_set": {"column": "currency", "value_set": ["USD"], "severity": "warn"}},
    ]
    rows = [{**GOOD, "emp_no": "Zoë-7", "gross": "4321.99"}, {**GOOD, "emp_no": "X1", "gross": "4.25"}]
    made = judge(engine, tmp_path, payslips(checks=checks), rows)
    shown = [result.partial_unexpected_list for result in made.results[-4:]]
    assert shown == [["9999.99"], ["Aax-9"], ["INR", "INR"], []]
    assert made.results[-1].observed_value == "9.99"
    assert shape("Zoë-7") == "Aax-9"
    assert "4321" not in json.dumps(to_gx(made.results, "payroll.payslips"))


@pytest.mark.long_on_spark
def test_texts_of_harmless_columns_that_may_tell_of_somebody_are_shapes_too(engine: Engine, tmp_path: Path) -> None:
    checks = [{"expect_column_values_to_be_in_set": {"column": "currency", "value_set": ["USD"]}}]
    words = ["usd", "Mustermann", "call Ann Lee", "a@b.example", "K000123D", "2024-02-30", "Pay Grade", "B"]
    table = payslips(checks=checks)
    table = table.model_copy(
        update={
            "columns": {**table.columns, "currency": table.columns["currency"].model_copy(update={"category": "none"})}
        }
    )
    made = judge(
        engine, tmp_path, table, [{**GOOD, "emp_no": f"E{n}", "currency": word} for n, word in enumerate(words)]
    )
    shown = {each for result in made.results for each in result.partial_unexpected_list}
    shapes = {"Aaaaaaaaaa", "aaaa Aaa Aaa", "a@a.aaaaaaa", "A999999A"}
    # words of the contract and of headings, and what has no letters, stay
    assert shown == {"usd", "2024-02-30", "Pay Grade", "B", *shapes}


def test_what_only_python_can_judge_is_quarantined_too(engine: Engine, tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["a"]}
    table = Table.model_validate(
        {
            "columns": {"text": {"type": "string", "category": "none"}},
            "checks": [
                {"expect_column_values_to_match_json_schema": {"column": "text", "json_schema": schema}},
                {"expect_column_values_to_not_match_regex": {"column": "text", "regex": "(?<!x)z"}},
            ],
        }
    )
    texts = ['{"a": 1}', '{"b": 1}', "[", None, '{"a": "z"}', '{"a": "xz"}', "[" * 9999]
    made = judge(engine, tmp_path, table, [{"text": text} for text in texts])
    kept = [row["_row"] for row in rows_of(engine, tmp_path, made, table, "rows")]
    assert kept == [1, 4, 6] and made.rows_quarantined == 4


@pytest.mark.parametrize(
    ("pattern", "escape", "yes", "no"),
    [
        ("a%", None, ["a", "ab", "a\nb"], ["", "ba", "A"]),
        ("a_c", None, ["abc", "a🙂c", "a\nc"], ["ac", "abbc"]),
        ("100!%", "!", ["100%"], ["100", "1000"]),
        ("a.c", None, ["a.c"], ["abc"]),
        ("\\%", None, ["\\", "\\a"], ["%"]),
    ],
)
def test_like_patterns_mean_what_sql_says(pattern: str, escape: str | None, yes: list[str], no: list[str]) -> None:
    found = re.compile(like_regex(pattern, escape).replace("\\z", "\\Z"))
    assert [bool(found.search(text)) for text in [*yes, *no]] == [True] * len(yes) + [False] * len(no)


def test_like_patterns_run_on_every_engine(engine: Engine, tmp_path: Path) -> None:
    check = {"expect_column_values_to_not_match_like_pattern": {"column": "emp_no", "like_pattern": "É_%"}}
    rows = [{**GOOD, "emp_no": name} for name in ("Éa", "É", "éa", "É é")]
    made = judge(engine, tmp_path, payslips(checks=[check]), rows)
    assert made.results[-1].unexpected_count == 2


def test_numbers_too_large_to_be_added_up_are_not_what_is_expected(engine: Engine, tmp_path: Path) -> None:
    kinds = {"a": "decimal(38,0)", "b": "decimal(38,4)", "c": "integer"}
    columns = {name: {"type": kind, "category": "none"} for name, kind in kinds.items()}
    check = {"expect_multicolumn_sum_to_equal": {"column_list": [*columns], "sum_total": 3.5, "ignore_row_if": "never"}}
    table = Table.model_validate({"columns": columns, "checks": [check]})
    nines = "9" * 38
    cells = [("1", "1.5", "1"), (nines, "1.5", "1"), (f"-{nines}", f"{'9' * 34}.5", "1"), (nines, f"-{nines[:34]}", "1"),
             ("1", None, "1"), ("2", "2", "1"), ("999999999999999999", "-999999999999999995.5", "0")]  # fmt: skip
    rows: list[dict[str, str | None]] = [dict(zip(columns, each, strict=True)) for each in cells]
    made = judge(engine, tmp_path, table, rows)
    assert [row["_row"] for row in rows_of(engine, tmp_path, made, table, "rows")] == [1, 7]
    assert made.rows_quarantined == 5


@pytest.mark.parametrize("name", ["sum", "stdev"])
def test_a_sum_that_outgrows_exact_arithmetic_is_told_with_its_column(
    engine: Engine, tmp_path: Path, name: str
) -> None:
    columns = {"v": {"type": "decimal(38,0)", "category": "none"}}
    checks = [{f"expect_column_{name}_to_be_between": {"column": "v", "max_value": 1}}]
    table = Table.model_validate({"columns": columns, "checks": checks})
    with pytest.raises(Outgrown, match=r"a number of `.*[.]v` is too large for exact arithmetic") as caught:
        judge(engine, tmp_path, table, [{"v": "9" * 38}] * 3)
    assert (caught.value.code, caught.value.given) == ("D005", f"summed by expect_column_{name}_to_be_between")


def test_numbers_do_not_depend_on_rounding_or_width(engine: Engine, tmp_path: Path) -> None:
    columns = {"big": {"type": "integer", "category": "none"}, "real": {"type": "float", "category": "none"}}
    wide = {"severity": "warn", "min_value": 0}
    names = ("sum", "stdev", "median")
    checks = [{f"expect_column_{name}_to_be_between": {"column": c, **wide}} for c in columns for name in names]
    table = Table.model_validate({"columns": columns, "checks": checks})
    top = 10**18 - 1
    rows = [{"big": str(top), "real": "1e16"}, {"big": str(top), "real": "1"}, {"big": "-3", "real": "-1e16"}]
    made = judge(engine, tmp_path, table, [dict(row) for row in rows])
    found = [result.observed_value for result in made.results[1:]]
    assert found[0] == 2 * top - 3 and found[2] == top
    assert found[3] == 1.0 and found[5] == 1.0
    assert found[1] == pytest.approx(577350269189625764.1, rel=1e-15) and found[4] == pytest.approx(1e16)


def test_numbers_without_end_are_judged_and_shown(engine: Engine, tmp_path: Path) -> None:
    names = ("mean", "median", "stdev", "max")
    checks: list[dict[str, Any]] = [
        {BETWEEN: {"column": "real", "max_value": 5}},
        {"expect_column_values_to_not_be_outliers": {"column": "real", "method": "iqr"}},
        {"expect_column_values_to_not_be_outliers": {"column": "other", "method": "iqr"}},
        *({f"expect_column_{name}_to_be_between": {"column": "real", "min_value": 0}} for name in names),
    ]
    columns = {name: {"type": "float", "category": "none"} for name in ("real", "other")}
    items = [{name: {**given, "severity": "warn"}} for check in checks for name, given in check.items()]
    table = Table.model_validate({"columns": columns, "checks": items})
    reals = [1.0, 7.5, math.inf, -math.inf, math.inf, None, math.inf]
    rows = [{"real": value, "other": math.inf} for value in reals]
    made = judge_typed(engine, tmp_path, table, rows)
    between, outliers, all_alike, mean, median, deviation, most = made.results[-7:]
    assert between.unexpected_count == 4 and between.partial_unexpected_list == [7.5, "inf", "inf", "inf"]
    assert (outliers.unexpected_count, all_alike.unexpected_count) == (0, 0)
    assert [each.observed_value for each in (mean, median, deviation, most)] == ["nan", "inf", "nan", "inf"]
    assert [each.success for each in (mean, median, deviation, most)] == [False, True, False, True]


def judge_typed(engine: Engine, tmp_path: Path, table: Table, rows: list[dict[str, Any]]) -> Validated:
    """Judge rows that came with their types, as from Parquet files."""
    places_of = {OBJECT: "file", BATCH: 1}
    whole: list[dict[str, Any]] = [{**places_of, ROW: number, **row} for number, row in enumerate(rows, 1)]
    batch = pa.RecordBatch.from_pylist(whole, schema=schema(table))
    parsed = engine.map_items([batch], one, schema(table))
    return validate(parsed, Contract("t.t", table, parse("t", table)[0]), engine=engine, places=places(tmp_path))


def test_every_expectation_of_great_expectations_runs_or_says_why_not() -> None:
    from importlib.util import find_spec

    spec = find_spec("great_expectations")
    assert spec and spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "expectations" / "core"
    core = {path.stem for path in folder.glob("*expect*.py")}
    ours = {name for name, word in EXPECTATIONS.items() if word.kind == "key"}
    assert core == {*EXPECTATIONS, *LEFT_OUT} - ours and not ours & core


def test_a_bound_beyond_all_floats_is_beyond_all_floats() -> None:
    table = Table.model_validate({"columns": {"x": {"type": "float"}}})
    kind = table.columns["x"].arrow
    high, low = fit(kind, 10**400), fit(kind, -(10**400))
    assert (high.exact, high.below, low.below) == (False, False, True) and high.value > 1e308
    assert parse("t", table.model_copy(update={"checks": [{BETWEEN: {"column": "x", "max_value": 10**400}}]}))[1] == []


def test_a_check_of_a_table_tells_the_bounds_that_were_declared() -> None:
    made = Result("expect_table_row_count_to_be_between", (), False, 240, 1, None, "stop", arguments={"min_value": 900})
    assert made.told == "does not hold over 240 rows; declared: min_value 900"
