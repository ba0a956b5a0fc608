"""Patterns of RE2 as Java reads them, with the same meaning: what Spark searches texts by.

Java has most of RE2's signs and means something else by many: `$` before a last line break, `.` without U+2028, `(?i)`
for ASCII alone, `\\b` by Unicode, `[[:alpha:]]`, `[a&&b]`, `(?P<name>…)`. So a pattern is read as RE2 reads it and
written anew from single characters, sets of code points, groups and repetitions, which Java has no other meaning for.
That a pattern is one of RE2 has been found out before (`columns.is_re2`). One thing differs: RE2 finds `\\B` between
the bytes of a sign that is not ASCII, too.

Entry: `java_pattern`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

Ranges = tuple[tuple[int, int], ...]
"""Code points from, to, both included; sorted, apart from each other."""
_LAST = 0x10FFFF
_CASED = range(0x1F000)
"""Where letters are that have cases."""
_ALL: Ranges = ((0, _LAST),)
_DIGITS: Ranges = ((48, 57),)
_LETTERS: Ranges = ((65, 90), (97, 122))
_WORD: Ranges = (*_DIGITS, (65, 90), (95, 95), (97, 122))
_PERL: dict[str, Ranges] = {"d": _DIGITS, "s": ((9, 10), (12, 13), (32, 32)), "w": _WORD}
_POSIX: dict[str, Ranges] = {
    "alnum": (*_DIGITS, *_LETTERS),
    "alpha": _LETTERS,
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": (*_DIGITS, (65, 70), (97, 102)),
}
_SIGNS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_REPETITION = re.compile(r"\{\d+(?:,\d*)?\}\??|[*+?]\??")
_GROUP = re.compile(r"\((?:\?(?:P?<\w+>|([imsU]*(?:-[imsU]+)?)([:)])))?")
_CODE = re.compile(r"x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|([0-7]{1,3})")
_UNICODE = re.compile(r"([pP])(?:\{(\^?)([^}]*)\}|(.))", re.DOTALL)
_NAMED = re.compile(r"\[:(\^?)(\w+):\]")
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_LEFT, _RIGHT = r"(?<=[0-9A-Za-z_])", r"(?=[0-9A-Za-z_])"
_NOT_LEFT, _NOT_RIGHT = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"
_PLACES = {
    "A": r"(?:\A)",
    "z": r"(?:\z)",
    "b": f"(?:{_LEFT}{_NOT_RIGHT}|{_NOT_LEFT}{_RIGHT})",
    "B": f"(?:{_LEFT}{_RIGHT}|{_NOT_LEFT}{_NOT_RIGHT})",
}


@cache
def java_pattern(pattern: str) -> str:
    """The pattern with which Java finds what RE2 finds by `pattern`."""
    return "".join(_Reader(pattern).parts())


class _Reader:
    """What is left of a pattern of RE2, and the flags that hold there."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.flags = frozenset[str]()
        self.outer: list[frozenset[str]] = []

    def parts(self) -> Iterator[str]:
        while self.at < len(self.text):
            sign = self.text[self.at]
            if found := _REPETITION.match(self.text, self.at):
                self.at = found.end()
                yield found[0]
            elif sign == "(":
                yield self._group()
            elif sign == "\\":
                yield self._escape()
            elif sign == "[":
                yield _written(self._set())
            else:
                self.at += 1
                yield self._sign(sign)

    def _sign(self, sign: str) -> str:
        if sign == ")":
            self.flags = self.outer.pop()
            return ")"
        if sign == "|":
            return sign
        if sign == "^":
            return r"(?:\A|(?<=\n))" if "m" in self.flags else _PLACES["A"]
        if sign == "$":
            return r"(?:\z|(?=\n))" if "m" in self.flags else _PLACES["z"]
        if sign == ".":
            return _written(_ALL if "s" in self.flags else _without(((10, 10),)))
        return self._letter(ord(sign))

    def _group(self) -> str:
        found = _GROUP.match(self.text, self.at)
        assert found, self.text
        self.at = found.end()
        before = self.flags
        if found[1] is not None:
            more, _, fewer = found[1].partition("-")
            self.flags = (self.flags | {*more}) - {*fewer}
        if found[2] == ")":
            return ""
        self.outer.append(before)
        return "(?:"

    def _escape(self) -> str:
        if found := _QUOTED.match(self.text, self.at):
            self.at = found.end()
            return "".join(self._letter(ord(sign)) for sign in found[1])
        if (sign := self.text[self.at + 1]) in _PLACES:
            self.at += 2
            return _PLACES[sign]
        kind = self._kind()
        return self._letter(self._point()) if kind is None else _written(self._folded(kind))

    def _letter(self, point: int) -> str:
        return _written(self._folded(((point, point),)))

    def _folded(self, ranges: Ranges) -> Ranges:
        return _fold(ranges) if "i" in self.flags else ranges

    def _kind(self) -> Ranges | None:
        """The code points of an escape that stands for several, as `\\d` and `\\p{L}` do."""
        sign = self.text[self.at + 1]
        if sign.lower() in _PERL:
            self.at += 2
            ranges = self._folded(_PERL[sign.lower()])
            return _without(ranges) if sign.isupper() else ranges
        if found := _UNICODE.match(self.text, self.at + 1):
            self.at = found.end()
            ranges = self._folded(_named(found[3] or found[4]))
            return _without(ranges) if (found[1] == "P") != bool(found[2]) else ranges
        return None

    def _point(self) -> int:
        """The code point of a sign, or of an escape that stands for one."""
        if self.text[self.at] != "\\":
            self.at += 1
            return ord(self.text[self.at - 1])
        if found := _CODE.match(self.text, self.at + 1):
            self.at = found.end()
            return int(found[3], 8) if found[3] else int(found[1] or found[2], 16)
        sign = self.text[self.at + 1]
        self.at += 2
        return _SIGNS.get(sign, ord(sign))

    def _set(self) -> Ranges:
        """The code points of a class in brackets."""
        start = self.at + 1 + self.text.startswith("[^", self.at)
        negated, self.at = start > self.at + 1, start
        found: list[Ranges] = []
        while self.at == start or self.text[self.at] != "]":
            found.append(self._member())
        self.at += 1
        ranges = self._folded(_joined(each for ranges in found for each in ranges))
        return _without(ranges) if negated else ranges

    def _member(self) -> Ranges:
        if named := _NAMED.match(self.text, self.at):
            self.at = named.end()
            ranges = self._folded(_POSIX[named[2]])
            return _without(ranges) if named[1] else ranges
        if self.text[self.at] == "\\" and (kind := self._kind()) is not None:
            return kind
        low = high = self._point()
        if self.text[self.at] == "-" and self.text[self.at + 1] != "]":
            self.at += 1
            high = self._point()
        return ((low, high),)


def _written(ranges: Ranges) -> str:
    """A set of code points as Java reads it; of one, that character."""
    if not ranges:
        return "(?:(?!))"
    parts = [_sign(low) if low == high else f"{_sign(low)}-{_sign(high)}" for low, high in ranges]
    single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return parts[0] if single else f"[{''.join(parts)}]"


def _sign(point: int) -> str:
    sign = chr(point)
    return sign if sign.isascii() and sign.isalnum() else f"\\x{{{point:X}}}"


def _joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def _without(ranges: Ranges) -> Ranges:
    """All code points but these."""
    edges = [-1, *(edge for each in _joined(ranges) for edge in each), _LAST + 1]
    return tuple((low + 1, high - 1) for low, high in zip(edges[::2], edges[1::2], strict=True) if high - low > 1)


def _fold(ranges: Ranges) -> Ranges:
    """Code points with all that differ from them in case only."""
    lows = [low for low, _ in ranges]
    added = [(other, other) for point, others in _cases().items() if _has(ranges, lows, point) for other in others]
    return _joined([*ranges, *added])


def _has(ranges: Ranges, lows: Sequence[int], point: int) -> bool:
    place = bisect_right(lows, point) - 1
    return place >= 0 and point <= ranges[place][1]


@cache
def _cases() -> dict[int, tuple[int, ...]]:
    """Letters by what they are in the other case: Unicode's simple folding."""
    alike: dict[str, list[int]] = {}
    for point in _CASED:
        sign = chr(point)
        ways = (way for way in (sign.casefold(), sign.lower()) if len(way) == 1)
        alike.setdefault(next(ways, sign), []).append(point)
    return {point: tuple(group) for group in alike.values() if len(group) > 1 for point in group}


@cache
def _named(name: str) -> Ranges:
    """The code points RE2 knows by the name of a script or category."""
    import pyarrow as pa
    import pyarrow.compute as pc

    points = [point for point in range(_LAST + 1) if not 0xD800 <= point <= 0xDFFF]
    signs = pa.array([chr(point) for point in points])
    found = pc.match_substring_regex(signs, f"\\p{{{name}}}").to_pylist()
    return _joined((point, point) for point, has in zip(points, found, strict=True) if has)
