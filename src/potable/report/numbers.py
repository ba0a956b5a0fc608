"""Counts, sizes, shares and times as people read them.

The report, the progress and the summary all write numbers through here, so that one quantity never
appears in two spellings. No state, no locale.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from potable.errors import plain as plain

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def human_bytes(size: float) -> str:
    """A size such as `12.3 MB`, in powers of 1024 like the `memory` setting and `ls -h`."""
    value = float(size)
    unit = 0
    # 1023.96 would be written 1024.0
    while round(abs(value), 1) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0:
        return plural(round(value), "byte")
    return f"{value:.1f} {_UNITS[unit]}" if value < 100 else f"{value:,.0f} {_UNITS[unit]}"


def human_count(count: float) -> str:
    """A count such as `1,234,567`."""
    return f"{round(count):,}"


def plural(count: int, noun: str, many: str = "") -> str:
    """A count with its noun: `1 row`, `2 rows`, `3 classes` (with `many`)."""
    return f"{human_count(count)} {noun if count == 1 else many or noun + 's'}"


def human_seconds(seconds: float) -> str:
    """A duration such as `0.3 s`, `41.2 s`, `12 min 5 s` or `3 h 20 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s" if seconds >= 0.05 or seconds <= 0 else "< 0.1 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{human_count(hours)} h {minutes} min" if minutes else f"{human_count(hours)} h"


def share(part: float, whole: float) -> str:
    """`part` of `whole` in per cent; what is not nothing never reads 0%, what is not all never 100%."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "< 0.1%"
    if 99.95 <= percent < 100:
        return "> 99.9%"
    return f"{percent:.1f}%".replace(".0%", "%")


def human_time(moment: str) -> str:
    """An ISO 8601 moment in UTC as `14 March 2025, 09:26 UTC`; as given when it is not one."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{parsed.day} {parsed:%B %Y, %H:%M} UTC"


def some(names: Sequence[str], most: int) -> str:
    """The first of the names, and of more than `most` how many more there are."""
    return ", ".join([*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])])
