"""Texts to typed columns, the same on every engine and for every kind of source.

Every connector hands over columns of strings (or `cells`); here they become integers, decimals, dates and so on, by
fixed lexical forms. A reader that knows what such a text would become may hand over that instead (`jsonarrow`). A cell
that does not fit becomes null and its original text is kept in `_unparsed`, so that nothing is lost and nothing is
guessed. What a text means never depends on its neighbours.

Entry: `typed` for consecutive rows, `typed_at` where ordinals are given, `untyped` for records nobody can read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from potable.columns import ACCOUNTING, pair_of_words
from potable.sources.amounts import amounts
from potable.sources.cells import Cells, Texts
from potable.sources.cells import texts as as_texts
from potable.sources.encodings import ODD, readable
from potable.sources.moments import moments
from potable.tables import MISTYPED, OBJECT, PARSING, ROW, UNPARSED, Column, Table

_INTEGER = r"^[+-]?0*\d{1,18}$"
_FLOAT = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d*)?([eE][+-]?\d{1,3})?$"
_LONGEST_PLAIN = 18
"""Signs of a whole number that is surely in reach."""
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")

BLANKS = [
    *map(chr, range(0x21)),
    *"\x85\xa0\u1680",
    *map(chr, range(0x2000, 0x200B)),
    *"\u2028\u2029\u202f\u205f\u3000",
]
"""Characters that may be blanks, and control characters."""
_BYTES = np.arange(256)
_BLANK_STARTS = np.isin(_BYTES, [blank.encode()[0] for blank in BLANKS])
_BLANK_ENDS = np.isin(_BYTES, [blank.encode()[-1] for blank in BLANKS])
"""Bytes a text that is blank at an end starts or ends with; others may too, so that these only raise a suspicion."""
_FIRST_SIGN, _LAST_SIGN = ord("!"), ord("~")
"""Between them, both included, no byte is part of a blank."""
_SHORT = 64
"""Bytes a text may have on average if all are to be read."""
_Read: TypeAlias = tuple[pa.Array, tuple[pa.Array, Texts] | None]


def schema(table: Table) -> pa.Schema:
    """Schema of a parsed table: its columns and the parsing columns."""
    return pa.schema([*table.schema, *PARSING])


def typed(table: Table, texts: Mapping[str, Cells], name: str, *, first: int = 1, rows: int = -1) -> pa.RecordBatch:
    """One batch of typed rows.

    Args:
        table: the contract.
        texts: arrays of one length by column name; a column that is absent is null.
        name: the object's name; also the text of columns with path `@object`.
        first: ordinal of the first row in its object.
        rows: number of rows, needed only where `texts` may be empty.
    """
    length = len(next(iter(texts.values()))) if texts else rows
    ordinals = pa.array(np.arange(first, first + length, dtype=np.int64))
    return typed_at(table, texts, name, ordinals)


def typed_at(table: Table, texts: Mapping[str, Cells], name: str | Texts, ordinals: pa.Array) -> pa.RecordBatch:
    """Like `typed`, for rows whose ordinals are given; also for rows of several objects."""
    length = len(ordinals)
    names = pa.repeat(name, length) if isinstance(name, str) else name
    columns: dict[str, pa.Array] = {}
    failed: dict[str, tuple[pa.Array, Texts]] = {}
    for column_name, column in table.columns.items():
        text = texts.get(column_name)
        if "@object" in column.paths(column_name):
            columns[column_name], bad = _cells_of_names(column, names)
        else:
            columns[column_name], bad = _cells(column, text if text is not None else pa.nulls(length, pa.string()))
        if bad is not None:
            failed[column_name] = bad
    unparsed, mistyped = _failures(table, failed, length)
    columns |= {OBJECT: names, ROW: ordinals, UNPARSED: unparsed, MISTYPED: mistyped}
    return pa.record_batch(columns, schema=schema(table))


def typed_spared(
    table: Table, texts: Mapping[str, Texts], name: str, ordinals: pa.Array, encoding: str
) -> pa.RecordBatch:
    """Like `typed_at`, for texts of which some have bytes that are not of their `encoding` (`encodings.ODD`)."""
    kept, lost = dict(texts), dict[str, dict[int, str]]()
    for column, text in texts.items():
        odd = pc.fill_null(pc.match_substring_regex(text, ODD), False)
        lost[column] = {row: readable(text[row].as_py()) for row in pc.indices_nonzero(odd).to_pylist()}
        if lost[column]:
            kept[column] = pc.if_else(odd, pa.scalar(None, pa.string()), text)
    reason = f"not {encoding.removesuffix('-sig').upper()}"
    return with_lost(table, typed_at(table, kept, name, ordinals), lost, reason)


def untyped(
    table: Table,
    names: str | Sequence[str],
    ordinals: Sequence[int],
    originals: Sequence[str],
    reasons: Sequence[str] = (),
) -> pa.RecordBatch:
    """Records that could not be read at all, as a batch: the place of each, and its whole text for the quarantine.

    Args:
        names: the object they are from, or that of each.
        reasons: why each could not be read, without values and without commas.
    """
    length = len(originals)
    columns: dict[str, pa.Array] = {field.name: pa.nulls(length, field.type) for field in schema(table)}
    columns[OBJECT] = pa.repeat(names, length) if isinstance(names, str) else pa.array(names, pa.string())
    columns[ROW] = pa.array(ordinals, pa.int64())
    columns[UNPARSED] = as_texts([json.dumps({"@record": text}, ensure_ascii=False) for text in originals])
    told = [f"@record: {reason}" for reason in reasons]
    columns[MISTYPED] = as_texts(told) if told else pa.repeat("@record", length)
    return pa.record_batch(columns, schema=schema(table))


def with_lost(
    table: Table, batch: pa.RecordBatch, lost: Mapping[str, Mapping[int, str]], reason: str
) -> pa.RecordBatch:
    """A typed batch with cells, null so far, that hold something else than a value.

    Args:
        lost: what is kept of each such cell, by column and row of the batch.
        reason: why it is no value, without commas and semicolons.
    """
    if not any(lost.values()):
        return batch
    unparsed, mistyped = (batch.column(name).to_pylist() for name in (UNPARSED, MISTYPED))
    for name, rows in lost.items():
        for row, text in rows.items():
            unparsed[row] = json.dumps({**json.loads(unparsed[row] or "{}"), name: text}, ensure_ascii=False)
            if table.columns[name].on_error == "quarantine":
                mistyped[row] = ",".join(filter(None, (mistyped[row], f"{name}: {reason}")))
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns |= {UNPARSED: pa.array(unparsed, pa.string()), MISTYPED: pa.array(mistyped, pa.string())}
    return pa.record_batch(columns, schema=batch.schema)


def _cells(column: Column, cells: Cells) -> _Read:
    """The typed cells of a column; beside them where a text could not be read, and the texts."""
    if not isinstance(cells, pa.StructArray):
        return _read(column, cells) if pa.types.is_string(cells.type) else (cells, None)
    of_numbers = column.model_copy(update={"decimal": "."})
    text, number = cells.flatten()
    if column.type == "string" and column.decimal == ",":
        # what looks at a column's texts to tell its type wants all of them in one form
        return _read(of_numbers, pc.coalesce(text, pc.replace_substring(number, ".", ",")))
    (value, bad), (other, odd) = _read(column, text), _read(of_numbers, number)
    if bad and odd:
        bad = pc.or_(bad[0], odd[0]), pc.coalesce(bad[1], odd[1])
    return pc.coalesce(value, other), bad or odd


def _read(column: Column, text: Texts) -> _Read:
    """`_cells` of texts."""
    text = clean(column, text)
    if not column.extract:
        value = convert(column, text)
        if value.null_count == text.null_count:
            return value, None
        return value, (pc.and_(pc.is_valid(text), pc.is_null(value)), text)
    found = extract(column, text)
    inner = clean(column, found)
    value = convert(column, inner)
    bad = pc.or_(pc.and_(pc.is_valid(text), pc.is_null(found)), pc.and_(pc.is_valid(inner), pc.is_null(value)))
    return value, (bad, text) if pc.any(bad).as_py() else None


def _cells_of_names(column: Column, names: Texts) -> _Read:
    """`_cells` of names of objects, which many rows have in common."""
    coded = names.dictionary_encode()
    value, bad = _cells(column, coded.dictionary)
    value = pc.take(value, coded.indices)
    return value, bad and (pc.take(bad[0], coded.indices), pc.take(bad[1], coded.indices))


def clean(column: Column, text: Texts) -> Texts:
    """`text` without blanks around it; empty texts and declared placeholders are null."""
    blanks, empty = _edges(text)
    if blanks:
        text = pc.utf8_trim_whitespace(text)
    if not (blanks or empty or column.null_values):
        return text
    nothing = pc.equal(text, "")
    if column.null_values:
        nothing = pc.or_(nothing, pc.is_in(text, value_set=pa.array(column.null_values)))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), text) if pc.any(nothing).as_py() else text


def _edges(text: Texts) -> tuple[bool, bool]:
    """Whether a text may have blanks around it, and whether one is empty; looks at first and last bytes only."""
    if not isinstance(text, pa.StringArray) or not len(text):
        return True, True
    _, places, data = text.buffers()
    ends = np.frombuffer(places, np.int32, len(text) + 1, 4 * text.offset)
    filled = ends[1:] > ends[:-1]
    empty = not filled.all()
    signs = np.frombuffer(data or b"", np.uint8)
    if _without_blanks(signs[ends[0] : ends[-1]], len(text)):
        return False, empty
    first, last = (ends[:-1][filled], ends[1:][filled] - 1) if empty else (ends[:-1], ends[1:] - 1)
    return bool(_BLANK_STARTS[signs[first]].any() or _BLANK_ENDS[signs[last]].any()), empty


def _without_blanks(signs: npt.NDArray[np.uint8], texts: int) -> bool:
    """Whether so many texts surely hold no blank at all; of long ones it is quicker to look at their ends."""
    few = len(signs) < _SHORT * texts
    return not len(signs) or bool(few and signs.min() >= _FIRST_SIGN and signs.max() <= _LAST_SIGN)


def extract(column: Column, text: Texts) -> Texts:
    """What the column's pattern finds in `text`; null where it does not match."""
    pattern = column.extract or "(.*)"
    return pc.struct_field(pc.extract_regex(text, pattern.replace("(", "(?P<value>", 1)), [0])


def convert(column: Column, text: Texts) -> pa.Array:
    """`text` (cleaned) as the column's type; what does not fit is null."""
    if column.levels:
        return _levels(text, tuple(column.levels))
    if column.format == ACCOUNTING:
        text = _accounted(text, column.decimal)
    elif column.decimal == "," and column.type != "string":
        text = _pointed(text)
    match column.type:
        case "string":
            return text
        case "date" | "timestamp":
            return moments(text, column.formats, column.arrow, column.timezone, years_from=column.years_from)
        case "boolean":
            return _booleans(text, column.formats)
    if (quick := _plain_numbers(text, column.arrow)) is not None:
        return quick
    match column.type:
        case "integer":
            return _cast(pc.utf8_ltrim(_fitting(text, _INTEGER), "+"), column.arrow)
        case "float":
            value = _cast(_fitting(text, _FLOAT), column.arrow)
            return pc.if_else(pc.is_inf(value), pa.scalar(None, column.arrow), value)
        case _:
            return _cast(_fitting(text, _decimal_form(column.arrow)), column.arrow)


def _plain_numbers(text: Texts, kind: pa.DataType) -> pa.Array | None:
    """All of `text` at once, where it is so plain that what Arrow reads is of our forms; None where it may not be."""
    longest = _LONGEST_PLAIN
    if pa.types.is_decimal(kind):
        # where there are no places, Arrow reads `.0` and we do not; with more than 38 digits it overflows in silence
        longest = kind.scale and min(38 - kind.precision + kind.scale, 38 - kind.scale)
    if not longest or not isinstance(text, pa.StringArray) or not len(text):
        return None
    _, places, data = text.buffers()
    ends = np.frombuffer(places, np.int32, len(text) + 1, 4 * text.offset)
    signs = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]
    # signs, points, digits, and a comma and a slash, at which Arrow fails
    if not len(signs) or signs.min() < ord("+") or signs.max() > ord("9") or np.diff(ends).max() > longest:
        return None
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        return None


def _pointed(text: Texts) -> Texts:
    """Numbers with a decimal comma as numbers with a point; what is none of them is null."""
    text = _fitting(text, _COMMA)
    return pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")


def _accounted(text: Texts, decimal: str) -> Texts:
    """Amounts as numbers with a point; each distinct text once, since most stand many times."""
    coded = text.dictionary_encode()
    found = amounts(coded.dictionary, decimal)
    return pc.take(found, coded.indices)


def _fitting(text: Texts, form: str) -> Texts:
    fits = pc.match_substring_regex(text, form)
    return text if pc.all(fits).as_py() else pc.if_else(fits, text, pa.scalar(None, pa.string()))


def _cast(text: Texts, kind: pa.DataType) -> pa.Array:
    """`text` as `kind`; null where a text of the right form is still too much for it."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([_cast_one(item, kind) for item in text], kind)


def _cast_one(item: pa.Scalar, kind: pa.DataType) -> object:
    try:
        return item.cast(kind).as_py()
    except pa.ArrowInvalid:
        return None


def _booleans(text: Texts, pairs: Sequence[str]) -> pa.BooleanArray:
    true, false = zip(*map(pair_of_words, pairs), strict=True) if pairs else (_TRUE, _FALSE)
    lower = pc.utf8_lower(text)
    yes = pc.is_in(lower, value_set=pa.array(true))
    known = pc.is_in(lower, value_set=pa.array(true + false))
    return pc.if_else(known, yes, pa.scalar(None, pa.bool_()))


def _decimal_form(kind: pa.Decimal128Type) -> str:
    """Digits that fit the type; zeros before and behind them do not count."""
    whole, scale = kind.precision - kind.scale, kind.scale
    # Arrow reads more than 38 digits as another number
    zeros = f"0{{0,{38 - kind.precision}}}"
    digits = rf"0*\d{{1,{whole}}}" if whole else "0+"
    places = rf"\d{{0,{scale}}}{zeros}" if scale else zeros
    alone = rf"|\.\d{{1,{scale}}}{zeros}" if scale else ""
    return rf"^[+-]?(?:{digits}(?:\.{places})?{alone})$"


def _levels(text: Texts, levels: tuple[str, ...]) -> pa.Array:
    known = pa.array([level.lower() for level in levels])
    return pc.take(pa.array(levels), pc.index_in(pc.utf8_lower(text), value_set=known))


def _failures(table: Table, failed: Mapping[str, tuple[pa.Array, Texts]], length: int) -> tuple[Texts, Texts]:
    """`_unparsed` and `_mistyped` of a batch; Python touches only the rows that failed."""
    originals: dict[int, dict[str, str]] = {}
    for name, (mask, text) in failed.items():
        for row in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
            originals.setdefault(row, {})[name] = text[row].as_py()
    unparsed: list[str | None] = [None] * length
    mistyped: list[str | None] = [None] * length
    for row, cells in originals.items():
        unparsed[row] = json.dumps(cells, ensure_ascii=False)
        costly = [name for name in cells if table.columns[name].on_error == "quarantine"]
        mistyped[row] = ",".join(costly) or None
    return pa.array(unparsed, pa.string()), pa.array(mistyped, pa.string())
