"""Faster or slower replay. Array names carry shapes: T samples."""

import numpy as np

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import SpeedStep
from data_prep.decoding import Wave
from data_prep.resampling import resample


def apply_speed(step: SpeedStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave as if recorded at another rate, and resampled to the old one."""
    rate = float(rng.uniform(*step.rate))
    return resample(wave_T, scene.sample_rate * rate, scene.sample_rate), {"rate": rate}
