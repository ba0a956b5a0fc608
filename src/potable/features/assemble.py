"""The finished row: what the tables gave, beside the spine, through operators and derived features.

Here the empty windows are decided (zero where the source covers them, else unknown), fractions are
rounded, and the columns get their final order and types. Entry: `assemble`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import ibis

from potable.engines.rounding import halves_up
from potable.features.aggregates import AGGREGATES
from potable.features.evaluate import (
    IBIS_TYPES,
    Value,
    constant,
    convert,
    days_between,
    evaluate,
    midnight,
    months_between,
    number,
    output,
    years_between,
)
from potable.features.expressions import DATE, INTEGER
from potable.features.facts import CUT, MOMENT, NUMBER
from potable.features.plan import AS_OF, BUILT_IN, DERIVED, Feature, FeaturePlan
from potable.features.tree import names_in
from potable.features.windows import moment
from potable.tables import SUBJECT

if TYPE_CHECKING:
    import ibis.expr.types as ir

START, FIRST = "_start", "_first"
"""Spine: start of the running employment, and of the subject's very first one."""


@dataclass(frozen=True)
class Measured:
    """What one table gave: one row per subject, and where each feature's number of rows stands."""

    relation: ir.Table
    counts: Mapping[str, str]


def built_in(name: str, as_of: ir.DateValue, start: ir.DateValue, first: ir.DateValue) -> Value:
    """A built-in of the row."""
    counted = {
        "tenure_days": lambda: days_between(start, as_of),
        "tenure_months": lambda: months_between(start, as_of),
        "tenure_years": lambda: years_between(start, as_of),
        "first_tenure_months": lambda: months_between(first, as_of),
    }
    return Value(DATE, as_of) if name == AS_OF else Value(INTEGER, counted[name]())


def rounded(column: ir.FloatingValue, digits: int) -> ir.FloatingValue:
    """The nearest float with so many decimals, halves up; beyond 2^53 units a float has no more digits."""
    unit = number(10**digits)
    near = halves_up(column * unit) / unit
    return ibis.ifelse(column.abs() < number(2**53 / 10**digits), near, column)


def assemble(spine: ir.Table, measured: list[Measured], plan: FeaturePlan) -> ir.Table:
    """The output rows: id, as-of date, features in the order of the file, labels.

    Args:
        spine: `_subject`, `as_of`, `_start`, `_first` and the moments.
        measured: the materialised query of every table.
        plan: the checked feature set.
    """
    rows = spine
    for part in measured:
        rows = rows.left_join(part.relation, NUMBER).drop(f"{NUMBER}_right")
    counts = {name: column for part in measured for name, column in part.counts.items()}
    finished = {
        feature.name: _finished(feature, _measured(feature, rows, counts, plan), plan)
        for feature in plan.outputs
        if feature.table != DERIVED
    }
    rows = rows.select(SUBJECT, AS_OF, START, FIRST, **finished)
    rows = rows.mutate(**_tenures(rows, plan))
    for feature in plan.evaluation_order():
        # one step after the other: an engine plans an expression as often as it is written
        rows = rows.mutate(**{feature.name: _derived(feature, rows, plan)})
        rows = rows.mutate(**{feature.name: _finished(feature, rows[feature.name], plan)})
    return rows.select(**{plan.id_column: rows[SUBJECT]}, **{name: rows[name] for name in _order(plan)})


def _order(plan: FeaturePlan) -> list[str]:
    return [AS_OF, *(feature.name for feature in plan.outputs)]


def _measured(feature: Feature, rows: ir.Table, counts: Mapping[str, str], plan: FeaturePlan) -> ir.Value:
    """The aggregate, or what its emptiness means."""
    aggregate = feature.recipe.aggregate
    assert aggregate is not None
    empty = AGGREGATES[aggregate].empty
    if empty == "null":
        return rows[feature.name]
    kind = IBIS_TYPES[feature.recipe.raw.kind]
    nothing = ibis.literal(False) if empty == "false" else ibis.literal(0, kind)
    seen = rows[counts[feature.name]].fill_null(0) > 0
    return ibis.cases((seen, rows[feature.name]), (_covered(feature, rows, plan), nothing), else_=ibis.null(kind))


def _covered(feature: Feature, rows: ir.Table, plan: FeaturePlan) -> ir.BooleanValue:
    """Whether the source is complete for the feature's window; without a start it begins with the source."""
    coverage, window = plan.tables[feature.table].coverage, feature.recipe.window
    if coverage is None:
        return ibis.literal(False)
    anchor = rows[MOMENT if feature.recipe.forward else CUT]
    end = moment(anchor, window.end)
    first, last = coverage
    reaches_back = moment(anchor, window.start) >= midnight(first) if window.start else end > midnight(first)
    return reaches_back & (end <= midnight(last + timedelta(days=1))) if last else reaches_back


def _tenures(rows: ir.Table, plan: FeaturePlan) -> dict[str, ir.Value]:
    """The built-ins that derived features read, each once."""
    named = set().union(*(names_in(feature.recipe.argument) for feature in plan.evaluation_order()))
    dates = [rows[column].cast("date") for column in (AS_OF, START, FIRST)]
    return {f"_{name}": built_in(name, *dates).column for name in sorted(named & set(BUILT_IN))}


def _derived(feature: Feature, rows: ir.Table, plan: FeaturePlan) -> ir.Value:
    """An expression over finished columns and built-ins."""
    types = {item.name: item.type for item in plan.features}

    def named(name: str) -> Value:
        return Value(types[name], rows[name]) if name in types else Value(BUILT_IN[name], rows[f"_{name}"])

    assert feature.recipe.argument is not None
    return output(evaluate(feature.recipe.argument, named))


def _finished(feature: Feature, column: ir.Value, plan: FeaturePlan) -> ir.Value:
    """`else`, rounding, operators, and the final type."""
    recipe = feature.recipe
    if recipe.otherwise is not None:
        column = ibis.coalesce(column, output(convert(constant(recipe.otherwise.value), recipe.raw)))
    column = rounded(column, plan.digits) if recipe.raw.kind == "float" else column
    for step in recipe.steps:
        column = plan.operators[step.operator].apply(column, step.arguments)
    if recipe.steps and feature.type.kind == "float":
        column = rounded(column, plan.digits)
    return column.cast(IBIS_TYPES[feature.type.kind])
