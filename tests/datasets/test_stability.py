"""How far the columns of a new version lie from those of an earlier one."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from potable.datasets.stability import Bounds, Shift, require_stable, shifts
from potable.errors import DataError

TODAY = date(2026, 1, 31)
BOUNDS = Bounds(psi=0.25, label=0.2, severity="warn", least=5, labels=["left"])


def file(**columns: Sequence[Any] | pa.Array) -> pq.ParquetFile:
    kept = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), kept)
    return pq.ParquetFile(kept)


def one(now: Sequence[Any], before: Sequence[Any], bounds: Bounds = BOUNDS, name: str = "it") -> Shift:
    (found,) = shifts(file(**{name: now}), file(**{name: before}), [name], bounds, TODAY)
    return found


def naive(now: Sequence[Any], before: Sequence[Any]) -> float:
    """PSI by the book, over words or few numbers, with half a row added to every cell that anybody is in."""
    own = set(before) - {None}
    known = [Counter(x if x in own or x is None else "another" for x in each) for each in (now, before)]
    cells = set(known[0]) | set(known[1])
    shares = [[(each[cell] + 0.5) / (each.total() + 0.5 * len(cells)) for cell in cells] for each in known]
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(*shares, strict=True)) if len(cells) > 1 else 0.0


WORDS = st.lists(st.sampled_from(["a", "b", "", None]), min_size=1, max_size=60)


@given(WORDS, WORDS)
def test_words_are_compared_one_by_one_and_nulls_are_one(now: list[Any], before: list[Any]) -> None:
    found = one(pa.array(now, pa.string()), pa.array(before, pa.string()))
    assert found.value == pytest.approx(naive(now, before), abs=1e-6)


@given(st.lists(st.integers(-3, 3) | st.none(), min_size=1, max_size=60))
def test_a_version_beside_itself_is_where_it_was(rows: list[Any]) -> None:
    assert one(pa.array(rows, pa.int64()), pa.array(rows, pa.int64())).value == 0


def test_numbers_are_compared_in_tenths_of_the_earlier_version() -> None:
    before = [float(number) for number in range(1000)]
    assert one([number + 0.5 for number in before], before).value < 0.001
    moved = one([number + 500 for number in before], before)
    assert moved.state == "warn" and moved.value > 1 and moved.told == f"`it`: PSI {moved.value:.2f}, bound 0.25."
    emptied = one([*before[:500], *[None] * 500], before)
    assert emptied.state == "warn"


def test_a_handful_of_rows_lies_elsewhere_by_chance() -> None:
    assert one([5, 5, 5], [1, 2, 3]).state == "ok"


def test_many_words_are_counted_together_behind_the_most_frequent() -> None:
    before = [f"w{number:03}" for number in range(400) for _ in range(1 + (number < 50) * 20)]
    now = [word.replace("w3", "v3") for word in before]
    assert one(now, before).value == pytest.approx(0)


def test_a_rare_label_that_doubles_is_told_though_its_psi_is_small() -> None:
    before, now = ["Stayed"] * 9_550 + ["Left"] * 450, ["Stayed"] * 9_100 + ["Left"] * 900
    assert one(now, before).state == "ok"
    label = one(now, before, name="left")
    assert (label.measure, label.state, label.value) == ("share", "warn", 1.0)
    assert label.told == "`left` is Left: 4.5% before, 9.0% now; bound 20% of the share before."
    assert one(["Left"], ["Stayed"], name="left").state == "ok"


def test_what_is_expected_is_shown_until_it_is_over() -> None:
    wanted = {"it": (date(2026, 1, 31), "the new tariff")}
    bounds = replace(BOUNDS, severity="stop", expected=wanted)
    rows = [[1] * 500, [2] * 500]
    accepted = one(*rows, bounds)
    assert accepted.state == "accepted" and accepted.told.endswith("Expected until 2026-01-31: the new tariff.")
    require_stable([accepted], "x version 1", "")
    late = replace(bounds, expected={"it": (date(2026, 1, 30), "the new tariff")})
    with pytest.raises(DataError) as refused:
        require_stable([one(*rows, late)], "x version 1", "version 1 stays current")
    assert refused.value.code == "D010" and "It was expected only until 2026-01-30." in refused.value.text()


def test_dates_other_types_and_columns_of_one_version_are_not_compared() -> None:
    now = file(day=[TODAY], turned=["1"], new=[1])
    before = file(day=[date(2020, 1, 1)], turned=[1], old=[1])
    assert shifts(now, before, ["day", "turned", "new"], BOUNDS, TODAY) == []


def test_a_value_of_a_label_that_few_rows_have_is_not_told_by_name() -> None:
    found = one(["Stayed"] * 96 + ["Died"] * 4, ["Stayed"] * 90 + ["Quit"] * 6 + ["Died"] * 4, name="left")
    assert "Quit" in found.told
    found = one(["Stayed"] * 96 + ["Died"] * 4, ["Stayed"] * 97 + ["Moved"] * 3, name="left")
    assert "Died" not in found.told and "Moved" not in found.told
    assert (
        "Died" in one(["Stayed"] * 96 + ["Died"] * 4, ["Stayed"] * 100, name="left").told
    )  # one of two tells the other
