"""Kendall's tau against SciPy's, and how often its interval holds."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from search.pruning.rank_correlation import RankCorrelation


def correlation_of(x, y):
    correlation = RankCorrelation()
    for pair in zip(x, y, strict=True):
        correlation.add(*pair)
    return correlation


@pytest.mark.parametrize("num_levels", [3, 10, 1000])
@pytest.mark.parametrize("num_pairs", [3, 17, 80])
def test_equals_scipys_with_and_without_ties(num_pairs, num_levels):
    rng = np.random.default_rng(num_pairs)
    x = rng.integers(num_levels, size=num_pairs) / num_levels
    y = np.round(x + rng.random(num_pairs), 1)
    assert correlation_of(x, y).tau == pytest.approx(kendalltau(x, y).statistic)


def test_undefined_for_few_or_constant_values():
    assert math.isnan(correlation_of([1, 2], [1, 2]).tau)
    assert math.isnan(correlation_of([1, 2, 3, 4, 5], [0.5] * 5).tau)
    assert correlation_of([1, 2, 3, 4, 5], [0.5] * 5).interval(0.8) is None
    assert correlation_of([1, 2, 3, 4], [1, 2, 3, 4]).interval(0.8) is None


def test_the_interval_of_perfect_order_narrows():
    bounds = [correlation_of(range(num), range(num)).interval(0.8) for num in (5, 10, 100)]
    assert all(0 < interval.low < interval.high == 1 for interval in bounds)
    assert bounds[0].low < bounds[1].low < bounds[2].low


@pytest.mark.parametrize("num_pairs", [8, 30])
@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_one_sided_bounds_hold_about_nine_times_in_ten(num_pairs, rho):
    """Of normal pairs, whose tau is 2 / pi arcsin(rho) (Greiner 1909)."""
    rng, tau = np.random.default_rng(3), 2 / math.pi * math.asin(rho)
    num_draws = 600
    held = 0
    for _ in range(num_draws):
        x, noise = rng.normal(size=(2, num_pairs))
        held += correlation_of(x, rho * x + math.sqrt(1 - rho**2) * noise).interval(0.8).low <= tau
    assert 0.84 <= held / num_draws <= 0.97
