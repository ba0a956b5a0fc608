"""How each column of the finished table is distributed, for the report and the card.

Counts below `least` are never told apart: a class that small could be a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ibis
import ibis.expr.types as ir

from potable.engines.base import Engine, collect, scalars, union_all

BINS = 20
MOST_WORDS = 12
MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
        *("NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Words that pandas takes for missing in a CSV file, unless told otherwise."""
AT_ONCE = 16
"""Columns of which one query counts the values: each takes some megabytes, however few it has."""


T = TypeVar("T")


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
    found: dict[str, Any] = {}
    for some in portions(range(len(names))):
        totals = {}
        for index in some:
            column = rows[names[index]]
            totals[f"nulls_{index}"] = column.isnull().cast("int64").sum().fill_null(0)
            totals[f"distinct_{index}"] = column.nunique()
            if _numeric(column):
                value = column.cast("float64")
                totals |= {f"min_{index}": value.min(), f"max_{index}": value.max()}
        found |= scalars(engine, rows.agg(**totals))
    shown = [index for index, name in enumerate(names) if name not in hidden]
    numeric = [index for index in shown if _numeric(rows[names[index]])]
    spans = {index: (found[f"min_{index}"], found[f"max_{index}"]) for index in numeric}
    known = {index: (low, high) for index, (low, high) in spans.items() if None not in (low, high)}
    histograms = _histograms(rows, {names[index]: span for index, span in known.items()}, engine)
    words = _words(rows, [names[index] for index in shown if index not in spans], engine, least)
    out = []
    for index, name in enumerate(names):
        bins, counts = histograms.get(name) or words.get(name) or ([], [])
        nulls, distinct = int(found[f"nulls_{index}"]), int(found[f"distinct_{index}"])
        out.append(Distribution(name, str(rows[name].type()), nulls, distinct, bins, _hidden(counts, least)))
    return out


def misread(found: Sequence[Distribution]) -> list[str]:
    """What readers of the CSV file should know of words that look like missing values, a sentence for each column."""
    words = {item.name: [str(word) for word in item.bins if word in MISSING] for item in found}
    return [
        f"In the CSV, pandas reads {' and '.join(some)} of {name} as missing; use keep_default_na=False and "
        "na_values=[''], or read the Parquet file."
        for name, some in words.items()
        if some
    ]


def portions(columns: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many as are counted at once."""
    yield from (columns[first : first + AT_ONCE] for first in range(0, len(columns), AT_ONCE))


def _numeric(column: ir.Value) -> bool:
    return bool(column.type().is_numeric() and not column.type().is_boolean())


_Drawn = dict[str, tuple[list[float | str], list[int]]]
"""Bins and counts by column."""


def _histograms(rows: ir.Table, spans: Mapping[str, tuple[float, float]], engine: Engine) -> _Drawn:
    """`BINS` equal bins between the least and the greatest value of each column, some at a time."""
    widths = {name: (high - low) / BINS or 1.0 for name, (low, high) in spans.items()}
    counted = []
    for name, (low, _) in spans.items():
        slot = ((rows[name].cast("float64") - low) / widths[name]).floor().cast("int64")
        # the least of a null and a number is the number
        slots = rows.select(slot=slot).filter(ibis._.slot.notnull())
        slots = slots.select(column=ibis.literal(name), slot=ibis.least(slots.slot, BINS - 1))
        counted.append(slots.group_by(["column", "slot"]).agg(n=ibis._.count()))
    bins = {name: [round(low + widths[name] * edge, 6) for edge in range(BINS + 1)] for name, (low, _) in spans.items()}
    drawn: _Drawn = {name: (list(edges), [0] * BINS) for name, edges in bins.items()}
    for some in portions(counted):
        for row in collect(engine, union_all(some)).to_pylist():
            drawn[row["column"]][1][row["slot"]] = row["n"]
    return drawn


def _words(rows: ir.Table, names: Sequence[str], engine: Engine, least: int) -> _Drawn:
    """The most frequent words of each column that occur at least `least` times, some at a time."""
    tops = []
    for name in names:
        words = rows.select(column=ibis.literal(name), word=rows[name].cast("string")).filter(ibis._.word.notnull())
        grouped = words.group_by(["column", "word"]).agg(n=ibis._.count()).filter(ibis._.n >= least)
        tops.append(grouped.order_by([ibis.desc("n"), "word"]).limit(MOST_WORDS))
    drawn: _Drawn = {name: ([], []) for name in names}
    found = [row for some in portions(tops) for row in collect(engine, union_all(some)).to_pylist()]
    for row in sorted(found, key=lambda row: (-row["n"], row["word"])):
        bins, counts = drawn[row["column"]]
        bins.append(row["word"])
        counts.append(row["n"])
    return drawn


def _hidden(counts: list[int], least: int) -> list[int]:
    """Counts with the small ones set to `least`, so that no single person shows."""
    return [count if count == 0 or count >= least else least for count in counts]
