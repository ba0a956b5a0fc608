"""Which of the known keys stands at each of many places, told by a table of numbers made of their bytes.

The table only guesses: a key counts as known where all of its bytes are those of a known one.

Entry: `Keys.of`.
"""

from __future__ import annotations

from itertools import count as counted
from itertools import islice

import numpy as np

_WIDTH = 8
"""Bytes of a key that are one number."""
_BITS = np.uint64(48)
_MIX = 0x9E3779B97F4A7C15
_MOST = 300
"""Keys that are known at most; of others there are rather no columns."""
_TRIES = 200
_MASKS = np.array([(1 << 8 * width) - 1 for width in range(_WIDTH + 1)], np.uint64)


class Keys:
    """The keys of the objects in one file, as far as they were met."""

    def __init__(self) -> None:
        self.names: list[bytes] = []
        """All of them, by their numbers."""

    def of(self, padded: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Which places have each known key, and which have another one, for those that are new become known.

        Args:
            padded: what they are in, and eight bytes more.
            starts: first byte of each.
            lengths: bytes of each.
        """
        found, others = self._of(padded, starts, lengths)
        while len(others) and self._learn(padded, starts[others], lengths[others]):
            found, others = self._of(padded, starts, lengths)
        return found, others

    def _learn(self, padded: bytes, starts: np.ndarray, lengths: np.ndarray) -> bool:
        """Add keys that were met; false where that cannot be."""
        places = zip(starts[:_MOST].tolist(), lengths[:_MOST].tolist(), strict=True)
        met = (padded[start : start + length] for start, length in places)
        # one with an escape may be another one
        names = dict.fromkeys([*self.names, *(name for name in met if b"\\" not in name)])
        if len(self.names) == len(names) or len(names) > _MOST:
            return False
        ends = np.cumsum([len(name) for name in names])
        joined = b"".join(names) + bytes(_WIDTH)
        lengths = np.diff(ends, prepend=0)
        for self._mix in islice(counted(_MIX, 2 * _MIX), _TRIES):
            hashed = self._hashed(joined, ends - lengths, lengths)
            if len(np.unique(hashed)) == len(names):
                self.names, self._lengths = list(names), lengths
                self._table = np.full(1 << 16, -1, np.int16)
                self._table[hashed] = np.arange(len(names))
                return True
        return False

    def _of(self, padded: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        if not self.names:
            return [], np.arange(len(starts))
        guess = self._table[self._hashed(padded, starts, lengths)]
        guess[self._lengths[guess] != lengths] = -1
        found = []
        for number, name in enumerate(self.names):
            places = np.flatnonzero(guess == number)
            if name:
                windows = np.ndarray((len(padded) - len(name) + 1,), f"V{len(name)}", padded, strides=(1,))
                met = windows[starts[places]].tobytes()
                if met != name * len(places):
                    same = [met[at : at + len(name)] == name for at in range(0, len(met), len(name))]
                    guess[places[~np.array(same)]] = -1
                    places = places[same]
            found.append(places)
        return found, np.flatnonzero(guess < 0)

    def _hashed(self, padded: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """A number of 16 bits for each, of its length and its first and last bytes."""
        windows = np.ndarray((len(padded) - _WIDTH + 1,), "<u8", padded, strides=(1,))
        words = windows[starts] & _MASKS[np.minimum(lengths, _WIDTH)]
        if (lengths > _WIDTH).any():
            tails = windows[np.maximum(starts + lengths - _WIDTH, starts)]
            words = words + np.where(lengths > _WIDTH, tails, np.uint64(0)) * np.uint64(3)
        words = words + lengths.astype(np.uint64)
        mixed: np.ndarray = words * np.uint64(self._mix % (1 << 64)) >> _BITS
        return mixed.astype(np.int64)
