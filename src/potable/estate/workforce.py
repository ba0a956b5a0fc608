"""The state of every stint while the years pass: job, pay, mood, habits, latest ratings and answers.

Columns are NumPy arrays with one element per stint, changed in place by history.py. Nothing here draws a
month; this file says what there is and how a stint begins. Entry: Workforce.start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potable.estate.calendar import NEVER, Calendar
from potable.estate.draws import Floats, Ints, Mask, between, chance, pick, stream
from potable.estate.hazard import Signals
from potable.estate.people import People

ROLES = ("Education", "Finance", "Healthcare", "Media", "Technology")
LEVELS = ("Entry", "Mid", "Senior")
COMPANIES = (
    ("Northwind Technology GmbH", "Large"),
    ("Northwind Finance & Services Ltd", "Large"),
    ("Northwind Health Private Limited", "Medium"),
    ("Northwind Media & Learning Inc", "Medium"),
    ("Northwind Labs", "Small"),
)
DEPARTMENTS = ("Operations", "Engineering", "Sales", "Support", "People & Culture", "Research", "Legal")
CURRENCIES = ("INR", "USD", "GBP", "EUR")
KINDS = ("voluntary", "involuntary", "retirement", "end_of_contract", "death")
TOP_GRADE = 9
_COUNTRY_PAY = np.array([0.38, 1.2, 0.95, 1.0])
_ROLE_PAY = np.array([0.85, 1.1, 1.0, 0.92, 1.18])


def market_pay(grade: Ints, country: Ints, role: Ints, month: int) -> Floats:
    """Usual monthly pay in US dollars of a grade (1 to 9), growing two percent a year."""
    pay = 2300 * 1.17**grade * _COUNTRY_PAY[country] * _ROLE_PAY[role] * 1.02 ** (month / 12)
    return np.asarray(pay, dtype=np.float64)


def exchange_rates(year: int) -> Floats:
    """Units of local currency per US dollar by country; one fixed rate a year."""
    since = year - 2006
    return np.array([45.0 + 2.05 * since, 1.0, 0.56 + 0.012 * since, 0.78 + 0.007 * since])


@dataclass
class Workforce:
    """One element per stint in every column."""

    people: People
    calendar: Calendar
    hired: Ints
    left: Ints
    known: Ints
    """The day the company learned of the exit."""
    kind: Ints
    """Index into KINDS, -1 while employed."""
    role: Ints
    department: Ints
    company: Ints
    grade: Ints
    remote: Mask
    commute: Ints
    contract_end: Ints
    habit: Floats
    """Usual overtime in hours a month."""
    appetite: Floats
    """How eager to take trainings, mean 1."""
    ability: Floats
    mood: Floats
    pay: Floats
    """Monthly base pay in US dollars."""
    pay_factor: Floats
    promoted: Ints
    """Day of the latest promotion, or of hire."""
    rating: Floats
    rating_drop: Floats
    satisfaction: Floats
    balance: Floats
    reputation: Floats
    overtime: Floats
    training: Floats
    raise_share: Floats
    manager: Ints
    """Stint of the manager, from the first month on."""
    reviewed: Mask
    """Whether `rating` comes from a review."""

    @classmethod
    def start(cls, people: People, calendar: Calendar, seed: int) -> Workforce:
        """Draws what is fixed per stint; nobody is at work yet."""
        rng, size = stream(seed, "workforce"), people.stints
        ability = rng.standard_normal(people.persons)[people.person]
        hired = np.full(size, NEVER, dtype=np.int64)
        hired[: people.persons] = people.hire_day
        role = pick(rng, [0.16, 0.2, 0.18, 0.14, 0.32], size)
        fixed_term = chance(rng, 0.07, size)
        return cls(
            people=people,
            calendar=calendar,
            hired=hired,
            left=np.full(size, NEVER, dtype=np.int64),
            known=np.full(size, NEVER, dtype=np.int64),
            kind=np.full(size, -1, dtype=np.int64),
            role=role,
            department=between(rng, 0, len(DEPARTMENTS) - 1, size),
            company=pick(rng, [0.35, 0.25, 0.18, 0.14, 0.08], size),
            grade=np.ones(size, dtype=np.int64),
            remote=chance(rng, 0.22, size),
            commute=np.minimum(1 + rng.gamma(1.5, 14, size), 120).astype(np.int64),
            contract_end=np.where(fixed_term, between(rng, 11, 24, size) * 365 // 12, NEVER),
            habit=rng.gamma(1.6, 5.5, size),
            appetite=rng.gamma(2.5, 0.4, size),
            ability=ability,
            mood=0.8 * rng.standard_normal(size),
            pay=np.zeros(size),
            pay_factor=np.exp(0.11 * rng.standard_normal(size) + 0.03 * ability),
            promoted=np.zeros(size, dtype=np.int64),
            rating=np.full(size, 2.0),
            rating_drop=np.zeros(size),
            satisfaction=np.full(size, 1.5),
            balance=np.full(size, 1.5),
            reputation=np.full(size, 1.5),
            overtime=np.full(size, 8.0),
            training=np.zeros(size),
            raise_share=np.full(size, 0.03),
            manager=np.full(size, -1, dtype=np.int64),
            reviewed=np.zeros(size, dtype=np.bool_),
        )

    def begin(self, stints: Ints, month: int) -> None:
        """Sets grade, pay and dates of stints that start (or are found employed) in this month."""
        people, person = self.people, self.people.person[stints]
        today = max(self.calendar.first_day(month), self.calendar.start)
        age = (np.maximum(self.hired[stints], today) - people.birth_day[person]) / 365.25
        step = (age - 21) / 5.5 + 0.7 * self.ability[stints] + 3 * (self.pay_factor[stints] - 1)
        self.grade[stints] = np.clip(1 + step, 1, TOP_GRADE).astype(np.int64)
        usual = market_pay(self.grade[stints], people.country[person], self.role[stints], month)
        self.pay[stints] = usual * self.pay_factor[stints]
        self.promoted[stints] = self.hired[stints]
        self.overtime[stints] = self.habit[stints]
        self.training[stints] = 18 * self.appetite[stints]
        ends = self.contract_end[stints]
        long_here = self.hired[stints] < today - 300
        self.contract_end[stints] = np.where((ends < NEVER) & ~long_here, self.hired[stints] + ends, NEVER)

    def level(self, stints: Ints) -> Ints:
        """Index into LEVELS."""
        return (self.grade[stints] - 1) // 3

    def pay_gap(self, stints: Ints, month: int) -> Floats:
        """Logarithm of own pay over usual pay."""
        country = self.people.country[self.people.person[stints]]
        usual = market_pay(self.grade[stints], country, self.role[stints], month)
        return np.asarray(np.log(self.pay[stints] / usual), dtype=np.float64)

    def signals(self, stints: Ints, month: int) -> Signals:
        """What the hazard sees of the given stints at the start of a month."""
        today = self.calendar.first_day(month)
        birth = self.people.birth_day[self.people.person[stints]]
        return Signals(
            rating=self.rating[stints],
            rating_drop=self.rating_drop[stints],
            months_since_promotion=(today - self.promoted[stints]) / 30.44,
            overtime=self.overtime[stints],
            raise_share=self.raise_share[stints],
            pay_gap=self.pay_gap(stints, month),
            satisfaction=self.satisfaction[stints],
            balance=self.balance[stints],
            reputation=self.reputation[stints],
            commute_km=np.where(self.remote[stints], 0.0, self.commute[stints].astype(np.float64)),
            tenure_months=np.maximum(today - self.hired[stints], 0) / 30.44,
            age=(today - birth) / 365.25,
            training_hours=self.training[stints],
        )
