"""Features of given people at given dates are those that a build would give them."""

from __future__ import annotations

from datetime import date

import pytest
from tests.features.test_build import DRAWN, MANY, company
from tests.features.world import TABLES, World, fact, plan_of

from potable.engines.base import collect
from potable.features.build import Bench
from potable.features.trial import tried


def rows_of(world: World, plan, files, people):  # type: ignore[no-untyped-def]
    bench = Bench(plan, world.engine, world.path / f"trial-{world.runs}")
    some = {name: files.get(name, {}).get(0, []) for name in plan.sources}
    found = collect(world.engine, tried(bench, some, people)).to_pylist()
    return {row[plan.id_column]: row for row in found}


@pytest.mark.long_on_spark
def test_people_are_given_what_a_build_gives_them_at_the_same_dates(world: World) -> None:
    plan = plan_of(world.path, MANY, as_of=DRAWN, embargo="30d", where="tenure_days >= 90")
    files = world.files(company(), TABLES)
    built = world.rows(world.build_files(plan, files))
    found = rows_of(world, plan, files, [(name, row["as_of"]) for name, row in built.items()])
    assert len(built) > 30 and found == built


def test_who_has_no_employment_has_features_and_no_tenure(world: World) -> None:
    features = {"hr.facts": {"most": "max(n)"}, "derived": {"tenure": "tenure_days"}}
    plan = plan_of(world.path, features)
    files = world.files({"hr.facts": [fact("p1", "2020-01-01", n=7, fact_id=1)]}, TABLES)
    found = rows_of(world, plan, files, [("p1", date(2020, 1, 1)), ("p2", date(2020, 1, 2))])
    # what happened on the day itself is not seen, and who is not there at all has a row too
    assert [(row["most"], row["tenure"]) for row in found.values()] == [(None, None), (None, None)]
    found = rows_of(world, plan, files, [("p1", date(2020, 1, 2))])
    assert found["p1"]["most"] == 7 and found["p1"]["tenure"] is None
