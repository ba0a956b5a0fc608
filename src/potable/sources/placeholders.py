"""Words that stand in exports where there is no value, such as `N/A`.

Only words are known here that hardly mean anything else. A contract has to name them (`null_values`) before any counts
as no value; this is for suggestions.
Entry: `placeholders`, `without`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_WORDS = (
    *("n/a", "#n/a", "n.a.", "null", "(null)", "<null>", "\\n", "nan", "-", "--", "---", "k.a.", "k. a."),
    # days that are none, of MySQL and PostgreSQL
    *("0000-00-00", "0000-00-00 00:00:00", "infinity", "-infinity"),
)
"""In lower case; neither `na` (Namibia) nor `none` and `unknown`, which are answers in many a column."""


def placeholders(texts: pa.StringArray) -> tuple[str, ...]:
    """The placeholders among `texts` as written there, the most frequent first; none if there is nothing else."""
    values = pc.utf8_trim_whitespace(pc.drop_null(texts))
    found = pc.filter(values, pc.is_in(pc.utf8_lower(values), value_set=pa.array(_WORDS)))
    if len(found) == pc.sum(pc.not_equal(values, "")).as_py():
        return ()
    counted = sorted((-item["counts"], item["values"]) for item in pc.value_counts(found).to_pylist())
    return tuple(word for _, word in counted)


def without(texts: pa.StringArray, words: Sequence[str]) -> pa.StringArray:
    """`texts` with null instead of `words`."""
    if not words:
        return texts
    named = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(words))
    return pc.if_else(named, pa.scalar(None, pa.string()), texts)
