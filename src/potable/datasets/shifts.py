"""How far a column of one version lies from that of another: data alone, as the record of a run holds it.

Measuring belongs to `stability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shift:
    """One column of a new version beside the same column of an earlier one."""

    column: str
    """Its name."""
    measure: Literal["psi", "share"]
    """`share`, of labels of words: the greatest change of a value's share, by the share it had."""
    value: float
    """How far it lies from the earlier one."""
    chance: float
    """Probability of as much without any change."""
    bound: float
    """How far it may."""
    state: Literal["ok", "warn", "stop", "accepted"]
    """What it leads to; `accepted`: it is expected."""
    told: str
    """What was found, as a sentence."""


@dataclass(frozen=True)
class Beside:
    """A new version beside an earlier one."""

    reference: str
    """The earlier one: `attrition version 3`."""
    shifts: Sequence[Shift] = ()
    """Of every column of both that is defined alike."""
    unknown: str = ""
    """Why nothing was compared."""
