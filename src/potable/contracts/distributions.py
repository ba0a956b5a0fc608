"""Distribution drift: whether a column is distributed as before, judged by counts of its cells, now and before.

Entry: `drifted`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from potable import divergence
from potable.contracts.findings import Finding, State
from potable.contracts.periods import named
from potable.contracts.profile import Profile, edge, kind_of
from potable.contracts.results import common, declared_words, is_open, unmasked
from potable.health import Severity
from potable.tables import Table

CHANCE = 0.001
"""Significance level: a difference more likely than this by chance alone counts as none, however large it is."""
_SHOWN = 12
"""Words or ranges a finding may show."""


def drifted(table: Table, column: str, pair: tuple[Profile, Profile], shared: int) -> Iterator[Finding]:
    """What is found of a column, for each measure that is declared.

    Args:
        table: the contract.
        column: the column.
        pair: its table's profile, now and before.
        shared: rows that must share an undeclared word before it is drawn as it is.
    """
    bounds = table.health.drift[column]
    now, before = (part.values(column) for part in pair)
    if not now or not before:
        yield Finding("drift", "open", _empty(bool(now), bool(before)), column)
        return
    ordered = kind_of(table, column) != "word"
    cells = sorted({*now, *before})
    counts = [now.get(cell, 0) for cell in cells], [before.get(cell, 0) for cell in cells]
    drawn = _drawn(table, column, (cells, *counts), shared) if is_open(table, column) else {}
    for measure, bound in bounds.bounds.items():
        if measure == "chi_square" and len(cells) > 1 and not divergence.comparable(*counts):
            few = f"Not judged: {sum(counts[0]):,} values now and {sum(counts[1]):,} before are too few."
            yield Finding("drift", "open", few, column, measure)
            continue
        if measure == "psi":
            found = divergence.psi(*(divergence.grouped(*counts) if ordered else counts))
        else:
            found = (divergence.kolmogorov_smirnov if measure == "ks" else divergence.chi_square)(*counts)
        drifts = found.effect >= bound and found.chance < CHANCE
        told = f"{_NAMES[measure]} {found.effect:.3f}; the bound is {bound:g}{_by_chance(found, bound)}."
        yield Finding(
            "drift",
            judged(drifts, bounds.severity),
            told,
            column,
            measure,
            round(found.effect, 6),
            bound,
            found.chance,
            **drawn,
        )


def _empty(now: bool, before: bool) -> str:
    """What is told where one side has no value, or neither."""
    if now:
        return "Not judged: it had no value before."
    return f"Not judged: it has no value{' any more; `missing` judges nulls' if before else ', and had none before'}."


_NAMES: Mapping[str, str] = {"psi": "PSI", "ks": "Kolmogorov-Smirnov distance", "chi_square": "Cramér's V"}


def _by_chance(found: divergence.Measured, bound: float) -> str:
    if found.effect < bound or found.chance < CHANCE:
        return ""
    return f"; with so few rows, a difference like this may be chance (p = {found.chance:.2g})"


def _drawn(table: Table, column: str, found: tuple[Sequence[Any], list[int], list[int]], shared: int) -> dict[str, Any]:
    """Shares of the words or ranges of a harmless column, before and now; the rarest together."""
    cells, *counts = found
    totals = [sum(each) for each in counts]
    if kind_of(table, column) == "word":
        own = declared_words(table, column)
        rows = sorted(zip(*found, strict=True), key=lambda row: (-row[1] - row[2], row[0]))
        kept = [
            (word if common(a + b, sum(totals), shared) else str(unmasked(word, own)), a, b)
            for word, a, b in rows[:_SHOWN]
        ]
        if rows[_SHOWN:]:
            kept.append(("others", sum(row[1] for row in rows[_SHOWN:]), sum(row[2] for row in rows[_SHOWN:])))
    else:
        kind = kind_of(table, column)
        names = [named(cell, kind) if kind in ("day", "month") else edge(cell) for cell in cells]
        kept = _ranges(names, (counts[0], counts[1]))
    return {
        "cells": [row[0] for row in kept],
        "now": [row[1] / totals[0] for row in kept],
        "before": [row[2] / totals[1] for row in kept],
    }


def _ranges(names: Sequence[Any], counts: tuple[list[int], list[int]]) -> list[tuple[str, int, int]]:
    """Neighbouring bins joined to ranges of about equally many rows of both, named by where they begin."""
    total, passed = sum(counts[0]) + sum(counts[1]), 0
    out: list[tuple[str, int, int]] = []
    for name, a, b in zip(names, *counts, strict=True):
        if not out or passed * _SHOWN >= len(out) * total:
            out.append((f"from {name:,g}" if isinstance(name, float) else f"from {name}", 0, 0))
        out[-1] = (out[-1][0], out[-1][1] + a, out[-1][2] + b)
        passed += a + b
    return out


def judged(bad: bool, severity: Severity) -> State:
    """The state of a finding: its severity where it is bad, else `ok`."""
    return severity if bad else "ok"
