"""Noise: exact ratios, spectral slopes, recorded kinds and babble."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import speech
from view_maker import QUIET, snr_db, view

from cluster.errors import SpoofsweepError
from data_prep.augmentation.noise import add_noise, coloured_noise


@pytest.mark.parametrize("number", range(1, 4))
@pytest.mark.parametrize("colour", ["white", "pink", "brown", "blue", "violet"])
def test_snr_is_the_drawn_one(colour: str, number: int) -> None:
    made = view({"kind": "noise", "colours": [colour], "snr_db": [3, 30]}, number=number)
    assert made.steps[0]["noise"] == colour
    assert snr_db(QUIET, made.wave) == pytest.approx(made.steps[0]["snr_db"], abs=1e-3)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3), ("brown", -6), ("blue", 3), ("violet", 6)])
def test_noise_falls_by_its_colour_an_octave(colour: str, slope: float) -> None:
    noise = coloured_noise(90000, 16000, colour, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / 16000)
    octaves = [10 * np.log10(spectrum[(hertz >= f) & (hertz < 2 * f)].mean()) for f in (250, 500, 1000, 2000, 4000)]
    assert np.diff(octaves) == pytest.approx([slope] * 4, abs=0.5)


def test_add_noise_of_known_power() -> None:
    square = np.tile(np.float32([1, -1]), 50)
    np.testing.assert_allclose(add_noise(square, 2 * square, 20.0), 1.1 * square, rtol=1e-6)


def test_a_constant_part_counts_neither_as_speech_nor_as_noise() -> None:
    noise = coloured_noise(len(QUIET), 16000, "white", np.random.default_rng(0))
    added = add_noise(QUIET, noise, 15.0) - QUIET
    for speech_dc, noise_dc in ((0.2, 0.0), (0.0, 3.0)):
        made = add_noise(QUIET + np.float32(speech_dc), noise + np.float32(noise_dc), 15.0)
        difference = made - QUIET
        np.testing.assert_allclose(difference - difference.mean(), added - added.mean(), atol=1e-4)


@pytest.fixture
def musan(tmp_path: Path) -> Path:
    """Kinds of noise as in MUSAN: tones of one frequency a file, at several rates and channels."""
    for kind, number in (("noise", 2), ("music", 1), ("speech", 9)):
        for i in range(number):
            path = tmp_path / kind / "sub" / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            rate = 8000 if kind == "music" else 16000
            wave = 0.1 * np.sin(2 * np.pi * 200 * (i + 1) * np.arange(3 * rate // 2) / rate)
            soundfile.write(path, np.stack([wave, wave], axis=1) if i % 2 else wave, rate)
    return tmp_path


def test_kinds_have_ranges_of_their_own(musan: Path) -> None:
    kinds = {"noise": [0, 5], "music": [6, 10], "speech": [11, 20]}
    step = {"kind": "noise", "folder": str(musan), "kinds": kinds}
    seen = set()
    for number in range(30):
        made = view(step, utterance=str(number))
        (drawn,) = made.steps
        kind = str(drawn["noise"]).split("/")[0]
        seen.add(kind)
        assert kinds[kind][0] <= float(drawn["snr_db"]) <= kinds[kind][1]
        assert snr_db(QUIET, made.wave) == pytest.approx(drawn["snr_db"], abs=1e-2)
    assert seen == set(kinds)


def test_speech_becomes_babble_of_several_files(musan: Path) -> None:
    step = {"kind": "noise", "folder": str(musan), "kinds": {"speech": [0, 0]}, "voices": [4, 4]}
    made = view(step)
    names = str(made.steps[0]["noise"]).split(", ")
    assert len(set(names)) == 4
    spectrum = np.abs(np.fft.rfft(made.wave - QUIET))
    loudest = np.sort(np.fft.rfftfreq(len(QUIET), 1 / 16000)[np.argsort(spectrum)[-4:]])
    expected = sorted(200.0 * (int(Path(name).stem) + 1) for name in names)
    assert loudest == pytest.approx(expected, abs=1.0)


def test_share_of_recorded_noise(musan: Path) -> None:
    step = {"kind": "noise", "folder": str(musan), "recorded_share": 0.5}
    drawn = [str(view(step, utterance=str(number)).steps[0]["noise"]) for number in range(60)]
    assert 18 <= sum("/" in name for name in drawn) <= 42


@pytest.fixture
def half_silent(tmp_path: Path) -> Path:
    """One recorded noise, shorter than the utterance, half of it silent."""
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    noise[:4000] = 0
    soundfile.write(tmp_path / "hum.wav", noise, 16000)
    return tmp_path


def test_short_noise_wraps_round_and_silence_is_skipped(half_silent: Path) -> None:
    step = {"kind": "noise", "folder": str(half_silent)}
    for number in range(20):
        for wave in (QUIET, QUIET[:1600]):
            made = view(step, wave=wave, utterance=str(number))
            assert made.steps[0]["noise"] == "hum.wav"
            assert snr_db(wave, made.wave) == pytest.approx(made.steps[0]["snr_db"], abs=1e-2)
    wrapped = view(step).wave - QUIET
    np.testing.assert_allclose(wrapped[8000:], wrapped[:8000], atol=1e-6)


@pytest.mark.parametrize("fault", ["text", "silent", "constant", "nan"])
def test_recorded_noise_that_cannot_be_used_is_named(half_silent: Path, fault: str) -> None:
    path = half_silent / "hum.wav"
    if fault == "text":
        path.write_text("text")
    else:
        soundfile.write(
            path,
            np.full(8000, {"silent": 0.0, "constant": 0.1, "nan": np.nan}[fault], np.float32),
            16000,
            subtype="FLOAT",
        )
    with pytest.raises(SpoofsweepError, match=r"hum\.wav"):
        view({"kind": "noise", "folder": str(half_silent)}, wave=speech())
