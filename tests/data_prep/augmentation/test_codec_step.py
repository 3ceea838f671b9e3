"""Codecs: what comes out is another signal of the same length at the same place."""

from typing import get_args

import numpy as np
import pytest
from miniature import speech
from view_maker import QUIET, band_power_db, lag, snr_db, view

from data_prep.augmentation.codec import code
from data_prep.augmentation.steps import Codec

WAVE = (0.5 * speech(1.5, seed=2) + 0.02 * np.random.default_rng(0).standard_normal(24000)).astype(np.float32)


def coded(codec: str, low: float = 8, high: float = 64, number: int = 1) -> tuple[np.ndarray, dict]:
    made = view({"kind": "codec", "codecs": [codec], "kbps": [low, high]}, wave=WAVE, number=number)
    return made.wave, dict(made.steps[0])


@pytest.mark.parametrize(
    ("codec", "kbps"),
    [
        *(("mp3", kbps) for kbps in (8, 24, 32, 160)),
        *(("opus", kbps) for kbps in (8, 64)),
        *(("vorbis", kbps) for kbps in (28, 100)),
        *(("g722", kbps) for kbps in (48, 64)),
        ("gsm", 13),
        ("alaw", 64),
        ("mulaw", 64),
    ],
)
def test_result_is_changed_aligned_and_as_long(codec: str, kbps: int) -> None:
    made, drawn = coded(codec, kbps, kbps)
    assert (drawn["codec"], drawn["kbps"]) == (codec, kbps)
    assert len(made) == len(WAVE)
    assert abs(lag(WAVE, made)) <= 1
    assert not np.array_equal(made, WAVE)
    assert snr_db(WAVE, made) > 5
    low_band = slice(2000, -2000)
    assert np.corrcoef(WAVE[low_band], made[low_band])[0, 1] > 0.9


@pytest.mark.parametrize("codec", ["mp3", "opus", "vorbis", "g722"])
def test_more_bits_come_closer(codec: str) -> None:
    assert snr_db(WAVE, coded(codec, 64, 100)[0]) > snr_db(WAVE, coded(codec, 1, 32)[0]) + 1


@pytest.mark.parametrize("codec", ["gsm", "alaw", "mulaw"])
def test_narrow_band_codecs_lose_the_upper_half(codec: str) -> None:
    made, _ = coded(codec)
    assert band_power_db(made, 4500, 7900) < band_power_db(WAVE, 4500, 7900) - 40
    assert band_power_db(made, 300, 3000) == pytest.approx(band_power_db(WAVE, 300, 3000), abs=2)


def test_logarithmic_codes_have_their_known_noise() -> None:
    """About 38 dB for 8-bit A-law and mu-law speech (ITU-T G.711), band limits aside."""
    narrow = code(WAVE, 8000, "alaw", 8000, 64)
    assert 30 < snr_db(WAVE, narrow) < 42
    assert 30 < snr_db(WAVE, code(WAVE, 8000, "mulaw", 8000, 64)) < 42


@pytest.mark.parametrize("codec", get_args(Codec))
def test_full_scale_does_not_wrap_round(codec: str) -> None:
    """A square wave overshoots full scale once it is resampled; what wraps round is 1 to 2 off between its edges."""
    wave = np.tile(np.repeat(np.float32([1, -1]), 32), 250)
    made = code(wave, 16000, codec, 8000 if codec in ("gsm", "alaw", "mulaw") else 16000, 64)
    half_waves = np.abs(made - wave).reshape(-1, 32)[20:-20]
    assert half_waves[:, 4:-4].max() < 0.3


def test_bit_rates_are_drawn_from_what_the_codec_has() -> None:
    drawn = {int(coded("mp3", 16, 40, number)[1]["kbps"]) for number in range(1, 20)}
    assert drawn == {16, 24, 32, 40}
    assert coded("g722", 8, 13)[1]["kbps"] == 48
    assert coded("opus", 300, 400)[1]["kbps"] == 256


def test_every_codec_is_drawn() -> None:
    made = [view({"kind": "codec"}, wave=QUIET[:2000], utterance=str(number)) for number in range(60)]
    assert {one.steps[0]["codec"] for one in made} == set(get_args(Codec))


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("codec", get_args(Codec))
def test_other_sampling_rates(codec: str, rate: int) -> None:
    from data_prep.augmentation.codec import apply_codec
    from data_prep.augmentation.scene import Scene
    from data_prep.augmentation.steps import CodecStep

    wave = 0.5 * speech(0.5, rate)
    step = CodecStep.model_validate({"kind": "codec", "codecs": [codec], "kbps": [32, 64]})
    made, _ = apply_codec(step, wave, Scene(rate), np.random.default_rng(0))
    assert len(made) == len(wave)
    assert abs(lag(wave, made)) <= 2
