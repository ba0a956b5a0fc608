"""Performance reviews (two files a year) and engagement surveys (one), as CSV dumps of two systems.

The old system (first half of the years) writes `;`, Latin-1, CRLF, German dates and no submission time;
the new one `,`, UTF-8 with BOM, ISO dates and `submitted_at`. Entry: ReviewWriter.month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate import phrases as said
from potable.estate.csvfiles import Dump
from potable.estate.defects import (
    ENGAGEMENT,
    IMPOSSIBLE_DATE,
    IMPOSSIBLE_RATING,
    MISTYPED,
    REVIEWS,
    Defect,
    doubled,
    final_places,
    scatter,
)
from potable.estate.draws import Ints, between, chance, pick
from potable.estate.history import Month, Reviews, Surveys
from potable.estate.render import (
    digits,
    edit,
    german_days,
    iso_days,
    iso_moments,
    join,
    pieces,
    put,
    quoted,
    take,
)
from potable.estate.texts import Style, Texts, cast, compose, only, phrases, tell
from potable.estate.truth import numbered
from potable.estate.world import DAY, World

RATINGS = ("Low", "Below Average", "Average", "High")
QUALITY = ("Poor", "Fair", "Good", "Excellent")
DEGREE = ("Low", "Medium", "High", "Very High")
ANSWER = ("No", "Yes")
_OLD_REVIEW = ("EmpNo", "Employee Name", "Reviewer", "Review Date", "Rating", "Comment")
_NEW_REVIEW = (
    "employee_number",
    "employee_name",
    "manager_name",
    "reviewed_on",
    "overall_rating",
    "comments",
    "submitted_at",
)
_ENGAGEMENT = (
    "emp_no",
    "survey_date",
    "work_life_balance",
    "job_satisfaction",
    "company_reputation",
    "employee_recognition",
    "leadership_opportunities",
    "innovation_opportunities",
    "comment",
)
_REVIEW_NAMES = {
    False: {"emp_no": "EmpNo", "date": "Review Date", "rating": "Rating", "comment": "Comment"},
    True: {
        "emp_no": "employee_number",
        "date": "reviewed_on",
        "rating": "overall_rating",
        "comment": "comments",
        "submitted": "submitted_at",
    },
}
"""What the old and the new system call the columns of defects.py."""
_BLOCK = 50_000
_TWIN_USE = 0.3
"""Share of reviews filed under the number of a second entry, where there is one."""


@dataclass(frozen=True)
class _Rows:
    """One block of rows on its way into a file and into the truth."""

    table: str
    defects: Mapping[str, Defect]
    marks: Mapping[str, Ints]
    stint: Ints
    texts: Texts
    names: Mapping[str, str]


def _style(named: tuple[str, ...], *, new: bool) -> Style:
    middle = (*said.MIDDLE, *said.MODERN) if new else said.MIDDLE
    return Style(phrases(said.BAD, middle, said.GOOD, named))


class ReviewWriter:
    """Writes review and survey files as their months pass."""

    def __init__(self, world: World, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._world, self._directory = world, directory
        self._styles = {new: _style(said.REVIEW_NAMED, new=new) for new in (False, True)}
        self._survey_styles = {new: _style(said.SURVEY_NAMED, new=new) for new in (False, True)}
        self.files = self.records = self.source_bytes = 0

    def month(self, month: Month) -> None:
        """Writes the files that are due in this month."""
        year = self._world.calendar.year(month.index)
        new = month.index >= self._world.calendar.half
        if month.reviews is not None:
            half = 1 if month.index % 12 < 6 else 2
            path = self._directory / f"reviews_{year}H{half}.csv"
            dump = Dump(path, _NEW_REVIEW if new else _OLD_REVIEW, new=new)
            for number, rows in enumerate(pieces(len(month.reviews.stint), _BLOCK)):
                part = Reviews(*(column[rows] for column in vars(month.reviews).values()))
                self._reviews(dump, part, self._world.stream("reviews", month.index, number), new=new)
            self._finish(dump)
        if month.surveys is not None:
            dump = Dump(self._directory / f"engagement_{year}.csv", _ENGAGEMENT, new=new)
            for number, rows in enumerate(pieces(len(month.surveys.stint), _BLOCK)):
                answers = Surveys(*(column[rows] for column in vars(month.surveys).values()))
                self._surveys(dump, answers, self._world.stream("engagement", month.index, number), new=new)
            self._finish(dump)

    def _finish(self, dump: Dump) -> None:
        self.files += 1
        self.records += dump.rows
        self.source_bytes += dump.close()

    def _reviews(self, dump: Dump, part: Reviews, rng: np.random.Generator, *, new: bool) -> None:
        world, size = self._world, len(part.stint)
        marks = scatter(rng, size, REVIEWS)
        delay = between(rng, 1, 20, size) * DAY + between(rng, 8 * 3600, 18 * 3600, size)
        late = marks["late"]
        in_time = part.day[late] + 111 < world.calendar.end
        # the old system does not say when a review was handed in
        marks["late"] = late[in_time] if new else late[:0]
        delay[marks["late"]] += 90 * DAY
        people = cast(world, part.stint, part.manager, part.day)
        mood = np.clip(part.rating - pick(rng, [7, 3], size), 0, 2)
        texts = compose(rng, self._styles[new], people, group=mood, count=pick(rng, [8, 30, 35, 20, 7], size))
        columns = {
            "emp_no": self._filed_under(rng, part.stint, part.day),
            "name": people.values[1],
            "reviewer": people.values[8],
            "date": iso_days(part.day) if new else german_days(part.day),
            "rating": take(pa.array(RATINGS), part.rating),
            "comment": quoted(texts.text),
        }
        if new:
            columns["submitted"] = iso_moments(part.day * DAY + delay)
        _spoil_review(rng, columns, marks)
        rows = _Rows("reviews", REVIEWS, marks, part.stint, texts, _REVIEW_NAMES[new])
        self._put(rng, dump, columns, rows)

    def _surveys(self, dump: Dump, part: Surveys, rng: np.random.Generator, *, new: bool) -> None:
        world, size = self._world, len(part.stint)
        marks = scatter(rng, size, ENGAGEMENT)
        people = cast(world, part.stint, world.force.manager[part.stint], part.day)
        mood = np.clip(part.satisfaction - pick(rng, [5, 5], size), 0, 2)
        texts = compose(rng, self._survey_styles[new], people, group=mood, count=pick(rng, [60, 25, 12, 3], size))
        day = part.day.copy()
        day[marks["date_outdated"]] -= between(rng, 1100, 2200, len(marks["date_outdated"]))
        columns = {
            "emp_no": world.emp_no(part.stint),
            "survey_date": iso_days(day) if new else german_days(day),
            "work_life_balance": take(pa.array(QUALITY), part.balance),
            "job_satisfaction": take(pa.array(DEGREE), part.satisfaction),
            "company_reputation": take(pa.array(QUALITY), part.reputation),
            "employee_recognition": take(pa.array(DEGREE), part.recognition),
            "leadership_opportunities": take(pa.array(ANSWER), part.leadership),
            "innovation_opportunities": take(pa.array(ANSWER), part.innovation),
            "comment": quoted(texts.text),
        }
        _spoil_survey(rng, columns, marks)
        rows = _Rows("engagement", ENGAGEMENT, marks, part.stint, texts, {})
        self._put(rng, dump, columns, rows)

    def _put(self, rng: np.random.Generator, dump: Dump, columns: Mapping[str, pa.Array], rows: _Rows) -> None:
        """Writes one block of rows, second copies included, and tells the truth about it."""
        truth, size, place = self._world.truth, len(rows.stint), ("reviews", rows.table)
        order, copies = doubled(rng, size, rows.marks["twice"])
        first = numbered(dump.name, dump.rows + final_places(order, size))
        again = numbered(dump.name, dump.rows + copies)
        person = self._world.person(rows.stint)
        person[rows.marks["orphan"]] = -1
        truth.records(place, numbered(dump.name, dump.rows + np.arange(len(order))), person[order])
        for kind, found in rows.marks.items():
            defect = rows.defects[kind]
            where = again if kind == "twice" else take(first, found)
            truth.bad(place, where, defect, column=rows.names.get(defect.column, ""))
        comment = rows.names.get("comment", "comment")
        tell(truth, place, comment, first, rows.texts)
        twice = order[copies]
        if len(twice):
            tell(truth, place, comment, again, only(rows.texts, twice))
        dump.write([take(column, order) for column in columns.values()])

    def _filed_under(self, rng: np.random.Generator, stints: Ints, days: Ints) -> pa.Array:
        twin = self._world.twins[stints] & chance(rng, _TWIN_USE, len(stints))
        both = pa.concat_arrays([self._world.people.emp_no, self._world.people.twin_no])
        return take(both, stints + np.where(twin, self._world.people.stints, 0))


def _spoil_number(rng: np.random.Generator, number: pa.Array, marks: Mapping[str, Ints]) -> pa.Array:
    lost = marks["orphan"]
    number = put(number, lost, join("E9", digits(between(rng, 0, 999_999, len(lost)), 6)))
    return edit(number, marks["emp_no_blanks"], ("  ", " "))


def _spoil_review(rng: np.random.Generator, columns: dict[str, pa.Array], marks: Mapping[str, Ints]) -> None:
    number = _spoil_number(rng, columns["emp_no"], marks)
    case = marks["emp_no_case"]
    columns["emp_no"] = put(number, case, pc.utf8_lower(take(number, case)))
    date = put(columns["date"], marks["no_date"], "")
    date = put(date, marks["date_impossible"], IMPOSSIBLE_DATE)
    columns["date"] = put(date, marks["date_mistyped"], MISTYPED)
    rating = put(columns["rating"], marks["rating_impossible"], IMPOSSIBLE_RATING)
    rating = put(rating, marks["rating_mistyped"], MISTYPED)
    rating = put(rating, marks["no_rating"], "")
    case = marks["rating_case"]
    rating = put(rating, case, pc.utf8_upper(take(rating, case)))
    columns["rating"] = edit(rating, marks["rating_blanks"], (" ", " "))


def _spoil_survey(rng: np.random.Generator, columns: dict[str, pa.Array], marks: Mapping[str, Ints]) -> None:
    number = _spoil_number(rng, columns["emp_no"], marks)
    columns["emp_no"] = put(number, marks["no_emp_no"], "")
    columns["survey_date"] = put(columns["survey_date"], marks["date_impossible"], IMPOSSIBLE_DATE)
    columns["job_satisfaction"] = put(columns["job_satisfaction"], marks["answer_mistyped"], MISTYPED)
    balance, case = columns["work_life_balance"], marks["answer_case"]
    columns["work_life_balance"] = put(balance, case, pc.utf8_upper(take(balance, case)))
