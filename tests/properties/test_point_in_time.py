"""Features never change when what lies at or after the cut is added, changed or removed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Examples
from tests.features.world import TABLES, World, employed, fact, plan_of

from potable.engines.base import Engine, collect
from potable.features.build import Bench, features, make_spine
from potable.features.plan import FeaturePlan

AS_OF, CUT = datetime(2024, 6, 30), datetime(2024, 5, 31)
FEATURES = {
    "hr.facts": {
        "count": "count()",
        "sum": "sum(n) in 12mo",
        "latest": "latest(word)",
        "first": "first(n) where flag",
        "last": "avg(money) last 2",
        "change": "change(n)",
        "slope": "slope(n)",
        "mode": "mode(word)",
        "since": "days_since()",
        "rises": "count() where n > previous(n)",
        "gap": "max(days_between(previous(day), day)) in 12mo",
        "streak": "streak(flag)",
    }
}
moments = st.datetimes(CUT - timedelta(days=900), CUT - timedelta(microseconds=1))
futures = st.one_of(
    st.tuples(
        st.datetimes(CUT, CUT + timedelta(days=400)),
        st.datetimes(CUT - timedelta(days=900), AS_OF + timedelta(days=400)),
    ),
    st.tuples(moments, st.datetimes(AS_OF, AS_OF + timedelta(days=400))),
    st.sampled_from([(CUT, CUT), (CUT - timedelta(days=1), AS_OF)]),
)
payloads = st.fixed_dictionaries(
    {
        "fact_id": st.integers(0, 5),
        "n": st.none() | st.integers(-9, 9),
        "word": st.none() | st.sampled_from(["Low", "Average", "High"]),
        "flag": st.none() | st.booleans(),
        "money": st.none() | st.decimals(-99, 99, places=2),
    }
)
pasts = st.tuples(moments, st.timedeltas(timedelta(0), timedelta(days=20)), payloads)


@pytest.fixture(scope="module")
def world(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), engine)


@pytest.fixture(scope="module")
def plan(world: World) -> FeaturePlan:
    return plan_of(world.path, FEATURES, embargo="30d")


def built(world: World, plan: FeaturePlan, facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished rows, without the proof that a whole build adds."""
    files = world.files({"hrms.employment": [employed("ann", "2019-01-01")], "hr.facts": facts}, TABLES)
    here = {name: files.get(name, {}).get(0, ()) for name in plan.sources}
    bench = Bench(plan, world.engine, world.path / f"bench-{world.runs}")
    spine, _ = make_spine(bench, here)
    return collect(world.engine, features(bench, here, spine)[0]).to_pylist()


def rows_of(given: list[Any], start: int) -> list[dict[str, Any]]:
    return [
        fact("ann", time.isoformat(), known.isoformat(), turn=start + index, **payload)
        for index, (time, known, payload) in enumerate(given)
    ]


@pytest.mark.long_on_spark
def test_features_do_not_change_with_the_future(world: World, plan: FeaturePlan, examples: Examples) -> None:
    after = st.tuples(futures, payloads)

    @settings(max_examples=examples(world.engine, 12), deadline=None, derandomize=True)
    @given(
        past=st.lists(pasts, max_size=8),
        future=st.lists(after, min_size=1, max_size=6),
        other=st.lists(after, max_size=6),
    )
    def holds(past: list[Any], future: list[Any], other: list[Any]) -> None:
        known = rows_of(
            [(time, min(time + lag, AS_OF - timedelta(microseconds=1)), payload) for time, lag, payload in past], 0
        )
        once = built(world, plan, known + rows_of([(*when, payload) for when, payload in future], 100))
        assert built(world, plan, known + rows_of([(*when, payload) for when, payload in other], 500)) == once
        assert len(once) == 1

    holds()
