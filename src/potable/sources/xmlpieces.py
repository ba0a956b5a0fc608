"""An XML document cut between records, so that several processes can parse it.

That a document is well-formed is asked by whoever parses it. Where it is, and a stretch of it has no comment, no CDATA
and no instruction, `<payslip` and `</payslip>` are tags; and where as many begin as end, and behind each end the next
one begins with nothing but the same blanks between, the records are siblings, one after the other. So it is enough to
know where the first one stands, which expat says. From the first stretch that looks otherwise, or behind the last
record, the first share takes the rest.

Entry: `Pieces`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Self

from potable.sources.encodings import Layer
from potable.sources.pieces import Numbers
from potable.sources.shares import Share
from potable.sources.wellformed import deeper, feed, new_parser

PIECE = 1 << 18
"""Bytes of a piece, or more where its last record goes on; so few that they are looked at several times quickly."""
IN_A_ROW = 16
"""Pieces that a share has one after the other."""
_LONGEST = 16 << 20
"""Bytes without an end of a record after which none is looked for."""
_HEAD, _STEP = 1 << 20, 1 << 12
"""Bytes in which the first record begins, and how many are looked at at once."""
_LIKE_ASCII = ("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
"""Encodings whose tags can be found as bytes."""


@dataclass(frozen=True)
class Lead:
    """What stands before the first record."""

    end: int
    """Bytes before it."""
    open: tuple[str, ...]
    """Names, with their prefixes, of the elements that are open there."""
    name: str
    """The record's own, with its prefix."""

    @classmethod
    def of(cls, stream: BinaryIO, record: str) -> Self | None:
        """What leads to the first element at the path `record` in `stream`, which is closed; None where that is far.

        Raises:
            Malformed: the document is not well-formed up to there.
        """
        path: list[str] = [""]
        names: list[str] = []
        found: list[Self] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            deeper(path, name)
            if not found and "/".join(path) == record:
                found.append(cls(parser.CurrentByteIndex, tuple(names), name))
            names.append(name)

        def end(name: str) -> None:
            path.pop()
            names.pop()

        parser = new_parser()
        parser.StartElementHandler, parser.EndElementHandler = start, end
        with stream:
            for _ in range(_HEAD // _STEP):
                piece = stream.read(_STEP)
                if not piece or found:
                    break
                feed(parser, piece)
        return found[0] if found else None


@dataclass
class Pieces:
    """The records of a share of a document, as a document of their own."""

    open: Callable[[], BinaryIO]
    """Opens the document."""
    lead: Lead
    share: Share
    numbers: Numbers = field(default_factory=Numbers)
    """What the records are called that were read since the share was opened last."""
    records: int = 0
    """How many these are."""
    rest: bool = False
    """Whether there are others, which could not be cut."""

    @classmethod
    def of(cls, opened: Callable[[], BinaryIO], encoding: str, record: str, share: Share) -> Self | None:
        """A share of a document; None where it cannot be cut.

        Args:
            opened: opens the document.
            encoding: of the document, as it says itself.
            record: path of the record element, local names.
            share: which records are meant.

        Raises:
            Malformed: the document is not well-formed up to its first record.
        """
        lead = Lead.of(opened(), record) if encoding.lower() in _LIKE_ASCII else None
        # what has no element around it is the only one
        return cls(opened, lead, share) if lead and lead.open else None

    def stream(self) -> BinaryIO:
        """The share, as a document."""
        self.numbers, self.records, self.rest = Numbers(), 0, False
        return _Stream(self)  # type: ignore[return-value]


class _Stream(Layer):
    """What leads to the records, those of the share, and what closes the elements around them."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces.open())
        self._pieces = pieces
        self._others, self._piece = 0, 0
        self._given: bytes | memoryview = b""
        self._at, self._held = 0, b""
        # a far stream may give less than it is asked for
        while (lacks := pieces.lead.end - len(self._given)) and (more := self._stream.read(lacks)):
            self._given += more
        self._form: _Form | None = None
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` where that is not negative; none only at the end."""
        while self._at == len(self._given) and not self._ended:
            self._given, self._at = self._next(), 0
        start = self._at
        self._at = len(self._given) if size < 0 else min(start + size, len(self._given))
        return bytes(self._given[start : self._at])

    def _next(self) -> bytes | memoryview:
        """What the share has of the bytes that are read next."""
        chunk = self._stream.read(PIECE)
        if self._pieces.rest:
            self._ended = not chunk
            return chunk
        self._held += chunk
        name = self._pieces.lead.name.encode()
        end = self._held.rfind(b"</%b>" % name)
        end = end + len(name) + len("</>") if end >= 0 else 0
        if not chunk or len(self._held) - end > _LONGEST:
            return self._last()
        return self._taken(end) if end else b""

    def _taken(self, end: int) -> bytes | memoryview:
        """The piece up to there if it is of the share; the records of others are only numbered."""
        pieces, held = self._pieces, self._held
        self._form = self._form or _Form.of(held, pieces.lead.name)
        records = self._form.records(held, end, first=not self._piece) if self._form else 0
        if not records:
            return self._last()
        self._piece, self._held = self._piece + 1, held[end:]
        if not pieces.share.has((self._piece - 1) // IN_A_ROW):
            self._others += records
            return b""
        pieces.numbers.add(pieces.records, self._others)
        pieces.records += records
        return memoryview(held)[:end]

    def _last(self) -> bytes:
        """For the first share what is left, and all that comes; for the others, which need not read on, the end."""
        pieces, held, self._held = self._pieces, self._held, b""
        if pieces.share.first:
            pieces.numbers.add(pieces.records, self._others)
            pieces.rest = True
            return held
        self._ended = True
        return "".join(f"</{name}>" for name in reversed(pieces.lead.open)).encode()


@dataclass(frozen=True)
class _Form:
    """How records follow one another."""

    name: bytes
    begin: bytes
    """The beginning of the first tag, and the sign behind the name."""
    blanks: bytes
    """What stands between two."""
    end: bytes

    @classmethod
    def of(cls, held: bytes, name: str) -> Self | None:
        """The form of what starts with a record; None where no other comes behind it."""
        tag = re.escape(name.encode())
        found = re.compile(rb"</%b>(\s*)(<%b[\s>])" % (tag, tag)).search(held)
        return cls(name.encode(), found[2], found[1], b"</" + name.encode() + b">") if found else None

    def records(self, held: bytes, end: int, *, first: bool) -> int:
        """How many records a piece, up to `end`, consists of; 0 where it may have anything else."""
        if (b"!" in held and b"<!" in held) or (b"?" in held and b"<?" in held):
            return 0
        if not held.startswith(self.begin if first else self.blanks + self.begin):
            return 0
        records = held.count(self.end + self.blanks + self.begin, 0, end) + 1
        if held.count(self.name, 0, end) == 2 * records:
            return records
        # where the name stands elsewhere, too: tags of every sort, also with blanks before the bracket, and those of
        # other elements whose names begin alike
        tags = (held.count(tag, 0, end) for tag in (self.begin[:-1], self.end[:-1]))
        return records if all(count == records for count in tags) else 0
