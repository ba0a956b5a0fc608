"""The profile of the finished table: every column's, however many there are."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from potable.datasets.profile import AT_ONCE, BINS, MISSING, Distribution, misread, profile
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
            assert each.distinct == (40 if index else 1) and sum(each.counts) == 40 and len(each.counts) == BINS
            assert (each.bins[0], each.bins[-1]) == (0, index * 39 or BINS)
        else:
            told = ([f"{index}-0", f"{index}-1"], [20, 20]) if name != "w1" else ([], [])
            assert (each.distinct, each.bins, each.counts) == (2, *told)


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
