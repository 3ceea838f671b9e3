"""Views: exact signal-to-noise ratios, audible shifts, and draws that depend on nothing but their own seed."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from miniature import AUGMENTATION, speech

from cluster.errors import SpoofsweepError
from data_prep.augmentation import View, add_noise, coloured_noise, make_view
from data_prep.config import AugmentationConfig, NoiseConfig, PitchConfig, StretchConfig
from data_prep.noise_folder import list_noises, with_content_identity

QUIET = speech() * np.float32(0.3)


def view(
    config: AugmentationConfig, number: int = 1, utterance: str = "u", seed: int = 0, noises: tuple[Path, ...] = ()
) -> View:
    return make_view(QUIET, 16000, config, noises, seed, utterance, number)


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    noise = noisy.astype(np.float64) - clean
    return float(10 * np.log10(np.sum(clean.astype(np.float64) ** 2) / np.sum(noise**2)))


def noisy(**changes: object) -> AugmentationConfig:
    return AugmentationConfig(num_views=1, noise=NoiseConfig.model_validate({"probability": 1.0} | changes))


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("colour", ["white", "pink", "brown", "blue", "violet"])
def test_snr_is_the_drawn_one(colour: str, number: int) -> None:
    made = view(noisy(colours=[colour], snr_db=(3, 30)), number)
    assert made.policy == "noise"
    assert made.drawn["noise"] == colour
    assert 3 <= float(made.drawn["snr_db"]) <= 30
    assert snr_db(QUIET, made.wave) == pytest.approx(made.drawn["snr_db"], abs=1e-3)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3), ("brown", -6), ("blue", 3), ("violet", 6)])
def test_noise_falls_by_its_colour_an_octave(colour: str, slope: float) -> None:
    noise = coloured_noise(1 << 17, 16000, colour, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / 16000)
    octaves = [10 * np.log10(spectrum[(hertz >= f) & (hertz < 2 * f)].mean()) for f in (250, 500, 1000, 2000, 4000)]
    assert np.diff(octaves) == pytest.approx([slope] * 4, abs=0.5)


def test_sum_beyond_full_scale_is_scaled_and_keeps_its_snr() -> None:
    loud = speech() / np.abs(speech()).max()
    made = make_view(loud, 16000, noisy(snr_db=(0, 0)), (), 0, "u", 1)
    assert np.abs(made.wave).max() == pytest.approx(1.0)
    quiet = make_view(0.1 * loud, 16000, noisy(snr_db=(0, 0)), (), 0, "u", 1)
    np.testing.assert_allclose(made.wave, quiet.wave / np.abs(quiet.wave).max(), atol=1e-5)
    assert snr_db(0.1 * loud, quiet.wave) == pytest.approx(0.0, abs=1e-3)


def peak_hz(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.fft.rfftfreq(len(wave), 1 / 16000)[spectrum.argmax()])


def test_pitch_moves_a_tone_and_keeps_its_length() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)).astype(np.float32)
    config = AugmentationConfig(num_views=1, pitch=PitchConfig(probability=1.0, semitones=(3, 3)))
    made = make_view(tone, 16000, config, (), 0, "u", 1)
    assert made.policy == "pitch"
    assert len(made.wave) == len(tone)
    assert peak_hz(made.wave) == pytest.approx(440 * 2 ** (3 / 12), rel=0.01)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_stretch_changes_the_length_and_keeps_a_tone(rate: float) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)).astype(np.float32)
    config = AugmentationConfig(num_views=1, stretch=StretchConfig(probability=1.0, rate=(rate, rate)))
    made = make_view(tone, 16000, config, (), 0, "u", 1)
    assert made.policy == "stretch"
    assert len(made.wave) == pytest.approx(32000 / rate, abs=1)
    assert peak_hz(made.wave) == pytest.approx(440, rel=0.01)


def test_same_seed_same_bytes_in_any_order() -> None:
    forward = [view(AUGMENTATION, number, utterance) for number in (1, 2, 3) for utterance in ("a", "b")]
    backward = [view(AUGMENTATION, number, utterance) for number in (3, 2, 1) for utterance in ("b", "a")][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert one.wave.tobytes() == other.wave.tobytes()
        assert (one.policy, one.drawn) == (other.policy, other.drawn)


def test_views_utterances_and_seeds_draw_differently() -> None:
    made = [view(noisy()), view(noisy(), number=2), view(noisy(), utterance="v"), view(noisy(), seed=1)]
    assert len({one.drawn["snr_db"] for one in made}) == 4


def test_policies_appear_about_as_often_as_asked() -> None:
    made = [view(AUGMENTATION, number) for number in range(200)]
    for name, probability in (("noise", 0.8), ("pitch", 0.5), ("stretch", 0.5)):
        assert np.mean([name in one.policy.split(",") for one in made]) == pytest.approx(probability, abs=0.12)
    assert any(one.policy == "none" for one in made)
    for one in made:
        json.dumps(one.drawn)
        assert np.isfinite(one.wave).all()
        assert np.abs(one.wave).max() <= 1.0
        assert one.wave.dtype == np.float32


def test_view_without_any_policy_is_the_clean_wave() -> None:
    made = view(AugmentationConfig(num_views=1))
    assert made.policy == "none"
    np.testing.assert_array_equal(made.wave, QUIET)


@pytest.fixture
def noise_folder(tmp_path: Path) -> Path:
    """One short recorded noise, half of it silent, in a folder below."""
    folder = tmp_path / "noise"
    (folder / "free").mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    noise[:4000] = 0
    soundfile.write(folder / "free" / "hum.wav", noise, 16000)
    return folder


def test_recorded_noise_is_looped_and_mixed_at_the_drawn_snr(noise_folder: Path) -> None:
    config = noisy(folder=str(noise_folder))
    noises = list_noises(config, Path())
    made = [view(config, number, noises=noises) for number in range(40)]
    recorded = [one for one in made if one.drawn["noise"] == "hum.wav"]
    assert 10 <= len(recorded) <= 30
    for one in recorded:
        assert snr_db(QUIET, one.wave) == pytest.approx(one.drawn["snr_db"], abs=1e-3)


def test_silent_stretch_of_recorded_noise_is_replaced(noise_folder: Path) -> None:
    config = noisy(folder=str(noise_folder))
    short = QUIET[:1600]
    for number in range(30):
        made = make_view(short, 16000, config, list_noises(config, Path()), 0, "u", number)
        assert snr_db(short, made.wave) == pytest.approx(made.drawn["snr_db"], abs=1e-2)


def test_broken_recorded_noise_is_named(noise_folder: Path) -> None:
    (noise_folder / "free" / "hum.wav").write_text("text")
    config = noisy(folder=str(noise_folder))
    noises = list_noises(config, Path())
    with pytest.raises(SpoofsweepError, match=r"hum\.wav"):
        [view(config, number, noises=noises) for number in range(20)]


def test_noise_folder_without_audio(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="noise folder must hold audio"):
        list_noises(noisy(folder=str(tmp_path)), Path())


def test_identity_of_a_noise_folder_is_its_content(noise_folder: Path, tmp_path: Path) -> None:
    def identity(folder: Path) -> AugmentationConfig:
        config = noisy(folder=str(folder))
        return with_content_identity(config, list_noises(config, Path()))

    before = identity(noise_folder)
    assert str(tmp_path) not in before.model_dump_json()
    moved = noise_folder.rename(tmp_path / "elsewhere")
    assert identity(moved) == before
    soundfile.write(moved / "more.wav", speech(), 16000)
    assert identity(moved) != before


def test_add_noise_of_known_power() -> None:
    ones = np.ones(100, np.float32)
    np.testing.assert_allclose(add_noise(ones, 2 * ones, 20.0), 1.1 * ones, rtol=1e-6)
