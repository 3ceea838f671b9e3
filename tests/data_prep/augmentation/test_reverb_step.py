"""Rooms: reverberation time, direct sound, level; recorded responses."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from view_maker import QUIET, lag, view

from data_prep.augmentation import shoebox
from data_prep.augmentation.reverb import reverberate
from data_prep.augmentation.shoebox import simulate_room

SIZE = np.array([5.0, 4.0, 3.0])
SOURCE, MICROPHONE = np.array([1.0, 1.0, 1.5]), np.array([3.5, 2.5, 1.2])


def decay_time_s(response: np.ndarray, rate: int) -> float:
    """RT60 from the slope between -5 and -25 dB of the backward-integrated energy (Schroeder 1965)."""
    energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-12)
    start, stop = np.argmax(level_db < -5), np.argmax(level_db < -25)
    return 3 * (stop - start) / rate


@pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.8])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_sound_falls_by_60_db_in_rt60(rt60_s: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    response = simulate_room(scale * SIZE, scale * SOURCE, scale * MICROPHONE, rt60_s, 16000, rng)
    assert decay_time_s(response, 16000) == pytest.approx(rt60_s, rel=0.2)


def test_direct_sound_comes_first_and_after_its_way() -> None:
    response = simulate_room(SIZE, SOURCE, MICROPHONE, 0.4, 16000, np.random.default_rng(0))
    distance_m = np.linalg.norm(SOURCE - MICROPHONE)
    assert np.flatnonzero(response)[0] == round(distance_m / 343 * 16000)
    assert response[np.flatnonzero(response)[0]] == pytest.approx(1 / distance_m)


def test_first_reflections_come_from_the_mirrored_sources() -> None:
    response = simulate_room(SIZE, SOURCE, MICROPHONE, 0.4, 16000, np.random.default_rng(0))
    volume, surface = 60.0, 94.0
    reflection = np.exp(-24 * np.log(10) / 343 * volume / (surface * 0.4) / 2)
    floor = np.linalg.norm(SOURCE * [1, 1, -1] - MICROPHONE)
    assert response[round(floor / 343 * 16000)] == pytest.approx(reflection / floor, rel=1e-5)


def test_traced_part_and_tail_join_without_a_step() -> None:
    rms = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        source, microphone = SIZE * rng.uniform(0.1, 0.9, (2, 3))
        response = simulate_room(SIZE, source, microphone, 0.5, 16000, rng)
        join = round((np.linalg.norm(source - microphone) / 343 + 0.02) * 16000)
        before, after = response[join - 160 : join], response[join : join + 160]
        rms.append(np.sqrt(np.mean(after**2) / np.mean(before**2)))
    assert np.median(rms) == pytest.approx(0.87, abs=0.15)  # 10 ms at RT60 0.5 s: exp(-6.9 * 0.01 / 0.5)


@pytest.mark.parametrize("size", [(5, 4, 3), (20, 12, 6), (45, 30, 15)])
def test_noise_is_as_loud_as_the_reflections_it_stands_for(
    size: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against images traced ten times as long, which all have the same sign: differences drop the offset they add."""
    rng = np.random.default_rng(0)
    powers = []
    for _ in range(8):
        source, microphone = size * rng.uniform(0.1, 0.9, (2, 3))
        tail = slice(*(round((np.linalg.norm(source - microphone) / 343 + s) * 16000) for s in (0.02, 0.2)))
        for images_s in (0.02, 0.2):
            monkeypatch.setattr(shoebox, "_IMAGES_S", images_s)
            response = simulate_room(np.array(size), source, microphone, 1.5, 16000, rng)
            powers.append(np.var(np.diff(response[tail])))
    ratios_db = 10 * np.log10(np.array(powers[::2]) / np.array(powers[1::2]))
    assert np.median(ratios_db) == pytest.approx(0, abs=1)
    assert np.abs(ratios_db).max() < 3


def test_speech_keeps_level_place_and_length() -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    made = view({"kind": "reverb", "rt60_s": [0.3, 0.3]}, wave=noise)
    assert np.linalg.norm(made.wave) == pytest.approx(np.linalg.norm(noise), rel=1e-4)
    assert lag(noise, made.wave) == 0
    assert made.steps[0].keys() == {"step", "rt60_s", "length_m", "width_m", "height_m", "distance_m"}


def test_recorded_response_is_convolved_from_its_direct_sound(tmp_path: Path) -> None:
    response = np.zeros((400, 2), np.float32)
    response[100] = 0.5, 0.0
    response[150] = 0.25, 0.9
    soundfile.write(tmp_path / "room.wav", response, 16000, subtype="FLOAT")
    made = view({"kind": "reverb", "folder": str(tmp_path)})
    assert made.steps == ({"step": "reverb", "response": "room.wav"},)
    expected = QUIET + 0.5 * np.pad(QUIET, (50, 0))[:-50]
    expected *= np.linalg.norm(QUIET) / np.linalg.norm(expected)
    np.testing.assert_allclose(made.wave, expected, atol=1e-6)


def test_direct_sound_alone_is_no_change() -> None:
    np.testing.assert_allclose(reverberate(QUIET, np.array([0.3, 0.0], np.float32)), QUIET, atol=1e-6)
