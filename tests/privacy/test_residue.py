"""Where the first cell is that gives somebody away."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import strategies as st
from tests.privacy.known import index
from tests.tried import tried

from potable.privacy.residue import _Telling

INDEX = index([("s1", "full_name", "Priya Venkataraman")])
VALUES = {"rent": False, "ann@corp.example": True, "for Priya Venkataraman": True, "Priya and others": False, "": False}


@tried(100, st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(sorted(VALUES))), max_size=40))
def test_it_is_the_first_in_the_order_of_records(cells: list[tuple[str, str]]) -> None:
    rows = [(name, len(cells) - place, value) for place, (name, value) in enumerate(cells)]
    names = ["_object", "_row", "value"]
    batch = pa.RecordBatch.from_pylist(
        [dict(zip(names, row, strict=True)) for row in rows],
        pa.schema([("_object", pa.string()), ("_row", pa.int64()), ("value", pa.string())]),
    )
    held = sorted((name, place) for name, place, value in rows if VALUES[value])
    found = _Telling(INDEX)(batch).to_pylist()
    assert [tuple(row.values()) for row in found] == held[:1]
