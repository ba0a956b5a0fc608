from __future__ import annotations

from collections import Counter
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.datasets.anonymity import Anonymity, measure, suppress
from potable.engines.base import Engine, collect

SCHEMA = pa.schema([("id", pa.int64()), ("age", pa.string()), ("level", pa.int64())])
_count = iter(range(10**9))


def relation(engine: Engine, folder: Path, rows: list[tuple[str | None, int | None]]) -> ibis.Table:
    data = [{"id": index, "age": age, "level": level} for index, (age, level) in enumerate(rows)]
    file = folder / f"{next(_count)}.parquet"
    pq.write_table(pa.Table.from_pylist(data, schema=SCHEMA), file)
    return engine.read([str(file)], SCHEMA)


def classes(engine: Engine, table: ibis.Table) -> Counter:
    return Counter((row["age"], row["level"]) for row in collect(engine, table).to_pylist())


def test_measure_counts_classes_and_the_rows_of_small_ones(engine, tmp_path):
    table = relation(engine, tmp_path, [("<25", 1)] * 5 + [("<25", None)] * 2 + [("25-35", 1)])
    assert measure(table, ["age", "level"], k=5, engine=engine) == Anonymity(k=1, classes=3, rows_below=3)
    assert measure(table, ["age"], k=2, engine=engine) == Anonymity(k=1, classes=2, rows_below=1)


def test_an_empty_table_has_no_class(engine, tmp_path):
    assert measure(relation(engine, tmp_path, []), ["age"], k=5, engine=engine) == Anonymity(0, 0, 0)


def test_small_classes_lose_their_values_and_nothing_else(engine, tmp_path):
    table = relation(engine, tmp_path, [("<25", 1)] * 6 + [("25-35", 1)] * 3 + [("25-35", 2)] * 3)
    result = suppress(table, ["age", "level"], k=5)
    assert result.columns == table.columns and result.schema() == table.schema()
    assert classes(engine, result) == {("<25", 1): 6, (None, None): 6}
    assert sorted(row["id"] for row in collect(engine, result).to_pylist()) == list(range(12))


def test_columns_that_would_give_the_values_back_are_emptied_with_them(engine, tmp_path):
    table = relation(engine, tmp_path, [("<25", 1)] * 6 + [("25-35", 1)] * 5 + [("35-45", 2)])
    result = suppress(table, ["age"], k=5, also=["level"])
    assert classes(engine, result) == {("<25", 1): 6, (None, None): 6}
    assert result.columns == table.columns


def test_the_next_smallest_class_joins_a_suppressed_group_that_is_too_small(engine, tmp_path):
    table = relation(engine, tmp_path, [("a", 1)] * 2 + [("b", 1)] * 7 + [("c", 1)] * 6 + [("d", 1)] * 9)
    assert classes(engine, suppress(table, ["age", "level"], k=5)) == {(None, None): 8, ("b", 1): 7, ("d", 1): 9}


def test_of_equal_classes_the_first_in_order_of_values_joins(engine, tmp_path):
    table = relation(engine, tmp_path, [("z", 1)] * 1 + [("b", 1)] * 6 + [("a", 1)] * 6)
    assert classes(engine, suppress(table, ["age", "level"], k=5)) == {(None, None): 7, ("b", 1): 6}


def test_suppressed_rows_join_those_that_were_empty_before(engine, tmp_path):
    table = relation(engine, tmp_path, [(None, None)] * 4 + [("a", 1)] * 1 + [("b", 1)] * 6)
    assert classes(engine, suppress(table, ["age", "level"], k=5)) == {(None, None): 5, ("b", 1): 6}


def test_a_small_empty_class_is_joined_too(engine, tmp_path):
    table = relation(engine, tmp_path, [(None, None)] * 2 + [("a", 1)] * 9 + [("b", 1)] * 6)
    assert classes(engine, suppress(table, ["age", "level"], k=5)) == {(None, None): 8, ("a", 1): 9}


def test_an_anonymous_table_stays_as_it_is(engine, tmp_path):
    table = relation(engine, tmp_path, [("a", 1)] * 5 + [("a", None)] * 5)
    assert classes(engine, suppress(table, ["age", "level"], k=5)) == {("a", 1): 5, ("a", None): 5}


def test_suppression_always_reaches_k_and_keeps_every_row(engine, tmp_path, examples):
    cells = st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, 1, 2]))

    @settings(max_examples=examples(engine, 40), deadline=None)
    @given(st.lists(cells, min_size=5, max_size=60), st.integers(2, 5))
    def holds(rows, k):
        result = suppress(relation(engine, tmp_path, rows), ["age", "level"], k=k)
        found = measure(result, ["age", "level"], k=k, engine=engine)
        assert found.k >= k and found.rows_below == 0
        assert sum(classes(engine, result).values()) == len(rows)

    holds()


@pytest.mark.parametrize("dialect", ["pyspark", "duckdb"])
def test_it_compiles_for_every_engine(dialect):
    table = ibis.table(ibis.Schema.from_pyarrow(SCHEMA), name="features")
    assert "PARTITION BY" not in ibis.to_sql(suppress(table, ["age", "level"], k=5), dialect=dialect)
