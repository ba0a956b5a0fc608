"""A CSV file cut between records, so that several processes can parse it.

Where a record ends is known as long as quotes stand where they should: at the start of a field, where it ends, or
doubled inside. Then newlines with an even number of quotes before them end records. From the first quote that stands
elsewhere, or the first lone carriage return, only a parser knows, and the first share takes the rest.

Entry: `Pieces`.
"""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from typing import NamedTuple

import numpy as np

from potable.sources.blobs import Blob
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

    def __init__(self, content: Content, dialect: Dialect, share: Share, longest: int) -> None:
        """A share of `content`, which is at its first record.

        Args:
            content: the file; closing this closes it.
            dialect: how it is written.
            share: which pieces are given.
            longest: bytes that a line may have.
        """
        self.content = content
        self.numbers = Numbers()
        self._quote, self._delimiter = dialect.declared.quote, dialect.delimiter
        self._share = share
        self._mine, self._others, self._piece = 0, 0, 0
        # pyarrow takes one away from the beginning: not from that of a record
        self._held, self._given = b"", BOM_UTF8
        self._rest, self._ended = share.whole, False
        self._longest, self._line = longest, -len(BOM_UTF8)
        self.failure: Exception | None = None
        """What ended it before its end."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the content too."""
        self.content.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most one fewer than `size` where that is not negative and there are so many.

        They never end between a carriage return and its newline: pyarrow would take the newline for half of an end of
        a line, also in quotes. Nothing is raised: pyarrow reads ahead in a thread, and one that ends in a failure may
        wait for itself for ever, so that the process cannot end.
        """
        try:
            return self._filled(size)
        except Exception as failure:
            self.failure = self.failure or failure
            return b""

    def _filled(self, size: int) -> bytes:
        """As `read`.

        Raises:
            OverflowError: a line is too long; pyarrow takes some that are, by where its blocks happen to end.
        """
        if self.failure:
            return b""
        parts, length = [self._given], len(self._given)
        while (size < 0 or length < size) and (part := self._more(size - length if size >= 0 else -1)):
            parts.append(part)
            length += len(part)
        held = parts[0] if len(parts) == 1 else b"".join(parts)
        end = size if 0 <= size <= len(held) else len(held)
        end -= 1 < end == size and held[end - 1] == _RETURN
        given, self._given = held[:end], held[end:]
        self._measure(given)
        return given

    def _measure(self, given: bytes) -> None:
        """Look how long the lines are that end in what is given, or go on behind it."""
        ends = [place for place in (given.find(b"\n"), given.find(b"\r")) if place >= 0]
        if self._line + min(ends, default=len(given)) > self._longest:
            raise OverflowError
        last = max(given.rfind(b"\n"), given.rfind(b"\r"))
        self._line = len(given) - last - 1 if ends else self._line + len(given)

    def _more(self, size: int) -> bytes:
        """What follows; empty only at the end."""
        part = b""
        while not (part or self._rest or self._ended):
            part = self._next()
        return part or (self.content.read(size) if self._rest else b"")

    def require(self, records: int, blob: Blob) -> None:
        """Refuse that a parser found another number of records than were given to it.

        Raises:
            DataError: D007.
        """
        if not self._rest and records != self._mine:
            raise unreadable(blob, Uncut().why, hint=Uncut.hint)

    def _next(self) -> bytes:
        """What the share has of the bytes that are read next."""
        chunk = self.content.read(PIECE)
        held = self._held = self._held + chunk
        found = cut(held, self._quote, self._delimiter)
        if found is None or len(held) - found.end > _LONGEST or not chunk:
            return self._last()
        if not found.end:
            return b""
        self._piece, self._held = self._piece + 1, held[found.end :]
        if not self._share.has((self._piece - 1) // IN_A_ROW):
            self._others += found.records
            return b""
        self.numbers.add(self._mine, self._others)
        self._mine += found.records
        return held[: found.end]

    def _last(self) -> bytes:
        """For the first share what is left, and all that comes; for the others, which need not read on, nothing."""
        held, self._held = self._held, b""
        if self._share.first:
            self.numbers.add(self._mine, self._others)
            self._rest = True
            return held
        self._ended = True
        return b""


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
