"""What is wrong with the estate on purpose: every kind of defect with its rate and what should become of it.

`expected` is what a good contract does with the row: quarantine it, null the one value, or keep it. A row
carries at most one defect. Orphans are kept: nothing in the record itself is wrong, it just belongs to
nobody. Entry: scatter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from potable.estate.draws import Ints

Expected = Literal["quarantine", "null", "keep"]

PLACEHOLDER_IDS = ("999999999999", "NA", "")
PLACEHOLDER_EMAIL = "unknown@northwind.example"
IMPOSSIBLE_DATE = "31.02.2014"
IMPOSSIBLE_RATING = "Outstanding!!"
MISTYPED_AMOUNT = "12,5O0.00"
MISTYPED = "n/a"


@dataclass(frozen=True)
class Defect:
    """One kind of defect in one column of one table."""

    column: str
    """The column as the source calls it; empty when the whole row is meant."""
    reason: str
    expected: Expected
    rate: float
    """Share of rows."""


PAYSLIPS = {
    "twice": Defect("", "duplicate", "quarantine", 0.002),
    "no_emp_no": Defect("empNo", "missing", "quarantine", 0.001),
    "orphan": Defect("empNo", "orphan", "keep", 0.001),
    "emp_no_case": Defect("empNo", "case", "keep", 0.0015),
    "emp_no_blanks": Defect("empNo", "blanks", "keep", 0.0015),
    "no_national_id": Defect("nationalId", "placeholder", "null", 0.003),
    "gross_negative": Defect("gross", "impossible", "quarantine", 0.001),
    "gross_mistyped": Defect("gross", "mistyped", "quarantine", 0.001),
    "overtime_negative": Defect("overtimeHours", "impossible", "quarantine", 0.001),
    "overtime_mistyped": Defect("overtimeHours", "mistyped", "quarantine", 0.001),
    "date_impossible": Defect("payDate", "impossible", "quarantine", 0.001),
    "date_outdated": Defect("payDate", "outdated", "quarantine", 0.001),
}
TRAININGS = {
    "twice": Defect("", "duplicate", "quarantine", 0.004),
    "no_email": Defect("user.email", "missing", "quarantine", 0.002),
    "email_placeholder": Defect("user.email", "placeholder", "quarantine", 0.003),
    "orphan": Defect("user.email", "orphan", "keep", 0.003),
    "email_case": Defect("user.email", "case", "keep", 0.006),
    "email_blanks": Defect("user.email", "blanks", "keep", 0.004),
    "hours_negative": Defect("hours", "impossible", "quarantine", 0.002),
    "hours_mistyped": Defect("hours", "mistyped", "quarantine", 0.002),
    "no_date": Defect("completed_at", "missing", "quarantine", 0.002),
    "late": Defect("recorded_at", "late", "keep", 0.005),
}
REVIEWS = {
    "twice": Defect("", "duplicate", "quarantine", 0.004),
    "no_date": Defect("date", "missing", "quarantine", 0.003),
    "date_impossible": Defect("date", "impossible", "quarantine", 0.002),
    "date_mistyped": Defect("date", "mistyped", "quarantine", 0.002),
    "rating_impossible": Defect("rating", "impossible", "quarantine", 0.003),
    "rating_mistyped": Defect("rating", "mistyped", "quarantine", 0.002),
    "no_rating": Defect("rating", "missing", "quarantine", 0.002),
    "rating_case": Defect("rating", "case", "keep", 0.003),
    "rating_blanks": Defect("rating", "blanks", "keep", 0.003),
    "emp_no_case": Defect("emp_no", "case", "keep", 0.004),
    "emp_no_blanks": Defect("emp_no", "blanks", "keep", 0.004),
    "orphan": Defect("emp_no", "orphan", "keep", 0.003),
    "late": Defect("submitted", "late", "keep", 0.005),
}
ENGAGEMENT = {
    "twice": Defect("", "duplicate", "quarantine", 0.004),
    "no_emp_no": Defect("emp_no", "missing", "quarantine", 0.003),
    "emp_no_blanks": Defect("emp_no", "blanks", "keep", 0.004),
    "orphan": Defect("emp_no", "orphan", "keep", 0.003),
    "date_impossible": Defect("survey_date", "impossible", "quarantine", 0.004),
    "date_outdated": Defect("survey_date", "outdated", "quarantine", 0.004),
    "answer_mistyped": Defect("job_satisfaction", "mistyped", "quarantine", 0.003),
    "answer_case": Defect("work_life_balance", "case", "keep", 0.004),
}
INTERVIEWS = {
    "no_emp_no": Defect("Employee number", "missing", "quarantine", 0.004),
    "emp_no_blanks": Defect("Employee number", "blanks", "keep", 0.006),
    "email_case": Defect("E-mail", "case", "keep", 0.008),
    "date_impossible": Defect("Interview date", "impossible", "quarantine", 0.004),
    "answer_mistyped": Defect("Would return", "mistyped", "quarantine", 0.004),
}
PEOPLE = {
    "twin": Defect("emp_no", "duplicate_person", "keep", 0.005),
    "birth_long_ago": Defect("birth_date", "impossible", "null", 0.004),
    "birth_in_future": Defect("birth_date", "impossible", "null", 0.003),
    "dependents_negative": Defect("dependents", "impossible", "null", 0.004),
    "no_national_id": Defect("national_id", "placeholder", "null", 0.006),
    "email_placeholder": Defect("work_email", "placeholder", "null", 0.004),
    "email_case": Defect("work_email", "case", "keep", 0.005),
    "personal_email_blanks": Defect("personal_email", "blanks", "keep", 0.005),
}
EMAIL_HISTORY = {"email_case": Defect("email", "case", "keep", 0.006)}
EMPLOYMENT = {"late": Defect("recorded_at", "late", "keep", 0.01)}
EXITS = {"late": Defect("recorded_at", "late", "keep", 0.01)}
JOBS = {
    "late": Defect("recorded_at", "late", "keep", 0.008),
    "emp_no_blanks": Defect("emp_no", "blanks", "keep", 0.004),
    "commute_impossible": Defect("commute_km", "impossible", "quarantine", 0.003),
    "remote_mistyped": Defect("remote_work", "mistyped", "quarantine", 0.003),
}
PROMOTIONS = {
    "late": Defect("recorded_at", "late", "keep", 0.008),
    "no_date": Defect("promoted_on", "missing", "quarantine", 0.006),
}


def scatter(
    rng: np.random.Generator, size: int, defects: Mapping[str, Defect], *, at_least: int = 0
) -> dict[str, Ints]:
    """Which rows get which defect.

    Args:
        rng: The stream of this purpose.
        size: Number of rows.
        defects: The kinds of one table.
        at_least: This many rows of every kind, as far as there are rows: for tables written in one go.

    Returns:
        Row numbers per kind, ascending; no row appears twice.
    """
    draw = rng.random(size)
    edges = np.cumsum([0.0, *(defect.rate for defect in defects.values())])
    rows = {
        kind: np.flatnonzero((draw >= low) & (draw < high))
        for kind, low, high in zip(defects, edges[:-1], edges[1:], strict=True)
    }
    free = iter(rng.permutation(np.flatnonzero(draw >= edges[-1])).tolist())
    for kind, found in rows.items():
        more = [row for _ in range(at_least - len(found)) if (row := next(free, None)) is not None]
        if more:
            rows[kind] = np.sort(np.r_[found, np.array(more, dtype=np.int64)])
    return rows


def doubled(rng: np.random.Generator, size: int, twice: Ints) -> tuple[Ints, Ints]:
    """A row order in which some rows come again a little later.

    Returns:
        Row numbers in their final order, and the final places (0-based) of the second copies.
    """
    place = np.r_[np.arange(size, dtype=np.float64), twice + 0.5 + np.floor(30 * rng.random(len(twice)))]
    order = np.argsort(place, kind="stable")
    rows = np.r_[np.arange(size, dtype=np.int64), twice]
    return rows[order], np.flatnonzero(order >= size)


def final_places(order: Ints, size: int) -> Ints:
    """Place (0-based) of the first copy of each original row in an order made by `doubled`."""
    first = np.full(size, -1, dtype=np.int64)
    first[order[::-1]] = np.arange(len(order) - 1, -1, -1)
    return first
