"""Arrow columns of any type as texts, each value in its canonical form; lists, structs and maps as JSON.

For systems that hand over typed values: databases behind ADBC, Parquet files.

Entry: `texts_of` for cells, `values_of` for records in which others lie.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from potable.sources.cells import Number, Texts
from potable.sources.databases import forms
from potable.sources.jsontext import text

_OF_A_NUMBER = 16
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_NO_NUMBERS = (None, "nan", "inf", "-inf")
_LISTS = (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list, kinds.is_list_view, kinds.is_large_list_view)
_AS_THEY_ARE = (kinds.is_integer, kinds.is_boolean, kinds.is_date, kinds.is_large_string, kinds.is_string_view)
_BINARY = (kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary, kinds.is_binary_view)


def texts_of(column: pa.Array, *, binary_as_string: bool = False) -> Texts:
    """The values of a column as texts.

    Args:
        column: of any type.
        binary_as_string: whether bytes are texts in UTF-8 rather than hexadecimal.

    Raises:
        pa.ArrowException: bytes that should be texts are not UTF-8.
    """
    column = _plain(column)
    kind = column.type
    if kinds.is_string(kind):
        return column
    if _any(_AS_THEY_ARE, kind) or (binary_as_string and _any(_BINARY, kind)):
        return column.cast(pa.string())
    if kinds.is_floating(kind):
        return forms.floats(column.cast(pa.float32()) if kinds.is_float16(kind) else column)
    if kinds.is_timestamp(kind):
        return forms.clock(_in_micros(column).cast(pa.string()), "Z" if kind.tz else "")
    if kinds.is_time(kind):
        return forms.clock(_if_whole(column, pa.time64("us")).cast(pa.string()))
    if kinds.is_duration(kind):
        per_second = Decimal(10) ** -_DIGITS[kind.unit]
        counts = column.cast(pa.int64()).to_pylist()
        return forms.texts([None if count is None else count * per_second for count in counts])
    if kinds.is_decimal(kind):
        return forms.decimals(column)
    if holds_others(kind):
        return pa.array(map(text, values_of(column, binary_as_string=binary_as_string)), pa.string())
    return forms.texts(column.to_pylist())


def values_of(column: pa.Array, *, binary_as_string: bool = False) -> list[Any]:
    """The values of a column as `jsontext.decode` has them: texts, `Number`, booleans, lists and objects."""
    column = _plain(column)
    kind = column.type

    def inner(array: pa.Array) -> list[Any]:
        return values_of(array, binary_as_string=binary_as_string)

    if kinds.is_struct(kind):
        names = [field.name for field in kind]
        columns = [inner(each) for each in column.flatten()]
        rows: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        there = column.is_valid().to_pylist()
        return [row if valid else None for row, valid in zip(rows or [{}] * len(column), there, strict=True)]
    if kinds.is_map(kind):
        pairs = pa.list_(pa.struct([kind.key_field, kind.item_field]))
        listed = inner(column.cast(pairs))
        key, item = kind.key_field.name, kind.item_field.name
        return [None if each is None else {str(pair[key]): pair[item] for pair in each} for each in listed]
    if is_list(kind):
        items = iter(inner(pc.list_flatten(column)))
        return [
            None if length is None else list(islice(items, length))
            for length in pc.list_value_length(column).to_pylist()
        ]
    if kinds.is_boolean(kind) or kinds.is_null(kind):
        found: list[Any] = column.to_pylist()
        return found
    texts = texts_of(column, binary_as_string=binary_as_string).to_pylist()
    # what is no number of JSON stays a text
    return [value if value in _NO_NUMBERS else Number(value) for value in texts] if is_number(kind) else texts


def sizes(column: pa.Array) -> Any:
    """Bytes that each value of a column takes as a text, or those of the texts in it: an array of numpy, int64."""
    kind = column.type
    if kinds.is_dictionary(kind):
        each = sizes(column.dictionary)
        which = pc.fill_null(column.indices.cast(pa.int64()), len(each)).to_numpy(zero_copy_only=False)
        return np.append(each, 0)[which]
    if kinds.is_struct(kind):
        return np.sum([np.zeros(len(column), np.int64), *map(sizes, column.flatten())], axis=0)
    if kinds.is_map(kind):
        column = column.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))
    if is_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        ends = np.cumsum(np.append(0, sizes(pc.list_flatten(column))))
        edges = ends[np.cumsum(np.append(0, lengths))]
        return np.diff(edges)
    if kinds.is_string(kind) or _any(_BINARY, kind) or kinds.is_large_string(kind):
        return pc.fill_null(pc.binary_length(column), 0).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.full(len(column), _OF_A_NUMBER, np.int64)


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    if kinds.is_dictionary(kind):
        return is_number(kind.value_type)
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind))


def holds_others(kind: pa.DataType) -> bool:
    """Whether values of a type are lists or objects."""
    return bool(kinds.is_struct(kind) or is_list(kind) or kinds.is_map(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are lists."""
    return _any(_LISTS, kind)


def _any(tests: tuple[Callable[[pa.DataType], bool], ...], kind: pa.DataType) -> bool:
    return any(test(kind) for test in tests)


def _plain(column: pa.Array) -> pa.Array:
    """The column decoded: no extension types, dictionaries or run-length encoding."""
    if isinstance(column, pa.ExtensionArray):
        if column.type.extension_name == "arrow.uuid":
            ids = (None if item is None else str(UUID(bytes=item)) for item in column.storage.to_pylist())
            return pa.array(ids, pa.string())
        return _plain(column.storage)
    if kinds.is_dictionary(column.type):
        return _plain(column.dictionary_decode())
    return _plain(pc.run_end_decode(column)) if kinds.is_run_end_encoded(column.type) else column


def _in_micros(moments: pa.Array) -> pa.Array:
    """In microseconds, if nothing is lost."""
    kind = moments.type
    # a moment of another zone is written in UTC
    zone = "UTC" if kind.tz else None
    return _if_whole(moments, pa.timestamp("us", zone), pa.timestamp(kind.unit, zone))


def _if_whole(column: pa.Array, kind: pa.DataType, other: pa.DataType | None = None) -> pa.Array:
    """A column as `kind`, or as `other`, its own by default, if something were lost."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return column.cast(other or column.type)
