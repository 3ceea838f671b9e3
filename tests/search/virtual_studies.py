"""A study for virtual time, and curves in closed form."""

from typing import Any

import numpy as np

from search.pruning.horizon import Horizon, horizon_of
from search.simulation.curves import Curve
from search.study.config import StudyConfig
from search.trials.trial_record import TrialRecord

SAMPLES_PER_PASS = 100
SPACE = {
    "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model.dropout": {"low": 0.0, "high": 0.5},
    "model.gru_size": {"low": 32, "high": 96, "step": 16},
    "model.channels": {"choices": [[16, 32], [16, 32, 48], [32, 48, 64]]},
}


def virtual_study(**search: Any) -> tuple[StudyConfig, Horizon]:
    """Nine passes; rungs at one and three, which need not earn trust unless told; TPE, the quickest that learns."""
    config = StudyConfig.model_validate(
        {
            "study": {"name": "virtual"},
            "corpus": {"layout": "manifest", "root": "nowhere"},
            "trial": {"budget_passes": 9},
            "space": SPACE,
            "search": {"num_trials": 30, "sampler": "tpe", "startup_trials": 4, "rung_trust": False, **search},
        }
    )
    return config, horizon_of(config, SAMPLES_PER_PASS)


class DropoutCurves:
    """A pass takes ten seconds; the EER is the dropout, and falls by the pass."""

    def curve(self, trial: TrialRecord) -> Curve:
        passes = np.arange(1, 10)
        eer = trial.params["model.dropout"] + 0.4 / passes
        return Curve(passes * SAMPLES_PER_PASS, eer, eer, passes * 10.0)
