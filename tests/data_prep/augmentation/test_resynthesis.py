"""Pitch, stretch and speed on a tone."""

import numpy as np
import pytest
from view_maker import peak_hz, tone, view


@pytest.mark.parametrize("semitones", [-5, 3])
def test_pitch_moves_a_tone_and_keeps_its_length(semitones: int) -> None:
    made = view({"kind": "pitch", "semitones": [semitones, semitones]}, wave=tone(440))
    assert len(made.wave) == 32000
    assert peak_hz(made.wave) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_stretch_changes_the_length_and_keeps_a_tone(rate: float) -> None:
    made = view({"kind": "stretch", "rate": [rate, rate]}, wave=tone(440))
    assert len(made.wave) == pytest.approx(32000 / rate, abs=1)
    assert peak_hz(made.wave) == pytest.approx(440, rel=0.01)


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_speed_changes_length_and_pitch_together(rate: float) -> None:
    made = view({"kind": "speed", "rate": [rate, rate]}, wave=tone(440))
    assert len(made.wave) == pytest.approx(32000 / rate, abs=1)
    assert peak_hz(made.wave) == pytest.approx(440 * rate, rel=0.002)
    t = np.arange(len(made.wave)) / 16000
    middle = slice(2000, -2000)
    np.testing.assert_allclose(made.wave[middle], 0.5 * np.sin(2 * np.pi * 440 * rate * t)[middle], atol=1e-3)
