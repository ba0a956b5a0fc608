"""The ground truth: what really holds in the estate, written as Parquet while the systems are written.

Tables: people, keys, records, bad_rows, pii, exits, identifiers. Systems tell this room what they wrote;
nothing here decides anything. Entry: Truth, used as a context manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from potable.estate.defects import Defect
from potable.estate.draws import Ints
from potable.estate.render import join, whole

_TEXTS = pa.list_(pa.string())
SCHEMAS = {
    "people": pa.schema(
        [("person_id", pa.int64())]
        + [(name, _TEXTS) for name in ("emp_nos", "national_ids", "emails", "first_names", "last_names")]
        + [(name, _TEXTS) for name in ("phones", "addresses")]
    ),
    "keys": pa.schema([("namespace", pa.string()), ("value", pa.string()), ("person_id", pa.int64())]),
    "records": pa.schema(
        [("system", pa.string()), ("table", pa.string()), ("locator", pa.string()), ("person_id", pa.int64())]
    ),
    "bad_rows": pa.schema(
        [(name, pa.string()) for name in ("system", "table", "locator", "column", "reason", "expected")]
    ),
    "pii": pa.schema(
        [(name, pa.string()) for name in ("system", "table", "locator", "column")]
        + [("start", pa.int32()), ("end", pa.int32())]
        + [("kind", pa.string()), ("value", pa.string()), ("person_id", pa.int64())]
    ),
    "exits": pa.schema(
        [
            ("person_id", pa.int64()),
            ("left_on", pa.date32()),
            ("kind", pa.string()),
            ("recorded_at", pa.timestamp("s")),
        ]
    ),
    "identifiers": pa.schema([("kind", pa.string()), ("value", pa.string()), ("person_id", pa.int64())]),
}
_FLUSH_ROWS = 100_000


class Truth:
    """Collects blocks of rows per truth table and writes them in row groups of equal size."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._writers = {
            name: pq.ParquetWriter(directory / f"{name}.parquet", schema, compression="zstd")
            for name, schema in SCHEMAS.items()
        }
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in SCHEMAS}
        self._rows = dict.fromkeys(SCHEMAS, 0)

    def __enter__(self) -> Truth:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()

    @property
    def counts(self) -> dict[str, int]:
        """Rows per truth table so far."""
        return dict(self._rows)

    def add(self, table: str, columns: Mapping[str, pa.Array | str]) -> None:
        """Adds equally long columns; a text stands for a column of that text."""
        size = next(len(column) for column in columns.values() if not isinstance(column, str))
        if not size:
            return
        full = [pa.repeat(column, size) if isinstance(column, str) else column for column in columns.values()]
        self._waiting[table].append(pa.table(full, schema=SCHEMAS[table]))
        self._rows[table] += size
        if sum(block.num_rows for block in self._waiting[table]) >= _FLUSH_ROWS:
            self._flush(table)

    def _flush(self, table: str) -> None:
        if self._waiting[table]:
            self._writers[table].write_table(pa.concat_tables(self._waiting[table]).combine_chunks())
            self._waiting[table] = []

    def records(self, place: tuple[str, str], locators: pa.Array, persons: Ints) -> None:
        """Whose record each locator of (system, table) is; -1 means nobody's."""
        owner = pa.array(persons + 1, mask=persons < 0)
        columns = {"system": place[0], "table": place[1], "locator": locators, "person_id": owner}
        self.add("records", columns)

    def bad(self, place: tuple[str, str], locators: pa.Array, defect: Defect, *, column: str = "") -> None:
        """These records of (system, table) carry a defect."""
        self.add(
            "bad_rows",
            {
                "system": place[0],
                "table": place[1],
                "locator": locators,
                "column": column or defect.column,
                "reason": defect.reason,
                "expected": defect.expected,
            },
        )

    def keys(self, namespace: str, values: pa.Array, persons: Ints) -> None:
        """Values of a key namespace and whose they are."""
        self.add("keys", {"namespace": namespace, "value": values, "person_id": pa.array(persons + 1)})

    def identifiers(self, kind: str, values: pa.Array, persons: Ints) -> None:
        """Identifiers of a kind and whose they are, each pair once."""
        table = pa.table({"value": values, "person": pa.array(persons)}).group_by(["value", "person"]).aggregate([])
        order = pc.sort_indices(table, [("person", "ascending"), ("value", "ascending")])
        table = table.take(order)
        owner = np.asarray(table["person"]) + 1
        values = table["value"].combine_chunks()
        self.add("identifiers", {"kind": kind, "value": values, "person_id": pa.array(owner)})


def numbered(prefix: str, places: Ints) -> pa.Array:
    """Locators `prefix#n` from 0-based places."""
    return join(prefix + "#", whole(places + 1))
