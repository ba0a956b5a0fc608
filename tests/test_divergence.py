"""Statistics over counts, against scipy's and against what their formulas say in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from potable.divergence import chance_of_shares, chi_square, chi_square_tail, grouped, kolmogorov_smirnov, psi

PAIRS = st.integers(2, 12).flatmap(
    lambda size: st.tuples(*(st.lists(st.integers(0, 5000), min_size=size, max_size=size) for _ in range(2)))
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 9, 30, 120])
@pytest.mark.parametrize("statistic", [0.0, 1e-6, 0.3, 1, 3.84, 10, 29, 31, 125, 800, 40_000])
def test_the_tail_of_chi_square_is_scipys(statistic: float, degrees: int) -> None:
    assert chi_square_tail(statistic, degrees) == pytest.approx(stats.chi2.sf(statistic, degrees), rel=1e-9, abs=1e-14)


@settings(max_examples=200, deadline=None)
@given(PAIRS)
def test_chi_square_is_scipys_and_its_effect_is_cramers_v(pair: tuple[list[int], list[int]]) -> None:
    now, before = ([count + 50 for count in counts] for counts in pair)  # none is joined with others
    found = chi_square(now, before)
    scale = min(sum(now), sum(before)) / (sum(now) + sum(before))
    if min(a + b for a, b in zip(now, before, strict=True)) * scale < 5:
        return
    wanted = stats.chi2_contingency([now, before], correction=False)
    assert found.chance == pytest.approx(wanted.pvalue, rel=1e-8, abs=1e-13)
    v = stats.contingency.association(np.array([now, before]), method="cramer")
    assert found.effect == pytest.approx(v, rel=1e-9, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400), st.integers(0, 400))
def test_the_chance_of_two_shares_is_scipys_exact_one_where_few_are_expected(a: int, na: int, b: int, nb: int) -> None:
    found, cells = chance_of_shares((a, a + na), (b, b + nb)), np.array([[a, na], [b, nb]])
    if not (cells.sum(0).all() and cells.sum(1).all()):
        assert found == 1.0
    elif stats.contingency.expected_freq(cells).min() < 5:
        assert found == pytest.approx(stats.fisher_exact(cells).pvalue, rel=1e-6)
    else:
        assert found == pytest.approx(stats.chi2_contingency(cells, correction=False).pvalue, rel=1e-6, abs=1e-13)


def test_rare_categories_count_as_one() -> None:
    now, before = [100, 50, 1, 0, 2, 1], [100, 50, 0, 1, 1, 3]
    assert chi_square(now, before) == chi_square([100, 50, 4], [100, 50, 5])


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_kolmogorov_smirnov_is_scipys(pair: tuple[list[int], list[int]]) -> None:
    now, before = ([count // 20 + 5 for count in counts] for counts in pair)
    found = kolmogorov_smirnov(now, before)
    values = [np.repeat(np.arange(len(counts)), counts) for counts in (now, before)]
    wanted = stats.ks_2samp(*values, method="asymp")
    assert found.effect == pytest.approx(wanted.statistic, abs=1e-12)
    n, m = len(values[0]), len(values[1])
    root = math.sqrt(n * m / (n + m))
    limit = stats.kstwobign.sf((root + 0.12 + 0.11 / root) * found.effect)
    assert found.chance == pytest.approx(limit, rel=1e-6, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_psi_is_the_two_relative_entropies_of_the_smoothed_shares(pair: tuple[list[int], list[int]]) -> None:
    now, before = pair
    cells = [(a, b) for a, b in zip(now, before, strict=True) if a or b]
    if len(cells) < 2:
        assert psi(now, before).effect == 0
        return
    p, q = (np.array(counts) + 0.5 for counts in zip(*cells, strict=True))
    both = stats.entropy(p, q) + stats.entropy(q, p)
    assert psi(now, before).effect == pytest.approx(both, rel=1e-9, abs=1e-12)


def test_the_chance_of_psi_is_even_where_nothing_changed() -> None:
    draw = np.random.default_rng(7)
    shares = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    chances = [
        psi(list(draw.multinomial(2000, shares)), list(draw.multinomial(900, shares))).chance for _ in range(800)
    ]
    assert stats.kstest(chances, "uniform").pvalue > 0.001
    assert psi([100, 200, 300, 250, 250], [400, 200, 100, 200, 100]).chance < 1e-6


def test_the_same_sample_lies_nowhere_apart_and_nothing_is_compared_with_nothing() -> None:
    for measure in (psi, kolmogorov_smirnov, chi_square):
        same = measure([10, 20, 30], [100, 200, 300])
        assert same.effect == pytest.approx(0, abs=0.01)
        assert same.chance > 0.9
        assert measure([10, 20], [0, 0]).chance == 1 or measure is psi
        assert measure([], []).effect == 0


@settings(max_examples=200, deadline=None)
@given(PAIRS)
def test_groups_keep_every_row_and_are_at_most_ten(pair: tuple[list[int], list[int]]) -> None:
    now, before = grouped(*pair)
    assert (sum(now), sum(before)) == (sum(pair[0]), sum(pair[1]))
    assert len(now) == len(before) <= 10


def test_groups_hold_about_equally_many_rows_of_the_reference() -> None:
    _, before = grouped([0] * 100, [10] * 100)
    assert before == [100] * 10
