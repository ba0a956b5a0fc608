"""How the label or a feature differs between groups: data alone, as the record of a run and the card hold it.

Measuring belongs to `bias`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Disparity:
    """How one column differs between the groups of another."""

    column: str
    """The label or a feature."""
    by: str
    """The column whose values are the groups."""
    measure: Literal["label", "feature"]
    """Which of both."""
    groups: Sequence[str]
    """Values with enough rows, largest group first."""
    rows: Sequence[int]
    """Rows of each group."""
    rates: Sequence[float]
    """Of the label the favourable share in each group; of a feature the distance of each group from all others."""
    difference: float
    """Of the label the rates of two groups, the higher less the lower; of a feature the greatest distance.

    The two are those that are farthest apart, of groups that differ more than they may beyond chance where any do.
    """
    ratio: float | None
    """The lower rate of the two by the higher; of the label only."""
    chance: float | None
    """Probability of such rates without any difference between the two; of the label only."""
    state: Literal["ok", "warn", "stop", "open"]
    """What it leads to; `open`: there is too little to judge it by."""
    told: str
    """What was found, as a sentence."""
    bound: float | None = None
    """What `difference` or `ratio` may be."""
