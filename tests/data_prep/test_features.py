"""The front end against independent formulas, and its independence of batch and surroundings."""

from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
import torchaudio
from miniature import speech
from pydantic import ValidationError

from cluster.errors import SpoofsweepError
from data_prep.config import FeaturesConfig
from data_prep.features import LOG_FLOOR, FrontEnd, deltas

LFCC = FeaturesConfig()
LOGMEL = FeaturesConfig(kind="logmel", num_filters=40)


def power(wave: np.ndarray) -> np.ndarray:
    """Power spectrum ``[F, 257]`` in float64, frame by frame."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(320) / 319)
    starts = range(0, len(wave) - 320 + 1, 160)
    return np.array([np.abs(np.fft.rfft(wave[s : s + 320] * window, 512)) ** 2 for s in starts])


def triangles(centres_hz: np.ndarray) -> np.ndarray:
    """Unit-height triangular filters ``[257, K]`` between K + 2 points."""
    hertz = np.arange(257) * 8000 / 256
    low, mid, high = centres_hz[:-2], centres_hz[1:-1], centres_hz[2:]
    rise = (hertz[:, None] - low) / (mid - low)
    fall = (high - hertz[:, None]) / (high - mid)
    return np.maximum(0, np.minimum(rise, fall))


def extract(config: FeaturesConfig, wave: np.ndarray) -> np.ndarray:
    return FrontEnd(config)(torch.from_numpy(wave)[None])[0].numpy()


def test_lfcc_formula() -> None:
    log_energy = np.log(power(speech().astype(np.float64)) @ triangles(np.linspace(0, 8000, 22)) + LOG_FLOOR)
    static = scipy.fft.dct(log_energy, type=2, norm="ortho", axis=1)
    padded = np.pad(static, ((1, 1), (0, 0)), mode="edge")
    first = (padded[2:] - padded[:-2]) / 2
    padded = np.pad(first, ((1, 1), (0, 0)), mode="edge")
    second = (padded[2:] - padded[:-2]) / 2
    features = extract(LFCC, speech())
    assert features.shape == (99, 60)
    np.testing.assert_allclose(features, np.concatenate([static, first, second], axis=1), atol=2e-3)


def test_logmel_formula() -> None:
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42)
    expected = np.log(power(speech().astype(np.float64)) @ triangles(700 * (10 ** (mel / 2595) - 1)) + LOG_FLOOR)
    np.testing.assert_allclose(extract(LOGMEL, speech()), expected, atol=2e-3)


def test_deltas_agree_with_torchaudio() -> None:
    feat_FN = torch.randn(30, 7, generator=torch.Generator().manual_seed(0))
    expected = torchaudio.functional.compute_deltas(feat_FN.T, win_length=3).T
    torch.testing.assert_close(deltas(feat_FN), expected)


@pytest.mark.parametrize("num_samples", [319, 320, 479, 480, 16000, 16001])
def test_num_frames(num_samples: int) -> None:
    front_end = FrontEnd(LFCC)
    wave = torch.from_numpy(speech(1.1)[:num_samples])[None]
    if num_samples < 320:
        assert front_end.num_frames(num_samples) == 0
        with pytest.raises(ValueError, match="below one window"):
            front_end(wave)
    else:
        assert front_end(wave).shape == (1, front_end.num_frames(num_samples), LFCC.num_bins)


@pytest.mark.parametrize("config", [LFCC, LOGMEL])
def test_batch_changes_no_byte(config: FeaturesConfig) -> None:
    front_end = FrontEnd(config)
    wave_BT = torch.from_numpy(np.stack([speech(seed=seed) for seed in range(5)]))
    together = front_end(wave_BT)
    for row, wave_T in zip(together, wave_BT, strict=True):
        assert torch.equal(front_end(wave_T[None].clone())[0], row)


def test_frames_do_not_see_the_future_beyond_their_deltas() -> None:
    """What streaming relies on: the first frames are those of a prefix."""
    whole, prefix = extract(LFCC, speech()), extract(LFCC, speech()[:8000])
    np.testing.assert_allclose(whole[: len(prefix) - 2], prefix[:-2], atol=1e-4)


@pytest.mark.parametrize("level", [0.0, 1e-5, 1.0])
@pytest.mark.parametrize("config", [LFCC, LOGMEL])
def test_float16_holds_every_level(config: FeaturesConfig, level: float) -> None:
    noise = np.random.default_rng(0).uniform(-level, level, 16000).astype(np.float32)
    features = extract(config, noise)
    assert np.isfinite(features.astype(np.float16)).all()
    assert np.abs(features).max() < 200


def test_nothing_is_saved_with_a_model() -> None:
    assert FrontEnd(LFCC).state_dict() == {}


@pytest.mark.parametrize(("deltas", "num_bins"), [(0, 13), (1, 26), (2, 39)])
def test_sizes(deltas: Any, num_bins: int) -> None:
    config = FeaturesConfig(num_filters=20, num_coefficients=13, deltas=deltas)
    assert extract(config, speech()).shape == (99, num_bins) == (99, config.num_bins)


def test_filters_between_fourier_bins_are_refused() -> None:
    with pytest.raises(SpoofsweepError, match="filters between the bins of fft_size 512"):
        FrontEnd(FeaturesConfig(kind="logmel", num_filters=200))


def test_inconsistent_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="fft_size 256 is below the window's 320"):
        FeaturesConfig(fft_size=256)
