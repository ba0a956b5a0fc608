"""Every form an identifier of the roster may take in a text, made as digests.

A form belongs to anybody (full names, ids) or to one person (also single names, digits, numbers).

Entry: `forms`; `saving.save` makes the files of which `index` looks them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from potable.engines.base import Engine
from potable.privacy.digests import BEGINNING, MARK_BITS, MARKS, digests, people
from potable.privacy.spelled import Spelled, spelled
from potable.privacy.spelling import MARK_OF

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

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


def forms(identifiers: ir.Table, engine: Engine) -> ir.Table:
    """The forms of all `identifiers` (subject, kind, value), sorted; can be consumed once."""
    made = engine.map_batches(identifiers.select("subject", "kind", "value"), made_forms, schema())
    return made.distinct().order_by(["digest", "beginning"])


def made_forms(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The forms of a batch of identifiers (subject, kind, value), as `schema` says; one may come twice."""
    import pyarrow as pa

    slices = (batch.slice(first, _ROWS) for first in range(0, len(batch), _ROWS))
    return pa.concat_batches([_made(few) for few in slices] or [_made(batch)])


def _made(batch: pa.RecordBatch) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    subjects, kinds, values = batch.columns
    owners, marks = people(subjects), _marks(kinds)
    # what only its owner may be called by is nobody's where there is none
    nobodys = subjects.is_null().to_numpy(zero_copy_only=False) if subjects.null_count else None
    parts = [_digested(found, owners, marks, nobodys) for found in spelled(kinds, values)]
    columns = map(np.concatenate, zip(*parts, strict=True)) if parts else [()] * len(schema())
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(), strict=True)]
    return pa.record_batch(arrays, schema=schema())


def _digested(
    found: Spelled,
    owners: npt.NDArray[np.uint64],
    marks: npt.NDArray[np.int64],
    nobodys: npt.NDArray[np.bool_] | None,
) -> tuple[npt.NDArray[np.int64], ...]:
    """Spellings as the columns of `schema`, by `digests.people`, number of the mark and lack of an owner by row."""
    import numpy as np

    if found.table.own and nobodys is not None:
        found = found.only(~nobodys[found.rows])
    table, rows, hashes, beginnings, sizes, begun = found
    whose = owners[rows] if table.own else None
    digest = (digests(hashes, table, whose) & ~MARK_BITS) | marks[rows]
    kinds = np.full(len(rows), table, np.int64)
    return digest, digests(beginnings, table + BEGINNING, whose), kinds, sizes, begun


def _marks(kinds: pa.Array) -> npt.NDArray[np.int64]:
    """The number of the mark that takes the place of identifiers of each of `kinds`."""
    import numpy as np

    coded = kinds.dictionary_encode()
    known = np.array([MARKS.index(MARK_OF.get(kind, "ID")) for kind in coded.dictionary.to_pylist()], np.int64)
    marks: npt.NDArray[np.int64] = known[coded.indices.to_numpy()]
    return marks
