"""Suggests types and contract promises for columns of texts, each with its evidence in numbers.

A type is suggested where nearly all values fit, for real data has mistakes, and the evidence counts those that do
not. It quotes no value but those that many records share.
Entry: `suggested` for one column in memory, `tally` and `concluded` for one that comes in batches, `keys` for columns
that tell records apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from potable.columns import ACCOUNTING
from potable.sources.amounts import CODES, amounts
from potable.sources.databases.base import BITS, NOT_NULL
from potable.sources.typed import clean, convert
from potable.tables import Column

_FORMATS = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y", "%Y/%m/%d"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
    *("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
    *("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%Y%m%d"),
)
"""Forms of dates beside ISO 8601, those that start with the day first."""
FEW, SHARED = 20, 20
"""Most words of a set, and records that must share each before it is quoted."""
ENOUGH = 20
"""Values from which anything is said about all of them."""
_DAYS = ("date", "%Y%m%d")
_DAY = r"^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$"
"""Days without signs between; they are whole numbers too, but few whole numbers look so."""
_MONTHS = {
    "%m.%Y": r"^(0[1-9]|1[0-2])\.(19|20)[0-9]{2}$",
    "%m/%Y": r"^(0[1-9]|1[0-2])/(19|20)[0-9]{2}$",
    "%Y-%m": r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$",
}
"""Forms of months, which are dates (the first of the month); `06.2023` is a number too, but few numbers look so."""
_EPOCH = ("timestamp", "unix_ms")
_MILLISECONDS = r"^1[0-9]{12}$"
"""Milliseconds since 1970, from 2001 to 2033."""
_AMOUNTS = {decimal: f"{ACCOUNTING} {decimal}" for decimal in ".,"}
"""Amounts by the sign before their fraction, as counts of them are named."""
_MONEY = rf"\p{{Sc}}|(^|[^A-Za-z])({CODES.replace(' ', '|')})([^A-Za-z]|$)|[.,][0-9]{{1,2}}([^0-9]|$)"
"""A currency, or cents; not the three capitals before a number of policies or invoices (`POL-1000123`)."""
_THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]"
"""Commas between thousands, for behind them stands a point."""
_FIT = 0.98
"""Share of the values a type must fit."""
_MOSTLY = 0.8
"""Share of the values that a type must fit to be named, though it is not suggested."""
_DECIMAL = "decimal"
_CANDIDATES = (
    *((kind, "") for kind in ("integer", _DECIMAL, "float", "boolean", "date", "timestamp")),
    *(("timestamp" if "%M" in form else "date", form) for form in _FORMATS),
)
"""Types that are tried, the narrowest first, with the form of dates."""
_WHOLE = r"^[+-]?0*(?P<d>[0-9]+)"
_COMMA = "float ,"
"""Numbers with a decimal comma, which point and comma tell from others."""
_FRACTIONS = (
    r"^[+-]?[0-9]*,([0-9]{1,2}|[0-9]{4,})([eE]|$)",
    r"^[+-]?[0-9]{1,3}(\.[0-9]{3})+,",
    r"^[+-]?(0[0-9]*|[0-9]{4,})?,[0-9]",
)
"""Commas that stand before a fraction; one before three digits (`1,234`) may stand between thousands."""
_CHANGED = re.compile(
    r"((sys|row|record|rec|db|meta)_)?(last_?)?(update|updated|modify|modified|modification|change|changed|recorded|write)"
    r"(_?(at|on|date|time|datetime|ts|timestamp|stamp|utc))|systemmodstamp|last_?(updated|modified|changed|update|change)"
    r"|(updated|modified|changed|recorded)"
)
"""Names of columns that a system sets whenever it writes a record; of those set once, as `created_at`, none."""
_NUMBERS = re.compile(r"(.*_)?(id|uuid|guid)")
_PAIRS = ("J/N", "ja/nein", "O/N", "oui/non", "S/N", "sí/no", "si/no", "sim/não", "wahr/falsch", "vrai/faux", "on/off")
"""Words for true and false that a `format` must declare."""
_MOST = "most "
"""How the names of counts begin that are the most of any value."""


_Sign: TypeAlias = Literal[".", ","]


@dataclass(frozen=True)
class Suggestion:
    """What a column may be declared as."""

    type: str
    format: str = ""
    """strptime form of a date or timestamp that is not ISO 8601."""
    decimal: _Sign = "."
    """Sign before the fraction of a number."""
    required: bool = False
    words: tuple[str, ...] = ()
    """The words of a small set, most frequent first."""
    null_values: tuple[str, ...] = ()
    """Placeholders that were taken for no value."""
    at_least_zero: bool = False
    evidence: str = ""
    """What it is taken from, without a value."""


def tells_of_changes(name: str) -> bool:
    """Whether a column, by its name in snake_case, tells when a record was changed or recorded."""
    return bool(_CHANGED.fullmatch(name))


def numbers_records(name: str) -> bool:
    """Whether a column, by its name in snake_case, tells records apart, and not what they are about."""
    return bool(_NUMBERS.fullmatch(name))


def is_amount(kind: str) -> bool:
    """Whether values of a type measure something, so that they tell records apart by chance only."""
    return kind.startswith((_DECIMAL, "float"))


def suggested(texts: pa.StringArray, promised: Sequence[str] = (), *, commas: bool = False) -> Suggestion:
    """What the values of a column bear out.

    Args:
        texts: the cells as text; empty ones count as null.
        promised: what its system says of the column.
        commas: whether other columns of the table have a decimal comma, so that a point stands between thousands.
    """
    values = pc.drop_null(clean(Column(), texts))
    distinct = pc.count_distinct(values).as_py()
    counts = tally(texts)
    grouped = commas and counts[f"{_MOST}scale"] == 3 and not counts[f"misfits {_COMMA}"]
    found = concluded({**counts, "fractions": counts["filled"]} if grouped else counts, distinct=distinct)
    # a text that may not be null may still be empty, which counts as missing
    if NOT_NULL in promised and len(values) == len(texts):
        found = replace(found, required=True, evidence=f"{found.evidence}, {NOT_NULL} in its database")
    if BITS in promised:
        return Suggestion("string", required=found.required, evidence=f"{found.evidence}, {BITS} in its database")
    if found.type != "string":
        return found
    if pair := _pair(values, distinct):
        return replace(found, type="boolean", format=pair)
    return replace(found, words=_words(values, distinct), evidence=found.evidence + _nearly(counts))


def _nearly(found: Mapping[str, int]) -> str:
    """What most values are, where too many are something else for a type."""
    kind, form, _, misfits = _type(found, _MOSTLY)
    told = f"{kind} ({form})" if form else kind
    return f", {found['filled'] - misfits:,} of them {told}" if found["filled"] and kind != "string" else ""


def tally(texts: pa.StringArray) -> dict[str, int]:
    """Counts of a column's cells, from which `concluded` tells its type; those of batches add up by `added`."""
    values = pc.drop_null(clean(Column(), texts))
    counts = {
        "rows": len(texts),
        "filled": len(values),
        "numbered": _matching(values, r"^(0[0-9]+|[0-9]{16,}|[+][0-9]{7,})$"),
        "days": _matching(values, _DAY),
        **{f"months {form}": _matching(values, pattern) for form, pattern in _MONTHS.items()},
        "milliseconds": _matching(values, _MILLISECONDS),
        "exponent": _matching(values, "[eE]"),
        "negative": _matching(values, "^-"),
        f"{_MOST}scale": _longest(values, r"\.(?P<d>[0-9]+)$"),
        f"{_MOST}whole": _longest(values, _WHOLE),
        f"{_MOST}grouped": _longest(pc.replace_substring(values, ".", ""), _WHOLE),
        "commas": _matching(values, ",[0-9]"),
        "fractions": sum(_matching(values, form) for form in _FRACTIONS),
        f"{_MOST}fraction": _longest(values, r",(?P<d>[0-9]+)$"),
        "characters": pc.sum(pc.utf8_length(values)).as_py() or 0,
    }
    for kind, form in _CANDIDATES:
        column = Column(type="decimal(38,6)" if kind == _DECIMAL else kind, format=form or [])
        counts[f"misfits {kind} {form}"] = convert(column, values).null_count
    counts[f"misfits {_COMMA}"] = convert(Column(type="float", decimal=","), values).null_count
    return counts | _amounts(values)


def _amounts(values: pa.StringArray) -> dict[str, int]:
    """Counts of texts that may be amounts."""
    counts = {"money": _matching(values, _MONEY), "marked": _matching(values, "[.,]")}
    counts["thousands"] = _matching(values, _THOUSANDS)
    for decimal, name in _AMOUNTS.items():
        likely = counts["money"] or counts["thousands"]
        found = amounts(values, decimal) if likely else pa.nulls(len(values), pa.string())
        counts |= {
            f"misfits {name}": found.null_count,
            f"negative {name}": _matching(found, "^-"),
            f"{_MOST}scale {name}": _longest(found, r"\.(?P<d>[0-9]+)$"),
            f"{_MOST}whole {name}": _longest(found, r"^-?(?P<d>[0-9]+)"),
        }
    return counts


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The tally of two batches together."""
    keys = {**one, **other}
    return {
        key: max(one.get(key, 0), other.get(key, 0)) if key.startswith(_MOST) else one.get(key, 0) + other.get(key, 0)
        for key in keys
    }


def concluded(found: Mapping[str, int], *, distinct: int, least: float = _FIT) -> Suggestion:
    """What a tally bears out.

    Args:
        distinct: how many distinct values there are.
        least: share of the values that a type must fit.
    """
    rows, filled = found["rows"], found["filled"]
    evidence = f"{filled:,} of {rows:,} filled, {_distinct(filled, distinct)}"
    if not filled:
        return Suggestion("string", evidence="it has no values")
    kind, form, decimal, misfits = _type(found, least)
    evidence += f", {misfits:,} no {kind}" if misfits else ""
    if kind == "string" and found["commas"] and found[f"misfits {_COMMA}"] <= filled * (1 - least):
        evidence += f": is the comma before a fraction (`decimal`) or between thousands (`format: {ACCOUNTING}`)?"
    if kind == "string" and (orders := _orders(found, filled * (1 - least))):
        evidence += f": is the day or the month first, `format: {orders[0]}` or `{orders[1]}`?"
    number = kind == "integer" or kind.startswith(("decimal", "float"))
    negative = found[f"negative {_AMOUNTS[decimal]}" if form == ACCOUNTING else "negative"]
    nonnegative = number and filled >= ENOUGH and not negative
    return Suggestion(kind, form, decimal, filled == rows >= ENOUGH, at_least_zero=nonnegative, evidence=evidence)


def keys(columns: Mapping[str, pa.StringArray], keyed: Sequence[str], dated: Sequence[str]) -> tuple[str, ...]:
    """The fewest columns, one or two, that tell all records apart; none where there are too few records.

    Args:
        columns: the cells by column, all of one length.
        keyed: columns that tell people and documents apart, which are tried first.
        dated: columns that tell days apart, which are tried last: alone they do so by chance.
    """
    likely = [*keyed, *dated]
    order = [*keyed, *(name for name in columns if name not in likely), *dated]
    rows = len(next(iter(columns.values()), ()))
    if rows < ENOUGH:
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


def _type(found: Mapping[str, int], least: float) -> tuple[str, str, _Sign, int]:
    """The narrowest type that the values fit, the form of dates or amounts, the decimal sign, and how many misfit."""
    if found["numbered"]:
        return "string", "", ".", 0
    filled = found["filled"]
    spare, enough = filled * (1 - least), max(ENOUGH, filled * least)
    scale, whole = found[f"{_MOST}scale"], found[f"{_MOST}whole"]
    decimal = 0 < scale <= 6 and not found["exponent"]
    misfits = {each: found[f"misfits {each[0]} {each[1]}"] for each in _CANDIDATES if decimal or each[0] != _DECIMAL}
    if found["milliseconds"] >= enough:
        return *_EPOCH, ".", filled - found["milliseconds"]
    if months := [form for form in _MONTHS if found[f"months {form}"] >= enough]:
        return "date", months[0], ".", filled - found[f"months {months[0]}"]
    kind, form = _DAYS if found["days"] >= enough else min(misfits, key=misfits.__getitem__)
    missed = misfits[kind, form]
    if found["fractions"] and found[f"misfits {_COMMA}"] <= min(missed, spare):
        return _with_comma(found), "", ",", found[f"misfits {_COMMA}"]
    if form and form in _orders(found, spare):
        return "string", "", ".", 0
    if missed <= spare:
        return (_digits(scale, whole) if kind == _DECIMAL else kind), form, ".", missed
    if sign := _sign(found, spare):
        name = _AMOUNTS[sign]
        return (
            _digits(found[f"{_MOST}scale {name}"], found[f"{_MOST}whole {name}"]),
            ACCOUNTING,
            sign,
            found[f"misfits {name}"],
        )
    return "string", "", ".", 0


def _orders(found: Mapping[str, int], spare: float) -> tuple[str, ...]:
    """Two forms that the dates have alike, of which one has the day first and the other the month."""
    for kind, form in _CANDIDATES:
        other = form.replace("%d/%m", "%m/%d").replace("%d-%m", "%m-%d")
        if form == other or found[f"misfits {kind} {form}"] > spare:
            continue
        if (kind, other) in _CANDIDATES and found[f"misfits {kind} {other}"] == found[f"misfits {kind} {form}"]:
            return form, other
    return ()


def _sign(found: Mapping[str, int], spare: float) -> _Sign | None:
    """The sign before the fraction of amounts, where there are any and only one can be meant."""
    point, comma = (found[f"misfits {name}"] <= spare for name in _AMOUNTS.values())
    likely = found["thousands"] or found["money"] * 2 >= found["filled"]
    if not likely or not (point or comma) or (point and comma and found["marked"]):
        return None
    return "." if point else ","


def _with_comma(found: Mapping[str, int]) -> str:
    """The type of numbers with a decimal comma."""
    scale, whole = found[f"{_MOST}fraction"], found[f"{_MOST}grouped"]
    if found["exponent"] or scale > 6 or whole > 18:
        return "float"
    return _digits(scale, whole) if scale else "integer"


def _digits(scale: int, whole: int) -> str:
    """A decimal of so many places and room for somewhat more digits before the point."""
    return f"decimal({max(12, scale + max(10, whole))},{scale})"


def _matching(values: pa.StringArray, pattern: str) -> int:
    count: int = pc.sum(pc.match_substring_regex(values, pattern)).as_py() or 0
    return count


def _longest(values: pa.StringArray, pattern: str) -> int:
    """Most characters that the group `d` of a pattern takes; 0 where it matches nothing."""
    taken = pc.utf8_length(pc.struct_field(pc.extract_regex(values, pattern), [0]))
    most: int = pc.max(taken).as_py() or 0
    return most


def _words(values: pa.StringArray, distinct: int) -> tuple[str, ...]:
    if not 0 < distinct <= FEW:
        return ()
    counted = sorted(((item["counts"], item["values"]) for item in pc.value_counts(values).to_pylist()), reverse=True)
    return tuple(word for _, word in counted) if counted[-1][0] >= SHARED else ()


def _pair(values: pa.StringArray, distinct: int) -> str:
    """The pair of words for true and false that all `values` are, where both occur."""
    found = set(pc.unique(values).to_pylist()) if 1 < distinct <= 4 else set()
    pairs = [pair for pair in _PAIRS if {word.lower() for word in found} == set(pair.lower().split("/"))]
    return pairs[0] if pairs else ""


def _distinct(filled: int, distinct: int) -> str:
    return "all distinct" if filled > 1 and distinct == filled else f"{distinct:,} distinct"
