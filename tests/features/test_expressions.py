"""Every function of the closed set, computed by the engine and compared with the obvious answer."""

from datetime import date, datetime
from itertools import product
from typing import Any

import pyarrow as pa
from tests.features.world import World, employed, fact, plan_of

from potable.engines.base import Engine, scalars
from potable.features.windows import Offset, moment, moved

ROW = {"n": 7, "ratio": -2.5, "word": "High", "flag": True, "due": date(2024, 2, 29)}
CASES: dict[str, tuple[str, Any]] = {
    "abs": ("abs(ratio)", 2.5),
    "coalesce": ("coalesce(turn, null, n)", 7),
    "contains": ("contains(word, 'ig')", True),
    "day": ("day(due)", 29),
    "days_between": ("days_between(due, day)", -29),
    "hour": ("hour(seen)", 0),
    "weekday": ("weekday(due)", 4),
    "greatest": ("greatest(n, 2, 9.5)", 9.5),
    "if": ("if(flag, word, 'no')", "High"),
    "least": ("least(n, null, 2)", 2),
    "length": ("length(word)", 4),
    "level": ("level(word)", 3),
    "lower": ("lower(word)", "high"),
    "month": ("month(due)", 2),
    "months_between": ("months_between(day, due)", 1),
    "nullif": ("nullif(n, 7.0)", None),
    "previous": ("previous(n)", None),
    "quarter": ("quarter(due)", 1),
    "starts_with": ("starts_with(word, 'Hi')", True),
    "upper": ("upper(word)", "HIGH"),
    "year": ("year(due)", 2024),
    "years_between": ("years_between('1984-02-29', due)", 40),
    "arithmetic": ("(n + 0.25) * 2 - -1", 15.5),
    "mixed": ("n * ratio", -17.5),
    "division": ("n / 2", 3.5),
    "by_zero": ("n / (n - 7)", None),
    "comparison": ("n >= 7 and not ratio > 0", True),
    "membership": ("word in ('Low', 'High')", True),
    "not_member": ("n not in (1, 2)", True),
    "nothing": ("turn is null", True),
    "something": ("n is not null", True),
    "dates": ("due >= '2024-02-29'", True),
    "moments": ("seen > due", False),
    "kleene": ("flag or turn > 1", True),
    "unknown": ("turn > 1", None),
    "as_of_": ("days_between(due, as_of)", 122),
}


def test_every_function_gives_the_obvious_answer(world: World) -> None:
    features = {f"f_{name}": f"latest({text})" for name, (text, _) in CASES.items()}
    facts = [fact("ann", "2024-01-31", fact_id=1, seen=None, **ROW)]
    facts[0]["seen"] = facts[0]["_known"]
    plan = plan_of(world.path, {"hr.facts": features})
    row = world.rows(world.build(plan, {"hr.facts": facts, "hrms.employment": [employed("ann", "2020-01-01")]}))["ann"]
    assert {name: row[f"f_{name}"] for name in CASES} == {name: wanted for name, (_, wanted) in CASES.items()}


def test_no_function_is_left_untested() -> None:
    from potable.features.functions import FUNCTIONS

    assert set(FUNCTIONS) <= set(CASES)


def test_months_are_complete_calendar_months(engine: Engine) -> None:
    import ibis

    from potable.features.evaluate import months_between

    cases = {
        ("2024-01-31", "2024-02-29"): 1,
        ("2024-01-31", "2024-02-28"): 0,
        ("2024-01-30", "2024-02-29"): 1,
        ("2024-01-15", "2024-02-14"): 0,
        ("2024-01-15", "2024-02-15"): 1,
        ("2023-03-31", "2024-02-29"): 11,
        ("2024-02-29", "2024-01-31"): -1,
        ("2024-02-14", "2024-01-15"): 0,
    }
    dates = {days: [ibis.literal(date.fromisoformat(day)) for day in days] for days in cases}
    found = _values(engine, [months_between(*pair) for pair in dates.values()])
    assert dict(zip(cases, found, strict=True)) == cases


def test_hours_and_days_of_the_week_are_those_of_the_calendar(engine: Engine) -> None:
    import ibis

    from potable.features.evaluate import Value, evaluate
    from potable.features.expressions import TIMESTAMP
    from potable.features.language import parse_condition

    moments = [datetime(2024, 2, 26 + day if day < 4 else day - 3, 23, 59, 59, 999_999) for day in range(7)]
    moments += [datetime(1969, 12, 28), datetime(1900, 1, 1, 1), datetime(2000, 2, 29, 12)]
    columns = [Value(TIMESTAMP, ibis.literal(moment, type="timestamp(6)")) for moment in moments]
    for text, wanted in {"hour(it)": datetime.time, "weekday(it)": datetime.isoweekday}.items():
        expression = parse_condition(text)
        found = _values(engine, [evaluate(expression, lambda _, column=column: column).column for column in columns])
        assert found == [(made if isinstance(made := wanted(moment), int) else made.hour) for moment in moments]


def _values(engine: Engine, values: list[Any]) -> list[Any]:
    """What the engine makes of constant expressions, in one query."""
    one = engine.read([], pa.schema([("n", pa.int64())]))
    columns = {f"v{index}": value for index, value in enumerate(values)}
    found = scalars(engine, one.agg(n=one.count()).select(**columns))
    return [found[name] for name in columns]


OFFSETS = [Offset(-1), Offset(-12, -30), Offset(13), Offset(1, 1), Offset(0, -366)]
DAYS = [date(2024, 3, 31), date(2024, 2, 29), date(2023, 12, 31), date(2024, 1, 1)]


def test_spans_are_the_same_in_plans_and_queries(engine: Engine) -> None:
    from potable.features.evaluate import midnight

    cases = list(product(DAYS, OFFSETS))
    found = _values(engine, [moment(midnight(start), offset) for start, offset in cases])
    planned = [moved(start, offset) for start, offset in cases]
    assert [value.date() for value in found] == planned
