from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import pytest
from tests.features.world import World, employed, fact, left, plan_of

from potable.errors import PrivacyRefusal
from potable.features import facts as facts_room
from potable.features import leakage
from potable.features import spine as spines
from potable.features.facts import CUT, MOMENT
from potable.tables import KNOWN, TIME

FEATURES = {
    "hr.facts": {"n": "sum(n)", "word": "latest(word)", "past": "count() before 1y"},
    "hrms.people": {"age": "years_between(birth_date, as_of)"},
    "derived": {"twice": "n * 2", "tenure": "tenure_days"},
}


def company() -> dict[str, list[dict[str, Any]]]:
    return {
        "hrms.employment": [employed("ann", "2020-01-01"), employed("bob", "2024-06-10")],
        "hrms.exits": [left("ann", "2024-09-01")],
        "hrms.people": [{"_subject": "ann", "birth_date": date(1990, 1, 1)}],
        "hr.facts": [
            fact("ann", "2022-01-01", fact_id=1, n=1, word="Low"),
            fact("ann", "2024-06-20", fact_id=2, n=2, word="High"),
            fact("ann", "2024-08-01", fact_id=3, n=4, word="High"),
            fact("ann", "2024-02-01", "2024-08-01", fact_id=4, n=8, word="Average"),
        ],
    }


@pytest.mark.long_on_spark
def test_the_proof_covers_the_rows_of_the_sample(world: World) -> None:
    built = world.build(plan_of(world.path, FEATURES, embargo="30d"), company())
    assert built.proved_on == 2
    assert world.rows(built)["ann"]["n"] == 1
    assert world.rows(built)["ann"]["left"] is True


@pytest.mark.long_on_spark
def test_each_copy_has_everybody_and_loses_its_own_future(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = leakage._changed

    def watching(before: Any, after: Any, plan: Any) -> list[str]:
        seen.append((before.column(0).to_pylist(), after.column(0).to_pylist()))
        return real(before, after, plan)

    monkeypatch.setattr(leakage, "_changed", watching)
    world.build(plan_of(world.path, FEATURES, embargo="30d"), company())
    assert seen == [(["ann", "bob"], ["ann", "bob"])] * len(leakage.DESTROYERS)


@pytest.mark.long_on_spark
@pytest.mark.parametrize("broken", [pytest.param(0, marks=pytest.mark.long_on_spark), 1], ids=["removed", "scrambled"])
def test_each_copy_alone_refuses(world: World, monkeypatch: pytest.MonkeyPatch, broken: int) -> None:
    """A copy that lost a past row too stands for a query that reads what the other copy does not show."""
    destroyers = list(leakage.DESTROYERS)
    real = destroyers[broken]

    def destroyed(rows: Any, future: Any, seed: int) -> Any:
        return real(rows, future, seed).slice(1) if "n" in rows.column_names else real(rows, future, seed)

    destroyed.__name__ = real.__name__
    destroyers[broken] = destroyed
    monkeypatch.setattr(leakage, "DESTROYERS", tuple(destroyers))
    with pytest.raises(PrivacyRefusal, match="`n`") as failure:
        world.build(plan_of(world.path, FEATURES, embargo="30d"), company())
    assert real.__name__ in (failure.value.given or "")


LEAKS: dict[str, tuple[Callable[[ibis.Table], ibis.Table], list[str]]] = {
    "everything": (lambda rows: rows, ["n", "word", "twice"]),
    "no embargo": (lambda rows: rows.filter(rows[TIME] < rows[MOMENT], rows[KNOWN] < rows[MOMENT]), ["n", "word"]),
    "known ignored": (lambda rows: rows.filter(rows[TIME] < rows[CUT]), ["n", "word"]),
}


@pytest.mark.parametrize(
    "leak", ["everything", *(pytest.param(name, marks=pytest.mark.long_on_spark) for name in list(LEAKS)[1:])]
)
def test_a_filter_that_lets_the_future_in_is_refused(world: World, monkeypatch: pytest.MonkeyPatch, leak: str) -> None:
    filtered, columns = LEAKS[leak]
    monkeypatch.setattr(facts_room, "visible", filtered)
    with pytest.raises(PrivacyRefusal) as failure:
        world.build(plan_of(world.path, FEATURES, embargo="30d"), company())
    assert failure.value.code == "G003"
    assert all(f"`{name}`" in failure.value.problem for name in columns)
    assert "`age`" not in failure.value.problem and "`past`" not in failure.value.problem


@pytest.mark.long_on_spark
def test_a_filter_that_lets_only_the_same_moment_in_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        facts_room, "visible", lambda rows: rows.filter(rows[TIME] <= rows[CUT], rows[KNOWN] < rows[MOMENT])
    )
    rows = company()
    rows["hr.facts"] = [fact("ann", "2024-05-31", fact_id=1, n=1)]
    with pytest.raises(PrivacyRefusal, match="`n`"):
        world.build(plan_of(world.path, FEATURES, embargo="30d"), rows)


@pytest.mark.long_on_spark
def test_a_garbled_future_is_caught_even_where_no_row_is_gained(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        facts_room,
        "visible",
        lambda rows: rows.filter((rows[TIME] < rows[CUT]) | (rows["n"] == 4), rows[KNOWN].notnull()),
    )
    with pytest.raises(PrivacyRefusal, match="G003"):
        world.build(plan_of(world.path, FEATURES, embargo="30d"), company())


@pytest.mark.long_on_spark
def test_a_tenure_that_sees_later_versions_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = spines.versions

    def leaking(rows: ibis.Table, rule: Any, table: Any) -> ibis.Table:
        return real(rows, rule, table).mutate(_from=rows[TIME] - ibis.interval(years=20))

    monkeypatch.setattr(spines, "versions", leaking)
    rows = company()
    # a transfer known only later
    rows["hrms.employment"].append(employed("ann", "2024-03-01", None, "2024-07-01"))
    with pytest.raises(PrivacyRefusal, match="`tenure`"):
        world.build(plan_of(world.path, FEATURES, embargo="30d"), rows)
