"""Chains: order, probabilities, policies, and the pass that a pitch and a stretch share."""

import json

import numpy as np
import pytest
from miniature import AUGMENTATION
from view_maker import QUIET, RATE, chain, peak_hz, tone, view

from data_prep.augmentation.config import AugmentationConfig
from data_prep.augmentation.scene import Scene
from data_prep.augmentation.view import make_view

GAIN = {"kind": "gain", "gain_db": [-6, -6]}
NOISE = {"kind": "noise", "snr_db": [0, 20]}
PITCH = {"kind": "pitch", "semitones": [3, 3]}
STRETCH = {"kind": "stretch", "rate": [1.25, 1.25]}


def test_views_are_numbered_through_the_policies_in_the_order_written() -> None:
    two = {"views": 2, "steps": [NOISE]}
    config = AugmentationConfig.model_validate({"policies": {"z": two, "a": {"steps": [GAIN]}}})
    assert config.num_views == 3
    made = [make_view(QUIET, Scene(RATE), config, 0, "u", number) for number in (1, 2, 3)]
    assert [one.policy for one in made] == ["z", "z", "a"]
    assert made[0].steps != made[1].steps


def test_steps_are_applied_in_the_order_written() -> None:
    clip = {"kind": "clip", "share": [0.3, 0.3]}
    assert [one["step"] for one in view(GAIN, clip).steps] == ["gain", "clip"]
    clipped_last, noisy_last = view(NOISE, clip), view(clip, NOISE)
    assert [one["step"] for one in clipped_last.steps] == ["noise", "clip"]
    at_the_peak = [np.mean(np.abs(one.wave) == np.abs(one.wave).max()) for one in (clipped_last, noisy_last)]
    assert at_the_peak[0] > 0.2 > at_the_peak[1]


def test_views_utterances_and_seeds_draw_differently() -> None:
    made = [view(NOISE), view(NOISE, number=2), view(NOISE, utterance="v"), view(NOISE, seed=1)]
    assert len({one.steps[0]["snr_db"] for one in made}) == 4


def test_steps_appear_as_often_as_asked() -> None:
    often = {"noise": 0.8, "gain": 0.3}
    steps = [NOISE | {"probability": 0.8}, GAIN | {"probability": 0.3}]
    made = [view(*steps, wave=QUIET[:2000], utterance=str(number)) for number in range(300)]
    for name, probability in often.items():
        share = np.mean([name in [step["step"] for step in one.steps] for one in made])
        assert share == pytest.approx(probability, abs=0.1)
    assert any(one.steps == () for one in made)


def test_steps_are_recorded_as_json() -> None:
    made = make_view(QUIET, Scene(RATE), AUGMENTATION, 0, "u", 2)
    (drawn,) = json.loads(json.dumps(made.steps))
    assert drawn == made.steps[0]
    assert {name: type(value) for name, value in drawn.items()} == {"step": str, "algorithm": int, "percent": float}
    assert (drawn["step"], drawn["algorithm"]) == ("rawboost", 5)


@pytest.mark.parametrize("steps", [(PITCH, STRETCH), (STRETCH, PITCH)])
def test_pitch_and_stretch_in_one_pass_do_what_two_passes_do(steps: tuple[dict, dict]) -> None:
    made = view(*steps, wave=tone(440))
    assert [one["step"] for one in made.steps] == [step["kind"] for step in steps]
    assert {"semitones": 3.0, "rate": 1.25}.items() <= (made.steps[0] | made.steps[1]).items()
    assert len(made.wave) == pytest.approx(32000 / 1.25, abs=1)
    assert peak_hz(made.wave) == pytest.approx(440 * 2 ** (3 / 12), rel=0.01)


def test_third_shift_is_a_pass_of_its_own() -> None:
    made = view(PITCH, STRETCH, {"kind": "pitch", "semitones": [-3, -3]}, wave=tone(440))
    assert [one["step"] for one in made.steps] == ["pitch", "stretch", "pitch"]
    assert peak_hz(made.wave) == pytest.approx(440, rel=0.01)


def test_sum_beyond_full_scale_is_scaled() -> None:
    loud = QUIET / np.abs(QUIET).max()
    assert np.abs(view(NOISE | {"snr_db": [0, 0]}, wave=loud).wave).max() == pytest.approx(1.0)


def test_shortest_view_is_that_of_the_worst_chain() -> None:
    assert AugmentationConfig().shortest == 1.0
    assert chain(STRETCH, {"kind": "speed", "rate": [0.5, 2.0]}).shortest == pytest.approx(1 / 2.5)
    assert chain(STRETCH | {"probability": 0.0}).shortest == 1.0
    assert chain({"kind": "trim_silence", "at_most": 0.75}).shortest == 0.25
    assert chain({"kind": "pad"}).shortest == 1.0
