"""Expectations of one table by another: keys that must be found there, and counts that must agree.

They are judged when every table has been validated, over the rows that stay in both, so they warn or stop;
a null refers to nothing, as in SQL. Keys of the same namespace are compared in the form in which people are
told apart, anything else as it is. Entry: `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir

from potable.contracts import results
from potable.contracts.aggregates import SHOWN, Finding, Whole
from potable.contracts.arguments import looked_up
from potable.contracts.checks import Check
from potable.contracts.results import Result
from potable.contracts.rowwise import judged
from potable.contracts.unique import Counted
from potable.engines.base import rows_of, scalars
from potable.tables import Table

_TIMES = "_times"
Normalise = Callable[[str, "ir.StringValue"], "ir.StringValue"]
"""Namespace and key column to the column in the form keys are compared in; null for no key."""


def referring(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks that look at another table."""
    return tuple(check for check in checks if check.word.refers)


def judge(check: Check, whole: Whole, other: Whole, *, normalise: Normalise) -> Result:
    """The result of a check that looks at another table.

    Args:
        whole: the rows of its own table that stay.
        other: those of the other one.
        normalise: the identity slice's form of a key.
    """
    rows = whole.rows.filter(check.covers(whole.rows, whole.table)) if check.condition else whole.rows
    own = replace(whole, rows=rows)
    if not check.columns:
        finding = _same_count(own, other)
        return results.of_finding(check, finding, finding.observed["self"], whole.table)
    return results.of_counts(check, _found_there(check, own, other, normalise), whole.table)


def _same_count(own: Whole, other: Whole) -> Finding:
    counts = [scalars(whole.engine, whole.rows.agg(n=whole.rows.count()))["n"] for whole in (own, other)]
    return Finding(counts[0] == counts[1], {"self": counts[0], "other": counts[1]}, personal=False)


def _found_there(check: Check, own: Whole, other: Whole, normalise: Normalise) -> Counted:
    mine, theirs = looked_up(check.arguments)
    there = judged(own.rows, own.table, {"ignore_row_if": "any_value_is_missing", **check.arguments})
    # many rows refer to few others, and a key is normalised by a regular expression
    asked = own.rows.filter(there).group_by(list(mine)).agg(**{_TIMES: ibis._.count()})
    namespaces = [_namespace(own.table, a, other.table, b) for a, b in zip(mine, theirs, strict=True)]
    keys = [f"_key_{number}" for number in range(len(mine))]
    pairs = list(zip(keys, namespaces, strict=True))
    keyed = asked.mutate(
        **{key: _form(own, asked, name, space, normalise) for (key, space), name in zip(pairs, mine, strict=True)}
    )
    known = other.rows.select(
        **{
            key: _form(other, other.rows, name, space, normalise)
            for (key, space), name in zip(pairs, theirs, strict=True)
        }
    ).distinct()
    lost = keyed.anti_join(known, keys)
    counts = scalars(own.engine, own.rows.agg(n=own.rows.count(), there=own.rows.count(where=there)))
    missing = int(scalars(own.engine, lost.agg(n=lost[_TIMES].sum().fill_null(0)))["n"])
    some = rows_of(own.engine, lost.select(*mine, _TIMES).order_by(mine).limit(SHOWN)) if missing else []
    values = [
        row[mine[0]] if len(mine) == 1 else [row[name] for name in mine] for row in some for _ in range(row[_TIMES])
    ]
    return Counted(int(counts["n"]), int(counts["there"]), missing, values[:SHOWN])


def _namespace(table: Table, column: str, other: Table, theirs: str) -> str | None:
    """The namespace of keys that both columns hold, if they hold the same."""
    key = table.columns[column].key
    return key if key and key == other.columns[theirs].key and table.columns[column].type == "string" else None


def _form(whole: Whole, rows: ir.Table, name: str, namespace: str | None, normalise: Normalise) -> ir.Value:
    column = replace(whole, rows=rows).column(name)
    return normalise(namespace, column) if namespace else column
