"""features.yaml as declared: what the rows are, what the label is, which features there are.

Only the shape of the file is checked here. What the texts mean belongs to `language`, whether they fit
the tables to `check`; entry: the `FeatureSet` model.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from potable.declarations import Declaration, FolderName
from potable.quantities import share_of
from potable.tables import Duration

_PICKED = "`{pick: random_month_end, between: [FIRST DAY, LAST DAY]}`, which draws one for each"


class AsOf(Declaration):
    """How each row gets its as-of date: one drawn month end of a period, or one date for all."""

    pick: Literal["random_month_end"] | None = None
    """Draw one of the month ends at which the subject is eligible, with equal chances for every subject."""
    between: tuple[date, date] | None = None
    """First and last day of the period to draw from."""
    seed: int = 0
    """Seed of the draw; the same seed gives the same dates on every engine."""
    at: date | None = None
    """One as-of date for all rows."""

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"give either `{{at: {value if isinstance(value, date) else 'DATE'}}}` or {_PICKED}")
        if isinstance(value.get("at"), list):
            raise ValueError(f"`at` is one day for all rows; for several, give {_PICKED}")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.at is None) == (self.pick is None):
            raise ValueError("give either `at: DATE` or `pick: random_month_end` with `between`")
        if self.between and self.between[0] > self.between[1]:
            raise ValueError("`between` gives the first day before the last")
        if self.pick and self.between is None:
            raise ValueError("`pick` needs `between: [first day, last day]`")
        if not self.dates():
            raise ValueError("there is no month end within `between`")
        return self

    def __str__(self) -> str:
        if self.between is None:
            return str(self.at)
        first, last = self.between
        return f"a month end drawn at random between {first} and {last}, with seed {self.seed}"

    def dates(self) -> tuple[date, ...]:
        """All candidate as-of dates, ascending."""
        if self.at:
            return (self.at,)
        assert self.between is not None
        first, last = self.between
        ends = []
        day = first.replace(day=1)
        while day <= last:
            end = day.replace(day=calendar.monthrange(day.year, day.month)[1])
            if first <= end <= last:
                ends.append(end)
            day = end + timedelta(days=1)
        return tuple(ends)


class Rows(Declaration):
    """Which rows the dataset has: one per subject that is eligible at some as-of date."""

    from_: str = Field(alias="from")
    """Table of the employments, contracts, memberships or stays; a row needs one that runs at its as-of date."""
    during: tuple[str, str]
    """Columns with the start and the end of such a record; its last day is included, and an empty end means that it
    still runs."""
    as_of: AsOf
    """How each row gets its as-of date."""
    where: str | None = None
    """Condition on the record that runs, such as `tenure_days >= 90`."""


class Definition(Declaration):
    """A feature or label with a description."""

    is_: str = Field(alias="is")
    """The definition in the feature language."""
    describe: str = ""
    """What it means, for the dataset card."""


class Bias(Declaration):
    """Groups whose label and feature rates are compared before a version is published."""

    groups: list[str] = Field(min_length=1)
    """Output columns whose values are the groups, such as `gender`."""
    favourable: str
    """Value of the label that is favourable for a person."""
    min_ratio: float | None = Field(default=None, gt=0, le=1)
    """Smallest allowed ratio of the lower favourable rate of two groups to the higher; 0.8 is the four-fifths rule."""
    max_difference: float | None = Field(default=None, gt=0, le=1)
    """Largest allowed difference between favourable rates."""
    max_feature_difference: float | None = Field(default=None, gt=0, le=1)
    """Largest allowed distance of any group from all others, in any feature."""
    severity: Literal["warn", "stop"] = "warn"
    """What happens if a bound is exceeded: report it, or publish nothing."""

    @field_validator("favourable", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(f"a value of the label is written as a text: `'{str(value).lower()}'`")
        return value


class ExpectedShift(Declaration):
    """A column that is expected to change: it is shown, and neither warns nor stops."""

    column: str
    """Feature or label."""
    until: date
    """Last day on which it is expected."""
    reason: str = Field(min_length=1)
    """Why."""


class Drift(Declaration):
    """How far the columns of a new version may lie from those of an earlier one; judged in every project."""

    against: int | None = Field(default=None, gt=0)
    """Number of the version to compare with; by default the current one, and for rows to be scored the newest labelled
    one with the same definitions."""
    psi: float = Field(default=0.25, gt=0)
    """Population stability index of a feature, or of a label of numbers; 0.1 is a small change and 0.25 a large one by
    common usage."""
    label: str = "20%"
    """Change of the share of any value of the label, by the share it had: from 10% to 12% is 20%."""
    severity: Literal["warn", "stop"] = "warn"
    """What happens if a bound is exceeded: report it, or publish nothing."""
    accepted: list[ExpectedShift] = Field(default_factory=list)
    """Changes that are expected."""

    @field_validator("label")
    @classmethod
    def _a_share(cls, value: str) -> str:
        share_of(value)
        return value

    @property
    def label_change(self) -> float:
        """The bound of `label`; 0.2 for 20%."""
        return share_of(self.label)


class FeatureTest(Declaration):
    """A few records of one person and what features must be at a date; run by `potable test`."""

    name: str
    """Name that is shown, as a sentence."""
    as_of: date
    """The as-of date: what happened or became known later is not seen."""
    rows: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    """Records of the person by table, with the columns that matter and their times. A text is parsed like the source's
    text, any other value is taken as it is; keys are filled in."""
    gives: dict[str, Any] = Field(min_length=1)
    """Features and labels with their expected values; a fraction is compared to as many decimals as are written."""


class FeatureSet(Declaration):
    """One dataset: its rows, its label and its features."""

    dataset: FolderName
    """Name of the dataset."""
    subject: str
    """What a row is about; the dataset has one row per subject."""
    rows: Rows
    """Which rows the dataset has."""
    label: dict[str, str | Definition]
    """Labels by name: aggregates that look forward from the as-of date. `{}` for a dataset without a label."""
    embargo: Duration | None = None
    """No feature sees facts that happened this shortly before the as-of date."""
    bias: Bias | None = None
    """Groups to compare; none by default."""
    drift: Drift = Drift()
    """How far a new version may drift from the one before."""
    digits: int = Field(default=6, ge=0, le=9)
    """Decimals that fractional outputs are rounded to."""
    features: dict[str, dict[str, str | Definition]] = Field(min_length=1)
    """Features by table (or `derived`) and name."""
    tests: list[FeatureTest] = Field(default_factory=list)
    """Tests of features: records of one person and the expected values; `potable test` runs them."""

    @field_validator("embargo", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return Duration.parse(str(value)) if isinstance(value, str | int) else value

    @field_validator("label", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("a label has a name: write `left: any() in next …` on a line of its own, below `label:`")
        return value


def text_of(definition: str | Definition) -> tuple[str, str]:
    """The text in the feature language, and the description."""
    if isinstance(definition, str):
        return definition, ""
    return definition.is_, definition.describe
