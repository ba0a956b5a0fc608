"""What tied records or an inexact sum would decide by chance is refused, before anything of it is used.

Every table's query says beside its features which of them are open; all tables of a bucket are asked at once.
Entry: `require_decided`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis

from potable.engines.base import Engine, collect, scalars, union_all
from potable.errors import DataError, Outgrown
from potable.features import facts
from potable.features.plan import read_by
from potable.features.scopes import identity
from potable.tables import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Measured:
    """What one table gave, written down, and what it says of that."""

    task: facts.TableTask
    rows: ir.Table
    """The protected rows it was made of."""
    relation: ir.Table
    """One row per subject."""
    counts: Mapping[str, str]
    """Feature to the column with the number of rows it saw."""
    marks: Mapping[str, str]
    """Features that tied rows may leave open, `facts.TWINS` and `facts.HUGE`, each to the column that says so."""


def require_decided(measured: Sequence[Measured], spine: ir.Table, engine: Engine) -> None:
    """Refuse the first table of which some value is open.

    Raises:
        DataError: D004, records are tied and differ; D005, a float is too large for exact sums.
    """
    for one, marked in zip(measured, _marked(measured, engine), strict=True):
        task = one.task
        if open_ := [feature.name for feature in task.features if feature.name in marked]:
            raise tied(task.name, task.table, open_, versions=False)
        if facts.HUGE in marked:
            raise _too_large(task)
        if facts.TWINS in marked and scalars(engine, facts.conflicts(one.rows, spine, task))["conflicts"]:
            raise tied(task.name, task.table, [feature.name for feature in task.features])


def _marked(measured: Sequence[Measured], engine: Engine) -> list[set[str]]:
    """Of each table the marks that any of its rows has."""
    most = max((len(one.marks) for one in measured), default=0)
    places = [f"mark_{place}" for place in range(most)]
    found: list[set[str]] = [set() for _ in measured]
    rows = []
    for number, one in enumerate(measured):
        columns: list[ir.Value] = [one.relation[column] for column in one.marks.values()]
        columns += [ibis.literal(0, "int64")] * (most - len(columns))
        rows.append(one.relation.select(table=ibis.literal(number, "int64"), **dict(zip(places, columns, strict=True))))
    if not rows:
        return found
    every = union_all(rows)
    worst = every.group_by("table").aggregate(**{place: every[place].max() for place in places})
    for row in collect(engine, worst).to_pylist():
        marks = measured[row["table"]].marks
        found[row["table"]] = {name for name, place in zip(marks, places, strict=False) if row[place]}
    return found


def tied(name: str, table: Table, outputs: Sequence[str], *, versions: bool = True) -> DataError:
    """The error of records of a table that no time and no order tells apart, but whose values differ.

    Args:
        versions: whether they are versions of one record, which are tied whatever is asked.
    """
    others = [] if versions else [column for column in identity(table) if column != table.order]
    such = f", such as `order: {others[-1]}`" if others else ""
    never = "" if versions else "; aggregates such as `max(…)`, `mode(…)` and `count()` need no order"
    shared = "; or check whether two people share a key and were taken for one person" if table.roster else ""
    order = f"`order: {table.order}` does not decide between them" if table.order else "no `order` is declared"
    unordered = "have equal times" if table.time else "have no time"
    return DataError(
        f"records of `{name}` {unordered} but different values, and {order}: {', '.join(outputs)} would depend on "
        "chance",
        "D004",
        allowed="a column of the table that says which record is the newest",
        hint=f"declare `order:` for `{name}` in its source{such}, or a finer `time` or `known`{never}{shared}",
        state="no features of this step were kept",
    )


def outgrown(task: facts.TableTask) -> Outgrown:
    """The error of a table of which some number is greater than engines calculate exactly."""
    error = Outgrown()
    error.problem = f"a number of `{task.name}` is too large for exact arithmetic"
    large = [f.name for f in task.features if "*" in f.text or f.recipe.aggregate in ("stddev", "slope")]
    error.given = read_by(large or [f.name for f in task.features])
    error.state = "no features of this step were kept"
    return error


def _too_large(task: facts.TableTask) -> DataError:
    return DataError(
        f"a float of `{task.name}` is too large for exact sums",
        "D005",
        given=read_by([feature.name for feature in task.features if feature.recipe.quantised]),
        allowed="numbers below 2^63 units of the smallest decimal that `digits` keeps",
        hint="add a check to the contract that quarantines impossible values, or lower `digits`",
        state="no features of this step were kept",
    )
