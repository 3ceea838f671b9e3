"""Band limits, gain and clipping."""

import numpy as np
import pytest
from view_maker import QUIET, band_power_db, tone, view

from data_prep.augmentation.band import limit_band

WHITE = (0.1 * np.random.default_rng(0).standard_normal(32000)).astype(np.float32)


def test_telephone_band_is_kept_and_the_rest_is_gone() -> None:
    made = view({"kind": "band"}, wave=WHITE).wave
    change = {
        span: band_power_db(made, *span) - band_power_db(WHITE, *span)
        for span in ((0, 200), (400, 3300), (3500, 8000), (290, 310), (3390, 3410))
    }
    assert change[0, 200] < -45
    assert change[3500, 8000] < -45
    assert change[400, 3300] == pytest.approx(0, abs=0.1)
    assert change[290, 310] == pytest.approx(-6, abs=1)
    assert change[3390, 3410] == pytest.approx(-6, abs=1)


def test_band_does_not_delay() -> None:
    wave = tone(1000)
    np.testing.assert_allclose(limit_band(wave, 16000, 300, 3400)[1000:-1000], wave[1000:-1000], atol=2e-3)


def test_open_edges_keep_everything() -> None:
    np.testing.assert_array_equal(limit_band(WHITE, 16000, 0.0, 8000.0), WHITE)
    low = limit_band(WHITE, 16000, 0.0, 4000.0)
    assert band_power_db(low, 0, 3900) == pytest.approx(band_power_db(WHITE, 0, 3900), abs=0.1)
    assert band_power_db(low, 4100, 8000) < -20
    high = limit_band(WHITE, 16000, 1000.0, 9000.0)
    assert band_power_db(high, 1100, 8000) == pytest.approx(band_power_db(WHITE, 1100, 8000), abs=0.1)


def test_gain_is_exact_and_stops_at_full_scale() -> None:
    made = view({"kind": "gain", "gain_db": [-12, 3]})
    np.testing.assert_allclose(made.wave, QUIET * 10 ** (float(made.steps[0]["gain_db"]) / 20), rtol=1e-6)
    assert np.abs(view({"kind": "gain", "gain_db": [60, 60]}).wave).max() == 1.0


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_the_drawn_share_of_samples_is_clipped(share: float) -> None:
    made = view({"kind": "clip", "share": [share, share]})
    level = np.abs(made.wave).max()
    assert made.steps[0]["level"] == pytest.approx(level)
    assert np.count_nonzero(np.abs(QUIET) > level) == int(share * len(QUIET))
    assert np.mean(np.abs(made.wave) == level) == pytest.approx(share, abs=0.002)
    untouched = np.abs(QUIET) < level
    np.testing.assert_array_equal(made.wave[untouched], QUIET[untouched])


def test_clipping_leaves_speech_among_digital_silence() -> None:
    wave = np.concatenate([np.zeros(2 * len(QUIET), np.float32), QUIET])
    made = view({"kind": "clip", "share": [0.5, 0.5]}, {"kind": "reverb"}, wave=wave)
    assert np.isfinite(made.wave).all()
    assert float(made.steps[0]["level"]) == pytest.approx(np.median(np.abs(QUIET)), rel=0.01)


def test_digital_silence_stays_so() -> None:
    made = view({"kind": "clip"}, {"kind": "reverb"}, wave=np.zeros(1000, np.float32))
    assert not made.wave.any()
