"""Statistics of a column that are identical on every engine and in any row order: sums, spread, quantiles, counts.

Integers, decimals and floats are summed exactly, so that the order in which rows arrive changes nothing. One division
or root comes last. Memory is bounded by batches. What is more than a float can hold, or made of what is, is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from potable.engines.base import Engine, scalars

_VALUE, _COUNT = "value", "n"
_MOST_DIGITS = 37
"""Digits a number may have so that its square fits into the widest decimal."""
_LEAST, _EXPONENTS = -1073, 2098
"""The exponent of the smallest float, as `frexp` has it, and how many there are."""
_BITS, _HALF = 53, 26
"""Bits of a float's mantissa, and those of its lower part."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, mean and sample standard deviation of the values that are there."""

    count: int
    mean: float | None
    deviation: float | None
    """None below two values."""


class Sum:
    """The exact sum of floats.

    A float is an integer (its mantissa) times a power of two. Mantissas are summed per exponent, split into two halves,
    so that no partial sum overflows its 64-bit counter for up to 2^36 floats.
    """

    def __init__(self) -> None:
        self.count = 0
        self._parts = np.zeros((2, _EXPONENTS), np.int64)
        self._infinite = 0.0

    def add(self, numbers: Floats) -> None:
        """Add numbers to the sum."""
        self.count += len(numbers)
        finite = np.isfinite(numbers)
        if not finite.all():
            self._infinite += sum(numbers[~finite].tolist())
            numbers = numbers[finite]
        mantissas, exponents = np.frexp(numbers)
        whole = np.ldexp(mantissas, _BITS).astype(np.int64)
        for part, values in enumerate((whole & ((1 << _HALF) - 1), whole >> _HALF)):
            found = np.bincount(exponents - _LEAST, values, _EXPONENTS)
            self._parts[part] += found.astype(np.int64)

    @property
    def value(self) -> Fraction | float:
        """The sum; a float where one was infinite."""
        if self._infinite:
            return self._infinite
        low, high = self._parts.tolist()
        places = np.flatnonzero(self._parts.any(0)).tolist()
        scaled = sum((low[place] + (high[place] << _HALF)) << place for place in places)
        return Fraction(scaled, 1 << (_BITS - _LEAST))


def total(values: ir.Column, engine: Engine) -> tuple[int, Fraction | float]:
    """How many values there are, and their exact sum."""
    if values.type().is_floating():
        found = Sum()
        for numbers in _floats(values, engine):
            found.add(numbers)
        return found.count, found.value
    scale = values.type().scale if values.type().is_decimal() else 0
    wide = _named(values.cast(ibis.dtype(pa.decimal128(38, scale or 0))))
    row = scalars(engine, wide.agg(n=wide[_VALUE].count(), s=wide[_VALUE].sum()))
    return row["n"], Fraction(row["s"] or 0)


def moments(values: ir.Column, engine: Engine) -> Moments:
    """The moments of a numeric column."""
    count, summed = total(values, engine)
    if not count:
        return Moments(0, None, None)
    mean = as_float(summed / count)
    if count < 2:
        return Moments(count, mean, None)
    if isinstance(summed, float) or values.type().is_floating():
        squares = Sum()
        with np.errstate(over="ignore", invalid="ignore"):
            for numbers in _floats(values, engine):
                squares.add((numbers - mean) ** 2)
        return Moments(count, mean, math.sqrt(as_float(squares.value / (count - 1))))
    spread = _squares(values, engine) - summed * summed / count
    return Moments(count, mean, math.sqrt(spread / (count - 1)))


def counts(values: ir.Column) -> ir.Table:
    """The distinct values that are there, and how often each is."""
    there = _named(values)
    there = there.filter(there[_VALUE].notnull())
    return there.group_by(_VALUE).agg(n=there.count().cast("int64"))


def at_ranks(values: ir.Column, ranks: Iterable[int], engine: Engine) -> dict[int, Any]:
    """The non-null values at 0-based `ranks` of their sort order."""
    wanted = sorted(set(ranks), reverse=True)
    found: dict[int, Any] = {}
    passed = 0
    if not wanted:
        return found
    for batch in engine.stream(counts(values).order_by(_VALUE)):
        for value, times in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            passed += times
            while wanted and wanted[-1] < passed:
                found[wanted.pop()] = value
            if not wanted:
                return found
    return found


def quantiles(values: ir.Column, shares: Sequence[float], way: str, engine: Engine) -> list[Any]:
    """Quantiles as numpy defines them.

    Args:
        way: between two values take the `nearest`, `lower`, `higher`, `midpoint`, or go `linear` between them.
    """
    count = scalars(engine, _named(values).agg(n=lambda t: t[_VALUE].count()))["n"]
    if not count:
        return [None] * len(shares)
    places = [(count - 1) * share for share in shares]
    ranks = {rank for place in places for rank in (math.floor(place), math.ceil(place))}
    found = at_ranks(values, ranks, engine)
    return [_between(found[math.floor(place)], found[math.ceil(place)], place, way) for place in places]


def median(values: ir.Column, engine: Engine) -> Any:
    """The middle value, or the mean of the two in the middle; None without values."""
    return quantiles(values, [0.5], "midpoint", engine)[0]


def plain(value: Any) -> Any:
    """A number for JSON: a whole `Fraction` becomes an exact integer, any other a float."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else as_float(value)
    return value


def as_float(value: Fraction | float) -> float:
    """The float nearest to a number; infinite where it is more than any."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _between(low: Any, high: Any, place: float, way: str) -> Any:
    part = place - math.floor(place)
    if way == "nearest":
        return (low, high)[round(place) != math.floor(place)]
    if not part or way == "lower":
        return low
    if way == "higher":
        return high
    if not isinstance(low, int | float | Decimal):
        return low + (high - low) / 2
    share = Fraction(1, 2) if way == "midpoint" else Fraction(part)
    if math.isinf(low) or math.isinf(high):
        return float(low) * float(1 - share) + float(high) * float(share)
    return float(Fraction(low) + (Fraction(high) - Fraction(low)) * share)


def _named(values: ir.Column) -> ir.Table:
    return values.name(_VALUE).as_table()


def _floats(values: ir.Column, engine: Engine) -> Iterator[Floats]:
    for batch in engine.stream(_named(values)):
        yield batch.column(0).drop_null().to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _squares(values: ir.Column, engine: Engine) -> Fraction:
    """The exact sum of squares of integers or decimals."""
    out = Fraction(0)
    for batch in engine.stream(_named(values)):
        numbers = batch.column(0).drop_null()
        kind = numbers.type if pa.types.is_decimal(numbers.type) else pa.decimal128(19, 0)
        if not len(numbers):
            continue
        if kind.precision > _MOST_DIGITS:
            out += sum(Fraction(number) ** 2 for number in numbers.to_pylist())
        else:
            wide = numbers.cast(kind).cast(pa.decimal256(kind.precision, kind.scale))
            out += Fraction(pc.sum(pc.multiply(wide, wide)).as_py())
    return out
