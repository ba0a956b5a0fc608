"""Whether the arguments of a check are right: known, complete, of the right kind, fitting their columns.

Everything that is wrong is found when the project is read, each with the key it stands at. What arguments
mean belongs to the rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeGuard

import pyarrow as pa

from potable.columns import is_re2
from potable.contracts.fitting import family, fit
from potable.contracts.rowqueries import problem_of
from potable.contracts.rowwise import like_regex
from potable.contracts.vocabulary import EXPECTATIONS, Argument, Expectation
from potable.errors import MissingExtra, did_you_mean
from potable.tables import Column, Table

OTHER_TABLE = "other_table_name"
_COMPARING = (
    "expect_multicolumn_values_to_be_equal",
    "expect_multicolumn_values_to_be_unique",
    "expect_select_column_values_to_be_unique_within_record",
)
"""Expectations that compare the columns of a list with each other."""
_MOMENT = datetime(2000, 1, 2, 3, 4, 5, 6, UTC)
"""What any format of moments must be able to say, and to read."""
_WAYS = ("nearest", "linear", "lower", "higher", "midpoint")
TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset("string str object object_ O stringtype varchar text char nvarchar StringType".lower().split()),
    "integer": frozenset(["integer", "int", "int64", "long", "bigint", "integertype", "longtype"]),
    "float": frozenset(["float", "float64", "double", "double_precision", "real", "floattype", "doubletype"]),
    "decimal": frozenset(["decimal", "numeric", "number", "decimaltype"]),
    "boolean": frozenset(["boolean", "bool", "bool_", "booleantype"]),
    "date": frozenset(["date", "datetype"]),
    "timestamp": frozenset(
        ["timestamp", "datetime", "datetime64", "datetime64[ns]", "datetime64[us]", "timestamptype"]
    ),
}
"""Names that GX, pandas, SQL and Spark have for the types of a contract."""


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with an argument."""

    argument: str
    """Where it stands; empty for the expectation as a whole."""
    problem: str
    hint: str = ""


@dataclass(frozen=True)
class _Given:
    value: Any
    argument: Argument
    columns: Sequence[Column]
    """Declared columns the check reads."""
    table: Table


def is_type(column: Column, name: str) -> bool:
    """Whether a type's name, in GX's, pandas', SQL's or Spark's words, is that of a column."""
    kind = column.type.partition("(")[0]
    bare = re.sub(r"\(.*\)$", "", name.strip().lower())
    return name.strip().lower().replace(" ", "") == column.type.replace(" ", "") or bare in TYPES[kind]


def wrong(
    name: str,
    expectation: Expectation,
    arguments: Mapping[str, Any],
    table: Table,
    tables: Mapping[str, Table] | None = None,
) -> Iterator[Wrong]:
    """Everything that is wrong with the own arguments of an expectation.

    Args:
        tables: all tables of the project by `source.table`; without them, no other table is looked at.
    """
    known = expectation.arguments
    for missing in (key for key, argument in known.items() if argument.needed and key not in arguments):
        yield Wrong("", f"`{name}` needs `{missing}`")
    if missing_columns := list(_columns(name, expectation, arguments, table)):
        yield from missing_columns
        return
    columns = [table.columns[column] for column in named_columns(expectation, arguments)]
    others = {key: value for key, value in arguments.items() if known[key].kind not in ("column", "columns")}
    problems = {key: KINDS[known[key].kind](_Given(value, known[key], columns, table)) for key, value in others.items()}
    yield from (Wrong(key, f"`{name}`: `{key}` must be {problem}") for key, problem in problems.items() if problem)
    if name in EXPECTATIONS and all(argument in arguments for argument, spec in known.items() if spec.needed):
        yield from _together(name, expectation, arguments, columns)
        if expectation.refers and tables is not None and not any(problems.values()):
            yield from _elsewhere(name, arguments, table, tables)


def looked_up(arguments: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Columns of the table, and those of another one they are looked up in; of the same names by default."""
    if "column_list" in arguments:
        return list(arguments["column_list"]), list(arguments.get("other_column_list") or arguments["column_list"])
    if "column" in arguments:
        return [arguments["column"]], [arguments.get("other_column") or arguments["column"]]
    return [], []


def named_columns(expectation: Expectation, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns of the table that arguments name."""
    found: list[str] = []
    for key, argument in expectation.arguments.items():
        if key in arguments and argument.kind == "column":
            found.append(arguments[key])
        elif key in arguments and argument.kind == "columns":
            found += arguments[key]
    return tuple(found)


def _columns(name: str, expectation: Expectation, arguments: Mapping[str, Any], table: Table) -> Iterator[Wrong]:
    for key, argument in expectation.arguments.items():
        value: Any = arguments.get(key)
        if key not in arguments or argument.kind not in ("column", "columns"):
            continue
        if argument.kind == "columns" and (not isinstance(value, list) or len(value) < 2):
            yield Wrong(key, f"`{name}`: `{key}` must be a list of at least two columns")
            continue
        for column in value if argument.kind == "columns" else [value]:
            if not isinstance(column, str) or column not in table.columns:
                hint = did_you_mean(str(column), table.columns)
                yield Wrong(key, f"`{name}`: the table has no column `{column}`", hint)
            elif expectation.families and family(table.columns[column].arrow) not in expectation.families:
                kinds = {"number": "numbers", "time": "dates and timestamps", "string": "texts"}
                allowed = ", ".join(kinds.get(kind, kind) for kind in expectation.families)
                yield Wrong(key, f"`{name}` is only for {allowed}, but `{column}` is a {table.columns[column].type}")


def _together(
    name: str, expectation: Expectation, arguments: Mapping[str, Any], columns: Sequence[Column]
) -> Iterator[Wrong]:
    """What is wrong between arguments."""
    own = expectation.arguments
    if "min_value" in own and not name.startswith("expect_table_"):
        low, high = arguments.get("min_value"), arguments.get("max_value")
        if low is None and high is None:
            yield Wrong("", f"`{name}` needs `min_value`, `max_value` or both")
        elif low is not None and high is not None and _above(low, high):
            yield Wrong("min_value", f"`{name}`: `min_value` is greater than `max_value`")
    compared = "column_B" in own or name in _COMPARING
    families = sorted({family(column.arrow) for column in columns})
    if compared and len(families) > 1 and "value_pairs_set" not in own:
        yield Wrong("", f"`{name}` compares columns of different types: {', '.join(c.type for c in columns)}")
    for key in ("like_pattern", "like_pattern_list"):
        patterns = arguments.get(key)
        for pattern in filter(_is_text, patterns if isinstance(patterns, list) else [patterns]):
            try:
                like_regex(pattern, arguments.get("escape"))
            except ValueError as problem:
                yield Wrong(key, f"`{name}`: `{key}` must be {problem}")


def _elsewhere(name: str, arguments: Mapping[str, Any], table: Table, tables: Mapping[str, Table]) -> Iterator[Wrong]:
    """What is wrong with the other table and its columns."""
    there = arguments[OTHER_TABLE]
    if there not in tables:
        hint = did_you_mean(str(there), tables)
        yield Wrong(OTHER_TABLE, f"`{name}`: the project has no table `{there}`", hint)
        return
    own, theirs = looked_up(arguments)
    place = "other_column_list" if "column_list" in arguments else "other_column"
    if len(own) != len(theirs):
        yield Wrong(place, f"`{name}`: `{place}` must list as many columns as `column_list`")
        return
    for mine, column in zip(own, theirs, strict=True):
        found = tables[there].columns.get(column)
        if found is None:
            hint = did_you_mean(column, tables[there].columns)
            yield Wrong(place, f"`{name}`: `{there}` has no column `{column}`", hint)
        elif found.arrow != table.columns[mine].arrow:
            told = f"`{mine}` is of type {table.columns[mine].type}, but `{there}.{column}` is of type {found.type}"
            yield Wrong(place, f"`{name}`: {told}")


def _above(low: Any, high: Any) -> bool:
    try:
        return bool(low > high)
    except TypeError:
        return False


def _number(given: _Given) -> str:
    if given.value is None or (isinstance(given.value, int | float) and not isinstance(given.value, bool)):
        return ""
    return "a number"


def _count(given: _Given) -> str:
    value = given.value
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return "" if value is None or (whole and not isinstance(value, bool)) else "a whole number"


def _value(given: _Given) -> str:
    return "" if given.value is None else _fits(given.columns[0].arrow, given.value)


def _values(given: _Given) -> str:
    if given.value is None:
        return ""
    if not isinstance(given.value, list):
        return "a list of values"
    kind = given.columns[0].arrow
    return next((f"a list in which each value is {said}" for value in given.value
                 if value is not None and (said := _fits(kind, value))), "")  # fmt: skip


def _fits(kind: pa.DataType, value: Any) -> str:
    try:
        fit(kind, value)
    except ValueError as wanted:
        return f"{wanted}, because the column has that type"
    return ""


def _pairs(given: _Given) -> str:
    if given.value is None:
        return ""
    if not isinstance(given.value, list) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in given.value):
        return "a list of pairs"
    for pair in given.value:
        for column, value in zip(given.columns, pair, strict=False):
            if value is not None and (said := _fits(column.arrow, value)):
                return f"a list of pairs, in which each value is {said}"
    return ""


def _regex(given: _Given) -> str:
    if not isinstance(given.value, str):
        return "a regular expression"
    if is_re2(given.value):
        return ""
    try:
        re.compile(given.value)
    except (re.error, OverflowError, RecursionError) as failure:
        return f"a regular expression, but it is not valid: {failure}"
    return (
        ""
        if given.columns[0].type == "string"
        else ("a regular expression that RE2 supports, because the column is not a text")
    )


def _regexes(given: _Given) -> str:
    if not isinstance(given.value, list) or not given.value:
        return "a list of regular expressions"
    return next((said for one in given.value if (said := _regex(replace(given, value=one)))), "")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_numbers(value: Any) -> TypeGuard[list[float]]:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


def _texts(given: _Given) -> str:
    good = given.value is None or (isinstance(given.value, list) and all(map(_is_text, given.value)))
    return "" if good else "a list of texts"


def _strptime(given: _Given) -> str:
    if not isinstance(given.value, str):
        return "a strptime format"
    try:
        datetime.strptime(_MOMENT.strftime(given.value), given.value)
    except (ValueError, re.error) as failure:
        return f"a format that strptime reads, but {str(failure).partition(' in format')[0]}"
    return ""


def _schema(given: _Given) -> str:
    try:
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
    except ModuleNotFoundError:
        raise MissingExtra("jsonschema", "json-schema") from None
    if not isinstance(given.value, Mapping):
        return "a JSON schema"
    try:
        validator_for(given.value).check_schema(given.value)
    except SchemaError as failure:
        return f"a JSON schema, but it is not valid at {'/'.join(map(str, failure.absolute_path)) or 'its root'}"
    return ""


def _quantiles(given: _Given) -> str:
    value = given.value
    shares, ranges = (value.get(key) for key in ("quantiles", "value_ranges")) if isinstance(value, Mapping) else (0, 0)
    if not isinstance(shares, list) or not isinstance(ranges, list) or len(shares) != len(ranges) or not shares:
        return "`quantiles` and as many `value_ranges`"
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares):
        return "an object with quantiles between 0 and 1"
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in ranges):
        return "an object with ranges of two ends, of which one may be null"
    bounds = [bound for pair in ranges for bound in pair if bound is not None]
    return next((f"an object with ranges in which each end is {said}" for bound in bounds
                 if (said := _fits(given.columns[0].arrow, bound))), "")  # fmt: skip


def _partition(given: _Given) -> str:
    value = given.value
    weights = value.get("weights") if isinstance(value, Mapping) else None
    tails = value.get("tail_weights") or [] if isinstance(value, Mapping) else None
    if not _are_numbers(weights) or not _are_numbers(tails):
        return "an object with `values` or `bins`, and `weights`"
    if not math.isclose(math.fsum([*weights, *tails]), 1, rel_tol=1e-5):
        return "an object with weights that add up to one"
    if "bins" in value:
        bins = value["bins"]
        rising = _are_numbers(bins) and all(a < b for a, b in pairwise(bins))
        numbers = family(given.columns[0].arrow) == "number"
        good = rising and numbers and len(bins) == len(weights) + 1 and len(tails) in (0, 2)
        return "" if good else "an object with rising numeric bins, one more than weights"
    if not isinstance(value.get("values"), list) or len(value["values"]) != len(weights):
        return "an object with as many `values` as `weights`"
    return _values(_Given(value["values"], given.argument, given.columns, given.table))


def _query(given: _Given) -> str:
    return problem_of(given.value, given.table.columns) if isinstance(given.value, str) else "a SQL query"


def _choice(given: _Given) -> str:
    allowed = given.argument.choices
    return "" if given.value in allowed else f"one of {', '.join(allowed)}"


KINDS: Mapping[str, Callable[[_Given], str]] = {
    # of a class of others: GX says what it takes when it runs
    "any": lambda given: "",
    "flag": lambda given: "" if isinstance(given.value, bool) or given.value is None else "true or false",
    "text": lambda given: "" if isinstance(given.value, str) else "a text",
    "texts": _texts,
    "number": _number,
    "count": _count,
    "value": _value,
    "values": _values,
    "pairs": _pairs,
    "regex": _regex,
    "regexes": _regexes,
    "like": lambda given: "" if isinstance(given.value, str) else "a LIKE pattern",
    "likes": lambda given: _texts(given) or ("" if given.value else "a list of LIKE patterns"),
    "escape": lambda given: (
        "" if given.value is None or (isinstance(given.value, str) and len(given.value) == 1) else "one character"
    ),
    "choice": _choice,
    "query": _query,
    "interpolation": lambda given: "" if given.value in (False, None, *_WAYS) else f"one of {', '.join(_WAYS)}",
    "strftime_format": _strptime,
    "json_schema": _schema,
    "quantile_ranges": _quantiles,
    "partition_object": _partition,
}
"""What is wrong with a value of each kind: the text says what it should be, an empty one that it is."""
