"""`previous(column)` and `streak(condition)`: what order decides, and what leaves it open."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.features.test_check import refused
from tests.features.world import AT, TABLES, World, employed, fact, plan_of
from tests.features.world import left as exit_

from potable.engines.base import Engine, collect
from potable.errors import DataError
from potable.features.compile import trace
from potable.features.facts import TableTask, numbered, with_moments

HIRED = employed("ann", "2020-01-01")


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(tmp_path, engine)


def row(
    world: World, features: dict[str, str], facts: list[dict[str, object]], table: str = "hr.facts"
) -> dict[str, object]:
    plan = plan_of(world.path, {table: features})
    return world.rows(world.build(plan, {"hrms.employment": [HIRED], table: facts}))["ann"]


def test_the_record_before_is_the_one_seen_before_whatever_where_says(world: World) -> None:
    facts = [
        fact("ann", "2024-01-01", fact_id=1, n=1, flag=True),
        fact("ann", "2024-02-01", fact_id=2, n=2, flag=False),
        fact("ann", "2024-02-01", "2024-02-05", fact_id=2, n=7, flag=False),  # corrected
        fact("ann", "2024-03-01", "2024-08-01", fact_id=3, n=3, flag=True),  # not known yet
        fact("ann", "2024-04-01", fact_id=4, n=None, flag=True),
        fact("ann", "2024-05-01", fact_id=5, n=4, flag=True),
    ]
    features = {
        "jump": "latest(n - previous(n)) where n is not null",
        "second": "first(previous(n)) last 3",
        "kept": "sum(previous(n)) where flag",
        "last": "latest(previous(n)) where not flag",
        "window": "count() in 3mo where previous(n) = 7",
    }
    assert row(world, features, facts) | {"person_id": "", "as_of": AT, "left": False} == {
        "person_id": "",
        "as_of": AT,
        "jump": None,  # the record before holds no number
        "second": 1,
        "kept": 7,
        "last": 1,
        "window": 1,
        "left": False,
    }


@pytest.mark.long_on_spark
def test_a_label_may_ask_for_a_change_in_its_window(world: World) -> None:
    facts = [
        fact("ann", day, fact_id=index, word=word)
        for index, (day, word) in enumerate((("2024-01-01", "Low"), ("2024-07-01", "Low"), ("2024-09-01", "High")))
    ]
    facts += [fact("bob", "2024-01-01", fact_id=7, word="Low"), fact("bob", "2024-07-01", fact_id=8, word="Low")]
    label = "any() in next 12mo where word != previous(word) from hr.facts"
    plan = plan_of(world.path, {"hrms.employment": {"n": "count()"}}, label=label)
    people = [employed(person, "2020-01-01") for person in ("ann", "bob")]
    found = world.rows(world.build(plan, {"hrms.employment": people, "hr.facts": facts}))
    assert {person: found[person]["left"] for person in ("ann", "bob")} == {"ann": True, "bob": False}


@pytest.mark.long_on_spark
def test_tied_records_that_differ_leave_open_what_was_before(world: World) -> None:
    facts = [fact("ann", day, n=n) for day, n in (("2023-01-01", 1), ("2023-01-01", 2), ("2024-01-01", 3))]
    open_ = {
        "a": "count() where n != previous(n)",
        "b": "latest(previous(n))",
        "c": "count() in 12mo where n != previous(n)",
    }
    with pytest.raises(DataError) as failure:
        row(world, {"fine": "sum(n)", **open_}, facts, table="hr.loose")
    assert failure.value.code == "D004" and ": a, b, c would depend" in failure.value.problem
    later = [*facts, fact("ann", "2024-02-01", n=3)]
    within = {"c": "count() in 4mo where n != previous(n)", "d": "count() where word != previous(word)"}
    assert row(world, within, [*later[:2], later[3], fact("ann", "2024-03-01", n=5)], table="hr.loose")["d"] == 0


@pytest.mark.long_on_spark
def test_tied_records_that_agree_leave_nothing_open(world: World) -> None:
    facts = [fact("ann", day, n=n) for day, n in (("2023-01-01", 1), ("2023-01-01", 1), ("2024-01-01", 3))]
    assert row(world, {"a": "count() where n != previous(n)"}, facts, table="hr.loose")["a"] == 1


@pytest.mark.long_on_spark
def test_a_streak_ends_where_it_does_not_hold_for_all_that_are_tied(world: World) -> None:
    days = (
        ("2024-01-01", True),
        ("2024-02-01", True),
        ("2024-02-01", False),
        ("2024-03-01", None),
        ("2024-04-01", True),
    )
    facts = [fact("ann", day, flag=flag) for day, flag in days]
    features = {
        "it": "streak(flag)",
        "not_it": "streak(not flag)",
        "old": "streak(flag) before 5mo",
        "none": "streak(flag) in 1mo",
    }
    found = row(world, features, facts, table="hr.loose")
    assert [found[name] for name in features] == [1, 0, 1, 0]


@pytest.mark.long_on_spark
def test_a_streak_of_the_future_is_a_label(world: World) -> None:
    plan = plan_of(
        world.path,
        {"hrms.employment": {"n": "count()"}},
        label="streak(kind = 'voluntary') in next 12mo from hrms.exits",
    )
    built = world.build(plan, {"hrms.employment": [HIRED], "hrms.exits": [exit_("ann", "2024-08-01")]})
    assert world.rows(built)["ann"]["left"] == 1


def test_what_cannot_have_a_record_before_is_refused(tmp_path: Path) -> None:
    assert "takes exactly one column" in refused(tmp_path, "count() where n > previous(n + 1)").problem
    assert "`as_of` is the same" in refused(tmp_path, "max(days_between(previous(as_of), day))").problem
    assert "did you mean `word`" in refused(tmp_path, "count() where word != previous(wrod)").hint
    assert "is not one of the column's levels" in refused(tmp_path, "count() where previous(word) = 'Lo'").problem
    assert "`level(previous(word))`" in refused(tmp_path, "max(previous(word))").hint
    assert "no record comes before" in refused(tmp_path, "value(previous(gender))", table="hrms.people").problem
    assert "needs the records of a table" in refused(tmp_path, "previous(tenure_days)", table="derived").problem
    where = refused(tmp_path, "count()", where="previous(site) = 'A'")
    assert "needs the records of a table" in where.problem


def test_of_a_streak_the_records_before_its_end_are_told_as_used(world: World) -> None:
    days = (
        ("2024-01-01", True),
        ("2024-02-01", False),
        ("2024-03-01", None),
        ("2024-04-01", True),
        ("2024-05-01", True),
    )
    facts = [fact("ann", day, flag=flag, fact_id=place, turn=place) for place, (day, flag) in enumerate(days)]
    plan = plan_of(world.path, {"hr.facts": {"it": "streak(flag)"}})
    (feature,) = plan.features
    task = TableTask("hr.facts", plan.tables["hr.facts"], (feature,), plan.digits, forward=False)
    people = pa.table({"_subject": ["ann"], "as_of": [AT]})
    pq.write_table(people, world.path / "people.parquet")
    spine = world.engine.read([str(world.path / "people.parquet")], people.schema)
    files = world.files({"hr.facts": facts}, TABLES)["hr.facts"][0]
    rows = world.engine.read(files, task.schema)
    rows = rows.mutate(_traced=rows.turn)
    seen = trace(rows, numbered(with_moments(spine, plan.cut)), task).newest
    used = {each["_traced"]: each["used"] for each in collect(world.engine, seen.select("_traced", "used")).to_pylist()}
    assert used == {0: False, 1: False, 2: False, 3: True, 4: True}
