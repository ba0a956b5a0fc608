"""Members of flat objects in JSON lines, found by the quotes around their keys; nothing is decoded.

Quotes tell where texts are, a colon behind one tells a key, and what lies between a value and the next key is held to
what the first line has there. So a value is a slice, and every byte outside of values is accounted for. A line of which
that cannot be said is marked as odd, and its members mean nothing.

Entry: `Lines.members`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from potable.sources.jsontext import DEEPEST

QUOTE, _COLON, _COMMA, _BLANK, _NEWLINE, _OPEN, _CLOSE, _ESCAPE = b'":, \n{}\\'
_NOWHERE = np.zeros(0, np.int32)
NESTS = np.zeros(256, np.int8)
NESTS[list(b"[{")], NESTS[list(b"]}")] = 1, -1
"""1 for signs that open lists and objects, -1 for those that close them."""


@dataclass
class Found:
    """Members of some lines, one after the other, as places in their block."""

    row: np.ndarray
    """The line of each."""
    key: np.ndarray
    """Where its key begins, behind the quote."""
    length: np.ndarray
    """Bytes of the key."""
    start: np.ndarray
    """Where its value begins, at the quote of a text."""
    end: np.ndarray
    """Where its value has ended, behind the quote of a text."""

    def where(self, kept: np.ndarray) -> Found:
        """Some of them."""
        return Found(*(getattr(self, each.name)[kept] for each in fields(self)))


class Lines:
    """Lines of JSON, of which some may be odd."""

    def __init__(self, block: bytes) -> None:
        """Look at some lines, the last without its newline."""
        self.block = block
        # keys are compared in pieces, which may reach over the end
        self.padded = block + b"\n" + bytes(16)
        self.signs = np.frombuffer(self.padded, np.uint8)
        self._low = np.flatnonzero(self.signs[: len(block)] < _BLANK)
        ends = self._low[self.signs[self._low] == _NEWLINE]
        self.ends = np.append(ends, len(block)).astype(np.int32)
        self.escapes = np.flatnonzero(self.signs == _ESCAPE) if b"\\" in block else _NOWHERE
        """Where there are backslashes."""
        self.odd = np.zeros(len(self.ends), bool)
        """Lines that are left to others."""

    @property
    def starts(self) -> np.ndarray:
        """First byte of each line."""
        return np.append(np.int32(0), self.ends[:-1] + 1)

    def members(self) -> Found:
        """The members of all lines that are not odd, and perhaps some of those."""
        quotes = self._quotes()
        inside = self._inside(quotes)
        # one more, that nothing is
        opened, closed = (np.append(ends[inside.top], np.int32(-1)) for ends in (quotes[::2], quotes[1::2]))
        is_key = self.signs[closed + 1] == _COLON
        is_key[-1] = False
        tokens = np.flatnonzero(is_key)
        found, wrong = self._cut(opened[tokens], closed[tokens])
        text = np.flatnonzero(self.signs[found.start] == QUOTE)
        value = tokens[text] + 1
        other = (opened[value] != found.start[text]) | (closed[value] + 1 != found.end[text]) | is_key[value]
        wrong[text[other]] = True
        nested = np.flatnonzero(NESTS[self.signs[found.start]] > 0)
        if len(nested):
            wrong[nested[~inside.whole(found.start[nested], found.end[nested])]] = True
        self.odd[found.row[wrong]] = True
        alone = ~is_key
        alone[value], alone[-1] = False, False
        self._mark(opened[alone])
        return found

    def _mark(self, places: np.ndarray) -> None:
        self.odd[np.searchsorted(self.ends, places)] = True

    def _many(self, places: np.ndarray) -> np.ndarray:
        """How many of some places, which are in order, are in each line."""
        return np.diff(np.searchsorted(places, self.ends), prepend=0)

    def _quotes(self) -> np.ndarray:
        """The quotes that begin and end texts, two and two."""
        quote = self.signs == QUOTE
        if len(self.escapes):
            # where an odd number of backslashes ends, what follows is escaped
            begun = np.append(0, np.flatnonzero(np.diff(self.escapes) != 1) + 1)
            many = np.diff(begun, append=len(self.escapes))
            quote[(self.escapes[begun] + many)[many % 2 == 1]] = False
        quotes = np.flatnonzero(quote).astype(np.int32)
        many = self._many(quotes)
        self.odd |= many % 2 == 1
        if len(self._low) >= len(self.ends):
            self._mark(self._low[self.signs[self._low] != _NEWLINE])
        return quotes[~np.repeat(self.odd, many)] if self.odd.any() else quotes

    def _cut(self, opened: np.ndarray, closed: np.ndarray) -> tuple[Found, np.ndarray]:
        """Members by the quotes of their keys; and which of them are set apart otherwise than the first."""
        signs, many = self.signs, self._many(opened)
        self.odd |= many == 0
        row = np.repeat(np.arange(len(many), dtype=np.int32), many)
        if not len(opened):
            return Found(row, opened, opened, opened, opened), np.zeros(0, bool)
        last = np.cumsum(many)[many > 0] - 1
        first = np.append(0, last[:-1] + 1)
        blank = signs[closed[0] + 2] == _BLANK
        second = np.argmax(row[1:] == row[:-1]) + 1 if len(row) > len(last) else 0
        gap = 2 if signs[opened[second] - 1] == _BLANK else 1
        start = closed + np.int32(3 if blank else 2)
        end = np.append(opened[1:] - np.int32(gap), np.int32(0))
        end[last] = self.ends[row[last]] - 1
        behind = np.full(len(opened), _COMMA, np.uint8)
        behind[last] = _CLOSE
        wrong = (signs[end] != behind) | (end < start)
        if blank:
            wrong |= signs[closed + 2] != _BLANK
        if gap == 2:
            behind = signs[end + 1] != _BLANK
            behind[last] = False
            wrong |= behind
        begin = self.starts[row[first]]
        wrong[first] |= (opened[first] != begin + 1) | (signs[begin] != _OPEN)
        return Found(row, opened + 1, closed - opened - 1, start, end), wrong

    def _inside(self, quotes: np.ndarray) -> _Inside:
        """What lies inside the records."""
        if b"[" not in self.block and np.count_nonzero(self.signs == _OPEN) <= len(self.ends):
            return _Inside(slice(None))
        # brackets and braces differ in one bit
        braces = self.signs | 32
        at = np.flatnonzero((braces == _OPEN) | (braces == _CLOSE)).astype(np.int32)
        before = np.searchsorted(quotes, at)
        outside = before % 2 == 0
        at, before = at[outside], before[outside]
        many = self._many(at)
        row = np.repeat(np.arange(len(many), dtype=np.int32), many)
        step = NESTS[self.signs[at]]
        step[self.odd[row]] = 0
        last = np.cumsum(many)[many > 0] - 1
        first = np.append(0, last[:-1] + 1)[: len(last)]
        depth = np.cumsum(step, dtype=np.int32)
        depth -= np.repeat(depth[first] - step[first], many[many > 0])
        wrong = (depth > DEEPEST) | (depth <= 0)
        wrong[last] = depth[last] != 0
        self.odd[row[wrong]] = True
        depth[self.odd[row]] = 0
        around = np.repeat(np.append(0, depth), np.diff(before // 2, prepend=0, append=len(quotes) // 2))
        return _Inside(around == 1, at[(step > 0) & (depth == 2)], at[(step < 0) & (depth == 1)])


@dataclass
class _Inside:
    """Lists and objects inside records."""

    top: np.ndarray | slice
    """Which texts lie in none of them."""
    opens: np.ndarray = field(default_factory=lambda: _NOWHERE)
    closes: np.ndarray = field(default_factory=lambda: _NOWHERE)
    """Where those begin and end that lie in no other."""

    def whole(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether what begins and ends there is just one of them."""
        opens, closes = np.append(self.opens, -1), np.append(self.closes, -1)
        place = np.searchsorted(self.opens, start)
        same: np.ndarray = (opens[place] == start) & (closes[place] + 1 == end)
        return same
