"""How each column of the finished table is distributed, for the report and the card.

Counts below `least` are never told apart: a class that small could be a person. So a histogram begins where `least`
values lie below, at a round number, and ends in the same way: the least and the greatest value are one person's each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import ibis
import ibis.expr.types as ir

from potable.engines.base import Engine, collect, scalars, union_all

BINS = 20
"""Most bins of a histogram."""
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Widths of bins, times a power of ten."""
MOST_WORDS = 12
MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
        *("NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Words that pandas takes for missing in a CSV file, unless told otherwise."""
_FORMULA = r"^[=@\t\r]|^[+-].*[A-Za-z(|!]"
"""What a spreadsheet calculates; of signs before a number it makes the number."""
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
        found |= scalars(engine, rows.agg(**totals))
    shown = [name for name in names if name not in hidden]
    numeric = [name for name in shown if _numeric(rows[name])]
    histograms = _histograms(rows, _spans(rows, numeric, engine, least), engine)
    words = _words(rows, [name for name in shown if name not in numeric], engine, least)
    out = []
    for index, name in enumerate(names):
        bins, counts = histograms.get(name) or words.get(name) or ([], [])
        nulls, distinct = int(found[f"nulls_{index}"]), int(found[f"distinct_{index}"])
        out.append(Distribution(name, str(rows[name].type()), nulls, distinct, bins, _hidden(counts, least)))
    return out


def formulas(rows: ir.Table, engine: Engine, *, hidden: Sequence[str] = ()) -> dict[str, int]:
    """How many cells of each text column, but those `hidden`, a spreadsheet would take for a formula."""
    texts = [name for name, kind in rows.schema().items() if kind.is_string() and name not in hidden]
    found: dict[str, int] = {}
    for some in portions(texts):
        counts = {name: rows[name].re_search(_FORMULA).cast("int64").sum().fill_null(0) for name in some}
        found |= scalars(engine, rows.agg(**counts))
    return {name: int(count) for name, count in found.items() if count}


def run_as_formulas(found: Mapping[str, int]) -> list[str]:
    """What whoever opens the CSV file in a spreadsheet should know, a sentence for each column."""
    return [
        f"{count:,} cell{'s' * (count != 1)} of {name} begin{'s' * (count == 1)} as a formula (=, +, -, @), which a "
        "spreadsheet would run when it opens the CSV file; import it as text, or read the Parquet file."
        for name, count in found.items()
    ]


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


def _spans(rows: ir.Table, names: Sequence[str], engine: Engine, least: int) -> dict[str, tuple[float, float]]:
    """By column with so many numbers, the one that `least` are not greater than, and the one they are not less than."""
    ends = []
    for name in names:
        values = rows.select(column=ibis.literal(name), value=rows[name].cast("float64")).filter(ibis._.value.notnull())
        for order in (ibis.asc, ibis.desc):
            outer = values.order_by(order("value")).limit(least)
            ends.append(outer.group_by("column").agg(n=ibis._.count(), low=ibis._.value.min(), high=ibis._.value.max()))
    found: dict[str, list[float]] = {}
    for some in portions(ends):
        for row in collect(engine, union_all(some)).to_pylist():
            if row["n"] >= least:
                found.setdefault(row["column"], []).extend((row["low"], row["high"]))
    # of both ends the inner value
    inner = {name: sorted(values)[1:3] for name, values in found.items()}
    return {name: (low, high) for name, (low, high) in inner.items() if math.isfinite(high - low)}


def _edges(low: float, high: float) -> tuple[float, list[float]]:
    """Width and edges of at most `BINS` bins that hold both ends; all of them round numbers."""
    exact = (high - low) / BINS or 1.0
    power = math.floor(math.log10(exact))
    for factor in (each * 10.0**more for more in (power, power + 1) for each in _ROUND):
        first, last = math.floor(low / factor), math.ceil(high / factor)
        if factor >= exact and last - first <= BINS:
            break
    digits = max(2 - power, 0)
    return factor, [round(factor * edge, digits) for edge in range(first, max(last, first + 1) + 1)]


def _histograms(rows: ir.Table, spans: Mapping[str, tuple[float, float]], engine: Engine) -> _Drawn:
    """Equal bins between two numbers of each column, some columns at a time; what lies beyond is in the outer bins."""
    edges = {name: _edges(*span) for name, span in spans.items()}
    counted = []
    for name, (width, bins) in edges.items():
        slot = ((rows[name].cast("float64") - bins[0]) / width).floor()
        # the least of a null and a number is the number
        slots = rows.select(slot=slot).filter(ibis._.slot.notnull())
        inside = ibis.greatest(ibis.least(slots.slot, len(bins) - 2.0), 0.0).cast("int64")
        slots = slots.select(column=ibis.literal(name), slot=inside)
        counted.append(slots.group_by(["column", "slot"]).agg(n=ibis._.count()))
    drawn: _Drawn = {name: ([*bins], [0] * (len(bins) - 1)) for name, (_, bins) in edges.items()}
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
