"""XML in the encodings of China, Japan and Korea, whose signs have several bytes: expat reads none of them.

Entry: `readable`.
"""

from __future__ import annotations

import re
from typing import BinaryIO, cast

from potable.sources.encodings import Layer, Utf8, normal

_PIECE = 1 << 12
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_BYTES = bytes(range(256))


def readable(stream: BinaryIO) -> tuple[BinaryIO, str | None]:
    """A document as expat can read it: one in such an encoding comes as UTF-8, beside the name of that."""
    try:
        start = stream.read(_PIECE)
    except BaseException:
        stream.close()
        raise
    whole = cast("BinaryIO", _Begun(start, stream))
    declared = _DECLARED.match(start)
    try:
        name = normal(declared[1].decode()) if declared else ""
        if not name or name.startswith("utf") or len(_BYTES.decode(name, "replace")) == len(_BYTES):
            return whole, None
    except (LookupError, UnicodeError):
        return whole, None
    return cast("BinaryIO", Utf8(whole, name)), name


class _Begun(Layer):
    """A stream of which the start was read."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._start = start

    def read(self, size: int = -1) -> bytes:
        """The next bytes: of the start first."""
        if size < 0:
            piece, self._start = self._start, b""
            return piece + self._stream.read()
        piece, self._start = self._start[:size], self._start[size:]
        return piece or self._stream.read(size)
