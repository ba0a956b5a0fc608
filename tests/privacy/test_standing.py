"""Rows that were protected before stay where nothing that decides them changed, and nowhere else."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples
from tests.privacy import known
from tests.privacy.conftest import POLICY, Company

from potable.engines.base import Engine, collect
from potable.errors import PrivacyRefusal
from potable.privacy import roster
from potable.privacy.between import Between
from potable.privacy.protect import PLACES, Contract, Places, Protected, protect
from potable.privacy.standing import Standing, moved

REVIEWS = "hr.reviews"
Keys = dict[tuple[str, str], tuple[str, bool]]
"""(namespace, value) to (subject, rostered)."""


@dataclass(frozen=True)
class Day:
    """What there is on one day: who is who, and the reviews so far."""

    people: Sequence[tuple[Any, ...]]
    """(emp_no, first name, last name, e-mail), and the date of birth where one is known."""
    keys: Keys
    reviews: Sequence[tuple[str | None, ...]]
    """(emp_no, e-mail, comment), and the rating where it is not High."""


ANNA, WILL = ("E100001", "Anna", "Müller", "anna@corp.example"), ("E100002", "Will", "Low", "will@corp.example")
PRIYA = ("E100003", "Priya", "Raman", None)


def owned(*people: Sequence[str | None], rostered: bool = True) -> Keys:
    """Keys of people who are not merged, named by their numbers."""
    found = [(namespace, row[at], row[0]) for row in people for namespace, at in (("emp_no", 0), ("email", 3))]
    return {(namespace, value): (f"s{number}", rostered) for namespace, value, number in found if value}


def review(person: Sequence[str | None], comment: str) -> tuple[str | None, str | None, str | None]:
    return person[0], None, comment


FIRST = Day(
    [ANNA, WILL],
    owned(ANNA, WILL),
    [
        review(ANNA, "Anna and Priya Raman did well"),
        review(ANNA, "nothing to say"),
        review(WILL, "Will wrote to boss@corp.example"),
        review(WILL, "call W. Low"),
        review(PRIYA, "not yet here, Priya"),
    ],
)


class Office(Company):
    """The small company on one day after the other."""

    def at(self, day: Day) -> Company:
        """As it is on a day."""
        people = [[*row[:4], None, None, *(row[4:] or [None]), None, None] for row in day.people]
        rows = [
            [employee, mail, dt.date(2020, 1, 31), *(rating or ["High"]), None, text, None]
            for employee, mail, text, *rating in day.reviews
        ]
        found = Company(self.engine, self.folder, data={"hr.people": people, REVIEWS: rows}, numbers=self.numbers)
        pairs = [
            {"namespace": namespace, "value": value, "subject": subject, "rostered": rostered}
            for (namespace, value), (subject, rostered) in day.keys.items()
        ]
        schema = pa.schema(
            [*((name, pa.string()) for name in ("namespace", "value", "subject")), ("rostered", pa.bool_())]
        )
        relation = self.relation(pa.Table.from_pylist(pairs, schema))
        found.keys = lambda: relation  # type: ignore[method-assign]
        return found

    def whole(self, day: Day) -> tuple[Protected, Path]:
        """All reviews of a day."""
        return self._made(self.at(day), len(day.reviews), None)

    def layered(self, before: Day, now: Day) -> tuple[Protected, Path]:
        """The reviews of a day, standing on those of an earlier one."""
        made, place = self.whole(before)
        old, new = self.at(before), self.at(now)
        changed = moved(old.keys(), new.keys(), self.tables[REVIEWS].apart.values())
        one, other = (self.relation(company.identifiers()) for company in (old, new))
        named = roster.lacking(one, other).union(roster.lacking(other, one))
        pairs = [tuple(row.values()) for row in collect(self.engine, named).to_pylist()]
        between = Between(old.people().index, new.people().index)
        standing = Standing(
            rows=old.rows(REVIEWS),
            parts=[replace(part, path=str(place / "rows" / part.path)) for part in made.rows],
            nobody=self.engine.read([str(place / "nobody" / part.path) for part in made.quarantine], PLACES),
            marks={action.column: action.redactions for action in made.actions if action.redactions},
            keys=old.keys(),
            pseudonyms=old.people().pseudonyms,
            moved=changed if collect(self.engine, changed).num_rows else None,
            renamed=known.changed(pairs, self.folder, between=between) if pairs else None,
            owners=named.select("subject").distinct(),
            scratch=str(self.folder / f"scratch-{next(self.numbers)}"),
            came=len(now.reviews) > len(before.reviews),
        )
        return self._made(new, len(before.reviews), standing)

    def _made(self, company: Company, first: int, standing: Standing | None) -> tuple[Protected, Path]:
        rows = company.rows(REVIEWS)
        place = self.folder / f"made-{next(self.numbers)}"
        made = protect(
            rows.filter(rows["_row"] > first) if standing else rows,
            Contract(REVIEWS, self.tables[REVIEWS], POLICY),
            people=company.people(),
            engine=self.engine,
            places=Places(str(place / "rows"), str(place / "nobody")),
            standing=standing,
        )
        return made, place

    def outcome(self, made: Protected, place: Path) -> dict[str, Any]:
        """Everything two ways to protect must agree in."""
        schema = Contract(REVIEWS, self.tables[REVIEWS], POLICY).schema()
        parts = [*made.standing, *(replace(part, path=str(place / "rows" / part.path)) for part in made.rows)]
        rows = [
            (part.partition, *row.values())
            for part in parts
            for row in collect(self.engine, self.engine.read([part.path], schema)).to_pylist()
        ]
        nobody = self.engine.read([str(place / "nobody" / part.path) for part in made.quarantine], PLACES)
        return {
            "rows": sorted(rows, key=repr),
            "nobody": sorted(row["_row"] for row in collect(self.engine, nobody).to_pylist()),
            "counts": (made.rows_in, made.rows_out, made.rows_quarantined),
            "actions": made.actions,
            "scanned": made.scanned,
        }


@pytest.fixture
def office(engine: Engine, tmp_path: Path) -> Office:
    return Office(engine, tmp_path)


def texts(office: Office, made: Protected, place: Path) -> list[str]:
    return [row[-2] for row in office.outcome(made, place)["rows"]]


def agreed(office: Office, before: Day, now: Day) -> tuple[Protected, list[str]]:
    """The layered outcome, which is the whole one."""
    layered, whole = office.layered(before, now), office.whole(now)
    assert office.outcome(*layered) == office.outcome(*whole)
    return layered[0], texts(office, *layered)


def added(made: Protected) -> int:
    return sum(part.rows for part in made.rows)


def test_only_new_rows_are_protected_when_nobody_changed(office: Office) -> None:
    now = replace(FIRST, reviews=[*FIRST.reviews, review(WILL, "Will again")])
    made, found = agreed(office, FIRST, now)
    assert added(made) == 1 and sum(part.rows for part in made.standing) == 4
    assert "[NAME] again" in found


@pytest.mark.long_on_spark
def test_where_no_row_came_all_stand_and_nobody_is_looked_up(office: Office) -> None:
    made, _ = agreed(office, FIRST, replace(FIRST, people=[*FIRST.people, (*WILL[:3], "low@home")]))
    assert not made.rows and sum(part.rows for part in made.standing) == 4


@pytest.mark.long_on_spark
def test_the_name_of_somebody_new_in_an_old_column_that_is_kept_is_refused(office: Office) -> None:
    person = ("E100004", "Boris", "Raman", None)
    before = replace(FIRST, reviews=[*FIRST.reviews, (ANNA[0], None, "fine", "Boris Raman")])
    agreed(office, before, before)
    with pytest.raises(PrivacyRefusal) as raised:
        office.layered(before, replace(before, people=[*FIRST.people, person], keys=owned(ANNA, WILL, person)))
    assert raised.value.code == "G001"


@pytest.mark.long_on_spark
def test_the_name_of_somebody_new_is_found_in_an_old_text(office: Office) -> None:
    person = ("E100004", "Boris", "Raman", None)
    before = replace(FIRST, reviews=[*FIRST.reviews, review(ANNA, "thanks to Boris Raman")])
    now = replace(before, people=[*FIRST.people, person], keys=owned(ANNA, WILL, person))
    _, old = agreed(office, before, before)
    made, found = agreed(office, before, now)
    assert "thanks to Boris Raman" in old and "thanks to [NAME]" in found
    # all of Anna's rows are protected again, and none of Will's where they lie in another bucket
    assert added(made) >= 3


@pytest.mark.long_on_spark
def test_a_row_of_nobody_finds_its_person(office: Office) -> None:
    now = replace(FIRST, people=[*FIRST.people, PRIYA], keys=owned(ANNA, WILL, PRIYA))
    made, found = agreed(office, FIRST, now)
    assert (made.rows_out, made.rows_quarantined) == (5, 0)
    assert "not yet here, [NAME]" in found and "[NAME] and [NAME] did well" in found


@pytest.mark.long_on_spark
def test_a_new_address_of_somebody_is_found_in_an_old_text_of_another(office: Office) -> None:
    # no form that anybody's address has, so that only the roster tells
    before = replace(FIRST, reviews=[*FIRST.reviews, review(ANNA, "ask low@home, she said")])
    now = replace(before, people=[*FIRST.people, (*WILL[:3], "low@home")])
    _, found = agreed(office, before, now)
    assert "ask [EMAIL], she said" in found


@pytest.mark.long_on_spark
def test_a_name_that_comes_in_another_spelling_touches_no_row(office: Office) -> None:
    now = replace(FIRST, people=[*FIRST.people, ("E100001", "ANNA", "muller", "anna@corp.example")])
    made, found = agreed(office, FIRST, now)
    assert added(made) == 0 and "[NAME] and Priya Raman did well" in found


@pytest.mark.long_on_spark
def test_two_people_become_one(office: Office) -> None:
    both = owned(ANNA, WILL) | {("emp_no", "E100002"): ("sE100001", True), ("email", WILL[3]): ("sE100001", True)}
    now = replace(FIRST, keys=both)
    made, found = agreed(office, FIRST, now)
    assert made.rows_out == 4 and "call W. [NAME]" in found


@pytest.mark.long_on_spark
def test_rows_are_told_apart_by_a_key_that_somebody_got_since(office: Office) -> None:
    person = ("E100000", "Anna", "Müller", None)
    two = owned(ANNA, WILL) | {("emp_no", "E100000"): ("sE100001", True)}
    now = Day([*FIRST.people, person], two, [*FIRST.reviews, review(person, "as before")])
    layered = office.layered(FIRST, now)
    rows = office.outcome(*layered)["rows"]
    assert rows == office.outcome(*office.whole(now))["rows"]
    # the new number is the first of the two
    which = {row[-2]: row[4] for row in rows}
    assert which["as before"] != which["nothing to say"] == which["[NAME] and Priya Raman did well"]


@pytest.mark.long_on_spark
def test_somebody_whom_no_roster_knows_any_more_has_no_rows(office: Office) -> None:
    now = replace(FIRST, keys=owned(ANNA) | owned(WILL, rostered=False))
    made, _ = agreed(office, FIRST, now)
    assert (made.rows_out, made.rows_quarantined) == (2, 3)


@pytest.mark.long_on_spark
def test_a_name_that_is_gone_is_not_a_name_any_more(office: Office) -> None:
    now = replace(FIRST, people=[("E100001", "Johanna", "Müller", None), WILL])
    _, found = agreed(office, FIRST, now)
    assert "Anna and Priya Raman did well" in found


@pytest.mark.long_on_spark
def test_a_date_of_birth_that_is_put_right_is_found_in_an_old_text(office: Office) -> None:
    before = replace(FIRST, reviews=[*FIRST.reviews, review(ANNA, "born 07.03.1984"), review(WILL, "on 07.03.1984")])
    before = replace(before, people=[(*ANNA, dt.date(1984, 3, 8)), WILL])
    now = replace(before, people=[(*ANNA, dt.date(1984, 3, 7)), WILL])
    made, found = agreed(office, before, now)
    assert "born [BIRTHDATE]" in found and "on 07.03.1984" in found and added(made) == 3


numbers = st.sampled_from(["E100001", "E100002", "E100003"])
mails = st.sampled_from([None, "a@corp.example", "b@home", "boss@corp.example"])
persons = st.tuples(
    numbers,
    st.sampled_from(["Anna", "Will", "Low"]),
    st.sampled_from(["Low", "Müller", "O'Neil"]),
    mails,
    st.sampled_from([None, dt.date(1984, 3, 7), dt.date(1985, 1, 2)]),
)
words = st.sampled_from(
    [
        "Anna",
        "will",
        "Low",
        "Muller",
        "Low-Anna",
        "Will",
        "O’Neil",
        "e100002",
        "100003",
        "b@home",
        "[NAME]",
        "boss@corp.example",
        "7.3.84",
        "1985-01-02",
        "went",
        ",",
    ]
)
comments = st.none() | st.lists(words, max_size=6).map(" ".join)
reviews = st.lists(st.tuples(st.none() | numbers, mails, comments), max_size=5)
owners = st.sampled_from(["s1", "s2", "s3"])


@st.composite
def days(draw: st.DrawFn) -> list[Day]:
    """Two days; reviews only come, everything else may change."""
    found, rows = [], []
    for _ in range(2):
        people = (
            draw(st.lists(persons, min_size=1, max_size=4)) if not found or draw(st.booleans()) else found[0].people
        )
        values = {("emp_no", row[0]) for row in people} | {("email", row[3]) for row in people if row[3]}
        keys = {pair: (draw(owners), draw(st.sampled_from([True, True, False]))) for pair in sorted(values)}
        if found and draw(st.booleans()):
            keys |= {pair: owner for pair, owner in found[0].keys.items() if pair in keys}
        rows = [*rows, *draw(reviews)]
        found.append(Day(people, keys, rows))
    return found


@pytest.mark.long_on_spark
def test_standing_and_whole_agree_whatever_changes(engine: Engine, tmp_path: Path, examples: Examples) -> None:
    @settings(max_examples=examples(engine, 8), deadline=None)
    @given(two=days())
    def holds(two: list[Day]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            agreed(Office(engine, Path(folder), numbers=itertools.count()), *two)

    holds()
