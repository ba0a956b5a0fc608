"""The text of a message that holds it as rich text only: compressed RTF, as Outlook keeps it.

Unpacking is [MS-OXRTFCP]; it ends at the length the message gives for itself, so that a small stream cannot unfold to
much. What RTF says is for striprtf, which is given no text that its patterns take long for. Entry: `read`.
"""

from __future__ import annotations

import re
import struct
import zlib

from striprtf.striprtf import rtf_to_text

from potable.sources.documents import Unread

LARGEST = 16 << 20
"""Bytes of RTF; pictures that were pasted into a text are in it."""
_BEGINS = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
"""What any text may refer to before it has said anything."""
_WINDOW = 4096
_FONTS = re.compile(r"\\f(\d{1,6})|\\fcharset(\d{1,3})")
_MOST_FONTS, _FONTS_WITHIN = 1000, 1 << 20


def read(data: bytes) -> str:
    """The text of compressed RTF.

    Raises:
        Unread: it is damaged, too large, or no RTF.
    """
    rtf = unpacked(data)
    if not rtf.startswith(b"{\\rtf"):
        raise Unread("its text is no RTF")
    try:
        text: str = rtf_to_text(_quick(rtf))
        # two halves of a sign beyond the first 65,536 come as two
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except (ValueError, TypeError, LookupError, OverflowError):
        raise Unread("its RTF is damaged") from None


def unpacked(data: bytes) -> bytes:
    """The RTF.

    Raises:
        Unread: it is damaged or too large.
    """
    if len(data) < 16:
        raise Unread("its RTF is damaged")
    size, length, kind, check = struct.unpack("<II4sI", data[:16])
    packed = data[16 : size + 4]
    if length > LARGEST:
        raise Unread(f"its RTF is larger than {LARGEST >> 20} MiB")
    if kind == b"MELA" and len(packed) >= length:
        return packed[:length]
    # the check value is CRC-32 without turning the bits at either end
    if kind != b"LZFu" or zlib.crc32(packed, 0xFFFFFFFF) ^ 0xFFFFFFFF != check:
        raise Unread("its RTF is damaged")
    try:
        return _unfolded(packed, length)
    except IndexError:
        raise Unread("its RTF is damaged") from None


def _unfolded(packed: bytes, length: int) -> bytes:
    """Signs and references to what came before them, by turns as the bits of every ninth byte say."""
    out = bytearray(_BEGINS)
    end, place = length + len(_BEGINS), 0
    while len(out) < end:
        control, place = packed[place], place + 1
        for bit in range(8):
            if not control >> bit & 1:
                out.append(packed[place])
                place += 1
            else:
                token = packed[place] << 8 | packed[place + 1]
                place += 2
                back = (len(out) - (token >> 4)) % _WINDOW
                if not back:
                    end = min(end, len(out))
                else:
                    _repeat(out, back, (token & 15) + 2)
            if len(out) >= end:
                break
    return bytes(out[len(_BEGINS) : end])


def _repeat(out: bytearray, back: int, count: int) -> None:
    """Signs from `back` before the end, which may reach into what they make."""
    start = len(out) - back
    if start < 0:
        # nothing has been there yet, which reads as blanks
        out += b" " * min(count, -start)
        count, start = count - min(count, -start), 0
    while count > 0:
        some = out[start : start + count]
        out += some
        count -= len(some)
        start += len(some)


def _quick(rtf: bytes) -> str:
    """The RTF without what striprtf's patterns for links and fonts would take a time for that grows with its square."""
    text = rtf.decode("latin-1")
    if "\\bin" not in text:
        # whatever page they are of is looked up of escapes only
        text = re.sub(r"[\x80-\xff]", lambda sign: f"\\'{ord(sign[0]):02x}", text)
    fonts = "\n".join(f"\\f{name}\\fcharset{charset} x;" for name, charset in _fonts(text).items())
    text = re.sub(r"(\\field)(?=\{)", "\\1\n", text, flags=re.IGNORECASE)
    return f"{{{{\\fonttbl\n{fonts}\n}}{text}}}"


def _fonts(text: str) -> dict[str, str]:
    """The charset of each font, by its number."""
    start = max(text.find("\\fonttbl"), 0)
    found: dict[str, str] = {}
    name = ""
    for match in _FONTS.finditer(text, start, start + _FONTS_WITHIN):
        if match[1]:
            name = match[1]
        elif name and len(found) < _MOST_FONTS:
            found.setdefault(name, match[2])
    return found
