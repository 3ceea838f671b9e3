"""The two drivers that `chaos.py` disturbs: spoofsweep, and stock Ray Tune with OptunaSearch, ASHA and MLflow.

    python benchmarks/chaos_sweeps.py ours|stock FOLDER '{"at_once": 2, "tracking_uri": ..., "storage": ...}'

Toy trials: a curve in closed form, a quarter of a second a report, and a checkpoint at every report. What is trained is
written down in FOLDER/trained.txt, a line a report: the trial's parameter, the report's number, the process.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas
from ray import tune

from search.study.config import StudyConfig
from search.study.study import Study

NUM_TRIALS = 12
NUM_REPORTS = 9
SAMPLES_PER_PASS = 100
STEP_S = 0.25
TRAINED = "trained.txt"


def curve(learning_rate: float, num_reports: int) -> float:
    """A made-up validation EER."""
    return 0.05 + 40 * abs(learning_rate - 0.003) + 0.4 * num_reports**-0.7


class ChaosTrial(tune.Trainable):
    """As spoofsweep's own trials: checkpoints beside those of earlier attempts, the last known report made again."""

    def setup(self, config: dict[str, Any]) -> None:
        self._rate = config["trial"]["optimizer"]["learning_rate"]
        self._trained = Path(config["shards"]) / TRAINED
        self._checkpoint = Path(config["checkpoint"])
        numbers = [int(path.read_text()) for path in self._checkpoint.parent.glob("*/number")]
        reported = config["reported"] // SAMPLES_PER_PASS
        self._number = max(numbers, default=0)
        self._again = list(range(max(1, reported), self._number + 1)) if numbers else []

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        if self._again:
            number = self._again.pop(0)
        else:
            self._number += 1
            number = self._number
            train(self._trained, self._rate, number)
            self._checkpoint.mkdir(parents=True, exist_ok=True)
            (self._checkpoint / "number").write_text(str(number))
        course = {"samples_seen": number * SAMPLES_PER_PASS, "passes": float(number), "done": number == NUM_REPORTS}
        return {"dev_eer": curve(self._rate, number), **course}


class StockTrial(tune.Trainable):
    """The same, with Ray Tune's own checkpoints."""

    def setup(self, config: dict[str, Any]) -> None:
        self._rate, self._trained, self._number = config["learning_rate"], Path(config["trained"]), 0

    def step(self) -> dict[str, Any]:
        self._number += 1
        train(self._trained, self._rate, self._number)
        return {"dev_eer": curve(self._rate, self._number), "done": self._number == NUM_REPORTS}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "number").write_text(str(self._number))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        self._number = int(Path(checkpoint, "number").read_text())


def train(trained: Path, rate: float, number: int) -> None:
    """What stands for a pass over the training split."""
    time.sleep(STEP_S)
    with trained.open("a") as file:
        file.write(f"{rate!r} {number} {os.getpid()}\n")


class ToyData:
    """What a sweep needs of a shard set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shard_set_id = folder, "0123456789abcdef"
        self.index = pandas.DataFrame({"split": ["train"] * SAMPLES_PER_PASS + ["dev"] * 50, "view": 0})


def study_of(folder: Path, places: dict[str, Any]) -> Study:
    """Rungs at one and three passes of nine."""
    values = {
        "study": {"name": "chaos", "output": str(folder), "seed": 7, "storage": places.get("storage")},
        "corpus": {"layout": "manifest", "root": str(folder)},
        "trial": {"budget_passes": NUM_REPORTS},
        "space": {"optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
        "search": {"num_trials": NUM_TRIALS, "sampler": "qmc", "rung_trust": False, "first_rung_passes": 1},
        "cluster": {"num_cpus": 2, "address": places.get("address"), "max_concurrent_trials": places["at_once"]},
        "mlflow": {"tracking_uri": places.get("tracking_uri")},
    }
    return Study(folder / "chaos.toml", StudyConfig.model_validate(values))


def run_ours(folder: Path, places: dict[str, Any]) -> None:
    """A sweep, begun or gone on with: the same call."""
    from search.sweep.sweep import run_sweep

    result = run_sweep(study_of(folder, places), ToyData(folder), trainable=ChaosTrial)
    if result.stop_reason is not None:
        raise SystemExit(result.stop_reason)


def run_stock(folder: Path, places: dict[str, Any]) -> None:
    """The stack as its documentation puts it together; restored where there is something to restore."""
    import ray
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    ray.init(address=places.get("address"), num_cpus=None if places.get("address") else 2)
    trainable = tune.with_resources(StockTrial, {"cpu": 1})
    path = folder / "stock"
    space = {"learning_rate": tune.loguniform(1e-4, 1e-2), "trained": str(folder / TRAINED)}
    if tune.Tuner.can_restore(str(path)):
        tuner = tune.Tuner.restore(str(path), trainable, resume_errored=True, resume_unfinished=True, param_space=space)
    else:
        callback = MLflowLoggerCallback(tracking_uri=places["tracking_uri"], experiment_name="stock")
        tuner = tune.Tuner(
            trainable,
            param_space=space,
            tune_config=tune.TuneConfig(
                metric="dev_eer",
                mode="min",
                num_samples=NUM_TRIALS,
                max_concurrent_trials=places["at_once"],
                search_alg=OptunaSearch(seed=7),
                scheduler=ASHAScheduler(max_t=NUM_REPORTS, grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(
                name="stock",
                storage_path=str(folder),
                callbacks=[callback],
                failure_config=tune.FailureConfig(max_failures=3),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
            ),
        )
    tuner.fit()


if __name__ == "__main__":
    {"ours": run_ours, "stock": run_stock}[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[3]))
