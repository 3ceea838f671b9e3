"""The driver of a sweep is killed, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from cluster.errors import SpoofsweepError
from data_prep.prepare import prepare
from search.ledger.study_reader import read_trials
from search.study.study import Study, load_study
from search.sweep.sweep import run_sweep
from search.trials.trial_record import TrialRecord

STUDY = """
[study]
name = "{name}"
seed = 3
output = "{output}"

[corpus]
layout = "asvspoof2019-la"
root = "{root}"

[features]
kind = "logmel"
num_filters = 20

[trial]
budget_passes = 4
report_passes = 0.5
model = {{ channels = [4, 6], gru_size = 8 }}
batch = {{ size = 16, crop_s = 1.0 }}
validation = {{ num_resamples = 50 }}

[space]
"optimizer.learning_rate" = {{ low = 1e-3, high = 1e-2, log = true }}

[search]
num_trials = 4
{search}

[finalists]
num_configs = 1
num_seeds = 1

[cluster]
num_cpus = 1
max_concurrent_trials = 1
"""


HALVING = "first_rung_passes = 1\nreduction_factor = 2"
POPULATION = 'pruning = "population"\nready_passes = 1\nreplaced_share = 0.5'


def write_study(folder: Path, name: str, root: Path, search: str) -> Study:
    path = folder / f"{name}.toml"
    path.write_text(STUDY.format(name=name, output=folder / "results", root=root, search=search))
    return load_study(path)


def start(study: Study) -> subprocess.Popen[bytes]:
    program = "from search.cli import main; main()"
    with (study.path.parent / f"{study.name}.log").open("ab") as log:
        command = [sys.executable, "-c", program, "sweep", str(study.path)]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def trials_of(study: Study) -> list[TrialRecord]:
    return list(read_trials(study.storage_url, study.name)[0])


def num_reports(study: Study) -> int:
    try:
        return sum(len(trial.reports) for trial in trials_of(study))
    except SpoofsweepError:  # not begun
        return 0


def kill_after(study: Study, num: int) -> None:
    """Start the sweep, and end its driver without warning when so many reports are in the ledger."""
    driver = start(study)
    try:
        while num_reports(study) < num:
            assert driver.poll() is None, (study.path.parent / f"{study.name}.log").read_text()
            time.sleep(0.05)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()


def outcome(study: Study) -> list[object]:
    return [(t.number, t.state, t.params, t.seed, t.lineage, t.reports, t.value) for t in trials_of(study)]


@pytest.mark.long
@pytest.mark.parametrize(("search", "num_before"), [(HALVING, 3), (POPULATION, 14)], ids=["halving", "population"])
def test_a_killed_driver_costs_nothing(
    tmp_path: Path, sample_root: Path, ray_session: None, search: str, num_before: int
) -> None:
    """Slow: a sweep here, and two drivers with a Ray of their own, which find its shards."""
    killed, undisturbed = (write_study(tmp_path, name, sample_root, search) for name in ("killed", "undisturbed"))
    run_sweep(undisturbed, prepare(undisturbed.prep, undisturbed.base, undisturbed.output, progress=False))
    kill_after(killed, num_before)
    (left,) = (trial for trial in trials_of(killed) if trial.state == "RUNNING")
    assert start(killed).wait() == 0, (tmp_path / "killed.log").read_text()
    assert outcome(killed) == outcome(undisturbed)
    trials = trials_of(killed)
    assert any(trial.lineage for trial in trials) == (search is POPULATION)
    resumed = trials[left.number]
    assert resumed.attributes["attempt"] == 2
    assert not list((killed.folder / "checkpoints").iterdir())
    client = mlflow.MlflowClient(killed.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep")
    assert experiment is not None
    query = "tags.`spoofsweep.kind` = 'trial' and tags.`spoofsweep.study` = 'killed'"
    runs = client.search_runs([experiment.experiment_id], query)
    assert sorted(run.info.run_name for run in runs) == [f"trial-{number:05d}" for number in range(len(trials))]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run_of_trial in runs:
        trial = trials[int(run_of_trial.data.tags["spoofsweep.trial_number"])]
        history = client.get_metric_history(run_of_trial.info.run_id, "dev_eer")
        assert [(metric.step, metric.value) for metric in history] == sorted(trial.reports.items())
