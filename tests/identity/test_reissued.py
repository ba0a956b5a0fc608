"""Keys that are given to somebody else join nobody, and are whose they were at the time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.conftest import Examples
from tests.identity.test_standing import Day, Done, Registry, held, histories

from potable.engines.base import Engine
from potable.tables import Table

DAY = {"type": "date"}
TABLES = {
    "people": Table.model_validate(
        {"columns": {"emp_no": {"key": "emp_no"}, "national_id": {"key": "national_id"}}, "roster": "employee"}
    ),
    "addresses": Table.model_validate(
        {
            "columns": {
                "email": {"key": "email", "reissued": ["since", "until"]},
                "emp_no": {"key": "emp_no"},
                "since": DAY,
                "until": DAY,
            }
        }
    ),
    "courses": Table.model_validate({"columns": {"email": {"key": "email"}, "seat": {"key": "seat"}}}),
}
FIRST_DAY, LAST_DAY = date(2010, 1, 1), date(2019, 12, 31)
LEE = ("lee@x", "E1", FIRST_DAY, LAST_DAY)
OTHER_LEE = ("lee@x", "E2", date(2020, 1, 1), None)
FIRST: Day = {
    "people": [[("E1", "N1"), ("E2", "N2"), ("E3", "N3")]],
    "addresses": [[LEE, ("bob@x", "E3", FIRST_DAY, None)]],
    "courses": [[("lee@x", None), ("bob@x", "S3"), ("eve@x", None)]],
}
BOTH: Day = {**FIRST, "addresses": [*FIRST["addresses"], [OTHER_LEE]]}


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Registry:
    return Registry(engine, tmp_path, TABLES)


@pytest.mark.long_on_spark
def test_a_key_that_only_one_had_is_theirs(registry: Registry) -> None:
    done = registry.whole(FIRST)
    assert done.owners["email:lee@x"] == done.owners["emp_no:E1"] == done.owners["national_id:N1"]
    assert done.owners["email:bob@x"] == done.owners["emp_no:E3"] == done.owners["seat:S3"]
    assert done.owners["email:eve@x"] not in {done.owners[f"emp_no:E{n}"] for n in (1, 2, 3)}
    assert registry.held(done) == [] and done.counts["shared_keys"] == 0


@pytest.mark.long_on_spark
def test_a_key_of_two_people_is_nobodys_but_for_the_time(registry: Registry) -> None:
    before = registry.whole(FIRST)
    done = held(registry, before, FIRST, BOTH)
    assert "email:lee@x" not in done.owners and registry.shared(done) == ["email:lee@x"]
    assert done.owners["emp_no:E1"] == before.owners["emp_no:E1"] != done.owners["emp_no:E2"]
    assert [(row["subject"], row["since"].date(), row["until"]) for row in registry.held(done)] == [
        (done.owners["emp_no:E1"], FIRST_DAY, datetime(2020, 1, 1)),
        (done.owners["emp_no:E2"], date(2020, 1, 1), datetime(9999, 12, 31)),
    ]
    assert held(registry, done, BOTH, FIRST).owners["email:lee@x"] == before.owners["emp_no:E1"]


@pytest.mark.long_on_spark
def test_two_numbers_of_one_person_share_a_key_and_when_they_part_it_is_the_times(registry: Registry) -> None:
    one: Day = {**BOTH, "people": [*BOTH["people"], [("E2", "N1")]]}
    done = registry.whole(one)
    assert done.owners["email:lee@x"] == done.owners["emp_no:E1"] == done.owners["emp_no:E2"]
    parted = held(registry, done, one, BOTH)
    assert len(registry.held(parted)) == 2 and "email:lee@x" not in parted.owners
    assert registry.held(held(registry, parted, BOTH, one)) == []


@pytest.mark.long_on_spark
def test_a_key_whose_times_come_later_is_told_by_them(registry: Registry) -> None:
    undated: Day = {**BOTH, "addresses": [[LEE, ("lee@x", "E2", date(2020, 1, 1), date(2020, 1, 31))]]}
    done = registry.whole(undated)
    more: Day = {**undated, "addresses": [*undated["addresses"], [("lee@x", "E3", date(2021, 1, 1), None)]]}
    assert len(registry.held(held(registry, done, undated, more))) == 3


@pytest.mark.long_on_spark
def test_whom_no_roster_lists_holds_nothing(registry: Registry) -> None:
    done = registry.whole({**BOTH, "people": [[("E1", "N1")]]})
    assert [row["subject"] for row in registry.held(done)] == [done.owners["emp_no:E1"]]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({"reissued": True}, "`reissued` is only for a `key`"),
        ({"key": "email", "someone_else": True, "reissued": True}, "`reissued` is only for a `key`"),
        *(
            ({"key": "email", "reissued": given}, "`true`, or the columns of the first and last day")
            for given in ("maybe", [], ["since"], ["since", "since", "since"], {"from": "since"}, ["since", 1])
        ),
        ({"key": "email", "reissued": ["since", "till"]}, "`email`: `reissued` names `till`"),
        ({"key": "email", "reissued": ["since", "emp_no"]}, "`email`: `reissued` names `emp_no`"),
    ],
)
def test_what_cannot_be_reissued_is_refused(column: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Table.model_validate({"columns": {"email": column, "emp_no": {"key": "emp_no"}, "since": DAY}})


def test_a_table_without_a_lasting_key_cannot_tell_whose_one_was() -> None:
    with pytest.raises(ValidationError, match="another, permanent `key`"):
        Table.model_validate({"columns": {"email": {"key": "email", "reissued": True}, "day": DAY}})


few = st.one_of(st.none(), st.integers(0, 4).map(str))
days = st.one_of(st.none(), st.integers(0, 3).map(lambda day: FIRST_DAY + timedelta(days=day)))
rows = {"people": st.tuples(few, few), "addresses": st.tuples(few, few, days, days), "courses": st.tuples(few, few)}


@pytest.mark.long_on_spark
def test_people_are_those_of_lasting_keys_whatever_comes_and_goes(
    engine: Engine, tmp_path: Path, examples: Examples
) -> None:
    @settings(max_examples=examples(engine, 5), deadline=None)
    @given(days=histories(rows), currents=st.tuples(*[st.sampled_from([True, True, True, False])] * 2))
    def holds(days: Sequence[Day], currents: Iterable[bool]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            registry = Registry(engine, Path(folder), TABLES)
            done = registry.whole(days[0])
            told(registry, done, days[0])
            for then, now, current in zip(days, days[1:], currents, strict=False):
                done = held(registry, done, then, now, current=current)
                told(registry, done, now)

    holds()


def told(registry: Registry, done: Done, day: Day) -> None:
    """Slow and obvious: sets of lasting keys that touch are people; an address is that of the one it stands beside."""
    every = {name: [row for file in day.get(name, ()) for row in file] for name in TABLES}
    lasting = [{f"emp_no:{e}" if e else "", f"national_id:{n}" if n else ""} - {""} for e, n in every["people"]]
    lasting += [{f"emp_no:{row[1]}"} for row in every["addresses"] if row[1]]
    by_lasting = merged(lasting)
    beside: dict[str, set[int]] = {}
    for address, emp_no in ((f"email:{row[0]}", f"emp_no:{row[1]}") for row in every["addresses"] if row[0] and row[1]):
        beside.setdefault(address, set()).add(next(n for n, keys in enumerate(by_lasting) if emp_no in keys))
    several = {address for address, of in beside.items() if len(of) > 1}
    assert not several & done.owners.keys()
    linked = [{f"email:{row[0]}" if row[0] else "", f"emp_no:{row[1]}" if row[1] else ""} for row in every["addresses"]]
    linked += [{f"email:{row[0]}" if row[0] else "", f"seat:{row[1]}" if row[1] else ""} for row in every["courses"]]
    people = merged([*lasting, *(keys - several - {""} for keys in linked)])
    found: dict[str, set[str]] = {}
    for key, subject in done.owners.items():
        found.setdefault(subject, set()).add(key)
    here = set().union(*people) if people else set()
    # a key that is in no record any more still holds on to its person
    assert sorted(sorted(keys & here) for keys in found.values() if keys & here) == sorted(map(sorted, people))
    rostered = {f"emp_no:{e}" for e, _ in every["people"]} | {f"national_id:{n}" for _, n in every["people"]}
    expected = {
        (row[0], done.owners[f"emp_no:{row[1]}"], row[2] or date(1, 1, 1), row[3])
        for row in every["addresses"]
        if f"email:{row[0]}" in several and row[1] and (row[2] or date(1, 1, 1)) <= (row[3] or date(9999, 1, 1))
        if people[next(n for n, keys in enumerate(people) if f"emp_no:{row[1]}" in keys)] & rostered
    }
    assert {
        (row["value"], row["subject"], row["since"].date(), last(row["until"])) for row in registry.held(done)
    } == expected


def last(until: datetime) -> date | None:
    return None if until.year == 9999 else until.date() - timedelta(days=1)


def merged(groups: Iterable[set[str]]) -> list[set[str]]:
    """Merge sets that touch until none do."""
    found: list[set[str]] = []
    for keys in groups:
        if keys:
            touching = [group for group in found if group & keys]
            found = [group for group in found if not group & keys] + [keys.union(*touching)]
    return found
