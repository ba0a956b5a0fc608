"""What a table's contract says of the health of its data: age, number of rows, missing values, drift.

Declared here because every table has it; what is judged, and how, belongs to `contracts.health`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration
from potable.quantities import Duration, share_of

Severity = Literal["warn", "stop"]
Period = Literal["day", "week", "month", "quarter", "year"]
Check = Literal["missing", "incorrect", "freshness", "volume", "drift", "unmatched", "hindsight"]
_OF_A_COLUMN = ("missing", "drift", "hindsight")
_VERSION = re.compile(r"version ([1-9]\d*)")


class Bound(Declaration):
    """One bound; `freshness: 35d` is short for `freshness: {at_most: 35d}`."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return given if isinstance(given, Mapping) else {"at_most": given}


class Freshness(Bound):
    """How old the newest fact of a table may be."""

    at_most: str
    """Largest allowed age of the newest `known` (else `time`, else landing) on the day of a run: `35d`, `2mo`."""
    severity: Severity = "warn"
    """What happens if the table is older."""

    @field_validator("at_most")
    @classmethod
    def _a_duration(cls, value: str) -> str:
        Duration.parse(value)
        return value


class Volume(Bound):
    """How far the number of rows may lie off its trend."""

    at_most: float = Field(default=3.5, gt=0)
    """Largest allowed distance from the trend, in robust standard deviations."""
    severity: Severity = "warn"
    """What happens if the bound is exceeded."""


class Rise(Bound):
    """How much a share of rows may rise above that of the reference."""

    at_most: str
    """Largest allowed rise, in percentage points, such as `2%`."""
    severity: Severity = "warn"
    """What happens if the bound is exceeded."""

    @field_validator("at_most")
    @classmethod
    def _a_share(cls, value: str) -> str:
        share_of(value)
        return value

    @property
    def share(self) -> float:
        """The bound between 0 and 1."""
        return share_of(self.at_most)


class Hindsight(Rise):
    """How many records may be filled in or changed after they were known; judged in every project."""

    at_most: str = "1%"
    """Share of them among the records that came or changed between landings, or among all of one landing."""


class ColumnDrift(Declaration):
    """How far the distribution of a column may lie from that of the reference."""

    psi: float | None = Field(default=None, gt=0)
    """Population stability index; 0.1 is a small change and 0.25 a large one by common usage."""
    ks: float | None = Field(default=None, gt=0, le=1)
    """Kolmogorov-Smirnov statistic of numbers and dates: the greatest distance of the two cumulated shares."""
    chi_square: float | None = Field(default=None, gt=0, le=1)
    """Cramér's V of words and booleans, the effect size of the chi-square test."""
    severity: Severity = "warn"
    """What happens if the bound is exceeded."""

    @property
    def bounds(self) -> dict[str, float]:
        """The declared bounds by measure."""
        found = {"psi": self.psi, "ks": self.ks, "chi_square": self.chi_square}
        return {measure: bound for measure, bound in found.items() if bound is not None}

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not self.bounds:
            raise ValueError("give at least one bound: psi, ks or chi_square")
        return self


class Accepted(Declaration):
    """A change that is expected: it is shown, and neither warns nor stops."""

    check: Check
    """Check that reports it."""
    column: str | None = None
    """Column it is about, for `missing`, `drift` and `hindsight`."""
    until: date
    """Last day on which it is expected."""
    reason: str = Field(min_length=1)
    """Why."""

    @model_validator(mode="after")
    def _column_where_one_is(self) -> Self:
        if (self.column is None) == (self.check in _OF_A_COLUMN):
            raise ValueError("`missing`, `drift` and `hindsight` need a `column`, and no other check has one")
        return self


class Health(Declaration):
    """What is judged of the profile of a table, in every run."""

    against: str = "previous"
    """What drift and missing values are compared with: `previous` (batch), `last_year` (the same period), or
    `version 7` of the dataset."""
    period: Period = "month"
    """Rows are counted by day, week (from Monday), month, quarter or year of the table's `time`; changing it validates
    the table again."""
    freshness: Freshness | None = None
    """Age of the newest fact."""
    volume: Volume | None = None
    """Number of rows, compared with its trend."""
    missing: Rise | None = None
    """Rise of the share of nulls, of any column."""
    incorrect: Rise | None = None
    """Rise of the share of rows that fail a check or cannot be parsed."""
    unmatched: Rise | None = None
    """Rise of the share of rows that belong to nobody, with the newest batch."""
    hindsight: Hindsight = Hindsight()
    """Columns that features read, and that are filled in or changed after their record was known."""
    drift: dict[str, ColumnDrift] = Field(default_factory=dict)
    """Bounds of the change of distributions, by column."""
    accepted: list[Accepted] = Field(default_factory=list)
    """Changes that are expected."""

    @field_validator("against")
    @classmethod
    def _known_reference(cls, value: str) -> str:
        if value not in ("previous", "last_year") and not _VERSION.fullmatch(value):
            raise ValueError("write `previous`, `last_year`, or a version of the dataset such as `version 7`")
        return value

    @property
    def version(self) -> int | None:
        """Number of the version that is compared with, if one is."""
        match = _VERSION.fullmatch(self.against)
        return int(match[1]) if match else None

    @property
    def declared(self) -> bool:
        """Whether anything is judged."""
        return bool(self.freshness or self.volume or self.missing or self.incorrect or self.drift)
