"""Columns that are filled in or changed after their record was known: what a later landing says of an earlier one.

A record counts as known from one moment on, as a whole. Where it lands again with another value in a column, and was
known before it landed the first time, a feature as of a day in between reads what nobody could know then. Two rows are
versions of one record where key and known time are the same: one whose known time moves with the change is known
later, as it should be. What is counted adds up from landing to landing; it is judged in every run.

What a single landing says of itself is `afterwards`. Entry: `successive` and `replacing` pair versions, `changes`
counts, `judge`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from potable.contracts.distributions import judged
from potable.contracts.findings import Finding, State
from potable.contracts.results import is_open
from potable.engines.base import Engine, scalars
from potable.health import Hindsight
from potable.tables import BATCH, OBJECT, ROW, Table, moments

LANDED = "_landed"
LANDINGS = pa.schema([(OBJECT, pa.string()), (BATCH, pa.int64()), (LANDED, pa.timestamp("us"))])
"""Objects, the batch each came with, and when that was landed (UTC)."""
FEWEST = 10
"""Changes of a column below which nothing is said of it: people correct single records."""
_MOST = 0.9
"""Share of a column's values; where more than these are others at once, the source writes them otherwise."""
_WAS, _SINCE = "_was", "_since"


@dataclass(frozen=True)
class Again:
    """How records fared that landed again."""

    seen: int = 0
    """Records that landed once more, each time counted."""
    came: int = 0
    """Records that landed for the first time meanwhile."""
    columns: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """By column: how often it was filled in and how often changed in a record that was known before, and for how many
    days these had been known by then, all together."""

    def __add__(self, other: Again) -> Again:
        names = dict.fromkeys([*self.columns, *other.columns])
        none = (0, 0, 0)
        columns = {
            name: [a + b for a, b in zip(self.columns.get(name, none), other.columns.get(name, none), strict=True)]
            for name in names
        }
        return Again(self.seen + other.seen, self.came + other.came, columns)

    def facts(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        return asdict(self)


def comparable(table: Table) -> bool:
    """Whether versions of its records tell anything.

    A table without `time` shows today's values, and with a column as `known` it says itself that these change.
    """
    return bool(table.unique) and table.known != "landed" and (table.time is not None or table.known_column is None)


def successive(table: Table, names: Sequence[str], rows: ir.Table, landings: ir.Table) -> ir.Table:
    """Each of the rows beside the one of the same key and known time that landed last before it.

    Args:
        names: columns that are compared.
        rows: few ones; all that have the keys of some.
        landings: of all their objects.
    """
    every = _known(table, rows.inner_join(landings, OBJECT))
    before = ibis.window(
        group_by=[every[name] for name in _identity(table)],
        order_by=[every[name] for name in (BATCH, OBJECT, ROW)],
    )
    told = {f"_old_{index}": every[name].lag().over(before) for index, name in enumerate(names)}
    times = {_WAS: every[BATCH], LANDED: every[LANDED], _SINCE: every[_SINCE]}
    new = {f"_new_{index}": every[name] for index, name in enumerate(names)}
    return every.select(BATCH, **told, **new, **{name: value.lag().over(before) for name, value in times.items()})


def replacing(
    table: Table, names: Sequence[str], earlier: tuple[ir.Table, ir.Table], later: tuple[ir.Table, ir.Table]
) -> ir.Table:
    """Each of the later rows beside the earlier one of the same key and known time.

    Args:
        names: columns that are compared.
        earlier, later: rows, and the landings of those objects whose rows are looked at.
    """
    keys = _identity(table)
    old, new = (_known(table, rows.inner_join(landings, OBJECT)) for rows, landings in (earlier, later))
    olds = {f"_old_{index}": old[name] for index, name in enumerate(names)}
    news = {f"_new_{index}": new[name] for index, name in enumerate(names)}
    old = old.select(*dict.fromkeys([*keys, _SINCE]), LANDED, **olds, **{_WAS: old[BATCH]})
    return old.inner_join(new.select(*keys, BATCH, **news), keys)


def changes(table: Table, names: Sequence[str], pairs: ir.Table, engine: Engine, *, after: int) -> Again:
    """What the pairs say whose later row landed after batch `after`; how many came meanwhile is not among it."""
    pairs = pairs.filter(pairs[BATCH] > after, pairs[_WAS] < pairs[BATCH])
    # of what was not known yet nobody read a word
    known = pairs[_SINCE] <= pairs[LANDED] if table.time else ibis.literal(True)
    days = (
        pairs[LANDED].date().delta(pairs[_SINCE].date(), unit="day").cast("int64") if table.time else pairs[BATCH] * 0
    )
    counts: dict[str, ir.Scalar] = {"seen": pairs.count()}
    for index in range(len(names)):
        old, new = pairs[f"_old_{index}"], pairs[f"_new_{index}"]
        filled = known & old.isnull() & new.notnull()
        changed = known & old.notnull() & ~old.identical_to(new)
        counts[f"filled_{index}"] = pairs.count(where=filled)
        counts[f"changed_{index}"] = pairs.count(where=changed)
        counts[f"days_{index}"] = days.sum(where=filled | changed)
    found = scalars(engine, pairs.agg(**{name: count.cast("int64").fill_null(0) for name, count in counts.items()}))
    columns = {
        name: [found[f"{what}_{index}"] for what in ("filled", "changed", "days")] for index, name in enumerate(names)
    }
    return Again(found["seen"], columns={name: told for name, told in columns.items() if any(told[:2])})


def of_records(again: Again, before: tuple[int, Mapping[str, int]], now: tuple[int, Mapping[str, int]]) -> Again:
    """The same without columns that changed as a whole, which says nothing of single records.

    The source began to give them, gave them up, or writes their values otherwise.

    Args:
        before, now: how many rows the whole table has, and how many of them are null by column.
    """
    columns = {}
    for name, told in again.columns.items():
        (values, _), (left, empty) = ((rows - nulls[name], nulls[name]) for rows, nulls in (before, now))
        began = values == 0 and empty == 0
        if left and not began and told[1] <= _MOST * values:
            columns[name] = told
    return Again(again.seen, again.came, columns)


def _identity(table: Table) -> list[str]:
    """What versions of one record that became known at one time have in common."""
    return [*table.unique, *([_SINCE] if table.time else [])]


def _known(table: Table, rows: ir.Table) -> ir.Table:
    return rows.mutate(**{_SINCE: moments(table, rows)[1]})


def judge(
    table: Table,
    again: Again,
    read: Mapping[str, Sequence[str]],
    labels: Collection[str],
    more: Sequence[Finding] = (),
) -> list[Finding]:
    """What is found of a table.

    Args:
        again: how its records fared that landed again.
        read: what reads its columns, by column: names of outputs, and `rows.where`.
        labels: those of them that are labels.
        more: what its days tell of it (`afterwards.judge`); less than what was seen to change.
    """
    bound = table.health.hindsight
    found = [_column(table, name, again, read[name], labels) for name in read if name in again.columns]
    bad = [finding for finding in found if finding]
    bad += [finding for finding in more if finding.column not in {each.column for each in bad}]
    suspected = table.time is not None and table.known_column is None and table.known != "landed"
    # without evidence neither a time is suspected that the source records, nor that facts will have happened otherwise
    if bad or set(read) <= {table.time} or not (suspected or "hindsight" in table.health.model_fields_set):
        return bad
    if not table.unique:
        return [Finding("hindsight", "open", "Not judged: without `unique` it is not known which records land again.")]
    if not again.seen:
        return [Finding("hindsight", "open", "Not judged: no record has landed again yet.", bound=bound.share)]
    told = f"{again.seen:,} records landed again, and no column that is read was filled in or changed in too many."
    return [Finding("hindsight", "ok", told, bound=bound.share)]


def _column(table: Table, name: str, again: Again, outputs: Sequence[str], labels: Collection[str]) -> Finding | None:
    """What is told of a column that changed too often."""
    bound = table.health.hindsight
    filled, changed, days = again.columns[name]
    count = filled + changed
    share = count / (count + again.came)
    if count < FEWEST or share <= bound.share:
        return None
    what = [f"filled in later in {filled:,}"] if filled else []
    what += [f"changed in {changed:,}"] if changed else []
    times = [each for each in (table.time, table.known_column) if each]
    long = bool(times) and all(is_open(table, each) for each in times)
    known = f", known for {round(days / count):,} days by then on average" if long else ""
    told = (
        f"`{name}` was {' and '.join(what)} of the records that landed again{known}; {again.came:,} came meanwhile."
        f" That is {share:.1%} of both; at most {bound.at_most}."
        f" {named(outputs)} {advice(table, set(outputs) <= set(labels))}"
    )
    return Finding("hindsight", state_of(bound), told, name, value=round(share, 6), bound=bound.share)


def state_of(bound: Hindsight) -> State:
    """How bad a finding is."""
    return judged(True, bound.severity)


def advice(table: Table, only_labels: bool) -> str:
    """What to do about it."""
    if only_labels:
        return "Its newest rows may be labelled before it is told: end `coverage` earlier."
    if table.time is None:
        return "It is declared `static`: read a table that keeps its history, or leave the column out."
    lag = "" if table.known_column else " or a longer lag"
    return (
        f"Declare as `known` a column that the source sets with each change{lag}, read a table with a record of each"
        " change, or leave the column out."
    )


def named(outputs: Sequence[str]) -> str:
    """Which outputs read a column."""
    shown = [f"`{name}`" for name in outputs[:3]]
    more = [f"{len(outputs) - 3} more"] if len(outputs) > 3 else []
    *others, last = [*shown, *more]
    return f"{', '.join(others)} and {last} read it." if others else f"{last} reads it."
