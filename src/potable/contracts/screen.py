"""A cheap prefilter for row rules: every row that breaks one is a suspect, and only suspects are judged rule by rule.

Most rows keep every rule, and many rules say nearly the same: of twenty bounds of a column only the narrowest
decide whether there is anything to judge. So what holds for all rows is asked once per column; which of the rules
a row breaks is asked of the few suspects. Entry: `suspects`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts import rowwise
from potable.contracts.checks import Check
from potable.contracts.fitting import fit
from potable.tables import Table

Arguments = Mapping[str, Any]


def suspects(rows: ir.Table, table: Table, checks: Iterable[Check]) -> ir.BooleanValue:
    """Whether each row may fail any of the checks: true wherever one of them fails, never null.

    Args:
        checks: row checks that are not judged by value.
    """
    alone: list[Check] = []
    alike: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        if check.expectation in _NARROWEST and check.condition is None and "value" not in check.arguments:
            alike.setdefault((check.expectation, check.columns[0]), []).append(check)
        else:
            alone.append(check)
    tests = [check.fails(rows, table) for check in alone]
    for (expectation, column), some in alike.items():
        rule, narrowest = _NARROWEST[expectation]
        found = narrowest([check.arguments for check in some], table.columns[column].arrow)
        passes = rule(rows, table, {"column": column, **found}).fill_null(False)
        tests.append(rowwise.judged(rows, table, {"column": column}) & ~passes)
    return reduce(or_, tests, ibis.literal(False))


def _bounds(some: Sequence[Arguments], kind: pa.DataType) -> Arguments:
    """The highest of the lower bounds and the lowest of the upper ones."""
    lower = [each for each in some if each.get("min_value") is not None]
    upper = [each for each in some if each.get("max_value") is not None]
    found: dict[str, Any] = {}
    if lower:
        tightest = max(lower, key=lambda each: _reached(kind, each["min_value"], bool(each.get("strict_min"))))
        found |= {name: tightest.get(name) for name in ("min_value", "strict_min")}
    if upper:
        tightest = min(upper, key=lambda each: _kept(kind, each["max_value"], bool(each.get("strict_max"))))
        found |= {name: tightest.get(name) for name in ("max_value", "strict_max")}
    return found


def _reached(kind: pa.DataType, given: Any, strict: bool) -> tuple[Any, ...]:
    """Sorts lower bounds as `fitting.at_least` reads them."""
    found = fit(kind, given)
    return (not found.below, _above_all(found.value), found.value, strict or not found.exact)


def _kept(kind: pa.DataType, given: Any, strict: bool) -> tuple[Any, ...]:
    """Sorts upper bounds as `fitting.at_most` reads them."""
    found = fit(kind, given)
    return (not found.below, _above_all(found.value), found.value, not (strict and found.exact))


def _above_all(value: Any) -> bool:
    """Whether it is a float that is not a number, which engines sort above all others."""
    return isinstance(value, float) and math.isnan(value)


def _widths(some: Sequence[Arguments], kind: pa.DataType) -> Arguments:
    return _bounds(some, pa.int64())


def _members(some: Sequence[Arguments], kind: pa.DataType) -> Arguments:
    """The members that all sets have."""
    sets = [each["value_set"] for each in some if each["value_set"] is not None]
    if not sets:
        return {"value_set": None}
    fitted = [{found.value for found in _fitted(kind, values) if found.exact} for values in sets]
    shared = set.intersection(*fitted)
    return {"value_set": [value for value in sets[0] if value is not None and fit(kind, value).value in shared]}


def _fitted(kind: pa.DataType, values: Iterable[Any]) -> Iterable[Any]:
    return (fit(kind, value) for value in values if value is not None)


_NARROWEST: Mapping[str, tuple[rowwise.RowRule, Callable[[Sequence[Arguments], pa.DataType], Arguments]]] = {
    "expect_column_values_to_be_between": (rowwise.between, _bounds),
    "expect_column_values_to_be_in_set": (rowwise.in_set, _members),
    "expect_column_value_lengths_to_be_between": (rowwise.lengths, _widths),
}
"""Checks of a column that keep less the narrower they are: the rule, and the arguments of the narrowest of several."""
