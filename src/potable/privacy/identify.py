"""Who a person is now: what the newest record of a table says of each, for those who may be told.

The way back from a pseudonym ends here: from the internal subject ids to values of direct identifiers. Whether anybody
may be told them is decided by `policy.Identify`; asking, recording and writing belong to `potable.runs.identified`.

Entry: `current`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from potable.privacy.roster import SUBJECT_ID, Held, Normalise, with_subject
from potable.tables import OBJECT, ROW, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

_RANK = "_rank"


@dataclass(frozen=True)
class Known:
    """Whom keys lead to now."""

    keys: ir.Table
    """(namespace, value, subject, rostered)."""
    normalise: Normalise
    held: Held | None = None
    """Keys that were given to somebody else."""


def current(rows: ir.Table, table: Table, columns: Sequence[str], known: Known, now: datetime) -> ir.Table:
    """(_subject_id, and `columns`) of everybody whom a roster knows and `rows` are about, once.

    All values are of one record, the newest: of each record the version that was known last, then the one that happened
    last, was known last and comes last in the declared `order`. What is to happen only after `now` is left out. Among
    records that nothing tells apart the last one of the last object counts, so that the answer is always the same.

    Args:
        rows: validated rows of `table`, which can be read repeatedly; its `columns`, keys, times and origin.
        now: UTC, without zone.
    """
    import ibis

    rostered = known.keys.filter(known.keys.rostered)
    found = with_subject(rows, table, rostered, normalise=known.normalise, held=known.held)
    found = found.filter(found[SUBJECT_ID].notnull())
    last = (OBJECT, ROW)
    if table.time:
        if table.unique and table.known_column:
            found = _first(found, [SUBJECT_ID, *table.unique], (table.known_column, table.order, *last))
        moment = found[table.time].cast("timestamp(6)")
        found = found.filter(moment.isnull() | (moment <= ibis.literal(now, "timestamp(6)")))
    found = _first(found, [SUBJECT_ID], (table.time, table.known_column, table.order, *last))
    return found.select(SUBJECT_ID, *columns)


def read(table: Table, columns: Sequence[str]) -> list[str]:
    """The columns of validated rows that `current` reads."""
    times = filter(None, (table.time, table.known_column, table.order))
    return list(dict.fromkeys([*table.keys, *columns, *times, *table.unique, OBJECT, ROW]))


def _first(rows: ir.Table, of: Sequence[str], order: Sequence[str | None]) -> ir.Table:
    """One of the rows that are alike in `of`: the one with the greatest values in `order`, nulls last."""
    import ibis

    greatest: list[Any] = [ibis.desc(rows[name], nulls_first=False) for name in order if name]
    rank = ibis.row_number().over(group_by=[rows[name] for name in of], order_by=greatest)
    ranked = rows.mutate(**{_RANK: rank})
    return ranked.filter(ranked[_RANK] == 0).drop(_RANK)
