"""Writes the two files of an index of forms: all digests, sorted, and a bitmap of the digests of their beginnings.

Where forms are only added to an existing index, they are merged into it; the files are the same bytes as if all forms
had been made again. Entry: `save`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from potable.privacy.digests import Kind, Shape
from potable.privacy.index import Index

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_BITS_PER_ROW, _LEAST_BITS, _MOST_BITS = 48, 16, 28
_MERGED = 1 << 20
"""Digests of a standing index that are merged at a time."""


def save(
    batches: Iterable[pa.RecordBatch],
    rows: int,
    write: Callable[[str, Iterable[bytes]], object],
    standing: Index | None = None,
) -> Shape:
    """Write an index; returns its shape.

    Args:
        batches: forms, sorted by digest.
        rows: how many identifiers they were made of, those of the standing index too.
        write: stores chunks of bytes under a name: `forms`, then `beginnings`.
        standing: an index that holds the forms of all other identifiers, with `bytes_of(rows)` of beginnings.
    """
    saving = _Saving(rows)
    if standing and standing.shape:
        saving.stand_on(standing)
        write("forms", _merged(standing.opened().forms, b"".join(saving.digests(batches))))
    else:
        write("forms", _never_empty(saving.digests(batches)))
    write("beginnings", [saving.bits.tobytes()])
    return saving.shape()


def bytes_of(rows: int) -> int:
    """Size of the file of beginnings of so many identifiers."""
    bits = (max(1, rows) * _BITS_PER_ROW).bit_length()
    return (1 << min(max(bits, _LEAST_BITS), _MOST_BITS)) // 8


class _Saving:
    """What is gathered while the digests stream into their file."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        self.bits = np.zeros(bytes_of(rows), np.uint8)
        self._sizes: dict[Kind, set[int]] = {}
        self._begin_sizes: dict[Kind, set[int]] = {}

    def stand_on(self, index: Index) -> None:
        """Take in the beginnings and the shape of an index."""
        self.bits |= index.opened().beginnings
        for name, sizes in index.shape.items():
            self._sizes[Kind[name]] = set(sizes["sizes"])
            self._begin_sizes[Kind[name]] = set(sizes["beginnings"])

    def digests(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """The bytes of the digests."""
        import numpy as np

        for batch in batches:
            digest, beginning, kind, size, begin_size = (column.to_numpy() for column in batch.columns)
            bits = beginning.view(np.uint64) & np.uint64(len(self.bits) * 8 - 1)
            flags = np.uint8(1) << (bits & np.uint64(7)).astype(np.uint8)
            np.bitwise_or.at(self.bits, bits >> np.uint64(3), flags)
            # as one number, for to compare rows is much dearer
            wide = int(begin_size.max(initial=0)) + 1
            high = int(size.max(initial=0)) + 1
            for packed in np.unique((kind.astype(np.int64) * high + size) * wide + begin_size).tolist():
                number, chars, begun = packed // wide // high, packed // wide % high, packed % wide
                self._sizes.setdefault(Kind(number), set()).add(chars)
                self._begin_sizes.setdefault(Kind(number), set()).add(begun)
            yield digest.tobytes()

    def shape(self) -> Shape:
        """Tables and sizes of all forms seen."""
        return {
            kind.name: {"sizes": sorted(self._sizes[kind]), "beginnings": sorted(self._begin_sizes[kind])}
            for kind in sorted(self._sizes)
        }


def _never_empty(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks; an index of nothing holds a digest that nothing has."""
    import numpy as np

    empty = True
    for chunk in chunks:
        empty = empty and not chunk
        yield chunk
    if empty:
        yield np.zeros(1, np.int64).tobytes()


def _merged(standing: npt.NDArray[np.int64], new: bytes) -> Iterator[bytes]:
    """The digests that stand and the new ones, sorted, each once."""
    import numpy as np

    fresh = np.frombuffer(new, np.int64)
    at = np.searchsorted(standing, fresh)
    known = standing[np.minimum(at, len(standing) - 1)] == fresh
    fresh, at = fresh[~known], at[~known]
    for first in range(0, len(standing), _MERGED):
        chunk = standing[first : first + _MERGED]
        last = first + len(chunk)
        # what comes after the last digest of all belongs to the last chunk
        here = (at >= first) & ((at < last) | (last == len(standing)))
        yield np.insert(chunk, at[here] - first, fresh[here]).tobytes()
