"""Features of given people at given dates, whoever is eligible for a row: what tests of features look at.

The code is that of `build`; only which rows there are is said here, not drawn. Entry: `tried`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from potable.features import spine as spines
from potable.features.assemble import FIRST, START
from potable.features.build import Bench, Files, employments, features
from potable.features.facts import numbered
from potable.features.plan import AS_OF
from potable.tables import SUBJECT

if TYPE_CHECKING:
    import ibis.expr.types as ir

_PEOPLE = pa.schema([(SUBJECT, pa.string()), (AS_OF, pa.date32())])


def tried(bench: Bench, files: Files, people: Sequence[tuple[str, date]]) -> ir.Table:
    """The finished rows of these people (pseudonym and as-of date), one each.

    Who has no employment running at the date, or none that `rows.where` holds for, has a row too; what is counted from
    its start is null.

    Args:
        files: protected Parquet files by table, of all tables the plan reads.

    Raises:
        DataError: tied records differ (D004).
    """
    rule, table = bench.plan.rows, bench.plan.tables[bench.plan.rows.table]
    asked = bench.engine.map_items([people], partial(_batches), _PEOPLE)
    dates = bench.kept(asked, "people")
    found = spines.states(spines.versions(employments(bench, files), rule, table), dates, rule, table)
    known = bench.kept(found, "states").select(_who=SUBJECT, **{START: START, FIRST: FIRST})
    rows = dates.left_join(known, dates[SUBJECT] == known["_who"]).select(SUBJECT, AS_OF, START, FIRST)
    return features(bench, files, bench.kept(numbered(rows), "spine"))[0]


def _batches(people: Sequence[tuple[str, date]]) -> list[pa.RecordBatch]:
    return [pa.record_batch([pa.array(column) for column in zip(*people, strict=True)], schema=_PEOPLE)]
