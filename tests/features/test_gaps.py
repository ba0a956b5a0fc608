"""What happens between the as-of date and a label's window is counted, on every engine."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.world import World, employed, fact, left, plan_of

EMPLOYED = ("leaves", "stays", "first", "start", "before", "other", "twice")


def rows(**more: Any) -> dict[str, Any]:
    exits = {"leaves": "2024-07-10", "first": "2024-06-30", "start": "2024-07-30", "before": "2024-06-29"}
    found = [left(name, day) for name, day in exits.items()] + [left("other", "2024-07-10", "retired")]
    found += [left("twice", "2024-07-10"), left("twice", "2024-07-11")]
    return {"hrms.employment": [employed(name, "2020-01-01") for name in EMPLOYED], "hrms.exits": found, **more}


def plan(world: World, label: str) -> Any:
    return plan_of(world.path, {"hr.facts": {"n": "count()"}}, label=label)


@pytest.mark.parametrize(
    ("label", "gaps"),
    [
        ("any() in next 12mo after 1mo where kind = 'voluntary' from hrms.exits", 3),
        ("any(kind = 'retired') in next 12mo after 1mo from hrms.exits", 1),
        ("count() in next 12mo after 30d from hrms.exits", 4),
        ("first(kind) in next 12mo after 1mo first 1 from hrms.exits", 4),
        ("any() in next 12mo from hrms.exits", None),
    ],
)
@pytest.mark.long_on_spark
def test_rows_with_an_event_in_the_gap_are_counted(world: World, label: str, gaps: int | None) -> None:
    made = world.build(plan(world, label), rows(), buckets=2)
    assert made.gaps == ({} if gaps is None else {"left": gaps})
    assert "_gap_left" not in made.columns


@pytest.mark.long_on_spark
def test_where_nothing_happens_in_the_gap_none_is_counted(world: World) -> None:
    label = "sum(n) in next 6mo after 6mo where money > 3 from hr.facts"
    facts = [fact("stays", "2024-08-01", n=1, money=2, fact_id=1), fact("stays", "2025-02-01", n=1, money=9, fact_id=2)]
    assert world.build(plan(world, label), rows(**{"hr.facts": facts})).gaps == {"left": 0}


@pytest.mark.long_on_spark
def test_a_corrected_event_counts_as_what_it_is_now(world: World) -> None:
    label = "any() in next 12mo after 3mo where n > 1 from hr.facts"
    facts = [
        fact("stays", "2024-08-01", n=5, fact_id=1),
        fact("stays", "2024-08-01", "2024-09-01", n=1, fact_id=1),
        fact("first", "2024-08-01", n=5, fact_id=2),
    ]
    assert world.build(plan(world, label), rows(**{"hr.facts": facts})).gaps == {"left": 1}
