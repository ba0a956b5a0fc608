"""What is told of empty windows is what a build makes of them."""

from datetime import date
from pathlib import Path

import pytest
from tests.features.world import TABLES, World, employed, plan_of

from potable.engines.base import Engine
from potable.features.unknown import before_coverage, why_unknown

FEATURES = {
    "hr.facts": {
        "count_1y": "count() in 1y",
        "count_all": "count()",
        "streak_1y": "streak(n > 0) in 1y",
        "else_1y": "count() in 1y else 0",
        "latest_1y": "latest(n) in 1y",
    },
    "derived": {"twice": "count_1y * 2"},
}
DATES = [date(2012, 12, 31), date(2015, 1, 1), date(2015, 6, 30), date(2016, 1, 1)]
"""`coverage` of `hr.facts` begins on 2015-01-01."""


def test_windows_that_begin_before_coverage_are_told_with_the_first_date_that_is_whole(tmp_path: Path) -> None:
    pick = "{pick: random_month_end, between: [2015-11-01, 2016-03-31]}"
    found = before_coverage(plan_of(tmp_path, FEATURES, as_of=pick))
    assert found == {"count_1y": date(2016, 1, 31), "streak_1y": date(2016, 1, 31)}
    early = plan_of(tmp_path, FEATURES, as_of="{at: 2015-06-30}")
    assert before_coverage(early) == {"count_1y": None, "streak_1y": None}
    assert not before_coverage(plan_of(tmp_path, FEATURES, as_of="{at: 2016-06-30}"))


@pytest.mark.long_on_spark
def test_what_is_told_of_one_row_is_what_a_build_makes_of_it(tmp_path: Path, engine: Engine) -> None:
    for number, day in enumerate(DATES):
        (folder := tmp_path / str(number)).mkdir()
        world = World(folder, engine)
        plan = plan_of(world.path, FEATURES, as_of=f"{{at: {day}}}")
        rows = {"hr.facts": [], "hrms.employment": [employed("ann", "2005-01-01")]}
        (row,) = world.rows(world.build(plan, rows, tables=TABLES)).values()
        for feature in plan.features:
            if feature.name in ("count_1y", "count_all", "streak_1y"):
                assert (row[feature.name] is None) == bool(why_unknown(feature, plan, day)), (feature.name, day)
            elif feature.name in ("else_1y", "latest_1y"):
                assert why_unknown(feature, plan, day) == ""
