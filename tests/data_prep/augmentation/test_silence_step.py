"""Trimmed and padded silence."""

import numpy as np
import pytest
from miniature import speech
from view_maker import view

from data_prep.audit.signal import frame_facts
from data_prep.augmentation.silence import speech_span

SPEECH = speech(0.5)


def with_silence(leading_s: float, trailing_s: float) -> np.ndarray:
    hiss = np.random.default_rng(0).standard_normal(round((leading_s + 0.5 + trailing_s) * 16000)) * 1e-4
    wave = hiss.astype(np.float32)
    start = round(leading_s * 16000)
    wave[start : start + len(SPEECH)] += SPEECH
    return wave


def test_span_of_speech_is_found() -> None:
    start, stop = speech_span(with_silence(0.3, 0.2), 16000, -40.0)
    assert start == pytest.approx(4800, abs=160)
    assert stop == pytest.approx(4800 + len(SPEECH), abs=160)


@pytest.mark.parametrize("keep_s", [0.0, 0.05])
def test_silence_goes_but_for_what_is_kept(keep_s: float) -> None:
    wave = with_silence(0.3, 0.2)
    made = view({"kind": "trim_silence", "keep_s": [keep_s, keep_s]}, wave=wave)
    assert len(made.wave) / 16000 == pytest.approx(0.5 + 2 * keep_s, abs=0.02)
    assert made.steps[0]["leading_s"] == pytest.approx(0.3 - keep_s, abs=0.01)
    assert made.steps[0]["trailing_s"] == pytest.approx(0.2 - keep_s, abs=0.01)
    leading = round(float(made.steps[0]["leading_s"]) * 16000)
    np.testing.assert_array_equal(made.wave, wave[leading : leading + len(made.wave)])


@pytest.mark.parametrize("offset", [0.0, 0.02])
def test_what_the_audit_calls_silence_is_what_is_trimmed(offset: float) -> None:
    """A background 35 dB below the loudest frame, as studios leave it."""
    wave = with_silence(0.3, 0.2)
    loudest = np.std(SPEECH.reshape(-1, 160), axis=1).max()
    hiss = np.random.default_rng(1).standard_normal(len(wave)) * loudest * 10 ** (-35 / 20)
    wave = (wave + hiss + offset).astype(np.float32)
    before = frame_facts(wave, 16000)
    assert before[:2] == pytest.approx((0.3, 0.2), abs=0.02)
    made = view({"kind": "trim_silence", "keep_s": [0, 0]}, wave=wave)
    assert made.steps[0]["leading_s"] == before.leading_silence_s
    assert frame_facts(made.wave, 16000)[:2] == (0.0, 0.0)


def test_no_more_than_the_allowed_share_goes() -> None:
    wave = with_silence(2.0, 1.0)
    made = view({"kind": "trim_silence", "at_most": 0.5, "keep_s": [0, 0]}, wave=wave)
    assert len(made.wave) == pytest.approx(0.5 * len(wave), abs=2)
    assert made.steps[0]["leading_s"] == pytest.approx(2 * float(made.steps[0]["trailing_s"]), rel=0.05)


def test_speech_without_silence_stays_whole() -> None:
    made = view({"kind": "trim_silence"}, wave=SPEECH[:7990])
    np.testing.assert_array_equal(made.wave, SPEECH[:7990])


def test_padding_has_the_drawn_lengths() -> None:
    made = view({"kind": "pad", "leading_s": [0.1, 0.2], "trailing_s": [0.3, 0.4]}, wave=SPEECH)
    leading = round(float(made.steps[0]["leading_s"]) * 16000)
    trailing = round(float(made.steps[0]["trailing_s"]) * 16000)
    assert len(made.wave) == leading + len(SPEECH) + trailing
    np.testing.assert_array_equal(made.wave[leading : leading + len(SPEECH)], SPEECH)
    assert not made.wave[:leading].any()
    assert not made.wave[leading + len(SPEECH) :].any()


def test_padding_may_hold_noise_of_a_level() -> None:
    made = view({"kind": "pad", "leading_s": [1, 1], "level_db": [-60, -60]}, wave=SPEECH)
    level_db = 10 * np.log10(np.mean(made.wave[:16000].astype(np.float64) ** 2))
    assert level_db == pytest.approx(-60, abs=0.3)
