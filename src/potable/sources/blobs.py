"""A landed object as parsers see it, and what they say of one that is not what it should be.

Entry: `Blob`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from typing import Any, BinaryIO

import pyarrow as pa

from potable.errors import EnvironmentFailure
from potable.sources.names import NOTHING_KNOWN, Naming
from potable.sources.shares import ALL, Share
from potable.store.objects import Store


class Malformed(Exception):
    """Bytes that are not what they should be; `why` quotes nothing of them."""

    hint = ""
    """What may help, where it is not to export the object again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Unpacked(io.BufferedIOBase, BinaryIO):
    """A packed stream unpacked; closing it closes both."""

    def __init__(self, inner: Any, raw: BinaryIO) -> None:
        self._inner = inner
        self._raw = raw

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        # pyarrow's streams take no -1
        data: bytes = self._inner.read() if size is None or size < 0 else self._inner.read(size)
        return data

    def close(self) -> None:
        """Close it and what it is read from."""
        self._inner.close()
        self._raw.close()
        super().close()


@dataclass(frozen=True, slots=True)
class Original:
    """A record as its object holds it, and where it stands there."""

    data: bytes = field(repr=False)
    line: int | None = None
    """The line it begins in, from 1; None where that is not known or means nothing."""
    offset: int | None = None
    """Bytes before it, in the unpacked object."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A landed object as a parser sees it, in whatever process it runs."""

    name: str
    store: str
    path: str
    zstd: bool
    bytes: int
    batch: int = 1
    """Number of the batch it came with."""
    skip: tuple[int, ...] = ()
    naming: Naming = NOTHING_KNOWN
    part: tuple[int, int] | None = None
    """First byte and number of the bytes it has in the pack at `path`; None where it is there by itself."""
    share: Share = ALL
    """Which of its records are meant; only of objects of tables that may be shared is it not all of them."""

    @property
    def shown(self) -> str:
        """Its name as messages tell it."""
        return self.naming.told(self.name)

    def open(self) -> BinaryIO:
        """The bytes as received.

        Raises:
            EnvironmentFailure: E002, the raw zone no longer holds it.
        """
        try:
            store = _store(self.store)
            raw: Any = io.BytesIO(store.part(self.path, *self.part)) if self.part else store.open(self.path)
        except FileNotFoundError:
            raise EnvironmentFailure(
                f"`{self.shown}` was landed, but the raw zone no longer has it",
                "E002",
                given=self.path,
                hint="restore the object from a backup; if it was removed on purpose, land the source again",
                next="potable run --full-refresh",
            ) from None
        return Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), raw) if self.zstd else raw


@cache
def _store(url: str) -> Store:
    return Store(url)
