"""The truth about persons: who they are, every key and identifier they ever had, and how they left.

Written last, when the years have passed. Entry: tell_roster.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from potable.estate.draws import Ints
from potable.estate.hrms import recorded_exits, twin_addresses, twin_entries
from potable.estate.render import dates, join, moments, take
from potable.estate.workforce import KINDS
from potable.estate.world import World


def tell_roster(world: World) -> None:
    """Writes the truth tables people, keys, identifiers and exits."""
    stints = np.flatnonzero(world.force.hired < world.calendar.end)
    facts = _facts(world, stints)
    _people(world, facts)
    everyone = np.arange(world.people.persons)
    for namespace in ("emp_no", "email", "national_id"):
        world.truth.keys(namespace, *facts[namespace])
        world.truth.identifiers(namespace, *facts[namespace])
    for kind in ("phone", "address"):
        world.truth.identifiers(kind, *facts[kind])
    world.truth.identifiers("full_name", *_full_names(world, everyone))
    _exits(world)


def _facts(world: World, stints: Ints) -> dict[str, tuple[pa.Array, Ints]]:
    """Per kind of identifier: values and persons, each pair once, in order of person."""
    people, force, twins = world.people, world.force, twin_entries(world)
    everyone, person = np.arange(people.persons), world.person(stints)
    spans = world.mailbook.history(stints, force.hired[stints], force.left[stints])
    mails = [spans.address, twin_addresses(world, twins), people.personal_email]
    owners = np.r_[world.person(spans.stint), world.person(twins), everyone]
    numbers = pa.concat_arrays([world.emp_no(stints), take(people.twin_no, twins)])
    married = np.flatnonzero(_renamed(world))
    return {
        "emp_no": _distinct(numbers, np.r_[person, world.person(twins)]),
        "national_id": (people.national_id, everyone),
        "email": _distinct(pa.concat_arrays(mails), owners),
        "first_name": (people.first, everyone),
        "last_name": _distinct(
            pa.concat_arrays([people.last, take(people.married_last, married)]), np.r_[everyone, married]
        ),
        "phone": _distinct(take(people.contact.phone, stints), person),
        "address": _distinct(take(people.contact.street, stints), person),
    }


def _renamed(world: World) -> Ints:
    people = world.people
    differs = np.asarray(pc.not_equal(people.last, people.married_last))
    return np.asarray(differs, dtype=np.int64)


def _distinct(values: pa.Array, persons: Ints) -> tuple[pa.Array, Ints]:
    """Each pair once, ordered by person and then as given."""
    codes = values.dictionary_encode().indices.to_numpy().astype(np.int64)
    pair = persons * (int(codes.max(initial=0)) + 1) + codes
    first = np.sort(np.unique(pair, return_index=True)[1])
    order = first[np.argsort(persons[first], kind="stable")]
    return take(values, order), persons[order]


def _full_names(world: World, everyone: Ints) -> tuple[pa.Array, Ints]:
    people = world.people
    married = np.flatnonzero(_renamed(world))
    maiden = join(people.first, " ", people.last)
    later = join(take(people.first, married), " ", take(people.married_last, married))
    return _distinct(pa.concat_arrays([maiden, later]), np.r_[everyone, married])


def _people(world: World, facts: dict[str, tuple[pa.Array, Ints]]) -> None:
    count = world.people.persons
    order = ("emp_no", "national_id", "email", "first_name", "last_name", "phone", "address")
    columns: dict[str, pa.Array | str] = {"person_id": pa.array(np.arange(1, count + 1))}
    for kind in order:
        values, persons = facts[kind]
        edges = np.searchsorted(persons, np.arange(count + 1)).astype(np.int32)
        columns[kind] = pa.ListArray.from_arrays(pa.array(edges), values)
    world.truth.add("people", columns)


def _exits(world: World) -> None:
    force, learned = world.force, recorded_exits(world)
    stints = np.flatnonzero(force.kind >= 0)
    world.truth.add(
        "exits",
        {
            "person_id": pa.array(world.person(stints) + 1),
            "left_on": dates(force.left[stints]),
            "kind": take(pa.array(KINDS), force.kind[stints]),
            "recorded_at": moments(learned[stints]),
        },
    )
