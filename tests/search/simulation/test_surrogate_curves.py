"""Curves predicted from recorded ones."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from virtual_studies import virtual_study

from cluster.errors import SpoofsweepError
from search.simulation.surrogate_curves import SurrogateCurves
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord

CONFIG, _ = virtual_study()
SPACE = SearchSpace(CONFIG.space)
CHANNELS = SPACE.distribution("model.channels").choices


def trial(seed: int, dropout: float, **attributes: Any) -> TrialRecord:
    params = {
        "optimizer.learning_rate": 1e-3,
        "model.dropout": dropout,
        "model.gru_size": 64,
        "model.channels": CHANNELS[0],
    }
    return TrialRecord(0, "RUNNING", params, {}, None, {"seed": seed, **attributes})


def recording(number: int = 60, noise: float = 0.02) -> pd.DataFrame:
    """The EER falls with the reports, and rises with the distance of dropout from 0.3; wider models are slower."""
    rng, rows = np.random.default_rng(1), []
    for config in range(number):
        channels, dropout = int(rng.integers(3)), float(rng.uniform(0.0, 0.5))
        luck = noise * rng.standard_normal()
        for passes in range(1, 10):
            rows.append(
                {
                    "config": config,
                    "params": json.dumps(trial(0, dropout).params | {"model.channels": CHANNELS[channels]}),
                    "seed": config,
                    "samples_seen": 100 * passes,
                    "passes": float(passes),
                    "dev_eer": 0.1 + abs(dropout - 0.3) + 0.2 / passes + luck,
                    "seconds": passes * (2.0 + channels),
                    "diverged": False,
                }
            )
    return pd.DataFrame(rows)


def test_what_was_recorded_is_foretold() -> None:
    curves = SurrogateCurves(recording(), SPACE)
    assert curves.explained > 0.8
    good, bad = curves.curve(trial(1, 0.3)), curves.curve(trial(1, 0.02))
    assert good.samples_seen.tolist() == list(range(100, 1000, 100))
    assert good.expected_eer[-1] == pytest.approx(0.122, abs=0.03)
    assert bad.expected_eer[-1] == pytest.approx(0.402, abs=0.05)
    assert (np.diff(good.expected_eer) < 0).all()
    assert good.seconds == pytest.approx(2.0 * np.arange(1, 10), rel=0.1)


def test_luck_is_that_of_a_recording_picked_by_the_seed() -> None:
    curves = SurrogateCurves(recording(noise=0.03), SPACE)
    drawn = [curves.curve(trial(seed, 0.3)) for seed in range(60)]
    assert len({curve.expected_eer[-1] for curve in drawn}) == 1
    assert curves.curve(trial(7, 0.3)).dev_eer.tolist() == drawn[7].dev_eer.tolist()
    measured = np.array([curve.dev_eer[-1] for curve in drawn])
    assert 0.015 < measured.std() < 0.06
    assert measured.mean() == pytest.approx(drawn[0].expected_eer[-1], abs=0.015)


@pytest.mark.parametrize("flaw", ["few", "short", "diverged"])
def test_recordings_that_do_not_do_are_refused(flaw: str) -> None:
    reports = recording(12 if flaw == "few" else 25)
    if flaw == "short":
        reports = reports.drop(index=reports.index[-1])
    if flaw == "diverged":
        reports.loc[8, "diverged"] = True
    with pytest.raises(SpoofsweepError, match="a surrogate needs 20 recordings that came to their end"):
        SurrogateCurves(reports, SPACE)


def test_heirs_are_refused() -> None:
    ancestor = {"trial": CONFIG.trial.model_dump(mode="json"), "seed": 1, "until": 100}
    with pytest.raises(SpoofsweepError, match="one configuration"):
        SurrogateCurves(recording(25), SPACE).curve(trial(1, 0.3, lineage=[ancestor]))
