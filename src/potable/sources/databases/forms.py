"""Canonical text forms of values, the same whichever database and driver they come from.

Numbers are written out with all their digits and no exponent; a fraction of a second has six digits or is
left out; bytes are hexadecimal; JSON has a blank behind each comma and colon. Nothing here knows a database.

Entry: `texts` for values as Python has them; `floats`, `clock` and `spaced` for Arrow columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, Texts

_JSON_PIECES = re.compile(r'("(?:[^"\\]|\\.)*")|\s*([,:])\s*|\s+')


def texts(column: Sequence[Any]) -> Texts:
    """Python's values in their canonical text form, many at once where all are texts or all whole numbers."""
    kinds = set(map(type, column)) - {type(None)}
    if kinds <= {str}:
        return pa.array(column, pa.string())
    if kinds == {int}:
        return pa.array(map(_if_any(str), column), pa.string())
    if kinds == {date}:
        return pa.array(column, pa.date32()).cast(pa.string())
    return pa.array(map(_if_any(text), column), pa.string())


def text(value: Any) -> str:
    """One value of Python's in its canonical text form."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return format(Decimal(repr(value)), "f") if isfinite(value) else str(value)
        case Decimal():
            return format(value, "f")
        case bytes() | memoryview():
            return bytes(value).hex()
        case datetime():
            return value.isoformat(sep=" ")
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=text)
        case _:
            return str(value)


def floats(numbers: pa.Array) -> Texts:
    """Floating numbers (float32 or float64), each with the fewest digits that tell it from its neighbours."""
    found = numbers.cast(pa.string())
    size = pc.abs(numbers)
    # wider than where Arrow begins to write exponents; inf and nan are among them
    plain = pc.or_(pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e9)), pc.equal(size, 0))
    whole = pc.and_(plain, pc.equal(pc.floor(numbers), numbers))
    if pc.any(whole).as_py():
        found = pc.if_else(whole, pc.binary_join_element_wise(found, ".0", ""), found)
    odd = pc.invert(plain)
    if pc.any(odd).as_py():
        found = _replaced(found, odd, lambda item: text(float(item)))
    return found


def decimals(numbers: pa.Array) -> Texts:
    """Exact numbers with all digits of their scale."""
    found = numbers.cast(pa.string())
    odd = pc.match_substring(found, "E")
    return _replaced(found, odd, lambda item: text(Decimal(item))) if pc.any(odd).as_py() else found


def clock(moments: Texts, zone: str = "") -> Texts:
    """Times and timestamps in ISO 8601 with six digits of a second or none; `zone` is what UTC is written as now."""
    zoned = pc.ends_with(moments, zone) if zone else None
    if zoned is not None:
        moments = pc.if_else(zoned, pc.utf8_slice_codeunits(moments, 0, -len(zone)), moments)
    points = pc.find_substring(moments, ".")
    for point in pc.unique(points).to_pylist():
        if point is not None and point >= 0:
            at = pc.and_not(pc.equal(points, point), pc.ends_with(moments, " BC"))
            moments = pc.if_else(at, pc.utf8_rpad(moments, point + 7, "0"), moments)
    if pc.any(pc.greater_equal(points, 0)).as_py():
        zero = pc.ends_with(moments, ".000000")
        moments = pc.if_else(zero, pc.utf8_slice_codeunits(moments, 0, -7), moments)
    return moments if zoned is None else pc.if_else(zoned, pc.binary_join_element_wise(moments, "+00:00", ""), moments)


def spaced(documents: Texts) -> Texts:
    """JSON texts with blanks as `json.dumps` sets them; numbers, names, escapes and order stay as they are."""

    def piece(match: re.Match[str]) -> str:
        return match[1] or (f"{match[2]} " if match[2] else "")

    return pa.array(
        (None if item is None else _JSON_PIECES.sub(piece, item) for item in documents.to_pylist()), pa.string()
    )


def batch(names: Iterable[str], columns: Iterable[Cells]) -> pa.RecordBatch:
    """Columns of texts under their names, of which each occurs once."""
    return pa.record_batch(dict(zip(names, columns, strict=True)))


def _replaced(found: Texts, mask: pa.BooleanArray, form: Callable[[str], str]) -> Texts:
    odd = [form(item) for item in found.filter(mask).to_pylist()]
    return pc.replace_with_mask(found, pc.fill_null(mask, False), pa.array(odd, pa.string()))


def _if_any(form: Callable[[Any], str]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else form(value)
