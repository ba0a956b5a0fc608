"""Duplicate records: rows with the same key and the same known time, and the same place in the declared order where
there is one; the one that landed first stays.

Of a table that is read on from its known time (`Table.landed_in_order`) a later batch has the later state of a record,
so only rows of one batch are duplicates of each other; of several batches the last one counts (`Deletions`).

Keys that are gone in the source belong to `deletions`. Entry: `keyed`, `duplicates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir

from potable.contracts.masks import Rule, any_broken, nulled, place_of
from potable.engines.base import Engine
from potable.tables import BATCH, OBJECT, ROW, Table

KNOWN_KEY = "_known_key"
"""The known time as a text that sorts like it; empty where there is none."""
ORDER_KEY = "_order_key"
"""The value of the declared order as a text; empty where there is none."""
PLACE = "_place"
"""Text that sorts as the records landed; empty for what stands already."""
_TIMES, _KEPT = "_times", "_kept"


def with_known_key(table: Table, rows: ir.Table) -> ir.Table:
    """The rows with `KNOWN_KEY`."""
    # a null in the key says nothing, but two records without a known time are known at the same time
    known = rows[table.known_column].cast("string").fill_null("") if table.known_column else ibis.literal("")
    return rows.mutate(**{KNOWN_KEY: known})


def with_order_key(table: Table, rows: ir.Table) -> ir.Table:
    """The rows with `ORDER_KEY`: those that it tells apart are versions, for features take the one ordered last."""
    order = rows[table.order].cast("string").fill_null("") if table.order else ibis.literal("")
    return rows.mutate(**{ORDER_KEY: order})


def keyed(table: Table, staged: ir.Table, rules: Sequence[Rule]) -> ir.Table:
    """Keys, origin and place of the good rows."""
    good = staged.filter(~any_broken(staged, rules, cells=False))
    good = good.mutate(**nulled(good, rules), **{PLACE: place_of(good)})
    good = with_order_key(table, with_known_key(table, good))
    return good.select(*table.unique, KNOWN_KEY, ORDER_KEY, OBJECT, ROW, PLACE, BATCH)


@dataclass(frozen=True)
class Repeated:
    """What became of the good rows whose key another has."""

    origins: ir.Table | None = None
    """Those that are duplicates; None when there are none."""
    count: int = 0
    """How many duplicates."""
    newer: ir.Table | None = None
    """Keys and batch of those that stay, and replace what landed before; None where the first one counts."""

    def without(self, good: ir.Table) -> ir.Table:
        """The rows of `keyed` that stay."""
        return good if self.origins is None else good.anti_join(self.origins, [OBJECT, ROW])


def duplicates(table: Table, good: ir.Table, stands: ir.Table | None, folder: str, engine: Engine) -> Repeated:
    """Which of the good rows are duplicates.

    Args:
        good: from `keyed`.
        stands: keys of the rows that stand, which come first.
    """
    repeated = kept(_repeated(good, stands), f"{folder}/repeated", engine)
    # written down, or all rows would be read once more to tell the first of the few
    twins = repeated and kept(good.semi_join(repeated[0], _key_names(good)), f"{folder}/repeated/twins", engine)
    if not repeated or not twins:
        return Repeated()
    rows, keys = twins[0], _key_names(good)
    if not table.landed_in_order:
        return Repeated(*(kept(_later(rows, keys, stands, repeated[0]), f"{folder}/duplicates", engine) or ()))
    found = Repeated(*(kept(_later(rows, [*keys, BATCH], None, rows), f"{folder}/duplicates", engine) or ()))
    newer = found.without(rows).select(*table.unique, KNOWN_KEY, ORDER_KEY, BATCH).distinct()
    return replace(found, newer=newer)


def kept(relation: ir.Table, folder: str, engine: Engine) -> tuple[ir.Table, int] | None:
    """A relation written down, and its rows; None when it has none."""
    parts = engine.write(relation, folder)
    count = sum(part.rows for part in parts)
    files = [f"{folder}/{part.path}" for part in parts]
    return (engine.read(files, relation.schema().to_pyarrow()), count) if count else None


def _repeated(good: ir.Table, stands: ir.Table | None) -> ir.Table:
    """Keys that several of the good rows have, or one of them and a row that stands."""
    keys = _key_names(good)
    candidates = good.select(keys)
    if stands is not None:
        # the few new keys are looked up among the many that stand, not the other way round
        candidates = candidates.union(stands.semi_join(good, keys).select(keys))
    # keys alone: the smallest place of each would have to be held for all of them
    counted = candidates.group_by(keys).agg(**{_TIMES: candidates.count()})
    return counted.filter(counted[_TIMES] > 1).drop(_TIMES)


def _later(rows: ir.Table, keys: Sequence[str], stands: ir.Table | None, repeated: ir.Table) -> ir.Table:
    """Origins of the good `rows` whose key is `repeated`, but for the first that has it."""
    first = rows.group_by(keys).agg(**{_KEPT: rows[PLACE].min()})
    if stands is not None:
        first = first.anti_join(stands, keys).union(
            repeated.semi_join(stands, keys).select(*keys, **{_KEPT: ibis.literal("")})
        )
    both = rows.inner_join(first, keys)
    return both.filter(both[PLACE] != both[_KEPT]).select(OBJECT, ROW)


def _key_names(good: ir.Table) -> list[str]:
    return [name for name in good.columns if name not in (OBJECT, ROW, PLACE, BATCH)]
