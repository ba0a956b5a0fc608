"""resolve that stands on an earlier one finds the people whom resolving all finds, whatever came or went."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples

from potable.contracts.validate import validated_schema
from potable.engines.base import Engine, collect
from potable.identity.match import records_schema
from potable.identity.reissued import HELD
from potable.identity.resolve import KEYS, MOST_PIECES, SHARED, Resolved, resolve
from potable.identity.standing import Standing
from potable.tables import Table


def contract(*names: str, roster: bool = False) -> Table:
    columns = {name: {"key": name.removeprefix("work_")} for name in names}
    return Table.model_validate({"columns": columns, "roster": "employee" if roster else None})


TABLES = {
    "people": contract("emp_no", "email", "work_email", roster=True),
    "slips": contract("emp_no", "national_id"),
    "courses": contract("email"),
}
Row = tuple[str | None, ...]
Day = Mapping[str, Sequence[Sequence[Row]]]
"""By table, its files."""


@dataclass
class Done:
    """A resolve, and all files of its outputs."""

    made: Resolved
    counts: Mapping[str, int]
    files: Mapping[str, Sequence[str]]
    ledger: list[dict[str, Any]]
    read: set[str] = field(default_factory=set)
    """Tables of which rows were given."""

    @property
    def owners(self) -> dict[str, str]:
        return {f"{row['namespace']}:{row['value']}": row["subject"] for row in self.ledger}


class Registry:
    """Resolves one day after the other, on an engine and in a folder."""

    def __init__(self, engine: Engine, folder: Path, tables: Mapping[str, Table] = TABLES) -> None:
        self.engine, self.folder, self.tables, self.numbers = engine, folder, tables, count()

    def whole(self, day: Day, before: Done | None = None) -> Done:
        rows = {name: self.rows(name, day.get(name, ())) for name in self.tables}
        return self._done(rows, before, None)

    def layered(self, day: Day, before: Done, then: Day, *, current: bool = True, pieces: int = 1) -> Done:
        """A day beside an earlier one: files that came to a table whose files are all there, else all."""
        rows, beside = {}, set()
        for name in self.tables:
            old, new = list(then.get(name, ())), list(day.get(name, ()))
            if new[: len(old)] == old:
                beside.add(name)
                new = new[len(old) :]
            if new or name not in beside:
                rows[name] = self.rows(name, new)
        records = {name: before.files[f"records/{name}"] for name in self.tables}
        standing = Standing(records, self.engine.read(before.files["shared"], SHARED), beside, current, pieces)
        return self._done(rows, before, standing)

    def rows(self, name: str, files: Sequence[Sequence[Row]]) -> ir.Table:
        schema = validated_schema(self.tables[name])
        data = [
            {"_object": "f", "_row": number, **dict(zip(self.tables[name].columns, row, strict=True))}
            for number, row in enumerate(row for file in files for row in file)
        ]
        return self.read(data, schema)

    def read(self, data: list[dict[str, Any]], schema: pa.Schema) -> ir.Table:
        path = self.folder / f"{next(self.numbers)}.parquet"
        pq.write_table(pa.Table.from_pylist(data, schema=schema), path)
        return self.engine.read([str(path)], schema)

    def records(self, done: Done, name: str) -> list[tuple[Any, ...]]:
        schema = records_schema(self.tables[name])
        found = collect(self.engine, self.engine.read(done.files[f"records/{name}"], schema))
        return sorted((tuple(row.values()) for row in found.to_pylist()), key=repr)

    def shared(self, done: Done) -> list[str]:
        found = collect(self.engine, self.engine.read(done.files["shared"], SHARED))
        return sorted(found.column(0).to_pylist())

    def held(self, done: Done) -> list[dict[str, Any]]:
        return collect(self.engine, self.engine.read(done.files["held"], HELD)).to_pylist()

    def _done(self, rows: Mapping[str, ir.Table], before: Done | None, standing: Standing | None) -> Done:
        place = self.folder / f"made-{next(self.numbers)}"
        ledger = self.read(before.ledger if before else [], KEYS)
        made = resolve(self.tables, rows, ledger, engine=self.engine, directory=str(place), standing=standing)
        files = {
            name: [
                *(before.files[name] if before and output.stands else ()),
                *(f"{place}/{name}/{part.path}" for part in output.parts),
            ]
            for name, output in made.outputs.items()
        }
        keys = collect(self.engine, self.engine.read(files["keys"], KEYS)).to_pylist()
        still = {**(before.counts if before else {}), "new": 0, "merged": 0, "split": 0}
        return Done(made, made.counts or still, files, keys, set(rows))


def told(done: Done, before: Done) -> dict[str, Any]:
    """Everything two ways to resolve must agree in."""
    names = named(done, before)
    rows = [(row["namespace"], row["value"], names[row["subject"]], row["rostered"]) for row in done.ledger]
    return {"ledger": sorted(rows), "counts": dict(done.counts)}


def named(done: Done, before: Done) -> dict[str, str]:
    """Subjects by what they are called here: who is new has a random id, and is named by the smallest key."""
    known = set(before.owners.values())
    first: dict[str, str] = {}
    for key, subject in sorted(done.owners.items()):
        first.setdefault(subject, subject if subject in known else f"new {key}")
    return first


def spans(registry: Registry, done: Done, before: Done) -> list[tuple[Any, ...]]:
    """Whose reissued keys were when."""
    names = named(done, before)
    return sorted(tuple({**row, "subject": names[row["subject"]]}.values()) for row in registry.held(done))


def agreed(registry: Registry, then: Day, now: Day, *, current: bool = True) -> tuple[Done, Done]:
    """The earlier resolve and the layered one, which is the whole one."""
    before = registry.whole(then)
    return before, held(registry, before, then, now, current=current)


def held(registry: Registry, before: Done, then: Day, now: Day, *, current: bool = True) -> Done:
    layered, whole = registry.layered(now, before, then, current=current), registry.whole(now, before)
    assert told(layered, before) == told(whole, before)
    assert registry.shared(layered) == registry.shared(whole)
    assert spans(registry, layered, before) == spans(registry, whole, before)
    for name in registry.tables:
        assert registry.records(layered, name) == registry.records(whole, name)
    return layered


@pytest.fixture
def registry(engine: Engine, tmp_path: Path) -> Registry:
    return Registry(engine, tmp_path)


ANN, BOB, CAT = ("E1", "ann@x", None), ("E2", "bob@x", "bob@home"), ("E3", None, None)
FIRST: Day = {
    "people": [[ANN, BOB, CAT]],
    "slips": [[("E1", "N1"), ("E2", "N2")]],
    "courses": [[("ann@x",), ("dan@y",)]],
}


def also(day: Day, **rows: Sequence[Row]) -> Day:
    """A day on which files came to tables."""
    return {**day, **{name: [*day.get(name, ()), found] for name, found in rows.items()}}


@pytest.mark.long_on_spark
def test_nothing_is_read_and_the_ledger_stands_where_the_same_people_come_again(registry: Registry) -> None:
    before, layered = agreed(registry, FIRST, also(FIRST, slips=[("E2", "N2"), ("e-1", "n1")]))
    assert layered.read == {"slips"} and layered.files == before.files


@pytest.mark.long_on_spark
def test_the_ledger_stands_where_records_came_that_tell_nothing_new(registry: Registry) -> None:
    before, layered = agreed(registry, FIRST, also(FIRST, courses=[("bob@x",)], people=[("E2", None, "bob@home")]))
    assert layered.files["keys"] == before.files["keys"]
    assert set(before.files["records/courses"]) < set(layered.files["records/courses"])


@pytest.mark.long_on_spark
def test_somebody_new_is_found_beside_those_who_stand(registry: Registry) -> None:
    before, layered = agreed(registry, FIRST, also(FIRST, people=[("E4", "eve@x", None)]))
    assert layered.read == {"people"} and layered.counts["new"] == 1
    assert set(before.owners.items()) < set(layered.owners.items())
    assert set(before.files["records/people"]) < set(layered.files["records/people"])


@pytest.mark.long_on_spark
def test_keys_that_came_are_a_file_beside_those_that_stand(registry: Registry) -> None:
    now = also(FIRST, people=[("E4", "eve@x", None), ("E1", None, "ann@home")])
    before, layered = agreed(registry, FIRST, now)
    assert layered.files["keys"][:1] == before.files["keys"]
    assert {"emp_no:E4", "email:eve@x", "email:ann@home"} == layered.owners.keys() - before.owners.keys()
    assert sum(part.rows for part in layered.made.outputs["keys"].parts) == 3


@pytest.mark.long_on_spark
def test_a_ledger_of_many_files_is_written_whole(registry: Registry) -> None:
    now = also(FIRST, people=[("E4", "eve@x", None)])
    before = registry.whole(FIRST)
    layered = registry.layered(now, before, FIRST, pieces=MOST_PIECES)
    assert told(layered, before) == told(registry.whole(now, before), before)
    assert set(layered.files["keys"]).isdisjoint(before.files["keys"])


@pytest.mark.long_on_spark
def test_a_key_that_a_roster_knows_now_does_not_stand(registry: Registry) -> None:
    before, layered = agreed(registry, FIRST, also(FIRST, people=[("E4", "dan@y", None)]))
    assert before.owners["email:dan@y"] == layered.owners["emp_no:E4"]
    assert set(layered.files["keys"]).isdisjoint(before.files["keys"])


@pytest.mark.long_on_spark
def test_a_new_link_makes_two_people_one(registry: Registry) -> None:
    before, layered = agreed(registry, FIRST, also(FIRST, people=[("E3", "dan@y", None)], slips=[("E1", "N2")]))
    assert layered.counts["merged"] == 2
    assert layered.owners["emp_no:E1"] == layered.owners["email:bob@home"] != layered.owners["emp_no:E3"]
    assert set(layered.files["keys"]).isdisjoint(before.files["keys"])


@pytest.mark.long_on_spark
def test_a_link_that_went_parts_two_people(registry: Registry) -> None:
    both = also(FIRST, people=[("E1", "bob@x", None)])
    before, layered = agreed(registry, both, FIRST)
    assert before.owners["emp_no:E1"] == before.owners["emp_no:E2"]
    assert layered.read == {"people"} and layered.counts["split"] == 1


@pytest.mark.long_on_spark
def test_a_key_that_was_gone_comes_back_to_its_person(registry: Registry) -> None:
    gone = {**FIRST, "people": [[BOB, CAT]], "courses": []}
    before = registry.whole(FIRST)
    without = held(registry, before, FIRST, gone)
    assert without.owners["email:ann@x"] == before.owners["email:ann@x"]
    back = held(registry, without, gone, also(gone, courses=[("ann@x",)]))
    # nothing links it to its number any more, and of the two it is the smaller key
    assert back.counts["split"] == 1
    assert back.owners["email:ann@x"] == before.owners["emp_no:E1"] != back.owners["emp_no:E1"]


@pytest.mark.long_on_spark
def test_who_left_every_table_is_known_to_no_roster(registry: Registry) -> None:
    before, layered = agreed(registry, also(FIRST, people=[("E7", "g@x", None)]), FIRST)
    assert layered.counts["rostered"] == before.counts["rostered"] - 1
    assert {row["value"] for row in layered.ledger if not row["rostered"]} >= {"E7", "g@x"}


def crowd(*numbers: int) -> list[Row]:
    return [(f"U{number}", "N0") for number in numbers]


@pytest.mark.long_on_spark
def test_a_placeholder_that_was_none_before_ends_to_link(registry: Registry) -> None:
    then = also(FIRST, slips=crowd(*range(10)))
    before, layered = agreed(registry, then, also(then, slips=crowd(10, 11)))
    assert (before.counts["shared_keys"], layered.counts["shared_keys"], layered.counts["split"]) == (0, 1, 9)


@pytest.mark.long_on_spark
def test_a_placeholder_does_not_link_those_who_come_beside_it(registry: Registry) -> None:
    then = also(FIRST, slips=crowd(*range(12)))
    before = registry.whole(then)
    layered = held(registry, before, then, also(then, slips=[("U3", "N3"), ("U4", "N4")]))
    assert layered.counts["shared_keys"] == 1 and layered.files["shared"] == before.files["shared"]
    assert layered.owners["emp_no:U3"] == before.owners["emp_no:U3"] != layered.owners["emp_no:U4"]
    fewer = held(registry, layered, also(then, slips=[("U3", "N3"), ("U4", "N4")]), also(FIRST, slips=crowd(1, 2, 3)))
    assert fewer.counts["shared_keys"] == 0 and fewer.owners["emp_no:U1"] == fewer.owners["emp_no:U2"]


@pytest.mark.long_on_spark
def test_a_placeholder_that_comes_again_leaves_others_alone(registry: Registry) -> None:
    then = also(FIRST, people=[(f"U{number}", "none@x", None) for number in range(12)])
    before, layered = agreed(registry, then, also(then, people=[("U12", "none@x", "u@x"), ("U3", "none@x", "v@x")]))
    assert layered.files["shared"] == before.files["shared"] and layered.counts["new"] == 1
    then = also(FIRST, slips=crowd(*range(12)))
    agreed(registry, then, also(then, slips=crowd(12), people=[("E1", "n@x", "m@x")]))


@pytest.mark.long_on_spark
def test_a_ledger_that_went_on_without_the_step_is_held_to_all_records(registry: Registry) -> None:
    before = registry.whole(FIRST)
    other = registry.whole(also(FIRST, people=[("E1", "bob@x", None)]), before)
    before.ledger = other.ledger
    layered = held(registry, before, FIRST, FIRST, current=False)
    assert layered.read == set() and layered.counts["split"] == 1


@pytest.mark.long_on_spark
def test_a_chain_that_grows_too_long_is_held_back_until_it_is_cut(registry: Registry) -> None:
    links = [(f"C{number + more}", f"c{number}@x", None) for number in range(12) for more in (0, 1)]
    then, now = also(FIRST, people=links[:18]), also(also(FIRST, people=links[:18]), people=links[18:])
    before = registry.whole(then)
    layered = held(registry, before, then, now)
    assert (before.counts["crowded"], layered.counts["crowded"]) == (0, 1)
    assert {row["subject"] for row in layered.ledger if not row["rostered"]} >= {layered.owners["emp_no:C1"]}
    cut = held(registry, layered, now, also(FIRST, people=links[:10]))
    assert cut.counts["crowded"] == 0 and {row["value"] for row in cut.ledger if row["rostered"]} >= {"C0", "C5"}


few = st.one_of(st.none(), st.integers(0, 5).map(str))
rows = {
    "people": st.tuples(few, few, few),
    "slips": st.tuples(few, few),
    "courses": st.tuples(few),
}


@st.composite
def histories(draw: st.DrawFn, rows: Mapping[str, st.SearchStrategy[Any]]) -> list[Day]:
    """Three days; files come, and now and then some of a table go or are written again."""
    days: list[Day] = []
    for _ in range(3):
        day = {name: list(files) for name, files in days[-1].items()} if days else {name: [] for name in rows}
        for name, row in rows.items():
            if draw(st.integers(0, 3)) == 0:
                day[name] = list(draw(st.permutations(day[name])))[1:]
            if draw(st.booleans()):
                day[name].append(draw(st.lists(row, min_size=1, max_size=4)))
        days.append(day)
    return days


@pytest.mark.long_on_spark
def test_standing_and_whole_agree_whatever_comes_and_goes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Examples
) -> None:
    # placeholders are met with few records
    for module in ("match", "resolve", "standing"):
        monkeypatch.setattr(f"potable.identity.{module}.MAX_LINKS", 2)

    @settings(max_examples=examples(engine, 5), deadline=None)
    @given(days=histories(rows), currents=st.tuples(*[st.sampled_from([True, True, True, False])] * 2))
    def holds(days: Sequence[Day], currents: Iterable[bool]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            registry = Registry(engine, Path(folder))
            done = registry.whole(days[0])
            for then, now, current in zip(days, days[1:], currents, strict=False):
                done = held(registry, done, then, now, current=current)

    holds()
