"""The persons of the estate: names, birth, national number, family, address, telephone and mail names.

A person is one human being; a stint is one employment of a person (a rehire is a second stint with a new
employee number). Persons are ordered by their first day of work. Entry: build_people.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from potable.estate import names
from potable.estate.calendar import NEVER, Calendar
from potable.estate.contact import Contact, build_contact
from potable.estate.draws import Floats, Ints, Mask, between, chance, falling, occurrence, pick, stream
from potable.estate.identifiers import national_ids
from potable.estate.render import digits, join, take

GENDERS = ("Male", "Female", "Non-binary")
EDUCATION = ("High School", "Associate Degree", "Bachelor's Degree", "Master's Degree", "PhD")
RETURN_SHARE = 0.03
"""Share of leavers who come back."""


@dataclass(frozen=True)
class People:
    """Columns per person (length N), then per stint (length S: first stints, then possible rehires)."""

    country: Ints
    gender: Ints
    education: Ints
    birth_day: Ints
    hire_day: Ints
    """First day of work, ascending."""
    id_type: Ints
    national_id: pa.Array
    first: pa.Array
    last: pa.Array
    married_last: pa.Array
    """Surname after marriage_day; equal to `last` where it did not change."""
    single: Mask
    """Not yet married on the first day of work."""
    marriage_day: Ints
    """The day a single person marries, or NEVER."""
    divorce_day: Ints
    dependents: Ints
    personal_email: pa.Array
    person: Ints
    """Per stint: which person it is."""
    emp_no: pa.Array
    twin_no: pa.Array
    """Per stint: a number never given out, free for a second entry of the same person."""
    contact: Contact
    """Per stint: telephone and address."""
    local: pa.Array
    """Per stint: the part of the work address before the @, under the first surname."""
    married_local: pa.Array
    twin_local: pa.Array

    @property
    def persons(self) -> int:
        """Number of different persons."""
        return len(self.country)

    @property
    def stints(self) -> int:
        """Number of employments that may happen."""
        return len(self.person)

    def surname(self, stints: Ints, days: Ints) -> pa.Array:
        """Surname of each stint's person on a day."""
        person = self.person[stints]
        married = days >= self.marriage_day[person]
        both = pa.concat_arrays([self.last, self.married_last])
        return take(both, person + np.where(married, self.persons, 0))

    def given_name(self, stints: Ints) -> pa.Array:
        """Given name of each stint's person."""
        return take(self.first, self.person[stints])

    def full_name(self, stints: Ints, days: Ints) -> pa.Array:
        """`First Last` of each stint's person on a day."""
        return join(self.given_name(stints), " ", self.surname(stints, days))


def _slug(name: str) -> str:
    for raw, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), (" ", ""), ("'", ""), (".", "")):
        name = name.lower().replace(raw, plain)
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()


def slugs(column: pa.Array) -> pa.Array:
    """Names as they are spelled in mail addresses."""
    coded = column.dictionary_encode()
    plain = pa.array([_slug(name) for name in coded.dictionary.to_pylist()], pa.string())
    return plain.take(coded.indices)


def _given(rng: np.random.Generator, country: Ints, gender: Ints) -> pa.Array:
    result = np.empty(len(country), dtype=object)
    for index, code in enumerate(names.COUNTRIES):
        lists = names.given_names(code)
        for side in (0, 1):
            rows = np.flatnonzero((country == index) & ((gender + 1) % 2 == side))
            pool = np.array(lists[side], dtype=object)
            chosen = pool[pick(rng, falling(len(pool)), len(rows))]
            second = pool[pick(rng, falling(len(pool)), len(rows))]
            # "Mary Jane"; names that are two already stay as they are
            double = chance(rng, 0.04, len(rows)) & (chosen != second)
            result[rows] = np.where(double, chosen + " " + second, chosen)
    return pa.array(result, pa.string())


def _family(rng: np.random.Generator, country: Ints) -> pa.Array:
    result = np.empty(len(country), dtype=object)
    for index, code in enumerate(names.COUNTRIES):
        rows = np.flatnonzero(country == index)
        pool = np.array(names.surnames(code), dtype=object)
        result[rows] = pool[pick(rng, falling(len(pool)), len(rows))]
    return pa.array(result, pa.string())


def _double(rng: np.random.Generator, country: Ints, first: pa.Array, second: pa.Array) -> pa.Array:
    """Now and then a double surname: with a hyphen, in the US (Spanish custom) with a blank."""
    left, right = np.array(first.to_pylist(), object), np.array(second.to_pylist(), object)
    wanted = chance(rng, np.array([0.004, 0.04, 0.03, 0.05])[country], len(country)) & (left != right)
    middle = np.where(country == 1, " ", "-").astype(object)
    return pa.array(np.where(wanted, left + middle + right, left), pa.string())


def _hire_days(rng: np.random.Generator, size: int, calendar: Calendar) -> tuple[Ints, Ints]:
    """First day of work and birth day per person, ordered by first day."""
    present = round(size / (1 + 0.17 * calendar.years) * 0.9)
    month = np.arange(calendar.months)
    weights = (1 + 0.8 * month / len(month)) * np.array([1.6, 1, 1.1, 1.2, 1, 0.9, 1, 0.8, 1.7, 1.2, 0.8, 0.4])[
        month % 12
    ]
    months = np.array([calendar.first_day(m) for m in range(calendar.months)])
    day = months[pick(rng, weights, size)] + np.array([0, 14, 7, 20])[pick(rng, [6, 2, 1, 1], size)]
    age = (19 + np.minimum(rng.gamma(2.2, 4.5, size), 38)) * 365.25
    tenure = np.minimum(rng.exponential(6.0, size) * 365.25, np.maximum(62 * 365.25 - age, 30))
    tenure = tenure % (25 * 365.25)
    early = np.arange(size) < present
    hired = np.where(early, calendar.start - 1 - tenure.astype(np.int64), day).astype(np.int64)
    order = np.argsort(hired, kind="stable")
    return hired[order], (hired - age.astype(np.int64))[order]


def _marriages(rng: np.random.Generator, birth: Ints, hired: Ints, calendar: Calendar) -> tuple[Mask, Ints, Ints]:
    """Who is single at first, and when people marry and divorce."""
    age = (hired - birth) / 365.25
    single = chance(rng, np.clip(1.25 - age / 45, 0.15, 0.95), len(birth))
    wedding = hired + (rng.exponential(11.0, len(birth)) * 365.25).astype(np.int64) + 30
    marriage = np.where(single & (wedding < calendar.end), wedding, NEVER)
    since = np.where(single, marriage, hired)
    ending = since + (rng.exponential(60.0, len(birth)) * 365.25).astype(np.int64) + 400
    return single, marriage, np.where((since < NEVER) & (ending < calendar.end), ending, NEVER)


def _mail_names(
    base: list[pa.Array],
) -> list[pa.Array]:
    """Mail names that nobody shares: equal ones get 2, 3, … in the order given."""
    texts = pa.concat_arrays(base)
    rank = occurrence(texts.dictionary_encode().indices.to_numpy().astype(np.int64))
    number = np.where(rank > 0, (rank + 1).astype(str).astype(object), "")
    made = join(texts, pa.array(number, pa.string()))
    edges = np.cumsum([0, *map(len, base)])
    return [made.slice(low, size) for low, size in zip(edges, map(len, base), strict=False)]


def _personal(rng: np.random.Generator, first: pa.Array, last: pa.Array, birth: Ints) -> pa.Array:
    """Private addresses: three habits of naming, four providers, numbered where taken."""
    size = len(birth)
    a, b = np.array(slugs(first).to_pylist(), object), np.array(slugs(last).to_pylist(), object)
    year = (birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970) % 100
    yy = np.array(digits(year, 2).to_pylist(), object)
    initial = np.array([text[0] for text in a.tolist()], dtype=object)
    habit = pick(rng, [5, 3, 2], size)
    text = np.select([habit == 0, habit == 1], [a + "." + b, initial + b + yy], b + "_" + a + yy)
    provider = np.array(["gmail", "outlook", "yahoo", "posteo"], object)[pick(rng, [6, 2, 1, 1], size)]
    (unique,) = _mail_names([pa.array(text, pa.string())])
    return join(unique, "@", pa.array(provider, pa.string()), ".example")


def _renamed(rng: np.random.Generator, gender: Ints, marriage: Ints) -> Mask:
    rate: Floats = np.array([0.1, 0.55, 0.2])[gender]
    return (marriage < NEVER) & chance(rng, rate, len(gender))


def build_people(employees: int, calendar: Calendar, seed: int) -> People:
    """All persons and their possible stints.

    Args:
        employees: Number of different persons, at least 1.
        calendar: The years they work in.
        seed: Any non-negative number.
    """
    rng = stream(seed, "people")
    hired, birth = _hire_days(rng, employees, calendar)
    country = pick(rng, names.COUNTRY_SHARE, employees)
    gender = pick(rng, [0.56, 0.425, 0.015], employees)
    single, marriage, divorce = _marriages(rng, birth, hired, calendar)
    first, own, other = _given(rng, country, gender), _family(rng, country), _family(rng, country)
    last = _double(rng, country, own, other)
    renamed = _renamed(rng, gender, marriage)
    hyphen = chance(rng, 0.25, employees)
    spouse = _family(rng, country)
    new_name = np.where(hyphen, np.array(join(own, "-", spouse).to_pylist(), object), spouse.to_pylist())
    married_last = pa.array(np.where(renamed, new_name, last.to_pylist()), pa.string())
    id_type, national_id = national_ids(rng, country, [text[0] for text in slugs_upper(last)])
    returns = np.flatnonzero(chance(rng, RETURN_SHARE, employees))
    person = np.r_[np.arange(employees), returns].astype(np.int64)
    number = 10_000 + 3 * np.arange(len(person)) + between(rng, 0, 1, len(person))
    keeps = chance(rng, 0.3, len(person)) & (np.arange(len(person)) >= employees)
    locals_ = [
        take(names_, np.where(keeps, person, np.arange(len(person))))
        for names_ in _work_names(first, last, married_last, person)
    ]
    return People(
        country=country,
        gender=gender,
        education=pick(rng, [0.14, 0.13, 0.44, 0.24, 0.05], employees),
        birth_day=birth,
        hire_day=hired,
        id_type=id_type,
        national_id=national_id,
        first=first,
        last=last,
        married_last=married_last,
        single=single,
        marriage_day=marriage,
        divorce_day=divorce,
        dependents=pick(rng, [0.4, 0.2, 0.25, 0.1, 0.04, 0.01], employees),
        personal_email=_personal(rng, first, last, birth),
        person=person,
        emp_no=join("E", digits(number, 7)),
        twin_no=join("E", digits(10_002 + 3 * np.arange(len(person)), 7)),
        contact=build_contact(stream(seed, "contact"), country, person),
        local=locals_[0],
        married_local=locals_[1],
        twin_local=locals_[2],
    )


def slugs_upper(column: pa.Array) -> list[str]:
    """Names in plain capital letters."""
    return [text.upper() for text in slugs(column).to_pylist()]


def _work_names(first: pa.Array, last: pa.Array, married: pa.Array, person: Ints) -> list[pa.Array]:
    """Mail names per stint: under the first surname, after marriage, and for a second entry by mistake."""
    given = take(slugs(first), person)
    family, wed = take(slugs(last), person), take(slugs(married), person)
    old, new, twin = _mail_names([join(given, ".", family), join(given, ".", wed), join(given, ".", family)])
    same = np.array(family.to_pylist(), object) == np.array(wed.to_pylist(), object)
    merged = pa.array(np.where(same, old.to_pylist(), new.to_pylist()), pa.string())
    return [old, merged, twin]
