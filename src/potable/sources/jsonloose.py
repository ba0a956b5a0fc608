"""The fast way through a list of records of which only some values are wanted.

It gives what `records` gives, where the last of equal keys counts: keys that nobody wants are passed over. Or it says
that it cannot tell, and the list is read there.

Entry: `Loose.texts`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, Number, apart
from potable.sources.jsonobjects import NEGATIVE_ZERO
from potable.sources.jsonstructs import UNREADABLE, Places
from potable.sources.keypaths import steps
from potable.sources.records import text_of


class Unlike(Exception):
    """Records of which it cannot be told what they say."""


class Loose:
    """The paths of wanted values in records, whatever else these have."""

    def __init__(self, paths: Iterable[str], told: Collection[str] = ()) -> None:
        """Look for some paths, and at those that are `told`, for numbers apart from texts.

        Raises:
            Unlike: one of them leads through another, or has a key that msgspec cannot take.
        """
        self._wanted = {steps(path): path for path in paths}
        self._told = told
        try:
            self._places = Places(self._wanted, object)
        except ValueError:
            raise Unlike from None
        number = Number if told else str
        self._decoder = msgspec.json.Decoder(list[self._places.kind], float_hook=number)  # type: ignore[name-defined]

    def texts(self, data: bytes | msgspec.Raw) -> tuple[int, dict[str, Cells]]:
        """How many records are in the list `data`, and their texts at each path.

        Args:
            data: in UTF-8.

        Raises:
            Unlike: it is no list of objects, or it cannot be told what they say.
        """
        try:
            rows = self._decoder.decode(data)
        except UNREADABLE:
            raise Unlike from None
        made: dict[str, Cells] = {}
        zero = False
        for way, path in self._wanted.items():
            values = self._places.at(rows, way)
            made[path], odd = _texts(values)
            zero = zero or odd
            if path in self._told:
                made[path] = apart(made[path], [type(value) in (int, Number) for value in values])
        if zero and NEGATIVE_ZERO.search(memoryview(data)):
            raise Unlike
        return len(rows), made


def _texts(values: Sequence[Any]) -> tuple[pa.StringArray, bool]:
    """The texts of some values, and whether a number among them may be 0, which can be written -0."""
    try:
        return pa.array(values, pa.string()), False
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    try:
        numbers = pa.array(values, pa.int64())
    except (pa.ArrowTypeError, pa.ArrowInvalid, OverflowError):
        spelled = [value if value is None or isinstance(value, str) else _text(value) for value in values]
        return pa.array(spelled), True
    return numbers.cast(pa.string()), pc.any(pc.equal(numbers, 0)).as_py() is True


def _text(value: Any) -> str:
    return str(value) if type(value) is int else text_of(_spelled(value))


def _spelled(value: Any) -> Any:
    """`value` with numbers as their texts."""
    if type(value) is list:
        return [_spelled(item) for item in value]
    if type(value) is dict:
        return {name: _spelled(item) for name, item in value.items()}
    return str(value) if type(value) is int else value
