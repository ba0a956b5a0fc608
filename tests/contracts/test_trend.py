"""The trend of row counts: robust, seasonal, and never surer than chance allows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from potable.contracts.trend import FEWEST, off_trend


def counts(months: int, *, growth: float = 0.01, seed: int = 1, noise: float = 0.03, season: float = 0.0) -> list[int]:
    draw = np.random.default_rng(seed)
    return [
        round(1000 * math.exp(growth * month + draw.normal(0, noise) + season * (month % 12 == 0)))
        for month in range(months)
    ]


def test_the_line_and_the_spread_are_scipys() -> None:
    series = counts(20, noise=0.2)
    trend = off_trend(1500, series)
    assert trend
    heights = np.log(np.array(series) + 0.5)
    slope = stats.theilslopes(heights, np.arange(20)).slope
    start = np.median(heights - slope * np.arange(20))
    spread = stats.median_abs_deviation(heights - start - slope * np.arange(20), scale="normal")
    assert math.log(trend.expected + 0.5) == pytest.approx(start + 20 * slope)
    assert trend.distance == pytest.approx((math.log(1500.5) - start - 20 * slope) / spread, rel=1e-3)


def test_growth_is_no_anomaly_and_half_a_month_is() -> None:
    series = counts(25)
    usual = off_trend(series[-1], series[:-1], season=12)
    half = off_trend(series[-1] // 2, series[:-1], season=12)
    none = off_trend(0, series[:-1], season=12)
    assert usual and half and none
    assert abs(usual.distance) < 3.5 < -half.distance < -none.distance


def test_a_bad_month_does_not_hide_the_next() -> None:
    series = counts(24)
    series[-1] = 20
    trend = off_trend(30, series, season=12)
    assert trend and trend.distance < -3.5


def test_what_every_january_does_is_usual_and_what_none_did_is_not() -> None:
    series = counts(37, season=1.0, growth=0)
    january = off_trend(series[36], series[:36], season=12)
    flat = off_trend(1000, series[:36], season=12)
    blind = off_trend(series[36], series[:36])
    assert january and flat and blind
    assert abs(january.distance) < 3.5 < abs(flat.distance)
    assert blind.distance > 3.5


def test_equal_counts_leave_room_for_chance() -> None:
    trend = off_trend(104, [100] * 12, season=12)
    assert trend and abs(trend.distance) < 1


def test_too_few_counts_make_no_trend() -> None:
    assert off_trend(5, [5] * (FEWEST - 1), season=12) is None
