"""Bias: label and feature rates of the finished rows, by the groups a project declares.

Rates say that groups differ, not why, and not whether that is right; who uses the dataset has to judge. Groups
with fewer rows than may be told apart are left out. Entry: `rates`, then `require_fair`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Literal

import ibis
import ibis.expr.types as ir

from potable import divergence
from potable.datasets.disparities import Disparity as Disparity
from potable.datasets.profile import Distribution, portions
from potable.engines.base import Engine, collect, union_all
from potable.errors import DataError

CHANCE = 0.05
"""A difference of label rates that is this likely without any is none (two standard deviations, as in UGESP)."""
_NULL = ""
Cells = Mapping[str, Counter[str]]
"""Rows by cell of one column, by group."""


@dataclass(frozen=True)
class Groups:
    """Which groups are looked at, and how much they may differ."""

    columns: Sequence[str]
    """Output columns whose values are the groups."""
    label: str
    favourable: str
    """Value of the label that is favourable for a person."""
    min_ratio: float | None = None
    max_difference: float | None = None
    max_feature_difference: float | None = None
    severity: Literal["warn", "stop"] = "warn"
    least: int = 1
    """Rows below which a group is not told apart."""

    def exceeded(self, low: float, high: float) -> bool:
        """Whether two rates of the favourable value differ more than they may."""
        by_ratio = self.min_ratio is not None and low / high < self.min_ratio
        return by_ratio or (self.max_difference is not None and high - low > self.max_difference)


@dataclass(frozen=True)
class _Compared:
    """One column and the groups of another, counted."""

    column: str
    by: str
    cells: Cells = field(repr=False)
    ordered: bool = False
    """Whether cells are bins of numbers, in order."""

    @property
    def groups(self) -> list[str]:
        """Largest first, equal ones by name."""
        return sorted(self.cells, key=lambda group: (-self.cells[group].total(), group))


def rates(rows: ir.Table, groups: Groups, distributions: Sequence[Distribution], engine: Engine) -> list[Disparity]:
    """The label's rates and the distance of every feature, for each of the group columns; largest distance first.

    Args:
        distributions: of the same rows; they say how numbers are binned.
    """
    found: list[Disparity] = []
    for by in groups.columns:
        counted = _counted(rows, by, groups, distributions, engine)
        label = [_of_label(each, groups) for each in counted if each.column == groups.label]
        features = [_of_feature(each, groups) for each in counted if each.column not in (groups.label, by)]
        found += [*label, *sorted(features, key=lambda each: (-each.difference, each.column))]
    return found


def require_fair(found: Sequence[Disparity]) -> None:
    """Refuse a dataset whose groups differ more than declared.

    Raises:
        DataError: D009, with what differs most.
    """
    for each in found:
        if each.state == "stop":
            raise DataError(
                f"`{each.column}` differs between the groups of `{each.by}` more than features.yaml allows",
                "D009",
                given=each.told,
                hint="find out how the label comes about and who is missing in the sources; then correct that, or "
                "change `bias`",
                state="nothing was published; the last version stays current",
                next="potable report",
            )


def _counted(
    rows: ir.Table, by: str, groups: Groups, distributions: Sequence[Distribution], engine: Engine
) -> list[_Compared]:
    """Rows by group and cell of every column that has words or bins, for the groups with enough rows."""
    found: dict[str, dict[str, Counter[str]]] = {}
    numbers, parts = set[str](), []
    for item in distributions:
        cell = _cell(rows[item.name], item)
        if cell is not None:
            found[item.name] = {}
            numbers |= {item.name} if rows[item.name].type().is_numeric() else set()
            cells = rows.select(by=rows[by], cell=cell).filter(ibis._.by.notnull())
            # counted before they are put together: texts of a few groups instead of all cells
            counted = cells.group_by("by", "cell").agg(n=ibis._.count())
            told = {"by": counted.by.cast("string"), "cell": _told(counted.cell)}
            parts.append(counted.select("n", column=ibis.literal(item.name), **told))
    for some in portions(parts):
        for row in collect(engine, union_all(some)).to_pylist():
            found[row["column"]].setdefault(row["by"], Counter())[row["cell"] or _NULL] += row["n"]
    large = {
        name: {group: cells for group, cells in each.items() if cells.total() >= max(groups.least, 1)}
        for name, each in found.items()
    }
    return [_Compared(name, by, each, name in numbers) for name, each in large.items()]


def _cell(column: ir.Value, item: Distribution) -> ir.Value | None:
    """The word of a cell, or the number of its bin in the column's histogram; None of what has neither."""
    kind = column.type()
    if not item.bins:
        return None
    if not kind.is_numeric():
        return column if kind.is_string() or kind.is_boolean() else None
    low, high, bins = float(item.bins[0]), float(item.bins[-1]), len(item.counts)
    slot = ((column.cast("float64") - low) / ((high - low) / bins)).floor()
    # the least of a null and a number is the number
    inside = ibis.greatest(ibis.least(slot, bins - 1.0), 0.0).cast("int64")
    return ibis.ifelse(slot.isnull(), ibis.null("int64"), inside)


def _told(cell: ir.Value) -> ir.Value:
    """A cell as a text; the number of a bin has two digits, so that texts sort as numbers."""
    return cell.cast("string").lpad(2, "0") if cell.type().is_integer() else cell.cast("string")


def _of_label(compared: _Compared, groups: Groups) -> Disparity:
    """Rates of the favourable value; the ratio is that of the four-fifths rule (UGESP, 29 CFR 1607.4 D)."""
    names, cells = compared.groups, compared.cells
    sizes = [cells[name].total() for name in names]
    good = [cells[name][groups.favourable] for name in names]
    shares = [part / size for part, size in zip(good, sizes, strict=True)]
    if len(names) < 2 or not any(good):
        told = (
            f"Fewer than two groups have {groups.least} rows."
            if any(good)
            else (f"No row has the value `{groups.favourable}`.")
        )
        return Disparity(groups.label, compared.by, "label", names, sizes, shares, 0, None, None, "open", told)
    # the groups farthest apart may be so few that it is chance, and others may still differ too much
    pairs = ((low, high) for low, high in permutations(range(len(names)), 2) if shares[low] <= shares[high] > 0)
    judged = [(_chance(good, sizes, pair), groups.exceeded(shares[pair[0]], shares[pair[1]]), pair) for pair in pairs]
    chance, over, (low, high) = max(judged, key=lambda each: (each[1] and each[0] < CHANCE, _apart(shares, each[2])))
    difference, ratio = _apart(shares, (low, high)), shares[low] / shares[high]
    told = (
        f"`{groups.favourable}` for {shares[low]:.1%} of `{names[low]}` and {shares[high]:.1%} of `{names[high]}`: "
        f"ratio {ratio:.2f}, difference {difference:.1%}."
    )
    if over and chance >= CHANCE:
        told += f" With so few rows, a difference like this may be chance (p = {chance:.2g})."
    state: Literal["ok", "warn", "stop"] = groups.severity if over and chance < CHANCE else "ok"
    return Disparity(
        groups.label,
        compared.by,
        "label",
        names,
        sizes,
        shares,
        difference,
        ratio,
        chance,
        state,
        told,
        groups.min_ratio if groups.min_ratio is not None else groups.max_difference,
    )


def _apart(shares: Sequence[float], pair: tuple[int, int]) -> float:
    return shares[pair[1]] - shares[pair[0]]


def _chance(good: Sequence[int], sizes: Sequence[int], pair: tuple[int, int]) -> float:
    """Probability of the rates of two groups without any difference between them."""
    one, other = ((good[place], sizes[place]) for place in pair)
    return divergence.chance_of_shares(one, other)


def _of_feature(compared: _Compared, groups: Groups) -> Disparity:
    """How far each group lies from all others: words by the share of one word, numbers by the cumulated share.

    A null is a cell of its own, so that a group of which less is known shows.
    """
    names, cells = compared.groups, compared.cells
    every = sorted({cell for each in cells.values() for cell in each})
    whole = [sum(each[cell] for each in cells.values()) for cell in every]
    distances = []
    for name in names:
        own = [cells[name][cell] for cell in every]
        rest = [all_ - mine for all_, mine in zip(whole, own, strict=True)]
        distances.append(_distance(own, rest, ordered=compared.ordered))
    most = max(distances, default=0.0)
    bound = groups.max_feature_difference
    state: Literal["ok", "warn", "stop"] = groups.severity if bound is not None and most > bound else "ok"
    where = names[distances.index(most)] if names else ""
    told = f"`{where}` differs from all others by {most * 100:.1f} percentage points." if most else "No difference."
    return Disparity(
        compared.column,
        compared.by,
        "feature",
        names,
        [cells[name].total() for name in names],
        distances,
        most,
        None,
        None,
        state,
        told,
        bound,
    )


def _distance(own: Sequence[int], rest: Sequence[int], *, ordered: bool) -> float:
    n, m = sum(own), sum(rest)
    if not n or not m:
        return 0.0
    if ordered:
        return divergence.kolmogorov_smirnov(own, rest).effect
    return max(abs(a / n - b / m) for a, b in zip(own, rest, strict=True))
