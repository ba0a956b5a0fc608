"""Which names of a table a definition may use, and why the others may not.

Keys never leave the restricted zones, dropped columns are not in the protected one, and a table without
history shows today's values, so only its `static` columns were true at an earlier as-of date.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from potable.features.aggregates import AGGREGATES
from potable.features.expressions import EXACT_DIGITS, Scope, Type, column_type
from potable.features.plan import AS_OF, BUILT_IN
from potable.tables import WHICH, Column, Table


def table_scope(
    name: str, table: Table, kept: Collection[str] | None, *, built_in: bool = False, end: str | None = None
) -> Scope:
    """The names of `table` and the built-ins.

    Args:
        built_in: add those of the running employment.
        end: a column that is filled in when something ends.
    """
    names: dict[str, Type] = {}
    refused: dict[str, str] = {} if built_in else dict.fromkeys(BUILT_IN, _ONLY_ROWS)
    for column, declared in table.columns.items():
        if reason := _refusal(column, declared, table, kept) or (_early(column, table) if column == end else ""):
            refused[column] = reason
        else:
            names[column] = column_type(declared)
    offered = BUILT_IN if built_in else {AS_OF: BUILT_IN[AS_OF]}
    for built in offered:
        if built not in table.columns:
            names[built] = BUILT_IN[built]
    levels = {column: tuple(declared.levels) for column, declared in table.columns.items() if declared.levels}
    unordered = "" if table.time else "this table keeps no history, so no record comes before another"
    scope = Scope(names, f"table `{name}`", levels, refused, AGGREGATES)
    return scope if built_in else replace(scope, unordered=unordered)


_ONLY_ROWS = "this built-in describes the row: use it in `rows.where` or under `derived`"


def _refusal(name: str, column: Column, table: Table, kept: Collection[str] | None) -> str:
    if column.key:
        return f"`{name}` is a subject key, and keys do not leave the restricted zones"
    if kept is not None and name not in kept:
        about = f" (`{column.category}`)" if column.category else ""
        return f"privacy.yaml does not keep `{name}`{about}, so features cannot read it"
    if name in BUILT_IN:
        return f"`{name}` is the name of a built-in and of a column of this table; rename the column in its source"
    if table.time is None and not column.static:
        return (
            f"this table keeps no history, so `{name}` shows today's value, not the value at the as-of date; "
            "declare the column `static` in its source if it never changes, or declare the table's `time`"
        )
    kind = column_type(column)
    if kind.exact and kind.kind == "decimal" and column.arrow.precision > EXACT_DIGITS:
        return f"`{name}` has more than {EXACT_DIGITS} digits; declare a narrower decimal in its source"
    return ""


def _early(end: str, table: Table) -> str:
    """Why an end may not be read of a table that is seen as it is now from the day on that its `time` says."""
    if table.time is None or table.known_column or table.known == "landed":
        return ""
    return (
        f"`{end}` is filled in when the record ends, and `known` of this table does not say when that was, so it "
        "would leak the future; declare the column that says it as `known`, or read a table with one record per end"
    )


def time_reads(name: str, table: Table) -> frozenset[tuple[str, str]]:
    """The columns that say when facts of the table happened and became known."""
    times = (table.time, table.known_column)
    return frozenset((name, column) for column in times if column)


def identity(table: Table) -> tuple[str, ...]:
    """Protected columns that, beside the subject, tell records apart; keys stand as `_which`."""
    return (*([WHICH] if table.apart else []), *_others(table))


def _others(table: Table) -> tuple[str, ...]:
    return tuple(column for column in table.unique if not table.columns[column].key)


IDENTITY = "identity"
"""What `lost_identity` is about."""


def lost_identity(table: Table) -> str:
    """Why the table's records could not be told apart once keys are gone, or an empty string."""
    if table.time is None or not table.unique:
        return ""
    if somebodys := [name for name in table.unique if table.columns[name].key and table.columns[name].someone_else]:
        return (
            f"`{somebodys[0]}` is part of `unique` but is a key of somebody else, which does not leave the "
            "restricted zones: remove it from `unique`, or declare a column that numbers the records"
        )
    if _others(table):
        return ""
    return (
        f"`unique: [{', '.join(table.unique)}]` contains only keys, which features do not see, so all records of a "
        "subject would look like corrections of one record: add a column that distinguishes them, such as "
        f"`{table.time}`"
    )
