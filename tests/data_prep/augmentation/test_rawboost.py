"""RawBoost against its definition: a plain implementation, one filter after the other, given the same draws."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import signal
from view_maker import QUIET, view

from data_prep.augmentation.rawboost import (
    Filters,
    apply_rawboost,
    convolutive_noise,
    draw_filters,
    impulse_responses,
    impulsive_noise,
    stationary_noise,
)
from data_prep.augmentation.rawboost_config import RawBoostStep
from data_prep.augmentation.scene import Scene

Part = Callable[[np.ndarray, np.random.Generator], np.ndarray]
STEP = RawBoostStep(kind="rawboost")
LOUD = QUIET / np.abs(QUIET).max()


def plain_filter(filters: Filters, m: int, rate: float) -> np.ndarray:
    """The cascade of band-stop filters by scipy's design, its peak gain on 512 frequencies set."""
    taps = np.ones(1)
    for centre, width, number in zip(filters.centre_hz[m], filters.width_hz[m], filters.num_taps[m], strict=True):
        low, high = max(centre - width / 2, 1e-3), min(centre + width / 2, rate / 2 - 1e-3)
        taps = np.convolve(taps, signal.firwin(int(number), [low, high], window="hamming", fs=rate))
    _, response = signal.freqz(taps, worN=512)
    return 10 ** (filters.gain_db[m] / 20) * taps / np.abs(response).max()


def plain_powers(wave: np.ndarray, filters: Filters, rate: float) -> np.ndarray:
    """Filtered powers, summed; each output is taken (L + 1) / 2 samples late, with L taps, as published."""
    total = np.zeros(len(wave))
    for m in range(len(filters.gain_db)):
        taps = plain_filter(filters, m, rate)
        late = np.convolve(wave.astype(np.float64) ** (m + 1), taps)
        start = (len(taps) + 1) // 2
        total += np.pad(late, (0, start))[start : start + len(wave)]
    return total


def normalised(wave: np.ndarray) -> np.ndarray:
    return wave / max(1.0, np.abs(wave).max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wave", [QUIET, LOUD, LOUD[:700]], ids=["quiet", "loud", "short"])
def test_convolutive_noise_is_as_defined(wave: np.ndarray, seed: int) -> None:
    filters = draw_filters(STEP, 5, 16000, np.random.default_rng(seed))
    expected = plain_powers(wave, filters, 16000)
    expected = normalised(expected - expected.mean())
    made = convolutive_noise(wave, filters, 16000)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("rate", "step"), [(8000, STEP), (16000, STEP.model_copy(update={"nBands": 9, "maxCoeff": 300}))]
)
def test_filters_are_as_defined_at_other_rates_and_sizes(rate: int, step: RawBoostStep) -> None:
    filters = draw_filters(step, 3, rate, np.random.default_rng(1))
    assert filters.centre_hz.max() <= rate / 2
    made = impulse_responses(filters, rate)
    for m in range(3):
        taps = plain_filter(filters, m, rate)
        margin = (made.shape[1] - len(taps)) // 2
        np.testing.assert_allclose(made[m], np.pad(taps, margin), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_stationary_noise_is_as_defined(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(QUIET)).astype(np.float32)
    filters = draw_filters(STEP, 1, 16000, rng)
    coloured = plain_powers(noise, filters, 16000)
    expected = QUIET + coloured / np.linalg.norm(coloured) * np.linalg.norm(QUIET) / 10 ** (0.05 * 17.0)
    made = stationary_noise(QUIET, noise, filters, 17.0, 16000)
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_impulsive_noise_is_as_defined() -> None:
    place, factor = np.array([5, 900, 17]), np.array([0.5, -2.0, 1.5], np.float32)
    expected = LOUD.copy()
    for where, gain in zip(place, factor, strict=True):
        expected[where] = LOUD[where] + gain * LOUD[where]
    np.testing.assert_allclose(impulsive_noise(LOUD, place, factor), normalised(expected), rtol=1e-6)


def test_draws_cover_the_published_ranges() -> None:
    filters = draw_filters(STEP, 2000, 16000, np.random.default_rng(0))
    for values, low, high in ((filters.centre_hz, 20, 8000), (filters.width_hz, 100, 1000), (filters.num_taps, 11, 99)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.02)
    assert set(np.unique(filters.num_taps)) == set(range(11, 100, 2))
    assert filters.gain_db[0] == 0.0
    assert filters.gain_db[1:].min() == pytest.approx(-20, abs=0.1)
    assert filters.gain_db[1:].max() == pytest.approx(-5, abs=0.1)


def test_impulses_hit_up_to_a_tenth_of_the_samples() -> None:
    shares = []
    for number in range(100):
        made = view({"kind": "rawboost", "algorithms": [2]}, utterance=str(number))
        share = np.mean(made.wave != QUIET)
        assert share == pytest.approx(float(made.steps[0]["percent"]) / 100, abs=0.005)
        growth = made.wave[QUIET != 0] / QUIET[QUIET != 0] - 1
        assert np.abs(growth).max() <= 2.0 + 1e-5
        shares.append(share)
    assert np.mean(shares) == pytest.approx(0.05, abs=0.01)
    assert max(shares) <= 0.1


@pytest.mark.parametrize(
    ("algorithm", "values"),
    [
        (1, set()),
        (2, {"percent"}),
        (3, {"snr_db"}),
        (4, {"percent", "snr_db"}),
        (5, {"percent"}),
        (6, {"snr_db"}),
        (7, {"percent", "snr_db"}),
        (8, {"percent"}),
    ],
)
def test_algorithms_consist_of_the_published_parts(algorithm: int, values: set[str]) -> None:
    (drawn,) = view({"kind": "rawboost", "algorithms": [algorithm]}).steps
    assert drawn.keys() == {"step", "algorithm"} | values
    assert drawn["algorithm"] == algorithm


def lnl(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return convolutive_noise(wave, draw_filters(STEP, STEP.N_f, 16000, rng), 16000)


def isd(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    number = int(len(wave) * rng.uniform(0, STEP.P) / 100)
    place = rng.choice(len(wave), number, replace=False, shuffle=False)
    factor = STEP.g_sd * rng.uniform(-1, 1, number) * rng.uniform(-1, 1, number)
    return impulsive_noise(wave, place, factor.astype(np.float32))


def ssi(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(len(wave), dtype=np.float32)
    filters = draw_filters(STEP, 1, 16000, rng)
    return stationary_noise(wave, noise, filters, float(rng.uniform(STEP.SNRmin, STEP.SNRmax)), 16000)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("algorithm", "parts"), [(1, [lnl]), (4, [lnl, isd, ssi]), (5, [lnl, isd]), (6, [lnl, ssi]), (7, [isd, ssi])]
)
def test_series_apply_their_parts_one_after_the_other(algorithm: int, parts: list[Part], seed: int) -> None:
    step = STEP.model_copy(update={"algorithms": (algorithm,)})
    made, _ = apply_rawboost(step, LOUD, Scene(16000), np.random.default_rng(seed))
    rng, expected = np.random.default_rng(seed), LOUD
    assert rng.integers(1) == 0  # of one algorithm
    for part in parts:
        expected = part(expected, rng)
    np.testing.assert_array_equal(made, expected)


def test_the_parallel_algorithm_sums_two_parts_of_the_original() -> None:
    step = STEP.model_copy(update={"algorithms": (8,)})
    made, _ = apply_rawboost(step, LOUD, Scene(16000), np.random.default_rng(0))
    rng = np.random.default_rng(0)
    rng.integers(1)
    np.testing.assert_array_equal(made, normalised(lnl(LOUD, rng) + isd(LOUD, rng)))


def test_parts_can_be_switched_off() -> None:
    """Flat filters and no impulses: what is left of each algorithm is known in closed form."""
    flat = {"kind": "rawboost", "N_f": 1, "minF": 8000, "maxF": 8000, "minBW": 1, "maxBW": 1, "P": 0}
    centred = QUIET - QUIET.mean()
    series = view(flat | {"algorithms": [5]}).wave
    np.testing.assert_allclose(series[:-1], centred[1:], atol=2e-3)  # the published filters act one sample early
    parallel = view(flat | {"algorithms": [8]}).wave
    np.testing.assert_allclose(parallel[:-1], (centred[1:] + QUIET[:-1]), atol=2e-3)


def test_series_is_not_parallel_and_all_algorithms_differ() -> None:
    made = [view({"kind": "rawboost", "algorithms": [number]}).wave for number in range(1, 9)]
    assert len({wave.tobytes() for wave in made}) == 8
