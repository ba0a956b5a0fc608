"""The checks of a contract: expectations in Great Expectations' vocabulary, with what a failure does.

`parse` reads the `checks:` of a table and the suites it names, and finds everything that is wrong with them.
What an expectation means belongs to `vocabulary` and the rooms it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import ibis.expr.types as ir

from potable.columns import is_re2
from potable.contracts import conditions, rowwise
from potable.contracts.arguments import Wrong, named_columns, wrong
from potable.contracts.custom import Custom
from potable.contracts.suites import PARAMETER, Item, Suite
from potable.contracts.values import JUDGES
from potable.contracts.vocabulary import COMMON, EXPECTATIONS, LEFT_OUT, NO_CONDITION, NULLS, Expectation
from potable.declarations import Document
from potable.errors import MissingExtra, Place, PotableError, ProjectError, did_you_mean
from potable.tables import Limit, Table


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
    custom: Custom | None = None
    """The class of a plug-in it is one of; `expectation` is then the one of GX that the class sets arguments of."""

    @property
    def name(self) -> str:
        """How the contract calls it."""
        return self.custom.name if self.custom else self.expectation

    @property
    def word(self) -> Expectation:
        """Its entry of the vocabulary."""
        return self.custom.word if self.custom else EXPECTATIONS[self.expectation]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the check reads."""
        return named_columns(self.word, self.arguments)

    @property
    def reason(self) -> str:
        """Short name for quarantine records and reports."""
        short = self.name.removeprefix("expect_").removeprefix("column_").removeprefix("values_to_")
        return f"{short}:{','.join(self.columns)}"

    @property
    def is_row_check(self) -> bool:
        """Whether it judges single rows by themselves."""
        return self.word.kind == "row"

    @property
    def about_nulls(self) -> bool:
        """Whether a null is what it judges, rather than nothing to judge."""
        return self.expectation in NULLS

    @property
    def through_gx(self) -> bool:
        """Whether Great Expectations judges it."""
        return self.custom is not None and self.custom.through_gx

    @property
    def by_value(self) -> bool:
        """Whether only Python can judge it."""
        if self.through_gx:
            return self.is_row_check
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


_OWN = ("mostly", "at_most")
_MEANING = ("mostly", "row_condition", "condition_parser")
_FILL = "write the value in its place, or into the suite's `evaluation_parameters` (GX 1.x: `suite_parameters`)"
_FORMER = {
    "parse_strings_as_datetimes": "remove it, and declare the column's `type` as date or timestamp, with its `format`",
    "allow_cross_type_comparisons": "remove it: values and bounds are of the column's declared type",
    "auto": "remove it, and write the values that it found",
    "profiler_config": "remove it, and write the values that it found",
}
"""What to do about arguments of earlier GX."""
_GX_SEVERITIES = {"critical": None, "warning": "warn", "info": "warn"}


def parse(
    name: str,
    table: Table,
    document: Document | None = None,
    suite: Suite | None = None,
    tables: Mapping[str, Table] | None = None,
    customs: Mapping[str, Custom] | None = None,
) -> tuple[list[Check], list[PotableError]]:
    """The checks of a table's contract, and everything that is wrong with them.

    Args:
        name: the table's name inside its source's document.
        suite: the expectations of the table's `suite`, which follow its own checks.
        tables: all tables of the project by `source.table`, for checks that look at another one.
        customs: expectation classes of the project's plug-ins, by name.
    """
    checks: list[Check] = []
    errors: list[PotableError] = []

    def take(declared: Any, place: Callable[[str], Place | None], *, of_gx: bool = False) -> None:
        custom = _custom_of(declared, customs or {})
        item = _as_native(declared, custom) if custom else declared
        found = list(_wrong(item, table, tables, custom, of_gx=of_gx))
        errors.extend(
            ProjectError(each.problem, "P020", place=place(each.argument), hint=each.hint, allowed=_allowed(each))
            for each in found
        )
        if not found:
            ((expectation, given),) = item.items()
            checks.append(_check(expectation, given, table, custom))
            if checks[-1].through_gx and not find_spec("great_expectations"):
                errors.append(_without_gx(place("")))

    for index, item in enumerate(table.checks):
        take(item, _placed(document, name, index, item))
    for entry in suite.items if suite else ():
        take(_of_gx(entry), _in_suite(entry), of_gx=True)
    return checks, errors


def _custom_of(declared: Any, customs: Mapping[str, Custom]) -> Custom | None:
    name = next(iter(declared)) if isinstance(declared, Mapping) and len(declared) == 1 else None
    return customs.get(name) if isinstance(name, str) else None


def _as_native(declared: Mapping[str, Any], custom: Custom) -> dict[str, Any]:
    """A check by a class of a plug-in, with the arguments the class sets, as one of what the class is."""
    ((_, given),) = declared.items()
    return {custom.core or custom.name: {**custom.defaults, **(given or {})} if _by_name(given) else given}


def _by_name(given: Any) -> bool:
    return given is None or isinstance(given, Mapping)


def _without_gx(place: Place | None) -> MissingExtra:
    failure = MissingExtra("great_expectations", "gx")
    failure.place = place
    return failure


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


def _check(expectation: str, given: Any, table: Table, custom: Custom | None) -> Check:
    given, word = given or {}, custom.word if custom else EXPECTATIONS[expectation]
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
        custom,
    )


def _allowed(found: Wrong) -> str:
    listed = found.problem.startswith(("a check is", "unknown expectation"))
    more = "all checks are in docs/reference/expectations.md; `plugins:` in potable.yaml adds modules with your own"
    return more if listed else ""


def _wrong(
    item: Any, table: Table, tables: Mapping[str, Table] | None, custom: Custom | None, *, of_gx: bool
) -> Iterator[Wrong]:
    if not isinstance(item, Mapping) or len(item) != 1:
        yield Wrong("", "a check is one expectation with its arguments")
        return
    expectation, given = next(iter(item.items()))
    if custom and custom.refused:
        yield Wrong("", f"`{custom.name}` in {custom.place} cannot be run: {custom.refused}")
        return
    if not custom and expectation not in EXPECTATIONS:
        yield _unknown(expectation)
        return
    if not _by_name(given):
        yield Wrong("", f"`{expectation}` needs its arguments by name")
        return
    if left := [key for key, value in (given or {}).items() if isinstance(value, Mapping) and PARAMETER in value]:
        for key in left:
            told = f"`{expectation}`: no value is given for the parameter `{given[key][PARAMETER]}` of `{key}`"
            yield Wrong(key, told, _FILL)
        return
    given, word = given or {}, custom.word if custom else EXPECTATIONS[expectation]
    own = {key: value for key, value in given.items() if key in word.arguments}
    common = {*COMMON, *(_OWN if word.counts_rows else ())} | ({"mostly"} if of_gx else set())
    unknown = [key for key in given if key not in own and key not in common]
    for key in unknown:
        hint = _FORMER.get(key) or did_you_mean(key, [*word.arguments, *common])
        yield Wrong(key, f"`{expectation}` has no argument `{key}`", hint)
    # what is missing may be what is misspelt
    yield from (each for each in wrong(expectation, word, own, table, tables) if each.argument or not unknown)
    yield from _wrong_common(expectation, word, given, table, of_gx=of_gx)


def _unknown(expectation: Any) -> Wrong:
    if expectation in LEFT_OUT:
        return Wrong("", f"`{expectation}` cannot be run: {LEFT_OUT[expectation]}")
    hint = did_you_mean(str(expectation), EXPECTATIONS) or (
        "if it is a class of your own, name its module under `plugins` in potable.yaml"
    )
    return Wrong("", f"unknown expectation `{expectation}`", hint)


def _wrong_common(
    expectation: str, word: Expectation, given: Mapping[str, Any], table: Table, *, of_gx: bool
) -> Iterator[Wrong]:
    mostly = given.get("mostly")
    if mostly is not None and (isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 <= mostly <= 1):
        yield Wrong("mostly", f"`{expectation}`: `mostly` must be a share between 0 and 1")
    severity = given.get("severity")
    if severity is not None and not (of_gx and severity in (*_GX_SEVERITIES,)) and severity not in word.severities:
        hint = ""
        if severity == "quarantine":
            hint = "it compares rows, or checks the table as a whole, so it cannot quarantine single rows"
        yield Wrong("severity", f"`{expectation}`: `severity` must be one of {', '.join(word.severities)}", hint)
    if given.get("at_most") is not None:
        try:
            Limit.parse(given["at_most"])
        except ValueError as problem:
            yield Wrong("at_most", f"`{expectation}`: `at_most` must be {problem}")
    if given.get("row_condition"):
        if expectation.startswith(NO_CONDITION):
            yield Wrong("row_condition", f"`{expectation}` does not check rows, so it cannot have a condition")
        try:
            conditions.read(given["row_condition"], given.get("condition_parser"), table)
        except ValueError as problem:
            yield Wrong("row_condition", f"`{expectation}`: {problem}")
