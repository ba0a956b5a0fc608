"""Objects on their way into the raw zone: what a source offers, and what the manifest of a batch says of it.

Entry: `Arrival` and `Landed`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes a source offers under a name that stays the same from run to run."""

    name: str
    tables: tuple[str, ...]
    """Tables whose records it holds."""
    open: Callable[[], BinaryIO]
    """Opens the bytes as received; may be called more than once."""
    stamp: str = ""
    """Sign of change that is cheaper than the bytes (size and time, an ETag, a hash of rows); equal and not empty means
    unchanged."""
    skip: tuple[int, ...] = ()
    """1-based ordinals of records that were landed before and do not count again."""
    keys_of: str = ""
    """Table of which it lists the keys there are now, instead of records; `tables` is empty then."""
    far: bool = False
    """Whether to open it again is to fetch it again; then it is kept on disk between hashing and storing."""


@dataclass(frozen=True)
class Held:
    """Bytes in memory, for `Arrival.open`."""

    data: bytes = field(repr=False)

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class Made:
    """Bytes that are encoded from data in memory only when they are opened, for `Arrival.open`; never where the stamp
    says that nothing has changed."""

    make: Callable[[], bytes] = field(repr=False)

    def __call__(self) -> BinaryIO:
        return io.BytesIO(self.make())


@dataclass(frozen=True, slots=True)
class Landed:
    """One object of the raw zone, as its batch manifest lists it."""

    name: str
    tables: tuple[str, ...]
    sha256: str
    """Hash of the bytes as received."""
    bytes: int
    """Size as received."""
    path: str
    """Where it lies below the restricted root."""
    zstd: bool
    """Whether it is stored zstd-compressed."""
    stored: int
    """Size as stored."""
    stamp: str = ""
    batch: int = 0
    """Number of the batch it came with in this content; 0 in the entry of that batch itself."""
    skip: tuple[int, ...] = ()
    """1-based ordinals of its records that do not count, because they were landed before."""
    keys_of: str = ""
    """Table of which it lists the keys there were."""
    at: int | None = None
    """Where it begins in the pack at `path`; None where it is there by itself."""

    @property
    def place(self) -> str:
        """Where it lies, in words."""
        return self.path if self.at is None else f"{self.path}, {self.stored} bytes from {self.at}"

    def concerns(self, table: str) -> bool:
        """Whether what `table` holds depends on it."""
        return table in self.tables or table == self.keys_of

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Landed:
        """The object a batch entry describes."""
        # thousands lie in one pack
        path = sys.intern(entry["path"]) if "at" in entry else entry["path"]
        tables = _same(tuple(entry["tables"]))
        return cls(**{**entry, "path": path, "tables": tables, "skip": tuple(entry.get("skip", ()))})

    def to_entry(self) -> dict[str, Any]:
        """The object as a batch entry describes it."""
        entry = {field.name: getattr(self, field.name) for field in fields(self)}
        absent = [name for name, value in (("keys_of", self.keys_of or None), ("at", self.at)) if value is None]
        return {name: value for name, value in entry.items() if name not in absent}


@cache
def _same(tables: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all objects of the same tables."""
    return tables
