"""Collects the records of an external program into objects of the raw zone, and keeps how far a stream was read.

How landed records are parsed is `extracts`.

Entry: `Stream`.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from potable.sources.extracts import ExtractTable
from potable.sources.landed import Arrival, Held
from potable.sources.onwards import State

_RECORDS = 50_000
_BYTES = 8 << 20
_REMEMBERED = 100_000
"""Records after the last state that are remembered."""
_AT_IT = 1_000
"""Records before it that are, where a second one of the same values would be a duplicate: many programs ask for what is
not older than their state, and say its last again."""


class Stream:
    """One stream while it is read: an object that is being made, and how far it got."""

    def __init__(self, name: str, tables: Mapping[str, ExtractTable], before: Any, *, batch: int) -> None:
        """Start to read.

        Args:
            name: name of the stream.
            tables: the tables that are made of it, all read in the same way.
            before: what the last batch left of the first of them.
            batch: number of the batch that is made.
        """
        table = next(iter(tables.values()))
        self.name, self.tables = name, tuple(tables)
        self.incremental = table.sync_mode == "incremental"
        # a table that is new has nothing of what was landed before
        way = json.dumps([name, table.sync_mode, table.cursor, sorted(tables)])
        self.origin = hashlib.sha256(way.encode()).hexdigest()[:16]
        known = before if isinstance(before, Mapping) and before.get("origin") == self.origin else {}
        self.before: Any = known.get("state") if self.incremental else None
        """The state it was read to."""
        self.after: Any = None
        """The last state it gave."""
        self.version: str | None = known.get("version")
        self.replaced = False
        """Whether all that was landed before is void."""
        self._at_it = _AT_IT if all(each.tells_versions for each in tables.values()) else 0
        self._seen_before = dict(known.get("seen", {}))
        self._batch, self._number = batch, 0
        self._seen = OrderedDict[str, int]()
        self._start()

    def _start(self) -> None:
        self._lines: list[bytes] = []
        self._skip: list[int] = []
        self._bytes, self._digest = 0, hashlib.sha256()

    def add(self, line: bytes, record: Any) -> Iterator[Arrival]:
        """Take a record, as received and read; an object when it is full."""
        data = json.dumps(record, sort_keys=True).encode()
        self._digest.update(data + b"\n")
        self._lines.append(line)
        self._bytes += len(data)
        if self.incremental and self._met(hashlib.blake2b(data, digest_size=8).hexdigest()):
            self._skip.append(len(self._lines))
        if len(self._lines) >= _RECORDS or self._bytes >= _BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Arrival]:
        """The object, if anything is in it that counts; equal records at other times are no other object."""
        if len(self._lines) > len(self._skip):
            self._number += 1
            onwards = f"{self.tables[0]}-{self._batch:06d}" if self.before is not None else self.tables[0]
            held = Held(b"\n".join(self._lines) + b"\n")
            stamp = "" if self.incremental else self._digest.hexdigest()
            yield Arrival(f"{onwards}-{self._number:06d}.ndjson", self.tables, held, stamp, tuple(self._skip))
        self._start()

    def forget(self) -> None:
        """Read it whole, whatever it was read to."""
        self.before, self.version = None, None
        self._seen_before.clear()

    def renewed(self) -> None:
        """What was landed before is to be replaced, so nothing of it counts as landed."""
        self._seen_before.clear()

    def reached(self, state: Any) -> None:
        """Note a state: of what was said before it, only the last may be said again."""
        self.after = state
        while len(self._seen) > self._at_it:
            self._seen.popitem(last=False)

    def settle(self, state: State) -> None:
        """Leave what to go on from; a stream that is read whole, or told no state, leaves nothing."""
        if not self.incremental or (self.after is None and self.before is None):
            return
        left = {
            "origin": self.origin,
            "resumed": self.before is not None and not self.replaced,
            "state": self.before if self.after is None else self.after,
            # where nothing was said, what was known still is
            "seen": dict(sorted((self._seen or self._seen_before).items())),
            "version": self.version,
        }
        state.after |= dict.fromkeys(self.tables, left)
        state.moved |= left["state"] != self.before

    def _met(self, digest: str) -> bool:
        """Note a record; whether it was landed before, after the last state there was."""
        self._seen[digest] = self._seen.pop(digest, 0) + 1
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if self._seen_before.get(digest, 0) > 0:
            self._seen_before[digest] -= 1
            return True
        return False
