"""Clipping. Array names carry shapes: T samples."""

import numpy as np

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import ClipStep
from data_prep.decoding import Wave


def apply_clip(step: ClipStep, wave_T: Wave, scene: Scene, rng: np.random.Generator) -> tuple[Wave, Drawn]:
    """The wave with the drawn share of its samples, the loudest, set to the level of the loudest of the others.

    Samples of digital silence do not count, so that a level is left however much of it there is.
    """
    share = float(rng.uniform(*step.share))
    level_T = np.abs(wave_T[wave_T != 0])
    if not len(level_T):
        return wave_T, {"share": share, "level": 0.0}
    rank = len(level_T) - 1 - int(share * len(level_T))
    level = np.partition(level_T, rank)[rank]
    return np.clip(wave_T, -level, level), {"share": share, "level": float(level)}
