"""`previous(column)`: what the person's record before had, for every record that is seen; and which are of a streak.

Records stand in the order of time, known and the declared `order`, newest versions only and before `where`, so the
record before is the same for every feature. Where records cannot be put in order and differ in what a definition
reads, the rows that depend on it are marked. Entry: `with_previous`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis

from potable.features.aggregates import Chosen
from potable.features.facts import NUMBER, TableTask, newest_first
from potable.features.plan import Feature
from potable.features.tree import BEFORE, columns_before, names_in
from potable.tables import KNOWN, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Ordered:
    """Rows of a table beside what was before them."""

    rows: ir.Table
    """With a column `_before_x` for every `previous(x)`."""
    open: Mapping[str, str]
    """Feature to the column that says whether ties leave open what was before a row."""


def with_previous(rows: ir.Table, task: TableTask) -> Ordered:
    """The newest versions of the records, each with what the record before it had."""
    asking = [feature for feature in task.computed if _before(feature)]
    if not asking:
        return Ordered(rows, {})
    order = newest_first(rows, TIME, KNOWN, task.order or "")
    window: dict[str, Any] = {"group_by": [rows[NUMBER]], "order_by": order}
    names = sorted(set().union(*map(_before, asking)))
    rows = rows.mutate(**{f"{BEFORE}{name}": rows[name].lead(1).over(**window) for name in names})
    keys = [NUMBER, TIME, KNOWN, *filter(None, [task.order])]
    flags = {tuple(sorted(_reads(feature) & set(task.used))): "" for feature in asking}
    for index, columns in enumerate(flags):
        flags[columns] = f"_open{index}"
        rows = rows.mutate(**{flags[columns]: _differing(rows, columns, keys)})
        before = rows[flags[columns]].lead(1).over(**window).fill_null(False)
        rows = rows.mutate(**{flags[columns]: rows[flags[columns]] | before})
    return Ordered(rows, {feature.name: flags[tuple(sorted(_reads(feature) & set(task.used)))] for feature in asking})


def _before(feature: Feature) -> set[str]:
    return columns_before(feature.recipe.argument) | columns_before(feature.recipe.where)


def _reads(feature: Feature) -> set[str]:
    return names_in(feature.recipe.argument) | names_in(feature.recipe.where)


def _differing(rows: ir.Table, columns: Iterable[str], keys: Sequence[str]) -> ir.BooleanValue:
    """Whether records with the same keys differ in one of the columns, null counting as a value."""
    window: dict[str, Any] = {"group_by": [rows[key] for key in keys]}

    def differs(column: ir.Value) -> ir.BooleanValue:
        filled = column.count().over(**window)
        several = (column.min().over(**window) != column.max().over(**window)).fill_null(False)
        return several | ((filled > 0) & (filled < rows.count().over(**window)))

    return ibis.or_(*(differs(rows[name]) for name in columns))


def unbroken(rows: ir.Table, chosen: Chosen) -> ir.BooleanValue:
    """Whether a row is one of those that a streak counts."""
    broken = (chosen.rows & ~chosen.column.fill_null(False)).ifelse(chosen.tied, None)
    end = broken.min().over(group_by=[rows[NUMBER]])
    return chosen.rows & (end.isnull() | (chosen.place < end))
