"""Declared tests of a contract: whether they are valid, and what values the columns they leave out get.

Running them belongs to `runs.contract_tests`. Entry: `wrong_tests` finds what is wrong when the project is read,
`filled` completes a row. Rows that tests of features give are checked and completed by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import pyarrow as pa

from potable.contracts.checks import Check
from potable.contracts.deletions import NO_KEY
from potable.contracts.fitting import fit
from potable.contracts.masks import rules_of
from potable.declarations import Document
from potable.errors import PotableError, ProjectError, did_you_mean
from potable.tables import Column, ContractTest, Outcome, Table

Problem: TypeAlias = tuple[tuple[str | int, ...], str, str]
"""Key below what is looked at, problem, and hint."""
QUARANTINE_LIMIT = "quarantine()"
"""How `stopped` names the table's limit of quarantined rows."""
OF_LIMIT = "`quarantine: at_most`"
"""How errors name it."""
_DAY = date(2020, 1, 1)
_BETWEEN, _IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"


class Typed(str):
    """A text that is a column's value already, and not what a source would give."""

    __slots__ = ()


def wrong_tests(name: str, table: Table, checks: Sequence[Check], document: Document) -> list[PotableError]:
    """Everything that is wrong with the tests of table `name` of a source's document, each with its place."""
    found: list[PotableError] = []
    for index, test in enumerate(table.tests):
        for key, problem, hint in _wrong(test, table, checks):
            place = document.place("tables", name, "tests", index, *key)
            found.append(ProjectError(f"test `{test.name}`: {problem}", "P021", place=place, hint=hint))
    return found


def outcomes(test: ContractTest) -> list[Outcome]:
    """What must become of each row; an empty outcome is that it passes as it is."""
    listed = test.expect if isinstance(test.expect, list) else [test.expect] * len(test.rows)
    return [Outcome.model_construct() if outcome == "passes" else outcome for outcome in listed]


def filled(row: Mapping[str, Any], table: Table, checks: Sequence[Check], number: int) -> dict[str, Any]:
    """A value for every column of a test's row: what it says, a likely valid value where one is required, else null.

    Args:
        number: the row's place in its test; columns of the table's `unique` differ by it.
    """
    values: dict[str, Any] = {}
    for name, column in table.columns.items():
        if name in row:
            values[name] = row[name]
        else:
            step = number if name in table.unique else 0
            values[name] = likely(name, column, checks, step) if column.required else None
    return values


def _wrong(test: ContractTest, table: Table, checks: Sequence[Check]) -> Iterator[Problem]:
    """Key below the test, problem and hint of everything that is wrong with it."""
    for index, row in enumerate(test.rows):
        yield from (((("rows", index, *key)), problem, hint) for key, problem, hint in wrong_cells(row, table))
    reasons = _reasons(table, checks)
    listed = test.expect if isinstance(test.expect, list) else [test.expect]
    for index, outcome in enumerate(listed):
        if not isinstance(outcome, Outcome):
            continue
        at: tuple[str | int, ...] = ("expect", index) if isinstance(test.expect, list) else ("expect",)
        yield from (((*at, *key), problem, hint) for key, problem, hint in _wrong_outcome(outcome, table, reasons))
    stops = _stops(checks, table)
    for each in test.stopped or ():
        if each not in stops:
            hint = did_you_mean(each, stops) or f"checks of this table: {', '.join(stops)}"
            yield ("stopped",), f"no check of the table that stops a run has the name `{each}`", hint


def _wrong_outcome(outcome: Outcome, table: Table, reasons: Sequence[str]) -> Iterator[Problem]:
    """Key below the outcome, problem and hint of everything that can never become of a row."""
    for reason in outcome.quarantined:
        if reason not in reasons:
            hint = did_you_mean(reason, reasons) or f"reasons of this table: {', '.join(reasons)}"
            yield ("quarantined",), f"the table never quarantines a row for `{reason}`", hint
    for column in outcome.nulled:
        if column not in table.columns or table.columns[column].on_error != "null":
            hint = (
                did_you_mean(column, table.columns) if column not in table.columns else "it does not declare `on_error`"
            )
            yield ("nulled",), f"`{column}` is not a column whose cells can be set to null", hint
    if outcome.deleted and not table.deletion:
        yield ("deleted",), "no row of the table can be deleted by another row", "its source declares no `deleted`"
    gives = wrong_cells(outcome.gives, table, typed=True)
    yield from ((("gives", *key), problem, hint) for key, problem, hint in gives)


def wrong_cells(row: Mapping[str, Any], table: Table, *, typed: bool = False) -> Iterator[Problem]:
    """Key, problem and hint of every wrong cell of a row, in which texts are of the source unless it is `typed`."""
    for name, value in row.items():
        if name not in table.columns:
            yield (name,), f"the table has no column `{name}`", did_you_mean(name, table.columns)
        elif value is not None and (typed or not isinstance(value, str)):
            try:
                exact = fit(table.columns[name].arrow, value).exact
                kind = table.columns[name].type
                wanted = f"{'an' if kind == 'integer' else 'a'} {kind}"
            except ValueError as failure:
                exact, wanted = False, str(failure)
            if not exact:
                hint = "" if typed else "put it in quotes to give the text as the source has it"
                yield (
                    (name,),
                    f"`{name}` has type {table.columns[name].type}, but the value does not; it takes {wanted}",
                    hint,
                )


def _reasons(table: Table, checks: Sequence[Check]) -> list[str]:
    """Why a row may be quarantined, as tests name it."""
    found = [rule.reason for rule in rules_of(table, checks) if rule.costs_row and rule.reason != "mistyped"]
    mistyped = [f"mistyped:{name}" for name, column in table.columns.items() if column.on_error == "quarantine"]
    of_keys = [*(["duplicate"] if table.unique else []), *([NO_KEY] if table.deletion else [])]
    return [*dict.fromkeys([*found, *mistyped]), *of_keys]


def _stops(checks: Sequence[Check], table: Table) -> list[str]:
    """What may stop a run, as tests name it."""
    limit = [QUARANTINE_LIMIT] if table.quarantine.limit else []
    return [*dict.fromkeys(check.expectation for check in checks), *limit]


def likely(name: str, column: Column, checks: Sequence[Check], step: int) -> Any:
    """A value of the column that its own sets and bounds allow, `step` beyond the first; texts are `Typed`."""
    value = _likely(name, column, checks, step)
    return Typed(value) if isinstance(value, str) else value


def _likely(name: str, column: Column, checks: Sequence[Check], step: int) -> Any:
    own = [check for check in checks if check.columns == (name,) and check.condition is None]
    if column.levels:
        return column.levels[min(step, len(column.levels) - 1)]
    for check in own:
        if check.expectation == _IN_SET and (members := _members(check, column.arrow)):
            return members[min(step, len(members) - 1)]
    if column.type == "string":
        return f"{name}-{step + 1}"
    if column.type == "boolean":
        return False
    low, high = _bounds(own, column.arrow)
    if pa.types.is_date(column.arrow) or pa.types.is_timestamp(column.arrow):
        first = low if low is not None else _DAY if high is None or high >= _DAY else high - timedelta(days=step)
        return first + timedelta(days=step)
    first = low if low is not None else 1 if high is None or high >= 1 else high - step
    return first + step


def _members(check: Check, kind: pa.DataType) -> list[Any]:
    fitted = [fit(kind, value) for value in check.arguments["value_set"] or () if value is not None]
    return [item.value for item in fitted if item.exact]


def _bounds(checks: Sequence[Check], kind: pa.DataType) -> tuple[Any, Any]:
    """The lowest and highest value that the checks of one column allow, where they say so."""
    low = high = None
    for check in checks:
        if check.expectation == _BETWEEN:
            bounds = [check.arguments.get(key) for key in ("min_value", "max_value")]
            least, most = (None if bound is None else fit(kind, bound) for bound in bounds)
            if least is not None:
                # the value that fits is not above the bound
                above = not least.exact or bool(check.arguments.get("strict_min"))
                value = _next(least.value) if above else least.value
                low = value if low is None else max(low, value)
            if most is not None:
                high = most.value if high is None else min(high, most.value)
    return _day(low), _day(high)


def _next(value: Any) -> Any:
    return value + (timedelta(days=1) if isinstance(value, date) else 1)


def _day(value: Any) -> Any:
    """Moments as days, so that they can be compared with a day."""
    return value.date() if isinstance(value, datetime) else value
