"""Profiles: counts that say what a table holds, whichever engine made them and in how many portions."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples
from tests.contracts.test_validate import judge_files, stands

from potable.contracts import profile
from potable.engines.base import Engine
from potable.tables import Table

TABLE = Table.model_validate(
    {
        "columns": {
            "emp_no": {"type": "string", "required": True, "key": "emp_no"},
            "day": {"type": "date", "category": "none"},
            "seen": {"type": "timestamp", "category": "none"},
            "born": {"type": "date", "category": "user.demographic.date_of_birth"},
            "gross": {"type": "decimal(12,2)", "category": "user.financial.salary"},
            "score": {"type": "float", "category": "none"},
            "level": {"type": "string", "category": "none", "levels": ["Low", "High"]},
            "remote": {"type": "boolean", "category": "none"},
            "currency": {"type": "string", "category": "none"},
            "note": {"type": "string", "category": "free_text"},
        },
        "time": "day",
        "known": "seen",
        "health": {"drift": {"currency": {"chi_square": 0.1}}},
    }
)
Row = dict[str, str | None]


def bin_of(number: float) -> float:
    """The end of a number's bin that is nearer to zero, said slowly."""
    size = abs(Decimal(repr(number)) if isinstance(number, float) else Decimal(number))
    if size < Decimal("1e-6"):
        return 0.0
    power = size.adjusted()
    digits = int(size.scaleb(1 - power))
    step = 1 if digits < 20 else 2 if digits < 40 else 5
    return math.copysign(float(Decimal(digits - digits % step).scaleb(power - 1)), number)


def expected(rows: list[Row], batch: int) -> Counter[tuple[Any, ...]]:
    """The cells of rows, counted one by one."""
    out: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        day = row["day"]
        period = int(day[:7].replace("-", "")) if day else None
        out["", batch, period, "all"] += 1
        if row["emp_no"] is None:
            out["", batch, period, "broken"] += 1
        for name in TABLE.columns:
            text = row[name]
            if text is None:
                out[name, batch, period, None] += 1
            elif name in ("day", "seen"):
                out[name, batch, period, int(text[:10].replace("-", ""))] += 1
            elif name == "born":
                out[name, batch, period, int(text[:7].replace("-", ""))] += 1
            elif name in ("gross", "score"):
                out[name, batch, period, bin_of(float(text) if name == "score" else Decimal(text))] += 1  # type: ignore[arg-type]
            elif name in ("level", "remote", "currency"):
                out[name, batch, period, text] += 1
    return out


def found(made: pa.Table) -> Counter[tuple[Any, ...]]:
    out: Counter[tuple[Any, ...]] = Counter()
    for row in made.to_pylist():
        numeric = row["column"] in ("gross", "score") and row["number"] is not None
        cell = profile.edge(row["number"]) if numeric else row["number"] if row["word"] is None else row["word"]
        out[row["column"], row["batch"], row["period"], cell] += row["rows"]
    return out


NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 9, 10, 19, 20, 21, 39, 40, 44, 45, 99, 100, 1000, 99_999.99, 100_000, -0.01, 0.99]),
    st.integers(-(10**7), 10**7),
    st.decimals(-9_999_999, 9_999_999, places=2),
)
ROWS: st.SearchStrategy[list[Row]] = st.lists(
    st.fixed_dictionaries(
        {
            "emp_no": st.sampled_from(["E1", "E2", None]),
            "day": st.sampled_from(["2023-12-31", "2024-01-01", "2024-01-31", None]),
            "seen": st.sampled_from(["2024-02-01T10:00:00", None]),
            "born": st.sampled_from(["1980-05-04", "1980-05-31", None]),
            "gross": st.one_of(st.none(), NUMBERS.map(str)),
            "score": st.one_of(st.none(), st.sampled_from(["0.125", "1e-9", "3.5", "-1234.5", "4.4999999999999996e1"])),
            "level": st.sampled_from(["Low", "High", None]),
            "remote": st.sampled_from(["true", "false", None]),
            "currency": st.sampled_from(["EUR", "USD", "", None]),
            "note": st.sampled_from(["a note", None]),
        }
    ),
    max_size=25,
)


def cleaned(rows: list[Row]) -> list[Row]:
    return [{name: None if text == "" else text for name, text in row.items()} for row in rows]


def test_numbers_of_two_digits_are_in_the_bin_that_begins_with_them(engine: Engine, tmp_path: Path) -> None:
    texts = [f"{number}e{power}" for number in range(10, 100) for power in (-4, -3, -2, -1, 0, 1)]
    rows = [dict.fromkeys(TABLE.columns) | {"emp_no": "E1", "score": text} for text in texts]
    made = judge_files(engine, tmp_path, TABLE, [(1, "a", rows)])
    assert made.profile is not None and found(made.profile) == expected(rows, 1)


@pytest.mark.long_on_spark
def test_every_row_is_counted_in_every_column_once_however_it_came(
    engine: Engine, tmp_path: Path, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 5), deadline=None)
    @given(ROWS, ROWS)
    def check(first: list[Row], second: list[Row]) -> None:
        with TemporaryDirectory(dir=tmp_path) as folder:
            one, two, whole = (Path(folder, name) for name in ("one", "two", "whole"))
            made = judge_files(engine, one, TABLE, [(1, "a", first)])
            more = judge_files(engine, two, TABLE, [(2, "b", second)], stands(one, made))
            both = judge_files(engine, whole, TABLE, [(1, "a", first), (2, "b", second)])
            assert both.profile is not None and made.profile is not None and more.profile is not None
            assert found(both.profile) == expected(cleaned(first), 1) + expected(cleaned(second), 2)
            assert sorted(map(str, both.profile.to_pylist())) == sorted(
                map(str, made.profile.to_pylist() + more.profile.to_pylist())
            )
            assert profile.summed(made.sketches, more.sketches) == both.sketches

    check()


def test_distinct_values_are_estimated_within_their_error(engine: Engine, tmp_path: Path) -> None:
    numbers = 20_000 if engine.name == "duckdb" else 300
    rows: list[Row] = [{"emp_no": f"E{number}", "note": None} for number in range(numbers)] * 2
    made = judge_files(engine, tmp_path, TABLE, [(1, "a", rows)])
    assert profile.distinct(made.sketches["emp_no"]) == pytest.approx(numbers, rel=0.05)
    assert set(made.sketches) == {"emp_no"}


def test_bins_are_at_most_an_eighth_of_their_value_wide() -> None:
    edges = sorted({bin_of(number / 1000) for number in range(1000, 1_000_000, 7)})
    assert all(high <= low * 1.125 + 1e-9 for low, high in pairwise(edges))


def test_a_bin_without_a_value_is_zero_and_signs_are_kept() -> None:
    assert profile.edge(0) == 0
    assert profile.edge(-10_018) == -profile.edge(10_018) == -180.0
    assert dt.date(2024, 1, 31).strftime("%Y%m") == "202401"


@given(st.lists(st.floats(0.01, 1e9), min_size=1, max_size=60))
def test_quantiles_lie_within_a_bin_of_those_of_the_values(numbers: list[float]) -> None:
    codes = Counter(code_of(number) for number in numbers)
    ordered = sorted(numbers)
    for share, found in zip((0.0, 0.5, 1.0), profile.quantiles(codes, (0.0, 0.5, 1.0)), strict=True):
        exact = ordered[math.floor((len(ordered) - 1) * share)]
        assert found <= exact * (1 + 1e-12)
        assert exact <= found * 1.125 * (1 + 1e-12)


def code_of(number: float) -> int:
    power = Decimal(repr(number)).adjusted()
    digits = int(Decimal(repr(number)).scaleb(1 - power))
    step = 1 if digits < 20 else 2 if digits < 40 else 5
    return (power + 8) * 1000 + digits - digits % step
