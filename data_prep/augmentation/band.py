"""Limits of the frequency band. Array names carry shapes: T samples."""

import numpy as np
from scipy.signal import firwin, oaconvolve

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import BandStep
from data_prep.decoding import Wave

_TRANSITION_HZ = 100.0


def apply_band(step: BandStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave between two edges, without delay."""
    low_hz, high_hz = float(rng.uniform(*step.low_hz)), float(rng.uniform(*step.high_hz))
    return limit_band(wave_T, scene.sample_rate, low_hz, high_hz), {"low_hz": low_hz, "high_hz": high_hz}


def limit_band(wave_T: Wave, sample_rate: int, low_hz: float, high_hz: float) -> Wave:
    """``wave_T`` filtered by a linear-phase FIR filter (Hamming window, whose transition takes 3.3 / length)."""
    edges = [edge for edge in (low_hz, high_hz) if 0.0 < edge < sample_rate / 2]
    if not edges:
        return wave_T
    num_taps = 2 * int(1.65 * sample_rate / _TRANSITION_HZ) + 1
    taps = firwin(num_taps, edges, pass_zero=low_hz <= 0.0, fs=sample_rate).astype(np.float32)
    filtered: Wave = oaconvolve(wave_T, taps, mode="full")[num_taps // 2 :][: len(wave_T)]
    return filtered
