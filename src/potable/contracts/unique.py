"""Expectations that judge a row by other rows: uniqueness, order of landing, distance from the mean.

They look at the rows that stay, of all layers, because a row that stands cannot be sent away by one that
comes later: they warn or stop, and never quarantine (the table's `unique` does that). Groups and joins spill;
nothing is held per key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ibis
import ibis.expr.types as ir

from potable.contracts import exact
from potable.contracts.aggregates import SHOWN, Whole
from potable.contracts.rowwise import judged
from potable.engines.base import rows_of, scalars
from potable.tables import OBJECT, ROW

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Counted:
    """How many rows a check judged, and how many of them are unexpected."""

    elements: int
    judged: int
    unexpected: int
    some: Sequence[Any] = ()
    """Some of the unexpected values; of several columns, lists."""


def unique(whole: Whole, a: Arguments, batches: Mapping[str, int]) -> Counted:
    """No value, or no group of values, is there twice; of those that are, all rows count."""
    names = [a["column"]] if "column" in a else list(a["column_list"])
    kept = whole.rows.filter(judged(whole.rows, whole.table, a))
    keyed = kept.select(**{f"k{index}": whole_cell(whole, kept, name) for index, name in enumerate(names)})
    keys = list(keyed.columns)
    counted = keyed.group_by(keys).agg(n=keyed.count().cast("int64"))
    twice = counted.filter(counted.n > 1)
    row = scalars(whole.engine, twice.agg(n=twice.n.sum().fill_null(0).cast("int64")))
    some = rows_of(whole.engine, twice.order_by(keys).limit(SHOWN)) if row["n"] else []
    values = [[item[key] for key in keys] for item in some for _ in range(min(item["n"], SHOWN))][:SHOWN]
    return _counted(whole, a, row["n"], values if len(names) > 1 else [value for (value,) in values])


def increasing(whole: Whole, a: Arguments, batches: Mapping[str, int]) -> Counted:
    """Each value is at least the one that landed before it."""
    return _in_order(whole, a, batches, up=True)


def decreasing(whole: Whole, a: Arguments, batches: Mapping[str, int]) -> Counted:
    """Each value is at most the one that landed before it."""
    return _in_order(whole, a, batches, up=False)


def z_scores(whole: Whole, a: Arguments, batches: Mapping[str, int]) -> Counted:
    """No value is `threshold` sample standard deviations or more from the mean."""
    column = whole.column(a["column"])
    found = exact.moments(column, whole.engine)
    if not found.deviation or math.isnan(found.deviation):
        return _counted(whole, a, 0)
    score = (column.cast("float64") - found.mean) / found.deviation
    limit = float(a["threshold"])
    far = score.abs() >= abs(limit) if a.get("double_sided", True) else score >= limit
    return _filtered(whole, a, far)


def outliers(whole: Whole, a: Arguments, batches: Mapping[str, int]) -> Counted:
    """No value lies outside the fences of the quartiles (`iqr`), or of the mean (`std`)."""
    column, multiplier = whole.column(a["column"]), float(a.get("multiplier", 1.5))
    value = column.cast("float64")
    if a.get("method", "iqr") == "iqr":
        low, high = exact.quantiles(column, [0.25, 0.75], "linear", whole.engine)
        if low is None:
            return _counted(whole, a, 0)
        reach = multiplier * (float(high) - float(low))
        if math.isnan(reach):
            return _counted(whole, a, 0)
        return _filtered(whole, a, (value < float(low) - reach) | (value > float(high) + reach))
    found = exact.moments(column, whole.engine)
    if found.deviation is None or math.isnan(found.deviation):
        return _counted(whole, a, 0)
    reach = multiplier * found.deviation
    return _filtered(whole, a, (value - found.mean).abs() >= reach if reach > 0 else value != found.mean)


def _in_order(whole: Whole, a: Arguments, batches: Mapping[str, int], *, up: bool) -> Counted:
    """Values against the value before: inside an object by a window, from object to object by their ends.

    A window over all rows would be one partition; one per object is as large as an object.
    """
    rows = whole.rows.select(OBJECT, ROW, value=whole.column(a["column"]))
    rows = rows.filter(rows["value"].notnull())
    strictly = bool(a.get("strictly"))
    window = ibis.window(group_by=OBJECT, order_by=ROW)
    before = rows.mutate(before=rows["value"].lag().over(window))
    wrong = before.filter(_breaks(before["value"], before["before"], up=up, strictly=strictly))
    inside = scalars(whole.engine, wrong.agg(n=wrong.count()))["n"]
    some = [row["value"] for row in rows_of(whole.engine, wrong.order_by([OBJECT, ROW]).limit(SHOWN))]
    marked = rows.mutate(
        first=ibis.row_number().over(ibis.window(group_by=OBJECT, order_by=ROW)),
        last=ibis.row_number().over(ibis.window(group_by=OBJECT, order_by=ibis.desc(ROW))),
    )
    ends: dict[str, dict[str, Any]] = {}
    for batch in whole.engine.stream(marked.filter((marked["first"] == 0) | (marked["last"] == 0))):
        for row in batch.to_pylist():
            ends.setdefault(row[OBJECT], {}).update(
                {which: row["value"] for which in ("first", "last") if row[which] == 0}
            )
    ordered = sorted(ends, key=lambda name: (batches.get(name, 0), name))
    pairs = [(ends[one]["last"], ends[two]["first"]) for one, two in pairwise(ordered)]
    between = [two for one, two in pairs if not _ordered(one, two, up=up, strictly=strictly)]
    return _counted(whole, a, inside + len(between), [*some, *between][:SHOWN])


def _breaks(value: ir.Value, before: ir.Value, *, up: bool, strictly: bool) -> ir.BooleanValue:
    low, high = (before, value) if up else (value, before)
    return ~(low < high if strictly else low <= high).fill_null(True)


def _ordered(one: Any, two: Any, *, up: bool, strictly: bool) -> bool:
    low, high = (one, two) if up else (two, one)
    return bool(low < high if strictly else low <= high)


def _filtered(whole: Whole, a: Arguments, wrong: ir.BooleanValue) -> Counted:
    bad = whole.rows.filter(wrong.fill_null(False))
    count = scalars(whole.engine, bad.agg(n=bad.count()))["n"]
    some = rows_of(whole.engine, bad.select(a["column"]).order_by(a["column"]).limit(SHOWN)) if count else []
    return _counted(whole, a, count, [row[a["column"]] for row in some])


def _counted(whole: Whole, a: Arguments, unexpected: int, some: Sequence[Any] = ()) -> Counted:
    there = whole.rows.count(where=judged(whole.rows, whole.table, a))
    row = scalars(whole.engine, whole.rows.agg(n=whole.rows.count(), there=there))
    return Counted(int(row["n"]), int(row["there"]), int(unexpected), some)


def whole_cell(whole: Whole, rows: ir.Table, name: str) -> ir.Value:
    """A column of some of the rows."""
    return Whole(rows, whole.table, whole.engine).column(name)
