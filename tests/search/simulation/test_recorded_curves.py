"""Curves from a Parquet file."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from virtual_studies import virtual_study

from cluster.errors import SpoofsweepError
from search.simulation.recorded_curves import RecordedCurves, read_curves, recorded_passes
from search.simulation.virtual_sweep import virtual_sweep
from search.study.space import SearchSpace
from search.trials.trial_record import TrialRecord

CONFIG, HORIZON = virtual_study()
SPACE = SearchSpace(CONFIG.space)
CHANNELS = SPACE.distribution("model.channels").choices


def trial(seed: int = 0, **params: Any) -> TrialRecord:
    return TrialRecord(0, "RUNNING", params, {}, None, {"seed": seed})


def point(dropout: float, channels: int = 0) -> dict[str, Any]:
    return {
        "optimizer.learning_rate": 1e-3,
        "model.dropout": dropout,
        "model.gru_size": 64,
        "model.channels": CHANNELS[channels],
    }


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three configurations, the last with two seeds, rows out of order; the EER of a report tells which it is."""
    rows = [
        {
            "config": config,
            "params": json.dumps(params),
            "seed": seed,
            "samples_seen": 100 * passes,
            "passes": float(passes),
            "dev_eer": config / 10 + seed / 100 + 0.001 * (10 - passes),
            "seconds": 2.5 * passes,
            "diverged": False,
        }
        for config, seed, params in [
            (0, 0, point(0.1)),
            (1, 0, point(0.4)),
            (2, 0, point(0.4, 2)),
            (2, 1, point(0.4, 2)),
        ]
        for passes in range(9, 0, -1)
    ]
    path = tmp_path / "curves.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_the_nearest_recorded_configuration_answers(recording: Path) -> None:
    curves = RecordedCurves(read_curves(recording), SPACE)
    assert curves.curve(trial(**point(0.15))).dev_eer[-1] == pytest.approx(0.001)
    assert curves.curve(trial(**point(0.35))).dev_eer[-1] == pytest.approx(0.101)
    assert curves.curve(trial(**point(0.1, 2))).dev_eer[-1] == pytest.approx(0.201)  # a choice weighs more than a step
    curve = curves.curve(trial(**point(0.5)))
    assert curve.samples_seen.tolist() == list(range(100, 901, 100))
    assert curve.seconds[-1] == 22.5


def test_recordings_of_several_seeds_take_turns_by_the_trial_s_seed(recording: Path) -> None:
    curves = RecordedCurves(read_curves(recording), SPACE)
    finals = [float(curves.curve(trial(seed, **point(0.4, 2))).dev_eer[-1]) for seed in range(4)]
    assert finals == pytest.approx([0.201, 0.211, 0.201, 0.211])


def test_a_sweep_over_recorded_curves_finds_the_best(recording: Path) -> None:
    reports = read_curves(recording)
    assert recorded_passes(reports) == 100
    trials = list(virtual_sweep(CONFIG, HORIZON, RecordedCurves(reports, SPACE), num_workers=2, seed=1))
    assert min(t.dev_eer for t in trials if t.completed) == pytest.approx(0.001)


def test_nothing_was_recorded_about_trials_that_took_over(recording: Path) -> None:
    heir = trial(**point(0.15))
    heir.attributes["lineage"] = [{"trial": {}, "seed": 1, "until": 100}]
    with pytest.raises(SpoofsweepError, match="one configuration"):
        RecordedCurves(read_curves(recording), SPACE).curve(heir)


def test_another_parquet_file_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"config": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(SpoofsweepError, match="lacks"):
        read_curves(tmp_path / "other.parquet")
