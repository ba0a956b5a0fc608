"""All aggregates against slow, obvious Python over rows, on random data."""

import random
import statistics
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor, sqrt
from pathlib import Path
from typing import Any

import pytest
from tests.features.world import World, employed, fact, plan_of

from potable.engines.base import Engine

Facts = list[dict[str, Any]]
AS_OF = datetime(2024, 6, 30)
CUT = datetime(2024, 5, 31)
YEAR_BACK, TWO_YEARS_BACK = datetime(2023, 5, 31), datetime(2022, 5, 31)
LEVELS = ["Low", "Average", "High"]


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(tmp_path, engine)


def newest_first(rows: Facts) -> Facts:
    return sorted(rows, key=lambda row: (row["_time"], row["_known"], row["turn"]), reverse=True)


def visible(rows: Facts) -> Facts:
    """The newest visible version of every record, newest first."""
    seen = [row for row in rows if row["_time"] < CUT and row["_known"] < AS_OF]
    newest: dict[int, dict[str, Any]] = {}
    for row in sorted(seen, key=lambda row: (row["_known"], row["_time"], row["turn"])):
        newest[row["fact_id"]] = row
    return newest_first(list(newest.values()))


def values(rows: Facts, column: str) -> list[Any]:
    return [row[column] for row in rows if row[column] is not None]


def exact(numbers: list[Any]) -> list[Fraction]:
    return [Fraction(floor(n * 10**6 + 0.5), 10**6) if isinstance(n, float) else Fraction(n) for n in numbers]


def mean(numbers: list[Any]) -> Any:
    return sum(exact(numbers)) / len(numbers) if numbers else None


def deviation(numbers: list[Any]) -> Any:
    return sqrt(statistics.variance(exact(numbers))) if len(numbers) > 1 else None


def slope(rows: Facts, column: str) -> Any:
    points = [
        (Fraction((row["_time"].date() - AS_OF.date()).days), Fraction(row[column]))
        for row in rows
        if row[column] is not None
    ]
    if len({x for x, _ in points}) < 2:
        return None
    middle_x, middle_y = mean([x for x, _ in points]), mean([y for _, y in points])
    above = sum((x - middle_x) * (y - middle_y) for x, y in points)
    return above / sum((x - middle_x) ** 2 for x, _ in points) * Fraction("365.25")


def change(rows: Facts, column: str) -> Any:
    numbers = exact(values(rows, column))
    return (numbers[0] - numbers[-1]) / abs(numbers[-1]) if len(numbers) > 1 and numbers[-1] else None


def mode(words: list[Any]) -> Any:
    return min(words, key=lambda word: (-words.count(word), word)) if words else None


def since(rows: Facts, start: datetime, end: datetime) -> Facts:
    return [row for row in rows if start <= row["_time"] < end]


def head(rows: Facts, column: str) -> Any:
    return rows[0][column] if rows else None


def complete_months(start: date, end: date) -> int:
    months = 0
    while (start.year * 12 + start.month + months) < (end.year * 12 + end.month):
        months += 1
    last = (end + timedelta(days=1)).month != end.month
    return months - (1 if end.day < start.day and not last else 0)


ORACLE: dict[str, tuple[str, Callable[[Facts], Any]]] = {
    "count": ("count()", len),
    "count_values": ("count(n)", lambda rows: len(values(rows, "n"))),
    "count_where": (
        "count() where word = 'Low' or n > 50",
        lambda rows: len([r for r in rows if r["word"] == "Low" or (r["n"] is not None and r["n"] > 50)]),
    ),
    "any": ("any() in 12mo", lambda rows: bool(since(rows, YEAR_BACK, CUT))),
    "any_flag": (
        "any(flag)",
        lambda rows: (any(values(rows, "flag")) if values(rows, "flag") else None) if rows else False,
    ),
    "sum": (
        "sum(n) in 24mo",
        lambda rows: (lambda w: 0 if not w else (sum(values(w, "n")) if values(w, "n") else None))(
            since(rows, TWO_YEARS_BACK, CUT)
        ),
    ),
    "sum_money": (
        "sum(money)",
        lambda rows: 0 if not rows else (sum(exact(values(rows, "money"))) if values(rows, "money") else None),
    ),
    "sum_ratio": (
        "sum(ratio)",
        lambda rows: 0 if not rows else (sum(exact(values(rows, "ratio"))) if values(rows, "ratio") else None),
    ),
    "avg_last": ("avg(n) last 3", lambda rows: mean(values(rows[:3], "n"))),
    "avg_first": ("avg(money) first 2", lambda rows: mean(values(rows[-2:], "money"))),
    "avg_level": ("avg(level(word))", lambda rows: mean([LEVELS.index(w) + 1 for w in values(rows, "word")])),
    "avg_slice": (
        "avg(ratio) in 12mo before 1y",
        lambda rows: mean(values(since(rows, TWO_YEARS_BACK, YEAR_BACK), "ratio")),
    ),
    "least": ("min(money)", lambda rows: min(values(rows, "money"), default=None)),
    "most": ("max(due) in 12mo", lambda rows: max(values(since(rows, YEAR_BACK, CUT), "due"), default=None)),
    "most_word": ("max(lower(word))", lambda rows: max(map(str.lower, values(rows, "word")), default=None)),
    "distinct": ("distinct(word)", lambda rows: len(set(values(rows, "word")))),
    "latest": ("latest(money)", lambda rows: head(rows, "money")),
    "latest_where": ("latest(n) where flag", lambda rows: head([r for r in rows if r["flag"]], "n")),
    "latest_in": ("latest(word) in 12mo", lambda rows: head(since(rows, YEAR_BACK, CUT), "word")),
    "latest_before": ("latest(n) before 1y", lambda rows: head([r for r in rows if r["_time"] < YEAR_BACK], "n")),
    "latest_first": ("latest(n) first 3", lambda rows: head(rows[-3:], "n")),
    "oldest": ("first(n)", lambda rows: head(rows[::-1], "n")),
    "oldest_in": ("first(flag) in 24mo", lambda rows: head(since(rows, TWO_YEARS_BACK, CUT)[::-1], "flag")),
    "oldest_last": ("first(n) last 4", lambda rows: head(rows[:4][::-1], "n")),
    "stddev": ("stddev(money)", lambda rows: deviation(values(rows, "money"))),
    "stddev_ratio": (
        "stddev(ratio) in 24mo",
        lambda rows: deviation(values(since(rows, TWO_YEARS_BACK, CUT), "ratio")),
    ),
    "slope": ("slope(n)", lambda rows: slope(rows, "n")),
    "slope_last": ("slope(money) last 4", lambda rows: slope([r for r in rows if r["money"] is not None][:4], "money")),
    "change": ("change(money) in 24mo", lambda rows: change(since(rows, TWO_YEARS_BACK, CUT), "money")),
    "change_last": ("change(n) last 3", lambda rows: change([r for r in rows if r["n"] is not None][:3], "n")),
    "days_since": ("days_since()", lambda rows: (AS_OF.date() - rows[0]["day"]).days if rows else None),
    "months_since": (
        "months_since() where flag",
        lambda rows: next((complete_months(r["day"], AS_OF.date()) for r in rows if r["flag"]), None),
    ),
    "median": ("median(n)", lambda rows: statistics.median(exact(values(rows, "n"))) if values(rows, "n") else None),
    "median_money": (
        "median(money) in 24mo",
        lambda rows: (lambda v: statistics.median(exact(v)) if v else None)(
            values(since(rows, TWO_YEARS_BACK, CUT), "money")
        ),
    ),
    "mode": ("mode(word)", lambda rows: mode(values(rows, "word"))),
    "mode_last": ("mode(n) last 5", lambda rows: mode(values(rows[:5], "n"))),
    "share": ("share(n > 50)", lambda rows: mean([int(n > 50) for n in values(rows, "n")])),
    "streak": ("streak(n > 30)", lambda rows: streak(rows, lambda row: over(row["n"], 30))),
    "streak_where": (
        "streak(n <= 60) where word != 'Low'",
        lambda rows: streak([r for r in rows if r["word"] not in ("Low", None)], lambda row: not_(over(row["n"], 60))),
    ),
    "streak_in": (
        "streak(flag) in 24mo",
        lambda rows: streak(since(rows, TWO_YEARS_BACK, CUT), lambda row: row["flag"]),
    ),
    "streak_last": (
        "streak(n > 10) last 2",
        lambda rows: streak([r for r in rows if r["n"] is not None][:2], lambda row: over(row["n"], 10)),
    ),
    "streak_first": (
        "streak(n > 10) first 3",
        lambda rows: streak([r for r in rows if r["n"] is not None][-3:], lambda row: over(row["n"], 10)),
    ),
    "streak_before": (
        "streak(flag) in 12mo before 12mo",
        lambda rows: streak(since(rows, TWO_YEARS_BACK, YEAR_BACK), lambda row: row["flag"]),
    ),
    "changes": (
        "count() where word != previous(word)",
        lambda rows: len([new for new, old in pairs(rows) if both(new, old, "word") and new["word"] != old["word"]]),
    ),
    "changes_in": (
        "count() in 12mo where word != previous(word)",
        lambda rows: len(
            since([n for n, o in pairs(rows) if both(n, o, "word") and n["word"] != o["word"]], YEAR_BACK, CUT)
        ),
    ),
    "days_since_change": (
        "days_since() where flag != previous(flag)",
        lambda rows: next(
            ((AS_OF.date() - n["day"]).days for n, o in pairs(rows) if both(n, o, "flag") and n["flag"] != o["flag"]),
            None,
        ),
    ),
    "longest_gap": (
        "max(days_between(previous(day), day))",
        lambda rows: max(((new["day"] - old["day"]).days for new, old in pairs(rows)), default=None),
    ),
    "gap_last": (
        "avg(days_between(previous(day), day)) last 3",
        lambda rows: mean([(new["day"] - old["day"]).days for new, old in pairs(rows)[:3]]),
    ),
    "largest_raise": (
        "max(money / previous(money) - 1) in 24mo",
        lambda rows: max(
            (
                float(new["money"] / old["money"]) - 1
                for new, old in pairs(rows)
                if both(new, old, "money") and old["money"] and since([new], TWO_YEARS_BACK, CUT)
            ),
            default=None,
        ),
    ),
    "rises": (
        "count() where level(word) > level(previous(word))",
        lambda rows: len(
            [1 for n, o in pairs(rows) if both(n, o, "word") and LEVELS.index(n["word"]) > LEVELS.index(o["word"])]
        ),
    ),
    "before_latest": ("latest(previous(word))", lambda rows: rows[1]["word"] if len(rows) > 1 else None),
    "first_ones": ("count() where previous(fact_id) is null", lambda rows: int(bool(rows))),
}


def pairs(rows: Facts) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each row with the one before it in time, newest first."""
    return list(pairwise(rows))


def both(new: dict[str, Any], old: dict[str, Any], column: str) -> bool:
    return new[column] is not None and old[column] is not None


def over(value: Any, bound: int) -> bool | None:
    return None if value is None else value > bound


def not_(value: bool | None) -> bool | None:
    return None if value is None else not value


def streak(rows: Facts, holds: Callable[[dict[str, Any]], bool | None]) -> int:
    """Newest first, until one does not hold."""
    length = 0
    for row in rows:
        if holds(row) is False:
            return length
        length += holds(row) is True
    return length


def random_facts(people: list[str], chance: random.Random) -> Facts:
    rows = []
    for person in people:
        for index in range(chance.choice([0, 1, 2, 3, 8, 20])):
            day = date(2021, 6, 1) + timedelta(days=chance.randrange(1200) // 30 * 30)
            for _ in range(chance.choice([1, 1, 1, 2])):
                seen = datetime(day.year, day.month, day.day) + timedelta(days=chance.choice([0, 0, 5, 60]))
                rows.append(random_fact(person, index, day, seen, chance, turn=len(rows)))
    return rows


def random_fact(
    person: str, index: int, day: date, seen: datetime, chance: random.Random, *, turn: int
) -> dict[str, Any]:
    def sometimes(value: Any) -> Any:
        return value if chance.random() < 0.85 else None

    return fact(
        person,
        day.isoformat(),
        seen.isoformat(),
        fact_id=index,
        turn=turn,
        n=sometimes(chance.randrange(100)),
        money=sometimes(Decimal(chance.randrange(-500, 10**8)) / 100),
        ratio=sometimes(chance.uniform(-3, 3)),
        word=sometimes(chance.choice(LEVELS)),
        flag=sometimes(chance.random() < 0.5),
        due=sometimes(day + timedelta(days=chance.randrange(100))),
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long_on_spark)])
def test_every_aggregate_is_what_plain_python_says(world: World, seed: int) -> None:
    people = [f"p{number:03}" for number in range(120)]
    rows = random_facts(people, random.Random(seed))
    features = {name: text for name, (text, _) in ORACLE.items()}
    built = world.build(
        plan_of(world.path, {"hr.facts": features}, embargo="30d"),
        {"hrms.employment": [employed(person, "2019-01-01") for person in people], "hr.facts": rows},
    )
    found = world.rows(built)
    for person in people:
        mine = visible([row for row in rows if row["_subject"] == person])
        wanted = {name: oracle(mine) for name, (_, oracle) in ORACLE.items()}
        for name, value in wanted.items():
            assert found[person][name] == _close(value), (person, name)


def _close(value: Any) -> Any:
    if isinstance(value, Fraction | float | Decimal):
        return pytest.approx(float(value), abs=1.1e-6, rel=1e-12)
    return value


def test_no_aggregate_is_left_without_an_oracle() -> None:
    from potable.features.aggregates import AGGREGATES

    assert {text.split("(")[0] for text, _ in ORACLE.values()} | {"value"} == set(AGGREGATES)
