"""Many folded texts as one line of characters, and the hash of any run of them.

The hash of the characters from a to b is the sum of value(k) * P**(k - a) modulo 2**64, read off prefix
sums (Karp and Rabin 1987), so runs of a whole batch are hashed by a few operations on arrays. Blanks are
left out of the line; where one stood, a word starts.

Entry: `Line`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from potable.privacy.folding import ASCII, FIRST_UNIT, folded, units

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.intp]
    """Positions in a line."""
    Flags = npt.NDArray[np.bool_]
    Hashes = npt.NDArray[np.uint64]

_SEPARATOR = 1
_APART = "   "
"""Between two texts; the separator takes the place of the one in the middle."""
_BLANK, _ZERO, _NINE, _S = map(ord, " 09s")
_P = 0x9E3779B97F4A7C15
_P_INVERSE = pow(_P, -1, 1 << 64)
_WORD = 0xC2B2AE3D27D4EB4F
"""Added to the value of a character that starts a word, so that `an na` and `anna` differ."""
_KEPT_POWERS = 320_000


class Line:
    """Plain texts, folded, side by side; no run of characters that is looked for crosses from one to the next."""

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        texts = [text if text.isascii() else folded(text) for text in texts]
        lengths = np.fromiter(map(len, texts), np.intp, len(texts)) + len(_APART)
        self._texts: Places = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(texts) else lengths
        codes = _codes(_APART.join(texts))
        codes[self._texts[1:] - 2] = _SEPARATOR
        self.at: Places = np.flatnonzero(codes != _BLANK)
        """Where each character stands among the joined texts."""
        self.chars: npt.NDArray[np.uint8] | npt.NDArray[np.uint32] = codes[self.at]
        """The characters."""
        chars = self.chars
        size = len(chars)
        self.starts: Flags = np.ones(size + 1, np.bool_)
        """Whether a word starts at a character; the end counts as one."""
        if size:
            np.not_equal(self.at[1:], self.at[:-1] + 1, out=self.starts[1:size])
        self._parted: Flags | None = None
        """Which characters are of a script without blanks; None where there are none."""
        if chars.dtype != np.uint8 and size and chars.max() >= FIRST_UNIT:
            self._part(chars)
        self.digits: Flags = (chars >= _ZERO) & (chars <= _NINE)
        self.edges: Flags = self.starts.copy()
        """Where words, or letters and digits, meet."""
        self.edges[1:size] |= self.digits[1:] != self.digits[:-1]
        self._ends_s: Flags = chars == _S
        bounds = np.concatenate(([0], (chars == _SEPARATOR).nonzero()[0], [size]))
        self._number: Places = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        powered, self._inverses = powers(size)
        values = np.add(chars, 1, dtype=np.uint64) * powered
        self._compact = _sums(values)
        words, _ = self.words
        values[words] += powered[words] * np.uint64(_WORD)
        self._spoken = _sums(values)

    def __len__(self) -> int:
        return len(self.at)

    def _part(self, chars: npt.NDArray[np.uint32]) -> None:
        """Where there are no blanks between words, let each character be one."""
        import numpy as np

        known, continued = units()
        codes = np.minimum(chars, len(known) - 1)
        self._parted = parted = np.append(known[codes], False)
        self._blanks = self.starts.copy()
        after = np.append(False, parted[:-2]) & ~continued[codes]
        self.starts[:-1] |= after | (parted[:-1] & ~continued[codes])

    def by_chance(self, starts: Places, ends: Places, most: int) -> Flags:
        """Which runs are of up to `most` letters of a script without blanks, and begin or end amid others of it: they
        need be no word."""
        import numpy as np

        if self._parted is None:
            return np.zeros(len(starts), np.bool_)
        amid = ~self._blanks[:-1] & self._parted[:-1]
        amid[1:] &= self._parted[:-2]
        amid = np.append(amid, False)
        words = np.append(np.cumsum(self.starts[:-1]), np.iinfo(np.int64).max)
        few = words[ends - 1] - words[starts] < most
        chance: Flags = few & self._parted[starts] & (amid[starts] | amid[ends])
        return chance

    @cached_property
    def words(self) -> tuple[Places, Places]:
        """Start and end of every word."""
        import numpy as np

        starts = np.flatnonzero(self.starts[:-1])
        return starts, np.append(starts[1:], len(self))

    @cached_property
    def possessive(self) -> Flags:
        """Which words are longer than the s they end in."""
        starts, ends = self.words
        flags: Flags = self._ends_s[ends - 1] & (ends - starts > 1)
        return flags

    def whole(self, starts: Places, ends: Places) -> tuple[Places, Places]:
        """Runs of characters, widened to the words they cut."""
        import numpy as np

        first, last = self.words
        before, after = (np.searchsorted(first, places, "right") - 1 for places in (starts, ends - 1))
        return first[before], last[after]

    def text_of(self, places: Places) -> Places:
        """The number of the text each place lies in; what separates two texts counts to the second."""
        numbers: Places = self._number[places]
        return numbers

    def in_text(self, texts: Places, places: Places) -> Places:
        """The offsets, each in its text, of the characters at `places`."""
        offsets: Places = self.at[places] - self._texts[texts]
        return offsets

    def spoken(self, starts: Places, ends: Places) -> Hashes:
        """Hashes of runs of words."""
        hashes: Hashes = (self._spoken[ends] - self._spoken[starts]) * self._inverses[starts]
        return hashes

    def compact(self, starts: Places, ends: Places) -> Hashes:
        """Hashes of runs of letters and digits, whatever stands between them."""
        hashes: Hashes = (self._compact[ends] - self._compact[starts]) * self._inverses[starts]
        return hashes


def compacted(codes: npt.NDArray[np.int64]) -> Hashes:
    """Hashes of letters and digits, a row of codes each, as `Line.compact` has them."""
    import numpy as np

    hashes: Hashes = ((codes + 1).astype(np.uint64) * powers(codes.shape[1])[0]).sum(axis=1, dtype=np.uint64)
    return hashes


def _codes(joined: str) -> Any:
    """The characters of plain texts, folded where they are ASCII."""
    import numpy as np

    if joined.isascii():
        return np.frombuffer(bytearray(joined.encode().translate(ASCII)), np.uint8)
    codes = np.frombuffer(bytearray(joined.encode("utf-32-le", "surrogatepass")), np.uint32)
    plain = codes < 128
    codes[plain] = np.frombuffer(ASCII, np.uint8)[codes[plain]]
    return codes


def powers(size: int) -> tuple[Hashes, Hashes]:
    """The powers 0 to size - 1 of P, and 0 to size of its inverse, modulo 2**64."""
    made = _powers(_KEPT_POWERS if size < _KEPT_POWERS else size + 1)
    return made[0][:size], made[1][: size + 1]


@lru_cache(maxsize=1)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    import numpy as np

    def of(base: int) -> Hashes:
        factors = np.full(size, base, np.uint64)
        factors[0] = 1
        return np.cumprod(factors, dtype=np.uint64)

    return of(_P), of(_P_INVERSE)


def _sums(values: Hashes) -> Any:
    import numpy as np

    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums
