"""Views of one step, and measures of them."""

from pathlib import Path
from typing import Any

import numpy as np
from miniature import speech

from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.recordings import list_recordings
from data_prep.augmentation.scene import Scene
from data_prep.augmentation.view import View, make_view

RATE = 16000
QUIET = speech() * np.float32(0.3)


def chain(*steps: dict[str, Any], views: int = 1) -> AugmentationConfig:
    """One policy of these steps."""
    return AugmentationConfig.model_validate({"policies": {"tried": {"views": views, "steps": list(steps)}}})


def view(
    *steps: dict[str, Any], wave: np.ndarray = QUIET, number: int = 1, utterance: str = "u", seed: int = 0
) -> View:
    """View ``number`` of ``wave``; folders are absolute."""
    config = chain(*steps, views=number)
    return make_view(wave, Scene(RATE, list_recordings(config, Path())), config, seed, utterance, number)


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Of power without the constant part."""
    return float(10 * np.log10(np.var(clean.astype(np.float64)) / np.var(noisy.astype(np.float64) - clean)))


def tone(hertz: float, seconds: float = 2.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def peak_hz(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.fft.rfftfreq(len(wave), 1 / RATE)[spectrum.argmax()])


def band_power_db(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float(10 * np.log10(power[(hertz >= low_hz) & (hertz < high_hz)].mean() + 1e-30))


def lag(original: np.ndarray, copy: np.ndarray) -> int:
    """Samples by which ``copy`` comes late."""
    size = 1 << (len(original) + len(copy)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(copy, size) * np.conj(np.fft.rfft(original, size)), size)
    late = int(correlation.argmax())
    return late if late < size // 2 else late - size
