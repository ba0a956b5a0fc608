"""Rows that tests give: typed as a source's would be; and what a test came to.

Shared by the tests of contracts and those of features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potable.contracts.cases import Typed
from potable.contracts.fitting import fit
from potable.errors import DataError, Place
from potable.privacy.shapes import shape
from potable.project import Project
from potable.sources.typed import typed_at
from potable.tables import BATCH, Table

_OBJECT = "test"


@dataclass(frozen=True)
class Ran:
    """What one test came to."""

    table: str
    """`source.table`, or the dataset whose features it is about."""
    name: str
    place: Place
    failures: Sequence[DataError] = ()
    """Everything that is not as it says; none where it holds."""


def batch_of(rows: Sequence[Mapping[str, Any]], table: Table) -> pa.RecordBatch:
    """Rows with all columns as a source would have parsed them: texts typed, other values as they are."""
    # what a column takes from the name of its object is given in the row
    columns = {name: column.model_copy(update={"path": name}) for name, column in table.columns.items()}
    texts = {
        name: pa.array([row[name] if _written(row[name]) else None for row in rows], pa.string()) for name in columns
    }
    ordinals = pa.array(range(1, len(rows) + 1), pa.int64())
    batch = typed_at(table.model_copy(update={"columns": columns}), texts, _OBJECT, ordinals)
    for place, (name, column) in enumerate(columns.items()):
        given = [None if _written(row[name]) else row[name] for row in rows]
        values = pa.array([None if value is None else fit(column.arrow, value).value for value in given], column.arrow)
        batch = batch.set_column(place, batch.schema.field(place), pc.coalesce(values, batch.column(place)))
    return batch.append_column(BATCH, pa.repeat(pa.scalar(1, pa.int64()), len(rows)))


def _written(value: object) -> bool:
    """Whether a value is a text as a source gives it."""
    return isinstance(value, str) and not isinstance(value, Typed)


@contextmanager
def scratch_of(project: Project) -> Iterator[str]:
    """A folder of the project for the rows of a test, which go with it."""
    place = project.root / project.platform.scratch
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place, prefix="tests-") as folder:
        yield folder


def itself(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch, for an engine to have it."""
    return [batch]


def shown(value: Any, clear: bool) -> str:
    """A value in a message, as its shape unless it may be shown."""
    return "nothing" if value is None else f"`{value}`" if clear else f"a value of the shape `{shape(str(value))}`"


def apart(found: Any, wanted: Any, clear: bool) -> tuple[str, str]:
    """Two different values in a message; of numbers that may not be shown, which of them is larger."""
    both = shown(found, clear), shown(wanted, clear)
    if clear or any(isinstance(each, bool) or not isinstance(each, int | float | Decimal) for each in (found, wanted)):
        return both[0], both[1] if both[0] != both[1] else f"another one, {both[1].removeprefix('a value ')}"
    return f"{both[0]}, {'more' if found > wanted else 'less'} than expected", both[1]
