"""Every form an identifier of the roster may take in a text, as digests: what the redactor looks up.

A form belongs to anybody (full names, ids) or to one person (also single names, digits, numbers). The digest
of a form is its hash (`lines`) mixed with its table and, for a person's own, with that person; its lowest
bits hold the mark that takes its place. All digests lie sorted in one file, and a bit for the beginning of
every form in another; both are mapped into memory, so workers share them and no person costs a worker memory.

Entry: `forms` makes them, `saving.save` the two files, `Index` finds the forms in texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from potable.engines.base import Engine
from potable.engines.places import mapped
from potable.privacy.folding import folded
from potable.privacy.lines import Line
from potable.privacy.spelling import MARK_OF, compact, spellings

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from potable.privacy.lines import Flags, Hashes, Places

MARKS: tuple[str, ...] = ("ADDRESS", "EMAIL", "ID", "NAME", "PHONE", "URL")
"""What may stand in brackets instead of an identifier, in the order in which one of several is chosen."""
_MARK_BITS = 7
_BEGINNING = 16
"""Added to a table's number where the beginning of a form is meant."""
_ID_BEGINNING = 6
"""Characters of an id that its beginning has; words of a name: two for anybody's, one for a person's own."""
_OWN_ID_BEGINNING = 4
_ROWS = 2_048
"""Identifiers whose forms are made together."""
_SHARED = frozenset({"name", "full_name", "address"})
"""Kinds of identifiers that several people have; to remember others would drive these out."""


class Kind(IntEnum):
    """The tables of forms."""

    ANYONES_WORDS = 1
    ANYONES_ID = 2
    OWN_WORDS = 3
    OWN_ID = 4
    OWN_NUMBER = 5
    """The last digits of a telephone number."""

    @property
    def own(self) -> bool:
        """Whether a form counts only in texts of its own person."""
        return self >= Kind.OWN_WORDS

    @property
    def words(self) -> bool:
        """Whether a form consists of words; else of letters and digits with anything between them."""
        return self in (Kind.ANYONES_WORDS, Kind.OWN_WORDS)


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


Shape = Mapping[str, Mapping[str, Sequence[int]]]
"""By table: the `sizes` of its forms (words, or characters) and of their `beginnings`."""


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


def person(subject: str | None) -> int:
    """What stands for a subject in digests."""
    return int.from_bytes(hashlib.blake2b((subject or "").encode(), digest_size=8).digest())


def people(subjects: pa.Array) -> npt.NDArray[np.uint64]:
    """`person` of each of many subjects."""
    import numpy as np

    coded = subjects.dictionary_encode()
    known = np.array([person(subject) for subject in coded.dictionary.to_pylist()] + [person(None)], np.uint64)
    codes = coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    numbers: npt.NDArray[np.uint64] = known[codes]
    return numbers


# looking up


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
        wanted = digests[order] & ~_MARK_BITS
        at = np.searchsorted(self.forms, wanted)
        found = self.forms[np.minimum(at, len(self.forms) - 1)]
        marks = np.empty(len(digests), np.int64)
        marks[order] = np.where((found & ~_MARK_BITS) == wanted, found & _MARK_BITS, -1)
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
        return self.opened.begins(self._digests(self.kind + _BEGINNING, starts, ends))

    def _digests(self, table: int, starts: Places, ends: Places) -> npt.NDArray[np.int64]:
        hashes = (self.line.spoken if self.kind.words else self.line.compact)(starts, ends)
        return digests(hashes, table, self.people[self.line.text_of(starts)] if self.kind.own else None)


def digests(hashes: Hashes, table: int, people: npt.NDArray[np.uint64] | None) -> npt.NDArray[np.int64]:
    """Hashes mixed with table and person; every bit depends on all (the finaliser of SplitMix64, Steele 2014)."""
    import numpy as np

    mixed = hashes + np.uint64(table * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    if people is not None:
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93) + people
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)


# making


def schema() -> pa.Schema:
    """Schema of forms before they are saved: digest, digest of the beginning, and what kind and size they have."""
    import pyarrow as pa

    return pa.schema(
        [
            ("digest", pa.int64()),
            ("beginning", pa.int64()),
            ("kind", pa.int32()),
            ("size", pa.int32()),
            ("begin_size", pa.int32()),
        ]
    )


def forms(identifiers: ir.Table, engine: Engine) -> ir.Table:
    """The forms of all `identifiers` (subject, kind, value), sorted; can be consumed once."""
    made = engine.map_batches(identifiers.select("subject", "kind", "value"), made_forms, schema())
    return made.distinct().order_by(["digest", "beginning"])


def made_forms(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The forms of a batch of identifiers (subject, kind, value), as `schema` says."""
    import pyarrow as pa

    slices = (batch.slice(first, _ROWS) for first in range(0, len(batch), _ROWS))
    return pa.concat_batches([_made(few) for few in slices] or [_made(batch)])


def _made(batch: pa.RecordBatch) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    subjects, kinds, values = batch.columns
    found = [
        _remembered(kind, value) if kind in _SHARED else forms_of(kind, value)
        for kind, value in zip(kinds.to_pylist(), values.to_pylist(), strict=True)
    ]
    tables, texts = zip(*chain.from_iterable(found), strict=True) if any(found) else ((), ())
    rows = np.repeat(np.arange(len(batch)), np.fromiter(map(len, found), np.intp, len(found)))
    numbers = np.fromiter(tables, np.int64, len(tables))
    line = Line(texts)
    starts, ends, begins, sizes, begin_sizes = _measured(line, numbers)
    owners = people(subjects)[rows]
    digest, beginning = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
    for kind in Kind:
        mine = (numbers == kind).nonzero()[0]
        hashed, theirs = line.spoken if kind.words else line.compact, owners[mine] if kind.own else None
        digest[mine] = digests(hashed(starts[mine], ends[mine]), kind, theirs)
        beginning[mine] = digests(hashed(starts[mine], begins[mine]), kind + _BEGINNING, theirs)
    marked = (digest & ~_MARK_BITS) | _marks(kinds)[rows]
    # what only its owner may be called by is nobody's where there is none
    whose = pa.array(subjects.is_valid().to_numpy(zero_copy_only=False)[rows] | (numbers < Kind.OWN_WORDS))
    columns = [marked, beginning, numbers, sizes, begin_sizes]
    made = pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema(), strict=True)], schema=schema())
    return made.filter(whose) if subjects.null_count else made


def _marks(kinds: pa.Array) -> npt.NDArray[np.int64]:
    """The number of the mark that takes the place of identifiers of each of `kinds`."""
    import numpy as np

    coded = kinds.dictionary_encode()
    known = np.array([MARKS.index(MARK_OF.get(kind, "ID")) for kind in coded.dictionary.to_pylist()], np.int64)
    marks: npt.NDArray[np.int64] = known[coded.indices.to_numpy()]
    return marks


def forms_of(kind: str, value: str) -> list[tuple[Kind, str]]:
    """(table, folded text) of every form of one identifier."""
    everybodys, own = spellings(kind, value)
    if not compact(kind):
        return [(Kind.ANYONES_WORDS, text) for text in everybodys] + [(Kind.OWN_WORDS, text) for text in own]
    number = kind == "phone"
    return [(Kind.ANYONES_ID, text) for text in everybodys] + [
        (Kind.OWN_NUMBER if number and text.isdigit() else Kind.OWN_ID, text) for text in own
    ]


_remembered = lru_cache(maxsize=4_096)(forms_of)


def _measured(line: Line, tables: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
    """Start, end, end of the beginning, size and size of the beginning of each text of a line, one form each."""
    import numpy as np

    starts, ends = line.words()
    texts = line.text_of(starts)
    # a separator counts to the text after it, and is its first word
    number = np.arange(len(tables))
    first = np.searchsorted(texts, number) + (number > 0)
    last = np.searchsorted(texts, number, "right") - 1
    begin, end, count = starts[first], ends[last], last - first + 1
    words = (tables == Kind.ANYONES_WORDS) | (tables == Kind.OWN_WORDS)
    own = tables >= Kind.OWN_WORDS
    chars = end - begin
    begin_words = np.minimum(np.where(own, 1, 2), count)
    begin_chars = np.where(
        tables == Kind.OWN_NUMBER, chars, np.minimum(np.where(own, _OWN_ID_BEGINNING, _ID_BEGINNING), chars)
    )
    begins = np.where(words, ends[first + begin_words - 1], begin + begin_chars)
    return begin, end, begins, np.where(words, count, chars), np.where(words, begin_words, begin_chars)
