"""Many values cut out of JSON at once, as the exact reader spells them.

Each way says which of the values it could not be sure of; those are left to `jsontext`.

Entry: `unescaped` for texts, `respelled` for lists and objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXTS = msgspec.json.Decoder(list[str])
_VALUES = msgspec.json.Decoder(list, float_hook=msgspec.Raw)
_WHATEVER = msgspec.json.Decoder(list[msgspec.Raw])
_CANONICAL = msgspec.json.Encoder(order="sorted")
_AT_ONCE = 200
_NEGATIVE_ZERO = r"-0(?:[^.eE0-9]|$)"


def unescaped(texts: pa.StringArray) -> tuple[pa.StringArray, np.ndarray]:
    """Texts without their quotes, escapes read; and which of them cannot be."""
    found, lost = _decoded(_TEXTS, [b'"%b"' % text for text in texts.cast(pa.binary()).to_pylist()])
    return pa.array(found, pa.string()), lost


def respelled(values: pa.StringArray) -> tuple[pa.StringArray, np.ndarray]:
    """Lists and objects in canonical form; and which of them cannot be told.

    Args:
        values: whole ones, at least one, nested no deeper than is read.
    """
    items = values.cast(pa.binary()).to_pylist()
    # in pieces that are gone before Python's garbage collector looks at them
    pieces = [_decoded_and_written(items[at : at + _AT_ONCE]) for at in range(0, len(items), _AT_ONCE)]
    written, lost = b"".join(piece for piece, _ in pieces), np.concatenate([each for _, each in pieces])
    ends = np.append(0, np.flatnonzero(np.frombuffer(written, np.uint8) == ord("\n")) + 1).astype(np.int32)
    lines = pa.StringArray.from_buffers(len(items), pa.py_buffer(ends), pa.py_buffer(written))
    made = pc.utf8_slice_codeunits(lines, 0, -1)
    # of equal keys the decoder forgets one, and of a whole number the sign of -0
    forgot = pc.not_equal(pc.count_substring(values, '":'), pc.count_substring(made, '":'))
    unsure = pc.or_(forgot, pc.match_substring(values, "\\"))
    unsure = pc.or_(unsure, pc.match_substring_regex(values, _NEGATIVE_ZERO))
    return made, lost | unsure.to_numpy(zero_copy_only=False)


def unreadable(values: pa.StringArray) -> np.ndarray:
    """Which lists and objects cannot be told, where nobody wants to know what they say."""
    _, lost = _decoded(_WHATEVER, values.cast(pa.binary()).to_pylist())
    keyed = pc.match_substring(values, "{").to_numpy(zero_copy_only=False)
    if keyed.any():
        lost[keyed] = respelled(values.filter(pa.array(keyed)))[1]
    return lost


def _decoded_and_written(items: Sequence[bytes]) -> tuple[bytes, np.ndarray]:
    found, lost = _decoded(_VALUES, items)
    return _CANONICAL.encode_lines(found), lost


def _decoded(decoder: Any, items: Sequence[bytes]) -> tuple[list[Any], np.ndarray]:
    """What the items say, which are JSON by themselves; and which say nothing."""
    lost = np.zeros(len(items), bool)
    try:
        return decoder.decode(b"[%b]" % b",".join(items)), lost
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    found = []
    for number, item in enumerate(items):
        try:
            found += decoder.decode(b"[%b]" % item)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found.append("")
            lost[number] = True
    return found, lost
