"""Days and moments as Excel counts them: days since the end of 1899, or since 1904.

A cell that is formatted as a date says so, and calamine reads it. One that lost its format is a number, and only the
contract knows that it means a day. Excel counts a 29 February 1900 that never was; its number is no day.

Entry: `moment`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

_FROM_1900, _FROM_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_NEVER_WAS = 60
"""The number of 29 February 1900."""
_YEARS = range(1900, 2101)
"""Numbers that are rather years; as days they would lie in 1905, or 1909 where days are counted from 1904."""


def moment(number: Any, *, from_1904: bool) -> str | None:
    """A number cell as ISO 8601, to the millisecond; None where it counts no day up to 9999, or may be a year.

    Args:
        from_1904: whether the workbook counts from 1904.
    """
    if isinstance(number, bool) or not isinstance(number, int | float) or number in _YEARS:
        return None
    first = 0 if from_1904 else 1
    if not first <= number < 2_958_466 or (not from_1904 and int(number) == _NEVER_WAS):
        return None
    start = _FROM_1904 if from_1904 else _FROM_1900
    # before the day that never was Excel is one day ahead
    days = number + (not from_1904 and number < _NEVER_WAS)
    try:
        found = start + timedelta(milliseconds=round(days * 86_400_000))
    except OverflowError:
        return None
    return found.isoformat() if found.time() != datetime.min.time() else found.date().isoformat()
