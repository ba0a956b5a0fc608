"""The same expectations through Great Expectations itself: every field of every result agrees."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.conftest import open_engine
from tests.contracts.conftest import Ask, Case
from tests.contracts.test_validate import one, places

from potable.contracts.checks import parse
from potable.contracts.custom import Custom
from potable.contracts.gx import to_gx
from potable.contracts.results import own_words, unmasked
from potable.contracts.validate import Contract, validate
from potable.engines.base import Engine
from potable.sources.groups import schema
from potable.tables import BATCH, OBJECT, ROW, Table

COLUMNS = {"word": "string", "other": "string", "number": "integer", "more": "integer", "real": "float", "day": "date"}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """DuckDB alone, where there are many small queries."""
    engine = open_engine("duckdb", tmp_path_factory.mktemp("scratch"))
    yield engine
    engine.close()


def ours(engine: Engine, folder: Path, case: Case, customs: Mapping[str, Custom] | None = None) -> list[dict[str, Any]]:
    """The results of a case, in GX's shape. Warnings only, so that all rows stay."""
    declared = {name: {"type": item["type"], "category": "none"} for name, item in case["columns"].items()}
    items = [{name: {**kwargs, "severity": "warn"}} for name, kwargs in case["checks"]]
    table = Table.model_validate({"columns": declared, "checks": items})
    checks, errors = parse("t", table, customs=customs)
    assert not errors, [error.problem for error in errors]
    length = len(case["columns"]["word"]["values"])
    arrays = {name: _array(item) for name, item in case["columns"].items()}
    shape = schema(table)
    origin = {OBJECT: ["file"] * length, ROW: list(range(1, length + 1)), BATCH: [1] * length}
    filled = {
        field.name: arrays.get(field.name) or pa.array(origin.get(field.name, [None] * length), field.type)
        for field in shape
    }
    batch = pa.RecordBatch.from_arrays(list(filled.values()), schema=shape)
    parsed = engine.map_items([batch], one, shape)
    made = validate(parsed, Contract("t.t", table, checks), engine=engine, places=places(folder))
    assert not made.stopped and made.rows_out == length
    found: list[dict[str, Any]] = to_gx(made.results, "t")["results"]
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _array(item: dict[str, Any]) -> pa.Array:
    if item["type"] == "date":
        days = [None if value is None else dt.date.fromisoformat(value) for value in item["values"]]
        return pa.array(days, pa.date32())
    return pa.array(item["values"], {"string": pa.string(), "integer": pa.int64(), "float": pa.float64()}[item["type"]])


def differences(case: Case, mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[Any]:
    """Fields of the results that GX fills and that are not the same here, in whatever order values are listed."""
    own = {
        (entry["expectation_config"]["type"], _asked(entry["expectation_config"]["kwargs"])): entry for entry in mine
    }
    assert len(theirs) == len(case["checks"])
    found = []
    for (name, kwargs), entry in zip(case["checks"], theirs, strict=True):
        assert not any(info["raised_exception"] for info in _exceptions(entry)), entry
        here = own[name, _asked(kwargs)]
        if here["success"] != entry["success"]:
            found.append((name, kwargs, "success", here["success"]))
        declared = own_words([kwargs, list(case["columns"])])
        for key, value in _masked(entry["result"], declared).items():
            if key in here["result"] and key != "details" and not _alike(here["result"][key], value):
                found.append((name, kwargs, key, here["result"][key], value))
    return found


_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T")
"""Times, which GX tells as texts."""


def _masked(value: Any, declared: frozenset[str]) -> Any:
    """What GX shows, with shapes for texts that may tell of somebody."""
    if isinstance(value, dict):
        return {key: _masked(item, declared) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, declared) for item in value]
    return unmasked(value, declared) if isinstance(value, str) and not _MOMENT.match(value) else value


def _asked(kwargs: dict[str, Any]) -> str:
    return json.dumps(kwargs, sort_keys=True)


def _exceptions(entry: dict[str, Any]) -> list[dict[str, Any]]:
    info = entry["exception_info"]
    return [info] if "raised_exception" in info else list(info.values())


def _alike(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, list) and isinstance(theirs, list):
        if len(theirs) >= 20:
            return len(mine) >= 20
        return len(mine) == len(theirs) and all(
            _alike(a, b) for a, b in zip(sorted(mine, key=_key), sorted(theirs, key=_key), strict=True)
        )
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(_alike(mine[key], theirs[key]) for key in mine)
    if isinstance(theirs, dict):
        # a pair of columns is a dict there, a list here
        return _alike(mine, list(theirs.values()))
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(mine, str) and isinstance(theirs, str):
        return mine == theirs or mine == theirs[:10]
    return bool(mine == theirs or (mine is None and theirs != theirs))


def _key(value: Any) -> str:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return ",".join(_key(item) for item in value)
    # zero has two signs and one value
    return f"{float(value) + 0.0:.9f}" if isinstance(value, int | float) else str(value)[:10]


WORD, OTHER, NUMBER, REAL, DAY = ({"column": name} for name in ("word", "other", "number", "real", "day"))
NUMBERS = ["number", "more"]
PAIRS = ("both_values_are_missing", "either_value_is_missing", "neither")
ROW_CHECKS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_not_be_null", WORD),
    ("expect_column_values_to_be_null", REAL),
    ("expect_column_values_to_be_between", {**NUMBER, "min_value": 0, "max_value": 5}),
    ("expect_column_values_to_be_between", {**NUMBER, "min_value": -0.5, "mostly": 0.5}),
    ("expect_column_values_to_be_between", {**REAL, "min_value": 0, "strict_min": True}),
    ("expect_column_values_to_be_between", {**REAL, "max_value": 1.5, "strict_max": True, "mostly": 0.75}),
    (
        "expect_column_values_to_be_between",
        {**DAY, "min_value": "2000-01-01T00:00:00", "max_value": "2000-02-29T00:00:00"},
    ),
    ("expect_column_values_to_be_between", {**DAY, "min_value": "2000-01-01T00:00:00", "strict_min": True}),
    ("expect_column_values_to_be_in_set", {**WORD, "value_set": ["a", "É", ""]}),
    ("expect_column_values_to_be_in_set", {**NUMBER, "value_set": [0, 1, 2.5], "mostly": 0.3}),
    ("expect_column_values_to_not_be_in_set", {**WORD, "value_set": ["a", "A"]}),
    ("expect_column_values_to_match_regex", {**WORD, "regex": "^[a-z]"}),
    ("expect_column_values_to_match_regex", {**WORD, "regex": "a(?!b)"}),
    ("expect_column_values_to_match_regex", {**WORD, "regex": "(?P<first>[a-z])(?i:É|b)?$"}),
    ("expect_column_values_to_not_match_regex", {**WORD, "regex": "[0-9]+"}),
    ("expect_column_values_to_not_match_regex", {**WORD, "regex": "(a)\\1"}),
    ("expect_column_values_to_match_regex_list", {**WORD, "regex_list": ["^a", "é"], "match_on": "any"}),
    ("expect_column_values_to_match_regex_list", {**WORD, "regex_list": ["a", "b"], "match_on": "all"}),
    ("expect_column_values_to_not_match_regex_list", {**WORD, "regex_list": ["^a", "é"]}),
    ("expect_column_value_lengths_to_be_between", {**WORD, "min_value": 1, "max_value": 3}),
    ("expect_column_value_lengths_to_be_between", {**WORD, "max_value": 2, "strict_max": True}),
    ("expect_column_value_lengths_to_equal", {**WORD, "value": 2}),
    ("expect_column_values_to_be_json_parseable", WORD),
    ("expect_column_values_to_match_strftime_format", {**WORD, "strftime_format": "%Y-%m-%d"}),
    ("expect_column_values_to_be_dateutil_parseable", WORD),
    *(
        ("expect_column_pair_values_to_be_equal", {"column_A": "word", "column_B": "other", "ignore_row_if": way})
        for way in PAIRS
    ),
    *(
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "number", "column_B": "more", "ignore_row_if": way},
        )
        for way in PAIRS
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "number", "column_B": "more", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    ),
    (
        "expect_column_pair_values_to_be_in_set",
        {
            "column_A": "word",
            "column_B": "other",
            "value_pairs_set": [["a", "a"], ["", None]],
            "ignore_row_if": "neither",
        },
    ),
    (
        "expect_multicolumn_sum_to_equal",
        {"column_list": NUMBERS, "sum_total": 3, "ignore_row_if": "any_value_is_missing"},
    ),
    ("expect_multicolumn_sum_to_equal", {"column_list": NUMBERS, "sum_total": 3, "ignore_row_if": "never"}),
    ("expect_multicolumn_values_to_be_equal", {"column_list": NUMBERS, "ignore_row_if": "all_values_are_missing"}),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": NUMBERS, "ignore_row_if": "never"}),
    (
        "expect_select_column_values_to_be_unique_within_record",
        {"column_list": ["word", "other"], "ignore_row_if": "any_value_is_missing"},
    ),
]
PRESENT = {"type": "nullity", "column": {"name": "word"}, "is_null": False}
ABOVE = {"type": "comparison", "column": {"name": "number"}, "operator": ">", "parameter": 0}
WHOLE_CHECKS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_be_unique", WORD),
    ("expect_column_values_to_be_unique", {**REAL, "mostly": 0.5}),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["word", "number"], "ignore_row_if": "all_values_are_missing"},
    ),
    (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["word", "number"], "ignore_row_if": "any_value_is_missing"},
    ),
    ("expect_column_values_to_be_increasing", NUMBER),
    ("expect_column_values_to_be_increasing", {**DAY, "strictly": True}),
    ("expect_column_values_to_be_decreasing", {**REAL, "mostly": 0.5}),
    ("expect_column_value_z_scores_to_be_less_than", {**REAL, "threshold": 1.2, "double_sided": True}),
    ("expect_column_value_z_scores_to_be_less_than", {**NUMBER, "threshold": 0.9, "double_sided": False}),
    ("expect_column_values_to_not_be_outliers", {**NUMBER, "method": "iqr", "multiplier": 0.5}),
    ("expect_column_values_to_not_be_outliers", {**REAL, "method": "std", "multiplier": 1.1}),
    ("expect_column_values_to_be_between", {**REAL, "min_value": 0, "row_condition": ABOVE}),
    ("expect_column_values_to_not_be_null", {**NUMBER, "row_condition": PRESENT}),
    (
        "expect_column_sum_to_be_between",
        {**REAL, "min_value": 0, "row_condition": {"type": "and", "conditions": [PRESENT, ABOVE]}},
    ),
    ("expect_table_row_count_to_be_between", {"min_value": 2, "max_value": 4, "row_condition": PRESENT}),
    *(
        ("expect_column_values_to_not_be_null", {**NUMBER, "row_condition": condition, "condition_parser": "pandas"})
        for condition in (
            "number > 0 and number <= 3",
            'word == "a" | word != "A" & number != 1',
            'word in ["a", "é"] or number not in [0, 1]',
            "(word.notnull() or number == -1) and more.isnull()",
            'day >= "2000-01-01"',
            {"type": "pass_through", "pass_through_filter": "number > 0 or word != 'a'"},
        )
    ),
    ("expect_column_min_to_be_between", {**NUMBER, "min_value": 0}),
    ("expect_column_max_to_be_between", {**REAL, "max_value": 1.5, "strict_max": True}),
    ("expect_column_max_to_be_between", {**NUMBER, "max_value": 3}),
    ("expect_column_mean_to_be_between", {**NUMBER, "min_value": 0, "max_value": 2}),
    ("expect_column_mean_to_be_between", {**REAL, "min_value": 0.1}),
    ("expect_column_median_to_be_between", {**NUMBER, "min_value": 1, "strict_min": True}),
    ("expect_column_stdev_to_be_between", {**NUMBER, "min_value": 0.5}),
    ("expect_column_stdev_to_be_between", {**REAL, "max_value": 1}),
    ("expect_column_sum_to_be_between", {**NUMBER, "min_value": 0, "max_value": 10}),
    ("expect_column_sum_to_be_between", {**REAL, "max_value": 3.3}),
    (
        "expect_column_quantile_values_to_be_between",
        {
            **NUMBER,
            "quantile_ranges": {
                "quantiles": [0.0, 0.3, 0.5, 1.0],
                "value_ranges": [[-9, 0], [0, None], [None, 2], [1, 9]],
            },
        },
    ),
    (
        "expect_column_quantile_values_to_be_between",
        {
            **REAL,
            "allow_relative_error": "linear",
            "quantile_ranges": {"quantiles": [0.1, 0.75], "value_ranges": [[-1, 1], [0, 2]]},
        },
    ),
    ("expect_column_unique_value_count_to_be_between", {**WORD, "min_value": 2, "max_value": 3}),
    ("expect_column_proportion_of_unique_values_to_be_between", {**REAL, "min_value": 0.5, "strict_min": True}),
    ("expect_column_proportion_of_non_null_values_to_be_between", {**REAL, "max_value": 0.9}),
    ("expect_column_distinct_values_to_be_in_set", {**WORD, "value_set": ["a", "é", ""]}),
    ("expect_column_distinct_values_to_contain_set", {**NUMBER, "value_set": [0, 1]}),
    ("expect_column_distinct_values_to_equal_set", {**WORD, "value_set": ["a", ""]}),
    ("expect_column_distinct_values_to_contain_set", {**WORD, "value_set": ["a", None]}),
    ("expect_column_distinct_values_to_equal_set", {**NUMBER, "value_set": [1, None]}),
    ("expect_column_distinct_values_to_be_in_set", {**NUMBER, "value_set": [0, 1, 2, None]}),
    ("expect_column_most_common_value_to_be_in_set", {**WORD, "value_set": ["a", "A"]}),
    ("expect_column_most_common_value_to_be_in_set", {**NUMBER, "value_set": [0, 1], "ties_okay": True}),
    ("expect_column_to_exist", {"column": "word", "column_index": 1}),
    ("expect_column_to_exist", {"column": "nothing"}),
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 3, "strict_max": True}),
    ("expect_table_row_count_to_equal", {"value": 3}),
    ("expect_table_column_count_to_be_between", {"min_value": 3, "max_value": 9}),
    ("expect_table_column_count_to_equal", {"value": 7}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": list(COLUMNS)}),
    ("expect_table_columns_to_match_set", {"column_set": ["word", "day"], "exact_match": False}),
    ("expect_table_columns_to_match_set", {"column_set": ["word", "day"]}),
]
KL_CHECKS: list[tuple[str, dict[str, Any]]] = [
    (
        "expect_column_kl_divergence_to_be_less_than",
        {
            **WORD,
            "partition_object": {"values": ["a", "b", ""], "weights": [0.5, 0.25, 0.25]},
            "threshold": 0.4,
            "tail_weight_holdout": tail,
        },
    )
    for tail in (0, 0.1)
] + [
    (
        "expect_column_kl_divergence_to_be_less_than",
        {**REAL, "partition_object": {"bins": [-1, 0, 1, 2], "weights": [0.5, 0.5, 0.0]}, "threshold": 0.3, **holdouts},
    )
    for holdouts in ({"tail_weight_holdout": 0.2, "internal_weight_holdout": 0.1}, {"tail_weight_holdout": 0.1})
]
words = st.one_of(
    st.sampled_from(
        [None, "", "a", "A", "aa", "ab", "é", "É", "{}", "[1", "2000-02-29", "2001-02-29", "12", "🙂", "ﬁ", "a\nb"]
    )
)
numbers = st.one_of(st.none(), st.integers(-3, 6))
reals = st.one_of(st.sampled_from([None, math.nan, 0.0, -0.0, 0.1, 0.2, 1.5, -1.0, 2.0, 1e6]))
days = st.sampled_from([None, "1999-12-31", "2000-01-01", "2000-01-02", "2000-02-28", "2000-02-29", "2000-03-01"])
DRAWS = {"word": words, "other": words, "number": numbers, "more": numbers, "real": reals, "day": days}
EMPTY: dict[str, list[Any]] = {name: [] for name in COLUMNS}
NULLS: dict[str, list[Any]] = {name: [None, None] for name in COLUMNS}
ONE = {"word": ["a"], "other": ["a"], "number": [1], "more": [2], "real": [0.1], "day": ["2000-01-01"]}


def case_of(values: dict[str, list[Any]], checks: list[tuple[str, dict[str, Any]]]) -> Case:
    columns = {name: {"type": kind, "values": values[name]} for name, kind in COLUMNS.items()}
    return {"columns": columns, "checks": checks}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(2, 12))
    return {name: draw(st.lists(cells, min_size=rows, max_size=rows)) for name, cells in DRAWS.items()}


@pytest.mark.parametrize("checks", [ROW_CHECKS, WHOLE_CHECKS, KL_CHECKS], ids=["rows", "wholes", "divergence"])
@pytest.mark.parametrize("values", [EMPTY, NULLS, ONE], ids=["empty", "nulls", "one"])
def test_tables_at_the_edge_are_judged_as_by_great_expectations(
    local: Engine, gx: Ask, tmp_path: Path, values: dict[str, list[Any]], checks: list[tuple[str, dict[str, Any]]]
) -> None:
    case = case_of(values, checks)
    assert not differences(case, ours(local, tmp_path, case), gx(case))


def test_random_tables_are_judged_as_by_great_expectations(
    local: Engine, gx: Ask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=4, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    @given(values=tables())
    def holds(values: dict[str, list[Any]]) -> None:
        case = case_of(values, [*ROW_CHECKS, *WHOLE_CHECKS, *KL_CHECKS])
        assert not differences(case, ours(local, tmp_path_factory.mktemp("case"), case), gx(case)), values

    holds()


@pytest.mark.long_on_spark
def test_every_engine_judges_as_great_expectations(engine: Engine, gx: Ask, tmp_path: Path) -> None:
    values: dict[str, list[Any]] = {
        "word": ["a", "é", None, "", "a", "[1"],
        "other": ["a", None, None, "b", "A", "[1"],
        "number": [1, 2, None, 4, 0, 2],
        "more": [2, 1, None, 4, None, 1],
        "real": [0.1, None, 0.2, math.nan, 1.5, 1e6],
        "day": ["2000-01-01", "2000-02-29", None, "2000-02-29", "1999-12-31", "2000-03-01"],
    }
    case = case_of(values, [*ROW_CHECKS[::2], *WHOLE_CHECKS[::3], *KL_CHECKS[::2]])
    assert not differences(case, ours(engine, tmp_path, case), gx(case))
