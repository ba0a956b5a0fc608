"""The months of the estate: whole days since 1970 on one side, calendar months on the other.

All simulated time is kept as integer days (midnight) or integer seconds; only rendering makes text of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potable.estate.draws import Ints

END = np.datetime64("2026-01-01")
NEVER = 1 << 30
"""A day that does not come: the open end of an employment."""


@dataclass(frozen=True)
class Calendar:
    """The calendar years before 2026-01-01."""

    years: int
    """How many calendar years, the last one being 2025."""

    @property
    def months(self) -> int:
        """Number of months."""
        return 12 * self.years

    @property
    def start(self) -> int:
        """First day, as days since 1970-01-01."""
        return self.first_day(0)

    @property
    def end(self) -> int:
        """The day after the last one, as days since 1970-01-01."""
        return self.first_day(self.months)

    @property
    def half(self) -> int:
        """The month in which schemas and domains change."""
        return self.months // 2

    def _month(self, month: int) -> np.datetime64:
        return np.datetime64("2026-01", "M") - np.timedelta64(self.months - month, "M")

    def first_day(self, month: int) -> int:
        """First day of a month (0 is the first month)."""
        return int(self._month(month).astype("datetime64[D]").astype(np.int64))

    def last_day(self, month: int) -> int:
        """Last day of a month."""
        return self.first_day(month + 1) - 1

    def label(self, month: int) -> str:
        """`2019-03`."""
        return str(self._month(month))

    def year(self, month: int) -> int:
        """The calendar year of a month."""
        return int(str(self._month(month))[:4])

    def month_of(self, days: Ints) -> Ints:
        """Index of the month each day lies in (negative before the start)."""
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return np.asarray(months - int(self._month(0).astype(np.int64)), dtype=np.int64)
