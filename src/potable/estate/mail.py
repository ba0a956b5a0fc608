"""Work addresses over time: typing errors corrected, surnames changed by marriage, the company's new domain.

An address belongs to one person for ever. Entry: build_mailbook, then Mailbook.address and .history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from potable.estate.calendar import NEVER, Calendar
from potable.estate.draws import Ints, between, chance, stream
from potable.estate.people import People
from potable.estate.render import join, put, take

OLD_DOMAIN, NEW_DOMAIN = "@oldcorp.example", "@northwind.example"
TYPO_SHARE = 0.012
"""Share of stints whose first address was typed wrongly."""


@dataclass(frozen=True)
class AddressSpans:
    """One row per address a stint had: from when until when (valid_to exclusive, NEVER while it lasts)."""

    stint: Ints
    address: pa.Array
    valid_from: Ints
    valid_to: Ints


@dataclass(frozen=True)
class Mailbook:
    """Knows the work address of every stint on every day."""

    people: People
    switch_day: int
    """First day of the new domain."""
    wrong: pa.Array
    """Per stint: the address name as first mistyped (where fixed_on is set)."""
    fixed_after: Ints
    """Per stint: days after hire until a typing error was corrected, 0 for none."""

    def address(self, stints: Ints, days: Ints, hired: Ints) -> pa.Array:
        """Work address of each stint on a day, given the stints' first days of work."""
        people, count = self.people, self.people.stints
        married = days >= people.marriage_day[people.person[stints]]
        mistyped = days < hired + self.fixed_after[stints]
        names = pa.concat_arrays([people.local, people.married_local, self.wrong])
        local = take(names, stints + count * np.where(mistyped, 2, married.astype(np.int64)))
        domain = take(pa.array([OLD_DOMAIN, NEW_DOMAIN]), (days >= self.switch_day).astype(np.int64))
        return join(local, domain)

    def history(self, stints: Ints, hired: Ints, left: Ints) -> AddressSpans:
        """All addresses of the given stints, in order of stint and day.

        Args:
            stints: Stint numbers.
            hired: First day of work, aligned with `stints`.
            left: Last day of work or NEVER, aligned with `stints`.
        """
        marriage = self.people.marriage_day[self.people.person[stints]]
        fixed = hired + self.fixed_after[stints]
        starts = np.c_[hired, fixed, marriage, np.full(len(stints), self.switch_day)]
        starts = np.sort(np.where((starts < hired[:, None]) | (starts > left[:, None]), NEVER, starts), axis=1)
        row, place = np.nonzero(starts < NEVER)
        day = starts[row, place]
        address = self.address(stints[row], day, hired[row])
        text = np.array(address.to_pylist(), object)
        new = np.r_[True, (row[1:] != row[:-1]) | (text[1:] != text[:-1])] if len(row) else np.zeros(0, bool)
        row, day, address = row[new], day[new], address.filter(pa.array(new))
        follows = np.r_[row[1:] == row[:-1], False] if len(row) else np.zeros(0, bool)
        until = np.where(follows, np.r_[day[1:], NEVER][: len(day)], left[row])
        return AddressSpans(stints[row].astype(np.int64), address, day, until)


def _swapped(local: str) -> str:
    """The second and third letter of the surname in the wrong order."""
    first, _, last = local.partition(".")
    return f"{first}.{last[:1]}{last[2:3]}{last[1:2]}{last[3:]}"


def build_mailbook(people: People, calendar: Calendar, seed: int) -> Mailbook:
    """Decides who is mistyped at first; everything else follows from the people."""
    rng = stream(seed, "mail")
    rows = np.flatnonzero(chance(rng, TYPO_SHARE, people.stints))
    taken = {text for column in (people.local, people.married_local, people.twin_local) for text in column.to_pylist()}
    wrong = [_swapped(text) for text in take(people.local, rows).to_pylist()]
    free = np.array([text not in taken and wrong.index(text) == at for at, text in enumerate(wrong)], dtype=bool)
    kept = rows[free]
    days = between(rng, 9, 60, people.stints)
    fixed = np.zeros(people.stints, dtype=np.int64)
    fixed[kept] = days[kept]
    texts = pa.array([text for text, ok in zip(wrong, free.tolist(), strict=True) if ok], pa.string())
    return Mailbook(people, calendar.first_day(calendar.half), put(people.local, kept, texts), fixed)
