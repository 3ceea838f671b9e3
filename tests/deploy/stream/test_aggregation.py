"""Aggregates against their definitions over all scores, and that they neither grow nor drift."""

import sys

import numpy as np
import pytest

from cluster.errors import SpoofsweepError
from deploy.stream.aggregation import RUNNING, Exponential, Sliding

STEP_S = 0.08
SCORES = np.random.default_rng(1).normal(0, 3, 400)


def aggregated(aggregation, scores):
    accumulator = aggregation.accumulator()
    values = [accumulator.add(n * STEP_S, (n + 1) * STEP_S, score, STEP_S) for n, score in enumerate(scores)]
    return np.array(values), accumulator


def test_running_mean():
    values, accumulator = aggregated(RUNNING, SCORES)
    np.testing.assert_allclose(values, np.cumsum(SCORES) / np.arange(1, 401))
    assert accumulator.lowest is None


def test_exponential_mean_halves_in_its_half_life():
    values, _ = aggregated(Exponential(0.8), SCORES)
    ages_s = STEP_S * np.arange(400)[::-1]
    weights = 0.5 ** (ages_s / 0.8)
    assert values[-1] == pytest.approx(np.average(SCORES, weights=weights))
    assert values[0] == pytest.approx(SCORES[0])
    # Constant scores stay what they are from the first on, and a change is half done after the half-life.
    np.testing.assert_allclose(aggregated(Exponential(0.8), np.full(50, 2.5))[0], 2.5)
    changed, _ = aggregated(Exponential(0.8), np.r_[np.ones(1000), np.zeros(10)])
    assert changed[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("num_steps", [1, 7, 25])
def test_sliding_window_and_its_lowest(num_steps):
    values, accumulator = aggregated(Sliding(num_steps * STEP_S), SCORES)
    expected = [SCORES[max(0, n + 1 - num_steps) : n + 1].mean() for n in range(400)]
    np.testing.assert_allclose(values, expected, atol=1e-12)
    full = np.array(expected[num_steps - 1 :])
    place = int(full.argmin())
    assert accumulator.lowest.score == pytest.approx(full.min())
    assert accumulator.lowest.start_s == pytest.approx(place * STEP_S)
    assert accumulator.lowest.end_s == pytest.approx((place + num_steps) * STEP_S)


def test_a_window_that_is_not_full_is_not_remembered():
    _, accumulator = aggregated(Sliding(10 * STEP_S), -np.arange(9.0))
    assert accumulator.lowest is None


def test_a_spoofed_stretch_is_found_in_bona_fide_audio():
    scores = np.full(1000, 4.0)
    scores[600:630] = -5.0
    values, accumulator = aggregated(Sliding(2.0), scores)
    assert accumulator.lowest.score == pytest.approx(-5.0)
    assert 600 * STEP_S <= accumulator.lowest.start_s < accumulator.lowest.end_s <= 630 * STEP_S + 1e-9
    assert values[-1] == pytest.approx(4.0)
    assert aggregated(RUNNING, scores)[0][-1] > 3.0


@pytest.mark.parametrize("aggregation", [RUNNING, Exponential(5.0), Sliding(2.0)])
def test_hours_neither_grow_nor_drift(aggregation):
    accumulator = aggregation.accumulator()

    def footprint():
        return sum(sys.getsizeof(value) for value in vars(accumulator).values())

    for n in range(100):
        accumulator.add(n * STEP_S, (n + 1) * STEP_S, 1e8, STEP_S)
    before = footprint()
    for n in range(100, 90_000):  # two hours; the first scores dwarf the rest, so that what rounding lost would show
        value = accumulator.add(n * STEP_S, (n + 1) * STEP_S, 0.1, STEP_S)
    assert footprint() <= before + 64
    if aggregation is not RUNNING:
        assert value == pytest.approx(0.1, abs=1e-9)


@pytest.mark.parametrize("make", [Exponential, Sliding])
@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_times_are_refused(make, seconds):
    with pytest.raises(SpoofsweepError, match="positive number of seconds"):
        make(seconds)
