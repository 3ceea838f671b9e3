"""Each measurement against a signal whose answer is known."""

import numpy as np
import pytest
import scipy.signal

from data_prep.audit import signal

RATE = 16000


def noise(seconds: float, rms: float = 0.1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rms * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def low_passed(wave: np.ndarray, edge_hz: float, rate: int = RATE) -> np.ndarray:
    taps = scipy.signal.firwin(401, edge_hz, fs=rate)
    return scipy.signal.lfilter(taps, 1.0, wave).astype(np.float32)


def test_silence_at_both_ends() -> None:
    wave = np.concatenate([noise(0.3, 1e-4), noise(1.0), noise(0.75, 1e-4)])
    facts = signal.frame_facts(wave, RATE)
    assert facts.leading_silence_s == pytest.approx(0.3, abs=0.011)
    assert facts.trailing_silence_s == pytest.approx(0.75, abs=0.011)
    assert facts.floor_dbfs == pytest.approx(-80.0, abs=1.5)


@pytest.mark.parametrize(("background_db", "silence_s"), [(-35, 0.5), (-25, 0.0)])
def test_silence_is_30_db_below_the_loudest_whatever_the_level(background_db: float, silence_s: float) -> None:
    background = noise(0.5, 0.1 * 10 ** (background_db / 20))
    wave = np.concatenate([background, noise(1.0, seed=1)])
    for gain in (1.0, 0.01):
        found = signal.frame_facts(gain * wave + np.float32(0.2), RATE).leading_silence_s
        assert found == pytest.approx(silence_s, abs=0.011)


def test_digital_silence_has_a_level() -> None:
    wave = np.concatenate([np.zeros(RATE, np.float32), noise(1.0)])
    facts = signal.frame_facts(wave, RATE)
    assert (facts.leading_silence_s, facts.floor_dbfs) == (1.0, signal.LOWEST_DB)


def test_a_wave_below_one_frame_has_no_silence() -> None:
    assert signal.frame_facts(noise(0.005), RATE)[:2] == (0.0, 0.0)


def test_level_leaves_the_constant_part_out() -> None:
    square = np.tile(np.float32([0.1, -0.1]), 8000)
    assert signal.level_dbfs(square) == pytest.approx(-20.0, abs=0.01)
    assert signal.level_dbfs(square + np.float32(0.5)) == pytest.approx(-20.0, abs=0.01)


def test_clipped_samples_are_counted() -> None:
    wave = noise(1.0)
    wave[100:110] = 1.0
    wave[500:503] = -1.0
    wave[900:902] = 1.0  # two alone are a loud peak
    assert signal.clipped_share(wave) == pytest.approx(13 / RATE)


def test_clipping_below_full_scale_by_mu_law_is_seen() -> None:
    wave = noise(1.0)
    wave[100:104] = 32124 / 32768
    assert signal.clipped_share(wave) == pytest.approx(4 / RATE)


def test_a_loud_tone_is_not_clipped() -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert signal.clipped_share(tone) == 0.0
    assert signal.clipped_share(np.clip(2 * tone, -1, 1)) == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("edge_hz", [1000, 3400, 4000, 7000])
def test_bandwidth_of_low_passed_noise(edge_hz: int) -> None:
    wave = low_passed(noise(2.0), edge_hz) + noise(2.0, 1e-4, seed=1)
    bandwidth_hz, edge_db = signal.bandwidth(signal.band_levels(wave, RATE))
    assert bandwidth_hz == pytest.approx(edge_hz, abs=250)
    assert edge_db > 15


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_white_noise_reaches_half_the_rate(rate: int) -> None:
    bandwidth_hz, edge_db = signal.bandwidth(signal.band_levels(noise(3.0), rate))
    assert bandwidth_hz == pytest.approx(rate / 2, abs=signal.BAND_HZ)
    assert edge_db == 0.0


def test_bandwidth_does_not_depend_on_the_level() -> None:
    wave = low_passed(noise(2.0), 4000)
    loud, soft = (signal.bandwidth(signal.band_levels(np.float32(gain) * wave, RATE))[0] for gain in (1.0, 0.1))
    assert loud == pytest.approx(soft, abs=signal.BAND_HZ)


def test_band_levels_add_up_to_the_power() -> None:
    wave = noise(4.0)
    total = 10 * np.log10(np.sum(10 ** (signal.band_levels(wave, RATE) / 10)))
    assert total == pytest.approx(signal.level_dbfs(wave), abs=0.2)


def test_a_tone_stands_in_its_band() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1187.5 * np.arange(RATE) / RATE).astype(np.float32)
    assert int(signal.band_levels(tone, RATE).argmax()) == 1187 // 125


def test_a_wave_shorter_than_one_window_is_padded() -> None:
    assert np.isfinite(signal.band_levels(noise(0.01), RATE)).all()
