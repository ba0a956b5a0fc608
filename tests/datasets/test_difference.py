"""Two small versions side by side."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from potable.datasets.difference import difference


def version(**columns: Any) -> pq.ParquetFile:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return pq.ParquetFile(file)


def test_rows_are_met_by_their_pseudonym_and_cells_counted():
    old = version(id=["a", "b", "c"], n=[1, 2, None], word=["x", None, "z"], left=[True, False, True])
    new = version(id=["d", "c", "b"], n=[9, None, 3], word=["x", "z", "y"], left=[True, True, False])
    found = difference(old, new)
    assert (found.came, found.went, found.shared) == (1, 1, 2)
    assert found.cells == {"n": 1, "word": 1, "left": 0}


def test_a_null_and_a_value_differ_and_two_nulls_do_not():
    old = version(id=["a", "b", "c"], n=[None, 1.5, None])
    assert difference(old, version(id=["a", "b", "c"], n=[None, None, 2.5])).cells == {"n": 2}


def test_columns_of_another_type_are_named_and_not_compared():
    old, new = version(id=["a"], n=[1], gone=[1]), version(id=["a"], n=["1"], fresh=[1])
    found = difference(old, new)
    assert (found.retyped, found.cells) == (("n",), {})


def test_versions_without_a_row_in_common():
    found = difference(version(id=["a"], n=[1]), version(id=["b"], n=[1]))
    assert (found.came, found.went, found.shared, found.cells) == (1, 1, 0, {"n": 0})
