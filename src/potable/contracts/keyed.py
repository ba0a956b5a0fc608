"""Keys of the rows that are compared with each other: by key, by when they became known, by where they landed.

What is made of equal keys belongs to `validate` (duplicates) and `deletions`.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from potable.engines.base import Engine
from potable.tables import Table

KNOWN_KEY = "_known_key"
"""The known time as a text that sorts like it; empty where there is none."""
PLACE = "_place"
"""Text that sorts as the records landed; empty for what stands already."""


def with_known_key(table: Table, rows: ir.Table) -> ir.Table:
    """The rows with `KNOWN_KEY`."""
    # a null in the key says nothing, but two records without a known time are known at the same time
    known = rows[table.known_column].cast("string").fill_null("") if table.known_column else ibis.literal("")
    return rows.mutate(**{KNOWN_KEY: known})


def kept(relation: ir.Table, folder: str, engine: Engine) -> tuple[ir.Table, int] | None:
    """A relation written down, and its rows; None when it has none."""
    parts = engine.write(relation, folder)
    count = sum(part.rows for part in parts)
    files = [f"{folder}/{part.path}" for part in parts]
    return (engine.read(files, relation.schema().to_pyarrow()), count) if count else None
