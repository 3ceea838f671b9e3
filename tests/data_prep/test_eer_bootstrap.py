"""Intervals of the equal error rate against explicit resampling."""

import numpy as np
import pytest

from data_prep.eer_bootstrap import Interval, eer_interval, eer_interval_by_group
from data_prep.error_rates import equal_error_rate


def tied_scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.normal(1.5, 1, 60).round(1), rng.normal(0, 1, 140).round(1)


def assert_alike(interval: Interval, explicit: list[float]) -> None:
    """The 90% interval, as far as thousands of resamples tell."""
    assert interval.low == pytest.approx(np.quantile(explicit, 0.05), abs=0.008)
    assert interval.high == pytest.approx(np.quantile(explicit, 0.95), abs=0.008)
    assert interval.standard_deviation == pytest.approx(np.std(explicit), rel=0.05)


def test_interval_is_that_of_explicit_resampling():
    """Drawing and scoring each resample with the plain function, ties included."""
    bonafide, spoof = tied_scores()
    rng = np.random.default_rng(3)
    explicit = [equal_error_rate(rng.choice(bonafide, 60), rng.choice(spoof, 140))[0] for _ in range(4000)]
    assert_alike(eer_interval(bonafide, spoof, num_resamples=4000, confidence=0.9), explicit)


def test_interval_by_group_is_that_of_explicit_resampling():
    bonafide, spoof = tied_scores()
    rng = np.random.default_rng(4)
    speakers, attacks = np.array(["p", "q", "r", "s", "t", "u"]), np.array(["A1", "A2", "A3"])
    bonafide_speaker, spoof_speaker = speakers[np.arange(60) % 6], speakers[np.arange(140) % 6]
    spoof_attack = attacks[np.arange(140) // 6 % 3]
    spoof += (spoof_attack == "A2") * 0.6
    explicit = []
    while len(explicit) < 4000:
        voices, methods = rng.choice(speakers, 6), rng.choice(attacks, 3)
        some_bonafide = np.concatenate([bonafide[bonafide_speaker == voice] for voice in voices])
        chosen = [spoof[(spoof_speaker == voice) & (spoof_attack == one)] for voice in voices for one in methods]
        explicit.append(equal_error_rate(some_bonafide, np.concatenate(chosen))[0])
    found = eer_interval_by_group(
        bonafide, spoof, bonafide_speaker, spoof_speaker, spoof_attack, num_resamples=4000, confidence=0.9
    )
    assert_alike(found, explicit)
    assert found.standard_deviation > 1.15 * eer_interval(bonafide, spoof, 4000).standard_deviation


def test_groups_of_one_utterance_each_are_trials():
    """One attack, and every speaker speaks once: the same spread but for a class size that varies."""
    rng = np.random.default_rng(5)
    bonafide, spoof = rng.normal(2, 1, 400), rng.normal(0, 1, 400)
    names = np.arange(800).astype(str)
    found = eer_interval_by_group(bonafide, spoof, names[:400], names[400:], ["A1"] * 400, 1000)
    assert found.standard_deviation == pytest.approx(eer_interval(bonafide, spoof, 1000).standard_deviation, rel=0.12)


def test_interval_depends_on_its_seed_alone():
    rng = np.random.default_rng(3)
    bonafide, spoof = rng.normal(1, 1, 80), rng.normal(0, 1, 80)
    assert eer_interval(bonafide, spoof, seed=5) == eer_interval(bonafide, spoof, seed=5)
    assert eer_interval(bonafide, spoof, seed=5) != eer_interval(bonafide, spoof, seed=6)


def test_interval_of_perfect_separation_is_zero():
    assert eer_interval([3.0, 4.0], [1.0, 2.0], 20) == (0.0, 0.0, 0.0)
    assert eer_interval([3.0], [1.0], 20) == (0.0, 0.0, 0.0)
