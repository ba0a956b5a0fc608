"""The original bytes of one record, found in its landed object by its ordinal when somebody asks for it.

Rows keep the ordinal of their record, not its offset: an offset would cost every row and be used by few. What a parser
makes of the bytes does not belong here.

Entry: `xml_record`; `only` for objects that are one record.
"""

from __future__ import annotations

from typing import BinaryIO

from potable.errors import DataError
from potable.sources.base import Blob, Malformed
from potable.sources.encodings import as_written
from potable.sources.files import DAMAGE, unreadable
from potable.sources.wellformed import deeper, feed, new_parser
from potable.sources.xmlencodings import readable

_PIECE = 1 << 16
_DAMAGED = "the file is cut short or damaged"
LARGEST = 64 << 20
"""Bytes a record may have to be shown."""


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


def xml_record(blob: Blob, stream: BinaryIO, record: str, ordinal: int) -> bytes:
    """A record from its start tag to its end tag, in the document's own encoding.

    Args:
        blob: the object, for errors.
        stream: the document; it is read no further than the record, and closed.
        record: path of the record element, local names.
        ordinal: which of them, from 1.

    Raises:
        DataError: D007, there are fewer, the document is not well-formed up to there, or the record is too large.
    """
    try:
        stream, wide = readable(stream)
    except DAMAGE:
        raise unreadable(blob, _DAMAGED) from None
    search = _Search(record, ordinal, wide)
    window, offset = bytearray(), 0
    try:
        with stream:
            while search.last < 0 and (piece := stream.read(max(_PIECE, len(window)))):
                window += piece
                feed(search.parser, piece)
                keep = search.first if search.first >= 0 else max(offset, search.parser.CurrentByteIndex)
                del window[: keep - offset]
                offset = keep
                if len(window) > LARGEST + len(piece):
                    raise Malformed(f"record {ordinal} is larger than {LARGEST >> 20} MiB")
    except (Malformed, UnicodeDecodeError, *DAMAGE) as failure:
        # what is wrong behind the record does not matter
        if search.last < 0:
            why = failure.why if isinstance(failure, Malformed) else _DAMAGED
            raise unreadable(blob, why) from None
    if search.last < 0:
        raise missing(blob, ordinal)
    if search.last - search.first > LARGEST:
        raise unreadable(blob, f"record {ordinal} is larger than {LARGEST >> 20} MiB")
    found = search.cut(bytes(window[search.first - offset :]))
    return as_written(found, wide, b"") if wide else found


class _Search:
    """Looks for the n-th record; where it starts and where its end tag stands are offsets in bytes."""

    def __init__(self, record: str, ordinal: int, wide: str | None) -> None:
        self.first = self.last = -1
        self._record = record
        self._left = ordinal
        self._path: list[str] = []
        self._empty = True
        self.parser = new_parser(wide and "utf-8")
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        deeper(self._path, name)
        self._text()
        if "/" + "/".join(self._path) == self._record:
            self._left -= 1
            if self._left == 0:
                self.first, self._empty = self.parser.CurrentByteIndex, True

    def _end(self, name: str) -> None:
        if self._left == 0 and self.last < 0 and "/" + "/".join(self._path) == self._record:
            self.last = self.parser.CurrentByteIndex
        self._text()
        self._path.pop()

    def _text(self, text: str = "") -> None:
        """Note that something stands in the record."""
        self._empty = self._empty and self.last >= 0

    def cut(self, window: bytes) -> bytes:
        """The record, of a window that starts with it."""
        wide = 2 if window[:2] in (b"<\0", b"\0<") else 1
        codec = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(window[:2], "ascii")
        end = self.last - self.first
        # expat puts the end of an element without an end tag behind it
        if self._empty and window[:end].endswith("/>".encode(codec)):
            return window[:end]
        while window[end : end + wide] != ">".encode(codec):
            end += wide
        return window[: end + wide]
