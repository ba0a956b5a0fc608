"""What was found: of a check, in Great Expectations' terms, and of the health of a table.

Data alone, as the record of a run holds it, so reading a record imports no engine. Making results belongs to
`results`, judging health to `health`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from potable.health import Check

State = Literal["ok", "warn", "stop", "accepted", "open"]


@dataclass(frozen=True)
class Result:
    """Outcome of one check over a table, in Great Expectations' terms."""

    expectation: str
    """The check, in GX's words; also `missing`, `mistyped` and others of the contract itself."""
    columns: tuple[str, ...]
    """Columns it is about."""
    success: bool
    """Whether it holds."""
    element_count: int
    """Rows the check is about."""
    unexpected_count: int
    """Of them, those that fail."""
    mostly: float | None
    """Share of values that must pass; null for all."""
    action: str
    """`quarantine`, `null` (the cell only), `warn` or `stop`."""
    missing_count: int | None = None
    """Of them, those that have nothing to judge; null where that is not told apart."""
    unexpected_percent: float | None = None
    """Of those that have."""
    unexpected_percent_total: float | None = None
    """Of all it is about."""
    observed_value: Any = None
    """What was measured, of checks about a column or table as a whole."""
    partial_unexpected_list: Sequence[Any] = field(default_factory=list)
    """The first unexpected values, as shapes where they are personal."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of GX's result."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The check as declared."""
    allowed: str = ""
    """What may fail before the run stops, in words."""

    @property
    def judged(self) -> int:
        """Rows that had something to judge."""
        return self.element_count - (self.missing_count or 0)

    @property
    def name(self) -> str:
        """How messages call the check."""
        return f"{self.expectation}({', '.join(self.columns)})"

    @property
    def told(self) -> str:
        """What was found, in counts."""
        if self.missing_count is None and not self.unexpected_percent_total:
            if not self.columns and "unexpected_count" in self.details:
                return f"its query returns {self.unexpected_count:,}, from {self.element_count:,} rows"
            bounds = [f"{key} {value:,}" for key, value in self.arguments.items() if _is_number(value)]
            declared = f"; declared: {', '.join(bounds)}" if bounds else ""
            return f"does not hold over {self.element_count:,} row{'s' * (self.element_count != 1)}{declared}"
        return f"{self.unexpected_count:,} of {self.judged:,} judged rows fail{self.allowed and f'; {self.allowed}'}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Finding:
    """What one check of the health of a table found."""

    check: Check
    """What was looked at."""
    state: State
    """`accepted`: it would warn or stop, and is expected; `open`: there is nothing to judge it by yet."""
    told: str
    """What was found, as a sentence without values of protected columns."""
    column: str = ""
    """Column it is about; empty for the table."""
    measure: str = ""
    """`psi`, `ks` or `chi_square` of drift."""
    value: float | None = None
    """What was measured."""
    bound: float | None = None
    """What it may be at most, or at least."""
    chance: float | None = None
    """Probability of such a change without any change."""
    cells: Sequence[str] = ()
    """What is drawn: periods, words, or ranges of a harmless column."""
    now: Sequence[float] = ()
    """Rows of each cell, for drift as shares."""
    before: Sequence[float] = ()
    """The same of the reference."""
