"""Texts as the redactor sees them: case, accents, punctuation and spacing taken away, offsets kept.

`plain` drops invisible characters and writes exotic digits, dashes and blanks in ASCII, one for one.
`Folded` holds the words of a plain text in lower case without accents, each after one blank, and the same
without blanks; spans found there are given back as spans of the plain text. Names and ids are folded by
the same rules (`fold`), so they meet whatever their spelling.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate

BARRIER = "\x00"
"""Stands for what is masked already; no match crosses it."""

# every format character (category Cf): soft hyphen, zero-width space, joiners, direction marks …
_INVISIBLE = re.compile(
    "[\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_ODD = re.compile("[\u0080-\u00bf\u0250-\U0010ffff]")
_RUN = re.compile("  +")
_UNDECOMPOSED = {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h"}

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


class Folded:
    """A plain text as words, with the way back to its offsets."""

    __slots__ = ("_line", "_removed", "_runs", "_starts", "_text", "compact", "view", "words")

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = f" {text.translate(_FOLD)} "
        self._runs: list[int] | None = None
        self._starts: list[int] = []
        self.view = _RUN.sub(" ", self._line) if "  " in self._line else self._line
        """Words after one blank each, and a blank at the end."""
        parts = self.view.split()
        self.words = frozenset(parts)
        """The different words."""
        self.compact = "".join(parts)
        """Words without anything between them."""

    def of_view(self, start: int, end: int) -> Span:
        """The span of the plain text that `view[start:end]` came from; neither end is a blank."""
        left, right = self._line_position(start) - 1, self._line_position(end - 1) - 1
        if not self._text.isascii() and not _UNEVEN.isdisjoint(self._text):
            origin = [index for index, char in enumerate(self._text) for _ in _FOLD[ord(char)]]
            left, right = origin[left], origin[right]
            while right + 1 < len(self._text) and not _FOLD[ord(self._text[right + 1])]:
                right += 1
        return left, right + 1

    def of_compact(self, start: int, end: int) -> Span:
        """The span of the plain text that `compact[start:end]` came from."""
        return self.of_view(self._view_position(start), self._view_position(end - 1) + 1)

    def starts_word(self, position: int) -> bool:
        """Whether a word starts at `position` of `compact`; its end counts as one."""
        if position == len(self.compact):
            return True
        return self.view[self._view_position(position) - 1] == " "

    def whole_words(self, span: Span) -> Span:
        """`span` of the plain text, widened to the words it cuts."""
        start, end = span
        while start > 0 and self._joined(start):
            start -= 1
        while end < len(self._text) and self._joined(end):
            end += 1
        return start, end

    def _joined(self, position: int) -> bool:
        """Whether a word runs on over `position` of the plain text."""
        before, after = self._text[position - 1], self._text[position]
        return _FOLD[ord(before)] not in _APART and _FOLD[ord(after)] not in _APART

    def between(self, start: int, end: int) -> str:
        """The part of the plain text that `compact[start:end]` came from."""
        return self._text[slice(*self.of_compact(start, end))]

    def _line_position(self, position: int) -> int:
        if self._runs is None:
            self._runs, self._removed = [], [0]
            for run in _RUN.finditer(self._line):
                self._runs.append(run.start() - self._removed[-1])
                self._removed.append(self._removed[-1] + run.end() - run.start() - 1)
        return position + self._removed[bisect_left(self._runs, position)]

    def _view_position(self, position: int) -> int:
        if not self._starts:
            self._starts = [0, *accumulate(map(len, self.view.split()))]
        return position + bisect_right(self._starts, position)
