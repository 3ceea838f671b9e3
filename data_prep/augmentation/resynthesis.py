"""Pitch shift and time stretch by one engine. Array names carry shapes: T samples."""

from collections.abc import Sequence

import numpy as np
import python_stretch

from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.steps import PitchStep, StretchStep
from data_prep.decoding import Wave


def apply_resynthesis(
    step: PitchStep | StretchStep, wave_T: Wave, scene: Scene, rng: np.random.Generator
) -> tuple[Wave, Drawn]:
    """The wave at another pitch, as long as before, or at another pace, at its old pitch."""
    made_T, (drawn,) = apply_together([step], wave_T, scene, rng)
    return made_T, drawn


def apply_together(
    steps: Sequence[PitchStep | StretchStep], wave_T: Wave, scene: Scene, rng: np.random.Generator
) -> tuple[Wave, list[Drawn]]:
    """At most one pitch and one stretch, in either order, by one pass of the engine, which takes most of the time."""
    drawn: list[Drawn] = []
    for step in steps:
        name, span = ("semitones", step.semitones) if isinstance(step, PitchStep) else ("rate", step.rate)
        drawn.append({name: float(rng.uniform(*span))})
    values = {name: float(value) for one in drawn for name, value in one.items()}
    return _resynthesise(wave_T, scene.sample_rate, rng, **values), drawn


def _resynthesise(
    wave_T: Wave, sample_rate: int, rng: np.random.Generator, semitones: float = 0.0, rate: float = 1.0
) -> Wave:
    """Signalsmith Stretch at its default preset; it draws phases, hence its seed."""
    engine = python_stretch.Signalsmith.Stretch(int(rng.integers(1 << 31)))
    engine.preset(1, float(sample_rate))
    engine.setTransposeSemitones(semitones)
    engine.setTimeFactor(rate)
    return np.ascontiguousarray(np.asarray(engine.process(np.ascontiguousarray(wave_T[None])))[0])
