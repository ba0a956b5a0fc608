"""The expected number of rows, from the months or runs before, and how far the actual number is off.

A straight line through logarithms (a company grows by shares), with the usual height of each month of the
year where two years are known (of each day of the week, where two weeks are). Medians everywhere, so that one
bad month does not hide the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

FEWEST = 6
"""Earlier counts without which nothing is expected."""
_RECENT = 36
"""Earlier counts that are looked at."""
_NORMAL = 1.4826
"""Makes the median absolute deviation of a normal distribution its standard deviation."""


@dataclass(frozen=True)
class Trend:
    """What was expected of a count."""

    expected: float
    distance: float
    """How far the count lies from it, in robust standard deviations; negative below."""


def off_trend(count: int, earlier: Sequence[int], *, season: int = 0) -> Trend | None:
    """How far `count` lies off the trend of the counts before it; None with fewer than `FEWEST`.

    The line is Theil's and Sen's (median of the slopes of all pairs, 1950 and 1968), the distance the modified
    z-score by the median absolute deviation (Iglewicz and Hoaglin, 1993, who call 3.5 an outlier). A count of
    n rows varies by the root of n by chance alone, so the spread is never taken for less.

    Args:
        earlier: oldest first.
        season: after how many counts the usual height comes again, such as 12 of months; 0 for never.
    """
    if len(earlier) < FEWEST:
        return None
    heights = [math.log(each + 0.5) for each in earlier[-_RECENT:]]
    slope = median((b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(heights), 2))
    start = median(height - slope * place for place, height in enumerate(heights))
    off = [height - start - slope * place for place, height in enumerate(heights)]
    middle, spread = start + slope * len(heights), _spread(off)
    if season and len(off) >= 2 * season:
        usual = [median(off[place % season :: season]) for place in range(len(off) + 1)]
        years = len(off) // season
        # what was taken from so few years fits them too well
        narrower = _spread([a - b for a, b in zip(off, usual, strict=False)]) * math.sqrt(years / (years - 1))
        if narrower < spread:
            middle, spread = middle + usual[-1], narrower
    expected = math.exp(middle) - 0.5
    spread = max(spread, 1 / math.sqrt(max(expected, 1)))
    return Trend(max(expected, 0), (math.log(count + 0.5) - middle) / spread)


def _spread(off: Sequence[float]) -> float:
    middle = median(off)
    return _NORMAL * median(abs(each - middle) for each in off)
