"""Texts as the redactor sees them: case, accents, punctuation and spacing taken away, offsets kept.

`plain` drops invisible characters and writes exotic digits, dashes and blanks in ASCII, one for one.
`folded` leaves letters and digits, in lower case without accents, and blanks between them; `Offsets` leads
from there back into the plain text. Names and ids are folded by the same rules (`fold`), so they meet
whatever their spelling.
"""

from __future__ import annotations

import re
import unicodedata

BARRIER = "\x00"
"""Stands for what is masked already; no match crosses it."""

# every format character (category Cf): soft hyphen, zero-width space, joiners, direction marks …
_INVISIBLE = re.compile(
    "[\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_ODD = re.compile("[\u0080-\u00bf\u0250-\U0010ffff]")
_UNDECOMPOSED = {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"}
# Arabic letters that one writes for the other, and those of Persian and Urdu
_UNDECOMPOSED |= {"ى": "ي", "ی": "ي", "ے": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ھ": "ه"}

Span = tuple[int, int]
"""Start and end offset in a plain text."""


class _Plain(dict[int, str]):
    """Character to one character of the same meaning, in ASCII where there is one."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        simple = unicodedata.normalize("NFKC", char)
        if kind == "Nd":
            found = str(unicodedata.decimal(char))
        elif kind in ("Zs", "Zl", "Zp"):
            found = " " if kind == "Zs" else "\n"
        elif kind == "Pd":
            found = "-"
        else:
            found = simple if len(simple) == 1 and simple.isascii() else char
        self[code] = found
        return found


class _Fold(dict[int, str]):
    """Character to what is left of it in a folded text: letters and digits, a blank, or nothing."""

    def __missing__(self, code: int) -> str:
        found = self._folded(chr(code))
        self[code] = found
        if len(found) != 1:
            _UNEVEN.add(chr(code))
        return found

    def _folded(self, char: str) -> str:
        parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
        if all(unicodedata.category(part) in ("Mn", "Me", "Cf") for part in parts):
            return ""
        kept = [_UNDECOMPOSED.get(part, part) for part in parts if part.isalnum() or unicodedata.category(part) == "Mc"]
        return "".join(kept) or " "


_APART = (" ", BARRIER)
_UNEVEN: set[str] = set()
"""Characters met so far that fold to none or several."""
_PLAIN = _Plain()
_FOLD = _Fold({code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)} | {0: BARRIER})
ASCII = bytes(ord(_FOLD[code]) if code < 128 else code for code in range(256))
"""What is left of each ASCII character in a folded text, for `bytes.translate`."""


def plain(text: str) -> str:
    """`text` without invisible characters, exotic digits, dashes and blanks as ASCII; else unchanged."""
    text = visible(text)
    return text if text.isascii() or not _ODD.search(text) else text.translate(_PLAIN)


def visible(text: str) -> str:
    """`text` without invisible format characters and barriers; has the offsets of `plain(text)`."""
    if BARRIER in text:
        text = text.replace(BARRIER, " ")
    return text if text.isascii() else _INVISIBLE.sub("", text)


def fold(text: str) -> str:
    """The words of `text`, folded, with one blank between them."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The folded words of `text`."""
    return plain(text).translate(_FOLD).split()


def folded(text: str) -> str:
    """A plain text as letters and digits in lower case without accents, everything else a blank."""
    return text.translate(_FOLD)


class Offsets:
    """The way back from a folded text to the plain one it came from."""

    __slots__ = ("_origin", "_text", "even")

    def __init__(self, text: str) -> None:
        self._text = text
        self._origin: list[int] | None = None
        self.even = text.isascii() or _UNEVEN.isdisjoint(text)
        """Whether every character folds to one; known once the text was folded."""
        if not self.even:
            self._origin = [index for index, char in enumerate(text) for _ in _FOLD[ord(char)]]

    def span(self, start: int, end: int) -> Span:
        """The span of the plain text that `folded(text)[start:end]` came from."""
        if self._origin is None:
            return start, end
        last = self._origin[end - 1]
        while last + 1 < len(self._text) and not _FOLD[ord(self._text[last + 1])]:
            last += 1
        return self._origin[start], last + 1


def whole_words(text: str, span: Span) -> Span:
    """`span` of a plain text, widened to the words it cuts."""
    start, end = span
    while start > 0 and _joined(text, start):
        start -= 1
    while 0 < end < len(text) and _joined(text, end):
        end += 1
    return start, end


def _joined(text: str, position: int) -> bool:
    """Whether a word runs on over `position`."""
    return _FOLD[ord(text[position - 1])] not in _APART and _FOLD[ord(text[position])] not in _APART
