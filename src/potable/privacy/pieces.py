"""Searches texts for many substrings at once, by their first bytes: the time does not grow with their number.

Every place of a substring is found, and a few false positives where only its first bytes stand: what matters is how
fast all other text is skipped.

Entry: `Pieces.of`, then `places`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_WIDTH = 8
"""Bytes of a piece that are compared."""
_BITS = 18
_ODD = 0x9E3779B97F4A7C15
"""Spreads beginnings over the table (Knuth's multiplicative hash, by the golden ratio)."""
_SLICE = 1 << 16
"""Bytes looked at together: what is made of them stays near the processor."""


@dataclass(frozen=True)
class Pieces:
    """A set of substrings to search for; picklable."""

    beginnings: Mapping[int, npt.NDArray[np.uint64]] = field(repr=False)
    """Their first bytes as numbers, sorted, by how many bytes these are."""
    table: npt.NDArray[np.bool_] = field(repr=False)
    """Where the hashes of the shortest beginnings of all stand."""

    @classmethod
    def of(cls, pieces: Iterable[str]) -> Self:
        """The set of these substrings, none of them empty."""
        import numpy as np

        begun = {piece.encode()[:_WIDTH] for piece in pieces}
        by_length = {
            length: np.array(sorted(_number(each) for each in begun if len(each) == length), np.uint64)
            for length in sorted({len(each) for each in begun})
        }
        table = np.zeros(1 << _BITS, np.bool_)
        if by_length:
            shortest = min(by_length)
            table[_hashed(np.array([_number(each[:shortest]) for each in begun], np.uint64))] = True
        return cls(by_length, table)

    def places(self, data: bytes) -> npt.NDArray[np.intp]:
        """Where in `data` (UTF-8) pieces stand, in order, and some places where one only begins."""
        import numpy as np

        found = [np.zeros(0, np.intp)]
        if not self.beginnings:
            return found[0]
        # from every byte on, the number that it and the next ones are
        numbers = np.ndarray((len(data),), "<u8", data + bytes(_WIDTH), 0, (1,))
        shortest = min(self.beginnings)
        for first in range(0, len(data), _SLICE):
            near = numbers[first : first + _SLICE]
            at = self.table[_hashed(near & _mask(shortest))].nonzero()[0]
            near, begins = near[at], np.zeros(len(at), np.bool_)
            for length, known in self.beginnings.items():
                sought = near & _mask(length)
                begins |= known[np.minimum(np.searchsorted(known, sought), len(known) - 1)] == sought
            found.append(at[begins] + first)
        return np.concatenate(found)


def _number(begun: bytes) -> int:
    return int.from_bytes(begun, "little")


def _mask(length: int) -> np.uint64:
    import numpy as np

    return np.uint64((1 << 8 * length) - 1)


def _hashed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    import numpy as np

    return (numbers * np.uint64(_ODD)) >> np.uint64(64 - _BITS)
