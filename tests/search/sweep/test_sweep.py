"""Whole sweeps of toy trials through Ray Tune, the ledger and MLflow."""

import gc
import io
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

import mlflow
import optuna
import pytest
from ray.tune.experiment import Trial
from rich.console import Console
from toys import ToyData, toy_study, toy_trial

from cluster.errors import SpoofsweepError
from search.ledger.warm_start import START
from search.pruning.asha import Asha
from search.study.study import Study
from search.sweep.conductor import INTERRUPTED
from search.sweep.driver_lock import driver_lock
from search.sweep.gpu_sharing import Packing
from search.sweep.sweep import SweepResult, open_ledger, run_sweep
from search.sweep.tune_memory import forget_ended
from search.trials.trial_record import TrialRecord

pytestmark = pytest.mark.usefixtures("ray_session")


def trials_of(study: Study) -> list[TrialRecord]:
    ledger = open_ledger(study, ToyData(study.output).shard_set_id)
    try:
        return ledger.trials()
    finally:
        ledger.close()


def runs_of(study: Study, kind: str = "trial") -> dict[str, mlflow.entities.Run]:
    client = mlflow.MlflowClient(study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep")
    assert experiment is not None
    query = f"tags.`spoofsweep.kind` = '{kind}' and tags.`spoofsweep.study` = '{study.name}'"
    runs = client.search_runs([experiment.experiment_id], query, max_results=1000)
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One output folder for all studies: making an MLflow database takes seconds."""
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def eventful(output: Path, ray_session: None) -> tuple[Study, SweepResult]:
    """Twelve trials of which some crash, for good or once, report NaN, or diverge."""
    study = toy_study(output, "eventful", 12)
    trainable = toy_trial(crashing=(0,), nan=(1,), diverging=(2,), crashing_once=(3, 4, 5, 6, 7))
    packing = Packing(8, 3 * 10**9, "NVIDIA H200", 140 * 10**9, "CPU cores")
    return study, run_sweep(study, ToyData(study.output), trainable=trainable, packing=packing)


def test_every_state_is_told_as_it_was(eventful: tuple[Study, SweepResult]) -> None:
    study, result = eventful
    trials = trials_of(study)
    crashed, sick, diverged = trials[:3]
    assert (crashed.state, crashed.attributes["attempt"]) == ("FAIL", 2)
    retried = [trial for trial in trials[3:8] if trial.attributes.get("failures")]
    assert retried
    for trial in retried:
        assert trial.state in ("COMPLETE", "PRUNED")
        assert (trial.attributes["attempt"], trial.attributes["failures"]) == (2, 1)
        assert trial.attributes["postponed"] == f"RuntimeError: trial {trial.number} crashed"
    assert crashed.attributes["reason"] == "RuntimeError: trial 0 crashed"
    assert sick.state == "PRUNED"
    assert sick.attributes["reason"] == "dev_eer is nan"
    assert (diverged.state, diverged.value, diverged.attributes["diverged"]) == ("COMPLETE", 1.0, True)
    assert diverged.reports == {100: 1.0}
    states = [trial.state for trial in trials]
    assert result.summary.num_by_state == {state: states.count(state) for state in set(states)}
    assert len(trials) == 12
    assert result.stop_reason is None


def test_the_report_that_stops_a_trial_reaches_optuna(eventful: tuple[Study, SweepResult]) -> None:
    pruned = [trial for trial in trials_of(eventful[0]) if trial.state == "PRUNED" and "reason" not in trial.attributes]
    assert pruned
    for trial in pruned:
        assert max(trial.reports) == trial.attributes["prune_rung"]
        assert trial.reports[max(trial.reports)] == trial.attributes["metrics"]["dev_eer"]


def test_complete_trials_ran_to_the_end_and_the_best_is_one(eventful: tuple[Study, SweepResult]) -> None:
    study, result = eventful
    complete = [trial for trial in trials_of(study) if trial.state == "COMPLETE" and "diverged" not in trial.attributes]
    assert all(trial.reports.keys() == set(range(100, 1000, 100)) for trial in complete)
    assert result.summary.best is not None
    assert result.summary.best.value == min(trial.value for trial in complete if trial.value is not None)
    trained = sum(t.samples_seen for t in trials_of(study) if t.state in ("COMPLETE", "PRUNED"))
    assert result.summary.compute_saved == pytest.approx(1 - trained / (11 * 900))


def test_mlflow_holds_what_the_ledger_holds(eventful: tuple[Study, SweepResult]) -> None:
    study, result = eventful
    assert result.is_tracked
    client = mlflow.MlflowClient(study.tracking_uri)
    (parent,) = runs_of(study, "study").values()
    assert parent.info.run_name == "eventful"
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["spoofsweep.packing"].endswith("8 trials a GPU (limited by CPU cores)")
    assert parent.data.tags["spoofsweep.gpu_share"] == "0"
    runs = runs_of(study)
    assert len(runs) == 12
    for trial in trials_of(study):
        run = runs[f"trial-{trial.number:05d}"]
        assert run.info.run_id == trial.attributes["mlflow_run_id"]
        assert run.info.status == ("FAILED" if trial.state == "FAIL" else "FINISHED")
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["spoofsweep.state"] == trial.state
        assert run.data.tags.get("spoofsweep.prune_rung") == (
            str(trial.attributes["prune_rung"]) if trial.attributes.get("prune_rung") else None
        )
        assert run.data.tags["spoofsweep.signature"] == trial.attributes["signature"]
        assert run.data.params == {name: str(value) for name, value in trial.params.items()}
        history = client.get_metric_history(run.info.run_id, "dev_eer")
        assert str(sorted((metric.step, metric.value) for metric in history)) == str(sorted(trial.reports.items()))
        (dataset,) = run.inputs.dataset_inputs
        assert dataset.dataset.name == dataset.dataset.digest == "0123456789abcdef"


def test_only_the_best_models_stay_and_are_uploaded(eventful: tuple[Study, SweepResult]) -> None:
    study, _ = eventful
    complete = sorted((t for t in trials_of(study) if t.value is not None), key=lambda t: (t.value, t.number))
    best = [f"{trial.number:05d}" for trial in complete[:3]]
    assert sorted(folder.name for folder in (study.folder / "trials").iterdir()) == sorted(best)
    client = mlflow.MlflowClient(study.tracking_uri)
    for name, run in runs_of(study).items():
        uploaded = [file.path for file in client.list_artifacts(run.info.run_id, "model_folder")]
        assert uploaded == (["model_folder/model.json"] if name.removeprefix("trial-") in best else [])


def test_a_sweep_leaves_no_litter(eventful: tuple[Study, SweepResult]) -> None:
    study, _ = eventful
    assert {path.name.split("-")[0] for path in study.folder.iterdir()} == {
        "driver.lock",
        "optuna.db",
        "sweep.log",
        "trials",
        "checkpoints",
    }
    assert not list((study.folder / "checkpoints").iterdir())
    assert "trial 0 crashed" in (study.folder / "sweep.log").read_text()


@pytest.mark.slow
def test_extending_a_study_runs_only_the_new_trials(output: Path) -> None:
    """Four trials and then six are the same as six at once. Slow: four sweeps, and each starts its own actors."""
    first, more = toy_study(output, "extended", 4), toy_study(output, "extended", 6)
    run_sweep(first, ToyData(output), trainable=toy_trial())
    before = trials_of(first)
    run_sweep(more, ToyData(output), trainable=toy_trial())
    after = trials_of(more)
    assert len(after) == 6
    assert after[:4] == before
    at_once = toy_study(output, "at-once", 6)
    run_sweep(at_once, ToyData(output), trainable=toy_trial())
    outcomes = [[(t.state, t.params, t.seed, t.reports) for t in trials] for trials in (after, trials_of(at_once))]
    assert outcomes[0] == outcomes[1]
    assert len(runs_of(more)) == 6
    assert len(runs_of(more, "study")) == 1
    run_sweep(more, ToyData(output), trainable=toy_trial())
    assert trials_of(more) == after


def test_the_first_trial_is_the_study_s_own_configuration(output: Path) -> None:
    study = toy_study(output, "first", 1)
    run_sweep(study, ToyData(output), trainable=toy_trial())
    (trial,) = trials_of(study)
    assert trial.config == study.config.trial


def test_too_many_failures_stop_the_sweep(output: Path) -> None:
    study = toy_study(output, "failing", 10, search={"num_trials": 10, "max_failures": 1})
    result = run_sweep(study, ToyData(output), trainable=toy_trial(crashing=tuple(range(10))))
    assert result.summary.num_by_state == {"FAIL": 2}
    assert "search.max_failures is 1" in str(result.stop_reason)
    (parent,) = runs_of(study, "study").values()
    assert parent.info.status == "KILLED"


def test_ray_tune_keeps_hardly_any_trial_that_has_ended(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, alive = [], WeakSet[Trial]()

    def forget_and_count(controller: Any) -> None:
        alive.update(controller._trials)
        forget_ended(controller)
        gc.collect()
        kept.append((len(controller._trials), len(controller._trial_metadata), len(alive)))

    monkeypatch.setattr("search.sweep.scheduler.forget_ended", forget_and_count)
    run_sweep(
        toy_study(output, "forgetful", 8, search={"max_retries": 0, "max_failures": 1}),
        ToyData(output),
        trainable=toy_trial(crashing=(2,)),
    )
    assert len(kept) >= 7
    # One that ends, one that has just failed, one in line; whoever handles them may hold one more.
    assert max(max(counts) for counts in kept) <= 4


def test_two_trials_at_a_time(output: Path, tmp_path: Path) -> None:
    """Never more, and really two: counted from the events, of which the first two trials wait for each other."""

    class Meeting(toy_trial()):
        def step(self) -> dict[str, Any]:
            (tmp_path / str(self._config["trial_number"])).touch()
            deadline_s = time.monotonic() + 60
            while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline_s:
                time.sleep(0.02)
            return super().step()

    class Counter:
        def __init__(self) -> None:
            self.running, self.most = 0, 0

        def trial_started(self, trial: TrialRecord) -> None:
            self.running += 1
            self.most = max(self.most, self.running)

        def trial_reported(self, trial: TrialRecord) -> None:
            pass

        def trial_ended(self, trial: TrialRecord) -> None:
            self.running -= 1

    counter = Counter()
    study = toy_study(output, "two", 6, cluster={"max_concurrent_trials": 2})
    run_sweep(study, ToyData(output), trainable=Meeting, listeners=[counter])
    assert (counter.most, counter.running) == (2, 0)


def test_a_trial_starts_when_it_has_its_place(output: Path) -> None:
    """On a cluster that was joined the next trial is drawn before: it has to wait."""

    class Times:
        def __init__(self) -> None:
            self.events: list[tuple[str, int]] = []
            self.times: list[float] = []

        def trial_started(self, trial: TrialRecord) -> None:
            self._note("started", trial)

        def trial_reported(self, trial: TrialRecord) -> None:
            if len(trial.reports) == 1:
                self._note("reported", trial)

        def trial_ended(self, trial: TrialRecord) -> None:
            self._note("ended", trial)

        def _note(self, event: str, trial: TrialRecord) -> None:
            self.events.append((event, trial.number))
            self.times.append(time.monotonic())

    seen = Times()
    joined = {"address": "auto", "cpus_per_trial": 2, "max_concurrent_trials": None}
    study = toy_study(output, "crowded", 2, cluster=joined, search={"pruning": "none"})
    run_sweep(study, ToyData(output), trainable=toy_trial(step_s=0.05), listeners=[seen])
    assert seen.events == [(event, number) for number in range(2) for event in ("started", "reported", "ended")]
    assert all(seen.times[first + 1] - seen.times[first] >= 0.05 for first in (0, 3))


class CtrlC:
    """A listener that presses Ctrl-C at a report of the first trial."""

    def __init__(self, samples_seen: int) -> None:
        self._samples_seen = samples_seen

    def trial_started(self, trial: TrialRecord) -> None:
        pass

    def trial_reported(self, trial: TrialRecord) -> None:
        if (trial.number, trial.samples_seen) == (0, self._samples_seen):
            os.kill(os.getpid(), signal.SIGINT)

    def trial_ended(self, trial: TrialRecord) -> None:
        pass


@pytest.mark.slow
def test_after_ctrl_c_the_next_sweep_goes_on(output: Path) -> None:
    """Slow: two sweeps, and each starts its own actors."""

    assert threading.current_thread() is threading.main_thread()
    study = toy_study(output, "interrupted", 2)
    handler = signal.getsignal(signal.SIGINT)
    result = run_sweep(study, ToyData(output), trainable=toy_trial(), listeners=[CtrlC(300)])
    assert signal.getsignal(signal.SIGINT) is handler
    assert result.stop_reason == INTERRUPTED
    (left,) = trials_of(study)
    assert (left.state, max(left.reports)) == ("WAITING", 300)  # the report at which it was pressed is the last
    (run,) = runs_of(study).values()
    assert run.info.status == "SCHEDULED"
    run_sweep(study, ToyData(output), trainable=toy_trial())
    first, second = trials_of(study)
    assert (first.config, first.seed, first.attributes["attempt"]) == (left.config, left.seed, 2)
    assert first.state == "COMPLETE"
    assert second.state in ("COMPLETE", "PRUNED")
    runs = runs_of(study)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["trial-00000"].info.run_id == run.info.run_id
    history = mlflow.MlflowClient(study.tracking_uri).get_metric_history(run.info.run_id, "dev_eer")
    assert [metric.step for metric in history] == sorted(first.reports)


@pytest.mark.slow
def test_ctrl_c_in_the_last_trial_is_no_end(output: Path) -> None:
    """Slow: starts actors of its own."""

    study = toy_study(output, "last", 1)
    result = run_sweep(study, ToyData(output), trainable=toy_trial(), listeners=[CtrlC(100)])
    assert result.stop_reason == INTERRUPTED
    assert [trial.state for trial in trials_of(study)] == ["WAITING"]


def test_a_second_driver_is_refused(output: Path) -> None:
    study = toy_study(output, "busy", 1)
    with driver_lock(study.folder), pytest.raises(SpoofsweepError, match=r"one driver at a time; got .*busy"):
        run_sweep(study, ToyData(output), trainable=toy_trial())
    assert not (study.folder / "optuna.db").exists()


def test_a_trial_that_needs_more_than_the_machine_is_refused(output: Path) -> None:
    study = toy_study(output, "greedy", 1, cluster={"cpus_per_trial": 64})
    with pytest.raises(SpoofsweepError, match="a trial needs 64 CPU cores"):
        run_sweep(study, ToyData(output), trainable=toy_trial())


def test_an_unreachable_tracking_server_stops_before_anything_runs(output: Path) -> None:
    study = toy_study(output, "unreachable", 1, mlflow={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(SpoofsweepError, match=r"MLflow tracking store must be reachable; got http://127.0.0.1:9"):
        run_sweep(study, ToyData(output), trainable=toy_trial())
    assert not (study.folder / "optuna.db").exists()


def test_other_shards_are_refused(output: Path) -> None:
    study = toy_study(output, "shards", 1)
    run_sweep(study, ToyData(output), trainable=toy_trial())
    with pytest.raises(SpoofsweepError, match="new name"):
        run_sweep(study, ToyData(output, "other"), trainable=toy_trial())


def test_rungs_equal_those_rebuilt(output: Path) -> None:
    """Replayed from the ledger, trial by trial, every decision of a sweep with one worker comes out as it was."""
    study = toy_study(output, "rungs", 8)
    run_sweep(study, ToyData(output), trainable=toy_trial())
    asha = Asha([100, 300], 3)
    for trial in trials_of(study):
        decisions = [asha.report(trial.number, step, value) for step, value in sorted(trial.reports.items())]
        assert [decision.value for decision in decisions].count("stop") == (trial.state == "PRUNED")


def test_optuna_opens_the_ledger(eventful: tuple[Study, SweepResult]) -> None:
    study, result = eventful
    opened = optuna.load_study(study_name=study.name, storage=study.storage_url)
    assert result.summary.best is not None
    assert opened.best_trial.number == result.summary.best.number


def test_a_study_starts_from_an_earlier_one(eventful: tuple[Study, SweepResult], output: Path) -> None:
    earlier = eventful[0]
    study = toy_study(output, "starting", 2, search={"start_from": ["eventful"], "start_trials": 1})
    terminal = io.StringIO()
    run_sweep(study, ToyData(output), trainable=toy_trial(), console=Console(file=terminal, width=200))
    best = min((trial for trial in trials_of(earlier) if trial.converged), key=lambda trial: trial.value or 0.0)
    default, first = trials_of(study)
    assert START not in default.attributes
    assert first.attributes[START] == f"eventful:{best.number}"
    assert first.config == best.config
    assert f"Trial {best.number} of eventful is tried first, as it was" in terminal.getvalue()
