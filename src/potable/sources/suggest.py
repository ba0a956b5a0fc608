"""Types and promises suggested for columns of texts, each with its evidence in numbers.

A type is suggested where nearly all values fit, for real data has mistakes, and the evidence counts those that do
not. It quotes no value but those that many records share.
Entry: `suggested` for one column, `keys` for columns that tell records apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

from potable.sources.typed import clean, convert
from potable.tables import Column

_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y", "%d.%m.%Y %H:%M", "%Y%m%d")
"""Forms of dates beside ISO 8601, those that start with the day first."""
_FEW, _SHARED = 20, 20
"""Most words of a set, and records that must share each before it is quoted."""
_ENOUGH = 20
"""Values from which anything is said about all of them."""
_FIT = 0.98
"""Share of the values a type must fit."""


@dataclass(frozen=True)
class Suggestion:
    """What a column may be declared as."""

    type: str
    format: str = ""
    """strptime form of a date or timestamp that is not ISO 8601."""
    required: bool = False
    words: tuple[str, ...] = ()
    """The words of a small set, most frequent first."""
    at_least_zero: bool = False
    evidence: str = ""
    """What it is taken from, without a value."""


def suggested(texts: pa.StringArray) -> Suggestion:
    """What the values of a column bear out.

    Args:
        texts: the cells as text; empty ones count as null.
    """
    values = pc.drop_null(clean(Column(), texts))
    filled, distinct = len(values), pc.count_distinct(values).as_py()
    evidence = f"{filled:,} of {len(texts):,} filled, {_distinct(filled, distinct)}"
    if not filled:
        return Suggestion("string", evidence="no value was seen")
    kind, form, misfits = _type(values)
    evidence += f", {misfits:,} no {kind}" if misfits else ""
    number = kind == "integer" or kind.startswith(("decimal", "float"))
    nonnegative = number and filled >= _ENOUGH and not pc.any(pc.starts_with(values, "-")).as_py()
    words = _words(values, distinct) if kind == "string" else ()
    return Suggestion(kind, form, filled == len(texts) >= _ENOUGH, words, nonnegative, evidence)


def keys(columns: Mapping[str, pa.StringArray], likely: Sequence[str]) -> tuple[str, ...]:
    """The fewest columns, one or two, that tell all records apart; none where there are too few records.

    Args:
        columns: the cells by column, all of one length.
        likely: columns to try first: what tells people, documents and days apart.
    """
    order = [*likely, *(name for name in columns if name not in likely)]
    rows = len(next(iter(columns.values()), ()))
    if rows < _ENOUGH:
        return ()
    full = [name for name in order if not columns[name].null_count]
    for name in full:
        if pc.count_distinct(columns[name]).as_py() == rows:
            return (name,)
    for pair in combinations([name for name in full if name in likely], 2):
        together = pa.table({name: columns[name] for name in pair}).group_by(list(pair)).aggregate([])
        if together.num_rows == rows:
            return pair
    return ()


def _type(values: pa.StringArray) -> tuple[str, str, int]:
    """The narrowest type that the values fit, the form of dates, and how many values do not fit."""
    if _numbered(values):
        return "string", "", 0
    scale = _scale(values)
    tries = ["integer", *([f"decimal({max(12, scale + 10)},{scale})"] if 0 < scale <= 6 else []), "float"]
    found = [(kind, "") for kind in (*tries, "boolean", "date", "timestamp")]
    found += [("timestamp" if "%H" in form else "date", form) for form in _FORMATS]
    misfits = {(kind, form): convert(Column(type=kind, format=form or []), values).null_count for kind, form in found}
    kind, form = min(misfits, key=misfits.__getitem__)
    missed = misfits[kind, form]
    return (kind, form, missed) if missed <= len(values) * (1 - _FIT) else ("string", "", 0)


def _numbered(values: pa.StringArray) -> bool:
    """Whether digits are names: with zeros in front, or too long for a number."""
    found: bool = pc.any(pc.match_substring_regex(values, r"^(0[0-9]+|[0-9]{16,})$")).as_py()
    return found


def _scale(values: pa.StringArray) -> int:
    """Most digits behind a decimal point; 0 where there is none, or an exponent."""
    if pc.any(pc.match_substring(values, "e", ignore_case=True)).as_py():
        return 0
    behind = pc.utf8_length(pc.struct_field(pc.extract_regex(values, r"\.(?P<d>[0-9]+)$"), [0]))
    scale: int = pc.max(behind).as_py() or 0
    return scale


def _words(values: pa.StringArray, distinct: int) -> tuple[str, ...]:
    if distinct > _FEW:
        return ()
    counted = sorted(((item["counts"], item["values"]) for item in pc.value_counts(values).to_pylist()), reverse=True)
    return tuple(word for _, word in counted) if counted[-1][0] >= _SHARED else ()


def _distinct(filled: int, distinct: int) -> str:
    return "all distinct" if filled > 1 and distinct == filled else f"{distinct:,} distinct"
