"""Augmented views of an utterance.

All draws of a view come from a generator of its own, seeded by study seed, utterance and view, so that neither the
order of work nor the number of workers changes them. Array names carry shapes: T samples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.augmentation.band import apply_band
from data_prep.augmentation.clip import apply_clip
from data_prep.augmentation.codec import apply_codec
from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.gain import apply_gain, within_full_scale
from data_prep.augmentation.noise import apply_noise
from data_prep.augmentation.rawboost import apply_rawboost
from data_prep.augmentation.resynthesis import apply_resynthesis, apply_together
from data_prep.augmentation.reverb import apply_reverb
from data_prep.augmentation.scene import Drawn, Scene
from data_prep.augmentation.silence import apply_pad, apply_trim_silence
from data_prep.augmentation.speed import apply_speed
from data_prep.decoding import Wave
from data_prep.draws import generator

APPLY: Mapping[str, Callable[[Any, Wave, Scene, np.random.Generator], tuple[Wave, Drawn]]] = {
    "noise": apply_noise,
    "reverb": apply_reverb,
    "pitch": apply_resynthesis,
    "stretch": apply_resynthesis,
    "speed": apply_speed,
    "rawboost": apply_rawboost,
    "codec": apply_codec,
    "band": apply_band,
    "gain": apply_gain,
    "clip": apply_clip,
    "trim_silence": apply_trim_silence,
    "pad": apply_pad,
}
"""What each kind of step does to a wave of peak at most 1; also gives the drawn values."""


@dataclass(frozen=True)
class View:
    """One view of an utterance."""

    wave: Wave
    """``[num_samples]``, finite, peak at most 1."""
    policy: str
    """Name of the policy that made it."""
    steps: tuple[Mapping[str, float | int | str], ...]
    """The steps that were applied, in order: their kind as ``step``, and the drawn values; JSON-able."""


def make_view(wave_T: Wave, scene: Scene, config: AugmentationConfig, seed: int, utterance_id: str, view: int) -> View:
    """View number ``view``, from 1 to ``config.num_views``, of a wave.

    Raises:
        SpoofsweepError: a recording that was drawn cannot be used.
    """
    rng = generator(seed, utterance_id, view)
    name = config.policy_of(view)
    chain = [step for step in config.policies[name].steps if rng.random() < step.probability]
    applied: list[Mapping[str, float | int | str]] = []
    for steps in _passes(chain):
        if len(steps) == 1:
            wave_T, one = APPLY[steps[0].kind](steps[0], wave_T, scene, rng)
            drawn = [one]
        else:
            wave_T, drawn = apply_together(steps, wave_T, scene, rng)
        wave_T = within_full_scale(wave_T)
        applied += [{"step": step.kind, **values} for step, values in zip(steps, drawn, strict=True)]
    return View(np.ascontiguousarray(wave_T), name, tuple(applied))


def _passes(chain: Sequence[Any]) -> list[list[Any]]:
    """The steps one by one, but a pitch and a stretch that follow each other together."""
    passes: list[list[Any]] = []
    for step in chain:
        if passes and len(passes[-1]) == 1 and {passes[-1][0].kind, step.kind} == {"pitch", "stretch"}:
            passes[-1].append(step)
        else:
            passes.append([step])
    return passes
