"""Expectations in Great Expectations' vocabulary, compiled to Ibis.

A row check becomes one boolean expression (true: the row passes; nulls pass, as in Great Expectations),
so that all checks of a table are one scan. A table check looks at the totals of that scan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from potable.declarations import Document
from potable.errors import PotableError, ProjectError, did_you_mean
from potable.tables import Table

Arguments = Mapping[str, Any]
RowRule = Callable[[ir.Table, Arguments], ir.BooleanValue]


@dataclass(frozen=True)
class Check:
    """One expectation of a contract."""

    expectation: str
    arguments: Mapping[str, Any]
    mostly: float | None
    """Least share of rows that must pass, or the run stops; None never stops, it quarantines."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the check reads."""
        named = [self.arguments[key] for key in ("column", "column_A", "column_B") if key in self.arguments]
        return (*named, *self.arguments.get("column_list", ()))

    @property
    def reason(self) -> str:
        """Short name for quarantine records and reports."""
        short = self.expectation.removeprefix("expect_").removeprefix("column_").removeprefix("values_to_")
        return f"{short}:{','.join(self.columns)}"

    @property
    def is_row_check(self) -> bool:
        """Whether it judges single rows."""
        return self.expectation in ROW_RULES

    def passes(self, rows: ir.Table) -> ir.BooleanValue:
        """Whether each row passes; null where the check says nothing."""
        return ROW_RULES[self.expectation][0](rows, self.arguments)


def parse(name: str, table: Table, document: Document | None = None) -> tuple[list[Check], list[PotableError]]:
    """The checks of a table's contract, and everything that is wrong with them.

    Args:
        name: the table's name inside its source's document.
    """
    checks: list[Check] = []
    errors: list[PotableError] = []
    for index, item in enumerate(table.checks):
        place = document.place("tables", name, "checks", index) if document else None
        problem = _problem(item, table)
        if problem:
            problem.place = place
            errors.append(problem)
            continue
        expectation, arguments = next(iter(item.items()))
        arguments = dict(arguments or {})
        mostly = arguments.pop("mostly", None)
        checks.append(Check(expectation, arguments, None if mostly is None else float(mostly)))
    return checks, errors


def _problem(item: Any, table: Table) -> ProjectError | None:
    known = {**ROW_RULES, **TABLE_RULES}
    if not isinstance(item, Mapping) or len(item) != 1:
        return ProjectError("a check is one expectation with its arguments", "P020", allowed=", ".join(known))
    expectation, arguments = next(iter(item.items()))
    if expectation not in known:
        hint = did_you_mean(expectation, known)
        return ProjectError(f"unknown expectation `{expectation}`", "P020", hint=hint, allowed=", ".join(known))
    arguments = arguments or {}
    needed, optional = known[expectation][1:]
    allowed = {*needed, *optional, "mostly", "meta"}
    for key in arguments:
        if key not in allowed:
            hint = did_you_mean(key, allowed)
            return ProjectError(f"`{expectation}` has no argument `{key}`", "P020", hint=hint)
    if missing := [key for key in needed if key not in arguments]:
        return ProjectError(f"`{expectation}` needs `{missing[0]}`", "P020")
    for column in Check(expectation, arguments, None).columns:
        if column not in table.columns:
            hint = did_you_mean(column, table.columns)
            return ProjectError(f"`{expectation}` names no column of the table: `{column}`", "P020", hint=hint)
    return None


def _between(rows: ir.Table, a: Arguments) -> ir.BooleanValue:
    column = rows[a["column"]]
    tests = []
    if a.get("min_value") is not None:
        low = _literal(column, a["min_value"])
        tests.append(column > low if a.get("strict_min") else column >= low)
    if a.get("max_value") is not None:
        high = _literal(column, a["max_value"])
        tests.append(column < high if a.get("strict_max") else column <= high)
    return _all(tests)


def _lengths(rows: ir.Table, a: Arguments) -> ir.BooleanValue:
    length = rows[a["column"]].cast("string").length()
    low, high = a.get("min_value", 0), a.get("max_value")
    return _all([length >= low, *([length <= high] if high is not None else [])])


def _pair_greater(rows: ir.Table, a: Arguments) -> ir.BooleanValue:
    first, second = rows[a["column_A"]], rows[a["column_B"]]
    return first >= second if a.get("or_equal") else first > second


def _in_set(rows: ir.Table, a: Arguments) -> ir.BooleanValue:
    column = rows[a["column"]]
    return column.isin([_literal(column, value) for value in a["value_set"]])


def _all(tests: list[ir.BooleanValue]) -> ir.BooleanValue:
    out = tests[0] if tests else ibis.literal(True)
    for test in tests[1:]:
        out = out & test
    return out


def _literal(column: ir.Value, value: Any) -> ir.Value:
    return ibis.literal(str(value) if column.type().is_temporal() else value).cast(column.type())


_BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
ROW_RULES: dict[str, tuple[RowRule, tuple[str, ...], tuple[str, ...]]] = {
    "expect_column_values_to_not_be_null": (lambda t, a: t[a["column"]].notnull(), ("column",), ()),
    "expect_column_values_to_be_null": (lambda t, a: t[a["column"]].isnull(), ("column",), ()),
    "expect_column_values_to_be_between": (_between, ("column",), _BOUNDS),
    "expect_column_values_to_be_in_set": (_in_set, ("column", "value_set"), ()),
    "expect_column_values_to_not_be_in_set": (lambda t, a: ~_in_set(t, a), ("column", "value_set"), ()),
    "expect_column_values_to_match_regex": (
        lambda t, a: t[a["column"]].re_search(a["regex"]),
        ("column", "regex"),
        (),
    ),
    "expect_column_values_to_not_match_regex": (
        lambda t, a: ~t[a["column"]].re_search(a["regex"]),
        ("column", "regex"),
        (),
    ),
    "expect_column_value_lengths_to_be_between": (_lengths, ("column",), ("min_value", "max_value")),
    "expect_column_pair_values_a_to_be_greater_than_b": (_pair_greater, ("column_A", "column_B"), ("or_equal",)),
    "expect_column_pair_values_to_be_equal": (
        lambda t, a: t[a["column_A"]] == t[a["column_B"]],
        ("column_A", "column_B"),
        (),
    ),
}
"""Row expectations: expression, needed arguments, optional arguments."""

TABLE_RULES: dict[str, tuple[Callable[[int, Arguments], bool], tuple[str, ...], tuple[str, ...]]] = {
    "expect_table_row_count_to_be_between": (
        lambda rows, a: a.get("min_value", 0) <= rows <= a.get("max_value", rows),
        (),
        ("min_value", "max_value"),
    ),
    "expect_table_row_count_to_equal": (lambda rows, a: bool(rows == a["value"]), ("value",), ()),
}
"""Table expectations: test of the row count, needed arguments, optional arguments."""
