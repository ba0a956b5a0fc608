"""How each column of the finished table is distributed, for the report and the card.

Counts below `least` are never told apart: a class that small could be a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from potable.engines.base import Engine, collect, scalars

BINS = 20
MOST_WORDS = 12


@dataclass(frozen=True)
class Distribution:
    """One column: nulls, distinct values, and a histogram."""

    name: str
    type: str
    nulls: int
    distinct: int
    bins: Sequence[float | str]
    """Edges for numbers (one more than counts); words, most frequent first, for the rest."""
    counts: Sequence[int]


def profile(rows: ir.Table, engine: Engine, *, least: int, hidden: Sequence[str] = ()) -> list[Distribution]:
    """The distribution of every column of `rows`, in column order; those `hidden` without histogram."""
    names = list(rows.columns)
    totals = {}
    for index, name in enumerate(names):
        column = rows[name]
        totals[f"nulls_{index}"] = column.isnull().cast("int64").sum().fill_null(0)
        totals[f"distinct_{index}"] = column.nunique()
        if _numeric(column):
            value = column.cast("float64")
            totals |= {f"min_{index}": value.min(), f"max_{index}": value.max()}
    found = scalars(engine, rows.agg(**totals))
    out = []
    for index, name in enumerate(names):
        column = rows[name]
        bins: list[float | str] = []
        counts: list[int] = []
        if name in hidden:
            pass
        elif _numeric(column):
            bins, counts = _histogram(column, found[f"min_{index}"], found[f"max_{index}"], engine)
        else:
            bins, counts = _words(column, engine, least)
        nulls, distinct = int(found[f"nulls_{index}"]), int(found[f"distinct_{index}"])
        out.append(Distribution(name, str(column.type()), nulls, distinct, bins, _hidden(counts, least)))
    return out


def _numeric(column: ir.Value) -> bool:
    return bool(column.type().is_numeric() and not column.type().is_boolean())


def _histogram(
    column: ir.Value, low: float | None, high: float | None, engine: Engine
) -> tuple[list[float | str], list[int]]:
    if low is None or high is None:
        return [], []
    width = (high - low) / BINS or 1.0
    slot = ((column.cast("float64") - low) / width).floor().cast("int64")
    slots = column.as_table().select(slot=ibis.least(slot, BINS - 1)).filter(ibis._.slot.notnull())
    table = collect(engine, slots.group_by("slot").agg(n=ibis._.count()))
    counts = [0] * BINS
    for row in table.to_pylist():
        counts[row["slot"]] = row["n"]
    return [round(low + width * index, 6) for index in range(BINS + 1)], counts


def _words(column: ir.Value, engine: Engine, least: int) -> tuple[list[float | str], list[int]]:
    words = column.cast("string").name("word").as_table().filter(ibis._.word.notnull())
    grouped = words.group_by("word").agg(n=ibis._.count()).filter(ibis._.n >= least)
    top = collect(engine, grouped.order_by([ibis.desc("n"), "word"]).limit(MOST_WORDS)).to_pylist()
    return [row["word"] for row in top], [row["n"] for row in top]


def _hidden(counts: list[int], least: int) -> list[int]:
    """Counts with the small ones set to `least`, so that no single person shows."""
    return [count if count == 0 or count >= least else least for count in counts]
