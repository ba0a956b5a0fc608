"""What is different between two versions of a dataset: rows that came and went, and cells, column by column.

Rows are met by their pseudonym. One column is held at a time, and values are only compared, never told.
Entry: `difference`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class Difference:
    """Two versions, side by side."""

    came: int
    """Rows only the newer one has."""
    went: int
    """Rows only the older one has."""
    shared: int
    """Rows of both."""
    cells: Mapping[str, int]
    """Of every column both have with one type: shared rows in which it differs."""
    retyped: tuple[str, ...]
    """Columns of both whose type is another."""


def difference(old: pq.ParquetFile, new: pq.ParquetFile) -> Difference:
    """What became of the rows and cells of `old` in `new`; the first column of both tells rows apart."""
    import pyarrow.compute as pc

    key, *names = new.schema_arrow.names
    before, after = _column(old, key), _column(new, key)
    places = pc.index_in(after, value_set=before)
    met, rows = places.is_valid(), places.drop_null()
    types = dict(zip(old.schema_arrow.names, old.schema_arrow.types, strict=True))
    common = [name for name in names if name in types]
    alike = [name for name in common if types[name] == new.schema_arrow.field(name).type]
    cells = {name: _differing(_column(old, name).take(rows), _column(new, name).filter(met)) for name in alike}
    shared = len(rows)
    retyped = tuple(name for name in common if name not in cells)
    return Difference(len(after) - shared, len(before) - shared, shared, cells, retyped)


def _column(file: pq.ParquetFile, name: str) -> pa.Array:
    return file.read(columns=[name]).column(0).combine_chunks()


def _differing(before: pa.Array, after: pa.Array) -> int:
    """Places where one is null and the other is not, or both hold other values."""
    import pyarrow.compute as pc

    same = pc.coalesce(pc.equal(before, after), pc.and_(before.is_null(), after.is_null()))
    return len(same) - int(pc.sum(same).as_py() or 0)
