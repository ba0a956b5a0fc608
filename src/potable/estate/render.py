"""Columns of numbers and days turned into columns of text, and those joined into file bodies.

Everything here works on whole Arrow arrays; the result of the last join is contiguous in memory, so a
file is written from the array's own buffer without a further copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.draws import Ints, Mask

_PAD2 = pa.array([f"{n:02d}" for n in range(100)])


def join(*parts: pa.Array | str) -> pa.Array:
    """Element-wise concatenation of string columns and constant texts (at least one column); null is ''."""
    pieces = [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement="")


def take(column: pa.Array, rows: Ints) -> pa.Array:
    """The given rows of a column."""
    return column.take(pa.array(rows))


def whole(values: Ints) -> pa.Array:
    """Integers as text."""
    return pa.array(values).cast(pa.string())


def digits(values: Ints, width: int) -> pa.Array:
    """Integers as text, padded with zeros on the left."""
    return pc.utf8_lpad(whole(values), width=width, padding="0")


def hundredths(values: Ints) -> pa.Array:
    """Non-negative integers of hundredths as text with two decimals: 123456 is `1234.56`."""
    return join(whole(values // 100), ".", take(_PAD2, values % 100))


def tenths(values: Ints) -> pa.Array:
    """Non-negative integers of tenths as text with one decimal."""
    return join(whole(values // 10), ".", whole(values % 10))


def dates(days: Ints) -> pa.Array:
    """Days since 1970 as an Arrow date column; days from calendar.NEVER on are null."""
    return pa.array(days.astype(np.int32), pa.int32(), mask=days >= 1 << 30).cast(pa.date32())


def moments(seconds: Ints) -> pa.Array:
    """Seconds since 1970 as an Arrow timestamp column."""
    return pa.array(seconds).cast(pa.timestamp("s"))


def iso_days(days: Ints) -> pa.Array:
    """`2019-03-01` per day."""
    return dates(days).cast(pa.string())


def german_days(days: Ints) -> pa.Array:
    """`01.03.2019` per day."""
    iso = iso_days(days)
    cut = [pc.utf8_slice_codeunits(iso, *span) for span in ((8, 10), (5, 7), (0, 4))]
    return join(cut[0], ".", cut[1], ".", cut[2])


def iso_moments(seconds: Ints, between: str = " ", after: str = "") -> pa.Array:
    """`2019-03-01 08:15:00` per moment, with another separator and ending where asked."""
    text = moments(seconds).cast(pa.string())
    if between == " ":
        return join(text, after) if after else text
    return join(pc.utf8_slice_codeunits(text, 0, 10), between, pc.utf8_slice_codeunits(text, 11, 19), after)


def put(column: pa.Array, rows: Ints, values: pa.Array | str | None) -> pa.Array:
    """The column with the given rows replaced: by one text, by null, or by one value each (in row order)."""
    if not len(rows):
        return column
    if values is None or isinstance(values, str):
        values = pa.array([values] * len(rows), column.type)
    mask: Mask = np.zeros(len(column), dtype=np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


def edit(column: pa.Array, rows: Ints, pattern: Sequence[str]) -> pa.Array:
    """The column with its own text in the given rows set between two texts, such as blanks."""
    return put(column, rows, join(pattern[0], take(column, rows), pattern[1])) if len(rows) else column


def xml_escaped(column: pa.Array) -> pa.Array:
    """The column with &, < and > as XML entities."""
    for raw, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        column = pc.replace_substring(column, raw, entity)
    return column


def json_escaped(column: pa.Array) -> pa.Array:
    """The column with backslash, quote and newline escaped for a JSON string."""
    for raw, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        column = pc.replace_substring(column, raw, escape)
    return column


def quoted(column: pa.Array) -> pa.Array:
    """CSV fields in double quotes, quotes inside doubled."""
    return join('"', pc.replace_substring(column, '"', '""'), '"')


def body(column: pa.Array) -> memoryview:
    """The bytes of a string column without nulls, one value after the other, not copied."""
    if not len(column):
        return memoryview(b"")
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)
    first, last = offsets[column.offset], offsets[column.offset + len(column)]
    return memoryview(column.buffers()[2])[first:last]


def pieces(size: int, length: int) -> list[Ints]:
    """The row numbers 0 … size-1 in consecutive blocks of at most `length`."""
    edges = [*range(0, size, length), size]
    return [np.arange(low, high, dtype=np.int64) for low, high in pairwise(edges)]
