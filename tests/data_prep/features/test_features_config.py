from typing import Any

import pytest
import torch
from miniature import speech
from pydantic import ValidationError

from data_prep.config import FeaturesConfig
from data_prep.features import FrontEnd


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fft_size": 256}, "fft_size 256 is below the window's 320"),
        ({"num_coefficients": 21}, "num_coefficients 21 exceeds num_filters 20"),
        ({"kind": "cqcc", "high_hz": 125, "num_coefficients": 13}, "exceeds bins between low_hz and high_hz 12"),
        ({"high_hz": 8001}, "above half the sampling rate"),
        ({"sample_rate": 8000, "kind": "cqt", "high_hz": 4001}, "above half the sampling rate"),
        ({"low_hz": 4000, "high_hz": 4000}, "low_hz 4000.0 is not below high_hz"),
        ({"kind": "cqt", "low_hz": 0}, "low_hz must be above 0"),
        ({"kind": "logspec", "low_hz": 10, "high_hz": 20}, "no bin lies between"),
        ({"hop_ms": 0.01}, "must last a sample at least"),
        ({"kind": "logmel", "num_coefficients": 13}, "num_coefficients is for lfcc, mfcc, cqcc; leave it out"),
        ({"kind": "logspec", "num_filters": 40}, "num_filters is for"),
        ({"kind": "cqt", "window_ms": 25}, "window_ms is for"),
        ({"kind": "cqcc", "fft_size": 1024}, "fft_size is for"),
        ({"kind": "cqcc", "energy": True}, "energy is for lfcc, mfcc"),
        ({"bins_per_octave": 12}, "bins_per_octave is for cqt, cqcc"),
        ({"gamma_hz": 0}, "gamma_hz is for cqt, cqcc"),
    ],
)
def test_inconsistent_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeaturesConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("kind", "deltas", "num_bins"),
    [
        ("lfcc", 2, 60),
        ("mfcc", 2, 60),
        ("lfb", 0, 20),
        ("logmel", 0, 20),
        ("logspec", 0, 257),
        ("cqt", 0, 168),
        ("cqcc", 2, 60),
    ],
)
def test_defaults_of_each_kind(kind: Any, deltas: int, num_bins: int) -> None:
    config = FeaturesConfig(kind=kind)
    assert (config.deltas, config.num_bins) == (deltas, num_bins)
    assert FrontEnd(config)(torch.from_numpy(speech(0.5))[None]).shape[2] == num_bins
    assert FeaturesConfig.model_validate(config.model_dump()) == config


def test_a_kind_that_is_no_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        FeaturesConfig.model_validate({"kind": ["lfcc"]})


def test_a_default_that_is_spelt_out_changes_nothing() -> None:
    assert FeaturesConfig(deltas=2, num_filters=20) == FeaturesConfig()
    assert FeaturesConfig(kind="cqcc", low_hz=62.5, delta_reach=3) == FeaturesConfig(kind="cqcc")


def test_windows_of_the_constant_q_kinds_follow_the_lowest_bin() -> None:
    """16000 / (alpha (62.5 + 24.7 / 0.108)) samples; alpha is 0.0577 and 0.0289."""
    assert FeaturesConfig(kind="cqcc").window_samples == 953
    assert FeaturesConfig(kind="cqt").window_samples == 1903
    assert FeaturesConfig(kind="cqt", gamma_hz=0).window_samples == 8867
