"""The forms of all identifiers, as `saving` keeps them, and where they stand in texts.

All digests lie sorted in one file, and a bit for the beginning of every form in another; both are mapped into
memory, so workers share them and no person costs a worker memory. Entry: `Index`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from potable.engines.places import mapped
from potable.privacy.digests import BEGINNING, MARK_BITS, MARKS, Kind, Shape, digests
from potable.privacy.folding import folded
from potable.privacy.lines import Line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from potable.privacy.lines import Flags, Places


class Hit(NamedTuple):
    """A form found in a text."""

    start: int
    end: int
    mark: str
    kind: Kind
    line: Line
    """Where it was found, with `first` and `last` as its places."""
    first: int
    last: int


@dataclass(frozen=True)
class Index:
    """The forms of all identifiers; picklable, opened once per process."""

    forms: str = field(repr=False)
    """File of the sorted digests (int64)."""
    beginnings: str = field(repr=False)
    """File of one bit per digest of a beginning."""
    shape: Shape

    def find(self, texts: Sequence[str], people: npt.NDArray[np.uint64]) -> dict[int, list[Hit]]:
        """By number of the text, the known forms in it; texts without any are left out.

        Args:
            texts: plain texts; memory grows with them (about 80 bytes a character).
            people: by text, `person` of whom it is about.
        """
        opened = self.opened()
        line = Line([folded(text) for text in texts])
        hits: dict[int, list[Hit]] = {}
        for name, sizes in self.shape.items() if len(line) else ():
            search = _Search(opened, line, Kind[name], people)
            for number, hit in search.hits(sizes["beginnings"], sizes["sizes"]):
                hits.setdefault(number, []).append(hit)
        return hits

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

        bits = digests.view(np.uint64) & np.uint64(len(self.beginnings) * 8 - 1)
        flags: Flags = (self.beginnings[bits >> np.uint64(3)] >> (bits & np.uint64(7)).astype(np.uint8)) & 1 == 1
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

    def hits(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, Hit]]:
        """Every form found, with the number of its text."""
        import numpy as np

        starts, ends = map(np.concatenate, zip(*self._runs(beginnings, sizes), strict=True))
        marks = self.opened.marks(self._digests(self.kind, starts, ends))
        found = (marks >= 0).nonzero()[0]
        starts, ends = starts[found], ends[found]
        texts = self.line.text_of(starts)
        offsets = self.line.in_text(texts, starts), self.line.in_text(texts, ends - 1) + 1
        columns = (column.tolist() for column in (texts, *offsets, marks[found], starts, ends))
        for number, start, end, mark, first, last in zip(*columns, strict=True):
            yield number, Hit(start, end, MARKS[mark], self.kind, self.line, first, last)

    def _runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        """Starts and ends of the runs that may be a form, by the bits of their beginnings."""
        if self.kind.words:
            return self._word_runs(beginnings, sizes)
        return self._number_runs(sizes) if self.kind is Kind.OWN_NUMBER else self._id_runs(beginnings, sizes)

    def _word_runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        import numpy as np

        starts, ends = self.line.words()
        begun = np.zeros(len(starts), np.bool_)
        for size in beginnings:
            for at, runs in self._word_ends(np.arange(len(starts)), starts, ends, size):
                begun[at] |= self._begins(*runs)
        candidates = begun.nonzero()[0]
        for size in sizes:
            yield from (runs for _, runs in self._word_ends(candidates, starts, ends, size))

    def _word_ends(
        self, words: Places, starts: Places, ends: Places, size: int
    ) -> Iterator[tuple[Places, tuple[Places, Places]]]:
        """Runs of `size` words from each of `words`: to the last one's end, and to before its possessive s."""
        words = words[words <= len(starts) - size]
        last = ends[words + size - 1]
        yield words, (starts[words], last)
        possessive = self.line.ends_s[last - 1] & (last - starts[words + size - 1] > 1)
        yield words[possessive], (starts[words[possessive]], last[possessive] - 1)

    def _id_runs(self, beginnings: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[Places, Places]]:
        import numpy as np

        starts = self.line.edges[:-1].nonzero()[0]
        begun = np.zeros(len(starts), np.bool_)
        for size in beginnings:
            fit = (starts + size <= len(self.line)).nonzero()[0]
            begun[fit] |= self._begins(starts[fit], starts[fit] + size)
        starts = starts[begun]
        for size in sizes:
            fit = starts[starts + size <= len(self.line)]
            fit = fit[self.line.edges[fit + size]]
            yield fit, fit + size

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
