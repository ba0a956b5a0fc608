"""The closed set of functions, and the words that other tools have for what the language says.

What a function computes belongs to `evaluate`. Entries: `FUNCTIONS`, `ELSEWHERE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """One function of the closed set."""

    parameters: tuple[str, ...]
    """number, text, boolean, time, moment, any or column; `any` parameters must agree with each other."""
    result: str
    """A kind, `first` (type of the first argument) or `common` (type all `any` arguments can take)."""
    meaning: str
    many: bool = False
    """Whether the last parameter may repeat."""


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(("number",), "first", "the number without its sign"),
    "coalesce": Function(("any", "any"), "common", "the first value that is not null", many=True),
    "contains": Function(("text", "text"), "boolean", "whether the first text contains the second"),
    "day": Function(("time",), "integer", "day of the month"),
    "days_between": Function(("time", "time"), "integer", "calendar days from the first to the second"),
    "greatest": Function(("any", "any"), "common", "the largest value; nulls are ignored", many=True),
    "hour": Function(("timestamp",), "integer", "hour of the day, 0 to 23, in UTC"),
    "if": Function(("boolean", "any", "any"), "common", "the second where the first is true, else the third"),
    "least": Function(("any", "any"), "common", "the smallest value; nulls are ignored", many=True),
    "length": Function(("text",), "integer", "number of characters"),
    "level": Function(
        ("column",),
        "integer",
        "rank of the word in the column's `levels`, from 1; under `derived`, a column that was read unchanged",
    ),
    "lower": Function(("text",), "string", "the text in lower case"),
    "month": Function(("time",), "integer", "month, 1 to 12"),
    "months_between": Function(("time", "time"), "integer", "complete months from the first to the second"),
    "nullif": Function(("any", "any"), "first", "null where both are equal, else the first"),
    "previous": Function(
        ("column",),
        "first",
        "value of the column in the person's record before this one, whether or not `where` holds for that; null for "
        "the first record",
    ),
    "quarter": Function(("time",), "integer", "quarter, 1 to 4"),
    "starts_with": Function(("text", "text"), "boolean", "whether the first text starts with the second"),
    "upper": Function(("text",), "string", "the text in upper case"),
    "weekday": Function(("time",), "integer", "day of the week, 1 (Monday) to 7, in UTC"),
    "year": Function(("time",), "integer", "calendar year"),
    "years_between": Function(("time", "time"), "integer", "complete years from the first to the second"),
}
"""Every function has the same meaning on every engine; null in gives null out unless said otherwise."""

_SAID: Mapping[str, tuple[str, ...]] = {
    "`avg(x)`": ("mean", "average", "nanmean"),
    "`distinct(x)`": ("nunique", "n_unique", "count_distinct", "countdistinct", "num_unique", "approx_distinct"),
    "`latest(x)`": ("last", "last_value", "newest", "most_recent"),
    "`first(x)`": ("first_value", "oldest"),
    "`stddev(x)`": ("std", "stdev", "stddev_samp", "sd"),
    "the square of `stddev(x)`, under `derived`": ("var", "variance"),
    "`previous(x)`, the value of the record before": ("lag", "shift", "prev"),
    "`x - previous(x)`": ("diff", "delta"),
    "`change(x)`": ("pct_change", "growth"),
    "`slope(x)`": ("trend", "linear_trend", "regr_slope"),
    "`share(condition)`": ("ratio", "proportion", "fraction", "percent_true", "rate"),
    "`count() where …`": ("count_if", "countif"),
    "`sum(x) where …`": ("sum_if", "sumif"),
    "`count()`": ("size", "n", "len_rows"),
    "`days_since()`": ("recency", "time_since_last", "time_since"),
    "`median(x)`, or `share(x > bound)`; there are no other quantiles": ("quantile", "percentile", "perc", "q"),
    "`days_between(start, end)`": ("datediff", "date_diff", "timedelta", "timestampdiff", "date_sub", "dateadd"),
    "`weekday(x)`, from 1 for Monday": ("dayofweek", "day_of_week", "dow", "isodow"),
    "`length(x)`": ("len", "char_length"),
    "`starts_with(x, 'a')`": ("startswith",),
    "`contains(x, 'a')`": ("like", "ilike", "regexp", "regexp_matches", "match", "instr"),
    "`coalesce(x, 0)`, or `else 0` behind an aggregate": ("fillna", "ifnull", "nvl", "isnull_or"),
    "`x is null`": ("isnull", "isna", "is_null"),
    "`x is not null`": ("notnull", "notna", "is_not_null"),
    "`if(condition, a, b)`": ("iff", "iif", "case", "when", "where"),
    "`| round(0.01)`, behind everything else": ("round", "floor", "ceil", "ceiling", "trunc"),
    "`| band([10, 20])`, behind everything else": ("cut", "bin", "bins", "bucket", "qcut", "width_bucket"),
    "`as_of`; nothing may depend on when a run takes place": ("now", "today", "current_date", "getdate"),
    "`x` as it is, and transform the finished column": ("log", "ln", "log1p", "exp", "sqrt", "pow", "power"),
}
ELSEWHERE: Mapping[str, str] = {word: here for here, words in _SAID.items() for word in words}
"""What to write here, by the name that a function has elsewhere."""
