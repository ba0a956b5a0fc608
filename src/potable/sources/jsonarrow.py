"""The fastest way through JSON lines: Arrow's reader, which is told what kind of value stands at each key.

Arrow wants one kind per key and reads numbers as numbers. So a block is read by it only where that says of each value
what its text says: numbers where one column wants such numbers, whole ones where it wants a text. An equal key, a new
one, a value of another kind: Arrow refuses the block, or it is noticed here, and the block is left to others. This way
never decides what a record says. The kinds are learned from some records, read exactly.

Entry: `Kinds.texts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pajson

from potable.columns import Column
from potable.sources.cells import Cells, Number, apart, paths_told
from potable.sources.encodings import is_utf8
from potable.sources.jsonobjects import NEGATIVE_ZERO, Kept
from potable.sources.jsonstructs import UNREADABLE
from potable.sources.jsontext import decode
from potable.sources.keypaths import steps
from potable.sources.nested import NestedTable

Found: TypeAlias = Mapping[str, Cells | pa.Array]
"""By path: texts, or values of the type of the only column that takes them."""
_SAMPLE = 64
_MOST_FAILURES = 6
_DEEPEST = 16
_LONGEST_INTEGER = 10**18
_WHOLE = re.compile(r"-?\d+")
_NEWLINE, _OPEN, _CLOSE, _QUOTE = b'\n{}"'
_SIGNS = np.arange(256)
_DIGITS, _IN_NUMBERS, _BEHIND_NUMBERS = (
    np.isin(_SIGNS, list(signs)) for signs in (b"0123456789", b"0123456789.+-", b",]} \t\r\n")
)
_NUMBERS = frozenset({"whole", "number"})
_OWN: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"whole"}),
    "float": _NUMBERS,
    "decimal": _NUMBERS,
    "boolean": frozenset({"truth"}),
}
"""What stands where a column of a type can take values as Arrow reads them."""
_PLAIN: Mapping[frozenset[str], pa.DataType] = {
    frozenset(): pa.string(),
    frozenset({"text"}): pa.string(),
    frozenset({"truth"}): pa.bool_(),
    frozenset({"whole"}): pa.int64(),
}
"""What Arrow reads and is a text as it is written."""


class _Unsuited(Exception):
    """Arrow cannot read what stands there, or would say something else than its text."""


@dataclass
class _Seen:
    """What stood at one place of some records; nulls do not count."""

    kinds: set[str] = field(default_factory=set)
    """`text`, `whole`, `number`, `truth`, `object` and `list`."""
    below: dict[object, _Seen] = field(default_factory=dict)
    """By key, and by the type `list` what stood in lists."""

    def learn(self, value: Any) -> None:
        """Add what a value is and has."""
        if type(value) is dict:
            self.kinds.add("object")
            for key, inner in value.items():
                self.below.setdefault(key, _Seen()).learn(inner)
        elif type(value) is list:
            self.kinds.add("list")
            items = self.below.setdefault(list, _Seen())
            for inner in value:
                items.learn(inner)
        elif type(value) is bool:
            self.kinds.add("truth")
        elif type(value) is Number:
            self.kinds.add("whole" if _WHOLE.fullmatch(value) else "number")
        elif value is not None:
            self.kinds.add("text")


class Kinds:
    """What kinds of values were met in the records of one file, and which of them a table wants."""

    def __init__(self, table: NestedTable) -> None:
        """Know nothing of the file so far."""
        self._wanted: dict[Any, str] = {steps(path): path for path in table.value_paths}
        self._told = paths_told(table)
        self._own = {path: column for path in self._wanted.values() if (column := _only(table, path))}
        self._exact = any(pa.types.is_decimal(column.arrow) for column in self._own.values())
        """Whether a column takes decimals as Arrow reads them."""
        self._seen = _Seen()
        self._schema: pa.Schema | None = None
        self._failures = 0
        self._kept: Kept | None = None
        """The paths at which there are lists or objects, where there are any."""

    def texts(self, block: bytes) -> Found | None:
        """What stands at each path of the records in a block of lines; None where it is not sure.

        Where a file has shown several times that it is not, it is not asked again.
        """
        if self._failures >= _MOST_FAILURES or not is_utf8(block):
            return None
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        texts = self._texts(block)
        if texts is None and self._learn(block):
            texts = self._texts(block)
        self._failures += texts is None
        return texts

    def _learn(self, block: bytes) -> bool:
        """Look at some lines for what the others are like; whether anything new was learned."""
        lines = block.split(b"\n")
        for line in lines[:: len(lines) // _SAMPLE + 1]:
            try:
                self._seen.learn(decode(line))
            except ValueError:
                continue
        before, self._schema = self._schema, self._learned()
        return self._schema is not None and self._schema != before

    def _texts(self, block: bytes) -> Found | None:
        """What Arrow says of a block in UTF-8; None where it is not sure to read it as we do."""
        if self._schema is None or not (count := _objects(block)) or (self._exact and _scientific(block)):
            return None
        try:
            table = pajson.read_json(
                pa.BufferReader(block),
                read_options=pajson.ReadOptions(use_threads=False, block_size=len(block) + 1),
                parse_options=pajson.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None
        batches = table.to_batches()
        # a second object in a line, or a null beside one, is a row more
        if len(batches) != 1 or len(batches[0]) != count or not all(map(_finite, batches[0].columns)):
            return None
        record = batches[0].to_struct_array()
        try:
            kept = self._kept_texts(block)
            ways = ((way, path) for way, path in self._wanted.items() if path not in kept)
            return {path: self._cells(_at(record, way), path, block) for way, path in ways} | kept
        except _Unsuited:
            return None

    def _kept_texts(self, block: bytes) -> dict[str, Cells]:
        """The lists and objects that columns take, of lines that Arrow has read.

        Raises:
            _Unsuited: one may hold a number whose sign would be lost.
        """
        if self._kept is None:
            return {}
        if NEGATIVE_ZERO.search(block):
            raise _Unsuited
        try:
            found = self._kept.texts(block)
        except UNREADABLE:
            raise _Unsuited from None
        return {path: apart(texts) if path in self._told else texts for path, texts in found.items()}

    def _learned(self) -> pa.Schema | None:
        """The schema by which Arrow is to read the records; None where it cannot."""
        kept: dict[Any, str] = {}
        try:
            kind = self._kind(self._seen, (), kept)
            self._kept = Kept(kept) if kept else None
        except (_Unsuited, ValueError, TypeError):
            return None
        return pa.schema(list(kind)) if pa.types.is_struct(kind) else None

    def _kind(self, seen: _Seen, way: tuple[object, ...], kept: dict[Any, str]) -> pa.DataType:
        """The type by which Arrow is to read what stands at one place; what columns take as JSON goes to `kept`.

        Raises:
            _Unsuited: there is none.
        """
        kinds, path = frozenset(seen.kinds), self._wanted.get(way)
        column = self._own.get(path or "")
        if column and kinds and kinds <= _OWN[column.type.partition("(")[0]]:
            return column.arrow
        if path is None and not kinds:
            return pa.null()
        if path is None and kinds <= _NUMBERS:
            return pa.float64()
        if kinds in _PLAIN:
            return _PLAIN[kinds]
        if kinds not in ({"object"}, {"list"}) or len(way) > _DEEPEST:
            raise _Unsuited
        if path is not None:
            kept[way] = path
        below = {key: self._kind(each, (*way, key), kept) for key, each in seen.below.items()}
        return pa.list_(below[list]) if list in below else pa.struct(list(below.items()))

    def _cells(self, values: pa.Array, path: str, block: bytes) -> Cells | pa.Array:
        """What a column takes of the values at its path.

        Raises:
            _Unsuited: one of them says something else than its text.
        """
        column = self._own.get(path)
        if column and values.type == column.arrow:
            if not _in_reach(values):
                raise _Unsuited
            return values
        whole = pa.types.is_integer(values.type)
        if whole and b"-0" in block and pc.any(pc.equal(values, 0)).as_py():
            raise _Unsuited
        texts = values.cast(pa.string())
        return apart(texts, pc.is_valid(texts) if whole else None) if path in self._told else texts


def _only(table: NestedTable, path: str) -> Column | None:
    """The column that takes the values at `path`, where one alone does and takes no others, and wants just a number."""
    takes = [(name, column) for name, column in table.columns.items() if path in column.paths(name)]
    (name, column), *others = takes
    special = column.extract or column.null_values or column.format or column.decimal == ","
    if others or special or len(column.paths(name)) > 1 or column.type.partition("(")[0] not in _OWN:
        return None
    # where there are no places, Arrow reads `.0` and we do not
    return None if pa.types.is_decimal(column.arrow) and not column.arrow.scale else column


def _objects(block: bytes) -> int:
    """How many lines a block has; 0 where one of them does not begin and end like an object.

    Then no object reaches over the end of a line: no brace opens behind one that closes but at the outermost. And Arrow
    is never given a null to begin with, which ends the process.
    """
    signs = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(signs == _NEWLINE)
    if not len(signs) or signs[0] != _OPEN or signs[-1] != _CLOSE or b"\0" in block:
        return 0
    return len(ends) + 1 if (signs[ends - 1] == _CLOSE).all() and (signs[ends + 1] == _OPEN).all() else 0


def _scientific(block: bytes) -> bool:
    """Whether a number in it, or a text that is one, may have an exponent: Arrow takes it for a decimal, we do not."""
    signs = np.frombuffer(block, np.uint8)
    # of all bytes: compared one sign after the other they take half as long as by arithmetic
    places = np.concatenate([np.flatnonzero(signs[1:-1] == sign) + 1 for sign in b"eE"])
    places = places[_DIGITS[signs[places - 1]]]
    ends = places + 1
    first = ends + np.isin(signs[ends], (ord("+"), ord("-")))
    ends = first.copy()
    while (more := _DIGITS[signs[ends]]).any():
        ends += more
    behind = signs[ends]
    if ((ends > first) & _BEHIND_NUMBERS[behind]).any():
        return True
    before = places[behind == _QUOTE] - 1
    while len(before):
        if (signs[before] == _QUOTE).any():
            return True
        before = before[_IN_NUMBERS[signs[before]]] - 1
    return False


def _at(record: pa.StructArray, way: tuple[object, ...]) -> pa.Array:
    """What stands where some keys lead; nulls where no record has them."""
    for key in way:
        if not pa.types.is_struct(record.type) or record.type.get_field_index(key) < 0:
            return pa.nulls(len(record), pa.string())
        record = pc.struct_field(record, [key])
    return record


def _finite(values: pa.Array) -> bool:
    """Whether there is no NaN and no infinity in them, whose names Arrow takes for numbers."""
    if pa.types.is_floating(values.type):
        finite: bool = pc.all(pc.is_finite(values)).as_py() is not False
        return finite
    if pa.types.is_list(values.type):
        return _finite(values.flatten())
    return all(map(_finite, values.flatten())) if pa.types.is_struct(values.type) else True


def _in_reach(values: pa.Array) -> bool:
    """Whether numbers are of those that a text may say in their column."""
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return True
    most = _LONGEST_INTEGER if pa.types.is_integer(kind) else 10 ** (kind.precision - kind.scale)
    ends = pc.min_max(values).as_py()
    return ends["min"] is None or (-most < ends["min"] and ends["max"] < most)
