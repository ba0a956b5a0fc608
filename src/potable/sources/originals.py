"""The original bytes of one record, found in its landed object by its ordinal when somebody asks for it.

Rows keep the ordinal of their record, not its offset: an offset would cost every row and be used by few. What a parser
makes of the bytes does not belong here.

Entry: `xml_records`; `picked` for objects that are read record by record, `only` for those that are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from potable.errors import DataError
from potable.sources.blobs import Blob, Malformed, Original
from potable.sources.encodings import as_written
from potable.sources.files import DAMAGE, unreadable
from potable.sources.wellformed import deeper, feed, new_parser
from potable.sources.xmlencodings import readable

_PIECE = 1 << 16
_DAMAGED = "the file is cut short or damaged"
LARGEST = 64 << 20
"""Bytes a record may have to be shown."""
T = TypeVar("T")


def only(blob: Blob, ordinal: int) -> bytes:
    """All of an object that is one record.

    Raises:
        DataError: D007, there is only one, or it is larger than `LARGEST`.
    """
    if ordinal != 1:
        raise missing(blob, ordinal)
    with blob.open() as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise unreadable(blob, f"it is larger than {LARGEST >> 20} MiB")
    return data


def missing(blob: Blob, ordinal: int) -> DataError:
    """The error for a record that is not there."""
    return unreadable(blob, f"it has no record {ordinal}")


def picked(records: Iterable[T], ordinals: Iterable[int], blob: Blob) -> Iterator[T]:
    """Those of all records of an object that have these ordinals, which ascend.

    Raises:
        DataError: D007, there are fewer.
    """
    numbered = enumerate(records, 1)
    for wanted in ordinals:
        found = next((record for number, record in numbered if number == wanted), None)
        if found is None:
            raise missing(blob, wanted)
        yield found


def xml_records(blob: Blob, stream: BinaryIO, record: str, ordinals: Iterable[int]) -> Iterator[Original]:
    """Records from start tag to end tag, in the document's own encoding.

    Args:
        blob: the object, for errors.
        stream: the document; it is read no further than the last of the records, and closed.
        record: path of the record element, local names.
        ordinals: which of them, from 1, ascending.

    Raises:
        DataError: D007, there are fewer, the document is not well-formed up to there, or a record is too large.
    """
    try:
        stream, wide = readable(stream)
    except DAMAGE:
        raise unreadable(blob, _DAMAGED) from None
    search = _Search(record, ordinals, wide)
    window, offset = bytearray(), 0
    with stream:
        while search.wanted is not None and (piece := _read(stream, len(window), blob)):
            window += piece
            why = search.feed(piece)
            for place in search.met():
                if place.last - place.first > LARGEST:
                    raise _too_large(blob, place.ordinal)
                found = place.cut(window, offset)
                # of a document in UTF-16 the bytes are counted as UTF-8
                own = (as_written(found, wide, b""), place.line) if wide else (found, place.line, place.first)
                yield Original(*own)
            if why and search.wanted is not None:
                # what is wrong behind the records does not matter
                raise unreadable(blob, why)
            keep = search.first if search.first >= 0 else max(offset, search.parser.CurrentByteIndex)
            del window[: keep - offset]
            offset = keep
            if len(window) > LARGEST + len(piece):
                raise _too_large(blob, search.wanted)
    if search.wanted is not None:
        raise missing(blob, search.wanted)


def _read(stream: BinaryIO, held: int, blob: Blob) -> bytes:
    try:
        return stream.read(max(_PIECE, held))
    except (UnicodeDecodeError, *DAMAGE):
        raise unreadable(blob, _DAMAGED) from None


def _too_large(blob: Blob, ordinal: int | None) -> DataError:
    return unreadable(blob, f"record {ordinal} is larger than {LARGEST >> 20} MiB")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record stands: its start, its end tag, and whether it has nothing in it."""

    ordinal: int
    first: int
    last: int
    line: int
    empty: bool

    def cut(self, window: bytearray, offset: int) -> bytes:
        """The record, of a window that begins `offset` bytes into the document."""
        first, end = self.first - offset, self.last - offset
        start = bytes(window[first : first + 2])
        wide = 2 if start in (b"<\0", b"\0<") else 1
        codec = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(start, "ascii")
        # expat puts the end of an element without an end tag behind it
        if self.empty and window[end - 2 * wide : end] == "/>".encode(codec):
            return bytes(window[first:end])
        while window[end : end + wide] != ">".encode(codec):
            end += wide
        return bytes(window[first : end + wide])


class _Search:
    """Looks for records by their ordinals; where they start and where their end tags stand are offsets in bytes."""

    def __init__(self, record: str, ordinals: Iterable[int], wide: str | None) -> None:
        self._ordinals = iter(ordinals)
        self.wanted = next(self._ordinals, None)
        self.first = -1
        self._record = record
        self._number = self._line = 0
        self._path: list[str] = []
        self._empty = True
        self._met: list[_Place] = []
        self.parser = new_parser(wide and "utf-8")
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._text

    def feed(self, piece: bytes) -> str:
        """Parse the next piece; why it cannot be, if so."""
        try:
            feed(self.parser, piece)
        except Malformed as failure:
            return failure.why
        return ""

    def met(self) -> Iterator[_Place]:
        """The records that ended since the last call."""
        met, self._met = self._met, []
        yield from met

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        deeper(self._path, name)
        self._text()
        if "/" + "/".join(self._path) == self._record:
            self._number += 1
            if self._number == self.wanted:
                self.first, self._line = self.parser.CurrentByteIndex, self.parser.CurrentLineNumber
                self._empty = True

    def _end(self, name: str) -> None:
        if self.first >= 0 and "/" + "/".join(self._path) == self._record:
            last = self.parser.CurrentByteIndex
            self._met.append(_Place(self._number, self.first, last, self._line, self._empty))
            self.first, self.wanted = -1, next(self._ordinals, None)
        self._text()
        self._path.pop()

    def _text(self, text: str = "") -> None:
        """Note that something stands in the record."""
        self._empty = False
