"""Renamed columns: a missing column and a new one that may be the same under another name.

A name is like another by its letters or its words (`emp_no`, `EmployeeNumber`); what the new column holds must fit
the type of the missing one, which the caller tells. It is a suggestion: the contract says what is read.

Entry: `renamed`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from potable.contracts.drift import Drift
from potable.tables import Table

LIKE, HARDLY = 0.6, 0.45
"""Likeness of names that is enough, and that which is where only one column is missing and one new."""
FITS = 0.95
"""Share of the new column's values that must fit the type."""
_LONGEST = 100
"""Characters of a name that are compared; what data calls a column may be a book."""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def renamed(table: Table, drifts: Sequence[Drift], fit: Callable[[str, str], float | None]) -> list[Drift]:
    """The drifts, with one of a renamed column instead of two where a missing and a new one fit.

    Args:
        fit: of a declared and a new column, the share of values that fit the type; None where there are no values.
    """
    lost = [drift for drift in drifts if drift.change == "missing_column"]
    new = [drift for drift in drifts if drift.change == "new_column"]
    pairs = sorted(
        ((_likeness(table, one.column, two.column), one, two) for one in lost for two in new if one.first == two.first),
        key=lambda pair: (-pair[0], pair[1].column, pair[2].column),
    )
    found: dict[str, Drift] = {}
    taken: set[str] = set()
    of_one, of_two = Counter(one.column for _, one, _ in pairs), Counter(two.column for _, _, two in pairs)
    for likeness, one, two in pairs:
        alone = of_one[one.column] == of_two[two.column] == 1
        if one.column in found or two.column in taken or likeness < (HARDLY if alone else LIKE):
            continue
        share = fit(one.column, two.column)
        typed = table.columns[one.column].type != "string"
        enough = likeness >= LIKE if share is None or not typed else share >= FITS
        if enough:
            found[one.column] = replace(one, change="renamed_column", detail=two.column, example=two.example)
            taken.add(two.column)
    rest = [drift for drift in drifts if not (drift.change == "new_column" and drift.column in taken)]
    return [found.get(drift.column, drift) if drift.change == "missing_column" else drift for drift in rest]


def _likeness(table: Table, declared: str, new: str) -> float:
    """How like a new name is to any a column is known by, from 0 to 1."""
    return max(_alike(name, new) for name in {declared, *table.columns[declared].paths(declared)})


def _alike(one: str, other: str) -> float:
    first, second = (_WORDS.findall(re.split(r"[/.@]", name)[-1][:_LONGEST]) for name in (one, other))
    letters = SequenceMatcher(None, "".join(first).lower(), "".join(second).lower()).ratio()
    short, long = sorted(([word.lower() for word in words] for words in (first, second)), key=len)
    met = [any(word.startswith(short_) or short_.startswith(word) for word in long) for short_ in short]
    return max(letters, 0.9 * sum(met) / len(long) if long else 0.0)
