"""The forms of all identifiers, as `saving` keeps them, and where they stand in texts.

All digests lie sorted in one file, and a bit for the beginning of every form in another; both are mapped into
memory, so workers share them and no person costs a worker memory. Entry: `Index`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from potable.engines.places import mapped
from potable.privacy.days import days, hashed
from potable.privacy.digests import BEGINNING, MARK_BITS, Kind, Shape, digests
from potable.privacy.lines import Line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from potable.privacy.lines import Flags, Places

    Columns = tuple[npt.NDArray[np.int64], ...]


class Hits(NamedTuple):
    """Forms found in texts, as columns."""

    line: Line
    """The texts."""
    texts: Places
    """The number of the text each stands in."""
    kinds: Places
    marks: Places
    """Numbers of `digests.MARKS`."""
    starts: Places
    """Places in the line, as are the ends."""
    ends: Places

    def take(self, numbers: Places | Flags) -> Hits:
        """Some of them."""
        return Hits(self.line, *(column[numbers] for column in self[1:]))


@dataclass(frozen=True)
class Index:
    """The forms of all identifiers; picklable, opened once per process."""

    forms: str = field(repr=False)
    """File of the sorted digests (int64)."""
    beginnings: str = field(repr=False)
    """File of one bit per digest of a beginning."""
    shape: Shape

    def find(self, texts: Sequence[str], people: npt.NDArray[np.uint64]) -> Hits:
        """The known forms in texts.

        Args:
            texts: plain texts; memory grows with them (about 80 bytes a character).
            people: by text, the number (`digests.people`) of whom it is about.
        """
        import numpy as np

        opened, line = self.opened(), Line(texts)
        runs: list[Columns] = [(np.zeros(0, np.int64),) * 4]
        for name, sizes in self.shape.items() if len(line) else ():
            runs += _Search(opened, line, Kind[name], people).runs(sizes["beginnings"], sizes["sizes"])
        kinds, starts, ends, wanted = map(np.concatenate, zip(*runs, strict=True))
        marks = opened.marks(wanted)
        found = (marks >= 0).nonzero()[0]
        found = found[~line.by_chance(starts[found], ends[found], 1)]
        return Hits(line, line.text_of(starts[found]), kinds[found], marks[found], starts[found], ends[found])

    def holds(self, digests: npt.NDArray[np.int64]) -> Flags:
        """Which digests, with their marks, are those of forms."""
        return self.opened().holds(digests)

    def opened(self) -> Opened:
        """The two files, mapped into memory."""
        return _opened(self.forms, self.beginnings)


class Opened(NamedTuple):
    """An index, mapped into memory."""

    forms: npt.NDArray[np.int64]
    beginnings: npt.NDArray[np.uint8]

    def begins(self, digests: npt.NDArray[np.int64]) -> Flags:
        """Which digests may be beginnings of a form."""
        import numpy as np

        bits = digests & (len(self.beginnings) * 8 - 1)
        flags: Flags = (self.beginnings[bits >> 3] >> (bits.astype(np.uint8) & 7)) & 1 == 1
        return flags

    def holds(self, digests: npt.NDArray[np.int64]) -> Flags:
        """Which digests, with their marks, are those of forms."""
        import numpy as np

        at = np.searchsorted(self.forms, digests)
        flags: Flags = self.forms[np.minimum(at, len(self.forms) - 1)] == digests
        return flags

    def marks(self, digests: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The mark of each digest, -1 where there is no such form."""
        import numpy as np

        # in order, so that one search begins where the last one ended, in memory just read
        order = np.argsort(digests)
        wanted = digests[order] & ~MARK_BITS
        at = np.searchsorted(self.forms, wanted)
        found = self.forms[np.minimum(at, len(self.forms) - 1)]
        marks = np.empty(len(digests), np.int64)
        marks[order] = np.where((found & ~MARK_BITS) == wanted, found & MARK_BITS, -1)
        return marks


@lru_cache(maxsize=2)
def _opened(forms: str, beginnings: str) -> Opened:
    import numpy as np

    with mapped(forms) as digests, mapped(beginnings) as bits:
        # as plain arrays over the same pages: a memmap passes its class on to every result, at a cost
        return Opened(np.asarray(np.memmap(digests, np.int64, "r")), np.asarray(np.memmap(bits, np.uint8, "r")))


@dataclass(frozen=True)
class _Search:
    """The forms of one table in one line."""

    opened: Opened
    line: Line
    kind: Kind
    people: npt.NDArray[np.uint64]

    def runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[Columns]:
        """Table, start, end and digest of the runs that may be a form, by the bits of their beginnings."""
        import numpy as np

        if self.kind is Kind.OWN_DAY:
            found = days(self.line)
            whose = self.people[self.line.text_of(found.starts)]
            wanted = digests(hashed(found.numbers), self.kind, whose)
            yield np.full(len(found.starts), self.kind), found.starts, found.ends, wanted
            return
        if self.kind is Kind.OWN_NUMBER:
            runs = self._number_runs(sizes)
        else:
            runs = (self._word_runs if self.kind.words else self._id_runs)(beginnings, sizes)
        for starts, ends in runs:
            yield np.full(len(starts), self.kind), starts, ends, self._digests(self.kind, starts, ends)

    # a form no longer than the longest beginning is its own beginning, and all others have one of that size

    def _word_runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        longer: Places | slice = slice(None)
        for size in beginnings:
            (starts, ends), (cut_starts, cut_ends) = self._word_ends(slice(None), size)
            longer = self._begins(starts, ends).nonzero()[0]
            yield starts[longer], ends[longer]
            cut = self._begins(cut_starts, cut_ends)
            yield cut_starts[cut], cut_ends[cut]
        for size in sizes[bisect(sizes, beginnings[-1]) :]:
            yield from self._word_ends(longer, size)

    def _word_ends(self, words: Places | slice, size: int) -> Iterator[tuple[Places, Places]]:
        """Runs of `size` words from each of `words`: to the last one's end, and to before its possessive s."""
        starts, ends = self.line.words
        starts, ends = starts[: max(0, len(starts) - size + 1)], ends[size - 1 :]
        if not isinstance(words, slice):
            words = words[: words.searchsorted(len(starts))]
        starts, ends = starts[words], ends[words]
        yield starts, ends
        possessive = self.line.possessive[size - 1 :][words].nonzero()[0]
        yield starts[possessive], ends[possessive] - 1

    def _id_runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        longer = edges = self.line.edges[:-1].nonzero()[0]
        for size in beginnings:
            fit = edges[edges <= len(self.line) - size]
            longer = fit[self._begins(fit, fit + size)]
            yield self._to_edges(longer, size)
        for size in sizes[bisect(sizes, beginnings[-1]) :]:
            yield self._to_edges(longer, size)

    def _to_edges(self, starts: Places, size: int) -> tuple[Places, Places]:
        """Runs of `size` characters that end where a word, or letters or digits, do."""
        fit = starts[starts <= len(self.line) - size]
        fit = fit[self.line.edges[fit + size]]
        return fit, fit + size

    def _number_runs(self, sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        import numpy as np

        after = self.line.starts[1:] | ~np.append(self.line.digits[1:], False)
        ends = (self.line.digits & after).nonzero()[0] + 1
        for size in sizes:
            fit = ends[ends >= size]
            fit = fit[self._begins(fit - size, fit)]
            yield fit - size, fit

    def _begins(self, starts: Places, ends: Places) -> Flags:
        return self.opened.begins(self._digests(self.kind + BEGINNING, starts, ends))

    def _digests(self, table: int, starts: Places, ends: Places) -> npt.NDArray[np.int64]:
        hashes = (self.line.spoken if self.kind.words else self.line.compact)(starts, ends)
        return digests(hashes, table, self.people[self.line.text_of(starts)] if self.kind.own else None)
