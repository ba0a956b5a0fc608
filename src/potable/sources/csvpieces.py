"""A CSV file cut between records, so that several processes can parse it.

Where a record ends is known as long as quotes stand where they should: at the start of a field, where it ends, or
doubled inside. Then newlines with an even number of quotes before them end records. From the first quote that stands
elsewhere, or the first lone carriage return, only a parser knows, and the first share takes the rest.

Entry: `Pieces`.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np

from potable.sources.base import Blob
from potable.sources.dialect import Content, Dialect
from potable.sources.files import unreadable
from potable.sources.pieces import Numbers, Uncut
from potable.sources.shares import Share

PIECE = 1 << 20
"""Bytes of a piece, or more where its last record goes on; so few that they are looked at several times quickly."""
IN_A_ROW = 4
"""Pieces that a share has one after the other."""
_LONGEST = 16 << 20
"""Bytes without an end of a record after which none is looked for."""
_NEWLINE, _RETURN = ord("\n"), ord("\r")


class Cut(NamedTuple):
    """Where whole records end."""

    end: int
    """Bytes up to there; 0 where no record ends."""
    records: int


class Pieces(io.RawIOBase):
    """The records of a share of a file, as its content has them."""

    def __init__(self, content: Content, dialect: Dialect, share: Share) -> None:
        """A share of `content`, which is at its first record.

        Args:
            content: the file; closing this closes it.
            dialect: how it is written.
            share: which pieces are given.
        """
        self.content = content
        self.numbers = Numbers()
        self._quote, self._delimiter = dialect.declared.quote, dialect.delimiter
        self._share = share
        self._mine, self._others, self._piece = 0, 0, 0
        self._held, self._given = b"", b""
        self._rest = share.whole

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the content too."""
        self.content.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` where that is not negative; none only at the end."""
        while not self._given and not self._rest and self._next():
            pass
        if not self._given and self._rest:
            return self.content.read(size)
        size = len(self._given) if size < 0 else size
        given, self._given = self._given[:size], self._given[size:]
        return given

    def require(self, records: int, blob: Blob) -> None:
        """Refuse that a parser found another number of records than were given to it.

        Raises:
            DataError: D007.
        """
        if not self._rest and records != self._mine:
            raise unreadable(blob, Uncut().why, hint=Uncut.hint)

    def _next(self) -> bool:
        """Read the next piece; False at the end."""
        chunk = self.content.read(PIECE)
        self._held += chunk
        found = cut(self._held, self._quote, self._delimiter)
        if found is None or len(self._held) - found.end > _LONGEST or not chunk:
            return self._end(sure=bool(found) and not chunk)
        if found.end:
            if self._share.has(self._piece // IN_A_ROW):
                self.numbers.add(self._mine, self._others)
                self._given = self._held[: found.end]
                self._mine += found.records
            else:
                self._others += found.records
            self._piece += 1
            self._held = self._held[found.end :]
        return True

    def _end(self, *, sure: bool) -> bool:
        """Give the first share what is left, all that comes included."""
        if self._share.first:
            self.numbers.add(self._mine, self._others)
            self._given, self._rest = self._held, True
        elif not sure:
            # the others need not read on
            self.content.end_here()
        self._held = b""
        return False


def cut(held: bytes, quote: str, delimiter: str) -> Cut | None:
    """Where the last whole record in `held`, which begins with one, ends; None where that cannot be said."""
    if b"\r" in held and held.count(b"\r") != held.count(b"\r\n") + held.endswith(b"\r"):
        return None
    data = np.frombuffer(held, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if quote and quote.encode() in held:
        quotes = np.flatnonzero(data == ord(quote))
        before = np.where(quotes > 0, data[quotes - 1], _NEWLINE)[::2]
        if not np.isin(before, [ord(delimiter), _NEWLINE, ord(quote)]).all():
            return None
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    if not len(ends):
        return Cut(0, 0)
    end = int(ends[-1]) + 1
    lengths = np.diff(ends, prepend=-1) - 1
    filled = (lengths > 1) | ((lengths == 1) & (data[ends - 1] != _RETURN))
    return Cut(end, int(np.count_nonzero(filled)))
