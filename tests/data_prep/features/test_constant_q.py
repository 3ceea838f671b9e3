"""The constant-Q transform against its formula and librosa; its cepstra against scipy's spline and DCT."""

from typing import Any, ClassVar

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.interpolate
import torch
from feature_contract import FeatureContract, extract
from miniature import speech

from data_prep.config import FeaturesConfig
from data_prep.features.constant_q import CONSTANT_Q_FLOOR
from data_prep.features.spline import spline_matrix


class TestCqt(FeatureContract):
    CONFIGS: ClassVar = {
        "default": {"kind": "cqt"},
        "constant": {"kind": "cqt", "gamma_hz": 0, "bins_per_octave": 12, "low_hz": 110, "high_hz": 3000, "deltas": 1},
    }


class TestCqcc(FeatureContract):
    CONFIGS: ClassVar = {
        "2021": {"kind": "cqcc"},
        "fine": {"kind": "cqcc", "bins_per_octave": 48, "deltas": 0, "num_coefficients": 30},
    }


def noisy_speech() -> np.ndarray:
    return (speech(1.5) + 0.05 * np.random.default_rng(1).standard_normal(24000)).astype(np.float32)


def inner_products(config: FeaturesConfig, wave: np.ndarray, frame: int) -> np.ndarray:
    """Power ``[K]`` of one frame, sample by sample of the definition."""
    centre, power = frame * config.hop_samples + -(-config.window_samples // 2), []
    alpha = (2 ** (2 / config.bins_per_octave) - 1) / (2 ** (2 / config.bins_per_octave) + 1)
    gamma = alpha * 24.7 / 0.108 if config.gamma_hz is None else config.gamma_hz
    for k in range(config.num_bins):
        hertz = config.low_hz * 2 ** (k / config.bins_per_octave)
        length = config.sample_rate / (alpha * hertz + gamma)
        n = np.arange(np.floor(-length / 2), np.floor(length / 2)).astype(int)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * (n - n[0]) / len(n))
        kernel = window / window.sum() * np.exp(-2j * np.pi * hertz * n / config.sample_rate)
        power.append(length * np.abs((wave[centre + n] * kernel).sum()) ** 2)
    return np.array(power)


@pytest.mark.parametrize("settings", [{}, {"gamma_hz": 0, "bins_per_octave": 12}, {"high_hz": 5000, "low_hz": 100}])
def test_cqt_formula(settings: dict[str, Any]) -> None:
    config, wave = FeaturesConfig.model_validate({"kind": "cqt"} | settings), noisy_speech()
    features = extract(config, wave)
    for frame in (0, 17, len(features) - 1):
        expected = np.log(inner_products(config, wave.astype(np.float64), frame) + CONSTANT_Q_FLOOR)
        np.testing.assert_allclose(features[frame], expected, atol=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("gamma", [None, 0.0])
@pytest.mark.parametrize("bins_per_octave", [12, 24])
def test_cqt_agrees_with_librosa(bins_per_octave: int, gamma: float | None) -> None:
    """librosa lowers the sampling rate octave by octave, and its filters dull the topmost bin of each: there the two
    differ by up to 4% of the largest amplitude. Slow, because librosa compiles its kernels at the first call.
    """
    config = FeaturesConfig(kind="cqt", bins_per_octave=bins_per_octave, gamma_hz=gamma)
    mine, centre = extract(config, noisy_speech()), -(-config.window_samples // 2)
    transform = librosa.vqt(
        noisy_speech()[centre % 160 :],  # frames are centred on multiples of the hop there
        sr=16000,
        hop_length=160,
        fmin=62.5,
        n_bins=config.num_bins,
        bins_per_octave=bins_per_octave,
        gamma=gamma,
        sparsity=0,
    )
    theirs = np.abs(transform.T)[centre // 160 :][: len(mine)]
    difference = np.abs(np.exp(mine / 2) - theirs) / theirs.max()
    assert difference.max() < 0.06
    assert np.quantile(difference, 0.99) < 0.03
    assert np.corrcoef(np.exp(mine / 2).ravel(), theirs.ravel())[0, 1] > 0.999


def test_a_tone_stands_in_its_bin() -> None:
    config = FeaturesConfig(kind="cqt")
    wave = np.sin(2 * np.pi * 62.5 * 2 ** (50 / 24) * np.arange(16000) / 16000).astype(np.float32)
    assert (extract(config, wave).argmax(axis=1) == 50).all()


def test_white_noise_is_equally_loud_in_all_bins() -> None:
    wave = np.random.default_rng(0).standard_normal(160000).astype(np.float32) * 0.1
    decibels = 10 / np.log(10) * np.log(np.exp(extract(FeaturesConfig(kind="cqt"), wave)).mean(axis=0))
    assert decibels.std() < 1
    assert decibels.mean() == pytest.approx(10 * np.log10(1.5 * 0.01), abs=0.5)


def test_cqcc_is_the_cosine_transform_of_a_splined_log_power() -> None:
    """From the samples on, by numpy and scipy alone."""
    settings = {"bins_per_octave": 12, "low_hz": 62.5, "high_hz": 4000.0, "deltas": 0}
    transform, frames = FeaturesConfig.model_validate({"kind": "cqt"} | settings), [0, 17, 60]
    power = np.stack([inner_products(transform, noisy_speech().astype(np.float64), frame) for frame in frames])
    log_power = np.log(power + CONSTANT_Q_FLOOR)
    hertz = 62.5 * 2 ** (np.arange(72) / 12)
    grid = np.arange(62.5, hertz[-1], 62.5 / 16)
    uniform = scipy.interpolate.CubicSpline(hertz, log_power, axis=1)(grid)
    expected = scipy.fft.dct(uniform, type=2, norm="ortho", axis=1)[:, :20]
    cqcc = extract(FeaturesConfig.model_validate({"kind": "cqcc"} | settings), noisy_speech())
    np.testing.assert_allclose(cqcc[frames], expected, atol=2e-2)


@pytest.mark.parametrize("num_knots", [4, 5, 30])
def test_spline_agrees_with_scipy(num_knots: int) -> None:
    rng = np.random.default_rng(num_knots)
    knots, values = np.cumsum(rng.uniform(0.1, 2, num_knots)), rng.standard_normal(num_knots)
    points = np.append(rng.uniform(knots[0], knots[-1], 50), [knots[0], knots[-1]])
    matrix = spline_matrix(torch.from_numpy(knots), torch.from_numpy(points)).numpy()
    np.testing.assert_allclose(matrix @ values, scipy.interpolate.CubicSpline(knots, values)(points), atol=1e-9)
