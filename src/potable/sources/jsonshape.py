"""The fast way through records that look alike: msgspec reads them into structs made for their keys.

What it gives is what `jsontext` gives, value by value, or it says so and the record is read there: numbers
keep their text, equal keys are noticed by counting the keys of a block. A shape is learned from records that
were read already; it decides how fast a record is read, never what it says.

`Loose` gives what `records` gives, where the last of equal keys counts: keys that nobody wants are passed over, and
nothing need be learned.

Entry: `Shape.of` and `Shape.texts` for pieces of a file, `Loose.texts` for a list of records.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.cells import Cells, Number, apart
from potable.sources.jsontext import DEEPEST, decode
from potable.sources.keypaths import steps
from potable.sources.records import text_of

_UNSET = msgspec.UNSET
_MOST_KEYS = 500
_DEEPEST_SHAPE = 16
_ODD = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
_NEGATIVE_ZERO = re.compile(rb"-0(?<=[\s:,\[]-0)(?![.eE])")
_ANYTHING = str | int | float | bool | list | None  # type: ignore[type-arg]
"""What may stand where an object is looked for."""
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a decoder raises."""
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

    def __init__(self, root: _Node, told: Collection[str]) -> None:
        self._root, self._told = root, told
        self._decoder = msgspec.json.Decoder(root.kind, float_hook=Number if told else str)

    @classmethod
    def of(cls, samples: Iterable[Any], paths: Sequence[str], told: Collection[str] = ()) -> Self | None:
        """The shape of `samples`; None when values at `paths` are not plain, or keys are too many or odd.

        Args:
            told: the paths at which numbers are told apart from texts.
        """
        seen = _Seen()
        for sample in samples:
            seen.learn(sample)
        wanted = {steps(path): path for path in paths}
        odd = any(_ODD.search(step) for way in wanted for step in way)
        if odd or not all(map(seen.plain, wanted)) or not seen.named(_DEEPEST_SHAPE):
            return None
        return cls(_node(seen, wanted), told)

    def texts(self, block: bytes, records: Sequence[bytes]) -> tuple[dict[str, Cells], list[int]]:
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
        made = _Made(told=self._told)
        if rows:
            made.take(self._root, rows)
        signs = np.frombuffer(block, dtype=np.uint8)
        if made.keys != _keys(signs):
            raise Unlike
        if made.brackets != block.count(b"{") + block.count(b"[") and not all(map(_is_shallow, records)):
            raise Unlike
        made.require_zeros_told(block)
        return made.columns, unlike

    def _rows(self, block: bytes, records: Sequence[bytes]) -> tuple[list[Any], list[int]]:
        decoded = self._decoder.decode
        try:
            if _are_lines(block, len(records)) and len(found := self._decoder.decode_lines(block)) == len(records):
                return found, []
            return [decoded(record) for record in records], []
        except UNREADABLE:
            pass
        rows, unlike = [], []
        for index, record in enumerate(records):
            try:
                rows.append(decoded(record))
            except UNREADABLE:
                unlike.append(index)
        return rows, unlike


class Loose:
    """The paths of wanted values in records, whatever else these have."""

    def __init__(self, paths: Iterable[str], told: Collection[str] = ()) -> None:
        """Look for some paths, and at those that are `told`, for numbers apart from texts.

        Raises:
            Unlike: one of them leads through another, or has a key that msgspec cannot take.
        """
        wanted = {steps(path): path for path in paths}
        if any(way[:place] in wanted for way in wanted for place in range(len(way))):
            raise Unlike
        if any(_ODD.search(step) for way in wanted for step in way):
            raise Unlike
        self._root = _node(_Seen(), wanted, whole=False)
        self._told = told
        number = Number if told else str
        self._decoder = msgspec.json.Decoder(list[self._root.kind], float_hook=number)  # type: ignore[name-defined]

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
        made = _Made(loose=True, told=self._told)
        made.take(self._root, rows)
        made.require_zeros_told(memoryview(data))
        return len(rows), made.columns


def _node(seen: _Seen, wanted: Mapping[tuple[str, ...], str], *, whole: bool = True) -> _Node:
    """A struct for the keys of one object; wanted keys that were not seen are among them.

    Args:
        whole: whether there may be no others.
    """
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
            inner[attribute] = _node(there, below, whole=whole)
            kind = inner[attribute].kind | (None if whole else _ANYTHING)
        elif there.kinds - {"plain"}:
            lists.append(attribute)
        fields.append((attribute, kind, _UNSET if whole else None))
    renamed = dict(zip((each[0] for each in fields), names, strict=True))
    made = msgspec.defstruct("Record", fields, rename=renamed, forbid_unknown_fields=whole, gc=False)
    return _Node(made, leaves, inner, tuple(lists))


@dataclass
class _Made:
    """What is taken out of rows of structs."""

    loose: bool = False
    """Whether lists and objects are wanted too, and a key that is absent is as good as null."""
    told: Collection[str] = ()
    """Paths at which numbers are told apart from texts."""
    columns: dict[str, Cells] = field(default_factory=dict)
    zero: bool = False
    """Whether a number may have been 0, which can be written -0."""
    keys: int = 0
    """Keys the rows have."""
    brackets: int = 0
    """Lists and objects that open in them."""

    def take(self, node: _Node, rows: Sequence[Any]) -> None:
        """Take the texts of the wanted values at one place, and count what there is."""
        self.brackets += len(rows)
        for name in node.attributes:
            values = list(map(attrgetter(name), rows))
            unset = 0 if self.loose else values.count(_UNSET)
            self.keys += len(rows) - unset
            if path := node.leaves.get(name):
                texts = self._texts([None if value is _UNSET else value for value in values] if unset else values)
                numbers = [type(value) in (int, Number) for value in values] if path in self.told else None
                self.columns[path] = texts if numbers is None else apart(texts, numbers)
            elif below := node.inner.get(name):
                lacking = len(values) - list(map(type, values)).count(below.kind)
                if lacking:
                    nothing = below.kind()
                    values = [value if type(value) is below.kind else nothing for value in values]
                    self.brackets -= lacking
                self.take(below, values)
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

    def require_zeros_told(self, block: bytes | memoryview) -> None:
        """Refuse to tell what a block says in which a 0 may be written -0."""
        if self.zero and _NEGATIVE_ZERO.search(block):
            raise Unlike

    def _texts(self, values: Sequence[Any]) -> pa.StringArray:
        try:
            return pa.array(values, pa.string())
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            pass
        try:
            numbers = pa.array(values, pa.int64())
        except (pa.ArrowTypeError, pa.ArrowInvalid, OverflowError):
            return pa.array(
                [value if value is None or isinstance(value, str) else self._text(value) for value in values]
            )

        self.zero = self.zero or pc.any(pc.equal(numbers, 0)).as_py() is True
        return numbers.cast(pa.string())

    def _text(self, value: Any) -> str:
        if type(value) is bool:
            return text_of(value)
        if type(value) is not int and not self.loose:
            raise Unlike
        self.zero = self.zero or not value or type(value) is not int
        return str(value) if type(value) is int else text_of(_spelled(value))


def _spelled(value: Any) -> Any:
    """`value` with numbers as their texts."""
    if type(value) is list:
        return [_spelled(item) for item in value]
    if type(value) is dict:
        return {name: _spelled(item) for name, item in value.items()}
    return str(value) if type(value) is int else value


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
