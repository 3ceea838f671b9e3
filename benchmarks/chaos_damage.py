"""What a disturbed sweep of `chaos.py` came to: counted in ledger (or Ray Tune's results) and MLflow."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_sweeps import NUM_TRIALS, SAMPLES_PER_PASS, curve, study_of


@dataclass(frozen=True)
class Sweep:
    """A sweep that is disturbed once, or not at all."""

    number: int
    stack: str
    fault: str
    after_reports: int
    """When the fault strikes."""
    at_once: int = 2
    """Trials that are trained side by side."""


@dataclass(frozen=True)
class Damage:
    """What it came to."""

    sweep: Sweep
    recovery_s: float
    is_done: bool
    lost_trials: int
    extra_runs: int
    open_runs: int
    missing_metrics: int
    doubled_metrics: int
    wrong_reports: int
    trained_twice: int
    course: list[Any] = field(default_factory=list)
    """Of each trial that ended: its parameter, the number of its reports, its state."""

    @classmethod
    def of_line(cls, line: str) -> "Damage":
        """From JSON."""
        known = json.loads(line)
        return cls(**{**known, "sweep": Sweep(**known["sweep"])})

    def num_unlike(self, undisturbed: "Damage") -> int:
        """Trials that ended otherwise than in a sweep that nothing disturbed: at another rung, or in another state."""
        mine, wanted = (Counter(map(tuple, damage.course)) for damage in (self, undisturbed))
        return max((mine - wanted).total(), (wanted - mine).total())


def of_ours(folder: Path, places: dict[str, Any]) -> dict[str, Any]:
    """Damage by the ledger and MLflow."""
    from search.ledger.study_reader import read_trials

    study = study_of(folder, places)
    trials = read_trials(study.storage_url, study.name)[0]
    ended = [trial for trial in trials if trial.state in ("COMPLETE", "PRUNED")]
    wrong = sum(
        value != curve(trial.params["optimizer.learning_rate"], samples // SAMPLES_PER_PASS)
        for trial in trials
        for samples, value in trial.reports.items()
    )
    wanted = {str(trial.number): set(trial.reports) for trial in trials}
    course = [(trial.params["optimizer.learning_rate"], len(trial.reports), trial.state) for trial in ended]
    return {"lost_trials": NUM_TRIALS - len(ended), "wrong_reports": wrong, "course": course} | of_mlflow(
        places["tracking_uri"], "spoofsweep", "spoofsweep.trial_number", wanted
    )


def of_stock(folder: Path, places: dict[str, Any]) -> dict[str, Any]:
    """Damage by Ray Tune's own results and MLflow."""
    from ray import tune

    wanted, course, wrong = {}, [], 0
    if tune.Tuner.can_restore(str(folder / "stock")):
        for result in tune.ExperimentAnalysis(str(folder / "stock")).trials:
            frame = result.metric_analysis.get("dev_eer", {})
            last = result.last_result
            numbers = range(1, last.get("training_iteration", 0) + 1)
            if last and result.status == "TERMINATED":
                course.append((last["config"]["learning_rate"], len(numbers), result.status))
            wanted[result.trial_id] = set(numbers)
            wrong += bool(last) and frame.get("last") != curve(last["config"]["learning_rate"], max(numbers, default=1))
    return {"lost_trials": NUM_TRIALS - len(course), "wrong_reports": wrong, "course": course} | of_mlflow(
        places["tracking_uri"], "stock", "trial_name", wanted
    )


def of_mlflow(uri: str, experiment: str, tag: str, wanted: dict[str, set[int]]) -> dict[str, int]:
    """Runs and reports that are too many or too few."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000) if found else []
    extra = open_runs = missing = doubled = 0
    runs_of: dict[str, list[Any]] = {}
    for run in runs:
        name = run.data.tags.get(tag)
        if name is not None:
            runs_of.setdefault(name, []).append(run)
    for named in runs_of.values():
        extra += len(named) - 1
        open_runs += sum(run.info.status in ("RUNNING", "SCHEDULED") for run in named)
    for number, steps in wanted.items():
        # Ray Tune names its runs by the trainable and the trial's identifier.
        named = runs_of.get(number) or next(
            (found for name, found in runs_of.items() if name.endswith("_" + number)), []
        )
        history = [metric.step for run in named for metric in client.get_metric_history(run.info.run_id, "dev_eer")]
        missing += len(steps - set(history))
        doubled += len(history) - len(set(history))
    return {
        "extra_runs": extra,
        "open_runs": open_runs,
        "missing_metrics": missing,
        "doubled_metrics": doubled,
    }
