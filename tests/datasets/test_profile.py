"""The profile of the finished table: every column's, however many there are."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.datasets.profile import AT_ONCE, BINS, MISSING, Distribution, formulas, misread, profile, run_as_formulas
from potable.engines.base import Engine


@pytest.mark.long_on_spark
def test_every_column_of_many_is_told(engine: Engine, tmp_path: Path) -> None:
    numbers = {f"n{index}": [index * row for row in range(40)] + [None] for index in range(AT_ONCE + 3)}
    words = {f"w{index}": [f"{index}-{row % 2}" for row in range(40)] + [None] for index in range(AT_ONCE + 3)}
    table = pa.table(numbers | words)
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = engine.read([str(tmp_path / "rows.parquet")], table.schema)
    found = {each.name: each for each in profile(rows, engine, least=1, hidden=["w1"])}
    assert list(found) == table.column_names
    for name, each in found.items():
        index = int(name[1:])
        assert each.nulls == 1
        if name.startswith("n"):
            assert each.distinct == (40 if index else 1) and sum(each.counts) == 40 and len(each.counts) <= BINS
            assert each.bins[0] == 0 and (index * 39 <= each.bins[-1] <= index * 50 if index else each.bins[-1] == 1)
        else:
            told = ([f"{index}-0", f"{index}-1"], [20, 20]) if name != "w1" else ([], [])
            assert (each.distinct, each.bins, each.counts) == (2, *told)


@pytest.mark.parametrize("least", [1, 5])
def test_a_histogram_tells_nobodys_number(engine: Engine, tmp_path: Path, least: int) -> None:
    pay = [41_234.56 + 517.31 * row for row in range(60)] + [912_345.67, 1_234_567.89, None]
    table = pa.table(
        {"pay": pay, "few": [7.25, 8.5, 9.75, 11.125] + [None] * 59, "same": [3.5] * 63, "far": [-2.0] * 63}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = engine.read([str(tmp_path / "rows.parquet")], table.schema)
    found = {each.name: each for each in profile(rows, engine, least=least)}
    drawn = found["pay"]
    assert not {*drawn.bins} & {*pay} and len(drawn.bins) == len(drawn.counts) + 1 and len(drawn.counts) <= BINS
    assert all(edge % 500 == 0 for edge in drawn.bins if isinstance(edge, float))
    if least == 1:
        assert (drawn.bins[0], drawn.bins[-1]) == (0, 1_300_000)
    else:
        # whoever earns much more than all others is not seen
        assert (drawn.bins[0], drawn.bins[-1], min(drawn.counts)) == (42_000, 72_000, 5)
        assert (found["few"].bins, found["few"].counts, found["few"].nulls) == ([], [], 59)
    assert [sum(found[name].counts) for name in ("same", "far")] == [63, 63]


@pytest.mark.long_on_spark
def test_cells_that_a_spreadsheet_would_run_are_counted(engine: Engine, tmp_path: Path) -> None:
    words = ["=cmd|' /C calc'!A0", "@SUM(1)", "+1+cmd|x", "-2+3+cmd(x)", "\t=1", "a=b", "-5-10", "<25", "+49", "", None]
    table = pa.table(
        {"note": words, "id": ["=1"] * len(words), "n": list(range(len(words))), "fine": ["x"] * len(words)}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    found = formulas(engine.read([str(tmp_path / "rows.parquet")], table.schema), engine, hidden=["id"])
    assert found == {"note": 5}
    (told,) = run_as_formulas(found)
    assert told.startswith("5 cells of note begin as a formula") and run_as_formulas({}) == []


def test_words_that_pandas_takes_for_missing_are_told() -> None:
    read = pd.read_csv(io.StringIO("\n".join(["word", *(f'"{word}"' for word in sorted(MISSING))])))
    assert read.word.isna().all()
    found = [
        Distribution("claim", "string", 0, 2, ["Claim", "None"], [3, 2]),
        Distribution("age", "string", 1, 2, ["<30", ">=30"], [3, 2]),
        Distribution("paid", "float64", 0, 2, [0.0, 1.0], [5]),
    ]
    (told,) = misread(found)
    assert "reads None of claim as missing" in told
    assert misread(found[1:]) == []
