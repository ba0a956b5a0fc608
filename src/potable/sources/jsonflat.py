"""The fastest way through JSON lines: flat objects with the same keys in the same order, set alike.

Where every line is the first one with other texts and numbers in it, what lies between the values is compared byte by
byte, and the values are cut out where they stand. One escape, one blank more or one list, and the block is left to
`jsonshape`: this way never decides what a record says.

Entry: `flat_texts`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, apart
from potable.sources.jsontext import decode
from potable.sources.keypaths import steps

_MEMBER = re.compile(
    rb'(?P<before>\s*[{,]\s*"(?P<key>[^"\\\x00-\x1f]*)"\s*:\s*)'
    rb'(?:"[^"\\\x00-\x1f]*"|(?P<plain>[^"{}\[\],:\s]+))'
)
NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_WORDS = pa.array(["true", "false", "null"])


@dataclass(frozen=True)
class _Value:
    """Where a value stands, told by the quotes of its line."""

    key: str
    text: bool
    """Whether it is a text; the others are numbers and words."""
    quote: int
    """Which quote of the line opens its key."""
    lead: int
    """Bytes between that key and the value, without quotes."""
    before: bytes
    """What stands between the value before, or the start of the line, and it; with the quotes around texts."""


def flat_texts(block: bytes, count: int, paths: Collection[str], told: Collection[str] = ()) -> dict[str, Cells] | None:
    """The texts at each path of the records in a block; None where it is not sure to hold such lines only.

    Args:
        block: in UTF-8, `count` lines.
        count: how many there are.
        paths: what is wanted.
        told: where numbers are to be told apart from texts.
    """
    signs = np.frombuffer(block, np.uint8)
    # no other control character than what ends the lines
    if b"\\" in block or np.count_nonzero(signs < ord(" ")) != count - 1:
        return None
    first = block[: block.find(b"\n") if count > 1 else None]
    known = _values(first)
    if known is None:
        return None
    values, last = known
    quotes = np.flatnonzero(signs == ord('"')).astype(np.int32)
    if len(quotes) != first.count(b'"') * count:
        return None
    ends = np.append(np.flatnonzero(signs == ord("\n")).astype(np.int32), np.int32(len(block)))
    bounds = _bounds(values, quotes.reshape(count, -1), ends - len(last))
    between = [*(value.before for value in values), last + b"\n"]
    starts = np.append(0, ends[:-1] + 1)
    if not _alike(block, starts, bounds, ends, between):
        return None
    places = np.concatenate([[0], bounds.ravel(), [len(block)]]).astype(np.int32)
    parts = pa.StringArray.from_buffers(len(places) - 1, pa.py_buffer(places), pa.py_buffer(block))
    rows = np.arange(count, dtype=np.int32) * (2 * len(values)) + 1
    columns: dict[str, Cells] = {}
    wanted = {way[0]: path for path in paths if len(way := steps(path)) == 1}
    for number, value in enumerate(values):
        texts = None
        if value.key in wanted or not value.text:
            texts = parts.take(pa.array(rows + 2 * number))
            texts = texts if value.text else _spelled(texts)
            if texts is None:
                return None
        if value.key in wanted:
            path = wanted[value.key]
            columns[path] = _told(texts, value) if path in told else texts
    return columns


def _values(line: bytes) -> tuple[list[_Value], bytes] | None:
    """What stands in a flat object, and what behind its last value; None where it is none."""
    try:
        if type(decode(line)) is not dict:
            return None
    except ValueError:
        return None
    values: list[_Value] = []
    at, quote, closed = 0, 0, b""
    while found := _MEMBER.match(line, at):
        text = found["plain"] is None
        sign = b'"' if text else b""
        lead = len(found["before"]) - (found.end("key") - found.start("before")) - 1
        values.append(_Value(found["key"].decode(), text, quote, lead, closed + found["before"] + sign))
        at, quote, closed = found.end(), quote + (4 if text else 2), sign
    rest = line[at:]
    return (values, closed + rest) if values and rest.strip() == b"}" else None


def _bounds(values: list[_Value], quotes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """First byte and end of each value, row by row; `ends` is where the last ones end."""
    bounds = np.empty((len(quotes), 2 * len(values)), np.int32)
    for number, value in enumerate(values):
        opened = quotes[:, value.quote + 1] + 1 + value.lead
        bounds[:, 2 * number] = opened + value.text
        if value.text:
            bounds[:, 2 * number + 1] = quotes[:, value.quote + 3]
        elif number + 1 < len(values):
            after = values[number + 1]
            # up to its key, what is before a value has no other length
            key = after.before.index(b'"')
            bounds[:, 2 * number + 1] = quotes[:, after.quote] - key
        else:
            bounds[:, 2 * number + 1] = ends
    return bounds


def _alike(block: bytes, starts: np.ndarray, bounds: np.ndarray, ends: np.ndarray, between: list[bytes]) -> bool:
    """Whether between the values of every line stands what stands there in the first."""
    if (bounds[:, 1::2] < bounds[:, ::2]).any():
        return False
    line = block + b"\n"
    begun = [starts, *bounds[:, 1::2].T]
    over = [*bounds[:, ::2].T, ends + 1]
    for start, end, same in zip(begun, over, between, strict=True):
        if (end - start != len(same)).any():
            return False
        windows = np.ndarray((len(line) - len(same) + 1,), f"V{len(same)}", line, strides=(1,))
        if windows[start].tobytes() != same * len(start):
            return False
    return True


def _told(texts: pa.StringArray, value: _Value) -> pa.StructArray:
    return apart(texts, None if value.text else pc.fill_null(pc.match_substring_regex(texts, NUMBER), False))


def _spelled(texts: pa.StringArray) -> pa.StringArray | None:
    """Numbers and words as texts; None where one is neither."""
    numbers = pc.match_substring_regex(texts, NUMBER)
    if pc.all(numbers).as_py():
        return texts
    if not pc.all(pc.or_(numbers, pc.is_in(texts, _WORDS))).as_py():
        return None
    return pc.if_else(pc.equal(texts, "null"), pa.scalar(None, pa.string()), texts)
