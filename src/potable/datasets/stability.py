"""Whether the columns of a new version are distributed as those of an earlier one.

Both are read from their Parquet files one column at a time. Numbers are compared in tenths of the earlier version,
words and few numbers one by one, and nulls are a cell of their own. Told are distances, and shares of the label's
values, which the card tells too. Entry: `shifts`, then `require_stable`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from potable import divergence
from potable.datasets.shifts import Shift as Shift
from potable.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

CHANCE = 0.001
"""A change that is this likely without any is none: a version has many columns."""
_FEW = 20
"""Distinct numbers of the earlier version up to which each is a cell."""
_WORDS = 50
"""Words that are cells of their own, the most frequent ones of the earlier version; all others are one."""
Cells = tuple[list[int], list[int]]
"""Rows by cell, of the new version and of the earlier one."""


@dataclass(frozen=True)
class Bounds:
    """How much may change."""

    psi: float
    """Population stability index of a feature, and of a label of numbers."""
    label: float
    """Change of the share of any value of a label of words, by the share it had."""
    severity: Literal["warn", "stop"]
    least: int
    """Rows below which a value is not told apart."""
    labels: Collection[str] = ()
    expected: Mapping[str, tuple[date, str]] = field(default_factory=dict)
    """Columns whose change is expected: until when, and why."""


def shifts(
    new: pq.ParquetFile, old: pq.ParquetFile, columns: Sequence[str], bounds: Bounds, today: date
) -> list[Shift]:
    """Each of the `columns` of the new file beside that of the old one, where both have it with one type.

    Dates are left out: they move with time.
    """
    types = {each.name: each.type for each in old.schema_arrow}
    found = []
    for name in columns:
        kind = types.get(name)
        if kind is None or kind != new.schema_arrow.field(name).type:
            continue
        now, before = (_column(file, name) for file in (new, old))
        if (compared := _compared(name, now, before, bounds)) is not None:
            found.append(_expected(compared, bounds, today))
    return found


def require_stable(found: Sequence[Shift], reference: str, current: str) -> None:
    """Refuse a version that lies farther from `reference` than declared.

    Raises:
        DataError: D010, with the columns that do.
    """
    stopping = [each for each in found if each.state == "stop"]
    if stopping:
        raise DataError(
            f"the distribution of {', '.join(f'`{each.column}`' for each in stopping)} has drifted from {reference}",
            "D010",
            given=" ".join(each.told for each in stopping),
            hint="find out what changed in the sources (`potable profile TABLE`); if the change is expected, add "
            "it to `drift: accepted` in features.yaml",
            state=f"nothing was published; {current}",
            next="potable run",
        )


def _column(file: pq.ParquetFile, name: str) -> pa.Array:
    return file.read(columns=[name]).column(0).combine_chunks()


def _compared(name: str, now: pa.Array, before: pa.Array, bounds: Bounds) -> Shift | None:
    import pyarrow as pa

    if pa.types.is_string(now.type) or pa.types.is_boolean(now.type):
        counts = _of_words(now), _of_words(before)
        if name in bounds.labels:
            return _of_label(name, *_with_rare_as_one(*counts, bounds.least), bounds)
        cells = _words(*counts)
    elif pa.types.is_integer(now.type) or pa.types.is_floating(now.type):
        cells = _numbers(now, before)
    else:
        return None
    index = divergence.psi(*cells)
    far = index.effect >= bounds.psi and index.chance < CHANCE
    told = f"`{name}`: PSI {index.effect:.2f}, bound {bounds.psi:g}."
    state = bounds.severity if far else "ok"
    return Shift(name, "psi", round(index.effect, 6), index.chance, bounds.psi, state, told)


def _of_words(column: pa.Array) -> Counter[str | None]:
    import pyarrow.compute as pc

    counted = pc.value_counts(column.cast("string"))
    words, rows = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    return Counter(dict(zip(words, rows, strict=True)))


def _words(now: Counter[str | None], before: Counter[str | None]) -> Cells:
    own = [
        None,
        *sorted((word for word in before if word is not None), key=lambda word: (-before[word], word))[:_WORDS],
    ]
    left, right = [now[word] for word in own], [before[word] for word in own]
    return [*left, now.total() - sum(left)], [*right, before.total() - sum(right)]


def _with_rare_as_one(
    now: Counter[str | None], before: Counter[str | None], least: int
) -> tuple[Counter[str | None], Counter[str | None]]:
    """The same with values that few rows have as one value, unless there are only two: of these one tells the other."""
    words = {*now, *before}
    rare = {word for word in words if max(now[word], before[word]) < least} if len(words) > 2 else set()
    one, other = Counter[str | None](), Counter[str | None]()
    for counts, joined in ((now, one), (before, other)):
        for word, rows in counts.items():
            joined["any other"] += rows if word in rare else 0
            joined[word] += 0 if word in rare else rows
    return +one, +other


def _numbers(now: pa.Array, before: pa.Array) -> Cells:
    import numpy as np

    known = [column.drop_null().to_numpy(zero_copy_only=False) for column in (now, before)]
    values = np.unique(known[1])
    if len(values) > _FEW:
        values = np.unique(np.quantile(known[1], np.arange(1, 10) / 10, method="inverted_cdf"))
    counts = [np.bincount(np.searchsorted(values, each, "right"), minlength=len(values) + 1) for each in known]
    cells = [[*map(int, each), column.null_count] for each, column in zip(counts, (now, before), strict=True)]
    return cells[0], cells[1]


def _of_label(name: str, now: Counter[str | None], before: Counter[str | None], bounds: Bounds) -> Shift | None:
    """The value whose share changed most by itself, beyond chance if any did; None of versions without rows."""
    n, m = now.total(), before.total()
    if not n or not m:
        return None
    found = []
    for word in sorted({*now, *before}, key=str):
        a, b = now[word], before[word]
        chance = divergence.chance_of_shares((a, n), (b, m))
        change = abs(a * m - b * n) / (max(b, 1) * n)
        found.append((chance < CHANCE, change, chance, f"{word}: {b / m:.1%} before, {a / n:.1%} now"))
    sure, change, chance, told = max(found)
    state = bounds.severity if sure and change > bounds.label else "ok"
    told = f"`{name}` is {told}; bound {bounds.label:.0%} of the share before."
    return Shift(name, "share", round(change, 6), chance, bounds.label, state, told)


def _expected(shift: Shift, bounds: Bounds, today: date) -> Shift:
    if shift.state == "ok" or shift.column not in bounds.expected:
        return shift
    until, why = bounds.expected[shift.column]
    if today <= until:
        return replace(shift, state="accepted", told=f"{shift.told} Expected until {until}: {why}.")
    return replace(shift, told=f"{shift.told} It was expected only until {until}.")
