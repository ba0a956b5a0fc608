"""Amounts that declarations write as one word: spans of time, and the most rows that may be so.

Below `tables` and `health`, which both use them.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Literal, Self

from potable.declarations import Declaration

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_DURATION = re.compile(r"\+?(\d+)(d|w|mo|q|y)")


class Duration(Declaration):
    """A span such as `30d`, `2w`, `12mo`, `4q` or `5y`; mo, q and y are calendar steps."""

    count: int
    unit: Literal["d", "w", "mo", "q", "y"]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration written as `text`; a leading `+` is allowed.

        Raises:
            ValueError: not of the form count and unit.
        """
        match = _DURATION.fullmatch(text.strip())
        if not match:
            raise ValueError(f"`{text}` is not a duration; write 30d, 2w, 12mo, 4q or 5y")
        return cls.model_validate({"count": int(match[1]), "unit": match[2]})

    @property
    def days(self) -> int:
        """The part of the span that is whole days."""
        return self.count * {"d": 1, "w": 7}.get(self.unit, 0)

    @property
    def months(self) -> int:
        """The part of the span that is calendar months."""
        return self.count * {"mo": 1, "q": 3, "y": 12}.get(self.unit, 0)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def share_of(text: str) -> float:
    """The share written as `20%`: 0.2.

    Raises:
        ValueError: it is none.
    """
    share = Limit.parse(text).share
    if share is None:
        raise ValueError('a share such as "20%"')
    return float(share)


class Limit(Declaration):
    """Most rows that may be so: a count, or a share of the rows there are."""

    count: int | None = None
    share: Fraction | None = None

    @classmethod
    def parse(cls, given: Any) -> Self:
        """The limit written as `100` or `"0.5%"`.

        Raises:
            ValueError: neither a count nor a share.
        """
        if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
            return cls(count=given)
        match = _SHARE.fullmatch(given) if isinstance(given, str) else None
        if not match or Fraction(match[1]) > 100:
            raise ValueError('a count such as 100, or a share such as "0.5%"')
        return cls(share=Fraction(match[1]) / 100)

    def allows(self, rows: int, of: int) -> bool:
        """Whether `rows` of so many are within the limit."""
        if self.count is not None:
            return rows <= self.count
        return self.share is None or rows <= self.share * of

    def __str__(self) -> str:
        return f"{self.count:,}" if self.count is not None else f"{float((self.share or 0) * 100):g}%"
