"""Numbers of a column that are the same on any engine: sums without rounding, and what no float can hold."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from potable.contracts.aggregates import Whole, mean, stdev, total
from potable.contracts.exact import Sum
from potable.contracts.unique import outliers, z_scores
from potable.engines.base import Engine
from potable.tables import Table

FLOATS = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([5e-324, -1.7e308, 2.0**53, -0.0]))


@given(st.lists(FLOATS, max_size=4))
def test_floats_are_summed_without_rounding(parts: list[list[float]]) -> None:
    summed = Sum()
    for part in parts:
        summed.add(np.array(part, np.float64))
    assert summed.count == sum(map(len, parts))
    assert summed.value == sum((Fraction(number) for part in parts for number in part), Fraction(0))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([1.7e308, 1.7e308], {"sum": math.inf, "mean": 1.7e308, "stdev": 0.0}),
        ([1e200, -1e200], {"sum": 0.0, "mean": 0.0, "stdev": math.inf}),
        ([math.inf, 1.0], {"sum": math.inf, "mean": math.inf, "stdev": math.nan}),
        ([math.inf, -math.inf, 1.0], {"sum": math.nan, "mean": math.nan, "stdev": math.nan}),
        ([0.1] * 10, {"sum": 1.0, "mean": 0.1, "stdev": 0.0}),
    ],
    ids=["more than a float", "squares more than a float", "infinite", "no number", "rounded once"],
)
def test_what_no_float_can_hold_is_infinite(
    engine: Engine, tmp_path: Path, numbers: list[float], told: dict[str, float]
) -> None:
    pq.write_table(pa.table({"x": numbers}), tmp_path / "rows.parquet")
    rows = engine.read([str(tmp_path / "rows.parquet")], pa.schema({"x": pa.float64()}))
    whole = Whole(rows, Table.model_validate({"columns": {"x": {"type": "float"}}}), engine)
    bounds = {"column": "x", "max_value": 1e308}
    for name, rule in (("sum", total), ("mean", mean), ("stdev", stdev)):
        found = rule(whole, bounds)
        assert found.observed == pytest.approx(told[name], nan_ok=True, rel=0, abs=0), name
        assert found.success == (told[name] <= 1e308)
    if not math.isfinite(told["mean"]):
        # without a mean nothing is far from it
        assert z_scores(whole, {"column": "x", "threshold": 1}, {}).unexpected == 0
        assert outliers(whole, {"column": "x", "method": "std"}, {}).unexpected == 0
