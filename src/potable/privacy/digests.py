"""Digests: the 64-bit number by which a form of an identifier is stored and looked up.

The digest of a form is its hash (`lines`) mixed with its table and, for a person's own, with that person; its lowest
bits hold the mark that takes its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from potable.privacy.lines import Hashes

MARKS: tuple[str, ...] = ("ADDRESS", "BIRTHDATE", "EMAIL", "ID", "NAME", "PHONE", "URL")
"""What may stand in brackets instead of an identifier, in the order in which one of several is chosen."""
MARK_BITS = 7
"""Lowest bits of a digest, which hold the number of its mark."""
BEGINNING = 16
"""Added to a table's number where the beginning of a form is meant."""


class Kind(IntEnum):
    """The tables of forms."""

    ANYONES_WORDS = 1
    ANYONES_ID = 2
    OWN_WORDS = 3
    OWN_ID = 4
    OWN_NUMBER = 5
    """The last digits of a telephone number."""
    OWN_DAY = 6
    """A date of birth, in any of its written forms (`days`)."""

    @property
    def own(self) -> bool:
        """Whether a form counts only in texts of its own person."""
        return self >= Kind.OWN_WORDS

    @property
    def words(self) -> bool:
        """Whether a form consists of words; else of letters and digits with anything between them."""
        return self in (Kind.ANYONES_WORDS, Kind.OWN_WORDS)


Shape = Mapping[str, Mapping[str, Sequence[int]]]
"""By table, the lengths (in words, or in characters) of its forms (`sizes`) and of their `beginnings`."""


def people(subjects: pa.Array) -> npt.NDArray[np.uint64]:
    """The number that stands for each of many subjects in digests: 64 bits of its hash; null is the empty subject."""
    import numpy as np

    coded = subjects.dictionary_encode()
    texts = [*coded.dictionary.cast("binary").to_pylist(), b""]
    known = np.frombuffer(b"".join([hashlib.blake2b(text, digest_size=8).digest() for text in texts]), ">u8")
    known = known.astype(np.uint64)
    codes = coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    numbers: npt.NDArray[np.uint64] = known[codes]
    return numbers


def digests(hashes: Hashes, table: int, people: npt.NDArray[np.uint64] | None) -> npt.NDArray[np.int64]:
    """Hashes mixed with table and person; every bit depends on all (the finaliser of SplitMix64, Steele 2014)."""
    import numpy as np

    mixed = hashes + np.uint64(table * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    if people is not None:
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93) + people
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)
