"""Row conditions: which rows a check is about, as Great Expectations writes them.

Read are the texts of `condition_parser: great_expectations` (`col("kind") == "a"`, `col("kind").notNull()`), the
condition objects of GX 1.x, and of the texts for pandas and Spark (also inside such an object) those that only compare
(`comparisons`). A comparison with null is not true, as in SQL, so such a row is outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from potable.contracts import comparisons
from potable.contracts.fitting import at_least, at_most, cell, fit, one_of
from potable.tables import Table

PARSERS = ("great_expectations", "great_expectations__experimental__")
_TEXT = re.compile(
    r"""\s*col\("(?P<column>[^"]+)"\)\s*(?:(?P<present>\.notnull\(\))|(?P<operator>==|!=|<=|>=|<|>)\s*(?:
    (?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|
    date\(\s*(?:"(?P<day>[^"]*)"|'(?P<date>[^']*)')\s*\)))\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_WORDS = ("==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN")


@dataclass(frozen=True)
class Condition:
    """One comparison, or several."""

    word: str
    """An operator, `null`, `present`, `and` or `or`."""
    column: str = ""
    value: Any = None
    parts: tuple[Condition, ...] = ()

    def holds(self, rows: ir.Table, table: Table) -> ir.BooleanValue:
        """Whether it is true of each row; never null."""
        return self._holds(rows, table).fill_null(False)

    def _holds(self, rows: ir.Table, table: Table) -> ir.BooleanValue:
        if self.parts:
            out = self.parts[0].holds(rows, table)
            for part in self.parts[1:]:
                out = out & part.holds(rows, table) if self.word == "and" else out | part.holds(rows, table)
            return out
        column, kind = cell(rows, table, self.column), table.columns[self.column].arrow
        compare: dict[str, Callable[[], ir.BooleanValue]] = {
            "null": lambda: column.isnull(),
            "present": lambda: column.notnull(),
            "==": lambda: one_of(column, kind, [self.value]),
            "!=": lambda: column.notnull() & ~one_of(column, kind, [self.value]),
            "<": lambda: at_most(column, kind, self.value, strict=True),
            "<=": lambda: at_most(column, kind, self.value),
            ">": lambda: at_least(column, kind, self.value, strict=True),
            ">=": lambda: at_least(column, kind, self.value),
            "IN": lambda: one_of(column, kind, self.value),
            "NOT_IN": lambda: column.notnull() & ~one_of(column, kind, self.value),
        }
        return column.notnull() & compare[self.word]() if self.word != "null" else compare["null"]()


def everywhere() -> ir.BooleanValue:
    """The condition of a check without one."""
    return ibis.literal(True)


def read(given: Any, parser: Any, table: Table) -> Condition:
    """The condition `given` as text or object, its columns and values checked.

    Raises:
        ValueError: it is not one that can be run; the text says why.
    """
    if isinstance(given, Mapping) and given.get("type") == "pass_through":
        # how GX 1.9 and later write a text for pandas or Spark
        given, parser = given.get("pass_through_filter"), parser or "pandas"
        if not isinstance(given, str) or parser not in comparisons.PARSERS:
            raise ValueError("a `pass_through` condition needs a `pass_through_filter`, a text for pandas or spark")
    if isinstance(given, str):
        if parser not in (*PARSERS, *comparisons.PARSERS):
            given_parser = f", not `{parser}`" if parser else ""
            raise ValueError(f"`condition_parser` must be great_expectations, pandas or spark{given_parser}")
        found = _text(given) if parser in PARSERS else _compared(comparisons.parsed(given, parser=parser))
    else:
        found = _object(given)
    _check(found, table)
    return found


def _text(given: str) -> Condition:
    match = _TEXT.fullmatch(given)
    if not match:
        raise ValueError('write a condition as `col("name") == "value"`, with ==, !=, <, <=, >, >=, or `.notNull()`')
    if match["present"]:
        return Condition("present", match["column"])
    if match["number"]:
        number = match["number"]
        value: Any = float(number) if re.search(r"[.eE]", number) else int(number)
    else:
        value = next(match[name] for name in ("double", "single", "day", "date") if match[name] is not None)
    return Condition(match["operator"], match["column"], value)


def _compared(found: comparisons.Compared) -> Condition:
    word, column, value = found
    return (
        Condition(word, parts=tuple(map(_compared, value))) if word in ("and", "or") else Condition(word, column, value)
    )


def _object(given: Any) -> Condition:
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind in ("and", "or") and isinstance(given.get("conditions"), list) and given["conditions"]:
        return Condition(kind, parts=tuple(_object(part) for part in given["conditions"]))
    column = given.get("column") if kind in ("comparison", "nullity") else None
    name = column.get("name") if isinstance(column, Mapping) else column
    if not isinstance(name, str):
        raise ValueError("a condition object needs a `type` (comparison, nullity, and, or) and a column")
    if kind == "nullity":
        return Condition("null" if given.get("is_null") else "present", name)
    word, value = given.get("operator"), given.get("parameter")
    if word not in _WORDS or value is None:
        raise ValueError(f"a comparison needs an `operator` ({', '.join(_WORDS)}) and a `parameter`")
    if (word in ("IN", "NOT_IN")) != isinstance(value, list):
        raise ValueError("IN and NOT_IN need a list, the other operators one value")
    return Condition(word, name, value)


def _check(condition: Condition, table: Table) -> None:
    for part in condition.parts:
        _check(part, table)
    if condition.parts:
        return
    if condition.column not in table.columns:
        raise ValueError(f"the condition names a column that the table does not have: `{condition.column}`")
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    for value in values if condition.word not in ("null", "present") else ():
        try:
            fit(table.columns[condition.column].arrow, value)
        except ValueError as wanted:
            raise ValueError(f"the condition compares `{condition.column}` with a value that is not {wanted}") from None
