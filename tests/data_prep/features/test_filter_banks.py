"""LFCC, MFCC and log filter banks against the formulas in float64, and against librosa's mel filters."""

from typing import ClassVar

import librosa
import numpy as np
import pytest
import scipy.fft
from feature_contract import FeatureContract, extract
from miniature import speech

from cluster.errors import SpoofsweepError
from data_prep.config import FeaturesConfig
from data_prep.features import FrontEnd
from data_prep.features.filter_banks import LOG_FLOOR

LFCC_2021 = {"window_ms": 30, "hop_ms": 15, "fft_size": 1024, "num_filters": 70, "high_hz": 4000}


class TestLfcc(FeatureContract):
    CONFIGS: ClassVar = {
        "default": {},
        "2019": {"pre_emphasis": 0.97},
        "2021": LFCC_2021,
        "energy": {"energy": True, "deltas": 1},
    }


class TestMfcc(FeatureContract):
    CONFIGS: ClassVar = {"default": {"kind": "mfcc"}, "13": {"kind": "mfcc", "num_filters": 40, "num_coefficients": 13}}


class TestLfb(FeatureContract):
    CONFIGS: ClassVar = {"default": {"kind": "lfb"}, "fine": {"kind": "lfb", "num_filters": 70, "deltas": 2}}


class TestLogmel(FeatureContract):
    CONFIGS: ClassVar = {
        "default": {"kind": "logmel", "num_filters": 40},
        "deltas": {"kind": "logmel", "deltas": 2, "low_hz": 50, "high_hz": 3800, "delta_reach": 2},
    }


def power(wave: np.ndarray, window: int = 320, hop: int = 160, fft_size: int = 512) -> np.ndarray:
    """Power spectrum ``[F, Bin]`` in float64, frame by frame."""
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(window) / (window - 1))
    starts = range(0, len(wave) - window + 1, hop)
    return np.array([np.abs(np.fft.rfft(wave[s : s + window] * hamming, fft_size)) ** 2 for s in starts])


def triangles(corners_hz: np.ndarray, fft_size: int = 512) -> np.ndarray:
    """Unit-height triangular filters ``[Bin, K]`` between K + 2 points."""
    hertz = np.arange(fft_size // 2 + 1) * 16000 / fft_size
    low, mid, high = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    rise = (hertz[:, None] - low) / (mid - low)
    fall = (high - hertz[:, None]) / (high - mid)
    return np.maximum(0, np.minimum(rise, fall))


def derivative(feat: np.ndarray) -> np.ndarray:
    padded = np.pad(feat, ((1, 1), (0, 0)), mode="edge")
    return (padded[2:] - padded[:-2]) / 2


def with_derivatives(static: np.ndarray) -> np.ndarray:
    return np.concatenate([static, derivative(static), derivative(derivative(static))], axis=1)


def test_lfcc_formula() -> None:
    log_energy = np.log(power(speech().astype(np.float64)) @ triangles(np.linspace(0, 8000, 22)) + LOG_FLOOR)
    static = scipy.fft.dct(log_energy, type=2, norm="ortho", axis=1)
    features = extract(FeaturesConfig(), speech())
    assert features.shape == (99, 60)
    np.testing.assert_allclose(features, with_derivatives(static), atol=2e-3)


def test_cepstra_of_the_linear_filter_bank_are_lfcc() -> None:
    log_energy = extract(FeaturesConfig(kind="lfb"), speech())
    static = scipy.fft.dct(log_energy, type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(extract(FeaturesConfig(deltas=0), speech()), static, atol=1e-4)


def test_lfcc_of_asvspoof_2019_emphasises_high_frequencies_first() -> None:
    wave = speech().astype(np.float64)
    emphasised = np.append(wave[0], wave[1:] - 0.97 * wave[:-1])
    log_energy = np.log(power(emphasised) @ triangles(np.linspace(0, 8000, 22)) + LOG_FLOOR)
    static = scipy.fft.dct(log_energy, type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(extract(FeaturesConfig(pre_emphasis=0.97, deltas=0), speech()), static, atol=2e-3)


def test_lfcc_of_asvspoof_2021() -> None:
    spectrum = power(speech().astype(np.float64), 480, 240, 1024)
    log_energy = np.log(spectrum @ triangles(np.linspace(0, 4000, 72), 1024) + LOG_FLOOR)
    static = scipy.fft.dct(log_energy, type=2, norm="ortho", axis=1)[:, :20]
    features = extract(FeaturesConfig.model_validate(LFCC_2021), speech())
    assert features.shape == (65, 60)
    np.testing.assert_allclose(features, with_derivatives(static), atol=3e-3)


def test_energy_replaces_the_zeroth_coefficient_alone() -> None:
    settings = {"deltas": 0, "low_hz": 1000, "high_hz": 4000}
    plain, energy = (extract(FeaturesConfig.model_validate(settings | {"energy": e}), speech()) for e in (False, True))
    np.testing.assert_allclose(energy[:, 1:], plain[:, 1:], atol=1e-4)
    band = power(speech().astype(np.float64))[:, 32:129].sum(axis=1)
    np.testing.assert_allclose(energy[:, 0], np.log(band + LOG_FLOOR), atol=1e-3)


def test_logmel_agrees_with_librosa() -> None:
    config = FeaturesConfig(kind="logmel", num_filters=40, low_hz=60, high_hz=7600)
    mel = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=60, fmax=7600, htk=True, norm=None)
    expected = np.log(power(speech().astype(np.float64)) @ mel.T + LOG_FLOOR)
    np.testing.assert_allclose(extract(config, speech()), expected, atol=2e-3)


def test_mfcc_agrees_with_librosa() -> None:
    config = FeaturesConfig(kind="mfcc", num_filters=40, num_coefficients=13, deltas=0)
    mel = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, htk=True, norm=None)
    log_mel = np.log(power(speech().astype(np.float64)) @ mel.T + LOG_FLOOR)
    expected = librosa.feature.mfcc(S=log_mel.T, n_mfcc=13, dct_type=2, norm="ortho").T
    np.testing.assert_allclose(extract(config, speech()), expected, atol=2e-3)


def test_filters_between_fourier_bins_are_refused() -> None:
    with pytest.raises(SpoofsweepError, match="filters between the bins of fft_size 512"):
        FrontEnd(FeaturesConfig(kind="logmel", num_filters=200))
