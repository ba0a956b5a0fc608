"""Parses texts to dates and timestamps in UTC: ISO 8601 by a fast path, declared formats one by one.

A form is a strptime format over `%Y %y %m %b %d %H %I %p %M %S %f %z`; numbers need no leading zero. `%f` is an
optional fraction with its point or comma, `%z` an optional offset (none means UTC). Or it says in what a number
counts from 1970 (`unix_ms`). A day that does not exist, or a moment outside the years 1 to 9999, is no moment. Where a
place is given whose clocks a system goes by, a moment without an offset is one of that place.

Entry: `moments`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.columns import UNIX

Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]

_ISO_DATE = ("%Y-%m-%d",)
_ISO_TIMES = (
    tuple(f"%Y-%m-%d{between}{clock}%z" for clock in ("%H:%M:%S%f", "%H:%M", "%H") for between in ("T", " "))
    + _ISO_DATE
)
_DIRECTIVES = {
    "%Y": r"(?P<year>\d{4})",
    "%y": r"(?P<short>\d{2})",
    "%m": r"(?P<month>\d{1,2})",
    "%b": r"(?P<name>[A-Za-z]{3})",
    "%d": r"(?P<day>\d{1,2})",
    "%H": r"(?P<hour>\d{1,2})",
    "%I": r"(?P<half>\d{1,2})",
    "%p": r"(?P<noon>[AaPp])\.?[Mm]\.?",
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
    "%f": r"(?:[.,](?P<fraction>\d{1,9}))?",
    "%z": r" ?(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_FIRST, _LAST = (
    np.datetime64("0001-01-01", "us").astype(np.int64),
    np.datetime64("9999-12-31T23:59:59.999999", "us").astype(np.int64),
)
_WIDEST_ZONE = 18 * 60
_DAY = 24 * 60 * 60 * 1_000_000
_POSIX = 1969
"""First year that two digits mean: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068."""
_TIME = datetime.max - datetime.min


def moments(
    text: pa.StringArray,
    formats: tuple[str, ...],
    kind: pa.DataType,
    place: str | None = None,
    *,
    years_from: int | None = None,
) -> pa.Array:
    """`text` (cleaned) as dates or timestamps; what fits no form is null.

    Args:
        text: one moment each, or null.
        formats: declared forms, tried in order before ISO 8601.
        kind: `date32` or `timestamp[us]`.
        place: time zone of timestamps without an offset, such as `Europe/Berlin`; UTC by default.
        years_from: first year that two digits (`%y`) can mean; 1969 by default, as in POSIX.
    """
    if not formats and (quick := _iso(text, kind, place)) is not None:
        return quick
    # most moments stand many times, and a form costs as much as many look-ups
    coded = text.dictionary_encode()
    found = _by_forms(coded.dictionary, formats, kind, place, years_from or _POSIX)
    return pc.take(found, coded.indices)


def in_utc(clocks: pa.Array, place: str) -> pa.Array:
    """What clocks of a place showed (timestamp[us]) as UTC, from the first to the last moment of the years 1 to 9999.

    An hour that comes twice is the first of the two, and one that is skipped counts on from the one before (PEP 495).
    """
    showed: Numbers = pc.fill_null(clocks.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    days, day_of = np.unique(showed // _DAY, return_inverse=True)
    begins, ends = (
        np.array([_offset(place, day) for day in some.tolist()], dtype=np.int64) for some in (days, days + 1)
    )
    ahead = begins[day_of]
    # nearly all days have one offset from their beginning to the next
    for row in np.flatnonzero((begins != ends)[day_of]).tolist():
        ahead[row] = _ahead(place, datetime.min + timedelta(microseconds=int(showed[row] - _FIRST)))
    # the last moment stands for the end of time, also west of Greenwich
    moments = pa.array(np.clip(showed - ahead, _FIRST, _LAST)).cast(pa.timestamp("us"))
    return pc.if_else(pc.is_valid(clocks), moments, pa.scalar(None, moments.type))


@lru_cache(maxsize=1 << 16)
def _offset(place: str, day: int) -> int:
    """How far clocks of a place are ahead of UTC when a day begins, counted from 1970, in microseconds."""
    since = timedelta(days=day, microseconds=-int(_FIRST))
    return _ahead(place, datetime.max if since > _TIME else datetime.min + since)


def _ahead(place: str, clock: datetime) -> int:
    offset = clock.replace(tzinfo=ZoneInfo(place)).utcoffset()
    return (offset or timedelta()) // timedelta(microseconds=1)


def _by_forms(
    text: pa.StringArray, formats: tuple[str, ...], kind: pa.DataType, place: str | None, years_from: int
) -> pa.Array:
    """`text` by the first of its forms that fits."""
    whole_days = pa.types.is_date(kind)
    found = pa.nulls(len(text), pa.timestamp("us"))
    for form in (*formats, *(_ISO_DATE if whole_days else _ISO_TIMES)):
        left = pc.and_(pc.is_valid(text), pc.is_null(found))
        if not pc.any(left).as_py():
            break
        rows = pc.indices_nonzero(left)
        found = pc.replace_with_mask(found, left, _by_form(pc.take(text, rows), form, place, years_from))
    return found.cast(kind, safe=False) if whole_days else found


def _iso(text: pa.StringArray, kind: pa.DataType, place: str | None) -> pa.Array | None:
    """All of `text` at once, where Arrow's reader takes it; its forms are among ours."""
    # it reads texts with a zone or texts without; of zones the one that most systems write
    zoned = pa.types.is_timestamp(kind) and pc.all(pc.ends_with(text, "Z")).as_py()
    try:
        found = text.cast(pa.timestamp("us", "UTC")).cast(kind) if zoned else text.cast(kind)
    except pa.ArrowInvalid:
        return None
    earliest = pc.min(found.cast(pa.timestamp("us")).cast(pa.int64())).as_py()
    if earliest is not None and earliest < _FIRST:
        return None
    return in_utc(found, place) if place and not zoned else found


def _by_form(text: pa.StringArray, form: str, place: str | None, years_from: int) -> pa.Array:
    if form in UNIX:
        # 1970 began everywhere at once
        return _since_1970(text, UNIX[form])
    parts = pc.extract_regex(text, _regex(form))
    if parts.null_count == len(parts):
        return pa.nulls(len(parts), pa.timestamp("us"))
    names = {field.name for field in parts.type}

    def numbers(name: str, default: int) -> Numbers:
        return _numbers(pc.struct_field(parts, name), default) if name in names else _same(len(text), default)

    year = numbers("year", 1) if "year" in names else _full_year(numbers("short", 0), years_from)
    month = _month_names(parts) if "name" in names else numbers("month", 1)
    days, exists = _days(year, month, numbers("day", 1))
    hour, minute, second = numbers("hour", 0), numbers("minute", 0), numbers("second", 0)
    if "half" in names:
        half = numbers("half", 0)
        hour, exists = half % 12 + 12 * _afternoon(parts), exists & (half >= 1) & (half <= 12)
    micros = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000
    if "fraction" in names:
        micros += _fractions(parts)
    exists &= (hour < 24) & (minute < 60) & (second < 60)
    if "zone" in names:
        offset, known = _zones(parts)
        micros, exists = micros - offset, exists & known
    exists &= (micros >= _FIRST) & (micros <= _LAST)
    exists &= pc.is_valid(parts).to_numpy(zero_copy_only=False)
    found = pa.array(micros, mask=~exists).cast(pa.timestamp("us"))
    if not place:
        return found
    told = pc.not_equal(pc.fill_null(pc.struct_field(parts, "zone"), ""), "") if "zone" in names else False
    return pc.if_else(told, found, in_utc(found, place))


def _since_1970(text: pa.StringArray, step: int) -> pa.Array:
    """Numbers, of whole or broken steps of so many microseconds, as moments; parts of a microsecond are cut off."""
    # so many digits and no more, that all fits into 64 bits
    parts = pc.extract_regex(text, rf"^(?P<minus>-?)(?P<whole>\d{{1,{19 - len(str(step))}}})(?:\.(?P<fraction>\d+))?$")
    micros = _numbers(pc.struct_field(parts, "whole"), 0) * step + _fractions(parts) * step // 1_000_000
    minus = pc.fill_null(pc.equal(pc.struct_field(parts, "minus"), "-"), False).to_numpy(zero_copy_only=False)
    micros = np.where(minus, -micros, micros)
    exists = (micros >= _FIRST) & (micros <= _LAST) & pc.is_valid(parts).to_numpy(zero_copy_only=False)
    return pa.array(micros, mask=~exists).cast(pa.timestamp("us"))


def _afternoon(parts: pa.StructArray) -> Numbers:
    noon = pc.fill_null(pc.equal(pc.utf8_lower(pc.struct_field(parts, "noon")), "p"), False)
    later: Numbers = noon.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return later


def _same(length: int, value: int) -> Numbers:
    return np.full(length, value, dtype=np.int64)


def _numbers(digits: pa.StringArray, default: int) -> Numbers:
    digits = pc.if_else(pc.equal(digits, ""), pa.scalar(None, pa.string()), digits)
    filled: Numbers = pc.fill_null(digits.cast(pa.int64()), default).to_numpy(zero_copy_only=False)
    return filled


def _full_year(short: Numbers, first: int) -> Numbers:
    """The years, of the hundred that begin with `first`, that end with these two digits."""
    return first + (short - first) % 100


def _month_names(parts: pa.StructArray) -> Numbers:
    place = pc.index_in(pc.utf8_lower(pc.struct_field(parts, "name")), value_set=pa.array(_MONTHS))
    months: Numbers = pc.fill_null(pc.add(place.cast(pa.int64()), 1), 0).to_numpy(zero_copy_only=False)
    return months


def _days(year: Numbers, month: Numbers, day: Numbers) -> tuple[Numbers, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Days since 1970-01-01, and which of them exist."""
    real_month = np.minimum(np.maximum(month, 1), 12)
    start = ((year - 1970) * 12 + real_month - 1).astype("datetime64[M]")
    first = start.astype("datetime64[D]").astype(np.int64)
    length = (start + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64) - first
    return first + day - 1, (year >= 1) & (month == real_month) & (day >= 1) & (day <= length)


def _fractions(parts: pa.StructArray) -> Numbers:
    digits = pc.utf8_rpad(pc.fill_null(pc.struct_field(parts, "fraction"), ""), 6, "0")
    micros: Numbers = pc.utf8_slice_codeunits(digits, 0, 6).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return micros


def _zones(parts: pa.StructArray) -> tuple[Numbers, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Offsets from UTC in microseconds, and which of them can be."""
    zones = pc.fill_null(pc.struct_field(parts, "zone"), "").dictionary_encode()
    minutes = np.array([_minutes(zone) for zone in zones.dictionary.to_pylist()], dtype=np.int64)
    each: Numbers = minutes[zones.indices.to_numpy(zero_copy_only=False)]
    return each * 60_000_000, np.abs(each) <= _WIDEST_ZONE


def _minutes(zone: str) -> int:
    if zone in ("", "Z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    return (hours * 60 + minutes if minutes < 60 else _WIDEST_ZONE + 1) * (-1 if zone[0] == "-" else 1)


@cache
def _regex(form: str) -> str:
    pieces = re.split(r"(%[YymbdHIpMSfz])", re.sub(r"[.,]%f", "%f", form))
    return "^" + "".join(_DIRECTIVES.get(piece) or re.escape(piece) for piece in pieces) + "$"
