"""Health: each of its checks finds what was planted, and nothing where nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from potable.contracts.health import Finding, Moment, Profile, judge
from potable.contracts.profile import PROFILE
from potable.tables import Table

TODAY = date(2024, 7, 10)


def table(category: str = "none", **health: Any) -> Table:
    columns = {
        "emp_no": {"type": "string", "key": "emp_no"},
        "day": {"type": "date", "category": category},
        "gross": {"type": "integer", "category": category},
        "currency": {"type": "string", "category": category},
    }
    return Table.model_validate({"columns": columns, "time": "day", "health": health})


def profile(*rows: tuple[int, int | None, dict[str, Any]]) -> Profile:
    """Rows given as batch, day (YYYYMMDD) and cells, each with `n` of them."""
    out = []
    for batch, day, cells in rows:
        n = cells.get("n", 1)
        period = day // 100 if day else None
        place = {"batch": batch, "period": period, "rows": n}
        out.append({**place, "column": "", "word": "all"})
        if cells.get("broken"):
            out.append({**place, "column": "", "word": "broken"})
        out.append({**place, "column": "day", "number": day})
        for name, value in cells.items():
            if name in ("gross", "currency"):
                out.append({**place, "column": name, "number" if isinstance(value, int) else "word": value})
    return Profile(pa.Table.from_pylist(out, PROFILE))


def only(found: Sequence[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def months(counts: Sequence[int], last: date = date(2024, 6, 1)) -> list[tuple[int, int, dict[str, Any]]]:
    day, out = last, []
    for count in reversed(counts):
        out.append((1, int(day.strftime("%Y%m%d")), {"n": count}))
        day = (day - timedelta(days=1)).replace(day=1)
    return out


@pytest.mark.parametrize(("newest", "state"), [(20240701, "ok"), (20240605, "ok"), (20240604, "warn")])
def test_a_table_is_outdated_when_its_newest_fact_is_too_old(newest: int, state: str) -> None:
    finding = only(judge(table(freshness="35d"), profile((1, newest, {})), Moment(TODAY)))
    assert finding.state == state


def test_a_fact_of_the_future_makes_nothing_fresh() -> None:
    made = profile((1, 20240101, {}), (1, 20300101, {}))
    assert only(judge(table(freshness={"at_most": "35d", "severity": "stop"}), made, Moment(TODAY))).state == "stop"


def test_the_age_of_a_protected_day_is_not_told() -> None:
    finding = only(
        judge(table("user.demographic.date_of_birth", freshness="35d"), profile((1, 20240101, {})), Moment(TODAY))
    )
    assert finding.state == "warn"
    assert finding.value is None
    assert not any(char.isdigit() for char in finding.told.replace("35d", ""))


def test_a_month_off_the_trend_is_anomalous_and_the_running_month_is_not_judged() -> None:
    usual = [100, 103, 99, 101, 104, 98, 102, 100]
    running = (1, 20240702, {"n": 3})
    assert only(judge(table(volume=3.5), profile(*months(usual), running), Moment(TODAY))).state == "ok"
    short = only(judge(table(volume=3.5), profile(*months([*usual, 40]), running), Moment(TODAY)))
    assert (short.state, short.cells[-1], short.now[-1]) == ("warn", "2024-06", 40)
    gap = profile(*months(usual, date(2024, 4, 1)), (1, 20240601, {"n": 100}))
    assert only(judge(table(volume=3.5), gap, Moment(TODAY))).now[-2:] == [0, 100]


def test_a_mistyped_year_makes_no_history() -> None:
    made = profile((1, 19200101, {}), *months([100, 103, 99, 101]))
    finding = only(judge(table(volume=3.5), made, Moment(TODAY)))
    assert finding.state == "open" and "3 months before it" in finding.told


def test_months_of_a_protected_time_are_not_drawn() -> None:
    made = profile(*months([100, 103, 99, 101, 104, 98, 102, 40]))
    finding = only(judge(table("user.professional_information.exit", volume=3.5), made, Moment(TODAY)))
    assert finding.state == "warn"
    assert not finding.cells and not finding.now
    assert "40" not in finding.told


def test_without_a_time_states_of_the_table_are_counted() -> None:
    people = Table.model_validate({"columns": {"emp_no": {"key": "emp_no"}}, "health": {"volume": 3.5}})
    made = Profile(pa.Table.from_pylist([{"column": "", "batch": 9, "word": "all", "rows": 500}], PROFILE))
    assert only(judge(people, made, Moment(TODAY, counts=[990, 1000, 1004, 1010, 1013, 1020]))).state == "warn"
    assert only(judge(people, made, Moment(TODAY, counts=[480, 490]))).state == "open"


def test_missing_and_incorrect_shares_are_compared_with_the_batch_before() -> None:
    before = [
        (1, 20240101, {"n": 990, "gross": 10_010, "currency": "EUR"}),
        (1, 20240101, {"n": 10, "currency": "EUR"}),
    ]
    more = [
        (2, 20240601, {"n": 300, "gross": 10_010, "currency": "EUR", "broken": True}),
        (2, 20240601, {"n": 100, "currency": "EUR"}),
    ]
    nulls = [
        {"column": "gross", "batch": 1, "period": 202401, "rows": 10},
        {"column": "gross", "batch": 2, "period": 202406, "rows": 100},
    ]
    cells = pa.concat_tables([profile(*before, *more).cells, pa.Table.from_pylist(nulls, PROFILE)])
    found = judge(table(missing="5%", incorrect={"at_most": "50%", "severity": "stop"}), Profile(cells), Moment(TODAY))
    assert {(each.check, each.column, each.state) for each in found} == {
        ("missing", "gross", "warn"),
        ("incorrect", "", "stop"),
    }
    assert "25.0% of `gross` is null, 1.0% before" in found[0].told


def drawn(batch: int, mean: float, rows: int, seed: int) -> list[tuple[int, int, dict[str, Any]]]:
    values = np.random.default_rng(seed).normal(mean, 8, rows).round().astype(int)
    return [
        (batch, 20240600 + batch, {"n": int(n), "gross": 10_000 + int(v), "currency": "EUR"})
        for v, n in zip(*np.unique(values, return_counts=True), strict=True)
    ]


@pytest.mark.parametrize(("mean", "states"), [(50, {"ok"}), (56, {"warn"})])
def test_numbers_drift_when_their_distribution_moves(mean: float, states: set[str]) -> None:
    health = {"drift": {"gross": {"psi": 0.2, "ks": 0.1}}}
    found = judge(table(**health), profile(*drawn(1, 50, 2000, 1), *drawn(2, mean, 2000, 2)), Moment(TODAY))
    assert [each.measure for each in found] == ["psi", "ks"]
    assert {each.state for each in found} == states
    assert sum(found[0].now) == pytest.approx(1) and sum(found[0].before) == pytest.approx(1)
    hidden = judge(
        table("user.financial.salary", **health), profile(*drawn(1, 50, 99, 1), *drawn(2, mean, 99, 2)), Moment(TODAY)
    )
    assert all(not each.cells and not each.now for each in hidden)


def test_a_batch_that_was_refused_is_judged_with_those_after_it_and_is_no_reference() -> None:
    eur, usd = {"n": 200, "currency": "EUR"}, {"n": 200, "currency": "USD"}
    made = profile((1, 20240101, eur), (2, 20240201, usd), (4, 20240301, usd), (5, 20240401, eur))
    health = {"drift": {"currency": {"chi_square": 0.3, "severity": "stop"}}}
    # by the newest batch that was judged: shares of EUR before and now
    wanted = {0: (0, 1), 1: (1, 1 / 3), 2: (0, 1 / 2), 3: (0, 1 / 2), 4: (0, 1)}
    for judged, (before, now) in wanted.items():
        found = only(judge(table(**health), made, Moment(TODAY, judged=judged)))
        place = found.cells.index("EUR")
        assert (found.state, found.before[place], found.now[place]) == ("stop", before, pytest.approx(now))


def test_ranges_of_days_are_named_as_people_write_them() -> None:
    days = [(1 + n // 40, 20240101 + n % 28, {"n": 9}) for n in range(80)]
    found = only(judge(table(drift={"day": {"ks": 0.2}}), profile(*days), Moment(TODAY)))
    assert found.cells[0] == "from 2024-01-01" and all(len(cell) == len("from 2024-01-01") for cell in found.cells)


def test_words_drift_and_few_rows_prove_nothing() -> None:
    def made(rows: int) -> Profile:
        return profile(
            (1, 20240101, {"n": rows * 8, "currency": "EUR"}), (1, 20240101, {"n": rows * 2, "currency": "USD"}),
            (2, 20240601, {"n": rows * 5, "currency": "EUR"}), (2, 20240601, {"n": rows * 5, "currency": "USD"}),
        )  # fmt: skip

    health = {"drift": {"currency": {"chi_square": 0.1, "severity": "stop"}}}
    many = only(judge(table(**health), made(100), Moment(TODAY)))
    assert (many.state, many.cells) == ("stop", ["EUR", "USD"])
    few = only(judge(table(**health), made(1), Moment(TODAY)))
    assert few.state == "ok" and "may be chance" in few.told


@pytest.mark.parametrize(("rows", "state"), [((3, 2001), "open"), ((2001, 3), "open"), ((9, 2001), "stop")])
def test_so_few_rows_that_no_words_can_be_told_apart_are_not_called_the_same(rows: tuple[int, int], state: str) -> None:
    made = profile(
        (1, 20240101, {"n": rows[1] // 3, "currency": "EUR"}), (1, 20240101, {"n": rows[1] // 3 * 2, "currency": "USD"}),
        (2, 20240601, {"n": rows[0], "currency": "GBP"}),
    )  # fmt: skip
    health = {"drift": {"currency": {"chi_square": 0.05, "severity": "stop"}}}
    found = only(judge(table(**health), made, Moment(TODAY)))
    few = f"Not judged: {rows[0]:,} values now and {rows[1]:,} before are too few."
    assert found.state == state and (state == "stop" or found.told == few)


def test_a_few_rows_that_all_break_a_check_are_told() -> None:
    made = profile((1, 20240101, {"n": 2000}), (2, 20240601, {"n": 4, "broken": True}))
    found = only(judge(table(incorrect={"at_most": "2%", "severity": "stop"}), made, Moment(TODAY)))
    assert (found.state, found.chance is not None and found.chance < 1e-9) == ("stop", True)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("EUR", None, "Not judged: it has no value any more; `missing` judges nulls."),
        (None, "EUR", "Not judged: it had no value before."),
        (None, None, "Not judged: it has no value, and had none before."),
    ],
)
def test_a_column_without_a_value_is_not_judged_and_told_on_which_side(
    before: str | None, now: str | None, told: str
) -> None:
    made = profile((1, 20240101, {"n": 50, "currency": before}), (2, 20240601, {"n": 50, "currency": now}))
    found = only(judge(table(drift={"currency": {"chi_square": 0.1, "severity": "stop"}}), made, Moment(TODAY)))
    assert (found.state, found.told) == ("open", told)


def test_words_are_drawn_that_many_rows_share_or_the_contract_declares() -> None:
    rows = {"Stab Nord": 300, "Human Resources": 9, "Haus Ost": 9, "Erika Mustermann": 9, "Meier": 1, "Haus West": 30}
    made = profile(
        *((batch, 20240100 + batch, {"n": n, "currency": word}) for word, n in rows.items() for batch in (1, 2))
    )
    declared = table(drift={"currency": {"chi_square": 0.1}})
    columns = {**declared.columns, "currency": declared.columns["currency"].model_copy(update={"levels": ["Haus Ost"]})}
    declared = declared.model_copy(update={"columns": columns})
    shapes = ["Aaaaa Aaaaaaaaaa", "Aaaaa"]
    found = only(judge(declared, made, Moment(TODAY)))
    assert set(found.cells) == {"Stab Nord", "Haus West", "Human Resources", "Haus Ost", *shapes}
    found = only(judge(declared, made, Moment(TODAY, shared=100)))
    assert set(found.cells) == {"Stab Nord", "Aaaa Aaaa", "Human Resources", "Haus Ost", *shapes}


def test_the_reference_is_what_is_declared() -> None:
    health = {"drift": {"currency": {"chi_square": 0.1}}}
    eur, usd = {"n": 200, "currency": "EUR"}, {"n": 200, "currency": "USD"}
    year = profile((1, 20230605, eur), (1, 20240505, usd), (1, 20240605, eur))
    assert only(judge(table(against="last_year", **health), year, Moment(TODAY))).state == "ok"
    no_year = profile((1, 20240505, usd), (1, 20240605, eur))
    assert only(judge(table(against="last_year", **health), no_year, Moment(TODAY))).state == "open"
    first = profile((3, 20240605, eur))
    assert only(judge(table(**health), first, Moment(TODAY))).state == "open"
    assert only(judge(table(**health), first, Moment(TODAY, profile((2, 20240505, usd))))).state == "warn"
    pinned = table(against="version 7", **health)
    assert only(judge(pinned, first, Moment(TODAY, profile((2, 20240505, eur))))).state == "ok"
    assert "version 7" in only(judge(pinned, first, Moment(TODAY))).told


def test_an_expected_change_is_shown_and_stops_nothing_until_its_day() -> None:
    made = profile((1, 20240101, {"n": 200, "currency": "EUR"}), (2, 20240601, {"n": 200, "currency": "USD"}))
    accepted = {"check": "drift", "column": "currency", "until": "2024-07-10", "reason": "the office in Texas"}
    health = {"drift": {"currency": {"chi_square": 0.1, "severity": "stop"}}, "accepted": [accepted]}
    kept = only(judge(table(**health), made, Moment(TODAY)))
    assert kept.state == "accepted" and "the office in Texas" in kept.told
    late = only(judge(table(**health), made, Moment(TODAY + timedelta(days=1))))
    assert late.state == "stop" and "until 2024-07-10" in late.told


@pytest.mark.parametrize("days", [("2024-06-30", "2024-07-31"), ("2024-07-31", "2024-06-30")])
def test_a_change_may_be_expected_once_more_beside_what_was_expected_before(days: tuple[str, str]) -> None:
    made = profile((1, 20240101, {"n": 200, "currency": "EUR"}), (2, 20240601, {"n": 200, "currency": "USD"}))
    accepted = [{"check": "drift", "column": "currency", "until": day, "reason": f"until {day}"} for day in days]
    health = {"drift": {"currency": {"chi_square": 0.1, "severity": "stop"}}, "accepted": accepted}
    kept = only(judge(table(**health), made, Moment(TODAY)))
    assert kept.state == "accepted" and kept.told.endswith("Expected until 2024-07-31: until 2024-07-31.")
    late = only(judge(table(**health), made, Moment(TODAY + timedelta(days=60))))
    assert late.state == "stop" and late.told.endswith("It was expected only until 2024-07-31.")


@pytest.mark.parametrize(
    ("health", "says"),
    [
        ({"against": "yesterday"}, "version 7"),
        ({"freshness": "soon"}, "not a duration"),
        ({"missing": "7"}, "a share such as"),
        ({"drift": {"salary": {"psi": 0.1}}}, "`salary` is not declared"),
        ({"drift": {"emp_no": {"psi": 0.1}}}, "is a key or free text"),
        ({"drift": {"currency": {"ks": 0.1}}}, "use `chi_square` or `psi`"),
        ({"drift": {"gross": {"chi_square": 0.1}}}, "use `ks` or `psi`"),
        ({"drift": {"gross": {}}}, "give at least one bound"),
        (
            {"accepted": [{"check": "drift", "until": "2024-01-01", "reason": "x"}]},
            "need a `column`, and no other check has one",
        ),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(health: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        table(**health)
