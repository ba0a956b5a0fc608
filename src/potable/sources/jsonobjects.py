"""Many records at once, whatever they hold: msgspec reads them to the values that `jsontext.decode` gives.

What it does not tell is looked for in all of them at once, and only where it turns up in one by one: of equal keys it
forgets one, so that fewer are written again than there were; of a whole number the sign of -0; and it reads what is
nested deeper than is allowed. Such records, and those it refuses, are left to `jsontext`.

Entry: `decoded`, and `texts` for what stands at the paths of a table; `Kept` for lines of which all else is known.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, apart
from potable.sources.jsonstructs import UNREADABLE, Places, Way
from potable.sources.jsontext import CANONICAL, DEEPEST, deep, is_number
from potable.sources.keypaths import steps

_DECODER = msgspec.json.Decoder(float_hook=msgspec.Raw)
_ENCODER = msgspec.json.Encoder()
NEGATIVE_ZERO = re.compile(rb"-0(?:(?<=[\s:,\[]-0)|(?<=\A-0))(?![.eE])")
_BLANK = b" \t\r\n"
_ENDS = re.compile(rb'"[ \t\r\n]*:')
"""Ends of keys, and texts that look like one; as many when they are written again."""
_BEFORE_COLONS = (b" :", b"\t:", b"\r:", b"\n:")
_HIDDEN = re.compile(rb"\\u00(?:2[02]|3[aA])")
"""Escapes that hide what looks like the end of a key."""


def decoded(pieces: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """The values in some pieces of JSON, and the numbers of those pieces that are left to `jsontext.decode`.

    Numbers are `int` or `msgspec.Raw`; what is left to others is None.
    """
    values, odd = _read(pieces)
    left = set(odd)
    kept = [number for number in range(len(pieces)) if number not in left] if odd else range(len(pieces))
    left.update(_misread(pieces, values, kept))
    for number in left:
        values[number] = None
    return values, sorted(left)


def texts(records: Sequence[dict[str, Any]], paths: Collection[str], told: Collection[str]) -> dict[str, Cells]:
    """The texts at each path of some records as `decoded` gives them, numbers apart at those that are `told`."""
    met: dict[tuple[str, ...], Sequence[Any]] = {(): records}

    def at(way: tuple[str, ...]) -> Sequence[Any]:
        if way not in met:
            key, around = way[-1], at(way[:-1])
            try:
                met[way] = list(map(dict.get, around, repeat(key)))
            except TypeError:
                met[way] = [value.get(key) if type(value) is dict else None for value in around]
        return met[way]

    return {path: _cells(at(steps(path)), told=path in told) for path in paths}


def _read(pieces: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """The values, and the pieces that are refused."""
    # no brace opens behind one that closes but between records: so as many values as pieces are one of each
    bare = [piece.strip(_BLANK) for piece in pieces]
    if all(piece[:1] == b"{" and piece[-1:] == b"}" for piece in bare):
        try:
            values = _DECODER.decode_lines(b"\n".join(bare))
            if len(values) == len(pieces):
                return values, []
        except UNREADABLE:
            pass
    values, odd = [], []
    for number, piece in enumerate(pieces):
        try:
            values.append(_DECODER.decode(piece))
        except UNREADABLE:
            values.append(None)
            odd.append(number)
    return values, odd


def _misread(pieces: Sequence[bytes], values: Sequence[Any], some: Sequence[int]) -> Iterator[int]:
    """Those of some pieces of which the values may not say all."""
    if not some:
        return
    ours = [pieces[number] for number in some] if len(some) < len(pieces) else pieces
    joined = b"\n".join(ours)
    yield from (some[number] for number in _branched(joined, ours) if deep(ours[number]))
    if _forgetful(joined, [values[number] for number in some] if ours is not pieces else values):
        yield from (number for number in some if _forgetful(pieces[number], values[number]))


def _branched(joined: bytes, pieces: Sequence[bytes]) -> list[int]:
    """Those of some pieces with so many brackets that they may be nested too deeply."""
    signs = np.frombuffer(joined, np.uint8)
    opens = (signs == ord("{")) | (signs == ord("["))
    ends = np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)) + 1)
    many = np.add.reduceat(opens, np.append(0, ends[:-1]), dtype=np.int64)
    return np.flatnonzero(many > DEEPEST).tolist()


def _forgetful(data: bytes, value: Any) -> bool:
    """Whether fewer keys may have been read than there are, or a number without its sign."""
    if _HIDDEN.search(data) or NEGATIVE_ZERO.search(data):
        return True
    written = _ENCODER.encode(value)
    if any(blank in data for blank in _BEFORE_COLONS):
        return len(_ENDS.findall(data)) != len(_ENDS.findall(written))
    return data.count(b'":') != written.count(b'":')


def _cells(values: Sequence[Any], *, told: bool) -> Cells:
    """The cells of a column with these values."""
    numbers = [is_number(value) for value in values] if told else None
    made = _texts(values)
    return apart(made, numbers) if told else made


def _texts(values: Sequence[Any]) -> pa.StringArray:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    others = canonical_texts([None if type(value) is str else value for value in values])
    return pc.coalesce(others, pa.array([value if type(value) is str else None for value in values], pa.string()))


def canonical_texts(values: Sequence[Any]) -> pa.StringArray:
    """Values that are no texts in canonical JSON; null where one is None."""
    written = CANONICAL.encode_lines(values)
    ends = np.flatnonzero(np.frombuffer(written, np.uint8) == ord("\n")).astype(np.int32)
    # each is followed by the newline behind it
    bounds = np.empty(2 * len(ends) + 1, np.int32)
    bounds[0], bounds[1::2], bounds[2::2] = 0, ends, ends + 1
    parts = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(written))
    nothing = np.fromiter((value is None for value in values), bool, len(values))
    return parts.take(pa.array(2 * np.arange(len(ends), dtype=np.int32), mask=nothing))


class Kept:
    """Some paths at which there are lists or objects, in lines of which all else is known."""

    def __init__(self, ways: Mapping[Way, str]) -> None:
        """Look for some paths, by the keys that lead to them.

        Raises:
            ValueError: one leads through another, or has a key that msgspec cannot take.
        """
        self._ways = ways
        self._places = Places(ways, msgspec.Raw)
        self._decoder = msgspec.json.Decoder(self._places.kind)

    def texts(self, block: bytes) -> dict[str, pa.StringArray]:
        """What stands there line by line, as canonical JSON; null where nothing does."""
        with uncollected():
            rows = self._decoder.decode_lines(block)
            return {path: _respelled(self._places.at(rows, way)) for way, path in self._ways.items()}


def _respelled(values: Sequence[msgspec.Raw | None]) -> pa.StringArray:
    return canonical_texts(_DECODER.decode(b"[%b]" % b",".join(b"null" if each is None else each for each in values)))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's garbage collector from looking at records again and again while they are made."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
