"""What every step promises, whatever its kind."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import soundfile
from miniature import speech
from view_maker import QUIET, chain, view

from data_prep.augmentation.steps import AnyStep, Codec
from data_prep.augmentation.view import APPLY, View

STEPS: dict[str, dict[str, Any]] = {
    "noise": {"kind": "noise", "colours": ["white", "pink", "brown", "blue", "violet"], "snr_db": [0, 20]},
    "recorded noise": {"kind": "noise", "folder": "FOLDER", "kinds": {"noise": [0, 15], "speech": [13, 20]}},
    "room": {"kind": "reverb", "rt60_s": [0.1, 0.3]},
    "recorded room": {"kind": "reverb", "folder": "FOLDER"},
    "pitch": {"kind": "pitch", "semitones": [-4, 4]},
    "stretch": {"kind": "stretch", "rate": [0.8, 1.25]},
    "speed": {"kind": "speed", "rate": [0.8, 1.25]},
    **{f"rawboost {n}": {"kind": "rawboost", "algorithms": [n]} for n in range(1, 9)},
    **{f"codec {name}": {"kind": "codec", "codecs": [name]} for name in get_args(Codec)},
    "band": {"kind": "band", "low_hz": [200, 400], "high_hz": [3000, 5000]},
    "gain": {"kind": "gain", "gain_db": [-20, 40]},
    "clip": {"kind": "clip", "share": [0.0, 0.3]},
    "trim_silence": {"kind": "trim_silence"},
    "pad": {"kind": "pad", "level_db": [-80, -50]},
}
RESIZING = {"stretch", "speed", "trim_silence", "pad"}
LOUD = speech() / np.abs(speech()).max()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two kinds of noise, which also serve as impulse responses."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("noise/a.wav", "noise/b.flac", "speech/c.wav", "speech/d.wav")):
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, speech(0.4, seed=number), 16000)
    return folder


@pytest.fixture(params=STEPS)
def step(request: pytest.FixtureRequest, recordings: Path) -> dict[str, Any]:
    values = STEPS[request.param]
    return values | {"folder": str(recordings)} if "folder" in values else values


def same(one: View, other: View) -> bool:
    return one.wave.tobytes() == other.wave.tobytes() and one.steps == other.steps


def test_every_kind_is_tried_and_can_be_applied() -> None:
    kinds = {member.model_fields["kind"].annotation.__args__[0] for member in get_args(get_args(AnyStep)[0])}
    assert kinds == set(APPLY) == {values["kind"] for values in STEPS.values()}


def test_draws_follow_from_seed_utterance_and_view_alone(step: dict[str, Any]) -> None:
    first = [view(step, number=number, utterance=name) for number in (1, 2) for name in "ab"]
    again = [view(step, number=number, utterance=name) for number in (2, 1) for name in "ba"][::-1]
    assert all(same(one, other) for one, other in zip(first, again, strict=True))


def test_wave_is_sound(step: dict[str, Any]) -> None:
    for number, wave in enumerate((QUIET, LOUD, QUIET[:801], LOUD[:1603]), start=1):
        before = wave.copy()
        made = view(step, wave=wave, number=number)
        assert made.wave.dtype == np.float32
        assert made.wave.ndim == 1
        assert made.wave.flags.c_contiguous
        assert np.isfinite(made.wave).all()
        assert 0 < np.abs(made.wave).max() <= 1.0
        np.testing.assert_array_equal(wave, before)


def test_length_follows_the_rule(step: dict[str, Any]) -> None:
    for number in range(1, 5):
        made = view(step, number=number)
        if step["kind"] in RESIZING:
            assert len(made.wave) >= np.floor(chain(step).shortest * len(QUIET))
        else:
            assert len(made.wave) == len(QUIET)


def test_probability_zero_never_applies(step: dict[str, Any]) -> None:
    for number in range(1, 6):
        made = view(step | {"probability": 0.0}, number=number)
        assert made.steps == ()
        np.testing.assert_array_equal(made.wave, QUIET)


def test_drawn_values_lie_in_range_and_are_recorded(step: dict[str, Any]) -> None:
    for number in range(1, 6):
        (drawn,) = json.loads(json.dumps(view(step, number=number).steps))
        assert drawn["step"] == step["kind"]
        for name, span in step.items():
            if name in drawn and isinstance(span, list):
                assert span[0] <= drawn[name] <= span[1]


def test_something_is_done(step: dict[str, Any]) -> None:
    made = [view(step, wave=LOUD, number=number).wave for number in range(1, 4)]
    if step["kind"] != "trim_silence":  # there is none to trim
        assert all(len(wave) != len(LOUD) or not np.array_equal(wave, LOUD) for wave in made)
