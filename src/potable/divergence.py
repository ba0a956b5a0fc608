"""How far two samples lie apart: statistics over counts, each with its effect size and its chance.

Nothing but numbers in and numbers out. An effect without a small `chance` may be noise; a small chance with
a small effect is only a large sample. Sums go through `math.fsum`, so the order of counts changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Counts = Sequence[int]
_SMOOTH = 0.5
"""Added to every count where a share is divided by a share."""
_FEW = 5
"""Expected count below which a category goes with the others."""
_TERMS = 200


@dataclass(frozen=True)
class Measured:
    """What one statistic found."""

    effect: float
    """How far apart, independent of how many rows there are."""
    chance: float
    """Probability of such a distance where nothing changed (p-value)."""


def psi(now: Counts, before: Counts) -> Measured:
    """Population stability index over cells: the sum of (p - q) ln(p / q), in nats.

    Without change it is, times nm / (n + m), chi-square distributed with one degree less than cells (Yurdakul
    and Naranjo, Statistical properties of the population stability index, 2020), which gives the chance.
    Empty cells are kept from infinity by half a count in every cell.
    """
    cells = [(a, b) for a, b in zip(now, before, strict=True) if a or b]
    if len(cells) < 2:
        return Measured(0.0, 1.0)
    n, m = sum(a for a, _ in cells), sum(b for _, b in cells)
    shares = [_shares(a, b, n, m, len(cells)) for a, b in cells]
    index = math.fsum((p - q) * math.log(p / q) for p, q in shares)
    return Measured(index, chi_square_tail(index * n * m / (n + m), len(cells) - 1) if n and m else 1.0)


def kolmogorov_smirnov(now: Counts, before: Counts) -> Measured:
    """Two-sample Kolmogorov-Smirnov statistic over ordered cells: the greatest distance of the cumulated shares.

    Of values in cells it is at most the statistic of the values themselves, and less by no more than the
    share of one cell. The chance is Kolmogorov's limit with Stephens' correction (Press et al., Numerical
    Recipes, 14.3.3).
    """
    n, m = sum(now), sum(before)
    if not n or not m:
        return Measured(0.0, 1.0)
    distance, left, right = 0.0, 0, 0
    for a, b in zip(now, before, strict=True):
        left, right = left + a, right + b
        distance = max(distance, abs(left * m - right * n) / (n * m))
    root = math.sqrt(n * m / (n + m))
    return Measured(distance, _kolmogorov_tail((root + 0.12 + 0.11 / root) * distance))


def chi_square(now: Counts, before: Counts) -> Measured:
    """Pearson's chi-square test of homogeneity over categories; the effect is Cramér's V.

    Of two samples V is the root of chi-square by all rows (Cramér, Mathematical Methods of Statistics, 1946,
    21.9). Categories of which fewer than five rows are expected in either sample count as one.
    """
    cells = _with_few_joined(now, before)
    n, m = sum(a for a, _ in cells), sum(b for _, b in cells)
    if not n or not m or len(cells) < 2:
        return Measured(0.0, 1.0)
    statistic = math.fsum((a * m - b * n) ** 2 / (n * m * (a + b)) for a, b in cells)
    return Measured(math.sqrt(statistic / (n + m)), chi_square_tail(statistic, len(cells) - 1))


def comparable(now: Counts, before: Counts) -> bool:
    """Whether there are rows enough for `chi_square` to tell any two categories apart."""
    return len(_with_few_joined(now, before)) > 1


def chance_of_shares(now: tuple[int, int], before: tuple[int, int]) -> float:
    """Probability that two shares, each given as some of so many rows, lie as far apart where nothing changed.

    By chi-square; where fewer than five rows are expected to be so, or not to be so, by Fisher's exact test, which adds
    up the tables of the same totals that are no more probable than this one (Fisher, Statistical Methods, 1934, 21.02).
    """
    (a, n), (b, m) = now, before
    some, rows = a + b, n + m
    if not n or not m or some in (0, rows):
        return 1.0
    if min(n, m) * min(some, rows - some) >= _FEW * rows:
        return chi_square([a, n - a], [b, m - b]).chance
    least, most = max(0, some - m), min(n, some)
    ways = [_log_ways(n, k) + _log_ways(m, some - k) for k in range(least, most + 1)]
    own, total = ways[a - least], _log_ways(rows, some)
    # equal probabilities may differ in their last digits
    return min(1.0, math.fsum(math.exp(each - total) for each in ways if each <= own + 1e-7))


def _log_ways(rows: int, some: int) -> float:
    """Logarithm of how many ways there are to choose `some` of the rows."""
    return math.lgamma(rows + 1) - math.lgamma(some + 1) - math.lgamma(rows - some + 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Probability that chi-square is at least `statistic`: the regularised upper incomplete gamma function.

    By series below the mean and by Lentz' continued fraction above it (NIST DLMF, 8.11.4 and 8.9.2).
    """
    x, a = statistic / 2, degrees / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for step in range(1, _steps(x)):
            term *= x / (a + step)
            total += term
        return min(max(1 - scale * total, 0.0), 1.0)
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    fraction = d
    for step in range(1, _steps(x)):
        factor = -step * (step - a)
        b += 2
        d = 1 / (factor * d + b or tiny)
        c = b + factor / c or tiny
        fraction *= c * d
    return min(max(scale * fraction, 0.0), 1.0)


def grouped(now: Counts, before: Counts, groups: int = 10) -> tuple[list[int], list[int]]:
    """Neighbouring cells joined into groups of about equally many rows of `before`, at most so many."""
    total, passed, edge = sum(before), 0, 1
    out: tuple[list[int], list[int]] = ([0], [0])
    for a, b in zip(now, before, strict=True):
        out[0][-1] += a
        out[1][-1] += b
        passed += b
        if total and passed * groups >= edge * total and edge < groups:
            edge = passed * groups // total + 1
            out[0].append(0)
            out[1].append(0)
    if len(out[0]) > 1 and not (out[0][-1] or out[1][-1]):
        out[0].pop()
        out[1].pop()
    return out


def _shares(a: int, b: int, n: int, m: int, cells: int) -> tuple[float, float]:
    return (a + _SMOOTH) / (n + _SMOOTH * cells), (b + _SMOOTH) / (m + _SMOOTH * cells)


def _with_few_joined(now: Counts, before: Counts) -> list[tuple[int, int]]:
    n, m = sum(now), sum(before)
    cells: list[tuple[int, int]] = []
    few_now = few_before = 0
    for a, b in zip(now, before, strict=True):
        if min(n, m) * (a + b) < _FEW * (n + m):
            few_now, few_before = few_now + a, few_before + b
        else:
            cells.append((a, b))
    return [*cells, (few_now, few_before)] if few_now or few_before else cells


def _kolmogorov_tail(x: float) -> float:
    """Kolmogorov's limiting probability of at least `x` (Numerical Recipes, 6.14.56 and 6.14.57)."""
    if x < 1.18:
        if x <= 0.05:
            return 1.0
        y = math.exp(-(math.pi**2) / (8 * x * x))
        return 1 - math.sqrt(2 * math.pi) / x * math.fsum(y ** ((2 * k - 1) ** 2) for k in range(1, 5))
    return min(1.0, 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 6)))


def _steps(x: float) -> int:
    return _TERMS + int(10 * math.sqrt(x))
