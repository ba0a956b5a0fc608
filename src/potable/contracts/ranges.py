"""Suggested bounds and patterns, with headroom over the values seen, so that the next values keep them too.

Bounds that come from a protected column say no more than how many digits its numbers have. Entry: `bounds` for
numbers and dates, `pattern` for texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from itertools import groupby
from typing import Any

_HEADROOM = Decimal("1.25")
"""How much larger than the largest found a number may become."""
_SIGNS = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
_LARGEST = Decimal(10**18)
"""Numbers from which a bound says nothing."""
_FEW_SHAPES = 3


def bounds(least: Any, most: Any, *, shown: bool) -> dict[str, Any]:
    """Arguments `min_value` and `max_value` for values between two found ones; none where nothing can be said.

    Args:
        shown: whether values may be shown; else bounds are powers of ten, and days have none. A power of ten itself may
            be meant as a bound (100%).
    """
    if isinstance(least, date | datetime):
        return {"min_value": date(least.year, 1, 1)} if shown else {}
    low, high = (Decimal(str(value)) for value in (least, most))
    found: dict[str, Any] = {}
    if abs(low) < _LARGEST:
        found["min_value"] = 0 if low >= 0 else -_above(-low, shown)
    if abs(high) < _LARGEST:
        found["max_value"] = _above(high, shown) if high > 0 else 0
    return found


def pattern(shapes: Sequence[str]) -> str:
    """An RE2 pattern of texts with these shapes (`results.shapes`); empty where they tell nothing.

    Shapes that differ only in how often a sign repeats become one with a range.
    """
    known = [shape for shape in shapes if "x" not in shape]
    if not shapes or len(known) < len(shapes):
        return ""
    merged: dict[tuple[str, ...], list[list[int]]] = {}
    for shape in sorted(shapes):
        runs = [(sign, len(list(group))) for sign, group in groupby(shape)]
        merged.setdefault(tuple(sign for sign, _ in runs), []).append([length for _, length in runs])
    if len(merged) > _FEW_SHAPES:
        return ""
    parts = []
    for signs, lengths in merged.items():
        spans = [(min(column), max(column)) for column in zip(*lengths, strict=True)]
        parts.append("".join(_repeated(sign, *span) for sign, span in zip(signs, spans, strict=True)))
    return f"^{parts[0]}$" if len(parts) == 1 else f"^({'|'.join(parts)})$"


def _above(value: Decimal, shown: bool) -> int:
    """A round number above a positive one: of one digit, or a power of ten."""
    if not shown and value == Decimal(1).scaleb(value.adjusted()) and value >= 1:
        return int(value)
    wanted = value * _HEADROOM
    exponent = max(0, wanted.adjusted())
    unit = Decimal(1).scaleb(exponent)
    if not shown:
        return int(unit if wanted <= unit else unit * 10)
    return int((wanted / unit).to_integral_value(ROUND_CEILING) * unit)


def _repeated(sign: str, least: int, most: int) -> str:
    one = _SIGNS.get(sign) or (sign if sign in "-/ @" else re.escape(sign))
    if least == most:
        return one if most == 1 else f"{one}{{{most}}}"
    return f"{one}{{{least},{most}}}"
