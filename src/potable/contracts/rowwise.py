"""Expectations that judge one row by itself: of a column, of a pair of columns, of several.

Each is one Ibis expression: whether the row passes. Whether a row is judged at all (its value is there, its
pair is not to be ignored) is `judged`; all together they are one scan. A rule of one column need not look for
floats that are no numbers: they are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import combinations
from operator import and_, or_
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.fitting import at_least, at_most, cell, fit, literal, one_of
from potable.tables import Table

Arguments = Mapping[str, Any]
RowRule = Callable[[ir.Table, Table, Arguments], ir.BooleanValue]
IGNORED = {
    "column_A": ("both_values_are_missing", "either_value_is_missing", "neither"),
    "column_list": ("all_values_are_missing", "any_value_is_missing", "never"),
}
"""Values of `ignore_row_if`, by the argument that names the columns."""
_WIDE, _INTEGER = 37, 19
"""Digits that sums are made in, and those of an integer."""


def judged(rows: ir.Table, table: Table, arguments: Arguments) -> ir.BooleanValue:
    """Whether each row has what the check is about: a value, or enough of a pair or list of them."""
    if "column" in arguments:
        return _there(rows, table, arguments["column"])
    pair = "column_A" in arguments
    names = [arguments["column_A"], arguments["column_B"]] if pair else arguments["column_list"]
    there = [_there(rows, table, name) for name in names]
    ignored = arguments.get("ignore_row_if", "either_value_is_missing" if pair else "all_values_are_missing")
    if ignored in ("both_values_are_missing", "all_values_are_missing"):
        return reduce(or_, there)
    if ignored in ("either_value_is_missing", "any_value_is_missing"):
        return reduce(and_, there)
    return ibis.literal(True)


def between(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """Within bounds, each of which may be strict or missing."""
    return _within(rows[a["column"]], table.columns[a["column"]].arrow, a)


def in_set(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """A member of `value_set`; without a set anything is."""
    if a["value_set"] is None:
        return ibis.literal(True)
    return one_of(rows[a["column"]], table.columns[a["column"]].arrow, a["value_set"])


def matches(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The pattern is found in the value."""
    return text_of(rows, a["column"]).re_search(a["regex"])


def matches_list(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """Any of the patterns is found, or all of them."""
    text = text_of(rows, a["column"])
    return reduce(and_ if a.get("match_on") == "all" else or_, [text.re_search(regex) for regex in a["regex_list"]])


def like(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The value is of a LIKE pattern."""
    return text_of(rows, a["column"]).re_search(like_regex(a["like_pattern"], a.get("escape")))


def like_list(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The value is of any of the LIKE patterns, or of all."""
    text = text_of(rows, a["column"])
    patterns = [text.re_search(like_regex(pattern, a.get("escape"))) for pattern in a["like_pattern_list"]]
    return reduce(and_ if a.get("match_on") == "all" else or_, patterns)


def lengths(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The number of characters is within bounds, or the one asked for."""
    length = text_of(rows, a["column"]).length().cast("int64")
    if "value" in a:
        return one_of(length, pa.int64(), [a["value"]])
    return _within(length, pa.int64(), a)


def pair_greater(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """A is greater than B."""
    first, second = (cell(rows, table, a[name]) for name in ("column_A", "column_B"))
    return first >= second if a.get("or_equal") else first > second


def pair_equal(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """A equals B."""
    return cell(rows, table, a["column_A"]) == cell(rows, table, a["column_B"])


def pair_in_set(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The pair is one of `value_pairs_set`, where a null is a value."""
    if not a["value_pairs_set"]:
        return ibis.literal(a["value_pairs_set"] is None)
    return reduce(or_, [_is_pair(rows, table, a, pair) for pair in a["value_pairs_set"]])


def sum_equal(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """The columns add up to `sum_total`; exact, but for floats."""
    kinds = [table.columns[name].arrow for name in a["column_list"]]
    cells = [cell(rows, table, name) for name in a["column_list"]]
    if any(pa.types.is_floating(kind) for kind in kinds):
        return reduce(lambda x, y: x + y, [item.cast("float64") for item in cells]) == float(a["sum_total"])
    scale = max(kind.scale if pa.types.is_decimal(kind) else 0 for kind in kinds)
    total = fit(pa.decimal128(38, scale), a["sum_total"])
    if not total.exact:
        return ibis.literal(False)
    # a digit to spare for each column, so that no engine widens the type
    wide = ibis.dtype(pa.decimal128(_WIDE, scale))
    most = _WIDE - scale - len(str(len(cells)))
    large = {place: _exceeds(cells[place], kind, most) for place, kind in enumerate(kinds) if _digits(kind) > most}
    parts = [ibis.ifelse(large[place], 0, item) if place in large else item for place, item in enumerate(cells)]
    summed = reduce(lambda x, y: (x + y).cast(wide), [item.cast(wide) for item in parts])
    # what is too large to be added up is not what is expected either
    return reduce(and_, [~each for each in large.values()], summed == literal(pa.decimal128(38, scale), total.value))


def _digits(kind: pa.DataType) -> int:
    """Most digits a number of that type has before the point."""
    return kind.precision - kind.scale if pa.types.is_decimal(kind) else _INTEGER


def _exceeds(column: ir.Value, kind: pa.DataType, digits: int) -> ir.BooleanValue:
    """Whether a number has more digits before the point."""
    bound = literal(kind, 10 ** max(digits, 0))
    return ((column >= bound) | (column <= -bound)).fill_null(False)


def all_equal(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """All columns of the list hold the same, or nothing."""
    first, *others = (cell(rows, table, name) for name in a["column_list"])
    return reduce(and_, [_same(first, other) for other in others])


def all_different(rows: ir.Table, table: Table, a: Arguments) -> ir.BooleanValue:
    """No two columns of the list hold the same; two nulls are the same."""
    cells = [cell(rows, table, name) for name in a["column_list"]]
    return ~reduce(or_, [_same(first, second) for first, second in combinations(cells, 2)])


def _there(rows: ir.Table, table: Table, name: str) -> ir.BooleanValue:
    """Whether there is a value: `cell` is not null, said without computing it."""
    column = rows[name]
    if pa.types.is_floating(table.columns[name].arrow):
        return column.notnull() & ~column.isnan()
    return column.notnull()


def text_of(rows: ir.Table, name: str) -> ir.StringValue:
    """A column as text."""
    column = rows[name]
    return column if column.type().is_string() else column.cast("string")


def like_regex(pattern: str, escape: str | None) -> str:
    """The RE2 and Java pattern that means what LIKE `pattern` means; engines differ in LIKE's escapes.

    Raises:
        ValueError: the escape stands before nothing.
    """
    out, signs = [], iter(pattern)
    for sign in signs:
        if sign == escape:
            out.append(_quoted(_next(signs)))
        else:
            out.append({"%": ".*", "_": "."}.get(sign) or _quoted(sign))
    return f"(?s)^{''.join(out)}\\z"


def _next(signs: Any) -> str:
    sign = next(signs, None)
    if sign is None:
        raise ValueError("a pattern that does not end with its escape character")
    return str(sign)


def _quoted(sign: str) -> str:
    return re.escape(sign) if sign.isascii() else sign


def _within(value: ir.Value, kind: pa.DataType, a: Arguments) -> ir.BooleanValue:
    tests = []
    if a.get("min_value") is not None:
        tests.append(at_least(value, kind, a["min_value"], strict=bool(a.get("strict_min"))))
    if a.get("max_value") is not None:
        tests.append(at_most(value, kind, a["max_value"], strict=bool(a.get("strict_max"))))
    return reduce(and_, tests)


def _is_pair(rows: ir.Table, table: Table, a: Arguments, pair: Sequence[Any]) -> ir.BooleanValue:
    tests = []
    for name, value in zip((a["column_A"], a["column_B"]), pair, strict=True):
        column = cell(rows, table, name)
        tests.append(
            column.isnull() if value is None else column.notnull() & one_of(column, table.columns[name].arrow, [value])
        )
    return reduce(and_, tests)


def _same(first: ir.Value, second: ir.Value) -> ir.BooleanValue:
    return (first == second).fill_null(False) | (first.isnull() & second.isnull())
