"""Texts to typed columns, the same on every engine and for every kind of source.

Every connector hands over columns of strings; here they become integers, decimals, dates and so on, by
fixed lexical forms. A cell that does not fit becomes null and its original text is kept in `_unparsed`,
so that nothing is lost and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.tables import MISTYPED, OBJECT, PARSING, ROW, UNPARSED, Column, Table

_INTEGER = r"^[+-]?\d{1,18}$"
_FLOAT = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_ISO_DATE = "%Y-%m-%d"
_ISO_TIMES = ("%Y-%m-%dT%H:%M:%S%f%z", "%Y-%m-%d %H:%M:%S%f%z", "%Y-%m-%d")
_DIRECTIVES = {
    "%Y": r"(?P<year>\d{4})",
    "%m": r"(?P<month>\d{1,2})",
    "%d": r"(?P<day>\d{1,2})",
    "%H": r"(?P<hour>\d{1,2})",
    "%M": r"(?P<minute>\d{1,2})",
    "%S": r"(?P<second>\d{1,2})",
    "%f": r"(?:[.,](?P<fraction>\d{1,9}))?",
    "%z": r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
}

Texts = pa.StringArray


def schema(table: Table) -> pa.Schema:
    """Schema of a parsed table: its columns and the parsing columns."""
    return pa.schema([*table.schema, *PARSING])


def typed(table: Table, texts: Mapping[str, Texts], name: str, *, first: int = 1) -> pa.RecordBatch:
    """One batch of typed rows.

    Args:
        table: the contract.
        texts: string arrays of one length by column name; a column that is absent is null.
        name: the object's name; also the text of columns with path `@object`.
        first: ordinal of the first row in its object.
    """
    length = len(next(iter(texts.values())))
    ordinals = pa.array(np.arange(first, first + length, dtype=np.int64))
    return typed_at(table, texts, name, ordinals)


def typed_at(table: Table, texts: Mapping[str, Texts], name: str, ordinals: pa.Array) -> pa.RecordBatch:
    """Like `typed`, for rows whose ordinals are given."""
    length = len(ordinals)
    columns: dict[str, pa.Array] = {}
    failed: dict[str, tuple[pa.Array, Texts]] = {}
    for column_name, column in table.columns.items():
        text = pa.repeat(name, length) if column.path == "@object" else texts.get(column_name)
        text = clean(column, text if text is not None else pa.nulls(length, pa.string()))
        value = convert(column, text)
        columns[column_name] = value
        if value.null_count > text.null_count:
            failed[column_name] = (pc.and_(pc.is_valid(text), pc.is_null(value)), text)
    unparsed, mistyped = _failures(table, failed, length)
    columns |= {OBJECT: pa.repeat(name, length), ROW: ordinals, UNPARSED: unparsed, MISTYPED: mistyped}
    return pa.record_batch(columns, schema=schema(table))


def clean(column: Column, text: Texts) -> Texts:
    """`text` extracted, without blanks around it; empty texts and declared placeholders are null."""
    if column.extract:
        text = pc.struct_field(pc.extract_regex(text, column.extract.replace("(", "(?P<value>", 1)), [0])
    text = pc.utf8_trim_whitespace(text)
    nothing = pc.equal(text, "")
    if column.null_values:
        nothing = pc.or_(nothing, pc.is_in(text, value_set=pa.array(column.null_values)))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), text)


def convert(column: Column, text: Texts) -> pa.Array:
    """`text` as the column's type; what does not fit is null."""
    if column.levels:
        return _levels(text, tuple(column.levels))
    kind = column.type
    if kind == "string":
        return text
    if kind in ("date", "timestamp"):
        return _moments(column, text)
    if kind == "boolean":
        lower = pc.utf8_lower(text)
        yes = pc.is_in(lower, value_set=pa.array(_TRUE))
        known = pc.is_in(lower, value_set=pa.array(_TRUE + _FALSE))
        return pc.if_else(known, yes, pa.scalar(None, pa.bool_()))
    form = {"integer": _INTEGER, "float": _FLOAT}.get(kind) or _decimal_form(column.arrow)
    return _where(text, pc.match_substring_regex(text, form)).cast(column.arrow)


def _where(text: Texts, fits: pa.BooleanArray) -> Texts:
    return pc.if_else(fits, text, pa.scalar(None, pa.string()))


def _decimal_form(kind: pa.Decimal128Type) -> str:
    whole, scale = kind.precision - kind.scale, kind.scale
    fraction = rf"(\.\d{{0,{scale}}}0*)?" if scale else r"(\.0*)?"
    return rf"^[+-]?\d{{1,{whole}}}{fraction}$"


def _levels(text: Texts, levels: tuple[str, ...]) -> pa.Array:
    known = pa.array([level.lower() for level in levels])
    return pc.take(pa.array(levels), pc.index_in(pc.utf8_lower(text), value_set=known))


def _moments(column: Column, text: Texts) -> pa.Array:
    """Dates and timestamps: the fast way where all texts are ISO, the declared forms one by one elsewhere."""
    if not column.formats:
        try:
            return text.cast(column.arrow)
        except pa.ArrowInvalid:
            pass
    formats = (*column.formats, *((_ISO_DATE,) if column.type == "date" else _ISO_TIMES))
    found = pa.nulls(len(text), pa.timestamp("us"))
    for form in formats:
        if found.null_count == text.null_count:
            break
        found = pc.coalesce(found, _by_form(text, form))
    return found.cast(column.arrow, safe=False) if column.type == "date" else found


def _by_form(text: Texts, form: str) -> pa.Array:
    parts = pc.extract_regex(text, _form_regex(form))
    names = [field.name for field in parts.type]

    def numbers(name: str, default: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if name not in names:
            return np.full(len(text), default, dtype=np.int64)
        field = pc.struct_field(parts, [names.index(name)])
        field = pc.if_else(pc.equal(field, ""), pa.scalar(None, pa.string()), field)
        filled: np.ndarray[tuple[int], np.dtype[np.int64]] = pc.fill_null(field.cast(pa.int64()), default).to_numpy(
            zero_copy_only=False
        )
        return filled

    year, month, day = numbers("year", 1), numbers("month", 1), numbers("day", 1)
    hour, minute, second = numbers("hour", 0), numbers("minute", 0), numbers("second", 0)
    good_month = np.clip(month, 1, 12)
    start = ((year - 1970) * 12 + good_month - 1).astype("datetime64[M]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
    valid = (month == good_month) & (day >= 1) & (day <= length) & (hour < 24) & (minute < 60) & (second < 60)
    micros = start.astype("datetime64[us]").astype(np.int64)
    micros += ((((day - 1) * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000
    micros += _fractions(parts, names) - _zones(parts, names)
    mask = ~(valid & pc.is_valid(parts).to_numpy(zero_copy_only=False))
    return pa.array(micros, mask=mask).cast(pa.timestamp("us"))


def _fractions(parts: pa.StructArray, names: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | int:
    if "fraction" not in names:
        return 0
    digits = pc.utf8_rpad(pc.fill_null(pc.struct_field(parts, [names.index("fraction")]), ""), 6, "0")
    micros: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        pc.utf8_slice_codeunits(digits, 0, 6).cast(pa.int64()).to_numpy(zero_copy_only=False)
    )
    return micros


def _zones(parts: pa.StructArray, names: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | int:
    """Offsets from UTC in microseconds; no zone counts as UTC."""
    if "zone" not in names:
        return 0
    zones = pc.fill_null(pc.struct_field(parts, [names.index("zone")]), "")
    known = {zone: _offset(zone) for zone in pc.unique(zones).to_pylist()}
    offsets = pa.array(list(known.values()), pa.int64())
    found = pc.take(offsets, pc.index_in(zones, value_set=pa.array(list(known), pa.string())))
    micros: np.ndarray[tuple[int], np.dtype[np.int64]] = found.to_numpy(zero_copy_only=False)
    return micros


def _offset(zone: str) -> int:
    if zone in ("", "Z"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return minutes * 60_000_000 * (-1 if zone[0] == "-" else 1)


@cache
def _form_regex(form: str) -> str:
    pieces = re.split(r"(%[YmdHMSfz])", form)
    return "^" + "".join(_DIRECTIVES.get(piece) or re.escape(piece) for piece in pieces) + "$"


def _failures(table: Table, failed: Mapping[str, tuple[pa.Array, Texts]], length: int) -> tuple[Texts, Texts]:
    """`_unparsed` and `_mistyped` of a batch; Python touches only the rows that failed."""
    originals: dict[int, dict[str, str]] = {}
    for name, (mask, text) in failed.items():
        for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)):
            originals.setdefault(int(row), {})[name] = text[int(row)].as_py()
    unparsed: list[str | None] = [None] * length
    mistyped: list[str | None] = [None] * length
    for row, cells in originals.items():
        unparsed[row] = json.dumps(cells, ensure_ascii=False)
        costly = [name for name in cells if table.columns[name].on_error == "quarantine"]
        mistyped[row] = ",".join(costly) or None
    return pa.array(unparsed, pa.string()), pa.array(mistyped, pa.string())
