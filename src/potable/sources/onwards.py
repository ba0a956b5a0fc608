"""Incremental reading: a table is read on from where the last run stopped, instead of whole every time.

A table declares `incremental` with the column that says when a record was recorded or changed. What is new
are the records at or after the newest one met so far, less an overlap for those that were committed late;
records of the overlap that were met before are known by their digests and not landed twice. The state is
plain JSON in the batch manifests; without it the table is read whole again.

Entry: `Reading`, one per table and run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator, model_validator

from potable.declarations import Declaration
from potable.errors import EnvironmentFailure
from potable.tables import Duration, Table

_PRUNE = 20_000
"""Records held before those that have fallen out of the overlap are let go."""


@dataclass
class State:
    """How far each table of a source was read: what the newest batch left, and what this reading comes to."""

    before: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 1
    """Number of the batch that this reading would make."""
    after: dict[str, Any] = field(default_factory=dict)
    """By table, filled in when it has been read to its end."""

    moved: bool = False
    """Whether the reading got further although nothing was landed, which has to be remembered too."""
    wanted: Callable[[], object] = lambda: None
    """To be called now and then while the system is waited for; raises when nobody wants what would come."""

    @property
    def resumed(self) -> frozenset[str]:
        """Tables of which only what is new was read; what they landed before stays."""
        return frozenset(name for name, state in self.after.items() if state["resumed"])


class Keys(Declaration):
    """How deleted records are noticed: all keys are read now and then, and what is not among them is gone."""

    every: str
    """How often the keys are read, in days or weeks, such as `7d`."""

    @field_validator("every")
    @classmethod
    def _whole_days(cls, value: str) -> str:
        if Duration.parse(value).months:
            raise ValueError("write how often keys are read in days or weeks, such as 7d or 2w")
        return value


class Incremental(Declaration):
    """How a table is read on from where it was read to."""

    column: str
    """Column that says when a record was recorded or changed; date or timestamp, in ISO 8601 in a database's texts."""
    overlap: str = "1d"
    """How far before the newest record to read again, for records that were committed late; days or weeks."""
    keys: Keys | None = None
    """Read the keys of all records from time to time, to notice deleted ones; never by default."""

    @field_validator("overlap")
    @classmethod
    def _whole_days(cls, value: str) -> str:
        if Duration.parse(value).months:
            raise ValueError("write an overlap in days or weeks, such as 1d or 2w")
        return value


class IncrementalTable(Table):
    """A table of a system that can be asked for what is new."""

    incremental: Incremental | None = None
    """Read only what was recorded since the last run; the whole table each time by default."""

    @model_validator(mode="after")
    def _can_be_read_on(self) -> Self:
        if self.incremental is None:
            return self
        column = self.columns.get(self.incremental.column)
        if column is None or column.type not in ("date", "timestamp"):
            raise ValueError("`incremental` needs as `column` a date or timestamp column of this table")
        if self.known_column is None:
            raise ValueError(
                "`incremental` needs a column as `known`: a changed record is landed again and counts as a "
                "correction because it is known later"
            )
        if self.incremental.keys and not self.unique:
            raise ValueError("`keys` needs `unique`: the columns to read and compare")
        return self

    @property
    def landed_in_order(self) -> bool:
        """Whether a record that lands again with its old known time says what became of it since.

        It does where the system is asked by that time. Where it is asked by another, the known time did not move with
        the change, and the state of before is what was known then. Parts of other records go by the versions of these.
        """
        return self.incremental is not None and self.incremental.column == self.known_column and self.parts_of is None


class Reading:
    """One incremental reading of one table: which records are new, and how far it got."""

    def __init__(
        self, incremental: Incremental, origin: str, state: Any, content: Callable[[bytes], bytes] | None = None
    ) -> None:
        """Start to read.

        Args:
            incremental: the table's declaration.
            origin: what is read (a query, an endpoint); a state of another origin does not count.
            state: what the last reading of the table came to, if there was one.
            content: makes what a record says of what `new` is given of it, where that takes long: it is asked only
                for records that are compared or remembered.
        """
        self._origin = hashlib.sha256(f"{incremental.column}\0{origin}".encode()).hexdigest()[:16]
        self._overlap = Duration.parse(incremental.overlap).days
        known = state if isinstance(state, Mapping) and state.get("origin") == self._origin else {}
        self.since: date | None = None
        """First day to ask for; None reads everything."""
        self._newest: int | None = None
        if known:
            self._newest = _micros(np.datetime64(known["newest"], "us"))
            self.since = date.fromisoformat(known["newest"][:10]) - timedelta(self._overlap)
        self._first = self._from() if known else None
        """First moment of which records were remembered last time."""
        self._left = Counter({str(digest): int(count) for digest, count in known.get("seen", {}).items()})
        self._content = content
        self._held: list[tuple[int | None, str | bytes]] = []
        """Records by their digests, or what digests are made of."""
        self._most = _PRUNE
        self._keys, self._keys_read = incremental.keys, known.get("keys_read", "")
        self._present = _micros(np.datetime64(now().replace(tzinfo=None), "us"))

    @property
    def keys_due(self) -> bool:
        """Whether the keys should be read too; a whole reading has them."""
        if self._keys is None or self.since is None:
            return False
        pause = timedelta(Duration.parse(self._keys.every).days)
        return not self._keys_read or now() - datetime.fromisoformat(self._keys_read) >= pause

    def new(self, moments: pa.Array, content: Callable[[int], bytes]) -> list[int]:
        """Numbers of the records, from 0, that were not met before.

        Args:
            moments: when each record was recorded (timestamp[us]); null for never told.
            content: what a record says, by its number, or what the reading's `content` makes that of; equal ones are
                one record.
        """
        times = moments.cast(pa.timestamp("us")).cast(pa.int64())
        newest = pc.max(times).as_py()
        if newest is not None:
            # a record from the future says nothing of what comes until then; it is read, and known, every time
            newest = min(newest, self._present)
        self._newest = max(filter(None, (self._newest, newest)), default=None)
        repeated = set()
        first = self._from() if self._first is None else self._first
        within = pc.fill_null(pc.greater_equal(times, pa.scalar(first, pa.int64())), True)
        numbers = pc.indices_nonzero(within)
        for number, time in zip(numbers.to_pylist(), times.take(numbers).to_pylist(), strict=True):
            said: str | bytes = content(number)
            if self._left or self._content is None:
                said = self._digest(said)
                if self._left.get(said, 0) > 0:
                    self._left[said] -= 1
                    repeated.add(number)
            self._held.append((time, said))
        if len(self._held) > self._most:
            self._held = [*self._within()]
            self._most = max(_PRUNE, 2 * len(self._held))
        return [number for number in range(len(moments)) if number not in repeated]

    def state(self) -> dict[str, Any] | None:
        """What to go on from, as JSON; None when no record told a time."""
        if self._newest is None:
            return None
        seen = Counter(digest for _, digest in self._within())
        newest = str(np.datetime64(self._newest, "us"))
        read = now().isoformat(timespec="seconds") if self.since is None or self.keys_due else self._keys_read
        return {
            **({"keys_read": read} if self._keys else {}),
            "origin": self._origin,
            "newest": newest,
            "seen": dict(sorted(seen.items())),
            "resumed": self.since is not None,
        }

    def _within(self) -> list[tuple[int | None, str]]:
        first = self._from()
        return [(time, self._digest(said)) for time, said in self._held if time is None or time >= first]

    def _digest(self, said: str | bytes) -> str:
        if isinstance(said, str):
            return said
        return hashlib.blake2b(self._content(said) if self._content else said, digest_size=8).hexdigest()

    def _from(self) -> int:
        """First moment whose records are remembered: a day more than is asked for, whatever zone texts are in."""
        if self._newest is None:
            return np.iinfo(np.int64).min
        day = np.datetime64(self._newest, "us").astype("datetime64[D]")
        return _micros((day - np.timedelta64(self._overlap + 1, "D")).astype("datetime64[us]"))


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def no_keys(source: str, table: str) -> EnvironmentFailure:
    """The list of keys came back empty, which would delete all that is landed."""
    return EnvironmentFailure(
        f"source `{source}`: `{table}` returned no keys, so all its records would count as deleted",
        "E001",
        hint="is it the right table, and may this user see its rows? If it was emptied, read the whole table",
        state="nothing was landed from this source, and nothing was deleted",
        next="potable run --full-refresh",
    )


def _micros(moment: np.datetime64) -> int:
    return int(moment.astype(np.int64))
