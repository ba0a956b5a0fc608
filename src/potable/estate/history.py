"""Twenty years, month by month: work, pay, promotions, ratings, surveys, trainings and exits.

Yields one Month at a time for the systems to write and keeps only what HR keeps (jobs, promotions, exits),
so memory grows with people, not with months. Chance comes from one stream per month. Entry: History.months.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from potable.estate.calendar import NEVER, Calendar
from potable.estate.draws import Floats, Ints, Mask, between, chance, pick, stream
from potable.estate.hazard import monthly_risk
from potable.estate.people import People
from potable.estate.workforce import TOP_GRADE, Workforce, exchange_rates

RESPONSE_RATE = 0.82
COURSE_KINDS = (0.58, 0.14, 0.28)
"""Shares of course, certificate, workshop."""


@dataclass(frozen=True)
class Payslips:
    """One element per payslip; money in hundredths of the local currency (usd: of a dollar)."""

    stint: Ints
    gross: Ints
    usd: Ints
    bonus: Ints
    overtime: Ints
    """Tenths of an hour."""


@dataclass(frozen=True)
class Reviews:
    """One element per written review."""

    stint: Ints
    manager: Ints
    day: Ints
    rating: Ints


@dataclass(frozen=True)
class Surveys:
    """One element per answered engagement survey; answers 0 to 3, or 0 and 1."""

    stint: Ints
    day: Ints
    balance: Ints
    satisfaction: Ints
    reputation: Ints
    recognition: Ints
    leadership: Ints
    innovation: Ints


@dataclass(frozen=True)
class Trainings:
    """One element per completed training."""

    stint: Ints
    day: Ints
    kind: Ints
    hours: Ints
    """Tenths of an hour."""
    score: Ints


@dataclass(frozen=True)
class Month:
    """Everything that happened in one month."""

    index: int
    payslips: Payslips
    trainings: Trainings
    reviews: Reviews | None
    surveys: Surveys | None


@dataclass
class Log:
    """Rows that arrive in blocks and are read once, as whole columns."""

    blocks: list[tuple[Ints, ...]] = field(default_factory=list)

    def add(self, *columns: Ints) -> None:
        """One more block of equally long columns."""
        if len(columns[0]):
            self.blocks.append(tuple(np.asarray(column, dtype=np.int64) for column in columns))

    def columns(self, count: int) -> list[Ints]:
        """All rows as `count` columns."""
        if not self.blocks:
            return [np.zeros(0, dtype=np.int64) for _ in range(count)]
        return [np.concatenate(parts) for parts in zip(*self.blocks, strict=True)]


def _steps(values: Floats, edges: tuple[float, ...]) -> Ints:
    return np.searchsorted(np.array(edges), values).astype(np.int64)


class History:
    """Runs the years once; `jobs` and `promotions` are complete when months() is exhausted."""

    def __init__(self, people: People, calendar: Calendar, seed: int) -> None:
        self.people, self.calendar, self.seed = people, calendar, seed
        self.force = Workforce.start(people, calendar, seed)
        self.jobs = Log()
        """Columns: stint, day, role, level, department, company, commute, remote."""
        self.promotions = Log()
        """Columns: stint, day, from_grade, to_grade."""
        self._active = np.zeros(0, dtype=np.int64)
        self._returner = np.full(people.persons, -1, dtype=np.int64)
        later = np.arange(people.persons, people.stints)
        self._returner[people.person[later]] = later

    def months(self) -> Iterator[Month]:
        """The months in order. May be run once."""
        for month in range(self.calendar.months):
            rng = stream(self.seed, "history", month)
            self._arrive(rng, month)
            self._advance(rng, month)
            yield Month(month, self._pay(rng, month), self._train(rng, month), *self._judge(rng, month))
            if month + 1 < self.calendar.months:
                self._leave(rng, month)

    def _arrive(self, rng: np.random.Generator, month: int) -> None:
        first, last = self.calendar.first_day(month), self.calendar.last_day(month)
        begin = 0 if month == 0 else int(np.searchsorted(self.people.hire_day, first))
        until = int(np.searchsorted(self.people.hire_day, last, side="right"))
        again = self.force.hired[self.people.persons :]
        back = np.flatnonzero((again >= first) & (again <= last)) + self.people.persons
        new = np.r_[np.arange(begin, until), back].astype(np.int64)
        self.force.begin(new, month)
        self._log_jobs(new, self.force.hired[new])
        still = self._active[self.force.left[self._active] >= first]
        self._active = np.r_[still, new]
        self._assign_managers(rng, new)

    def _log_jobs(self, stints: Ints, days: Ints) -> None:
        force = self.force
        place = (force.department, force.company, force.commute, force.remote.astype(np.int64))
        self.jobs.add(stints, days, force.role[stints], force.level(stints), *(part[stints] for part in place))

    def _staying(self) -> Ints:
        open_: Mask = self.force.left[self._active] == NEVER
        return np.asarray(self._active[open_], dtype=np.int64)

    def _advance(self, rng: np.random.Generator, month: int) -> None:
        """Raises in April, promotions in January and July, transfers and moods in every month."""
        force, staying = self.force, self._staying()
        if month % 12 == 3:
            self._raise(rng, staying)
        if month % 6 == 0 and month > 0:
            self._promote(rng, staying, month)
        self._transfer(rng, staying, month)
        stints = self._active
        overtime = np.maximum(force.habit[stints] + 3.5 * rng.standard_normal(len(stints)), 0)
        force.overtime[stints] += (overtime - force.overtime[stints]) / 12
        pull = 1.2 * force.pay_gap(stints, month) - 0.035 * (force.overtime[stints] - 9)
        noise = 0.2 * rng.standard_normal(len(stints))
        force.mood[stints] += 0.035 * (pull - force.mood[stints]) + noise
        self._overtime_now = overtime

    def _raise(self, rng: np.random.Generator, stints: Ints) -> None:
        force = self.force
        here = stints[force.hired[stints] < self.calendar.end]
        catch_up = -0.06 * np.log(force.pay_factor[here])
        share = 0.012 + 0.009 * force.rating[here] + catch_up + 0.014 * rng.standard_normal(len(here))
        share = np.clip(share, 0, 0.12)
        force.raise_share[here] = share
        force.pay[here] *= 1 + share

    def _promote(self, rng: np.random.Generator, stints: Ints, month: int) -> None:
        force, today = self.force, self.calendar.first_day(month)
        wait = (today - force.promoted[stints]) / 365.25
        odds = np.clip(0.03 + 0.035 * (force.rating[stints] - 1.5) + 0.03 * np.minimum(wait, 4), 0.0, 0.35)
        ready = (wait > 1.2) & (force.grade[stints] < TOP_GRADE)
        chosen = stints[ready & chance(rng, odds, len(stints))]
        old = force.level(chosen)
        force.grade[chosen] += 1
        force.promoted[chosen] = today
        force.pay[chosen] *= 1 + np.clip(0.09 + 0.03 * rng.standard_normal(len(chosen)), 0.03, 0.2)
        self.promotions.add(chosen, np.full(len(chosen), today), force.grade[chosen] - 1, force.grade[chosen])
        risen = chosen[force.level(chosen) > old]
        self._log_jobs(risen, np.full(len(risen), today))

    def _transfer(self, rng: np.random.Generator, stints: Ints, month: int) -> None:
        """Another department, company, home or way of working; remote work spreads in the later half."""
        force = self.force
        moved = stints[chance(rng, 0.006, len(stints))]
        moved = moved[force.hired[moved] < self.calendar.first_day(month)]
        what = pick(rng, [4, 2, 3, 3], len(moved))
        size = len(moved)
        force.department[moved] = np.where(what == 0, between(rng, 0, 6, size), force.department[moved])
        force.company[moved] = np.where(what == 1, between(rng, 0, 4, size), force.company[moved])
        new_way = np.minimum(1 + rng.gamma(1.5, 14, size), 120).astype(np.int64)
        force.commute[moved] = np.where(what == 2, new_way, force.commute[moved])
        share = 0.2 if month < self.calendar.half else 0.55
        force.remote[moved] = np.where(what == 3, chance(rng, share, size), force.remote[moved])
        force.habit[moved] = np.where(what < 2, rng.gamma(1.6, 5.5, size), force.habit[moved])
        self._log_jobs(moved, np.full(size, self.calendar.first_day(month)))

    def _pay(self, rng: np.random.Generator, month: int) -> Payslips:
        force, first = self.force, self.calendar.first_day(month)
        rows = np.flatnonzero(force.hired[self._active] <= first + 24)
        stints = self._active[rows]
        length = self.calendar.last_day(month) - first + 1
        from_day = np.maximum(force.hired[stints], first)
        to_day = np.minimum(force.left[stints], first + length - 1)
        share = (to_day - from_day + 1) / length
        leaving = force.known[stints] < NEVER
        overtime = np.where(leaving, 0, self._overtime_now[rows] * share)
        base = force.pay[stints] * share
        december = 1.0 if month % 12 == 11 else 0.0
        lucky = chance(rng, 0.02, len(stints))
        part = december * 0.25 * force.rating[stints] + 0.4 * lucky + 0.5 * (to_day == force.left[stints])
        bonus = np.where(leaving & (to_day != force.left[stints]), 0.0, part) * force.pay[stints]
        gross = base + bonus + 1.25 * overtime * base / 165
        rate = exchange_rates(self.calendar.year(month))[self.people.country[self.people.person[stints]]]
        return Payslips(
            stint=stints,
            gross=np.rint(gross * rate * 100).astype(np.int64),
            usd=np.rint(gross * 100).astype(np.int64),
            bonus=np.rint(bonus * rate * 100).astype(np.int64),
            overtime=np.rint(overtime * 10).astype(np.int64),
        )

    def _train(self, rng: np.random.Generator, month: int) -> Trainings:
        force, first = self.force, self.calendar.first_day(month)
        staying = self._staying()
        count = rng.poisson(0.17 * force.appetite[staying])
        stints = np.repeat(staying, count)
        kind = pick(rng, COURSE_KINDS, len(stints))
        hours = np.array([40, 160, 20])[kind] + between(rng, 0, 24, len(stints)) * 5
        day = first + between(rng, 0, 27, len(stints))
        score = np.clip(72 + 9 * rng.standard_normal(len(stints)) + 4 * force.ability[stints], 30, 100)
        done = day > force.hired[stints]
        force.training[self._active] *= 11 / 12
        np.add.at(force.training, stints[done], hours[done] / 10)
        return Trainings(stints[done], day[done], kind[done], hours[done], score[done].astype(np.int64))

    def _judge(self, rng: np.random.Generator, month: int) -> tuple[Reviews | None, Surveys | None]:
        reviews = self._review(rng, month) if month % 12 in (5, 10) else None
        surveys = self._survey(rng, month) if month % 12 == 8 else None
        return reviews, surveys

    def _review(self, rng: np.random.Generator, month: int) -> Reviews:
        force, first = self.force, self.calendar.first_day(month)
        stints = self._staying()
        stints = stints[(force.hired[stints] < first - 90) & chance(rng, 0.97, len(stints))]
        noise = 0.35 * rng.standard_normal(len(stints))
        rating = _steps(0.75 * force.ability[stints] + 0.4 * force.mood[stints] + noise, (-1.35, -0.55, 0.95))
        drop = np.maximum(force.rating[stints] - rating, 0)
        force.rating_drop[stints] = np.where(force.reviewed[stints], drop, 0)
        force.rating[stints], force.reviewed[stints] = rating, True
        self._assign_managers(rng, stints)
        day = first + between(rng, 0, 29, len(stints))
        return Reviews(stints, force.manager[stints].copy(), day, rating)

    def _assign_managers(self, rng: np.random.Generator, stints: Ints) -> None:
        force, everyone = self.force, self._staying()
        seniors = everyone[force.level(everyone) == 2]
        pool = seniors if len(seniors) > 1 else everyone
        manager = force.manager[stints]
        gone = (manager < 0) | (force.left[manager] < NEVER) | chance(rng, 0.08, len(stints))
        choice = between(rng, 0, max(len(pool) - 1, 0), len(stints))
        picked = pool[choice] if len(pool) else stints
        picked = np.where(picked == stints, pool[(choice + 1) % max(len(pool), 1)], picked)
        force.manager[stints] = np.where(gone, picked, manager)

    def _survey(self, rng: np.random.Generator, month: int) -> Surveys:
        force, first = self.force, self.calendar.first_day(month)
        leaving = force.left[self._active] < NEVER
        stints = self._active[chance(rng, np.where(leaving, 0.35, RESPONSE_RATE), len(self._active))]
        day = first + between(rng, 4, 26, len(stints))
        there = (force.hired[stints] < first - 30) & (force.left[stints] >= day)
        stints, day = stints[there], day[there]
        size, mood = len(stints), force.mood[stints]
        noise = 0.35 * rng.standard_normal((4, size))
        strain = 0.07 * (force.overtime[stints] - 9)
        satisfaction = _steps(mood + noise[0], (-1.0, -0.2, 0.8))
        balance = _steps(0.5 * mood - strain + noise[1], (-0.95, -0.1, 0.75))
        image = np.array([0.2, 0.1, -0.2, 0.0, 0.3])[force.company[stints]]
        reputation = _steps(image + 0.3 * mood + 1.4 * noise[2], (-0.9, -0.1, 0.8))
        recognition = _steps(0.4 * (force.rating[stints] - 1.8) + 0.4 * mood + noise[3], (-0.8, 0.0, 0.8))
        force.satisfaction[stints], force.balance[stints] = satisfaction, balance
        force.reputation[stints] = reputation
        odds: Floats = np.asarray(0.15 + 0.2 * force.level(stints), dtype=np.float64)
        leading = chance(rng, odds, size).astype(np.int64)
        inventing = chance(rng, np.where(force.role[stints] == 4, 0.5, 0.25), size).astype(np.int64)
        return Surveys(stints, day, balance, satisfaction, reputation, recognition, leading, inventing)

    def _leave(self, rng: np.random.Generator, month: int) -> None:
        """Decides what strikes whom in the month to come; the first cause counts."""
        force, coming = self.force, self.calendar.first_day(month + 1)
        stints = self._staying()
        stints = stints[force.hired[stints] < self.calendar.first_day(month)]
        if not len(stints):
            return
        size = len(stints)
        day = coming + between(rng, 0, 27, size)
        causes = self._causes(rng, stints, month)
        open_ = np.ones(size, dtype=bool)
        for kind, (struck, notice, before) in enumerate(causes):
            hit = np.flatnonzero(struck & open_)
            open_[hit] = False
            who = stints[hit]
            last = force.contract_end[who] if kind == 3 else day[hit] + notice[hit]
            force.left[who], force.kind[who] = last, kind
            force.known[who] = (last if kind == 3 else day[hit]) - before[hit]
        self._plan_return(rng, stints[~open_])

    def _causes(self, rng: np.random.Generator, stints: Ints, month: int) -> list[tuple[Mask, Ints, Ints]]:
        """Per kind of exit: who is struck, days from that to the last day, days known before (late: negative)."""
        seen, size = self.force.signals(stints, month), len(stints)
        none = np.zeros(size, dtype=np.int64)
        dismissal: Floats = np.asarray(0.0011 * np.exp(0.8 * (2 - seen.rating)))
        retirement: Floats = np.select([seen.age < 62, seen.age < 66], [0.0, 0.035], 0.3)
        death: Floats = np.asarray(0.00004 * np.exp(0.06 * (seen.age - 35)))
        return [
            (chance(rng, monthly_risk(seen, (month + 1) % 12), size), between(rng, 30, 60, size), none),
            (chance(rng, dismissal, size), between(rng, 0, 21, size), none),
            (chance(rng, retirement, size), between(rng, 80, 120, size), none),
            (self._contract_over(rng, stints, month), none, between(rng, 20, 45, size)),
            (chance(rng, death, size), none, -between(rng, 1, 9, size)),
        ]

    def _contract_over(self, rng: np.random.Generator, stints: Ints, month: int) -> Mask:
        ends = self.force.contract_end[stints]
        due = (ends >= self.calendar.first_day(month + 1)) & (ends <= self.calendar.last_day(month + 1))
        return np.asarray(due & chance(rng, 0.45, len(stints)), dtype=np.bool_)

    def _plan_return(self, rng: np.random.Generator, leavers: Ints) -> None:
        force = self.force
        gap = between(rng, 183, 1095, len(leavers))
        able = (leavers < self.people.persons) & (force.kind[leavers] <= 1)
        person = self.people.person[leavers]
        able &= self._returner[person] >= 0
        back = force.left[leavers] + gap
        able &= (back < self.calendar.end) & (back - self.people.birth_day[person] < 60 * 365)
        force.hired[self._returner[person[able]]] = back[able]
