r"""Regular expressions of RE2, which is what projects write, as Java reads them.

The two differ where nobody looks: Java's `$` also stands before a last line feed, its `.` stops at more than line
feeds, its `\b` counts é as a letter, `&&` in its sets means something, and it may take for ever where RE2 does not.

Entries: `java`, `both`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SAME = frozenset("dDwWAznrtf")
"""Letters after a backslash that mean the same."""
_ELSE = {
    "s": r"[\t\n\f\r ]",
    "S": r"[^\t\n\f\r ]",
    "b": r"(?:(?<=\w)(?!\w)|(?<!\w)(?=\w))",
    "v": r"\x0B",
    "a": r"\x07",
}
_ANCHORS = ("^", r"\A", r"\z", _ELSE["b"])
_IN_SETS = {"s": r"\t\n\f\r ", "v": r"\x0B", "a": r"\x07"}
_NAMED = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "0-9a-zA-Z",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\t\n\x0B\f\r ",
    "blank": r"\t ",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SIGN = re.compile(r"\\x[0-9A-Fa-f]{2}|\\x\{[0-9A-Fa-f]+\}|\\[^0-9A-Za-z\x80-\U0010ffff]|[^\\]", re.DOTALL)
"""One character, or how it is written."""
_TIMES = re.compile(r"\{(\d+)(,\d*)?\}")
_DOTALL = "(?s)"


class _Unsure(Exception):
    """There may be no pattern of Java's that means the same."""


def java(pattern: str) -> str | None:
    """What finds in Java exactly what `pattern`, a valid one, finds in RE2; None if that is not sure."""
    try:
        whole = pattern.startswith(_DOTALL)
        return "".join(_pieces(pattern.removeprefix(_DOTALL), "(?s:.)" if whole else r"[^\n]"))
    except _Unsure:
        return None


def both(pattern: str) -> str | None:
    """What means in RE2 and in Java what `pattern` means in RE2; None if that is not sure, or RE2 cannot read it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern)
        told = java(pattern)
        if told is not None:
            pc.match_substring_regex(pa.array([""]), told)
    except pa.ArrowInvalid:
        return None
    return told


def _pieces(pattern: str, dot: str) -> Iterator[str]:
    place, repeats, said = 0, False, ""
    while place < len(pattern):
        sign = pattern[place]
        times = _TIMES.match(pattern, place)
        if times or sign in "*+?":
            if said in _ANCHORS:
                raise _Unsure
            said = times[0] if times else sign
            # a group that is repeated takes Java a stack as deep as the text, or longer than anybody waits
            grouped = pattern[place - 1 : place] == ")" and pattern[place - 2 : place - 1] != "\\"
            if (grouped and not (sign == "?" or (times and not times[2]))) or (repeats and sign != "?"):
                raise _Unsure
            yield said
            place, repeats = place + len(said), True
            continue
        repeats = False
        if sign == "[":
            said, place = _set(pattern, place)
        elif sign == "\\":
            said, place = _escaped(pattern, place)
        else:
            said, place = _plain(pattern, place, dot)
        yield said


def _plain(pattern: str, place: int, dot: str) -> tuple[str, int]:
    """A sign that starts neither a set nor an escape, and where the next one is."""
    sign = pattern[place]
    if sign == "(" and pattern[place + 1 : place + 2] == "?":
        if pattern[place + 2 : place + 3] != ":":
            raise _Unsure
        return "(?:", place + 3
    if sign in "{}]":
        return f"\\{sign}", place + 1
    return {".": dot, "$": r"\z"}.get(sign, sign), place + 1


def _escaped(pattern: str, place: int) -> tuple[str, int]:
    letter = pattern[place + 1]
    if letter in _SAME or letter in _ELSE:
        return _ELSE.get(letter, f"\\{letter}"), place + 2
    return _character(pattern, place)


def _set(pattern: str, place: int) -> tuple[str, int]:
    """A set in brackets, and where the next sign is."""
    start = place + 1 + (pattern[place + 1 : place + 2] == "^")
    said, place = ["[" if pattern[start - 1] == "[" else "[^"], start
    while pattern[place] != "]" or place == start:
        if pattern.startswith("[:", place) and (end := pattern.find(":]", place)) > 0:
            if (name := pattern[place + 2 : end]) not in _NAMED:
                raise _Unsure
            said.append(_NAMED[name])
            place = end + 2
        elif pattern[place] == "\\" and pattern[place + 1].isalnum() and pattern[place + 1] != "x":
            letter = pattern[place + 1]
            if letter not in _IN_SETS and (letter not in _SAME or letter in "Az"):
                raise _Unsure
            said.append(_IN_SETS.get(letter, f"\\{letter}"))
            place += 2
        else:
            piece, place = _range(pattern, place)
            said.append(piece)
    return "".join([*said, "]"]), place + 1


def _range(pattern: str, place: int) -> tuple[str, int]:
    """A character of a set, or a range of them."""
    first, place = _character(pattern, place)
    if pattern[place] != "-" or pattern[place + 1] == "]":
        return first, place
    last, place = _character(pattern, place + 1)
    return f"{first}-{last}", place


def _character(pattern: str, place: int) -> tuple[str, int]:
    """One character so that it means nothing else, and where the next sign is."""
    found = _SIGN.match(pattern, place)
    if not found:
        raise _Unsure
    said = found[0]
    return (
        f"\\{said}" if len(said) == 1 and said.isascii() and not said.isalnum() and said > " " else said
    ), found.end()
