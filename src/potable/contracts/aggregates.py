"""Expectations that judge a column as a whole: bounds of a number made of it, and the set of its values.

They look at the rows that stay, of all layers. A number comes out the same on any engine (`exact`). Each is
a function from a column to what was found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts import exact
from potable.contracts.fitting import at_most, cell, fit, one_of
from potable.engines.base import Engine, rows_of, scalars
from potable.tables import Table

Arguments = Mapping[str, Any]
SHOWN = 20
"""Values a result may show."""


@dataclass(frozen=True)
class Finding:
    """What was found of a column."""

    success: bool
    observed: Any = None
    personal: bool = True
    """Whether what was found holds values of the column, or could tell them."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the result, counts only."""
    unexpected: Sequence[Any] = ()
    missing: Sequence[Any] = ()


@dataclass(frozen=True)
class Whole:
    """Rows of a table that a check is about."""

    rows: ir.Table
    table: Table
    engine: Engine

    def column(self, name: str) -> ir.Column:
        """A column, floats that are no numbers being null."""
        return cell(self.rows, self.table, name)

    def kind(self, name: str) -> pa.DataType:
        """Its declared type."""
        return self.table.columns[name].arrow


def minimum(whole: Whole, a: Arguments) -> Finding:
    """The smallest value is within bounds."""
    return _bounded(_extreme(whole, a["column"], "min"), a)


def maximum(whole: Whole, a: Arguments) -> Finding:
    """The greatest value is within bounds."""
    return _bounded(_extreme(whole, a["column"], "max"), a)


def mean(whole: Whole, a: Arguments) -> Finding:
    """The mean is within bounds."""
    count, summed = exact.total(whole.column(a["column"]), whole.engine)
    return _bounded(exact.as_float(summed / count) if count else None, a)


def median(whole: Whole, a: Arguments) -> Finding:
    """The median is within bounds."""
    return _bounded(exact.median(whole.column(a["column"]), whole.engine), a)


def stdev(whole: Whole, a: Arguments) -> Finding:
    """The sample standard deviation is within bounds."""
    return _bounded(exact.moments(whole.column(a["column"]), whole.engine).deviation, a)


def total(whole: Whole, a: Arguments) -> Finding:
    """The sum is within bounds; of no values it is zero. Of floats it is the float nearest to it."""
    _, summed = exact.total(whole.column(a["column"]), whole.engine)
    return _bounded(exact.as_float(summed) if pa.types.is_floating(whole.kind(a["column"])) else summed, a)


def unique_count(whole: Whole, a: Arguments) -> Finding:
    """The number of distinct values is within bounds."""
    return _bounded(_distinct(whole, a["column"]), a, personal=False)


def unique_proportion(whole: Whole, a: Arguments) -> Finding:
    """The number of distinct values by the number of values is within bounds."""
    there = scalars(whole.engine, whole.rows.agg(n=whole.column(a["column"]).count()))["n"]
    return _bounded(_distinct(whole, a["column"]) / there if there else 0, a, personal=False)


def non_null_proportion(whole: Whole, a: Arguments) -> Finding:
    """The share of rows with a value is within bounds."""
    row = scalars(whole.engine, whole.rows.agg(n=whole.column(a["column"]).count(), rows=whole.rows.count()))
    return _bounded(row["n"] / row["rows"] if row["rows"] else 0, a, personal=False)


def quantiles(whole: Whole, a: Arguments) -> Finding:
    """Each quantile is within its range."""
    ranges = a["quantile_ranges"]
    way = a.get("allow_relative_error") or "nearest"
    found = exact.quantiles(whole.column(a["column"]), ranges["quantiles"], way, whole.engine)
    pairs = zip(found, ranges["value_ranges"], strict=True)
    good = [within(value, {"min_value": low, "max_value": high}) for value, (low, high) in pairs]
    observed = {"quantiles": list(ranges["quantiles"]), "values": found}
    return Finding(all(good), observed, fields={"success_details": good})


def distinct_in_set(whole: Whole, a: Arguments) -> Finding:
    """Every value is a member of the set."""
    count, some = _outside(whole, a)
    return Finding(not count, fields={"unexpected_count": count}, unexpected=some)


def distinct_contain_set(whole: Whole, a: Arguments) -> Finding:
    """Every member of the set is a value."""
    lacking = _lacking(whole, a)
    return Finding(not lacking, personal=False, fields={"missing_count": len(lacking)}, missing=lacking[:SHOWN])


def distinct_equal_set(whole: Whole, a: Arguments) -> Finding:
    """The values are the set."""
    (count, some), lacking = _outside(whole, a), _lacking(whole, a)
    fields = {"unexpected_count": count, "missing_count": len(lacking)}
    return Finding(not count and not lacking, fields=fields, unexpected=some, missing=lacking[:SHOWN])


def most_common(whole: Whole, a: Arguments) -> Finding:
    """The most common value is a member of the set; of several, one is enough with `ties_okay`."""
    counted = exact.counts(whole.column(a["column"]))
    most = scalars(whole.engine, counted.agg(n=counted.n.max()))["n"]
    if most is None:
        return Finding(False, [])
    modes = counted.filter(counted.n == most)
    kind = whole.kind(a["column"])
    good = modes.count(where=one_of(modes["value"], kind, a["value_set"] or []))
    row = scalars(whole.engine, modes.agg(n=modes.count(), good=good))
    success = row["good"] > 0 if a.get("ties_okay") else row["n"] == 1 and row["good"] == 1
    some = rows_of(whole.engine, modes.select("value").order_by("value").limit(SHOWN))
    return Finding(success, [item["value"] for item in some])


def kl_divergence(whole: Whole, a: Arguments) -> Finding:
    """The Kullback-Leibler divergence of the values from a declared distribution is at most `threshold`."""
    pairs = _binned(whole, a) if "bins" in a["partition_object"] else _categories(whole, a)
    divergence = entropy(pairs)
    threshold = a.get("threshold")
    # what is not a number is not at most anything
    success = threshold is None or divergence <= threshold
    return Finding(success, divergence if math.isfinite(divergence) else None, personal=False)


def entropy(pairs: Sequence[tuple[float, float, int]]) -> float:
    """Relative entropy in nats of weights seen from weights expected, each scaled to sum to one.

    Args:
        pairs: seen, expected, and how many such pairs there are.

    Returns:
        Infinite where something is seen that is not expected; nan without weight.
    """
    seen = math.fsum(p * times for p, _, times in pairs)
    expected = math.fsum(q * times for _, q, times in pairs)
    if not seen or not expected:
        return math.nan
    if any(p > 0 and q <= 0 for p, q, _ in pairs):
        return math.inf
    scaled = [(p / seen, q / expected, times) for p, q, times in pairs if p > 0]
    return math.fsum(times * p * math.log(p / q) for p, q, times in scaled)


def _categories(whole: Whole, a: Arguments) -> list[tuple[float, float, int]]:
    partition, kind, tail = a["partition_object"], whole.kind(a["column"]), a.get("tail_weight_holdout") or 0
    counted = exact.counts(whole.column(a["column"]))
    inside = one_of(counted["value"], kind, partition["values"])
    known = {row["value"]: row["n"] for row in rows_of(whole.engine, counted.filter(inside))}
    # the others are summed up by how often they are, so that many distinct ones take no memory
    others = counted.filter(~inside)
    times = rows_of(whole.engine, others.group_by("n").agg(values=others.count()).order_by("n"))
    unknown = sum(row["values"] for row in times)
    there = sum(known.values()) + sum(row["n"] * row["values"] for row in times)
    if not there:
        return []
    scale = 1 - tail if unknown else 1
    members = [fit(kind, value).value for value in partition["values"]]
    pairs = zip(members, partition["weights"], strict=True)
    known_pairs = [(known.get(member, 0) / there, weight * scale, 1) for member, weight in pairs]
    return known_pairs + [(row["n"] / there, tail / unknown, row["values"]) for row in times]


def _binned(whole: Whole, a: Arguments) -> list[tuple[float, float, int]]:
    partition, tail = a["partition_object"], a.get("tail_weight_holdout") or 0
    inner = a.get("internal_weight_holdout") or 0
    bins, weights = partition["bins"], [weight * (1 - tail - inner) for weight in partition["weights"]]
    empty = sum(weight == 0 for weight in weights)
    weights = [inner / empty if inner and not weight else weight for weight in weights]
    below, inside, above, there = _histogram(whole, a["column"], bins)
    if not there:
        return []
    left, right = bins[0] == -math.inf, bins[-1] == math.inf
    tails = partition.get("tail_weights") or ([tail, tail] if left or right else [tail / 2, tail / 2])
    pairs = zip((below, *inside, above), (tails[0], *weights, tails[1]), strict=True)
    found = [(number / there, weight, 1) for number, weight in pairs]
    return found[int(left) : len(found) - int(right)]


def _histogram(whole: Whole, name: str, bins: Sequence[float]) -> tuple[int, list[int], int, int]:
    """Values below the bins, in each (the last one closed), above them, and all."""
    value, kind = whole.column(name), whole.kind(name)
    if kind != pa.float64():
        value, kind = value.cast("float64"), pa.float64()
    edges = [at_most(value, kind, edge, strict=index < len(bins) - 1) for index, edge in enumerate(bins)]
    sums = {f"e{index}": whole.rows.count(where=edge) for index, edge in enumerate(edges)}
    row = scalars(whole.engine, whole.rows.agg(n=value.count(), **sums))
    under = [int(row[f"e{index}"]) for index in range(len(bins))]
    return under[0], [b - a for a, b in pairwise(under)], row["n"] - under[-1], row["n"]


def _extreme(whole: Whole, name: str, which: str) -> Any:
    column = whole.column(name)
    return scalars(whole.engine, whole.rows.agg(v=column.min() if which == "min" else column.max()))["v"]


def _distinct(whole: Whole, name: str) -> int:
    counted = exact.counts(whole.column(name))
    return int(scalars(whole.engine, counted.agg(n=counted.count()))["n"])


def _outside(whole: Whole, a: Arguments) -> tuple[int, list[Any]]:
    """Distinct values that are not in the set: how many, and the first of them."""
    counted = exact.counts(whole.column(a["column"]))
    outside = counted.filter(~one_of(counted["value"], whole.kind(a["column"]), a["value_set"] or []))
    count = int(scalars(whole.engine, outside.agg(n=outside.count()))["n"])
    some = rows_of(whole.engine, outside.select("value").order_by("value").limit(SHOWN)) if count else []
    return count, [row["value"] for row in some]


def _lacking(whole: Whole, a: Arguments) -> list[Any]:
    """Members of the set that are no value; a null never is one, as in GX."""
    kind = whole.kind(a["column"])
    missing = [None] if None in (a["value_set"] or []) else []
    members = [value for value in a["value_set"] or [] if value is not None]
    counted = exact.counts(whole.column(a["column"]))
    found = counted.filter(one_of(counted["value"], kind, members)).select("value")
    there = {row["value"] for row in rows_of(whole.engine, found)}
    fitted = {str(value): fit(kind, value) for value in members}
    lacking = [item.value for item in fitted.values() if not item.exact or item.value not in there]
    return [*sorted(set(lacking)), *missing]


def _bounded(value: Any, a: Arguments, *, personal: bool = True) -> Finding:
    return Finding(within(value, a), exact.plain(value), personal)


def within(value: Any, a: Arguments) -> bool:
    """Whether a value keeps `min_value` and `max_value`, each of which may be strict or missing; null does not."""
    if value is None:
        return False
    low, high = (_comparable(a.get(name), value) for name in ("min_value", "max_value"))
    value = _comparable(value, value)
    above = low is None or (value > low if a.get("strict_min") else value >= low)
    return bool(above and (high is None or (value < high if a.get("strict_max") else value <= high)))


def _comparable(given: Any, beside: Any) -> Any:
    """A bound and a value so that they compare: numbers exactly, moments as moments."""
    if given is None or isinstance(beside, str):
        return given
    if isinstance(beside, date | datetime):
        return fit(pa.timestamp("us"), given).value
    if isinstance(given, Fraction):
        return given
    if isinstance(beside, float):
        return Fraction(given) if math.isfinite(given) else given
    # beside an exact number a bound is the number that is written, not the binary one nearest to it
    return Fraction(Decimal(str(given)))
