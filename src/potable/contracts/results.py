"""Results of checks in Great Expectations' terms, and what they stop.

Values of columns that have a privacy category are shown as their shape, `Aa99`, wherever a result would show
them; so are texts of harmless columns (`unmasked`), for what breaks a check was not declared and the search for
identifiers comes later. What stays are numbers, words of headings and words of the contract. Counting belongs to
`validate`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir

from potable.contracts.aggregates import Finding, within
from potable.contracts.arguments import is_type
from potable.contracts.checks import Check
from potable.contracts.findings import Result as Result
from potable.contracts.unique import Counted
from potable.headings import tells_nobody, words
from potable.tables import Table

_LONGEST = 40
"""Characters of a shape that are shown."""
SHARED, SHARE = 20, 100
"""Records that must share a text before it is nobody's own, and of how many one must have it."""
_SIGNS = (("[0-9]", "9"), ("[A-Z]", "A"), ("[a-z]", "a"), ("[^\\x00-\\x7F]", "x"))


def of_counts(check: Check, counted: Counted, table: Table, *, cell: bool = False) -> Result:
    """The result of a check that judges rows."""
    share = _share(counted.unexpected, counted.judged)
    success = not counted.judged or (counted.judged - counted.unexpected) / counted.judged >= (
        1.0 if check.mostly is None else check.mostly
    )
    result = Result(
        check.name,
        check.columns,
        success,
        counted.elements,
        counted.unexpected,
        check.mostly,
        "null" if cell and check.severity == "quarantine" else check.severity,
        missing_count=None if check.about_nulls else counted.elements - counted.judged,
        unexpected_percent=share,
        unexpected_percent_total=_share(counted.unexpected, counted.elements),
        partial_unexpected_list=[
            shown(check.columns, value, table, own_words(check.declared)) for value in counted.some
        ],
        arguments=plain(check.declared),
        allowed=_allowed(check),
    )
    return replace(result, action="stop") if exceeds(check, result) else result


def of_finding(check: Check, found: Finding, elements: int, table: Table) -> Result:
    """The result of a check of a column as a whole."""
    columns, own = check.columns, own_words(check.declared)
    missing = {"partial_missing_list": plain(found.missing)} if "missing_count" in found.fields else {}
    return Result(
        check.name,
        columns,
        found.success,
        elements,
        int(found.fields.get("unexpected_count", int(not found.success))),
        None,
        check.severity,
        observed_value=shown(columns, found.observed, table, own) if found.personal else plain(found.observed),
        partial_unexpected_list=[shown(columns, value, table, own) for value in found.unexpected],
        details={**found.fields, **missing},
        arguments=plain(check.declared),
    )


def of_class(check: Check, found: Finding, elements: int, table: Table) -> Result:
    """The result of a class of others about columns, or the table, as a whole.

    It may have put values into anything it observed.
    """
    looked_at = table.columns if check.custom and check.custom.of_table else check.columns
    clear, own = all(is_open(table, name) for name in looked_at), own_words(check.declared)

    def masked(value: Any) -> Any:
        value = plain(value)
        if clear or value is None:
            return unmasked(value, own)
        return shape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    observed, some = masked(found.observed), [masked(value) for value in found.unexpected]
    missing, unexpected = found.fields.get("missing_count"), found.fields.get("unexpected_count", 0)
    counts = {"unexpected_count": unexpected} if "unexpected_count" in found.fields else {}
    safe = replace(found, observed=observed, personal=False, fields=counts, unexpected=())
    result = replace(of_finding(check, safe, elements, table), partial_unexpected_list=some)
    if missing is None:
        return result
    share, total = _share(unexpected, elements - missing), _share(unexpected, elements)
    return replace(result, missing_count=missing, unexpected_percent=share, unexpected_percent_total=total, details={})


def of_table(check: Check, rows: int, table: Table) -> Result:
    """The result of a check of the table as such: of how many rows it has, or of what it declares."""
    success, observed = _about_table(check, rows, table)
    return Result(
        check.name,
        check.columns,
        success,
        rows,
        int(not success),
        None,
        check.severity,
        observed_value=observed,
        arguments=plain(check.declared),
    )


def stops(check: Check, result: Result) -> bool:
    """Whether a result stops the run."""
    if check.word.counts_rows:
        return exceeds(check, result)
    return check.severity == "stop" and not result.success


def exceeds(check: Check, result: Result) -> bool:
    """Whether more rows fail than may."""
    if check.at_most is not None and not check.at_most.allows(result.unexpected_count, result.element_count):
        return True
    if check.severity == "stop" and check.at_most is None:
        return not result.success
    return check.severity != "warn" and check.mostly is not None and not result.success


def shown(columns: Sequence[str], value: Any, table: Table, own: frozenset[str] = frozenset()) -> Any:
    """A value, or a list with one of each column, as it may be shown; `own` as in `unmasked`."""
    if isinstance(value, Mapping):
        told = {key: shown(columns, item, table, own) for key, item in value.items() if key != "quantiles"}
        return {key: told.get(key, plain(item)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        names = columns if len(columns) == len(value) and len(columns) > 1 else [columns[0]] * len(value)
        return [shown([name], item, table, own) for name, item in zip(names, value, strict=True)]
    return unmasked(value, own) if value is None or is_open(table, columns[0]) else shape(value)


def unmasked(value: Any, own: frozenset[str] = frozenset()) -> Any:
    """A value of a harmless column as it may be shown: as its shape where it is a text that may tell of somebody.

    Args:
        own: words of the contract, which stay; `own_words` and `declared_words` give them.
    """
    if isinstance(value, Mapping):
        return {str(key): unmasked(item, own) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unmasked(item, own) for item in value]
    telling = isinstance(value, str) and len(value) > 1 and not tells_nobody(value, own)
    return shape(value) if telling else plain(value)


def common(rows: int, of: int, least: int = 0) -> bool:
    """Whether so many rows have a text of a harmless column that it is nobody's own.

    Args:
        of: how many rows there are.
        least: rows that must have it.
    """
    return rows >= max(least, SHARED, of / SHARE)


def own_words(declared: Any) -> frozenset[str]:
    """The words of what is declared of a check."""
    return words(_texts(declared))


def declared_words(table: Table, name: str) -> frozenset[str]:
    """The words that the contract declares of a column."""
    checks = [given for check in table.checks for given in check.values() if name in _texts(given)]
    return words([*table.columns[name].levels, *_texts(checks)])


def _texts(declared: Any) -> Iterator[str]:
    """All texts in a declaration."""
    if isinstance(declared, str):
        yield declared
    elif isinstance(declared, Mapping):
        yield from _texts(list(declared.values()))
    elif isinstance(declared, list | tuple):
        for item in declared:
            yield from _texts(item)


def is_open(table: Table, name: str) -> bool:
    """Whether values of a column may be shown."""
    return table.columns[name].declared_category == "none"


def shape(value: Any) -> str:
    """The shape of a value: letters as A and a, digits as 9, signs that are not ASCII as x, others as they are."""
    text = str(value)
    for pattern, sign in _SIGNS:
        text = re.sub(pattern, sign, text)
    return text[:_LONGEST]


def shapes(text: ir.StringValue) -> ir.StringValue:
    """The same, in the engine."""
    for pattern, sign in _SIGNS:
        text = text.re_replace(pattern, sign)
    return text.substr(0, _LONGEST)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _share(part: int, whole: int) -> float | None:
    return part / whole * 100 if whole else None


def _allowed(check: Check) -> str:
    words = [f"at most {check.at_most} may"] if check.at_most is not None else []
    words += [f"at least {check.mostly:.6%} must pass".replace("0000%", "%")] if check.mostly is not None else []
    return " and ".join(words)


def _about_table(check: Check, rows: int, table: Table) -> tuple[bool, Any]:
    name, a, columns = check.expectation, check.arguments, list(table.columns)
    if name.startswith(("expect_table_row_count", "expect_table_column_count")):
        count = rows if "row_count" in name else len(columns)
        return (count == a["value"] if "value" in a else within(count, a)), count
    if name == "expect_column_to_exist":
        # as in GX, an index of 0 is none
        place = a.get("column_index")
        there = a["column"] in columns
        return (columns[place : place + 1] == [a["column"]] if place else there), None
    if name == "expect_table_columns_to_match_ordered_list":
        return a["column_list"] is None or columns == a["column_list"], columns
    if name == "expect_table_columns_to_match_set":
        wanted = set(a["column_set"] or ())
        return set(columns) == wanted if a.get("exact_match", True) else wanted <= set(columns), sorted(columns)
    column = table.columns[a["column"]]
    names = a["type_list"] or [column.type] if "type_list" in a else [a["type_"]]
    return any(is_type(column, each) for each in names), column.type
