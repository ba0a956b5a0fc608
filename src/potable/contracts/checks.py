"""The checks of a contract: expectations in Great Expectations' vocabulary, with what a failure does.

`parse` reads the `checks:` of a table and the suites it names, and finds everything that is wrong with them.
What an expectation means belongs to `vocabulary` and the rooms it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import ibis.expr.types as ir

from potable.contracts import conditions, rowwise
from potable.contracts.arguments import Wrong, named_columns, wrong
from potable.contracts.suites import Item, Suite
from potable.contracts.values import JUDGES
from potable.contracts.vocabulary import COMMON, EXPECTATIONS, LEFT_OUT, NO_CONDITION, Expectation
from potable.declarations import Document
from potable.errors import Place, PotableError, ProjectError, did_you_mean
from potable.tables import Limit, Table, is_re2


@dataclass(frozen=True)
class Check:
    """One expectation of a contract."""

    expectation: str
    arguments: Mapping[str, Any]
    mostly: float | None
    """Least share of the judged values that must pass; where it is given and missed, the run stops."""
    severity: str = "quarantine"
    """What a failure does: `warn`, `quarantine` or `stop`."""
    at_most: Limit | None = None
    """Most rows that may fail; beyond them the run stops."""
    condition: conditions.Condition | None = None
    """Which rows it is about; all by default."""
    declared: Mapping[str, Any] = field(default_factory=dict)
    """The arguments that decide what it means, as they were given."""

    @property
    def word(self) -> Expectation:
        """Its entry of the vocabulary."""
        return EXPECTATIONS[self.expectation]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the check reads."""
        return named_columns(self.word, self.arguments)

    @property
    def reason(self) -> str:
        """Short name for quarantine records and reports."""
        short = self.expectation.removeprefix("expect_").removeprefix("column_").removeprefix("values_to_")
        return f"{short}:{','.join(self.columns)}"

    @property
    def is_row_check(self) -> bool:
        """Whether it judges single rows by themselves."""
        return self.word.kind == "row"

    @property
    def about_nulls(self) -> bool:
        """Whether a null is what it judges, rather than nothing to judge."""
        return self.expectation in _NULLS

    @property
    def by_value(self) -> bool:
        """Whether only Python can judge it."""
        patterns = [self.arguments.get("regex"), *self.arguments.get("regex_list", [])]
        known = all(is_re2(pattern) for pattern in patterns if pattern is not None)
        return self.expectation in JUDGES and (self.word.rule is None or not known)

    def covers(self, rows: ir.Table, table: Table) -> ir.BooleanValue:
        """Whether each row is one the check is about."""
        return self.condition.holds(rows, table) if self.condition else conditions.everywhere()

    def judges(self, rows: ir.Table, table: Table) -> ir.BooleanValue:
        """Whether each row it is about has something to judge."""
        return conditions.everywhere() if self.about_nulls else rowwise.judged(rows, table, self.arguments)

    def fails(self, rows: ir.Table, table: Table) -> ir.BooleanValue:
        """Whether each row fails; of a row check that is not judged by value. Never null."""
        if self.about_nulls:
            there = rowwise.judged(rows, table, self.arguments)
            failed = there if self.expectation.endswith("to_be_null") and "not" not in self.expectation else ~there
        else:
            passes = self.word.rule(rows, table, self.arguments).fill_null(False)
            failed = rowwise.judged(rows, table, self.arguments) & ~passes
        return self.covers(rows, table) & failed if self.condition else failed


_NULLS = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")
_OWN = ("mostly", "at_most")
_MEANING = ("mostly", "row_condition", "condition_parser")
_GX_SEVERITIES = {"critical": None, "warning": "warn", "info": "warn"}


def parse(
    name: str,
    table: Table,
    document: Document | None = None,
    suite: Suite | None = None,
    tables: Mapping[str, Table] | None = None,
) -> tuple[list[Check], list[PotableError]]:
    """The checks of a table's contract, and everything that is wrong with them.

    Args:
        name: the table's name inside its source's document.
        suite: the expectations of the table's `suite`, which follow its own checks.
        tables: all tables of the project by `source.table`, for checks that look at another one.
    """
    checks: list[Check] = []
    errors: list[PotableError] = []

    def take(item: Any, place: Callable[[str], Place | None], *, of_gx: bool = False) -> None:
        found = list(_wrong(item, table, tables, of_gx=of_gx))
        errors.extend(
            ProjectError(each.problem, "P020", place=place(each.argument), hint=each.hint, allowed=_allowed(each))
            for each in found
        )
        if not found:
            ((expectation, given),) = item.items()
            checks.append(_check(expectation, given, table))

    for index, item in enumerate(table.checks):
        take(item, _placed(document, name, index, item))
    for entry in suite.items if suite else ():
        take(_of_gx(entry), _in_suite(entry), of_gx=True)
    return checks, errors


def _placed(document: Document | None, name: str, index: int, item: Any) -> Callable[[str], Place | None]:
    expectation = next(iter(item)) if isinstance(item, Mapping) and item else ""

    def place(argument: str) -> Place | None:
        key = ("tables", name, "checks", index, *([expectation, argument] if argument else []))
        return document.place(*key) if document else None

    return place


def _in_suite(entry: Item) -> Callable[[str], Place | None]:
    return lambda argument: Place(f"{entry.file}[{entry.index}]")


def _of_gx(entry: Item) -> dict[str, Any]:
    """An entry of a suite as a check, with GX's own defaults."""
    arguments = dict(entry.arguments)
    if "column_B" in arguments:
        arguments.setdefault("ignore_row_if", "both_values_are_missing")
    return {entry.expectation: arguments}


def _check(expectation: str, given: Any, table: Table) -> Check:
    given, word = given or {}, EXPECTATIONS[expectation]
    own = {key: value for key, value in given.items() if key in word.arguments}
    severity = _GX_SEVERITIES.get(given.get("severity"), given.get("severity"))
    condition = given.get("row_condition")
    mostly = given.get("mostly")
    return Check(
        expectation,
        {key: value for key, value in own.items() if value is not None or word.arguments[key].needed},
        None if mostly is None else float(mostly),
        severity or word.severities[0],
        Limit.parse(given["at_most"]) if given.get("at_most") is not None else None,
        conditions.read(condition, given.get("condition_parser"), table) if condition else None,
        {key: value for key, value in given.items() if key in own or key in _MEANING},
    )


def _allowed(found: Wrong) -> str:
    listed = found.problem.startswith(("a check is", "unknown expectation"))
    return "docs/reference/expectations.md lists them" if listed else ""


def _wrong(item: Any, table: Table, tables: Mapping[str, Table] | None, *, of_gx: bool) -> Iterator[Wrong]:
    if not isinstance(item, Mapping) or len(item) != 1:
        yield Wrong("", "a check is one expectation with its arguments")
        return
    expectation, given = next(iter(item.items()))
    if expectation not in EXPECTATIONS:
        yield _unknown(expectation)
        return
    if not isinstance(given or {}, Mapping):
        yield Wrong("", f"`{expectation}` takes arguments by name")
        return
    given, word = given or {}, EXPECTATIONS[expectation]
    own = {key: value for key, value in given.items() if key in word.arguments}
    common = {*COMMON, *(_OWN if word.counts_rows else ())} | ({"mostly"} if of_gx else set())
    unknown = [key for key in given if key not in own and key not in common]
    for key in unknown:
        hint = did_you_mean(key, [*word.arguments, *common])
        yield Wrong(key, f"`{expectation}` has no argument `{key}`", hint)
    # what is missing may be what is misspelt
    yield from (each for each in wrong(expectation, word, own, table, tables) if each.argument or not unknown)
    yield from _wrong_common(expectation, given, table, of_gx=of_gx)


def _unknown(expectation: Any) -> Wrong:
    if expectation in LEFT_OUT:
        return Wrong("", f"`{expectation}` cannot be run: {LEFT_OUT[expectation]}")
    hint = did_you_mean(str(expectation), EXPECTATIONS)
    return Wrong("", f"unknown expectation `{expectation}`", hint)


def _wrong_common(expectation: str, given: Mapping[str, Any], table: Table, *, of_gx: bool) -> Iterator[Wrong]:
    word = EXPECTATIONS[expectation]
    mostly = given.get("mostly")
    if mostly is not None and (isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 <= mostly <= 1):
        yield Wrong("mostly", f"`{expectation}`: `mostly` is a share between 0 and 1")
    severity = given.get("severity")
    if severity is not None and not (of_gx and severity in _GX_SEVERITIES) and severity not in word.severities:
        hint = ""
        if severity == "quarantine":
            hint = "it judges rows by other rows or the table as a whole, so no row of its own can be sent away"
        yield Wrong("severity", f"`{expectation}`: `severity` is one of {', '.join(word.severities)}", hint)
    if given.get("at_most") is not None:
        try:
            Limit.parse(given["at_most"])
        except ValueError as problem:
            yield Wrong("at_most", f"`{expectation}`: `at_most` is {problem}")
    if given.get("row_condition"):
        if expectation.startswith(NO_CONDITION):
            yield Wrong("row_condition", f"`{expectation}` is about no rows, so it has no condition")
        try:
            conditions.read(given["row_condition"], given.get("condition_parser"), table)
        except ValueError as problem:
            yield Wrong("row_condition", f"`{expectation}`: {problem}")


def share(count: int, of: int) -> Fraction:
    """`count` of `of`, exactly; nothing of nothing is nothing."""
    return Fraction(count, of) if of else Fraction(0)
