"""An XML document as its readers see it: all of it or a share, watched, with the ordinals that its records have.

Entry: `Document`; `whole` for all of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt

from potable.sources.blobs import Blob
from potable.sources.files import decompressed
from potable.sources.pieces import Uncut
from potable.sources.wellformed import Head, Watched, bounded
from potable.sources.xmlbounds import Bounds
from potable.sources.xmlpieces import Pieces


@dataclass(frozen=True)
class Document:
    """One document on its way to the reader, or a share of it."""

    blob: Blob
    start: Head
    pieces: Pieces | None
    """The share; None where all of it is read."""

    @classmethod
    def of(cls, blob: Blob, start: Head, record: str) -> Self | None:
        """The document, as far as its share goes; None where that has nothing.

        Raises:
            Malformed: it is not well-formed up to its first record.
        """
        if blob.share.whole:
            return cls(blob, start, None)
        pieces = Pieces.of(partial(decompressed, blob), start.encoding, record, blob.share)
        return cls(blob, start, pieces) if pieces or blob.share.first else None

    def watched(
        self,
        record: str,
        attributed: frozenset[str] = frozenset(),
        without: Sequence[tuple[int, int]] = (),
    ) -> Watched:
        """The document, watched; `without` some pieces."""
        stream = self.pieces.stream() if self.pieces else decompressed(self.blob)
        prefix, colon, _ = self.start.root.rpartition(":")
        name = f"{prefix}{colon}{record.rpartition('/')[2]}"
        bounds = Bounds(name, lambda: bounded(decompressed(self.blob)))
        return Watched(stream, self.start, attributed, bounds, without)

    def require(self, records: int) -> None:
        """Refuse that the reader found another number of records than were given to it.

        Raises:
            Malformed: it did.
        """
        if self.pieces and not self.pieces.rest and records != self.pieces.records:
            raise Uncut

    def ordinals(self, done: int, rows: int) -> npt.NDArray[np.int64]:
        """What the next rows behind `done` ones are called."""
        own = np.arange(done + 1, done + rows + 1, dtype=np.int64)
        return self.pieces.numbers.at(own) if self.pieces else own


def whole(blob: Blob, start: Head, record: str) -> Watched:
    """All of a document, watched."""
    return Document(blob, start, None).watched(record)
