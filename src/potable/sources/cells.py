"""Cells as readers hand them over: texts, or texts and numbers told apart.

A number of JSON, a database or a workbook is as good as its text wherever a number has a point. Where a column declares
a comma (`decimal: ","`) it is not: the comma is of texts, and a number stays what it is. For such columns alone readers
hand over structs of `text` and `number`, of which one is null, instead of texts; for all others nothing is done.

Entry: `texts` makes the cells of a column; `apart` tells numbers apart, `number_of` says what a reader of records makes
of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from potable.tables import Table

Texts: TypeAlias = pa.StringArray
Cells: TypeAlias = pa.StringArray | pa.StructArray
_NOTHING = pa.scalar(None, pa.string())


class Number(str):
    """A number, as it is written."""

    __slots__ = ()


NumberType: TypeAlias = type[str]
"""What numbers become in a record: `Number`, or plain texts."""


def paths_told(table: Table) -> frozenset[str]:
    """Where the columns lie for which numbers are told apart."""
    wanted = ((name, column) for name, column in table.columns.items() if column.decimal == ",")
    return frozenset(path for name, column in wanted for path in column.paths(name))


def number_of(table: Table) -> NumberType:
    """What numbers become in a record: `Number` where they are told apart, else a text."""
    return Number if paths_told(table) else str


def texts(values: Sequence[str | None]) -> Texts:
    """`values` as an Arrow column, each a `whole` text."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value and whole(value) for value in values], pa.string())


def whole(text: str) -> str:
    """`text` as valid Unicode: half a character, cut by a system that counts in UTF-16, becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def apart(texts: Texts, numbers: Sequence[bool] | pa.BooleanArray | None = None) -> pa.StructArray:
    """Texts and numbers told apart.

    Args:
        texts: the texts of both.
        numbers: which of them are numbers; none by default.
    """
    if numbers is None:
        number, text = pa.nulls(len(texts), pa.string()), texts
    else:
        which = numbers if isinstance(numbers, pa.BooleanArray) else pa.array(numbers, pa.bool_())
        number, text = pc.if_else(which, texts, _NOTHING), pc.if_else(which, _NOTHING, texts)
    return pa.StructArray.from_arrays([text, number], ["text", "number"], mask=pc.is_null(texts))


def plain(cells: Cells) -> Texts:
    """The texts, whether numbers are told apart or not."""
    return pc.coalesce(*cells.flatten()) if isinstance(cells, pa.StructArray) else cells
