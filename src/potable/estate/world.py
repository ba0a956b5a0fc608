"""What every system of the estate shares while it is written.

Who there is, when, what they are called on a day, and where the truth goes; also what a system came to.
No system is written here. Entry: World.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from potable.estate.calendar import Calendar
from potable.estate.draws import Ints, Mask, stream
from potable.estate.mail import Mailbook
from potable.estate.people import People
from potable.estate.render import take
from potable.estate.truth import Truth
from potable.estate.workforce import Workforce

DAY = 86_400


@dataclass(frozen=True)
class World:
    """The persons, their addresses and their state, with the seed and the truth."""

    people: People
    calendar: Calendar
    mailbook: Mailbook
    force: Workforce
    truth: Truth
    seed: int
    twins: Mask
    """Per stint: entered a second time by mistake, under People.twin_no."""

    def stream(self, purpose: str, *index: int) -> np.random.Generator:
        """The random stream of a purpose."""
        return stream(self.seed, purpose, *index)

    def person(self, stints: Ints) -> Ints:
        """Person of each stint."""
        return np.asarray(self.people.person[stints], dtype=np.int64)

    def emp_no(self, stints: Ints) -> pa.Array:
        """Employee number of each stint."""
        return take(self.people.emp_no, stints)

    def email(self, stints: Ints, days: Ints) -> pa.Array:
        """Work address of each stint on a day."""
        return self.mailbook.address(stints, days, self.force.hired[stints])

    def full_name(self, stints: Ints, days: Ints) -> pa.Array:
        """Name of each stint's person on a day."""
        return self.people.full_name(stints, days)


@dataclass(frozen=True)
class Written:
    """What one system came to."""

    system: str
    format: str
    files: int
    records: int
    source_bytes: int
    """Uncompressed bytes as the system would hand them out."""
    stored_bytes: int
    seconds: float
