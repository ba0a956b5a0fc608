"""Records that are parts of others (`parts_of`): what a later version of these no longer has is gone.

The elements of a list come and go with the record they lie in. Its versions are told by its key and by when each became
known; of several that became known at one time the first that landed counts, as it does of records with one key.
A part is gone with the first later version of its record that has no part of its key, whatever is wrong with
either. So it comes out the same whether a table is judged whole or layer by layer.

Entry: `Around`, `replaced`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.keyed import KNOWN_KEY, kept
from potable.engines.base import Engine
from potable.tables import BATCH, OBJECT, Table

SINCE = "_since"
"""Batch with which it became known that a part is gone."""
ENDED = "_ended"
"""Whether a version marks its record as deleted: what it still has for parts is gone at once."""
_FIRST, _TURN, _LAST, _NEXT = "_first", "_turn", "_last", "_next"


@dataclass(frozen=True)
class Around:
    """The versions of the records around those of a table, as `versions_schema` has them."""

    key: Sequence[str]
    """Columns that tell them apart; the parts have them too."""
    versions: ir.Table
    """Of the objects that are judged."""
    before: ir.Table
    """Of objects that were judged before."""


def versions_schema(table: Table, key: Sequence[str]) -> pa.Schema:
    """Schema of versions: what they are told apart by, and where they came from."""
    return pa.schema(
        [
            *(table.schema.field(name) for name in key),
            (KNOWN_KEY, pa.string()),
            (ENDED, pa.bool_()),
            (BATCH, pa.int64()),
            (OBJECT, pa.string()),
        ]
    )


def part_names(table: Table) -> list[str]:
    """Columns that tell versions of parts apart."""
    return [*table.unique, KNOWN_KEY]


def replaced(
    table: Table, around: Around, staged: ir.Table, before: ir.Table, *, folder: str, engine: Engine
) -> ir.Table | None:
    """Which parts are gone: their `unique` columns, `KNOWN_KEY` and `SINCE`; None where none are.

    Args:
        staged: parts of the objects that are judged, with `KNOWN_KEY`.
        before: parts that were judged before, whatever became of them, as far as they can be told apart.
        folder: place for what is written meanwhile.
    """
    key, part = list(around.key), part_names(table)
    touched = around.before.semi_join(around.versions, key)
    counted = kept(_counted(around.versions.union(touched), key), f"{folder}/versions", engine)
    if not counted:
        return None
    turns = counted[0]
    columns = [*part, OBJECT]
    there = staged.select(columns).union(before.select(columns)).filter(ibis._[KNOWN_KEY] != "").distinct()
    met = there.inner_join(turns, [*key, KNOWN_KEY])
    found = kept(met.select(*part, _TURN, _LAST, _own=met[OBJECT] == met[_FIRST]), f"{folder}/parts", engine)
    if not found:
        return None
    parts = found[0]
    # turns at which a part is there one after another end together
    own = parts.filter(parts["_own"]).select(*table.unique, _TURN).distinct()
    place = ibis.row_number().over(group_by=[own[name] for name in table.unique], order_by=own[_TURN])
    own = own.mutate(_run=own[_TURN] - place)
    own = own.mutate(_end=own[_TURN].max().over(group_by=[own[name] for name in (*table.unique, "_run")]))
    nexts = own.select(*table.unique, _end=own["_end"], **{_NEXT: own[_TURN]})
    mine = parts.select(*part, _LAST, _TURN, **{_NEXT: parts[_TURN] + 1}).distinct()
    both = mine.left_join(nexts, [*table.unique, _NEXT])
    lacking = both.select(*part, _LAST, _at=ibis.coalesce(both["_end"], both[_TURN]) + 1)
    lacking = lacking.filter(lacking["_at"] <= lacking[_LAST]).drop(_LAST)
    told = turns.select(*key, _at=turns[_TURN], **{SINCE: turns[BATCH]})
    gone = lacking.inner_join(told, [*key, "_at"]).select(*part, SINCE)
    return written[0] if (written := kept(gone, f"{folder}/replaced", engine)) else None


def _counted(versions: ir.Table, key: Sequence[str]) -> ir.Table:
    """Versions of records that have several, in turn from 1, with the last turn and the object each came with first."""
    known = versions.filter(versions[KNOWN_KEY] != "", *(versions[name].notnull() for name in key))
    # an end is a version of its own that has no parts, and sorts after what it ends and before a fraction of its second
    ends = known.filter(known[ENDED]).mutate(**{KNOWN_KEY: known[KNOWN_KEY] + "!"})
    known = known.union(ends)
    place = known[BATCH].cast("string").lpad(12, "0") + "#" + known[OBJECT]
    one = known.group_by([*key, KNOWN_KEY]).agg(**{_FIRST: place.min(), BATCH: known[BATCH].min()})
    mine = [one[name] for name in key]
    turn = ibis.row_number().over(group_by=mine, order_by=one[KNOWN_KEY]) + 1
    turned = one.mutate(**{_TURN: turn, _LAST: one.count().over(group_by=mine), _FIRST: one[_FIRST].substr(13)})
    return turned.filter(turned[_LAST] > 1)
