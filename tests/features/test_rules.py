"""One test per row of the rule table of the feature language.

Most rules are told by a person whose facts are told to one build with those of all others: `@story`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.features.world import LOOSE, PEOPLE, TABLES, Row, World, at, employed, fact, left, plan_of, table

from potable.engines.base import Engine
from potable.errors import DataError, ProjectError
from potable.features.decided import tied
from potable.features.plan import FeaturePlan
from potable.features.reference import RECIPES
from potable.tables import Column, Table

HIRED = employed("ann", "2016-01-01")


def one_row(world: World, features: dict[str, str], facts: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    """Ann's row, from facts of `hr.facts` with the as-of date 2024-06-30."""
    plan = plan_of(world.path, {rest.pop("table", "hr.facts"): features}, **rest)
    return built(world, plan, {"hr.facts": numbered(facts), "hr.loose": facts, "hrms.employment": [HIRED]})["ann"]


def built(world: World, plan: FeaturePlan, rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return world.rows(world.build(plan, rows))


def numbered(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"fact_id": index, "turn": index, **each} for index, each in enumerate(facts)]


@dataclass(frozen=True)
class Story:
    """Features of one table, and what one person's rows are there."""

    features: dict[str, str]
    rows: list[dict[str, Any]]
    table: str


STORIES: dict[str, Story] = {}


def story(
    features: dict[str, str], rows: list[dict[str, Any]], table: str = "hr.facts"
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a test, as `row`, what the one build of all stories makes of its own."""

    def marked(test: Callable[..., None]) -> Callable[..., None]:
        STORIES[test.__name__] = Story(features, numbered(rows) if table == "hr.facts" else rows, table)
        return test

    return marked


@pytest.fixture(scope="module")
def told(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Everybody's row, with everybody's features."""
    world = World(tmp_path_factory.mktemp("stories"), engine)
    features: dict[str, dict[str, str]] = {}
    rows: dict[str, list[dict[str, Any]]] = {"hrms.employment": [employed(name, "2016-01-01") for name in STORIES]}
    for name, each in STORIES.items():
        features.setdefault(each.table, {}).update({f"{name}_{key}": text for key, text in each.features.items()})
        rows.setdefault(each.table, []).extend({**row, "_subject": name} for row in each.rows)
    return built(world, plan_of(world.path, features), rows)


@pytest.fixture
def row(told: dict[str, dict[str, Any]], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The features of the test's own story, of its own person."""
    name = request.function.__name__
    return {key: told[name][f"{name}_{key}"] for key in STORIES[name].features}


SEEN = [
    fact("ann", "2024-05-30T23:59:59.999999", n=1),
    fact("ann", "2024-05-31", n=2),
    fact("ann", "2024-05-01", "2024-06-29T23:59:59.999999", n=4),
    fact("ann", "2024-05-01", "2024-06-30", n=8),
    fact("ann", "2024-07-01", "2024-01-01", n=16),
]


@story({"seen": "sum(n)"}, SEEN)
def test_visibility_is_strict_for_both_times(row: dict[str, Any]) -> None:
    assert row["seen"] == 7


@pytest.mark.long_on_spark
def test_the_embargo_concerns_only_the_time_it_happened(world: World) -> None:
    assert one_row(world, {"seen": "sum(n)"}, SEEN, embargo="30d")["seen"] == 5


def test_windows_are_half_open_and_step_by_calendar_months(world: World) -> None:
    facts = [
        fact("ann", "2024-02-28T23:59:59", n=1),
        fact("ann", "2024-02-29", n=2),
        fact("ann", "2024-05-29", n=4),
        fact("ann", "2023-05-30", n=8),
        fact("ann", "2023-05-29T23:00:00", n=16),
    ]
    # the cut is 30 May; three months before it is 29 February, for a month end clamps
    features = {
        "mo": "sum(n) in 3mo",
        "q": "sum(n) in 1q",
        "y": "sum(n) in 1y",
        "d": "sum(n) in 1d",
        "w": "sum(n) in 1w",
        "before": "sum(n) before 3mo",
        "slice": "sum(n) in 9mo before 3mo",
    }
    row = one_row(world, features, facts, embargo="31d")
    assert [row[name] for name in features] == [6, 6, 15, 4, 4, 25, 9]


@pytest.mark.parametrize("months_first", [True, False])
@pytest.mark.long_on_spark
def test_thirty_days_beside_a_month_stay_thirty_days(world: World, months_first: bool) -> None:
    facts = [fact("ann", day, n=n) for day, n in (("2024-02-29", 1), ("2024-04-30", 2), ("2023-06-01", 4))]
    # the cut is 31 May: 90 days before it is 2 March, 30 days 1 May, 360 days 6 June
    wanted = {"in 3mo": 3, "in 90d": 2, "in 1mo": 2, "in 30d": 0, "in 1y": 7, "in 360d": 3, "before 90d": 5}
    texts = list(wanted) if months_first else [*wanted][::-1]
    features = {f"f{number}": f"sum(n) {text}" for number, text in enumerate(texts)}
    row = one_row(world, features, facts, embargo="30d")
    found = {text: row[name] or 0 for name, text in zip(features, texts, strict=True)}
    assert found == wanted


@story(
    {
        "filtered": "sum(n) where word = 'Low' last 2",
        "windowed": "sum(n) where word = 'Low' in 12mo last 3",
        "all": "count()",
        "early": "sum(n) where word = 'Low' first 2",
    },
    [
        fact("ann", "2024-01-01", fact_id=1, n=100, word="Low", turn=1),
        # the correction takes the record out of the filter: its first version must not come back
        fact("ann", "2024-01-01", "2024-02-01", fact_id=1, n=100, word="High", turn=1),
        fact("ann", "2023-12-01", fact_id=2, n=3, word="Low", turn=2),
        fact("ann", "2023-11-01", fact_id=3, n=5, word="Low", turn=3),
        fact("ann", "2020-01-01", fact_id=4, n=7, word="Low", turn=4),
    ],
)
def test_order_is_corrections_then_where_then_in_then_last(row: dict[str, Any]) -> None:
    assert list(row.values()) == [8, 8, 4, 12]


@story(
    {"last": "latest(n)", "all": "sum(n)", "some": "count()"},
    [
        fact("ann", "2024-01-01", "2024-01-05", fact_id=1, n=1, turn=1),
        fact("ann", "2024-01-01", "2024-01-05", fact_id=1, n=10, turn=3),
        fact("ann", "2024-01-01", "2024-01-05", fact_id=1, n=100, turn=2),
    ],
)
def test_of_versions_known_at_once_the_one_ordered_last_counts(row: dict[str, Any]) -> None:
    assert row == {"last": 10, "all": 10, "some": 1}


def _of_ours(recipe: str) -> str:
    return (
        recipe.replace("at,", "day,")
        .replace(", at)", ", day)")
        .replace("(at)", "(day)")
        .replace("grade", "word")
        .replace("gross", "n")
        .replace("(x)", "(n)")
        .replace("severity = 'h", "word = 'H")
    )


@story(
    {f"r{place}": _of_ours(recipe) for place, recipe in enumerate(RECIPES)},
    [
        fact("ann", "2024-01-30", n=1, word="Low"),
        fact("ann", "2024-04-30", n=2, word="High"),
        fact("ann", "2024-05-10", n=4, word="Low"),
        fact("ann", "2024-05-20", n=8, word="Low"),
        fact("ann", "2024-06-20", n=16, word="High"),
    ],
)
def test_the_recipes_give_what_they_say(row: dict[str, Any]) -> None:
    # since the 30th of January, since the 10th of May, of the 20th, two of five, three changes, the last of them on the 20th of June, from
    # January to April, twice to High, always doubled, four months, and those from the 30th of April to the 29th of May
    assert [row[f"r{place}"] for place in range(len(RECIPES))] == [152, 51, 8, 0.4, 3, 10, 91, 2, 1, 4, 14]


@story(
    {"new": "latest(n)", "old": "first(n)", "two": "sum(n) last 2"},
    [
        fact("ann", "2024-01-01", "2024-01-02", n=1, turn=9, fact_id=1),
        fact("ann", "2024-01-01", "2024-01-03", n=2, turn=1, fact_id=2),
        fact("ann", "2024-01-01", "2024-01-03", n=3, turn=2, fact_id=3),
        fact("ann", "2024-01-01", "2024-01-03", n=4, turn=None, fact_id=4),
    ],
)
def test_ties_are_broken_by_known_then_order(row: dict[str, Any]) -> None:
    assert (row["new"], row["old"], row["two"]) == (3, 1, 5)


@pytest.mark.long_on_spark
def test_rows_still_tied_that_differ_are_an_error(world: World) -> None:
    facts = [fact("ann", day, n=n) for day, n in (("2024-01-01", 1), ("2024-01-01", 2), ("2024-02-01", 3))]
    facts += [fact("ann", "2024-02-01", n=4)]
    tied = {"a": "latest(n)", "b": "first(n)", "c": "sum(n) last 1", "d": "sum(n) first 1", "e": "change(n)"}
    with pytest.raises(DataError) as failure:
        one_row(world, {"fine": "sum(n)", **tied}, facts, table="hr.loose")
    assert failure.value.code == "D004"
    assert "`hr.loose`" in failure.value.problem and ": a, b, c, d, e would depend" in failure.value.problem
    assert "declare `order:`" in failure.value.hint and "`mode(…)`" in failure.value.hint
    unordered = {**TABLES, "hr.facts": TABLES["hr.facts"].model_copy(update={"order": None})}
    plan = plan_of(world.path, {"hr.facts": {"a": "latest(word)"}}, tables=unordered)
    facts = [fact("ann", "2024-01-01", word=word, fact_id=index) for index, word in enumerate(("Low", "High"))]
    with pytest.raises(DataError, match="D004") as failure:
        world.build(plan, {"hrms.employment": [HIRED], "hr.facts": facts}, tables=unordered)
    assert "such as `order: fact_id`" in failure.value.hint


@pytest.mark.long_on_spark
def test_of_several_tables_with_open_values_the_first_is_told_and_no_other(world: World) -> None:
    told = {
        "hr.facts": {"x": "latest(n)", "y": "first(n)", "z": "sum(n)"},
        "hr.loose": {"a": "sum(n)", "b": "latest(n)"},
    }
    plan = plan_of(world.path, told | {"hrms.people": {"gender": "value(gender)"}})
    facts = [fact("ann", "2024-01-01", n=n) for n in (1, 2)]
    people = [{"_subject": "ann", "gender": gender} for gender in ("f", "m")]
    rows = {"hr.facts": numbered(facts), "hrms.employment": [HIRED], "hrms.people": people}
    for loose, name, open_ in ((facts, "hr.loose", "b"), (facts[:1], "hrms.people", "gender")):
        with pytest.raises(DataError, match="D004") as failure:
            world.build(plan, {**rows, "hr.loose": loose})
        assert f"records of `{name}`" in failure.value.problem and f": {open_} would depend" in failure.value.problem


@story(
    {"new": "latest(n)", "old": "first(n)", "all": "sum(n)", "one": "sum(n) last 1", "many": "sum(n) last 4"},
    [
        fact("ann", "2024-03-01", n=5),
        fact("ann", "2024-03-01", n=5),
        fact("ann", "2024-01-01", n=1),
        fact("ann", "2024-01-01", n=2),
        fact("ann", "2023-01-01", n=7),
    ],
    table="hr.loose",
)
def test_ties_that_do_not_matter_are_no_error(row: dict[str, Any]) -> None:
    assert list(row.values()) == [5, 7, 20, 5, 13]


@pytest.mark.long_on_spark
def test_versions_known_at_the_same_time_that_differ_are_an_error(world: World) -> None:
    facts = [fact("ann", "2024-01-01", n=n, fact_id=1, turn=1) for n in (1, 2)]
    with pytest.raises(DataError, match="D004") as failure:
        one_row(world, {"it": "sum(n)"}, facts)
    assert "order: fact_id" not in failure.value.hint and "mode" not in failure.value.hint
    assert one_row(world, {"it": "count()"}, facts)["it"] == 1


@story(
    {"it": "sum(n)"},
    [
        fact("ann", "2024-01-01", "2024-01-05", fact_id=1, n=1),
        fact("ann", "2024-01-01", "2024-03-01", fact_id=1, n=2),
        fact("ann", "2024-01-01", "2024-07-01", fact_id=1, n=4),
    ],
)
def test_corrections_take_the_newest_version_known_by_then(row: dict[str, Any]) -> None:
    assert row["it"] == 2


@pytest.mark.long_on_spark
def test_records_of_several_keys_of_one_person_are_no_corrections_of_each_other(world: World) -> None:
    read = {"sim": {"key": "sim"}, "day": "date", "seen": "timestamp", "mb": "integer"}
    tables = {**TABLES, "net.use": table(read, unique=["sim", "day"], time="day", known="seen")}
    facts = [
        fact("ann", "2024-01-31", seen, mb=mb, _which=which)
        for which, seen, mb in [(1, "2024-02-01", 5), (2, "2024-02-02", 7), (2, "2024-02-03", 8), (3, "2024-07-01", 9)]
    ]
    plan = plan_of(world.path, {"net.use": {"mb": "sum(mb)", "sims": "count()"}}, tables=tables)
    rows = {"hrms.employment": [employed("ann", "2016-01-01")], "net.use": facts}
    found = world.rows(world.build(plan, rows, tables=tables))["ann"]
    assert (found["mb"], found["sims"]) == (5 + 8, 2)


@story(
    {"n": "latest(n)", "word": "latest(word)", "old": "first(n)", "oldest": "first(word)"},
    [fact("ann", "2024-02-01", n=None, word="Low"), fact("ann", "2024-01-01", n=3, word=None)],
)
def test_latest_is_null_where_the_newest_row_is(row: dict[str, Any]) -> None:
    assert (row["n"], row["word"], row["old"], row["oldest"]) == (None, "Low", 3, None)


EMPTY = {
    "count": "count() in 12mo",
    "some": "count(n) in 12mo",
    "sum": "sum(money) in 12mo",
    "any": "any() in 12mo",
    "distinct": "distinct(word) in 12mo",
    "ever": "count()",
    "avg": "avg(n) in 12mo",
    "latest": "latest(n) in 12mo",
    "filled": "avg(n) in 12mo else -1",
    "a_day": "latest(due) in 12mo else '2000-01-31'",
    "a_moment": "max(seen) in 12mo else '2000-01-31'",
    "too_far_back": "count() in 12y",
}


FILLED = [date(2000, 1, 31), datetime(2000, 1, 31)]


@story(EMPTY, [])
def test_empty_windows_are_zero_where_the_source_covers_them(row: dict[str, Any]) -> None:
    assert list(row.values()) == [0, 0, 0.0, False, 0, 0, None, None, -1.0, *FILLED, None]


@pytest.mark.long_on_spark
def test_empty_windows_are_null_where_the_source_does_not_cover_them(world: World) -> None:
    uncovered = {**TABLES, "hr.facts": TABLES["hr.facts"].model_copy(update={"coverage": None})}
    plan = plan_of(world.path, {"hr.facts": EMPTY}, tables=uncovered)
    row = world.rows(world.build(plan, {"hrms.employment": [HIRED]}, tables=uncovered))["ann"]
    assert [row[name] for name in EMPTY] == [None] * 8 + [-1.0, *FILLED, None]


def test_label_windows_start_after_and_end_half_open(world: World) -> None:
    people = {"on_start": "2024-07-31", "before": "2024-07-30", "last_in": "2025-07-29", "on_end": "2025-07-30"}
    plan = plan_of(
        world.path,
        {"hr.facts": {"a": "count()"}},
        label="any() in next 12mo after 1mo from hrms.exits",
        as_of="{at: 2024-06-30}",
    )
    exits = [left(name, day) for name, day in {**people, "on_start": "2024-07-30", "before": "2024-07-29"}.items()]
    rows = built(
        world, plan, {"hrms.employment": [employed(name, "2020-01-01") for name in people], "hrms.exits": exits}
    )
    assert {name: rows[name]["left"] for name in people} == {
        "on_start": True,
        "before": False,
        "last_in": True,
        "on_end": False,
    }


@pytest.mark.long_on_spark
def test_a_label_window_past_the_data_is_dropped_and_counted_never_labelled(world: World) -> None:
    tables = {
        **TABLES,
        "hrms.exits": TABLES["hrms.exits"].model_copy(update={"coverage": (date(2010, 1, 1), date(2024, 12, 31))}),
    }
    as_of = "{pick: random_month_end, between: [2023-10-01, 2024-06-30], seed: 3}"
    plan = plan_of(world.path, {"hr.facts": {"a": "count()"}}, tables=tables, as_of=as_of)
    employments = [
        employed("ann", "2020-01-01"),
        employed("new", "2024-02-01"),
        employed("old", "2020-01-01", "2023-01-31"),
    ]
    result = world.build(plan, {"hrms.employment": employments}, tables=tables)
    assert {name: row["as_of"] for name, row in world.rows(result).items()} == {
        "ann": world.rows(result)["ann"]["as_of"]
    }
    assert world.rows(result)["ann"]["as_of"] <= date(2023, 11, 30)
    assert result.funnel.dropped == {
        "no record of `rows.from` runs in the period": 1,
        "`rows.where` never holds": 0,
        "the label window runs past the data": 1,
    }


def test_numbers_are_exact_until_one_division_and_then_rounded(world: World) -> None:
    facts = [
        fact("ann", f"2024-01-{day:02}", money=m, ratio=r)
        for day, m, r in ((1, "0.10", 0.1), (2, "0.20", 0.2), (3, "0.40", 1e-9))
    ]
    facts = [{**each, "money": __import__("decimal").Decimal(each["money"])} for each in facts]
    features = {"sum": "sum(money)", "avg": "avg(money)", "floats": "sum(ratio)", "product": "sum(money * money)"}
    row = one_row(world, features, facts, digits=4)
    assert [row[name] for name in features] == [0.7, 0.2333, 0.3, 0.21]


def test_a_half_that_is_written_as_one_goes_up(world: World) -> None:
    decimal = __import__("decimal").Decimal
    facts = [fact("ann", f"2024-01-0{day}", money=decimal(m)) for day, m in ((1, "1287.21"), (2, "1287.22"))]
    assert one_row(world, {"avg": "avg(money)"}, facts, digits=2)["avg"] == 1287.22


RATIOS = [
    fact("ann", f"2024-01-0{day}", ratio=ratio) for day, ratio in ((1, 0.5), (2, float("nan")), (3, float("inf")))
]


@story({"sum": "sum(ratio)", "n": "count(ratio)", "max": "max(ratio)", "new": "latest(ratio)"}, RATIOS)
def test_floats_that_are_no_numbers_are_null(row: dict[str, Any]) -> None:
    assert (row["sum"], row["n"], row["max"], row["new"]) == (0.5, 1, 0.5, None)


def test_floats_too_large_for_exact_sums_are_an_error(world: World) -> None:
    facts = [*RATIOS, fact("ann", "2024-01-04", ratio=1e15)]
    assert one_row(world, {"max": "max(ratio)"}, facts)["max"] == 1e15
    with pytest.raises(DataError, match="too large for exact sums") as failure:
        one_row(world, {"sum": "sum(ratio)", "n": "count(ratio)", "all": "max(n)"}, facts)
    assert failure.value.given == "read by `sum`"


@pytest.mark.parametrize("text", ["max(n * n * n)", "stddev(n)", "sum(money * money * money)"])
def test_numbers_that_outgrow_exact_arithmetic_are_an_error(world: World, text: str) -> None:
    large = 4 * 10**18 if "stddev" in text else 3 * 10**9
    facts = [fact("ann", f"2024-01-{day:02}", n=large + day, money=Decimal("9999999999.99")) for day in range(1, 20)]
    with pytest.raises(DataError, match=r"a number of `hr\.facts` is too large for exact arithmetic") as failure:
        one_row(world, {"it": text, "n": "count()"}, facts)
    assert (failure.value.code, failure.value.given) == ("D005", "read by `it`")


def test_derived_features_that_outgrow_exact_arithmetic_are_an_error(world: World) -> None:
    plan = plan_of(world.path, {"hr.facts": {"n": "sum(n)"}, "derived": {"cube": "n * n * n"}})
    rows = {"hr.facts": numbered([fact("ann", "2024-01-01", n=3 * 10**9)]), "hrms.employment": [HIRED]}
    with pytest.raises(DataError, match="is too large for exact arithmetic") as failure:
        world.build(plan, rows)
    assert failure.value.code == "D005"


@pytest.mark.long_on_spark
def test_a_sum_of_decimals_may_have_nineteen_digits(world: World) -> None:
    facts = [fact("ann", f"2024-01-{day:02}", money=Decimal("9999999999.99")) for day in range(1, 20)]
    assert one_row(world, {"sum": "sum(money)"}, facts)["sum"] == 189_999_999_999.81


@story(
    {"age": "years_between(birth_date, as_of)", "gender": "value(gender)", "young": "birth_date > '1990-01-01'"},
    [{"birth_date": date(1984, 7, 1), "gender": gender} for gender in ("f", None, "f")],
    table="hrms.people",
)
def test_tables_without_history_give_static_columns_that_agree(row: dict[str, Any]) -> None:
    assert (row["age"], row["gender"], row["young"]) == (39, "f", False)


@pytest.mark.parametrize(
    "text", ["value(city)", "latest(gender)", "count()", "value(gender) in 12mo", "value(gender) last 2"]
)
def test_tables_without_history_give_only_static_columns(tmp_path: Path, text: str) -> None:
    with pytest.raises(ProjectError, match="keeps no history"):
        plan_of(tmp_path, {"hrms.people": {"it": text}})


@pytest.mark.long_on_spark
def test_static_columns_that_disagree_are_an_error(world: World) -> None:
    people = [{"_subject": "ann", "gender": gender} for gender in ("f", None, "f", "m")]
    plan = plan_of(world.path, {"hrms.people": {"gender": "value(gender)"}})
    with pytest.raises(DataError, match="D004"):
        built(world, plan, {"hrms.people": people, "hrms.employment": [HIRED]})


ROSTER = {**PEOPLE.model_dump(exclude_unset=True), "columns": {**PEOPLE.columns, "changed": Column(type="timestamp")}}


def described(world: World, people: list[dict[str, Any]], **keys: Any) -> str | None:
    """Ann's gender, by a roster without history that has these records of her."""
    tables = {**TABLES, "hrms.people": Table.model_validate({**ROSTER, **keys})}
    plan = plan_of(world.path, {"hrms.people": {"gender": "value(gender)"}}, tables=tables)
    told = [{"_subject": "ann", "_known": each.get("changed"), **each} for each in people]
    rows = {"hrms.people": told, "hrms.employment": [HIRED]}
    return world.rows(world.build(plan, rows, tables=tables))["ann"]["gender"]


@pytest.mark.long_on_spark
def test_without_history_the_record_that_was_known_last_counts(world: World) -> None:
    people = [
        {"changed": at(f"2024-0{month}-01"), "gender": gender} for month, gender in ((2, "f"), (5, "m"), (3, "x"))
    ]
    assert described(world, people, known="changed") == "m"
    assert described(world, people[::-1], known="changed", order="birth_date") == "m"


@pytest.mark.long_on_spark
def test_without_history_records_that_no_order_tells_apart_are_an_error(world: World) -> None:
    people = [{"changed": at("2024-02-01"), "birth_date": date(1984, 7, 1), "gender": gender} for gender in ("f", "m")]
    for keys in ({"known": "changed"}, {"order": "birth_date"}, {"known": "changed", "order": "birth_date"}):
        with pytest.raises(DataError, match="D004"):
            described(world, people, **keys)
    people[1]["birth_date"] = date(1985, 7, 1)
    assert described(world, people, known="changed", order="birth_date") == "m"


@pytest.mark.long_on_spark
def test_there_is_one_row_per_subject_whatever_the_tables_hold(world: World) -> None:
    facts = [fact(name, "2024-01-01", n=n) for name in ("ann", "nobody") for n in (1, 2, 3)]
    plan = plan_of(world.path, {"hr.loose": {"n": "count()"}})
    employments = [HIRED, employed("ann", "2020-01-01"), employed("bob", "2020-01-01")]
    result = world.build(plan, {"hr.loose": facts, "hrms.employment": employments})
    assert {name: row["n"] for name, row in world.rows(result).items()} == {"ann": 3, "bob": 0}
    assert result.rows == 2
    assert LOOSE.unique == []


def test_tied_people_of_a_roster_may_be_two_who_share_a_key() -> None:
    columns = {"emp_no": {"key": "emp_no"}, "gender": {"category": "none", "static": True}}
    roster = Table.model_validate({"columns": columns, "roster": "employee"})
    assert "share a key" in tied("hr.people", roster, ["gender"]).hint
    assert "share a key" not in tied("hr.jobs", roster.model_copy(update={"roster": None}), ["gender"]).hint


def state(subject: str, day: str, hired: str, ended: str | None = None, seen: str | None = None, **rest: Any) -> Row:
    """What a monthly copy of all contracts says of one."""
    return {**fact(subject, day, seen, site="A", **{"contract": 1, **rest}), **period(hired, ended)}


def period(hired: str, ended: str | None) -> Row:
    return {"hired_on": date.fromisoformat(hired), "left_on": date.fromisoformat(ended) if ended else None}


@pytest.mark.long_on_spark
def test_of_the_states_of_an_employment_the_latest_one_counts(world: World) -> None:
    columns = {"emp_no": {"key": "emp_no"}, "day": "date", "seen": "timestamp", "site": "string"}
    copies = table(
        {**columns, "contract": "integer", "hired_on": "date", "left_on": "date"},
        unique=["emp_no", "contract", "day"],
        time="day",
        known="seen",
    )
    tables = {**TABLES, "hrms.employment": copies}
    rows = [
        # the copies of January and February do not know yet that she leaves
        *(state("ann", f"2024-0{month}-01", "2020-01-01") for month in (1, 2)),
        state("ann", "2024-03-01", "2020-01-01", "2024-03-31"),
        # he comes again, which is another employment
        state("bob", "2024-02-01", "2020-01-01", "2024-02-15"),
        state("bob", "2024-04-01", "2024-03-01"),
        # her end was known, but only after the as-of date
        state("eve", "2024-01-01", "2020-01-01"),
        state("eve", "2024-03-01", "2020-01-01", "2024-03-31", seen="2024-07-15"),
        # two employments that began on one day, of which one is over
        state("kim", "2024-05-01", "2020-01-01", contract=2),
        state("kim", "2024-06-01", "2020-01-01", "2024-06-15"),
        # the end was a mistake
        state("lee", "2024-05-01", "2020-01-01", "2024-05-15", seen="2024-05-02"),
        state("lee", "2024-05-01", "2020-01-01", seen="2024-05-20"),
        # so was the day on which it began
        state("noa", "2024-05-01", "2020-01-01"),
        state("noa", "2024-05-01", "2024-09-01", seen="2024-05-20"),
        # moved to another site, for which no row is wanted
        state("max", "2024-01-01", "2020-01-01"),
        {**state("max", "2024-02-01", "2020-01-01"), "site": "B"},
    ]
    plan = plan_of(world.path, {"hr.facts": {"n": "count()"}}, tables=tables, where="site = 'A'")
    found = world.rows(world.build(plan, {"hrms.employment": rows}, tables=tables))
    assert sorted(found) == ["bob", "eve", "kim", "lee"]
