"""Spans of time around an as-of date: the calendar arithmetic of the feature language, said once.

Months are stepped first (a month end clamps), then days. `moved` is the Python form for plans, `moment`
the Ibis form for queries; they agree on every date.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from potable.tables import Duration

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Offset:
    """A signed distance from an anchor: calendar months, then days."""

    months: int = 0
    days: int = 0

    @classmethod
    def of(cls, *spans: Duration | None, sign: int = 1) -> Offset:
        """The sum of `spans`, into the future or (sign -1) the past."""
        given = [span for span in spans if span]
        return cls(sign * sum(span.months for span in given), sign * sum(span.days for span in given))

    def __str__(self) -> str:
        """The distance in words: `1 month`."""
        parts = [(abs(self.months), "month"), (abs(self.days), "day")]
        return " and ".join(f"{count} {unit}{'s' * (count != 1)}" for count, unit in parts if count)


@dataclass(frozen=True)
class Window:
    """Half-open [start, end) around an anchor; without a start it reaches back for ever."""

    start: Offset | None
    end: Offset


def moved(day: date, offset: Offset) -> date:
    """`day` moved by `offset`."""
    month = day.year * 12 + day.month - 1 + offset.months
    year, month = divmod(month, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=offset.days)


def moment(anchor: ir.TimestampValue, offset: Offset) -> ir.TimestampValue:
    """The timestamp `offset` away from `anchor`.

    Months are always added and days always taken away: DuckDB holds 90 days and 3 months for equal, and two
    expressions that differ in nothing else for one.
    """
    import ibis

    if offset.months:
        anchor = anchor + ibis.interval(months=offset.months)
    return anchor - ibis.interval(days=-offset.days) if offset.days else anchor
