"""The closed set of aggregates: what each takes, gives, and gives when no row is there.

A specification is data, used by `check`, the reference and the privacy facts. How an aggregate is
computed (`compute`) is one exact expression over chosen rows: sums in 128-bit integers, one division at
the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from potable.features.expressions import BOOLEAN, FLOAT, INTEGER, Type

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from potable.features.evaluate import Value

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Aggregate:
    """One aggregate of the language."""

    argument: Literal["none", "optional", "number", "boolean", "ordered", "any"]
    """What stands in the parentheses: nothing, optionally a condition or value, or a value of a kind."""
    result: Type | None
    """Type it gives; None means the type of its argument."""
    meaning: str
    empty: Literal["zero", "false", "null"] = "null"
    """Result without any row, where the table's `coverage` includes the window; else always null."""
    at: Literal["newest", "oldest", "ends", "all"] | None = None
    """Which of the ordered rows it reads, if it depends on order."""
    only_values: bool = False
    """Whether rows without a value are left out before ordering."""
    example: str = ""


AGGREGATES: Mapping[str, Aggregate] = {
    "count": Aggregate(
        "optional", INTEGER, "number of rows, or of rows with a value", "zero", example="count() in 12mo"
    ),
    "any": Aggregate(
        "optional",
        BOOLEAN,
        "whether there is such a row, or one for which the condition holds",
        "false",
        example="any(hours > 8)",
    ),
    "sum": Aggregate("number", None, "exact sum of the values", "zero", example="sum(hours) in 12mo"),
    "avg": Aggregate("number", FLOAT, "exact sum divided by the number of values", example="avg(rating) last 3"),
    "min": Aggregate("ordered", None, "smallest value", example="min(level(rating))"),
    "max": Aggregate("ordered", None, "largest value", example="max(score) in 3y"),
    "distinct": Aggregate("any", INTEGER, "number of different values", "zero", example="distinct(department)"),
    "latest": Aggregate(
        "any", None, "value of the newest row, null if that is null", at="newest", example="latest(rating)"
    ),
    "first": Aggregate(
        "any", None, "value of the oldest row, null if that is null", at="oldest", example="first(grade)"
    ),
    "stddev": Aggregate(
        "number", FLOAT, "sample standard deviation; null below two values", example="stddev(gross) in 12mo"
    ),
    "slope": Aggregate(
        "number",
        FLOAT,
        "least-squares change per year (365.25 days) by calendar day, over rows with a value (`last N` counts only "
        "these); null if all are of one day",
        only_values=True,
        example="slope(rating) last 5",
    ),
    "change": Aggregate(
        "number",
        FLOAT,
        "(newest - oldest) / |oldest|, over rows with a value (`last N` counts only these); null with fewer than "
        "two, or if the oldest is zero",
        at="ends",
        only_values=True,
        example="change(gross) in 24mo",
    ),
    "days_since": Aggregate(
        "none", INTEGER, "calendar days from the newest row to the as-of date", example="days_since()"
    ),
    "months_since": Aggregate(
        "none",
        INTEGER,
        "complete months from the newest row to the as-of date",
        example="months_since() where kind = 'x'",
    ),
    "value": Aggregate("any", None, "value of a `static` column of a table without history", example="value(gender)"),
    "median": Aggregate(
        "number", FLOAT, "middle value, or the mean of the two middle ones", example="median(hours) in 12mo"
    ),
    "mode": Aggregate(
        "any", None, "most frequent value; of equally frequent ones, the smallest", example="mode(department)"
    ),
    "share": Aggregate("boolean", FLOAT, "share of rows for which the condition holds", example="share(score >= 50)"),
    "streak": Aggregate(
        "boolean",
        INTEGER,
        "number of the newest rows, up to the first for which the condition does not hold; rows for which it is null "
        "are left out (`last N` does not count them), and of tied rows it must hold for all",
        "zero",
        at="all",
        only_values=True,
        example="streak(paid_on > due_on)",
    ),
}


@dataclass(frozen=True)
class Chosen:
    """The rows an aggregate sees, as columns of the query; truth values are never null."""

    rows: ir.BooleanValue
    """Whether a row is one of them."""
    value: Value | None
    """The argument; floats are already whole multiples of the smallest unit."""
    day: ir.IntegerValue
    """Days from the as-of date to the row, so that the future counts up."""
    newest: ir.BooleanValue
    """Whether it is the newest of them (only where order matters)."""
    oldest: ir.BooleanValue
    frequent: ir.BooleanValue
    """Whether its value is one of the most frequent (only for mode)."""
    since: ir.IntegerValue
    """Days or months from the row to the as-of date (only for days_since, months_since)."""
    place: ir.IntegerValue | None = None
    """Its place from the newest row of the feature on, whatever the window (only for streak)."""
    tied: ir.IntegerValue | None = None
    """The place of the first row that is tied with it."""

    @property
    def column(self) -> ir.Value:
        """The argument's column."""
        assert self.value is not None
        return self.value.column

    def exact(self, column: ir.Value) -> ir.Value:
        """Sum of an integer column over the rows, in 128 bits."""
        return column.cast("decimal(38,0)").sum(where=self.rows)


def compute(name: str, chosen: Chosen) -> ir.Value:
    """The aggregate as an expression to be evaluated per subject; decimals come out as floats."""
    return _COMPUTE[name](chosen)


def whole(column: ir.Value) -> ir.FloatingValue:
    """A 128-bit integer as the nearest float.

    Engines cast wide integers to floats with different roundings; through text the rounding is right on
    all of them.
    """
    return column.cast("string").cast("float64")


def _scaled(column: ir.FloatingValue, chosen: Chosen) -> ir.FloatingValue:
    from potable.features.evaluate import number

    assert chosen.value is not None
    scale = chosen.value.type.scale
    return column / number(10**scale) if scale else column


def _typed(column: ir.Value, chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import Value, output

    assert chosen.value is not None
    return output(Value(chosen.value.type, column))


def _count(chosen: Chosen) -> ir.Value:
    if chosen.value is None:
        return chosen.rows.count(where=chosen.rows)
    return chosen.column.count(where=chosen.rows)


def _any(chosen: Chosen) -> ir.Value:
    column = chosen.rows if chosen.value is None else chosen.column
    return column.any(where=chosen.rows)


def _sum(chosen: Chosen) -> ir.Value:
    assert chosen.value is not None
    total = chosen.exact(chosen.column)
    return total.cast("int64") if chosen.value.type == INTEGER else _scaled(whole(total), chosen)


def _avg(chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import number

    assert chosen.value is not None
    count = chosen.column.count(where=chosen.rows).cast("float64").nullif(number(0))
    return whole(chosen.exact(chosen.column)) / (count * number(10**chosen.value.type.scale))


def _spread(chosen: Chosen, column: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Number of values and n·Σx² − (Σx)², exact."""
    count = column.count(where=chosen.rows).cast("decimal(38,0)")
    wide = column.cast("decimal(38,0)")
    total = wide.sum(where=chosen.rows).cast("decimal(38,0)")
    squares = (wide * wide).cast("decimal(38,0)").sum(where=chosen.rows).cast("decimal(38,0)")
    return count, (count * squares).cast("decimal(38,0)") - (total * total).cast("decimal(38,0)")


def _stddev(chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import number

    count, spread = _spread(chosen, chosen.column)
    n = whole(count)
    variance = whole(spread) / (n * (n - number(1))).nullif(number(0))
    return _scaled(variance.sqrt(), chosen)


def _slope(chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import number

    present = chosen.column.notnull() & chosen.rows
    wide, day = chosen.column.cast("decimal(38,0)"), chosen.day.cast("decimal(38,0)")
    count, spread = _spread(chosen, chosen.day)
    crossed = (wide * day).cast("decimal(38,0)").sum(where=present).cast("decimal(38,0)")
    both = wide.sum(where=present).cast("decimal(38,0)") * day.sum(where=present).cast("decimal(38,0)")
    above = (count * crossed).cast("decimal(38,0)") - both.cast("decimal(38,0)")
    return _scaled(whole(above) * number(DAYS_PER_YEAR) / whole(spread).nullif(number(0)), chosen)


def _newest(chosen: Chosen) -> ir.Value:
    return _typed(chosen.column.max(where=chosen.newest), chosen)


def _oldest(chosen: Chosen) -> ir.Value:
    return _typed(chosen.column.max(where=chosen.oldest), chosen)


def _change(chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import number

    newest = chosen.column.max(where=chosen.newest)
    oldest = chosen.column.max(where=chosen.oldest)
    relative = (newest - oldest).cast("float64") / oldest.abs().cast("float64").nullif(number(0))
    several = chosen.column.count(where=chosen.rows) > 1
    return several.ifelse(relative, None)


def _median(chosen: Chosen) -> ir.Value:
    return _scaled(chosen.column.cast("float64").median(where=chosen.rows), chosen)


def _mode(chosen: Chosen) -> ir.Value:
    return _typed(chosen.column.min(where=chosen.rows & chosen.frequent), chosen)


def _share(chosen: Chosen) -> ir.Value:
    from potable.features.evaluate import number

    holding = chosen.column.cast("int64").sum(where=chosen.rows).cast("float64")
    return holding / chosen.column.count(where=chosen.rows).cast("float64").nullif(number(0))


def _streak(chosen: Chosen) -> ir.Value:
    assert chosen.place is not None and chosen.tied is not None
    newest, oldest = chosen.place.min(where=chosen.rows), chosen.place.max(where=chosen.rows)
    broken = chosen.tied.min(where=chosen.rows & ~chosen.column.fill_null(False))
    length = broken.fill_null(oldest + 1) - newest
    return (length < 0).ifelse(0, length).fill_null(0)


_COMPUTE: Mapping[str, Callable[[Chosen], ir.Value]] = {
    "count": _count,
    "any": _any,
    "sum": _sum,
    "avg": _avg,
    "min": lambda chosen: _typed(chosen.column.min(where=chosen.rows), chosen),
    "max": lambda chosen: _typed(chosen.column.max(where=chosen.rows), chosen),
    "distinct": lambda chosen: chosen.column.nunique(where=chosen.rows),
    "latest": _newest,
    "first": _oldest,
    "stddev": _stddev,
    "slope": _slope,
    "change": _change,
    "days_since": lambda chosen: chosen.since.min(where=chosen.rows),
    "months_since": lambda chosen: chosen.since.min(where=chosen.rows),
    "value": _newest,
    "median": _median,
    "mode": _mode,
    "share": _share,
    "streak": _streak,
}
QUANTISED = frozenset({"sum", "avg", "stddev", "slope", "change", "median", "mode", "distinct"})
"""Aggregates that see floats as whole multiples of the smallest unit, so that order cannot matter."""
