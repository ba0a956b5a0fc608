"""The facts of a table as each row may see them: visible, corrected, ranked.

Rows of a protected table beside the moments of their subject, before anything is aggregated. The rules of
time live here, each in one function: `visible`, `corrections`, `ranked`, `differing`. What is computed
from the facts belongs to `compile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from potable.features.aggregates import AGGREGATES
from potable.features.plan import AS_OF, BUILT_IN, Feature, FeaturePlan
from potable.features.scopes import identity
from potable.features.tree import Binary, Expression, IsNull, names_in
from potable.features.windows import Offset, moment
from potable.tables import KNOWN, SUBJECT, TIME, WHICH, Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOMENT, CUT = "_as_of", "_cut"
"""Spine: the as-of date as a timestamp, and the first moment features may not see."""
NUMBER = "_number"
"""Spine: the row's number; queries group by it, for numbers sort faster than pseudonyms."""
TWINS = "_twins"
"""Per subject: whether the newest version of some record is not the only one of its time."""
HUGE = "_huge"
"""Per subject: whether some float is too large to be read as a whole number of units."""


@dataclass(frozen=True)
class TableTask:
    """One table's share of the features, or of the labels."""

    name: str
    table: Table
    features: tuple[Feature, ...]
    digits: int
    forward: bool
    """Labels: the future is what they are about."""
    gaps: tuple[Feature, ...] = ()
    """Whether anything happens before the windows of labels begin (`gaps`); counted beside them, and no column."""

    @property
    def computed(self) -> tuple[Feature, ...]:
        """All that the table's query computes."""
        return (*self.features, *self.gaps)

    @property
    def used(self) -> tuple[str, ...]:
        """Columns the definitions read, in the table's order."""
        named = set().union(*(names_in(f.recipe.argument) | names_in(f.recipe.where) for f in self.computed))
        return tuple(column for column in self.table.columns if column in named - set(BUILT_IN))

    @property
    def order(self) -> str | None:
        """The declared order column, if the protected table has it."""
        order = self.table.order
        return order if order and not self.table.columns[order].key else None

    @property
    def schema(self) -> pa.Schema:
        """What is read from the protected table."""
        return protected_schema(self.table, [*self.used, *filter(None, [self.order])])


def condition(feature: Feature) -> Expression | None:
    """The feature's filter; aggregates over present values also ask for one."""
    recipe = feature.recipe
    assert recipe.aggregate is not None
    if not AGGREGATES[recipe.aggregate].only_values or recipe.argument is None:
        return recipe.where
    present = IsNull(recipe.argument, negated=True)
    return present if recipe.where is None else Binary("and", recipe.where, present)


def protected_schema(table: Table, columns: Sequence[str]) -> pa.Schema:
    """Schema of the part of a protected table that is read for `columns`."""
    moment_type = pa.timestamp("us")
    kept = [TIME, KNOWN] if table.time else [KNOWN] if table.known_column else []
    times = [(name, moment_type) for name in kept]
    which = [(WHICH, pa.int64())] if table.apart else []
    needed = {*columns, *(identity(table) if table.time else ())}
    fields = [(name, table.columns[name].arrow) for name in table.columns if name in needed]
    return pa.schema([(SUBJECT, pa.string()), *times, *which, *fields])


def read_schema(plan: FeaturePlan, name: str) -> pa.Schema:
    """Schema of all that the plan may read of a protected table."""
    table = plan.tables[name]
    reads = plan.rows.reads.union(*(feature.reads for feature in plan.outputs))
    read = {column for source, column in reads if source == name} | {table.order}
    return protected_schema(table, [name for name, column in table.columns.items() if name in read and not column.key])


def with_moments(spine: ir.Table, cut: Offset) -> ir.Table:
    """The spine with its as-of dates as moments and the cut of the features."""
    as_of = spine[AS_OF].cast("timestamp(6)")
    return spine.mutate(**{MOMENT: as_of, CUT: moment(as_of, cut)})


def numbered(spine: ir.Table) -> ir.Table:
    """The spine with a number per row; to be written once, then read."""
    number = ibis.row_number().over(order_by=[spine[SUBJECT]])
    return spine.mutate(**{NUMBER: number.cast("int64")})


def visible(rows: ir.Table) -> ir.Table:
    """Only what had happened before the cut and was known before the as-of date, both strictly."""
    return rows.filter(rows[TIME] < rows[CUT], rows[KNOWN] < rows[MOMENT])


def newest_first(rows: ir.Table, *keys: str) -> list[Any]:
    """Descending order by `keys` and the declared order, if the relation has one; nulls last."""
    return [ibis.desc(rows[key], nulls_first=False) for key in keys if key in rows.columns]


def ranked(rows: ir.Table, partition: Sequence[str], order: Sequence[Any], prefix: str) -> ir.Table:
    """Rows with three ranks: number (`n`), first (`p`) and last (`e`) number among equals; from 1."""
    window = {"group_by": [rows[name] for name in partition], "order_by": list(order)}
    return rows.mutate(
        **{
            f"{prefix}n": ibis.row_number().over(**window) + 1,
            f"{prefix}p": ibis.rank().over(**window) + 1,
            f"{prefix}e": rows.count().over(ibis.range_window(preceding=None, following=0, **window)),
        }
    )


def differing(column: ir.Value, among: ir.BooleanValue) -> ir.BooleanValue:
    """Whether a column holds more than one value among the rows, null counting as a value."""
    filled, rows = column.count(where=among), among.count(where=among)
    return (column.min(where=among) != column.max(where=among)).fill_null(False) | ((filled > 0) & (filled < rows))


def facts_of(rows: ir.Table, spine: ir.Table, task: TableTask) -> ir.Table:
    """Rows beside the moments of their subject, future ones left out unless the task is about them."""
    edges = {name: moment(spine[MOMENT if task.forward else CUT], offset) for offset, name in bounds(task).items()}
    met = rows.inner_join(spine.select(SUBJECT, NUMBER, MOMENT, CUT, **edges), SUBJECT)
    return met if task.forward or task.table.time is None else visible(met)


def bounds(task: TableTask) -> dict[Offset, str]:
    """Names of the window bounds that are not the anchor itself."""
    windows = [feature.recipe.window for feature in task.computed]
    offsets = {offset for window in windows for offset in (window.start, window.end) if offset}
    wanted = sorted((offset for offset in offsets if task.forward or offset != Offset()), key=repr)
    return {offset: f"_b{index}" for index, offset in enumerate(wanted)}


def corrections(rows: ir.Table, task: TableTask) -> ir.Table:
    """All versions of each record, ranked newest first (`_vn`, `_vp`, `_ve`)."""
    order = newest_first(rows, KNOWN, TIME, task.order or "")
    return ranked(rows, [NUMBER, *identity(task.table)], order, "_v")


def conflicts(rows: ir.Table, spine: ir.Table, task: TableTask) -> ir.Table:
    """One row with the number of records whose newest versions are tied and differ in a used column."""
    versions = corrections(facts_of(rows, spine, task), task)
    newest = versions.filter(versions._vp == 1)
    differs = [differing(newest[column], newest._vp == 1) for column in task.used]
    marked = newest.group_by(NUMBER, *identity(task.table)).aggregate(
        _conflict=ibis.or_(*differs) if differs else ibis.literal(False)
    )
    return marked.aggregate(conflicts=marked.count(where=marked._conflict))
