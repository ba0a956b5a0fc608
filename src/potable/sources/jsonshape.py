"""The fast way through records that look alike: msgspec reads them into structs made for their keys.

What it gives is what `jsontext` gives, value by value, or it says so and the record is read there: numbers
keep their text, equal keys are noticed by counting the keys of a block. A shape is learned from records that
were read already; it decides how fast a record is read, never what it says.

Entry: `Shape.of` and `Shape.texts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.jsontext import DEEPEST, decode
from potable.sources.keypaths import steps

_UNSET = msgspec.UNSET
_MOST_KEYS = 500
_DEEPEST_SHAPE = 16
_ODD = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_BLANK = np.isin(np.arange(256), np.frombuffer(b" \t\r\n", dtype=np.uint8))


class Unlike(Exception):
    """Records that do not have the shape, or of which it cannot be told."""


@dataclass(frozen=True)
class _Node:
    """The keys an object may have, as attributes of a struct."""

    kind: type[msgspec.Struct]
    leaves: dict[str, str]
    """Paths of the values that are wanted, by attribute."""
    inner: dict[str, _Node]
    """Objects below, by attribute."""
    lists: tuple[str, ...]
    """Attributes of lists nobody wants."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """All of them, in order."""
        names: tuple[str, ...] = self.kind.__struct_fields__
        return names


@dataclass(frozen=True)
class _Seen:
    """What stood at one place of the samples."""

    kinds: set[str] = field(default_factory=set)
    """`object`, `list` or `plain`; nulls do not count."""
    below: dict[str, _Seen] = field(default_factory=dict)
    """By key, where there were objects."""

    def learn(self, value: Any) -> None:
        """Add what `value` is and has."""
        if type(value) is dict:
            self.kinds.add("object")
            for name, inner in value.items():
                self.below.setdefault(name, _Seen()).learn(inner)
        elif value is not None:
            self.kinds.add("list" if type(value) is list else "plain")

    def plain(self, steps: Sequence[str]) -> bool:
        """Whether values at `steps` are plain, and what is on the way there objects or nothing."""
        if not steps:
            return self.kinds <= {"plain"}
        return self.kinds <= {"object"} and self.at(steps[0]).plain(steps[1:])

    def at(self, name: str) -> _Seen:
        """What stood at a key; nothing where it was not seen."""
        return self.below.get(name, _Seen())

    def named(self, depth: int) -> bool:
        """Whether no object is deeper than `depth`, has very many keys, or one that msgspec cannot take."""
        if depth < 0 or len(self.below) > _MOST_KEYS or any(map(_ODD.search, self.below)):
            return False
        return all(inner.named(depth - 1) for inner in self.below.values())


class Shape:
    """The keys of some records, and which of their values are wanted."""

    def __init__(self, root: _Node) -> None:
        self._root = root
        self._decoder = msgspec.json.Decoder(root.kind, float_hook=str)

    @classmethod
    def of(cls, samples: Iterable[Any], paths: Sequence[str]) -> Self | None:
        """The shape of `samples`; None when values at `paths` are not plain, or keys are too many or odd."""
        seen = _Seen()
        for sample in samples:
            seen.learn(sample)
        wanted = {steps(path): path for path in paths}
        odd = any(_ODD.search(step) for way in wanted for step in way)
        if odd or not all(map(seen.plain, wanted)) or not seen.named(_DEEPEST_SHAPE):
            return None
        return cls(_node(seen, wanted))

    def texts(self, block: bytes, records: Sequence[bytes]) -> tuple[dict[str, pa.StringArray], list[int]]:
        """The texts at each path of the records that have the shape, and the indices of those that do not.

        Args:
            block: the records and at most blanks, commas and records left out between them.
            records: the records, one JSON value each.

        Raises:
            Unlike: it cannot be told of this block.
        """
        if not is_utf8(block):
            raise Unlike
        rows, unlike = self._rows(block, records)
        if unlike:
            met = set(unlike)
            records = [record for index, record in enumerate(records) if index not in met]
            block = b"\n".join(records)
        made = _Made()
        if rows:
            made.take(self._root, rows)
        signs = np.frombuffer(block, dtype=np.uint8)
        if made.keys != _keys(signs):
            raise Unlike
        if made.brackets != block.count(b"{") + block.count(b"[") and not all(map(_is_shallow, records)):
            raise Unlike
        if made.has_zero() and _has_negative_zero(signs):
            raise Unlike
        return made.columns, unlike

    def _rows(self, block: bytes, records: Sequence[bytes]) -> tuple[list[Any], list[int]]:
        decoded = self._decoder.decode
        try:
            if _are_lines(block, len(records)) and len(found := self._decoder.decode_lines(block)) == len(records):
                return found, []
            return [decoded(record) for record in records], []
        except _UNREADABLE:
            pass
        rows, unlike = [], []
        for index, record in enumerate(records):
            try:
                rows.append(decoded(record))
            except _UNREADABLE:
                unlike.append(index)
        return rows, unlike


def _node(seen: _Seen, wanted: Mapping[tuple[str, ...], str]) -> _Node:
    """A struct for the keys of one object; wanted keys that were not seen are among them."""
    names = dict.fromkeys([*seen.below, *(way[0] for way in wanted if way)])
    fields: list[tuple[str, Any, Any]] = []
    leaves, inner, lists = {}, {}, []
    for number, name in enumerate(names):
        attribute, there = f"f{number}", seen.at(name)
        below = {way[1:]: path for way, path in wanted.items() if way[:1] == (name,)}
        kind: Any = msgspec.Raw
        if () in below:
            kind = object
            leaves[attribute] = below[()]
        elif there.kinds == {"object"} or below:
            inner[attribute] = _node(there, below)
            kind = inner[attribute].kind | None
        elif there.kinds - {"plain"}:
            lists.append(attribute)
        fields.append((attribute, kind, _UNSET))
    renamed = dict(zip((each[0] for each in fields), names, strict=True))
    made = msgspec.defstruct("Record", fields, rename=renamed, forbid_unknown_fields=True, gc=False)
    return _Node(made, leaves, inner, tuple(lists))


@dataclass
class _Made:
    """What is taken out of rows of structs."""

    columns: dict[str, pa.StringArray] = field(default_factory=dict)
    keys: int = 0
    """Keys the rows have."""
    brackets: int = 0
    """Lists and objects that open in them."""

    def take(self, node: _Node, rows: Sequence[Any]) -> None:
        """Take the texts of the wanted values at one place, and count what there is."""
        self.brackets += len(rows)
        for name in node.attributes:
            values = list(map(attrgetter(name), rows))
            unset = values.count(_UNSET)
            self.keys += len(rows) - unset
            if path := node.leaves.get(name):
                self.columns[path] = _texts(
                    [None if value is _UNSET else value for value in values] if unset else values
                )
            elif below := node.inner.get(name):
                nothing = below.kind()
                found = [value if type(value) is below.kind else nothing for value in values]
                self.brackets -= sum(value is nothing for value in found)
                self.take(below, found)
            elif name in node.lists:
                for value in values:
                    if value is not _UNSET:
                        self._pass(bytes(value))

    def _pass(self, data: bytes) -> None:
        """Count what there is in a value nobody wants."""
        if b"{" in data:
            try:
                decode(data)
            except ValueError:
                raise Unlike from None
        brackets = data.count(b"{") + data.count(b"[")
        if brackets > DEEPEST - _DEEPEST_SHAPE - 1:
            raise Unlike
        self.keys += data.count(b'":')
        self.brackets += brackets

    def has_zero(self) -> bool:
        """Whether a value is 0, which may have been written -0."""
        return any(pc.any(pc.equal(column, "0")).as_py() for column in self.columns.values())


def _texts(values: Sequence[Any]) -> pa.StringArray:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    try:
        return pa.array(values, pa.int64()).cast(pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, OverflowError):
        return pa.array([value if value is None or type(value) is str else _text(value) for value in values])


def _text(value: Any) -> str:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is not int:
        raise Unlike
    return str(value)


def _is_shallow(record: bytes) -> bool:
    return record.count(b"{") + record.count(b"[") <= DEEPEST


def _keys(signs: np.ndarray) -> int:
    """How many keys there are in a block, or more: colons right behind a quote that is not escaped itself.

    Raises:
        Unlike: a colon stands behind a blank, so they cannot be counted.
    """
    colons = np.flatnonzero(signs == ord(":"))
    before = signs[colons - 1]
    if _BLANK[before].any():
        raise Unlike
    ends = colons[before == ord('"')]
    return len(ends) - int(np.count_nonzero((signs[ends - 2] == ord("\\")) & (signs[ends - 3] != ord("\\"))))


def _has_negative_zero(signs: np.ndarray) -> bool:
    """Whether -0 stands where a value can start."""
    minus = np.flatnonzero(signs[:-1] == ord("-"))
    before = signs[minus - 1]
    return bool(((signs[minus + 1] == ord("0")) & (_BLANK[before] | (before == ord(":")))).any())


def _are_lines(block: bytes, count: int) -> bool:
    """Whether as many values as there are lines must be one in each.

    Inside a value no object follows another without a comma, and no line ends in a text.
    """
    between = block.count(b"}\n{")
    return between == block.count(b"\n") == count - 1 and block.startswith(b"{") and block.endswith(b"}")


def is_utf8(block: bytes) -> bool:
    """Whether all of it is UTF-8; Arrow looks several times as fast as a decoder."""
    ends = np.array([0, len(block)], np.int32)
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, pa.py_buffer(ends), pa.py_buffer(block)])
    try:
        whole.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
