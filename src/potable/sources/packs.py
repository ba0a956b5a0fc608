"""Packs: many small objects of the raw zone in one file, because a store takes as long for a small file as for a large.

A pack holds stored objects one behind the other; the batch's manifest, written last, says where each lies in which
pack. Packs are named by what they hold, so the same pack is written once. A few small objects stay by themselves,
where a person finds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from potable.sources.landed import Landed
from potable.store.objects import Store

FULL = 8 << 20
"""Bytes from which a pack is written."""
FEWEST = 16
"""Objects that make a pack."""


class Packs:
    """The packs of one batch."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._members: list[Landed] = []
        self._contents: dict[str, bytes] = {}
        """What is stored, by its hash as received, in the order it is written."""
        self._size = 0

    def add(self, landed: Landed, kept: bytes) -> Iterator[Landed]:
        """Take what is stored as `kept`; gives the objects that are stored now."""
        self._members.append(landed)
        if landed.sha256 not in self._contents:
            self._contents[landed.sha256] = kept
            self._size += len(kept)
        if self._size >= FULL:
            yield from self.finish()

    def finish(self) -> Iterator[Landed]:
        """Store what was taken."""
        members, contents = self._members, self._contents
        self._members, self._contents, self._size = [], {}, 0
        if len(contents) < FEWEST:
            for landed in members:
                self._store.put_new(landed.path, contents[landed.sha256])
                yield landed
            return
        data = b"".join(contents.values())
        path = f"{self._folder}/{hashlib.sha256(data).hexdigest()}"
        self._store.put_new(path, data)
        places, end = dict[str, int](), 0
        for sha256, kept in contents.items():
            places[sha256] = end
            end += len(kept)
        yield from (replace(landed, path=path, at=places[landed.sha256]) for landed in members)
