"""Texts as the redactor sees them: case, accents, punctuation and spacing taken away, offsets kept.

`plain` drops invisible characters and writes exotic digits, dashes and blanks in ASCII, one for one.
`folded` leaves letters and digits, in lower case without accents, and blanks between them; `Offsets` leads
from there back into the plain text. Names and ids are folded by the same rules (`fold`), so they meet
whatever their spelling.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BARRIER = "\x00"
"""Stands for what is masked already; no match crosses it."""

# every format character (category Cf): soft hyphen, zero-width space, joiners, direction marks …; whatever else Unicode
# shows nothing for (Default_Ignorable_Code_Point: variation selectors, fillers …), and the box of a key on a digit
_INVISIBLE = re.compile(
    "[\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u20e3\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ENTITY = re.compile("&(?:(?:amp|#38|#[xX]26);)*(#[0-9]{1,7};|#[xX][0-9A-Fa-f]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
_KEPT_ENTITIES = "<>&"
"""Signs of HTML that stay written as they are; they part words either way."""
_LINK = re.compile(r"://\S+")
_PERCENT = re.compile("%[0-9A-Fa-f]{2}")
_LAYERS = 3
"""How often a text may have been written for HTML or as a link, one writing over the other."""
_ODD = re.compile("[\u0080-\u00bf\u0250-\U0010ffff]")
_UNDECOMPOSED = {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"}
# Arabic letters that one writes for the other, and those of Persian and Urdu
_UNDECOMPOSED |= {"ى": "ي", "ی": "ي", "ے": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ھ": "ه", "ـ": ""}
# kanji of names in an older form, as registers have them
_UNDECOMPOSED |= dict(zip("髙﨑邊邉齋齊斎澤濱嶋冨櫻廣國眞惠龍瀨", "高崎辺辺斉斉斉沢浜島富桜広国真恵竜瀬", strict=True))
_KATAKANA, _TO_HIRAGANA = range(0x30A1, 0x30F7), 0x60
_TONES = (107, 122)
"""Combining classes of the marks that Thai and Lao may leave out."""

_UNITS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Korean, decomposed
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x312F),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7FB),  # Korean
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Letters of scripts that write words without blanks, or particles as one with them: each is a word of its own."""
_WITH_MARKS = 7
"""How many of these have marks."""
FIRST_UNIT, _LAST_UNIT = _UNITS[0][0], _UNITS[-1][1]
_VOWELS = range(0x1160, 0x1200)
"""Of Korean, decomposed: what follows the first consonant of a syllable."""
UNITS = "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNITS)
"""The same in the brackets of a regular expression."""

Span = tuple[int, int]
"""Start and end offset in a plain text."""


class _Plain(dict[int, str]):
    """Character to one character of the same meaning, in ASCII where there is one."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        simple = unicodedata.normalize("NFKC", char)
        if (digit := unicodedata.digit(char, None)) is not None:
            found = str(digit)
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
        kept = "".join(_UNDECOMPOSED.get(part, part) for part in map(_hiragana, parts) if _said(part))
        if kept or all(part == "ـ" or unicodedata.category(part) in ("Mn", "Me", "Cf") for part in parts):
            return kept
        return " "


def _said(char: str) -> bool:
    """Whether a decomposed character is one of a word; accents are not, but vowels of scripts without blanks are."""
    kind = unicodedata.category(char)
    vowel = kind == "Mn" and unit(char) and unicodedata.combining(char) not in _TONES
    return char.isalnum() or kind == "Mc" or vowel


def _hiragana(char: str) -> str:
    return chr(ord(char) - _TO_HIRAGANA) if ord(char) in _KATAKANA else char


_APART = (" ", BARRIER)
_MOST_MARKS = 4
"""Marks on a letter that are looked past."""
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
    """`text` without invisible characters and barriers, unescaped; has the offsets of `plain(text)`."""
    if BARRIER in text:
        text = text.replace(BARRIER, " ")
    text = unescaped(text)
    return text if text.isascii() else _INVISIBLE.sub("", text)


def unescaped(text: str) -> str:
    """`text` as it was before it was written for HTML (`M&uuml;ller`) or into a link (`://M%C3%BCller`); the signs of
    HTML itself stay."""
    if "&" not in text and "%" not in text:
        return text
    for _ in range(_LAYERS):
        text, before = _LINK.sub(_followed, _ENTITY.sub(_meant, text)), text
        if text == before:
            return text
    # nobody writes more of them by mistake, and what is left must mean nothing
    text = _ENTITY.sub(lambda found: found[0] if _meant(found) == found[0] else f" {found[0][1:]}", text)
    return _LINK.sub(lambda found: found[0].replace("%", " "), text)


def _meant(found: re.Match[str]) -> str:
    """What an entity stands for; itself where that is a sign of HTML, or nothing."""
    char = html.unescape(f"&{found[1]}")
    return found[0] if char in _KEPT_ENTITIES or char.startswith("&") else char.replace(BARRIER, " ")


def _followed(link: re.Match[str]) -> str:
    """A link without percent signs that stand for other characters."""
    return unquote(link[0]).replace(BARRIER, " ") if _PERCENT.search(link[0]) else link[0]


def fold(text: str) -> str:
    """The words of `text`, folded, with one blank between them."""
    return " ".join(words(text))


def words(text: str) -> list[str]:
    """The folded words of `text`."""
    return plain(text).translate(_FOLD).split()


def folded(text: str) -> str:
    """A plain text as letters and digits in lower case without accents, everything else a blank."""
    return text.translate(_FOLD)


def unit(char: str) -> bool:
    """Whether a letter belongs to a script without blanks between words."""
    code = ord(char)
    return code >= FIRST_UNIT and any(first <= code <= last for first, last in _UNITS)


def continues(char: str) -> bool:
    """Whether a folded letter of such a script belongs to the one before it."""
    code = ord(char)
    return code >= FIRST_UNIT and (code in _VOWELS or (unit(char) and unicodedata.category(char) in ("Mn", "Mc")))


@lru_cache(maxsize=1)
def units() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """By code of a character, whether it is a `unit`, and whether it `continues` one; the last stands for all above."""
    import numpy as np

    known, continued = (np.zeros(_LAST_UNIT + 2, np.bool_) for _ in range(2))
    for first, last in _UNITS:
        known[first : last + 1] = True
    marks = [code for first, last in _UNITS[:_WITH_MARKS] for code in range(first, last + 1) if continues(chr(code))]
    continued[marks] = True
    return known, continued


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
    before, after = _FOLD[ord(text[position - 1])], _FOLD[ord(text[position])]
    if before in _APART or after in _APART:
        return False
    if not after or continues(after[0]):
        return True
    # a mark belongs to the letter it stands on
    marked = position - _MOST_MARKS
    while not before and position > max(1, marked):
        position -= 1
        before = _FOLD[ord(text[position - 1])]
    return not (unit(after[0]) or (before and unit(before[-1])))
