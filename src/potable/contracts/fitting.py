"""How arguments of checks compare with a column of a given type: bounds, members of sets, comparisons.

A value is fitted to the column's type once, exactly: `0.5` beside an integer or a moment beside a date is no
value of that column, but still a bound. What cannot be a value of the column at all is a wrong argument.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.tables import Table

_INTEGERS = (-(1 << 63), (1 << 63) - 1)
_WIDE = Context(prec=100)


@dataclass(frozen=True)
class Fit:
    """A value beside a column: the largest value of the column's type that is not above it."""

    value: Any
    exact: bool = True
    """Whether it is that value."""
    below: bool = False
    """Whether it lies below every value of the type; `value` is the lowest then."""


def fit(kind: pa.DataType, given: Any) -> Fit:
    """`given` beside a column of `kind`.

    Raises:
        ValueError: it can be no value of such a column; the text says what would be.
    """
    if pa.types.is_string(kind):
        return Fit(_of(given, str, "a text; put it in quotes"))
    if pa.types.is_boolean(kind):
        return Fit(_of(given, bool, "true or false"))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _moment(given, whole_days=pa.types.is_date(kind))
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        raise ValueError("a number")
    if pa.types.is_floating(kind):
        try:
            return Fit(float(given))
        except OverflowError:
            return Fit(math.copysign(sys.float_info.max, 1 if given > 0 else -1), exact=False, below=given < 0)
    if isinstance(given, float) and not math.isfinite(given):
        raise ValueError("a finite number")
    places = kind.scale if pa.types.is_decimal(kind) else 0
    with localcontext(_WIDE):
        exact = Decimal(str(given))
        low, high = _INTEGERS if pa.types.is_integer(kind) else _decimals(kind)
        floor = exact.quantize(Decimal(1).scaleb(-places), ROUND_FLOOR) if abs(exact) <= 10**60 else exact
        inside = min(max(floor, Decimal(low)), Decimal(high))
        value = int(inside) if pa.types.is_integer(kind) else inside
        return Fit(value, exact=inside == exact, below=floor < low)


def at_least(column: ir.Value, kind: pa.DataType, given: Any, *, strict: bool = False) -> ir.BooleanValue:
    """Whether values reach a lower bound."""
    found = fit(kind, given)
    if found.below:
        return ibis.literal(True)
    bound = literal(kind, found.value)
    return column > bound if strict or not found.exact else column >= bound


def at_most(column: ir.Value, kind: pa.DataType, given: Any, *, strict: bool = False) -> ir.BooleanValue:
    """Whether values keep below an upper bound."""
    found = fit(kind, given)
    if found.below:
        return ibis.literal(False)
    bound = literal(kind, found.value)
    return column < bound if strict and found.exact else column <= bound


def one_of(column: ir.Value, kind: pa.DataType, given: Iterable[Any]) -> ir.BooleanValue:
    """Whether values are members of a set; nulls in the set say nothing."""
    fitted = [fit(kind, value) for value in given if value is not None]
    members = [literal(kind, item.value) for item in fitted if item.exact]
    return column.isin(members) if members else ibis.literal(False)


def literal(kind: pa.DataType, value: Any) -> ir.Value:
    """A fitted value in the column's type."""
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return ibis.literal(str(value)).cast(ibis.dtype(kind))
    return ibis.literal(value, type=ibis.dtype(kind))


def cell(rows: ir.Table, table: Table, name: str) -> ir.Value:
    """A column of `rows`; a float that is not a number is null, as in pandas."""
    column = rows[name]
    if pa.types.is_floating(table.columns[name].arrow):
        return ibis.ifelse(column.isnan(), ibis.null(column.type()), column)
    return column


def family(kind: pa.DataType) -> str:
    """Types whose values can be compared with each other."""
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "time"
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return str(kind)
    return "number"


def _of(given: Any, kind: type, wanted: str) -> Any:
    if not isinstance(given, kind):
        raise ValueError(wanted)
    return given


def _decimals(kind: pa.DataType) -> tuple[Decimal, Decimal]:
    high = Decimal(10**kind.precision - 1).scaleb(-kind.scale)
    return -high, high


def _moment(given: Any, *, whole_days: bool) -> Fit:
    moment = _parsed(given)
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if not whole_days:
        return Fit(moment)
    day = datetime(moment.year, moment.month, moment.day)
    return Fit(day.date(), exact=day == moment)


def _parsed(given: Any) -> datetime:
    if isinstance(given, datetime):
        return given
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day)
    if not isinstance(given, str):
        raise ValueError("a date or timestamp such as 2020-01-31")
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        from dateutil import parser
    try:
        found: datetime = parser.parse(given, default=datetime(1970, 1, 1))
    except (ValueError, OverflowError):
        raise ValueError("a date or timestamp such as 2020-01-31") from None
    return found
