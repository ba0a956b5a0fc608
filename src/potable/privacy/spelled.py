"""The spellings of many identifiers at once, as hashes: `spelling`, vectorised.

Nearly all identifiers are plain ASCII: these are folded together, and their spellings are slices of one `Line`, so
that hardly any string is created; all others are spelled one by one.

Entry: `spelled`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, NamedTuple

from potable.privacy.digests import Kind
from potable.privacy.folding import fold
from potable.privacy.lines import Line
from potable.privacy.spelling import (
    BIRTH,
    LEAST_DIGITS,
    LEAST_OWN_DIGITS,
    PARTICLES,
    PHONE_TAIL,
    at_home,
    forms_of,
    is_sign,
    iso_day,
    short_street,
    strange_email,
    without_e,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from potable.privacy.lines import Flags, Hashes, Places

_ID_BEGINNING = 6
"""Characters of an id that its beginning has; words of a name: two for anybody's, one for a person's own."""
_OWN_ID_BEGINNING = 4
_NAMES = ("name", "full_name")
_WORDS = (*_NAMES, "email", "address")
_NUMBERS = ("phone", "id")
_SHARED = frozenset({"name", "full_name", "address"})
"""Kinds of identifiers that several people have; to remember others would drive these out."""
_BETWEEN = " \x01 "
"""Stands between texts that are looked at as one; what is printable has nothing like it."""
_PRINTABLE = "".join(map(chr, range(32, 127)))
_FOLD = bytes.maketrans(_PRINTABLE.encode(), "".join(fold(char) or " " for char in _PRINTABLE).encode())
_SIGNS = "".join(filter(is_sign, _PRINTABLE)).encode()
_NO_DIGITS = re.sub("[ 0-9]", "", _PRINTABLE).encode()


class Spelled(NamedTuple):
    """Spellings of identifiers in one table."""

    table: Kind
    rows: Places
    """Number of the identifier that each is of."""
    hashes: Hashes
    beginnings: Hashes
    """Of what each begins with."""
    sizes: Places
    """Words, or characters; then those of its beginning."""
    begun: Places

    def only(self, chosen: Flags) -> Spelled:
        """Some of these."""
        rows, hashes, beginnings = self.rows[chosen], self.hashes[chosen], self.beginnings[chosen]
        return Spelled(self.table, rows, hashes, beginnings, self.sizes[chosen], self.begun[chosen])


def spelled(kinds: pa.Array, values: pa.Array) -> Iterator[Spelled]:
    """The spellings of identifiers, by table; one may come twice."""
    import numpy as np

    coded, texts = kinds.dictionary_encode(), values.to_pylist()
    names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    plain, shown = (np.fromiter(map(told, texts), np.bool_, len(texts)) for told in (str.isascii, str.isprintable))
    # what is written for HTML or as a link is not what it looks like
    shown &= np.fromiter(("&" not in text and "%" not in text for text in texts), np.bool_, len(texts))

    def of(*wanted: str) -> Flags:
        known: Flags = np.array([name in wanted for name in names], np.bool_)[codes]
        return known

    words, numbers = plain & shown & of(*_WORDS), plain & shown & of(*_NUMBERS)
    for row in (numbers & of("phone")).nonzero()[0].tolist():
        numbers[row] = not at_home(texts[row])
    born = of(BIRTH).nonzero()[0].tolist()
    days = {row: day for row in born if (day := iso_day(texts[row]))}
    if days:
        each = _Texts(list(days.values()), np.array(list(days)))
        yield each.whole(Kind.OWN_DAY, each.filled)
    others = ~words & ~numbers
    others[list(days)] = False
    if words.any():
        yield from _of_words(list(compress(texts, words)), words.nonzero()[0], of(*_NAMES), of("email"))
    if numbers.any():
        yield from _of_numbers(list(compress(texts, numbers)), numbers.nonzero()[0], of("phone"))
    yield from _one_by_one([(row, names[codes[row]], texts[row]) for row in others.nonzero()[0].tolist()])


_remembered = lru_cache(maxsize=4_096)(forms_of)


def _one_by_one(identifiers: Sequence[tuple[int, str, str]]) -> Iterator[Spelled]:
    """The spellings of any identifiers: (number, kind, value)."""
    import numpy as np

    found: dict[Kind, list[tuple[int, str]]] = {}
    for row, kind, value in identifiers:
        for table, text in (_remembered if kind in _SHARED else forms_of)(kind, value):
            found.setdefault(table, []).append((row, text))
    for table, made in found.items():
        texts = _Texts([text for _, text in made], np.array([row for row, _ in made]))
        yield texts.whole(table, np.arange(len(made)))


class _Texts:
    """Folded texts side by side in one line."""

    def __init__(self, texts: Sequence[str], rows: Places) -> None:
        """Take in folded texts; `rows`: the number of the identifier of each."""
        import numpy as np

        self.rows = rows
        self._line = Line(texts)
        self._starts, self._ends = self._line.words
        self._text = self._line.text_of(self._starts)
        numbers = np.arange(len(rows))
        # what separates two texts counts to the second, and is its first word
        self._first = np.searchsorted(self._text, numbers) + (numbers > 0)
        self.words = np.searchsorted(self._text, numbers, "right") - self._first
        """How many words each text has."""
        self.filled = self.words.nonzero()[0]
        """Numbers of the texts that have some."""

    def ends(self) -> tuple[Places, Places]:
        """Where each text starts and ends in the line; one without words anywhere."""
        import numpy as np

        starts, ends = np.zeros(len(self.rows), np.intp), np.zeros(len(self.rows), np.intp)
        first = self._first[self.filled]
        starts[self.filled] = self._starts[first]
        ends[self.filled] = self._ends[first + self.words[self.filled] - 1]
        return starts, ends

    def whole(self, table: Kind, texts: Places) -> Spelled:
        """Some of the texts, none without words, as `table` has them."""
        import numpy as np

        first, words = self._first[texts], self.words[texts]
        starts, ends = self._starts[first], self._ends[first + words - 1]
        if not table.words:
            return self.runs(table, texts, starts, ends)
        begun = np.minimum(1 if table.own else 2, words)
        begins, spoken = self._ends[first + begun - 1], self._line.spoken
        return Spelled(table, self.rows[texts], spoken(starts, ends), spoken(starts, begins), words, begun)

    def runs(self, table: Kind, texts: Places, starts: Places, ends: Places) -> Spelled:
        """Letters and digits of some of the texts, from `starts` to `ends`."""
        import numpy as np

        sizes = ends - starts
        least = _OWN_ID_BEGINNING if table.own else _ID_BEGINNING
        begun = sizes if table in (Kind.OWN_NUMBER, Kind.OWN_DAY) else np.minimum(least, sizes)
        hashed = self._line.compact
        return Spelled(table, self.rows[texts], hashed(starts, ends), hashed(starts, starts + begun), sizes, begun)

    def parts(self, named: Flags) -> Spelled:
        """The words of those texts that have several, each alone; no particles or single letters.

        Args:
            named: by number of the identifier, which are wanted.
        """
        import numpy as np

        wanted = (named[self.rows] & (self.words > 1))[self._text]
        starts, ends = self._starts, self._ends[: len(self._starts)]
        words = (wanted & (ends - starts > 1)).nonzero()[0]
        hashes = self._line.spoken(starts[words], ends[words])
        told = _particles()[np.searchsorted(_particles(), hashes) % len(PARTICLES)] != hashes
        hashes, ones = hashes[told], np.ones(int(told.sum()), np.intp)
        return Spelled(Kind.OWN_WORDS, self.rows[self._text[words[told]]], hashes, hashes, ones, ones)


@lru_cache(maxsize=1)
def _particles() -> Hashes:
    """The hashes of particles, sorted."""
    import numpy as np

    line = Line([" ".join(PARTICLES)])
    return np.sort(line.spoken(*line.words))


def _of_words(values: list[str], rows: Places, named: Flags, mail: Flags) -> Iterator[Spelled]:
    """The spellings of names and addresses.

    Args:
        values: these.
        rows: their numbers among all identifiers.
        named: by number, which are names.
        mail: by number, which are e-mail addresses.
    """
    import numpy as np

    joined = _BETWEEN.join(values).encode()
    folded = joined.translate(_FOLD).decode()
    texts = folded.split(_BETWEEN)
    written = _Texts(texts, rows)
    telling = np.zeros(len(named), np.bool_)
    telling[rows] = written.words > 1
    mails = rows[mail[rows]]
    telling[mails] &= np.fromiter(map(strange_email, compress(values, mail[rows])), np.bool_, len(mails))
    signless = joined.translate(_FOLD, _SIGNS).decode()
    for some in (written, _otherwise(texts, (signless, without_e(folded), short_street(folded)), rows)):
        yield some.whole(Kind.OWN_WORDS, some.filled)
        yield some.whole(Kind.ANYONES_WORDS, some.filled[telling[some.rows[some.filled]]])
        yield some.parts(named)


def _otherwise(written: Sequence[str], others: Sequence[str], rows: Places) -> _Texts:
    """Other spellings of folded texts, `_BETWEEN` them, that differ."""
    import numpy as np

    found: list[str] = []
    numbers: list[int] = []
    for other in others:
        texts = other.split(_BETWEEN)
        differ = list(map(ne, texts, written))
        found += compress(texts, differ)
        numbers += compress(rows.tolist(), differ)
    return _Texts(found, np.array(numbers, np.intp))


def _of_numbers(values: list[str], rows: Places, phone: Flags) -> Iterator[Spelled]:
    """The spellings of ids and of telephone numbers; `phone`: by number among all identifiers, which are these."""
    import numpy as np

    joined = _BETWEEN.join(values).encode()
    numerals = joined.translate(None, _NO_DIGITS)
    whole, digits = (_Texts(text.decode().split(_BETWEEN), rows) for text in (joined.translate(_FOLD), numerals))
    (first, last), (start, end) = whole.ends(), digits.ends()
    chars, some = last - first, end > start
    numeric = end - start == chars
    zeros, start = start, np.minimum(_behind_zeros(numerals, start), end)
    enough, phone = end - start >= LEAST_OWN_DIGITS, phone[rows]

    def entire(table: Kind, chosen: Flags) -> Spelled:
        return whole.whole(table, (chosen & (chars > 0)).nonzero()[0])

    def number(table: Kind, chosen: Flags, most: int) -> Spelled:
        texts = (chosen & enough).nonzero()[0]
        return digits.runs(table, texts, np.maximum(start[texts], end[texts] - most), end[texts])

    yield number(Kind.OWN_NUMBER, phone, PHONE_TAIL)
    yield entire(Kind.OWN_NUMBER, phone & ~enough & numeric)
    yield entire(Kind.OWN_ID, phone & ~enough & ~numeric)
    yield entire(Kind.ANYONES_ID, ~phone & (chars >= LEAST_DIGITS) & some)
    yield entire(Kind.OWN_ID, ~phone)
    yield number(Kind.OWN_ID, ~phone & (end - start < chars), len(joined))
    padded = (~phone & enough & ~numeric & (zeros < start)).nonzero()[0]
    yield digits.runs(Kind.OWN_ID, padded, zeros[padded], end[padded])


def _behind_zeros(numerals: bytes, places: Places) -> Places:
    """The next places in a line of digits where no zero is: also where one text ends and another begins."""
    import numpy as np

    codes = np.frombuffer(numerals.replace(b" ", b""), np.uint8)
    others = np.append((codes != ord("0")).nonzero()[0], len(codes))
    following: Places = others[np.searchsorted(others, places)]
    return following
