"""Features of one source table as one query: visible, corrected, where, in, last N, aggregated.

Rows of the table meet the spine (one as-of date per subject), and every feature of the table is computed
in that single pass; features with the same filter share their ranks. No result depends on the order of
rows: what order decides is ranked by time, known and the declared `order`, and rows that are still tied
but differ are reported, not guessed. Entry: `compile_table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ibis

from potable.engines.rounding import halves_up
from potable.features.aggregates import AGGREGATES, Chosen, compute
from potable.features.evaluate import IBIS_TYPES, Value, days_between, evaluate, months_between, number, output, stored
from potable.features.expressions import DATE, Type, column_type
from potable.features.facts import (
    CUT,
    HUGE,
    MOMENT,
    NUMBER,
    TWINS,
    TableTask,
    bounds,
    condition,
    corrections,
    differing,
    facts_of,
    newest_first,
    ranked,
)
from potable.features.plan import AS_OF, Feature
from potable.features.previous import unbroken, with_previous
from potable.features.tree import BEFORE, Expression
from potable.features.windows import Offset, Window
from potable.tables import KNOWN, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Compiled:
    """The query of one table and the meaning of its columns besides the features."""

    relation: ir.Table
    """One row per subject that has visible rows."""
    counts: Mapping[str, str]
    """Feature to the column with the number of rows it saw, where that decides between zero and unknown."""
    ties: Mapping[str, str]
    """Feature to the column that says whether tied rows left its value open."""


def compile_table(rows: ir.Table, spine: ir.Table, task: TableTask, *, prefix: str) -> Compiled:
    """The query for one table.

    Args:
        rows: protected rows of `task.schema`.
        spine: `_subject`, `as_of`, and the moments of `with_moments`.
        task: the table and its features.
        prefix: starts the names of columns that are not features.
    """
    return _Query(task, prefix).compiled(facts_of(rows, spine, task))


TRACED = "_traced"
"""Rows that are traced: a number for each."""


@dataclass(frozen=True)
class Trace:
    """What became of the rows of one feature; each relation leaves out rows that the one before has."""

    visible: ir.Table
    """(_traced) of the rows that are seen as of their date, or of all for a label."""
    newest: ir.Table
    """(_traced, holds, inside, chosen, used, value) of the newest versions: whether the condition holds, and the row
    lies in the window, and is among the last or first N, and is one that the result is computed from; its value."""


def trace(rows: ir.Table, spine: ir.Table, task: TableTask) -> Trace:
    """The rows one feature is computed from, by the query it is computed with.

    Args:
        rows, spine: as for `compile_table`; each row has a number `_traced`.
        task: the table and one feature.
    """
    met = facts_of(rows, spine, task)
    return Trace(met.select(TRACED), _Query(task, "").traced(met))


@dataclass
class _Query:
    """The columns of one table's query, each made once however many features want it."""

    task: TableTask
    prefix: str
    wheres: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[str, bool], tuple[str, Type]] = field(default_factory=dict)
    ranks: dict[tuple[str, Offset], str] = field(default_factory=dict)
    masks: dict[tuple[str, Window], str] = field(default_factory=dict)
    chosen: dict[tuple[str, int | None, int | None], str] = field(default_factory=dict)
    frequent: dict[tuple[str, str], str] = field(default_factory=dict)
    open: dict[str, str] = field(default_factory=dict)

    @property
    def _has_order(self) -> bool:
        table = self.task.table
        return bool(table.time or table.known_column or self.task.order)

    def compiled(self, met: ir.Table) -> Compiled:
        return self._aggregated(self._prepared(met))

    def _prepared(self, met: ir.Table) -> ir.Table:
        ordered = with_previous(self._corrected(met), self.task)
        self.open |= ordered.open
        return self._frequencies(self._chosen(self._masked(self._calculated(ordered.rows))))

    def traced(self, met: ir.Table) -> ir.Table:
        (feature,) = self.task.features
        rows = self._prepared(met)
        reads, seen = AGGREGATES[feature.recipe.aggregate or ""].at, self._features(feature, rows)
        ends = {"newest": seen.newest, "oldest": seen.oldest, "ends": seen.newest | seen.oldest}
        used = {"mode": seen.frequent, "value": seen.newest}.get(feature.recipe.aggregate or "", seen.rows)
        used = unbroken(rows, seen) if reads == "all" else used
        return rows.select(
            TRACED,
            holds=rows[self._where(feature)],
            inside=rows[self._mask(feature)],
            chosen=seen.rows,
            used=ends.get(reads or "", used).fill_null(False),
            value=output(seen.value) if seen.value else ibis.null("string"),
        )

    def _corrected(self, rows: ir.Table) -> ir.Table:
        """Only the newest version of each record."""
        if not self.task.table.unique or self.task.table.time is None:
            return rows.mutate(**{TWINS: ibis.literal(False)})
        versions = corrections(rows, self.task)
        return versions.filter(versions._vn == 1).mutate(**{TWINS: versions._ve > 1})

    # calculated: from here on the table's own columns are gone, so that no name can clash

    def _calculated(self, rows: ir.Table) -> ir.Table:
        columns: dict[str, Any] = {HUGE: ibis.literal(False)}
        for feature in self.task.computed:
            self._where_column(feature, rows, columns)
            self._value_column(feature, rows, columns)
        carried = [NUMBER, TWINS, *bounds(self.task).values(), *dict.fromkeys(self.open.values())]
        times = self._times(rows)
        if self.task.order:
            columns["_order"] = rows[self.task.order]
        if TRACED in rows.columns:
            carried.append(TRACED)
        return rows.select(*carried, CUT, MOMENT, **times, **columns)

    def _times(self, rows: ir.Table) -> dict[str, Any]:
        if self.task.table.time is None:
            return {KNOWN: rows[KNOWN]} if self.task.table.known_column else {}
        happened, as_of = rows[TIME].cast("date"), rows[MOMENT].cast("date")
        wanted = {feature.recipe.aggregate for feature in self.task.computed}
        times: dict[str, Any] = {TIME: rows[TIME], KNOWN: rows[KNOWN]}
        if wanted & {"slope", "days_since"}:
            times["_day"] = days_between(as_of, happened)
        if "months_since" in wanted:
            times["_months"] = months_between(happened, as_of)
        return times

    def _names(self, rows: ir.Table, name: str) -> Value:
        if name == AS_OF:
            return Value(DATE, rows[MOMENT].cast("date"))
        return stored(rows[name], column_type(self.task.table.columns[name.removeprefix(BEFORE)]))

    def _evaluated(self, expression: Expression, rows: ir.Table) -> Value:
        return evaluate(expression, lambda name: self._names(rows, name))

    def _where_column(self, feature: Feature, rows: ir.Table, columns: dict[str, Any]) -> None:
        asked = condition(feature)
        key = repr(asked)
        if asked is not None and key not in self.wheres:
            name = self.wheres[key] = f"_w{len(self.wheres)}"
            columns[name] = self._evaluated(asked, rows).column.fill_null(False)

    def _value_column(self, feature: Feature, rows: ir.Table, columns: dict[str, Any]) -> None:
        key = self._value_key(feature)
        if key is None or key in self.values:
            return
        argument = feature.recipe.argument
        assert argument is not None
        value = self._evaluated(argument, rows)
        if key[1]:
            value, fits = self._quantised(value)
            columns[HUGE] = columns[HUGE] | ~fits
        name = f"_x{len(self.values)}"
        self.values[key] = name, value.type
        columns[name] = value.column

    def _value_key(self, feature: Feature) -> tuple[str, bool] | None:
        recipe = feature.recipe
        if recipe.argument is None or recipe.argument_type is None:
            return None
        return repr(recipe.argument), recipe.quantised

    def _quantised(self, value: Value) -> tuple[Value, ir.BooleanValue]:
        """A float as a whole number of the smallest unit, so that its sums are exact, and whether it fits."""
        unit = 10**self.task.digits
        fits = (value.column.abs() < number(2**62 / unit)).fill_null(True)
        whole = halves_up(value.column * number(unit)).cast("int64")
        return Value(Type("decimal", self.task.digits), ibis.ifelse(fits, whole, ibis.null("int64"))), fits

    # masks and ranks

    def _masked(self, rows: ir.Table) -> ir.Table:
        """One truth column per (where, window) and one set of ranks per (where, window end)."""
        rows = rows.mutate(_all=ibis.literal(True))
        columns: dict[str, Any] = {}
        for feature in self.task.computed:
            where, window = self._where(feature), feature.recipe.window
            if (where, window) not in self.masks:
                name = self.masks[where, window] = f"_m{len(self.masks)}"
                columns[name] = self._inside(rows, where, window)
            if self._has_order and _ordered(feature) and (where, window.end) not in self.ranks:
                name = self.ranks[where, window.end] = f"_g{len(self.ranks)}"
                columns[name] = self._inside(rows, where, Window(None, window.end))
        rows = rows.mutate(**columns)
        for flag in self.ranks.values():
            rows = ranked(rows, [NUMBER, flag], newest_first(rows, TIME, KNOWN, "_order"), flag)
        counted = {
            f"{mask}c": rows[mask].cast("int64").sum().over(group_by=[rows[NUMBER]])
            for (where, window), mask in self.masks.items()
            if any(self._mask(f) == mask and _needs_count(f) for f in self.task.computed)
        }
        return rows.mutate(**counted) if counted else rows

    def _where(self, feature: Feature) -> str:
        asked = condition(feature)
        return self.wheres[repr(asked)] if asked is not None else "_all"

    def _mask(self, feature: Feature) -> str:
        return self.masks[self._where(feature), feature.recipe.window]

    def _inside(self, rows: ir.Table, where: str, window: Window) -> ir.BooleanValue:
        inside, edges = rows[where], bounds(self.task)
        if self.task.table.time is None:
            return inside
        if window.start:
            inside = inside & (rows[TIME] >= rows[edges[window.start]])
        if window.end in edges:
            inside = inside & (rows[TIME] < rows[edges[window.end]])
        return inside

    def _rank(self, feature: Feature) -> str:
        return self.ranks[self._where(feature), feature.recipe.window.end]

    def _chosen(self, rows: ir.Table) -> ir.Table:
        """One truth column per mask and `last N` or `first N`."""
        columns: dict[str, Any] = {}
        for feature in self.task.computed:
            mask, last, first = key = self._mask(feature), feature.recipe.last, feature.recipe.first
            if key not in self.chosen:
                name = self.chosen[key] = f"_k{len(self.chosen)}"
                chosen = rows[mask]
                if last:
                    chosen = chosen & (rows[f"{self._rank(feature)}n"] <= last)
                if first:
                    chosen = chosen & (rows[f"{self._rank(feature)}n"] > rows[f"{mask}c"] - first)
                columns[name] = chosen
        return rows.mutate(**columns)

    def _chosen_name(self, feature: Feature) -> str:
        return self.chosen[self._mask(feature), feature.recipe.last, feature.recipe.first]

    def _frequencies(self, rows: ir.Table) -> ir.Table:
        """For mode: whether a row holds one of the most frequent values."""
        for feature in self.task.computed:
            value = self._value_key(feature)
            if feature.recipe.aggregate != "mode" or value is None:
                continue
            chosen, column = self._chosen_name(feature), self.values[value][0]
            if (chosen, column) in self.frequent:
                continue
            name = self.frequent[chosen, column] = f"_f{len(self.frequent)}"
            rows = rows.mutate(**{f"{name}v": rows[chosen] & rows[column].notnull()})
            same = [rows[NUMBER], rows[f"{name}v"], rows[column]]
            rows = rows.mutate(**{f"{name}c": rows.count().over(group_by=same)})
            most = rows[f"{name}c"].max().over(group_by=[rows[NUMBER], rows[f"{name}v"]])
            rows = rows.mutate(**{name: rows[f"{name}v"] & (rows[f"{name}c"] == most)})
        return rows

    # aggregation

    def _aggregated(self, rows: ir.Table) -> Compiled:
        marks = {f"{self.prefix}{name}": rows[name].cast("int64").max() for name in (TWINS, HUGE)}
        made: dict[str, Any] = dict(marks)
        counts: dict[str, str] = {}
        ties: dict[str, str] = {}
        for feature in self.task.computed:
            recipe = feature.recipe
            assert recipe.aggregate is not None
            chosen = rows[self._chosen_name(feature)]
            value = compute(recipe.aggregate, self._features(feature, rows))
            made[feature.name] = value.cast(IBIS_TYPES[recipe.raw.kind])
            if AGGREGATES[recipe.aggregate].empty != "null":
                counts[feature.name] = f"{self.prefix}_n{self._chosen_name(feature)}"
                made[counts[feature.name]] = chosen.count(where=chosen)
            if (tie := self._tie(feature, rows)) is not None:
                ties[feature.name] = f"{self.prefix}_t{len(ties)}"
                made[ties[feature.name]] = tie.cast("int64")
        return Compiled(rows.group_by(NUMBER).aggregate(**made), counts, ties)

    def _features(self, feature: Feature, rows: ir.Table) -> Chosen:
        chosen, key = rows[self._chosen_name(feature)], self._value_key(feature)
        nobody = ibis.literal(False)
        name, type_ = self.values[key] if key else ("", None)
        ordered = _ordered(feature) and self.task.table.time is not None
        ends = self._ends(feature, rows) if ordered else None
        by_order = chosen if ends is None else None
        if feature.recipe.aggregate == "value" and self._has_order:
            by_order = chosen & (rows[f"{self._rank(feature)}n"] == 1)
        day = rows["_day"] if "_day" in rows.columns else ibis.literal(0)
        months, reads = feature.recipe.aggregate == "months_since", AGGREGATES[feature.recipe.aggregate or ""].at
        return Chosen(
            chosen,
            Value(type_, rows[name]) if type_ else None,
            day,
            by_order if ends is None else self._at(feature, rows, ends[0]),
            by_order if ends is None else self._at(feature, rows, ends[1]),
            rows[self.frequent[self._chosen_name(feature), name]] if feature.recipe.aggregate == "mode" else nobody,
            rows["_months"] if months else -day,
            *((rows[f"{self._rank(feature)}{part}"] for part in "np") if reads == "all" else ()),
        )

    def _ends(self, feature: Feature, rows: ir.Table) -> tuple[Any, Any]:
        """Rank of the newest and of the oldest chosen row."""
        recipe, mask = feature.recipe, self._mask(feature)
        count: Any = rows[f"{mask}c"] if f"{mask}c" in rows.columns else None
        newest = ibis.greatest(count - recipe.first, 0) + 1 if recipe.first else 1
        oldest = ibis.least(count, recipe.last) if recipe.last and count is not None else count
        return newest, oldest

    def _at(self, feature: Feature, rows: ir.Table, position: Any) -> ir.BooleanValue:
        if position is None:
            return ibis.literal(False)
        return rows[self._chosen_name(feature)] & (rows[f"{self._rank(feature)}n"] == position)

    def _tie(self, feature: Feature, rows: ir.Table) -> ir.BooleanValue | None:
        """Whether rows that order cannot tell apart differ where it matters."""
        among, window = self._among(feature, rows), feature.recipe.window
        if among is None or feature.name not in self.open:
            return among
        unclear = (rows[self.open[feature.name]] & self._inside(rows, "_all", window)).any().fill_null(False)
        return unclear | among.fill_null(False)

    def _among(self, feature: Feature, rows: ir.Table) -> ir.BooleanValue | None:
        """Whether tied rows that a feature chooses differ."""
        key = self._value_key(feature)
        if key is None or not _ordered(feature):
            return ibis.literal(False) if feature.name in self.open else None
        column, recipe = rows[self.values[key][0]], feature.recipe
        if not self._has_order:
            chosen = rows[self._chosen_name(feature)]
            return (column.min(where=chosen) != column.max(where=chosen)).fill_null(False)
        assert recipe.aggregate is not None
        reads = AGGREGATES[recipe.aggregate].at or ("newest" if recipe.aggregate == "value" else None)
        newest, oldest = self._ends(feature, rows)
        places = {"newest": [newest], "oldest": [oldest], "ends": [newest, oldest]}.get(reads or "", [])
        open_ = [differing(column, self._equals_of(feature, rows, place, place)) for place in places]
        if not open_ and recipe.last:
            open_ = [differing(column, self._equals_of(feature, rows, recipe.last, recipe.last + 1))]
        if not open_ and recipe.first:
            edge = rows[f"{self._mask(feature)}c"] - recipe.first
            open_ = [differing(column, self._equals_of(feature, rows, edge, edge + 1))]
        return ibis.or_(*open_)

    def _equals_of(self, feature: Feature, rows: ir.Table, low: Any, high: Any) -> ir.BooleanValue:
        """Rows of the group of equals that reaches from rank `low` or before to `high` or beyond."""
        flag = self._rank(feature)
        return rows[self._mask(feature)] & (rows[f"{flag}p"] <= low) & (rows[f"{flag}e"] >= high)


def _ordered(feature: Feature) -> bool:
    recipe = feature.recipe
    assert recipe.aggregate is not None
    at = AGGREGATES[recipe.aggregate].at or recipe.aggregate == "value"
    return bool(at or recipe.last or recipe.first)


def _needs_count(feature: Feature) -> bool:
    recipe = feature.recipe
    return bool(recipe.first) or AGGREGATES[recipe.aggregate or ""].at in ("oldest", "ends")
