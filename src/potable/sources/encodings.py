"""Bytes as files really hold them, to UTF-8: encodings declared or found, byte order marks, odd bytes.

Found means: ASCII or UTF-8 where all bytes are valid, UTF-16 where a byte order mark says so, Windows-1252 where no
UTF-8 sequence speaks against it and its letters stand as languages of Western Europe have them, and otherwise an error
that asks for a declaration, never a guess.

In an encoding that is declared, bytes that are not of it are spared, so that they cost their cell and not the file.

Entry: `declared`, `found` and `Utf8`; `as_written` is the way back. `Layer` and `Chunked` are for other streams on top
of streams, too.
"""

from __future__ import annotations

import codecs
import io
import re
from abc import abstractmethod
from collections import Counter
from typing import BinaryIO

import numpy as np
import pyarrow as pa

_CHUNK = 1 << 20
_MEANT = {"utf-8": "utf-8-sig", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932"}
"""Encodings and those that are written under their name, which have more signs: many of names (WHATWG Encoding)."""
_LIKE_ASCII = ("ascii", "utf-8", "utf-8-sig", "cp1252", "iso8859-1", "iso8859-15")
"""Encodings in which bytes below 128 are what they are in UTF-8, whatever stands before; there are others."""
_ASCII = bytes(range(128))
_ROW = -1
_LONGEST_SIGN = 4
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks of UTF-16."""


_BESIDE = re.compile(rb"[\x80-\xff]{3,}")
"""In Western Europe hardly a word has three letters with accents in a row; elsewhere whole words are of such bytes."""
_TURKISH = b"\xd0\xdd\xde\xf0\xfd\xfe"
"""Letters of Iceland, in whose place Turkish has others (ğ, ı, ş)."""
_MANY, _SEVERAL = 0.55, 3


class Ambiguous(ValueError):
    """Some bytes speak for an encoding and others against it."""


def normal(encoding: str) -> str:
    """Python's name of `encoding`; UTF-8 is read with or without its byte order mark.

    Raises:
        LookupError: Python does not know it, or it is not an encoding of text.
    """
    try:
        codec = codecs.lookup(encoding)
        "".encode(codec.name)
    except ValueError:
        # a name with a NUL in it, or the encoding of no text at all
        raise LookupError(encoding) from None
    return _MEANT.get(codec.name, codec.name)


def declared(encoding: str) -> str:
    """`encoding` as a contract may declare it: `auto`, or Python's name of one.

    Raises:
        ValueError: there is no such encoding of text.
    """
    try:
        return encoding if encoding == "auto" else normal(encoding)
    except LookupError:
        raise ValueError("unknown encoding; examples: utf-8, cp1252, gb18030, shift_jis, utf-16, cp037, auto") from None


def found(stream: BinaryIO) -> str:
    """The encoding of the text in `stream`, which is read to its end and closed.

    Raises:
        Ambiguous: it is neither UTF-8 nor Windows-1252 throughout, or surely another of the encodings of one byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid, multibyte, before, odd = True, False, b"", Counter[int]()
    with stream:
        while chunk := stream.read(_CHUNK):
            if not before and chunk.startswith(UTF16):
                return "utf-16"
            was, valid = valid, valid and _decodes(decoder, chunk)
            # a sign, or a row of them, may lie in two chunks
            held = before + chunk
            # what is left when all invalid bytes are passed over
            multibyte = multibyte or not (held.isascii() or held.decode("utf-8", "ignore").isascii())
            if multibyte and not valid:
                raise Ambiguous
            if not valid:
                odd.update((held if was else chunk).translate(None, _ASCII))
                odd[_ROW] += _in_rows(held) - (0 if was else _in_rows(before))
            before = held[-_LONGEST_SIGN + 1 :]
    if valid and _decodes(decoder, b"", final=True):
        return "utf-8-sig" if multibyte else "ascii"
    if multibyte or _from_elsewhere(odd):
        raise Ambiguous
    return "cp1252"


def _in_rows(data: bytes) -> int:
    """Bytes that stand three or more in a row as no letters of Western Europe do."""
    return sum(map(len, _BESIDE.findall(data)))


def _from_elsewhere(odd: Counter[int]) -> bool:
    """Whether bytes, by how many there are and stand in a row, are no letters of Western Europe."""
    row = odd.pop(_ROW, 0)
    turkish = [odd[byte] for byte in _TURKISH if byte in odd]
    several = len(turkish) >= _SEVERAL and sum(turkish) > _MANY * odd.total()
    return several or 2 * row > odd.total()


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


class Layer(io.RawIOBase):
    """A readable stream on top of another one; closing it closes both."""

    def __init__(self, stream: BinaryIO | Chunked) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the stream below too."""
        self._stream.close()
        super().close()


class Chunked(Layer):
    """A layer that converts the stream below it chunk by chunk."""

    def __init__(self, stream: BinaryIO | Chunked) -> None:
        super().__init__(stream)
        self._left, self._end = b"", False

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        pieces, length = [self._left], len(self._left)
        while not self._end and (size < 0 or length < size):
            chunk = self._stream.read(_CHUNK)
            self._end = not chunk
            pieces.append(self._converted(chunk))
            length += len(pieces[-1])
        whole = b"".join(pieces)
        size = len(whole) if size < 0 else size
        self._left = whole[size:]
        return whole[:size]

    @abstractmethod
    def _converted(self, chunk: bytes) -> bytes:
        """What a chunk becomes; an empty one is the end, and `_end` is set by then."""


class Utf8(Chunked):
    """A text stream as UTF-8 without byte order mark, chunk by chunk; reads raise UnicodeDecodeError."""

    odd = False
    """Whether there were bytes that are not of the encoding."""

    def __init__(self, stream: BinaryIO, encoding: str, *, spared: bool = False) -> None:
        """Convert `stream`.

        Args:
            stream: the text in its encoding.
            encoding: Python's name of it.
            spared: whether bytes that are not of it become the signs of `ODD`, of encodings whose signs are bytes.
        """
        super().__init__(stream)
        # the five bytes Windows-1252 leaves open become control characters, as browsers do it: nothing is lost
        errors = _OPEN if encoding == "cp1252" else "strict"
        self._ascii, self._utf8 = encoding in _LIKE_ASCII, encoding in ("utf-8", "utf-8-sig")
        self._begun = False
        self._spared = spared and errors == "strict" and not encoding.startswith(("utf-16", "utf-32"))
        self._name = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=_SPARED if self._spared else errors)

    def _converted(self, chunk: bytes) -> bytes:
        made = self._as_it_is(chunk) if self._begun else None
        if made is None:
            try:
                made = self._decoder.decode(chunk, final=self._end).encode()
            except UnicodeDecodeError:
                raise
            except UnicodeError:
                # UTF-16 and UTF-32 without the mark that says in which order bytes are
                raise UnicodeDecodeError(self._name, b"", 0, 0, "no byte order mark") from None
            # what comes first may be a byte order mark, or a part of it
            self._begun = bool(made)
        self.odd = self.odd or (self._spared and _has_odd(made))
        return made

    def _as_it_is(self, chunk: bytes) -> bytes | None:
        """The chunk where it is UTF-8 already, with what was left of the one before; None where it is not."""
        left = self._decoder.getstate()[0]
        if self._ascii and not left and chunk.isascii():
            return chunk
        if not self._utf8:
            return None
        data = left + chunk
        end = len(data) if self._end else len(data) - _begun_sign(data)
        if not is_utf8(data[:end]):
            return None
        self._decoder.setstate((data[end:], 0))
        return data[:end]


def _has_odd(data: bytes) -> bool:
    """Whether there are bytes in UTF-8 that were spared."""
    # a single byte is looked for many times as fast
    return _ODD_STARTS[0][:1] in data and any(start in data for start in _ODD_STARTS)


def _begun_sign(data: bytes) -> int:
    """Bytes at the end of UTF-8 that are the beginning of a sign."""
    for length, byte in enumerate(data[:-4:-1], 1):
        if byte >= 0xC0:
            return length if length < 2 + (byte >= 0xE0) + (byte >= 0xF0) else 0
    return 0


def is_utf8(block: bytes) -> bool:
    """Whether all of it is UTF-8; Arrow looks several times as fast as a decoder."""
    ends = np.array([0, len(block)], np.int32)
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(ends), pa.py_buffer(block)])
    try:
        whole.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def as_written(data: bytes, encoding: str, start: bytes) -> bytes:
    """What `Utf8` made UTF-8 of, in the file's own encoding again and without byte order mark.

    Args:
        start: the first bytes of the file, where UTF-16 says in which order its bytes are.
    """
    if _has_odd(data):
        parts = re.split(f"({ODD})", data.decode())
        return b"".join(
            bytes([ord(part) - _ODD_FROM]) if place % 2 else as_written(part.encode(), encoding, start)
            for place, part in enumerate(parts)
        )
    if encoding == "utf-16":
        encoding = "utf-16-be" if start.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    elif encoding in ("utf-8-sig", "ascii"):
        return data
    try:
        return data.decode().encode(encoding, _OPEN if encoding == "cp1252" else "strict")
    except UnicodeEncodeError:
        # some decoders of Japanese and Chinese take bytes that are not of their encoding
        return data


def readable(text: str) -> str:
    """`text` with U+FFFD for each byte that is not of its encoding."""
    return re.sub(ODD, "\ufffd", text)


_OPEN, _SPARED = "potable-open-bytes", "potable-spared-bytes"
_ODD_FROM = 0x10FF00
ODD = f"[{chr(_ODD_FROM + 0x80)}-{chr(_ODD_FROM + 0xFF)}]"
"""Bytes that are not of an encoding, as `Utf8` spares them: the last 128 signs of Unicode, which have no meaning. A
pattern for Python and RE2."""
_ODD_STARTS = (b"\xf4\x8f\xbe", b"\xf4\x8f\xbf")


def _control(failure: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(failure, UnicodeEncodeError):
        return failure.object[failure.start : failure.end].encode("latin-1"), failure.end
    if not isinstance(failure, UnicodeDecodeError):
        raise failure
    return "".join(chr(byte) for byte in failure.object[failure.start : failure.end]), failure.end


def _spared(failure: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(failure, UnicodeDecodeError):
        raise failure
    odd = failure.object[failure.start : failure.end]
    # what a sign was cut short by may be the end of the line
    return "".join(chr(byte if byte < 0x80 else _ODD_FROM + byte) for byte in odd), failure.end


codecs.register_error(_OPEN, _control)
codecs.register_error(_SPARED, _spared)
