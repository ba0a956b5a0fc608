"""A contract as a suite of Great Expectations 1.x, and a suite as a contract.

Expectations are written with GX's own arguments; what only a contract says of a check (what a failure does, how many
may fail) stands in its `meta`, so that what was exported is imported as it was. What GX has no argument for but can
judge (types, required columns, keys) becomes an expectation, marked as such.

Entry: `to_suite`, `from_suite`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from potable.contracts.arguments import TYPES, named_columns
from potable.contracts.odcs import plain
from potable.contracts.suites import Item, Suite
from potable.contracts.vocabulary import EXPECTATIONS, Expectation
from potable.tables import Table

GX_VERSION = "1.24.0"
_MARK = "potable"
_OURS = ("severity", "at_most")
"""Arguments of ours that GX does not know, or means otherwise."""
_IGNORE = "ignore_row_if"
"""Of pairs, GX ignores by default those with two nulls, and a contract those with one."""
_NOT_NULL = "expect_column_values_to_not_be_null"
_UNIQUE, _COMPOUND = "expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"
_TYPE = "expect_column_values_to_be_of_type"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?![^T ])")
"""How GX writes a date, and the beginning of a moment."""


def to_suite(name: str, table: Table, own: Suite | None = None) -> dict[str, Any]:
    """The checks of a table (`source.table`) as the JSON of a suite, with its required columns and keys.

    Types are left out: what GX calls them depends on where it runs. So are keys that must exist in another table, for
    which GX has no expectation; the suite's `meta` lists them.

    Args:
        own: the suite the table names, whose expectations go with its checks as they are.
    """
    alien = [check for check in table.checks if _is_ours(next(iter(check)))]
    found = [_entry(check) for check in table.checks if check not in alien]
    found += [_as_it_is(item) for item in own.items] if own else []
    found += [_implied(_NOT_NULL, {"column": key}) for key, column in table.columns.items() if column.required]
    if len(table.unique) == 1:
        found.append(_implied(_UNIQUE, {"column": table.unique[0]}))
    elif table.unique:
        found.append(_implied(_COMPOUND, {"column_list": list(table.unique)}))
    return {
        "name": name,
        "id": None,
        "expectations": found,
        "meta": {"great_expectations_version": GX_VERSION, **({_MARK: {"left_out": plain(alien)}} if alien else {})},
        "notes": None,
    }


def from_suite(suite: Suite) -> tuple[dict[str, Any], list[str]]:
    """What a suite says of a table, as a source's file declares it, and the expectations that were left.

    Columns are those the suite names; a type is given where the suite gives one.
    """
    columns: dict[str, dict[str, Any]] = {}
    unique: list[str] = []
    checks: list[dict[str, Any]] = []
    left: list[str] = []
    for item in suite.items:
        word = EXPECTATIONS.get(item.expectation)
        if word is None or not _names(word, item.arguments):
            left.append(f"`{item.expectation}`")
            continue
        arguments, marked = _unmarked(item.arguments)
        if not marked and _of_pair(arguments):
            arguments.setdefault(_IGNORE, "both_values_are_missing")
        for name in _named(item.expectation, arguments):
            columns.setdefault(name, {})
        if item.expectation == _NOT_NULL and (marked.get("implied") or set(arguments) == {"column"}):
            columns[arguments["column"]]["required"] = True
        elif item.expectation in (_UNIQUE, _COMPOUND) and marked.get("implied"):
            unique = [arguments["column"]] if item.expectation == _UNIQUE else list(arguments["column_list"])
        elif item.expectation == _TYPE and (kind := _kind(arguments.get("type_", ""))):
            columns[arguments["column"]]["type"] = kind
        else:
            checks.append({item.expectation: arguments})
    _take_left_out(suite, columns, checks)
    for name, column in columns.items():
        if "type" not in column and (kind := _guessed(name, checks)):
            column["type"] = kind
    parts: dict[str, Any] = {"columns": columns, "unique": unique, "checks": checks}
    return {key: value for key, value in parts.items() if value}, left


def _take_left_out(suite: Suite, columns: dict[str, dict[str, Any]], checks: list[dict[str, Any]]) -> None:
    """Take over the checks that an export could only list."""
    for check in suite.left_out:
        for expectation, given in check.items() if isinstance(check, Mapping) and len(check) == 1 else ():
            if expectation in EXPECTATIONS and isinstance(given, Mapping) and _names(EXPECTATIONS[expectation], given):
                checks.append({expectation: dict(given)})
                columns |= {name: {} for name in _named(expectation, given) if name not in columns}


def _entry(check: Mapping[str, Any]) -> dict[str, Any]:
    ((expectation, given),) = check.items()
    given = given or {}
    kwargs = {key: value for key, value in given.items() if key not in (*_OURS, "meta", "notes")}
    mark: dict[str, Any] = {key: given[key] for key in (*_OURS, "meta") if key in given}
    if _of_pair(kwargs) and _IGNORE not in kwargs:
        kwargs[_IGNORE] = "either_value_is_missing"
        mark["defaults"] = [_IGNORE]
    severity = {"severity": "warning" if given.get("severity") == "warn" else "critical"}
    notes = {"notes": given["notes"]} if "notes" in given else {}
    return {"type": expectation, "kwargs": plain(kwargs), "meta": {_MARK: plain(mark)}, **severity, **notes}


def _as_it_is(item: Item) -> dict[str, Any]:
    kwargs = {key: value for key, value in item.arguments.items() if key not in ("severity", "meta")}
    severity = item.arguments.get("severity", "critical")
    return {"type": item.expectation, "kwargs": kwargs, "meta": item.arguments.get("meta", {}), "severity": severity}


def _of_pair(arguments: Mapping[str, Any]) -> bool:
    return "column_B" in arguments


def _is_ours(expectation: str) -> bool:
    """Whether GX has no such expectation; one that the vocabulary does not know is a class of a plug-in."""
    return expectation in EXPECTATIONS and EXPECTATIONS[expectation].kind == "key"


def _implied(expectation: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {"type": expectation, "kwargs": kwargs, "meta": {_MARK: {"implied": True}}, "severity": "critical"}


def _unmarked(given: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The arguments of an expectation as a check of ours gives them, and our mark of it."""
    meta = given.get("meta")
    if not isinstance(meta, Mapping) or not isinstance(meta.get(_MARK), Mapping):
        severity = {"severity": "warn"} if given.get("severity") in ("warning", "info") else {}
        return {**{key: value for key, value in given.items() if key != "severity"}, **severity}, {}
    mark: Mapping[str, Any] = meta[_MARK]
    defaults = mark.get("defaults")
    apart = ("severity", "meta", *(defaults if isinstance(defaults, list) else ()))
    own = {key: value for key, value in given.items() if key not in apart}
    return {**own, **{key: mark[key] for key in (*_OURS, "meta") if key in mark}}, {"ours": True, **mark}


def _names(word: Expectation, arguments: Mapping[str, Any]) -> bool:
    """Whether the columns and types that an expectation is about are named by texts, or by lists of texts."""
    for key, argument in word.arguments.items():
        value = arguments.get(key)
        absent = value is None and (argument.kind == "texts" or not argument.needed)
        if argument.kind in ("column", "text") and not (absent or isinstance(value, str)):
            return False
        if argument.kind in ("columns", "texts") and not (absent or _is_list_of_names(value)):
            return False
    return True


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str | None) for each in value)


def _named(expectation: str, arguments: Mapping[str, Any]) -> Sequence[str]:
    listed = [*(arguments.get("column_list") or ()), *(arguments.get("column_set") or ())]
    one = [arguments["column"]] if expectation == "expect_column_to_exist" else []
    return [*named_columns(EXPECTATIONS[expectation], arguments), *one, *(name for name in listed if name)]


def _kind(name: str) -> str:
    """Our type for a name of one; empty where there is none, or none that says how many digits."""
    bare = name.strip().lower()
    return next((kind for kind, names in TYPES.items() if bare in names and kind != "decimal"), "")


def _guessed(name: str, checks: Sequence[Mapping[str, Any]]) -> str:
    """A type that the bounds of a column ask for."""
    for check in checks:
        ((expectation, given),) = check.items()
        word = EXPECTATIONS[expectation]
        # of lengths and counts they say nothing about the values
        of_values = "min_value" in word.arguments and (
            word.arguments["min_value"].kind == "value" or word.families == ("number",)
        )
        mine = of_values and given.get("column") == name
        bounds = [given.get("min_value"), given.get("max_value")] if mine else []
        if any(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds):
            return "float"
        if any(isinstance(bound, str) and _DAY.match(bound) for bound in bounds):
            return "date" if all(_DAY.fullmatch(str(bound)) for bound in bounds if bound) else "timestamp"
    return ""
