"""Resolved expressions as Ibis values, with one meaning on every engine.

Exact numbers travel as 64-bit integers of their smallest unit beside their scale, so sums are exact and
there is one rounding, where a number becomes a float. Divisions by zero give null, floats that are not
finite are null, months are complete calendar months. Entry: `evaluate(expression, names)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

import ibis

from potable.engines.casing import lower, upper
from potable.features.expressions import (
    BOOLEAN,
    DATE,
    FLOAT,
    INTEGER,
    NULL,
    STRING,
    TIMESTAMP,
    Type,
    arithmetic,
    common,
    literal_type,
)
from potable.features.tree import BEFORE, Binary, Call, Expression, IsNull, Literal, Name, OneOf, Unary

if TYPE_CHECKING:
    import ibis.expr.types as ir

IBIS_TYPES: Mapping[str, str] = {
    "integer": "int64",
    "decimal": "int64",
    "float": "float64",
    "string": "string",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp(6)",
    "null": "int64",
}
"""How values of each kind travel through a query."""


@dataclass(frozen=True)
class Value:
    """A column of a query with its type; exact numbers are scaled integers."""

    type: Type
    column: ir.Value


def stored(column: ir.Value, type_: Type) -> Value:
    """A column as it lies in Parquet, made fit to calculate with."""
    if type_.kind == "decimal":
        return Value(type_, (column * 10**type_.scale).cast("int64"))
    if type_.kind == "float":
        finite = ~(column.isnan() | column.isinf())
        return Value(type_, ibis.ifelse(finite, column, ibis.null("float64")))
    return Value(type_, column)


def number(value: float) -> ir.FloatingScalar:
    """A float constant."""
    return ibis.literal(float(value), type="float64")


def as_float(value: Value) -> ir.FloatingColumn:
    """A number as a float: one division for decimals, none for integers."""
    if value.type.kind == "float":
        return value.column
    whole = value.column.cast("float64")
    return whole / number(10**value.type.scale) if value.type.scale else whole


def output(value: Value) -> ir.Value:
    """The value as it leaves a feature: decimals become floats."""
    return as_float(value) if value.type.kind == "decimal" else value.column


def convert(value: Value, type_: Type) -> Value:
    """The value in a type it can take."""
    if value.type == type_:
        return value
    if value.type.kind == "null":
        return Value(type_, ibis.null(IBIS_TYPES[type_.kind]))
    if type_.exact:
        return Value(type_, value.column * 10 ** (type_.scale - value.type.scale))
    if type_ == FLOAT:
        return Value(FLOAT, as_float(value))
    return Value(type_, value.column.cast(IBIS_TYPES[type_.kind]))


def constant(value: object) -> Value:
    """A literal."""
    type_ = literal_type(value)
    if type_ == NULL:
        return Value(NULL, ibis.null("int64"))
    if isinstance(value, Decimal):
        value = int(value.scaleb(type_.scale))
    return Value(type_, ibis.literal(value, type=IBIS_TYPES[type_.kind]))


Names = Callable[[str], Value]


def evaluate(expression: Expression, names: Names) -> Value:
    """The expression as a column.

    Args:
        expression: resolved by `expressions.resolve`.
        names: gives the column behind a name.
    """
    match expression:
        case Literal(value):
            return constant(value)
        case Name(name):
            return names(name)
        case Unary("not", operand):
            return Value(BOOLEAN, ~_truth(evaluate(operand, names)))
        case Unary(_, operand):
            inner = evaluate(operand, names)
            return Value(inner.type, -inner.column)
        case Binary(operator, left, right):
            return _binary(operator, evaluate(left, names), evaluate(right, names))
        case IsNull(value, negated):
            column = evaluate(value, names).column
            return Value(BOOLEAN, column.notnull() if negated else column.isnull())
        case OneOf(value, options, negated):
            return _one_of(evaluate(value, names), [evaluate(option, names) for option in options], negated)
        case Call("previous", (Name(name),)):
            return names(f"{BEFORE}{name}")
        case Call(function, arguments):
            return _FUNCTIONS[function]([evaluate(argument, names) for argument in arguments])
    raise AssertionError(expression)


def _truth(value: Value) -> ir.BooleanValue:
    return convert(value, BOOLEAN).column


def _shared(values: Sequence[Value]) -> Type:
    types = (value.type for value in values)
    shared = reduce(lambda left, right: common(left, right) or left, types)
    return INTEGER if shared == NULL else shared


def _unified(values: Sequence[Value]) -> tuple[Type, list[ir.Value]]:
    shared = _shared(values)
    return shared, [convert(value, shared).column for value in values]


def _binary(operator: str, left: Value, right: Value) -> Value:
    if operator == "and":
        return Value(BOOLEAN, _truth(left) & _truth(right))
    if operator == "or":
        return Value(BOOLEAN, _truth(left) | _truth(right))
    if operator in ("+", "-", "*", "/"):
        return _arithmetic(operator, _numeric(left), _numeric(right))
    _, (one, other) = _unified([left, right])
    compared = {
        "=": lambda: one == other,
        "!=": lambda: one != other,
        "<": lambda: one < other,
        "<=": lambda: one <= other,
        ">": lambda: one > other,
        ">=": lambda: one >= other,
    }
    return Value(BOOLEAN, compared[operator]())


def _numeric(value: Value) -> Value:
    return convert(value, INTEGER) if value.type == NULL else value


def _arithmetic(operator: str, left: Value, right: Value) -> Value:
    result = arithmetic(operator, left.type, right.type)
    if operator == "/":
        return Value(FLOAT, as_float(left) / as_float(right).nullif(number(0)))
    if operator == "*":
        one, other = (left.column, right.column) if result.exact else (as_float(left), as_float(right))
        return Value(result, one * other)
    one, other = convert(left, result).column, convert(right, result).column
    return Value(result, one + other if operator == "+" else one - other)


def _one_of(value: Value, options: Sequence[Value], negated: bool) -> Value:
    _, (one, *others) = _unified([value, *options])
    found = reduce(lambda left, right: left | right, (one == other for other in others))
    return Value(BOOLEAN, ~found if negated else found)


def day_of(value: Value) -> ir.DateValue:
    """The calendar day of a date or timestamp."""
    return value.column if value.type == DATE else value.column.cast("date")


def days_between(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    """Calendar days from `start` to `end`, negative when `end` is earlier."""
    return end.delta(start, unit="day").cast("int64")


def months_between(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    """Complete months from `start` to `end`: the most months that, added to `start`, do not pass `end`.

    A month end clamps: from 31 January to the last day of February is one month. An `end` before
    `start` gives the negative of the opposite direction.
    """
    earlier, later = ibis.least(start, end), ibis.greatest(start, end)
    months = (later.year() * 12 + later.month() - earlier.year() * 12 - earlier.month()).cast("int64")
    last_day = (later + ibis.interval(days=1)).cast("date").month() != later.month()
    incomplete = (later.day() < earlier.day()) & ~last_day
    count = months - ibis.ifelse(incomplete, 1, 0)
    return ibis.cases((start <= end, count), (start > end, -count), else_=ibis.null("int64")).cast("int64")


def years_between(start: ir.DateValue, end: ir.DateValue) -> ir.IntegerValue:
    """Complete years from `start` to `end`, towards zero."""
    months = months_between(start, end)
    years = (months.abs().cast("float64") / number(12)).floor().cast("int64")
    return ibis.ifelse(months < 0, -years, years).cast("int64")


def _span(count: Callable[[ir.DateValue, ir.DateValue], ir.IntegerValue]) -> Callable[[list[Value]], Value]:
    return lambda values: Value(INTEGER, count(day_of(_timed(values[0])), day_of(_timed(values[1]))))


def _timed(value: Value) -> Value:
    return convert(value, DATE) if value.type == NULL else value


def _part(name: str) -> Callable[[list[Value]], Value]:
    return lambda values: Value(INTEGER, getattr(day_of(_timed(values[0])), name)().cast("int64"))


def _hour(values: list[Value]) -> Value:
    return Value(INTEGER, convert(values[0], TIMESTAMP).column.hour().cast("int64"))


def _weekday(values: list[Value]) -> Value:
    return Value(INTEGER, day_of(_timed(values[0])).day_of_week.index().cast("int64") + 1)


def _cased(change: Callable[[ir.StringValue], ir.StringValue]) -> Callable[[list[Value]], Value]:
    return lambda values: Value(STRING, change(convert(values[0], STRING).column))


def _text(result: Type, method: str) -> Callable[[list[Value]], Value]:
    def call(values: list[Value]) -> Value:
        first, *rest = (convert(value, STRING).column for value in values)
        made = getattr(first, method)(*rest)
        return Value(result, made.cast("int64") if result == INTEGER else made)

    return call


def _extreme(pick: str) -> Callable[[list[Value]], Value]:
    def call(values: list[Value]) -> Value:
        type_, columns = _unified(values)
        return Value(type_, getattr(ibis, pick)(*columns))

    return call


def _if(values: list[Value]) -> Value:
    type_, (then, otherwise) = _unified(values[1:])
    return Value(type_, ibis.ifelse(_truth(values[0]), then, otherwise))


def _nullif(values: list[Value]) -> Value:
    _, (one, other) = _unified(values)
    first = values[0]
    return Value(first.type, ibis.ifelse(one == other, ibis.null(first.column.type()), first.column))


def _absolute(values: list[Value]) -> Value:
    value = _numeric(values[0])
    return Value(value.type, value.column.abs())


def _level(values: list[Value]) -> Value:
    word, *levels = (value.column for value in values)
    ranks = [(word == level, ibis.literal(rank, "int64")) for rank, level in enumerate(levels, 1)]
    return Value(INTEGER, ibis.cases(*ranks, else_=ibis.null("int64")))


_FUNCTIONS: Mapping[str, Callable[[list[Value]], Value]] = {
    "abs": _absolute,
    "coalesce": _extreme("coalesce"),
    "contains": _text(BOOLEAN, "contains"),
    "day": _part("day"),
    "days_between": _span(days_between),
    "greatest": _extreme("greatest"),
    "hour": _hour,
    "if": _if,
    "least": _extreme("least"),
    "length": _text(INTEGER, "length"),
    "level": _level,
    "lower": _cased(lower),
    "month": _part("month"),
    "months_between": _span(months_between),
    "nullif": _nullif,
    "quarter": _part("quarter"),
    "starts_with": _text(BOOLEAN, "startswith"),
    "upper": _cased(upper),
    "weekday": _weekday,
    "year": _part("year"),
    "years_between": _span(years_between),
}


def midnight(day: date) -> ir.TimestampScalar:
    """The start of a day as a timestamp."""
    return ibis.literal(datetime(day.year, day.month, day.day), type="timestamp(6)")


def as_timestamp(value: Value) -> ir.TimestampValue:
    """A date or timestamp as a timestamp."""
    return convert(value, TIMESTAMP).column
