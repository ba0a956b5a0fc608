from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.conftest import open_engine
from tests.features.world import World, employed, fact, left, plan_of, protected

from potable.errors import DataError
from potable.features.spine import number_of
from potable.tables import KNOWN

DRAWN = "{pick: random_month_end, between: [2020-01-01, 2023-12-31], seed: 7}"
MANY = {
    "hr.facts": {
        "a": "avg(money) last 3",
        "b": "latest(word)",
        "c": "stddev(ratio)",
        "d": "slope(n) in 24mo",
        "e": "mode(word)",
        "f": "sum(ratio) in 12mo",
    },
    "derived": {"g": "a / nullif(tenure_years, 0)", "h": "tenure_months"},
}


def company(people: int = 60) -> dict[str, list[dict[str, Any]]]:
    """People with employments, exits and facts that look random and are not."""
    rows: dict[str, list[dict[str, Any]]] = {"hrms.employment": [], "hrms.exits": [], "hr.facts": []}
    for person in range(people):
        name = f"p{person:04}"
        rows["hrms.employment"].append(employed(name, f"{2012 + person % 8}-0{1 + person % 9}-15"))
        if person % 3 == 0:
            rows["hrms.exits"].append(left(name, f"{2021 + person % 4}-0{1 + person % 9}-10"))
        for index in range(person % 17):
            seed = number_of(f"{name}-{index}", 1)
            values = {"n": seed % 97, "money": None, "ratio": seed % 1009 / 7, "word": ["Low", "High", None][seed % 3]}
            day = f"{2018 + seed % 6}-{1 + seed % 12:02}-{1 + seed % 28:02}"
            rows["hr.facts"].append(fact(name, day, fact_id=index, turn=index, **values))
    return rows


def content(world: World, built: Any) -> list[bytes]:
    """The bytes of every part, by column, in the order of the rows."""
    parts = [pq.read_table(world.out / part.path, partitioning=None) for part in built.parts]
    return [repr(part.to_pydict()).encode() for part in parts]


@pytest.mark.long_on_spark
def test_columns_stand_in_the_order_of_the_file_with_the_label_last(world: World) -> None:
    plan = plan_of(
        world.path, MANY, as_of=DRAWN, label="any() in next 12mo from hrms.exits | words(true='Left', false='Stayed')"
    )
    built = world.build(plan, company(), buckets=3)
    assert list(built.columns) == ["person_id", "as_of", "a", "b", "c", "d", "e", "f", "g", "h", "left"]
    for part in built.parts:
        assert pq.read_schema(world.out / part.path).names == list(built.columns)
        assert part.path.startswith(f"_bucket={part.partition}/part-0")
    assert set(built.labels["left"]) == {"Left", "Stayed"}
    assert (
        sum(built.labels["left"].values()) == built.rows == sum(part.rows for part in built.parts) == built.funnel.rows
    )
    assert built.proved_on > 0
    assert not (world.path / "scratch" / "bucket-0").exists()


@pytest.mark.long_on_spark
def test_results_are_the_same_bytes_whatever_the_threads_and_the_order_of_the_input(
    world: World, tmp_path: Path
) -> None:
    plan, rows = plan_of(world.path, MANY, as_of=DRAWN), company()
    built = world.build(plan, rows)
    once = content(world, built)
    shuffled = {name: sorted(given, key=lambda row: number_of(repr(row), 3)) for name, given in rows.items()}
    engine = open_engine(world.engine.name, tmp_path / "two", threads=2)
    other = World(tmp_path / "other", engine)
    other.path.mkdir()
    assert content(other, other.build(plan, shuffled)) == once
    files = [[path.read_bytes() for path in sorted(out.rglob("*.parquet"))] for out in (world.out, other.out)]
    assert files[0] == files[1] != []
    engine.close()


@pytest.mark.long_on_spark
def test_rows_do_not_depend_on_the_number_of_buckets(world: World) -> None:
    plan, rows = plan_of(world.path, MANY, as_of=DRAWN), company()
    assert world.rows(world.build(plan, rows, buckets=4)) == world.rows(world.build(plan, rows))


@pytest.mark.long_on_spark
def test_the_draw_is_a_hash_of_seed_and_pseudonym_over_the_eligible_month_ends(world: World) -> None:
    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}}, as_of=DRAWN, where="tenure_days >= 90")
    rows = world.rows(
        world.build(plan, {"hrms.employment": [employed("ann", "2020-01-15", "2023-06-30", "2020-01-15")]})
    )
    ends = [day for day in plan.rows.dates if date(2020, 4, 14) <= day <= date(2023, 6, 30)]
    assert rows["ann"]["as_of"] == ends[number_of("ann", 7) % len(ends)]


def test_employments_are_seen_as_known_then(world: World) -> None:
    employments = [
        # the end was recorded after the as-of date: still running, as known then
        employed("late", "2020-01-01"),
        employed("late", "2020-01-01", "2024-05-31", "2024-07-15"),
        # recorded before: over
        employed("gone", "2020-01-01"),
        employed("gone", "2020-01-01", "2024-05-31", "2024-06-15"),
        # leaves on the as-of date itself: still running
        employed("today", "2020-01-01", "2024-06-30", "2024-06-01"),
        # starts on the as-of date: not yet
        employed("starts", "2024-06-30"),
        # hired, but recorded too late
        employed("unknown", "2024-01-01", None, "2024-08-01"),
        # nobody knows since when these are known: never seen
        {**employed("undated", "2020-01-01"), KNOWN: None},
        employed("stays", "2020-01-01"),
        {**employed("stays", "2020-01-01", "2021-05-31"), KNOWN: None},
        # came back: tenure of the running employment, first tenure of the first
        employed("back", "2010-01-31", "2015-01-31", "2015-02-01"),
        employed("back", "2022-06-30"),
    ]
    features = {
        "hr.facts": {"n": "count()"},
        "derived": {"years": "tenure_years", "first": "first_tenure_months", "days": "tenure_days"},
    }
    built = world.build(plan_of(world.path, features), {"hrms.employment": employments})
    rows = world.rows(built)
    assert set(rows) == {"late", "today", "back", "stays"}
    assert (rows["back"]["years"], rows["back"]["first"], rows["back"]["days"]) == (2, 173, 731)
    assert (built.funnel.seen, built.funnel.employed) == (8, 4)


@pytest.mark.long_on_spark
def test_conditions_on_rows_use_tenure_and_columns(world: World) -> None:
    employments = [employed("ann", "2020-01-01", site="a"), employed("bob", "2020-01-01", site="b")]
    employments += [employed("new", "2024-06-01", site="a")]
    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}}, where="tenure_days >= 90 and site = 'a'")
    built = world.build(plan, {"hrms.employment": employments})
    assert set(world.rows(built)) == {"ann"}
    assert built.funnel.dropped["`rows.where` never holds"] == 2


@pytest.mark.long_on_spark
def test_conditions_on_rows_use_the_first_tenure_of_those_who_came_back(world: World) -> None:
    # "back" was first hired in a time that is over; "fresh" was not there before
    employments = [
        employed("back", "2010-01-31", "2015-01-31", "2015-02-01"),
        employed("back", "2024-01-31"),
        employed("fresh", "2024-01-31"),
        employed("gone", "2010-01-31", "2015-01-31", "2015-02-01"),
    ]
    features = {"derived": {"days": "tenure_days", "first": "first_tenure_months"}, "hr.facts": {"n": "count()"}}
    built = world.build(
        plan_of(world.path, features, where="first_tenure_months >= 24"), {"hrms.employment": employments}
    )
    rows = world.rows(built)
    assert set(rows) == {"back"} and (rows["back"]["days"], rows["back"]["first"]) == (151, 173)
    assert (built.funnel.seen, built.funnel.employed, built.funnel.selected) == (3, 2, 1)


def test_employments_tied_in_time_that_differ_are_an_error(world: World) -> None:
    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}})
    with pytest.raises(DataError) as failure:
        world.build(
            plan,
            {
                "hrms.employment": [
                    employed("ann", "2020-01-01"),
                    employed("ann", "2020-01-01", "2024-01-31", "2020-01-01"),
                ]
            },
        )
    assert failure.value.code == "D004"


@pytest.mark.long_on_spark
def test_tables_without_rows_or_files_give_empty_features(world: World) -> None:
    plan = plan_of(world.path, MANY | {"hrms.people": {"gender": "value(gender)"}})
    files = world.files({"hrms.employment": [employed("ann", "2020-01-01")], "hr.facts": []}, plan.tables)
    files["hr.facts"] = {0: [protected(world.path / "none.parquet", plan.tables["hr.facts"], [])], 5: []}
    row = world.rows(world.build_files(plan, files))["ann"]
    assert [row[name] for name in ("a", "b", "f", "gender", "left")] == [None, None, 0.0, None, False]


@pytest.mark.long_on_spark
def test_no_eligible_subject_is_an_error(world: World) -> None:
    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}}, where="tenure_days > 90000")
    with pytest.raises(DataError) as failure:
        world.build(plan, {"hrms.employment": [employed("ann", "2020-01-01")]})
    assert failure.value.code == "D006"
    assert "`rows.where` never holds: 1" in failure.value.given


@pytest.mark.long_on_spark
def test_rows_that_are_not_one_per_subject_break_the_build(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from potable.features import build as building

    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}})
    real = building.features

    def doubled(*given: Any) -> Any:
        rows, gaps = real(*given)
        return rows.union(rows.view()), gaps

    monkeypatch.setattr(building, "features", doubled)
    with pytest.raises(DataError) as failure:
        world.build(plan, {"hrms.employment": [employed("ann", "2018-01-01")]})
    assert (failure.value.code, failure.value.given) == ("D005", "2 rows, 1 ids, 1 eligible subjects")
