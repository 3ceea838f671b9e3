"""The log power spectrogram against scipy."""

from typing import ClassVar

import numpy as np
import scipy.signal
from feature_contract import FeatureContract, extract
from miniature import speech

from data_prep.config import FeaturesConfig
from data_prep.features.spectrum import SPECTRUM_FLOOR


class TestLogSpectrum(FeatureContract):
    CONFIGS: ClassVar = {
        "default": {"kind": "logspec"},
        "band": {"kind": "logspec", "low_hz": 300, "high_hz": 3400, "deltas": 1},
    }


def test_agrees_with_scipy() -> None:
    wave = speech().astype(np.float64)
    stft = scipy.signal.ShortTimeFFT(np.hamming(320), hop=160, fs=16000, mfft=512, scale_to=None, phase_shift=None)
    # Its frames are centred; the first that lies within the wave begins at the first sample.
    frames = np.array([stft.stft(wave[s : s + 320], p0=1, p1=2)[:, 0] for s in range(0, len(wave) - 319, 160)])
    expected = np.log(np.abs(frames) ** 2 + SPECTRUM_FLOOR)
    features = extract(FeaturesConfig(kind="logspec"), speech())
    assert features.shape == (99, 257)
    np.testing.assert_allclose(features, expected, atol=5e-3)


def test_a_band_holds_the_bins_between_its_edges() -> None:
    whole = extract(FeaturesConfig(kind="logspec"), speech())
    band = extract(FeaturesConfig(kind="logspec", low_hz=300, high_hz=3400), speech())
    hertz = np.arange(257) * 16000 / 512
    assert np.array_equal(band, whole[:, (hertz >= 300) & (hertz <= 3400)])
