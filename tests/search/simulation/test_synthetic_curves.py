"""Made-up landscapes: what they promise is what they give."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from virtual_studies import virtual_study

from data_prep.eer_bootstrap import eer_interval
from data_prep.error_rates import eer_standard_error
from search.ledger.ledger import Ledger
from search.sampling.coordinates import Coordinates
from search.sampling.sampler import make_sampler
from search.simulation.synthetic_curves import FAMILIES, SyntheticCurves
from search.storage.storage import MEMORY
from search.study.config import SearchConfig
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord

CONFIG, HORIZON = virtual_study()
SPACE = SearchSpace(CONFIG.space)


@pytest.fixture(scope="module")
def drawn() -> list[TrialRecord]:
    """Two hundred random trials."""
    sampler = make_sampler(SearchConfig(sampler="random"), 5, SPACE)
    ledger = Ledger(MEMORY, "drawn", SPACE, CONFIG.trial, sampler)
    return [ledger.ask() for _ in range(200)]


def rank_correlation(family: str, trials: list[TrialRecord], seed: int) -> float:
    """Of the EER at the first report with the final one, diverged trainings left out."""
    curves = SyntheticCurves(SPACE, HORIZON, FAMILIES[family], seed)
    courses = [curve for trial in trials if not (curve := curves.curve(trial)).diverged]
    return float(spearmanr([c.expected_eer[0] for c in courses], [c.expected_eer[-1] for c in courses]).statistic)


def test_early_reports_rank_as_the_family_says(drawn: list[TrialRecord]) -> None:
    for seed in range(5):
        assert rank_correlation("benign", drawn, seed) > 0.6
        assert rank_correlation("deceptive", drawn, seed) < -0.5
    assert np.mean([rank_correlation("regularised", drawn, seed) for seed in range(5)]) < 0.3


def test_a_course_falls_from_chance_to_its_end_and_is_a_function_of_trial_and_seed(drawn: list[TrialRecord]) -> None:
    for family in FAMILIES.values():
        curves = SyntheticCurves(SPACE, HORIZON, family, 1, num_dev=(100, 300))
        for trial in drawn[:20]:
            curve = curves.curve(trial)
            again = SyntheticCurves(SPACE, HORIZON, family, 1, num_dev=(100, 300)).curve(trial)
            assert np.array_equal(curve.dev_eer, again.dev_eer)
            if not curve.diverged:
                assert (np.diff(curve.expected_eer) < 0).all()
                assert 0 < curve.expected_eer[-1] < curve.expected_eer[0] < 0.5
                assert curve.samples_seen.tolist() == list(range(100, 901, 100))
    other = SyntheticCurves(SPACE, HORIZON, FAMILIES["benign"], 2).curve(drawn[0])
    assert (
        other.expected_eer[-1]
        != SyntheticCurves(SPACE, HORIZON, FAMILIES["benign"], 1).curve(drawn[0]).expected_eer[-1]
    )


def test_high_learning_rates_diverge(drawn: list[TrialRecord]) -> None:
    curves = SyntheticCurves(SPACE, HORIZON, FAMILIES["benign"], 1)
    diverged = [trial for trial in drawn if curves.curve(trial).diverged]
    assert diverged
    assert all(trial.params["optimizer.learning_rate"] > 10**-2.2 for trial in diverged)
    curve = curves.curve(diverged[0])
    assert curve.dev_eer[-1] == curve.expected_eer[-1] == 1.0
    assert len(curve.dev_eer) <= 5


def test_measurements_err_as_an_eer_on_so_many_utterances_does(drawn: list[TrialRecord]) -> None:
    curves = SyntheticCurves(SPACE, HORIZON, FAMILIES["benign"], 1, num_dev=(100, 300))
    off = []
    for trial in drawn:
        curve = curves.curve(trial)
        if not curve.diverged:
            off += ((curve.dev_eer - curve.expected_eer) / eer_standard_error(curve.expected_eer, 100, 300)).tolist()
    assert abs(np.mean(off)) < 0.1
    assert 0.9 < np.std(off) < 1.1


@pytest.mark.parametrize(
    ("num_bonafide", "num_spoof", "distance"), [(2548, 22296, 4.8), (250, 2250, 4.0), (400, 400, 2.6)]
)
def test_the_standard_error_is_about_that_of_the_bootstrap(num_bonafide: int, num_spoof: int, distance: float) -> None:
    rng = np.random.default_rng(1)
    bonafide, spoof = rng.normal(distance, 1, num_bonafide), rng.normal(0, 1, num_spoof)
    interval = eer_interval(bonafide, spoof, seed=2)
    eer = float((interval.low + interval.high) / 2)
    assert eer_standard_error(eer, num_bonafide, num_spoof) == pytest.approx(interval.standard_deviation, rel=0.35)


def test_coordinates_are_measured_on_the_scale_that_is_sampled() -> None:
    coordinates = Coordinates(SPACE)
    point = coordinates.of({"optimizer.learning_rate": 1e-3, "model.gru_size": 48, "model.channels": "[16, 32, 48]"})
    assert coordinates.paths == ["model.channels", "model.dropout", "model.gru_size", "optimizer.learning_rate"]
    assert point == pytest.approx([0.5, np.nan, 0.25, 0.5], nan_ok=True)
    assert coordinates.num_choices.tolist() == [3, 0, 0, 0]
