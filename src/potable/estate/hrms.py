"""The HR database: seven tables, built once the years have passed.

`people` shows the current state only; employment, jobs, promotions, exits and e-mail addresses keep their
history with the moment each fact was recorded. Facts recorded after the last day do not exist yet.
Entry: write_hrms; where the rows go is database.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.calendar import NEVER
from potable.estate.database import Database
from potable.estate.defects import (
    EMAIL_HISTORY,
    EMPLOYMENT,
    EXITS,
    JOBS,
    MISTYPED,
    PEOPLE,
    PLACEHOLDER_EMAIL,
    PLACEHOLDER_IDS,
    PROMOTIONS,
    Defect,
    scatter,
)
from potable.estate.draws import Ints, Mask, between, pick
from potable.estate.history import History
from potable.estate.identifiers import ID_TYPES
from potable.estate.interviews import REASONS, exit_reasons
from potable.estate.mail import NEW_DOMAIN, OLD_DOMAIN
from potable.estate.names import COUNTRIES
from potable.estate.people import EDUCATION, GENDERS
from potable.estate.render import dates, edit, join, moments, put, take, whole
from potable.estate.workforce import COMPANIES, DEPARTMENTS, KINDS, LEVELS, ROLES
from potable.estate.world import DAY, World

MARITAL = ("Single", "Married", "Divorced")
_OTHER_REASONS = ("", "", "Age", "End of fixed term", "Death")


def write_hrms(world: World, history: History, database: Database) -> int:
    """Writes all tables; returns the number of rows."""
    stints = np.flatnonzero(world.force.hired < world.calendar.end)
    late = _learned_late(world)
    tables = (
        _people(world, stints),
        _email_history(world, stints),
        _employment(world, stints, late),
        _jobs(world, history),
        _promotions(world, history),
        _exits(world, late),
    )
    return sum(database.write(name, table) for name, table in tables)


def twin_entries(world: World) -> Ints:
    """Stints that stand in `people` a second time."""
    return np.flatnonzero(world.twins & (world.force.hired < world.calendar.end))


def twin_addresses(world: World, stints: Ints) -> pa.Array:
    """Work addresses of second entries: given out at hire, never used, never moved to the new domain."""
    later = (world.force.hired[stints] >= world.mailbook.switch_day).astype(np.int64)
    return join(take(world.people.twin_local, stints), take(pa.array([OLD_DOMAIN, NEW_DOMAIN]), later))


def recorded_exits(world: World) -> Ints:
    """The moment each stint's exit became known, in seconds since 1970 (day NEVER for none)."""
    late = _learned_late(world)
    known = np.where(
        late, world.force.left + between(world.stream("late exits"), 60, 240, len(late)), world.force.known
    )
    office = between(world.stream("office"), 8 * 60, 17 * 60, len(known)) * 60
    return np.where(world.force.kind >= 0, known * DAY + office, NEVER * DAY)


def _learned_late(world: World) -> Mask:
    rng, gone = world.stream("exits"), np.flatnonzero(world.force.kind >= 0)
    marks = scatter(rng, len(gone), EXITS, at_least=1)
    late = np.zeros(len(world.force.kind), dtype=np.bool_)
    late[gone[marks["late"]]] = True
    return late


def _record(world: World, table: str, persons: Ints) -> None:
    world.truth.records(("hrms", table), whole(np.arange(1, len(persons) + 1)), persons)


def _bad(world: World, table: str, defects: Mapping[str, Defect], marks: Mapping[str, Ints]) -> None:
    for kind, rows in marks.items():
        world.truth.bad(("hrms", table), whole(rows + 1), defects[kind])


def _table(**columns: pa.Array) -> pa.Table:
    size = len(next(iter(columns.values())))
    return pa.table({"row_id": pa.array(np.arange(1, size + 1)), **columns})


def _office_hours(rng: np.random.Generator, days: Ints) -> Ints:
    return days * DAY + between(rng, 8 * 60, 17 * 60, len(days)) * 60


def _people(world: World, stints: Ints) -> tuple[str, pa.Table]:
    """One row per employee number, as it looks today (or looked on the last day of work)."""
    people, rng, end = world.people, world.stream("hrms.people"), world.calendar.end
    twins = twin_entries(world)
    second = np.arange(len(stints) + len(twins)) >= len(stints)
    stints = np.r_[stints, twins]
    order = np.argsort(world.force.hired[stints], kind="stable")
    stints, second = stints[order], second[order]
    person, size = world.person(stints), len(stints)
    seen = np.minimum(world.force.left[stints], end - 1)
    kinds = {kind: defect for kind, defect in PEOPLE.items() if kind != "twin"}
    marks = scatter(rng, size, kinds, at_least=1)
    marks["twin"] = np.flatnonzero(second)
    updated = np.maximum(seen - between(rng, 0, 400, size), world.force.hired[stints])
    columns = {
        "emp_no": pc.if_else(pa.array(second), take(people.twin_no, stints), world.emp_no(stints)),
        "first_name": people.given_name(stints),
        "last_name": people.surname(stints, seen),
        "personal_email": take(people.personal_email, person),
        "work_email": _current_email(world, stints, seen, second),
        "phone": take(people.contact.phone, stints),
        "street": take(people.contact.street, stints),
        "city": take(people.contact.city, stints),
        "postcode": take(people.contact.postcode, stints),
        "country": take(pa.array(COUNTRIES), people.country[person]),
        "birth_date": people.birth_day[person],
        "gender": take(pa.array(GENDERS), people.gender[person]),
        "marital_status": take(pa.array(MARITAL), _marital(world, person, seen)),
        "dependents": people.dependents[person],
        "education_level": take(pa.array(EDUCATION), people.education[person]),
        "national_id_type": take(pa.array(ID_TYPES), people.id_type[person]),
        "national_id": take(people.national_id, person),
        "updated_at": moments(_office_hours(rng, updated)),
    }
    _record(world, "people", person)
    _bad(world, "people", PEOPLE, marks)
    return "people", _table(**_spoil_people(world, rng, columns, marks))


def _current_email(world: World, stints: Ints, seen: Ints, second: Mask) -> pa.Array:
    proper = world.email(stints, seen)
    twin = twin_addresses(world, stints)
    return pc.if_else(pa.array(second), twin, proper)


def _marital(world: World, person: Ints, seen: Ints) -> Ints:
    people = world.people
    married = ~people.single[person] | (seen >= people.marriage_day[person])
    divorced = married & (seen >= people.divorce_day[person])
    return np.where(divorced, 2, married.astype(np.int64))


def _spoil_people(
    world: World, rng: np.random.Generator, columns: dict[str, pa.Array], marks: Mapping[str, Ints]
) -> dict[str, pa.Array]:
    birth, end = np.array(columns["birth_date"]), world.calendar.end
    birth[marks["birth_long_ago"]] = -25_750 + between(rng, 0, 60, len(marks["birth_long_ago"]))
    birth[marks["birth_in_future"]] = end + between(rng, 300, 3000, len(marks["birth_in_future"]))
    dependents = np.array(columns["dependents"])
    dependents[marks["dependents_negative"]] = -1
    empty = marks["no_national_id"]
    placeholders = take(pa.array(PLACEHOLDER_IDS), pick(rng, [4, 4, 2], len(empty)))
    email, case = columns["work_email"], marks["email_case"]
    email = put(email, case, pc.utf8_title(take(email, case)))
    return columns | {
        "birth_date": dates(birth),
        "dependents": pa.array(dependents),
        "national_id": put(columns["national_id"], empty, placeholders),
        "work_email": put(email, marks["email_placeholder"], PLACEHOLDER_EMAIL),
        "personal_email": edit(columns["personal_email"], marks["personal_email_blanks"], (" ", " ")),
    }


def _email_history(world: World, stints: Ints) -> tuple[str, pa.Table]:
    """Every work address there was; a second entry has one of its own."""
    force, twins = world.force, twin_entries(world)
    spans = world.mailbook.history(stints, force.hired[stints], force.left[stints])
    # an address ends with the last day of work, which for those given notice is still to come
    until = np.where(spans.valid_to < world.calendar.end, spans.valid_to, NEVER)
    number = pa.concat_arrays([world.emp_no(spans.stint), take(world.people.twin_no, twins)])
    twin = twin_addresses(world, twins)
    email = pa.concat_arrays([spans.address, twin])
    marks = scatter(world.stream("hrms.email_history"), len(email), EMAIL_HISTORY, at_least=1)
    case = marks["email_case"]
    email = put(email, case, pc.utf8_title(take(email, case)))
    left = np.where(force.left[twins] < world.calendar.end, force.left[twins], NEVER)
    _record(world, "email_history", world.person(np.r_[spans.stint, twins]))
    _bad(world, "email_history", EMAIL_HISTORY, marks)
    return "email_history", _table(
        emp_no=number,
        email=email,
        valid_from=dates(np.r_[spans.valid_from, force.hired[twins]]),
        valid_to=dates(np.r_[until, left]),
    )


def _employment(world: World, stints: Ints, late: Mask) -> tuple[str, pa.Table]:
    """A version at hire and, once the exit is known, a second one with the last day."""
    force, rng = world.force, world.stream("hrms.employment")
    learned = recorded_exits(world)
    gone = stints[learned[stints] < world.calendar.end * DAY]
    hired_at = force.hired[stints] * DAY + between(rng, 6 * 60, 9 * 60, len(stints)) * 60
    both = np.r_[stints, gone]
    left = np.r_[np.full(len(stints), NEVER, np.int64), force.left[gone]]
    recorded = np.r_[hired_at, learned[gone]]
    order = np.argsort(recorded, kind="stable")
    both, left, recorded = both[order], left[order], recorded[order]
    _record(world, "employment", world.person(both))
    _bad(world, "employment", EMPLOYMENT, {"late": np.flatnonzero((left < NEVER) & late[both])})
    return "employment", _table(
        emp_no=world.emp_no(both),
        hired_on=dates(force.hired[both]),
        left_on=dates(left),
        recorded_at=moments(recorded),
    )


def _lag(world: World, rng: np.random.Generator, days: Ints, late: Ints) -> tuple[Ints, Ints]:
    """When facts of these days were recorded, and which of `late` really are late and known by now."""
    recorded = _office_hours(rng, days + between(rng, 0, 9, len(days)))
    late = late[days[late] + 210 < world.calendar.end]
    recorded[late] = _office_hours(rng, days[late] + between(rng, 60, 200, len(late)))
    return np.minimum(recorded, world.calendar.end * DAY - 1), late


def _jobs(world: World, history: History) -> tuple[str, pa.Table]:
    stint, day, role, level, department, company, commute, remote = history.jobs.columns(8)
    order = np.lexsort((day, stint))
    stint, day = stint[order], day[order]
    rng = world.stream("hrms.jobs")
    marks = scatter(rng, len(stint), JOBS, at_least=1)
    recorded, marks["late"] = _lag(world, rng, day, marks["late"])
    far = marks["commute_impossible"]
    distance = commute[order]
    distance[far] = np.where(between(rng, 0, 1, len(far)) == 0, -5, 99_999)
    names, sizes = zip(*COMPANIES, strict=True)
    company = company[order]
    _record(world, "jobs", world.person(stint))
    _bad(world, "jobs", JOBS, marks)
    return "jobs", _table(
        emp_no=edit(world.emp_no(stint), marks["emp_no_blanks"], ("", "  ")),
        valid_from=dates(day),
        job_role=take(pa.array(ROLES), role[order]),
        job_level=take(pa.array(LEVELS), level[order]),
        department=take(pa.array(DEPARTMENTS), department[order]),
        company=take(pa.array(names), company),
        company_size=take(pa.array(sizes), company),
        commute_km=pa.array(distance),
        remote_work=put(take(pa.array(["No", "Yes"]), remote[order]), marks["remote_mistyped"], MISTYPED),
        recorded_at=moments(recorded),
    )


def _promotions(world: World, history: History) -> tuple[str, pa.Table]:
    stint, day, old, new = history.promotions.columns(4)
    rng = world.stream("hrms.promotions")
    marks = scatter(rng, len(stint), PROMOTIONS, at_least=1)
    recorded, marks["late"] = _lag(world, rng, day, marks["late"])
    shown = day.copy()
    shown[marks["no_date"]] = NEVER
    _record(world, "promotions", world.person(stint))
    _bad(world, "promotions", PROMOTIONS, marks)
    return "promotions", _table(
        emp_no=world.emp_no(stint),
        promoted_on=dates(shown),
        from_grade=join("G", whole(old)),
        to_grade=join("G", whole(new)),
        recorded_at=moments(recorded),
    )


def _exits(world: World, late: Mask) -> tuple[str, pa.Table]:
    force, learned = world.force, recorded_exits(world)
    stints = np.flatnonzero((force.kind >= 0) & (learned < world.calendar.end * DAY))
    stints = stints[np.argsort(learned[stints], kind="stable")]
    kind = force.kind[stints]
    pool = pa.array([*REASONS, *_OTHER_REASONS])
    reason = np.where(kind <= 1, exit_reasons(world, stints), len(REASONS) + kind)
    _record(world, "exits", world.person(stints))
    _bad(world, "exits", EXITS, {"late": np.flatnonzero(late[stints])})
    return "exits", _table(
        emp_no=world.emp_no(stints),
        left_on=dates(force.left[stints]),
        kind=take(pa.array(KINDS), kind),
        reason=take(pool, reason),
        recorded_at=moments(learned[stints]),
    )
