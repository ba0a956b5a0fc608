"""Some paths of JSON objects as msgspec structs: what is not wanted is passed over, and not made.

Entry: `Places`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any

import msgspec

Way = tuple[str, ...]
"""The keys that lead to a value."""
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a decoder raises."""
_ODD = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
_ANYTHING = str | int | float | bool | list | None  # type: ignore[type-arg]
"""What may stand where an object is looked for."""


class Places:
    """Places in objects, and the struct that has what stands there."""

    def __init__(self, ways: Collection[Way], leaf: Any) -> None:
        """Look at some places.

        Args:
            ways: the keys that lead there.
            leaf: the type to read as what stands there.

        Raises:
            ValueError: one leads through another, or has a key that msgspec cannot take.
        """
        if any(way[:place] in ways for way in ways for place in range(len(way))):
            raise ValueError("a place lies in another")
        if any(_ODD.search(step) for way in ways for step in way):
            raise ValueError("a key that msgspec cannot take")
        self._ways, self._leaf = ways, leaf
        self._attributes: dict[Way, str] = {}
        self._kinds: dict[Way, type[msgspec.Struct]] = {}
        self.kind = self._struct(())

    def at(self, rows: Sequence[Any], way: Way) -> list[Any]:
        """What stands at one of the places in some structs; None where nothing does."""
        for place in range(len(way)):
            kind, found = self._kinds[way[:place]], attrgetter(self._attributes[way[: place + 1]])
            rows = [found(row) if type(row) is kind else None for row in rows] if place else list(map(found, rows))
        return list(rows)

    def _struct(self, way: Way) -> type[msgspec.Struct]:
        names = dict.fromkeys(each[len(way)] for each in self._ways if each[: len(way)] == way)
        fields: list[tuple[str, Any, Any]] = []
        for number, name in enumerate(names):
            attribute = self._attributes[*way, name] = f"f{number}"
            inner = (*way, name)
            fields.append((attribute, self._leaf if inner in self._ways else self._struct(inner) | _ANYTHING, None))
        renamed = dict(zip((each[0] for each in fields), names, strict=True))
        self._kinds[way] = msgspec.defstruct("Record", fields, rename=renamed, gc=False)
        return self._kinds[way]
