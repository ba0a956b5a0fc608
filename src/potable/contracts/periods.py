"""Periods a profile counts rows by: days, weeks from Monday, months, quarters and years, as whole numbers.

A number says by its digits what it is: 2024 a year, 20242 a quarter, 202406 a month, 20240630 a day; weeks are counted
from the Monday before 1970, on top of 5,000,000. `place` puts periods of a kind in a row without gaps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from potable.health import Period

PER_YEAR: Mapping[Period, int] = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}
SEASON: Mapping[Period, int] = {"day": 7, "week": 0, "month": 12, "quarter": 4, "year": 0}
"""After how many periods the usual height comes again, as far as the newest ones tell; 0 for never."""
FORM: Mapping[Period, str] = {
    "day": "YYYY-MM-DD",
    "week": "YYYY-Www",
    "month": "YYYY-MM",
    "quarter": "YYYY-Qn",
    "year": "YYYY",
}
"""How people write one."""
_MONDAY = date(1969, 12, 29)
_WEEKS = 5_000_000
_LONG_AGO = 200_000
"""Weeks that keep what is divided above zero, where engines round alike."""


def numbered(column: ir.Value, period: Period) -> ir.IntegerValue:
    """The period each date or timestamp lies in."""
    year, month = column.year(), column.month()
    if period == "year":
        return year.cast("int64")
    if period == "quarter":
        return (year * 10 + column.quarter()).cast("int64")
    if period == "month":
        return (year * 100 + month).cast("int64")
    if period == "day":
        return (year * 10_000 + month * 100 + column.day()).cast("int64")
    days = column.cast("date").delta(ibis.date(_MONDAY), unit="day").cast("int64") + 7 * _LONG_AGO
    return ((days - days % 7) / 7).cast("int64") + (_WEEKS - _LONG_AGO)


def of_day(day: date, period: Period) -> int:
    """The period a day lies in."""
    if period == "week":
        return _WEEKS + (day - _MONDAY).days // 7
    quarter = (day.month + 2) // 3
    parts = {"year": day.year, "quarter": day.year * 10 + quarter, "month": day.year * 100 + day.month}
    return parts.get(period, day.year * 10_000 + day.month * 100 + day.day)


def place(number: int, period: Period) -> int:
    """Where a period stands among those of its kind; the next one stands one further."""
    if period == "quarter":
        return number // 10 * 4 + number % 10 - 1
    if period == "month":
        return number // 100 * 12 + number % 100 - 1
    return day_of(number).toordinal() if period == "day" else number


def at(where: int, period: Period) -> int:
    """The period that stands there."""
    if period == "quarter":
        return where // 4 * 10 + where % 4 + 1
    if period == "month":
        return where // 12 * 100 + where % 12 + 1
    return of_day(date.fromordinal(where), "day") if period == "day" else where


def year_before(number: int, period: Period) -> int:
    """The same period a year before; of a week the one 52 weeks before, of a 29 February none there is."""
    return number - 10_000 if period == "day" else at(place(number, period) - PER_YEAR[period], period)


def named(number: int, period: Period) -> str:
    """How people write a period."""
    if period == "week":
        year, week, _ = date.fromordinal(_MONDAY.toordinal() + 7 * (number - _WEEKS)).isocalendar()
        return f"{year:04d}-W{week:02d}"
    if period == "day":
        return day_of(number).isoformat()
    if period == "month":
        return f"{number // 100:04d}-{number % 100:02d}"
    return f"{number // 10:04d}-Q{number % 10}" if period == "quarter" else f"{number:04d}"


def written(text: str, period: Period) -> int:
    """The period people write as `text`.

    Raises:
        ValueError: it is none of this kind.
    """
    forms = {
        "week": r"(\d{4})-W(\d\d)",
        "quarter": r"(\d{4})-Q([1-4])",
        "month": r"(\d{4})-(\d\d)",
        "year": r"(\d{4})()",
    }
    match = re.fullmatch(forms[period], text) if period in forms else None
    if period == "day":
        return of_day(date.fromisoformat(text), period)
    if not match:
        raise ValueError(f"write a {period} as {FORM[period]}")
    year, part = int(match[1]), int(match[2] or 1)
    if period == "week":
        return of_day(date.fromisocalendar(year, part, 1), period)
    return of_day(date(year, part * 3 if period == "quarter" else part, 1), period)


def day_of(number: int) -> date:
    """The day with that number."""
    return date(number // 10_000, number // 100 % 100, number % 100)
