"""Rows that were built before stand where nothing that they see has changed; what comes out is what a whole build gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples
from tests.features.test_build import DRAWN, MANY, company
from tests.features.world import TABLES, World, employed, fact, hash_of, left, plan_of, protected

from potable.engines.base import Engine, scalars
from potable.errors import DataError
from potable.features import build as building
from potable.features.build import Built
from potable.features.plan import FeaturePlan
from potable.features.standing import Standing, renew
from potable.tables import SUBJECT

BUCKETS = 3
Rows = Mapping[str, list[dict[str, Any]]]
Files = dict[str, dict[int, list[str]]]


@dataclass
class Days:
    """A company of some people, built on day one."""

    world: World
    plan: FeaturePlan
    rows: Rows
    files: Files
    standing: Standing

    def second(self, files: Files) -> tuple[dict[str, Any], Built | None]:
        """Finished rows by id on day two, and what was made for it."""
        out = self.world.path / f"second-{self.world.runs}"
        scratch = self.world.path / "scratch"
        made = renew(self.plan, files, self.world.engine, str(out), scratch=scratch, standing=self.standing)
        paths = [str(out / part.path) for part in made.parts] if made else list(self.standing.rows)
        return finished(paths), made

    def beside(self, **more: list[dict[str, Any]]) -> Files:
        """The files with others beside them that hold `more` rows (tables by their short names)."""
        return self.changed({name.replace("_", "."): rows for name, rows in more.items()})

    def again(self, rows: Rows) -> Files:
        """The files of all tables written anew."""
        return self.world.files(rows, TABLES, BUCKETS)

    def changed(self, more: Rows) -> Files:
        self.world.runs += 1
        files = {name: {bucket: list(paths) for bucket, paths in table.items()} for name, table in self.files.items()}
        for name, rows in more.items():
            for bucket in {bucket_of(row) for row in rows}:
                path = self.world.path / f"more-{self.world.runs}" / name / f"{bucket}.parquet"
                mine = [row for row in rows if bucket_of(row) == bucket]
                files[name].setdefault(bucket, []).append(protected(path, TABLES[name], mine))
        return files

    def check(self, files: Files) -> Built | None:
        """Day two must give what a whole build gives, and tells the same about it."""
        found, made = self.second(files)
        whole = self.world.build_files(self.plan, files)
        assert found == self.world.rows(whole)
        if made:
            assert made.parts[0].path.startswith("part-")
            for what in ("rows", "funnel", "columns", "labels", "gaps"):
                assert getattr(made, what) == getattr(whole, what), what
        else:
            assert whole.funnel == self.standing.funnel
        return made


def bucket_of(row: Mapping[str, Any]) -> int:
    return hash_of(row[SUBJECT]) % BUCKETS


def finished(paths: list[str]) -> dict[str, Any]:
    rows = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
    found = {row["person_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def first_day(world: World, rows: Rows, **rest: Any) -> Days:
    plan = plan_of(world.path, MANY, **rest)
    files = world.files(rows, TABLES, BUCKETS)
    built = world.build_files(plan, files)
    paths = [str(world.out / part.path) for part in built.parts]
    return Days(world, plan, rows, files, Standing(paths, files, built.funnel, built.proved_on, built.gaps))


@pytest.fixture(scope="module")
def days(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Days:
    return first_day(World(tmp_path_factory.mktemp("days"), engine), company(40), as_of=DRAWN)


PAST, FUTURE = "2015-03-01", "2025-11-01"


def late(subject: str, day: str, number: int, seen: str | None = None) -> dict[str, Any]:
    return fact(subject, day, seen, fact_id=number, turn=number, n=3, ratio=2.5, word="Low")


def someone(days: Days) -> tuple[str, dict[str, Any]]:
    rows = finished(list(days.standing.rows))
    return next((subject, row) for subject, row in sorted(rows.items()) if row["a"] is None)


@pytest.mark.long_on_spark
def test_nothing_is_built_where_nothing_changed(days: Days) -> None:
    assert days.check(days.files) is None


@pytest.mark.long_on_spark
def test_what_no_row_may_see_touches_nobody(days: Days) -> None:
    everybody = {row[SUBJECT] for row in days.rows["hrms.employment"]}
    files = days.beside(
        hr_facts=[late(subject, FUTURE, 900) for subject in everybody]
        + [late(subject, PAST, 901, seen=FUTURE) for subject in everybody]
    )
    assert days.check(files) is None


@pytest.mark.long_on_spark
def test_a_fact_of_the_past_builds_its_subject_alone(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, before = someone(days)
    built: list[int] = []
    real = building.features

    def counted(bench: Any, files: Any, spine: Any) -> Any:
        built.append(scalars(bench.engine, spine.aggregate(n=spine.count()))["n"])
        return real(bench, files, spine)

    monkeypatch.setattr(building, "features", counted)
    files = days.beside(hr_facts=[late(subject, PAST, 900)])
    found, made = days.second(files)
    assert built == [1]
    assert made is not None and found[subject] != before


@pytest.mark.long_on_spark
def test_a_label_sees_what_features_do_not(days: Days) -> None:
    rows = finished(list(days.standing.rows))
    subject = next(subject for subject, row in sorted(rows.items()) if row["left"] is False)
    month = rows[subject]["as_of"].replace(year=rows[subject]["as_of"].year + 1, day=1)
    made = days.check(days.beside(hrms_exits=[left(subject, month.isoformat())]))
    assert made is not None and made.labels != {}
    assert made.labels["left"]["true"] == sum(row["left"] is True for row in rows.values()) + 1


@pytest.mark.long_on_spark
def test_people_come_and_go(days: Days) -> None:
    gone = days.rows["hrms.employment"][3][SUBJECT]
    rows = {name: [row for row in table if row[SUBJECT] != gone] for name, table in days.rows.items()}
    rows["hrms.employment"] = [*rows["hrms.employment"], employed("p9999", "2014-02-01")]
    made = days.check(days.again(rows))
    assert made is not None and made.funnel.seen == days.standing.funnel.seen


@pytest.mark.long_on_spark
def test_files_written_again_with_the_same_records_touch_nobody(days: Days) -> None:
    assert days.check(days.again({name: list(reversed(table)) for name, table in days.rows.items()})) is None


@pytest.mark.long_on_spark
def test_a_record_that_came_twice_is_a_change(days: Days) -> None:
    # the second of two equal records decides nothing here, but it may: `count()` of a table without identity
    twice = {**days.rows, "hr.facts": [*days.rows["hr.facts"], days.rows["hr.facts"][0]]}
    days.check(days.again(twice))


@pytest.mark.long_on_spark
def test_many_touched_subjects_are_built_in_portions(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = building.features
    monkeypatch.setattr(building, "features", lambda *given: calls.append(1) or real(*given))
    everybody = {row[SUBJECT] for row in days.rows["hrms.employment"]}
    files = days.beside(hr_facts=[late(subject, PAST, 900) for subject in sorted(everybody)])
    days.second(files)
    assert len(calls) == BUCKETS


@pytest.mark.long_on_spark
def test_tied_records_are_refused_on_day_two_as_well(days: Days) -> None:
    subject = days.rows["hrms.employment"][0][SUBJECT]
    tied = [employed(subject, "2013-01-01", site="A"), employed(subject, "2013-01-01", "2014-01-01", site="B")]
    with pytest.raises(DataError) as failure:
        days.second(days.beside(hrms_employment=tied))
    assert failure.value.code == "D004"


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["fact", "exit", "employment", "less"]),
        st.integers(0, 24),
        st.dates(min_value=date(2016, 1, 1), max_value=date(2025, 1, 1)),
        st.integers(0, 500),
    ),
    max_size=6,
)


@pytest.mark.long_on_spark
def test_any_change_gives_what_a_whole_build_gives(engine: Engine, tmp_path: Path, examples: Examples) -> None:
    days = first_day(World(tmp_path, engine), company(25), as_of=DRAWN, embargo="1mo")

    @settings(max_examples=examples(engine, 3))
    @given(CHANGES, st.booleans())
    def holds(changes: list[tuple[str, int, Any, int]], anew: bool) -> None:
        more: dict[str, list[dict[str, Any]]] = {"hr.facts": [], "hrms.exits": [], "hrms.employment": []}
        less: set[tuple[str, int]] = set()
        for number, (what, person, day, lag) in enumerate(changes):
            name, seen = f"p{person:04}", (day + timedelta(days=lag)).isoformat()
            if what == "fact":
                more["hr.facts"].append(late(name, day.isoformat(), 900 + number, seen=seen))
            elif what == "exit":
                more["hrms.exits"].append(left(name, day.isoformat(), seen=seen))
            elif what == "employment":
                more["hrms.employment"].append(employed(name, day.isoformat(), seen=seen))
            else:
                less.add(("hr.facts", person))
        if anew or less:
            kept = {
                table: [row for index, row in enumerate(rows) if (table, index) not in less]
                for table, rows in days.rows.items()
            }
            files = days.again({table: [*kept[table], *more[table]] for table in kept})
        else:
            files = days.changed({table: rows for table, rows in more.items() if rows})
        days.check(files)

    holds()
