"""The test before the rules: it holds the rows that fail a check, all of them and no others."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts.checks import parse
from potable.contracts.screen import suspects
from potable.engines.base import Engine, collect
from potable.tables import Table

COLUMNS: dict[str, dict[str, Any]] = {
    "number": {"type": "integer", "category": "none"},
    "amount": {"type": "decimal(8,2)", "category": "none"},
    "share": {"type": "float", "category": "none"},
    "word": {"type": "string", "category": "none"},
    "day": {"type": "date", "category": "none"},
    "seen": {"type": "timestamp", "category": "none"},
}
DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 9))
MOMENTS = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 9))
WORDS = st.text(alphabet="aÄz🙂", max_size=3)
FLOATS = st.sampled_from([-1.5, -0.0, 0.0, 0.25, 1.0, 7.0, float("inf"), float("-inf")])
CENTS = st.integers(-900, 900).map(lambda cents: Decimal(cents).scaleb(-2))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-9, 9),
    "amount": CENTS,
    "share": FLOATS | st.just(float("nan")),
    "word": WORDS,
    "day": DAYS,
    "seen": MOMENTS,
}
BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-9, 9) | st.sampled_from([-0.5, 2.5, 1e30, -1e30]),
    "amount": CENTS.map(float) | st.sampled_from([0.005, 1e30, -1e30]),
    "share": FLOATS | st.just(float("nan")),
    "word": WORDS,
    "day": DAYS.map(str) | MOMENTS.map(str),
    "seen": DAYS.map(str) | MOMENTS.map(str),
}


@st.composite
def checks(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(list(COLUMNS)))
    flags = {flag: draw(st.booleans()) for flag in ("strict_min", "strict_max")}
    kind = draw(st.sampled_from(["between", "set", "lengths", "null", "regex"]))
    conditional = CONDITION if draw(st.integers(0, 4)) == 0 else {}
    if kind == "between":
        low, high = draw(st.none() | BOUNDS[name]), draw(st.none() | BOUNDS[name])
        if low is not None or high is not None:
            return {_BETWEEN: {"column": name, "min_value": low, "max_value": high, **flags, **conditional}}
    if kind == "set":
        members = draw(st.lists(BOUNDS[name], min_size=1, max_size=6))
        return {"expect_column_values_to_be_in_set": {"column": name, "value_set": members, **conditional}}
    if kind == "lengths":
        least = draw(st.integers(0, 3))
        return {
            "expect_column_value_lengths_to_be_between": {"column": "word", "min_value": least, **flags, **conditional}
        }
    if kind == "regex":
        return {"expect_column_values_to_match_regex": {"column": "word", "regex": "^a", **conditional}}
    return {"expect_column_values_to_not_be_null": {"column": name, **conditional}}


CONDITION = {"row_condition": 'col("number") > 0', "condition_parser": "great_expectations"}
_BETWEEN = "expect_column_values_to_be_between"
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=12)


def test_it_holds_the_rows_that_fail_a_check_and_no_others(engine: Engine, examples: Examples) -> None:
    @settings(max_examples=examples(engine, 150), deadline=None)
    @given(st.lists(checks(), min_size=1, max_size=8), ROWS)
    def hold(declared: list[dict[str, Any]], rows: list[Any]) -> None:
        table = Table.model_validate({"columns": COLUMNS, "checks": declared})
        judged, errors = parse("t", table)
        assert all("is greater than `max_value`" in error.problem for error in errors)
        with TemporaryDirectory() as folder:
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), f"{folder}/rows.parquet")
            held = engine.read([f"{folder}/rows.parquet"], table.schema)
            failed = {f"check_{index}": check.fails(held, table) for index, check in enumerate(judged)}
            found = collect(engine, held.select(suspect=suspects(held, table, judged), **failed)).to_pylist()
        assert [row["suspect"] for row in found] == [any(row[name] for name in failed) for row in found]

    hold()
