"""The digests of every form that an identifier of the roster may take in a text.

A form belongs to anybody (full names, ids) or to one person (also single names, digits, numbers).

Entry: `forms`; `saving.save` makes the files of which `index` looks them up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from potable.engines.base import Engine
from potable.privacy.digests import BEGINNING, MARK_BITS, MARKS, digests, people
from potable.privacy.spelled import spelled
from potable.privacy.spelling import MARK_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from potable.privacy.lines import Places

_ROWS = 4_096
"""Identifiers whose forms are made together."""


def schema() -> pa.Schema:
    """Schema of forms before they are saved: digest, digest of the beginning, and what kind and size they have."""
    import pyarrow as pa

    return pa.schema(
        [
            ("digest", pa.int64()),
            ("beginning", pa.int64()),
            ("kind", pa.int32()),
            ("size", pa.int32()),
            ("begin_size", pa.int32()),
        ]
    )


def forms(
    identifiers: ir.Table, engine: Engine, made: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
) -> ir.Table:
    """The forms of all `identifiers` (subject, kind, value), sorted; can be consumed once.

    Args:
        made: the batch function that makes forms of identifiers; `made_forms` by default.
    """
    found = engine.map_batches(identifiers.select("subject", "kind", "value"), made or made_forms, schema())
    return found.distinct().order_by(["digest", "beginning"])


def made_forms(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The forms of a batch of identifiers (subject, kind, value), as `schema` says; one may come twice."""
    import pyarrow as pa

    slices = (batch.slice(first, _ROWS) for first in range(0, len(batch), _ROWS))
    return pa.concat_batches([_made(few) for few in slices] or [_made(batch)])


def _made(batch: pa.RecordBatch) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    parts = [columns for _, columns in digested(batch)]
    columns = map(np.concatenate, zip(*parts, strict=True)) if parts else [()] * len(schema())
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(), strict=True)]
    return pa.record_batch(arrays, schema=schema())


def digested(batch: pa.RecordBatch) -> Iterator[tuple[Places, tuple[npt.NDArray[np.int64], ...]]]:
    """Forms of a batch of identifiers, by table: the number of the identifier of each, and the columns of `schema`."""
    import numpy as np

    subjects, kinds, values = batch.columns
    owners, marks = people(subjects), _marks(kinds)
    # what only its owner may be called by is nobody's where there is none
    nobodys = subjects.is_null().to_numpy(zero_copy_only=False) if subjects.null_count else None
    for found in spelled(kinds, values):
        some = found.only(~nobodys[found.rows]) if found.table.own and nobodys is not None else found
        table, rows, hashes, beginnings, sizes, begun = some
        whose = owners[rows] if table.own else None
        digest = (digests(hashes, table, whose) & ~MARK_BITS) | marks[rows]
        numbers = np.full(len(rows), table, np.int64)
        yield rows, (digest, digests(beginnings, table + BEGINNING, whose), numbers, sizes, begun)


def _marks(kinds: pa.Array) -> npt.NDArray[np.int64]:
    """The number of the mark that takes the place of identifiers of each of `kinds`."""
    import numpy as np

    coded = kinds.dictionary_encode()
    known = np.array([MARKS.index(MARK_OF.get(kind, "ID")) for kind in coded.dictionary.to_pylist()], np.int64)
    marks: npt.NDArray[np.int64] = known[coded.indices.to_numpy()]
    return marks
