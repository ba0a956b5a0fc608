"""Periods: engines and Python number them alike, and they stand in a row without gaps."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.test_validate import judge, one

from potable.contracts import periods
from potable.contracts.health import Moment, Profile
from potable.contracts.health import judge as judged
from potable.engines.base import Engine, collect
from potable.health import Period
from potable.tables import Table

KINDS: tuple[Period, ...] = get_args(Period)
DAYS = [
    date(1600, 2, 29),
    date(1969, 12, 28),
    date(1969, 12, 29),
    date(1970, 1, 1),
    date(2020, 12, 31),
    date(2021, 1, 3),
    date(2021, 1, 4),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 4, 1),
    date(2024, 12, 30),
    date(9999, 12, 31),
]
kinds = st.sampled_from(KINDS)
days = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize("moments", [False, True], ids=["dates", "moments"])
def test_engines_number_periods_as_python_does(engine: Engine, moments: bool) -> None:
    values = [datetime(day.year, day.month, day.day, 23, 59) if moments else day for day in DAYS]
    batch = pa.record_batch({"when": pa.array(values, pa.timestamp("us") if moments else pa.date32())})
    rows = engine.map_items([batch], one, batch.schema)
    asked = rows.select("when", **{kind: periods.numbered(rows.when, kind) for kind in KINDS})
    for row in collect(engine, asked).to_pylist():
        day = row["when"].date() if moments else row["when"]
        assert {kind: row[kind] for kind in KINDS} == {kind: periods.of_day(day, kind) for kind in KINDS}, day


@given(day=days, kind=kinds)
def test_a_period_follows_the_one_before_it(day: date, kind: Period) -> None:
    here = periods.of_day(day, kind)
    where = periods.place(here, kind)
    assert periods.at(where, kind) == here
    later = day
    while periods.of_day(later, kind) == here:
        later += timedelta(days=1)
    assert periods.of_day(later, kind) == periods.at(where + 1, kind) > here


@given(day=days, kind=kinds)
def test_what_people_write_is_the_period(day: date, kind: Period) -> None:
    number = periods.of_day(day, kind)
    assert periods.written(periods.named(number, kind), kind) == number


@given(day=days, kind=kinds, other=kinds)
def test_a_number_says_what_kind_of_period_it_is(day: date, kind: Period, other: Period) -> None:
    assert (len(str(periods.of_day(day, kind))) == len(str(periods.of_day(day, other)))) is (kind == other)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("2024-13", "month"), ("2024-Q5", "quarter"), ("2024-W54", "week"), ("2024-06", "day"), ("24", "year")],
)
def test_what_is_no_period_is_refused(text: str, kind: Period) -> None:
    with pytest.raises(ValueError, match=r"write|month|week|isoformat|day"):
        periods.written(text, kind)


@pytest.mark.parametrize(
    ("day", "kind", "before"),
    [
        (date(2024, 2, 28), "day", date(2023, 2, 28)),
        (date(2024, 6, 30), "month", date(2023, 6, 30)),
        (date(2024, 6, 30), "quarter", date(2023, 6, 30)),
        (date(2024, 6, 30), "year", date(2023, 6, 30)),
        (date(2024, 6, 30), "week", date(2024, 6, 30) - timedelta(weeks=52)),
    ],
)
def test_a_year_before(day: date, kind: Period, before: date) -> None:
    assert periods.year_before(periods.of_day(day, kind), kind) == periods.of_day(before, kind)


@pytest.mark.long_on_spark
def test_a_table_is_counted_and_judged_by_the_period_it_declares(engine: Engine, tmp_path: Path) -> None:
    last = date(2024, 6, 30)
    for kind in KINDS:
        health = {"period": kind, "volume": 3.5}
        columns = {"emp_no": {"key": "emp_no"}, "day": {"type": "date", "category": "none"}}
        table = Table.model_validate({"columns": columns, "time": "day", "health": health})
        # eight periods, of which the sixth is empty
        places = [periods.place(periods.of_day(last, kind), kind) - back for back in (7, 6, 5, 4, 3, 1, 0)]
        first = {place: first_of(periods.at(place, kind), kind, last) for place in places}
        rows = [{"emp_no": "E", "day": day.isoformat()} for day in first.values()]
        made = judge(engine, tmp_path / kind, table, rows)
        assert made.profile is not None
        found = Profile(made.profile)
        assert list(found.periods) == [periods.at(place, kind) for place in places]
        (finding,) = judged(table, found, Moment(last + timedelta(days=400)))
        if kind == "year":
            # a year without any row is where a history begins
            assert finding.state == "open"
        else:
            assert list(finding.now) == [1, 1, 1, 1, 1, 0, 1, 1] and finding.cells[-1] == periods.named(
                periods.at(places[-1], kind), kind
            )


def first_of(number: int, kind: Period, last: date) -> date:
    """The last day of a period on or before `last`."""
    day = last
    while periods.of_day(day, kind) != number:
        day -= timedelta(days=1)
    return day


def test_a_period_needs_a_time() -> None:
    with pytest.raises(ValueError, match="divides the rows by the table's `time`"):
        Table.model_validate({"columns": {"a": {"category": "none"}}, "health": {"period": "day"}})
