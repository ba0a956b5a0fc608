"""One JSON value read exactly: numbers keep the text they are written in, and nothing is let pass.

Python's reader takes NaN, forgets the first of two equal keys and recurses as deep as the text asks. Here the
depth is capped by a scan of the bytes before anything is parsed, a key that stands twice refuses the value,
and a number is never a float on the way. What is read is put back into one canonical text.

Entry: `decode`, `text` and `canonical`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import numpy as np

from potable.sources.cells import Number

DEEPEST = 64
"""Lists and objects that may lie inside one another."""


class Refused(ValueError):
    """Well-formed, perhaps, but not to be read: too deep, with a key that stands twice or a word that is no number."""

    def __init__(self, why: str, key: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        """What is wrong, without a name."""
        self.key = key
        """The key that stands twice."""


def decode(data: bytes) -> Any:
    """The value in `data`, numbers as `Number`: as they are written.

    Raises:
        Refused: it is nested more than `DEEPEST` deep, an object in it has a key twice, or NaN or Infinity is in it.
        ValueError: it is not JSON in UTF-8.
    """
    if deep(data):
        raise Refused(f"it is nested more than {DEEPEST} deep")
    return _DECODER.decode(data.decode())


def deep(data: bytes) -> bool:
    """Whether brackets outside of strings are nested more than `DEEPEST` deep; one pass, nothing is parsed."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return False
    _, steps = brackets(data)
    return bool(np.cumsum(steps, dtype=np.int64).max(initial=0) > DEEPEST)


def brackets(data: bytes, *, commas: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Where brackets (and commas) outside of strings stand in `data`, and +1, -1 or 0 for each.

    `data` starts outside of a string.
    """
    signs = np.frombuffer(masked(data), dtype=np.uint8)
    outside = np.bitwise_xor.accumulate(signs == ord('"')) ^ True
    places = np.flatnonzero(_WANTED[int(commas)][signs] & outside)
    return places, _STEP[signs[places]]


def masked(data: bytes) -> bytes:
    """`data` of the same length, without backslashes that are escaped and quotes that are."""
    return data.replace(b"\\\\", b"__").replace(b'\\"', b"__") if b"\\" in data else data


def text(value: Any) -> str | None:
    """The text of a cell: strings and numbers as written, lists and objects in canonical form."""
    return value if value is None or type(value) is str else canonical(value)


def is_number(value: Any) -> bool:
    """Whether a value is a number, as it is written or a whole one."""
    return type(value) in _NUMBERS


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks, numbers as written; the same value always gives the same text."""
    try:
        return CANONICAL.encode(value).decode()
    except UnicodeEncodeError:
        # half a character, which only Python writes
        return _canonical(value)


def _canonical(value: Any) -> str:
    if is_number(value):
        return bytes(value).decode() if type(value) is msgspec.Raw else str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(name)}:{_canonical(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise Refused("a key twice", counts.most_common(1)[0][0])
    return made


def _no_number(name: str) -> Any:
    raise Refused(f"not well-formed JSON: `{name}` is no number of it")


def _table(*signs: tuple[str, int]) -> np.ndarray:
    table = np.zeros(256, dtype=np.int8)
    for sign, step in signs:
        table[ord(sign)] = step
    return table


CANONICAL = msgspec.json.Encoder(order="sorted", enc_hook=lambda number: msgspec.Raw(number.encode()))
"""Writes values in canonical form; of texts that are numbers it knows nothing but what the hook says."""
_NUMBERS = (Number, int, msgspec.Raw)
_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_number, object_pairs_hook=_object)
_STEP = _table(("[", 1), ("{", 1), ("]", -1), ("}", -1))
_WANTED = (_STEP != 0, (_STEP != 0) | (_table((",", 1)) != 0))
