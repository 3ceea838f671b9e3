"""Per-utterance mean and variance normalisation against numpy."""

from typing import ClassVar

import numpy as np
from feature_contract import FeatureContract, extract
from miniature import speech

from data_prep.config import FeaturesConfig


class TestUtteranceCmvn(FeatureContract):
    CONFIGS: ClassVar = {"lfcc": {"cmvn": "utterance"}, "cqt": {"kind": "cqt", "cmvn": "utterance"}}

    def test_frames_do_not_see_the_rest_of_the_wave(self, config: FeaturesConfig) -> None:
        """They do, by the statistics and by nothing else: both parts differ by one shift and one scale a bin."""
        wave = speech(3.0)
        half = extract(config, wave[:24000]).astype(np.float64)
        whole = extract(config, wave)[: len(half)].astype(np.float64)
        rest = config.deltas * config.delta_reach
        for a, b in zip(half[: -rest or None].T, whole[: -rest or None].T, strict=True):
            assert np.corrcoef(a, b)[0, 1] > 0.9999
        assert np.abs(half - whole).max() > 0.01


def test_agrees_with_numpy() -> None:
    plain = extract(FeaturesConfig(), speech()).astype(np.float64)
    expected = (plain - plain.mean(axis=0)) / plain.std(axis=0)
    np.testing.assert_allclose(extract(FeaturesConfig(cmvn="utterance"), speech()), expected, atol=1e-3)


def test_silence_becomes_zero_rather_than_magnified_rounding() -> None:
    features = extract(FeaturesConfig(cmvn="utterance"), np.zeros(16000, dtype=np.float32))
    assert np.abs(features).max() < 0.05


def test_level_does_not_matter() -> None:
    config = FeaturesConfig(kind="logmel", num_filters=40, cmvn="utterance")
    np.testing.assert_allclose(extract(config, speech()), extract(config, speech() / 4), atol=0.02)


def test_global_normalisation_is_left_to_the_model() -> None:
    assert np.array_equal(extract(FeaturesConfig(cmvn="global"), speech()), extract(FeaturesConfig(), speech()))
