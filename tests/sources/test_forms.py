"""Canonical texts: Arrow columns are written as Python writes their values one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from math import inf, nan

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potable.sources.databases import forms


@settings(deadline=None, max_examples=50)
@given(st.lists(st.none() | st.floats() | st.integers(-(10**17), 10**17).map(float) | st.floats(-1e9, 1e9), min_size=1))
def test_floating_numbers(numbers: list[float | None]) -> None:
    assert forms.floats(pa.array(numbers, pa.float64())).equals(forms.texts(numbers))


@pytest.mark.parametrize("number", [0.1, 5.0, -0.0, 16777216.0, 3e-7, 1e22, inf, nan])
def test_single_numbers_have_no_digits_they_do_not_know(number: float) -> None:
    single = pa.array([number, None], pa.float32())
    assert forms.floats(single).to_pylist() == [forms.text(number), None]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.none() | st.datetimes(), min_size=1), st.booleans())
def test_moments(moments: list[datetime | None], zoned: bool) -> None:
    written = [None if m is None else f"{m:%H:%M:%S.%f}".rstrip("0").rstrip(".") for m in moments]
    days = [None if m is None else f"{m.date()} {clock}" for m, clock in zip(moments, written, strict=True)]
    if zoned:
        found = forms.clock(pa.array([day and f"{day}+00" for day in days], pa.string()), "+00")
        assert found.equals(forms.texts([m and m.replace(tzinfo=UTC) for m in moments]))
    else:
        assert forms.clock(pa.array(days, pa.string())).equals(forms.texts(moments))
    times: list[time | None] = [m and m.time() for m in moments]
    assert forms.clock(pa.array(written, pa.string())).equals(forms.texts(times))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(_JSON, st.sampled_from([(",", ":"), (" , ", " :"), (",\n", ": ")]), st.sampled_from([None, 1]))
def test_json_is_spaced_whatever_it_was_written_with(
    value: object, separators: tuple[str, str], indent: int | None
) -> None:
    written = json.dumps(value, ensure_ascii=False, separators=separators, indent=indent)
    assert forms.spaced(pa.array([written, None])).to_pylist() == [json.dumps(value, ensure_ascii=False), None]


def test_json_keeps_what_reading_it_would_lose() -> None:
    written = '{"a":1.10,"a":1e400,"b":"\\u00e9\\/"}'
    assert forms.spaced(pa.array([written])).to_pylist() == ['{"a": 1.10, "a": 1e400, "b": "\\u00e9\\/"}']
