"""A sweep launched on a SLURM cluster of several hosts on this machine: stopped for its time limit, a host lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from slurm_lab import SlurmLab, missing, slurm_lab

from cluster.errors import SpoofsweepError
from search.study import Study, load_study
from search.study_reader import read_trials
from search.trial_record import TrialRecord

pytestmark = pytest.mark.cluster
REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = """
[study]
name = "lab"
seed = 3
[corpus]
layout = "asvspoof2019-la"
root = "{root}"
[features]
kind = "logmel"
num_filters = 20
[trial]
budget_passes = 4
report_passes = 1
model = {{ channels = [4, 6], gru_size = 8 }}
batch = {{ size = 16, crop_s = 1.0 }}
[space]
"optimizer.learning_rate" = {{ low = 1e-3, high = 1e-2, log = true }}
[search]
num_trials = 12
pruning = "none"
[finalists]
num_configs = 1
num_seeds = 1
[cluster.launch]
shared_folder = "{shared}"
venv = "{venv}"
num_workers = 2
[cluster.launch.slurm]
cpus_per_node = 1
time = "01:00:00"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[SlurmLab]:
    if reason := missing():
        pytest.skip(reason)
    (tmp_path / "slurm").mkdir()
    with slurm_lab(tmp_path / "slurm", num_hosts=2, cpus=1) as lab:
        yield lab


@pytest.fixture
def study(tmp_path: Path, sample_root: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.chdir(shared)  # relative output paths start there on the cluster, too
    venv = Path(sys.executable).parents[1]
    (tmp_path / "lab.toml").write_text(STUDY.format(root=sample_root, shared=shared, venv=venv))
    return load_study(tmp_path / "lab.toml")


def finished(study: Study) -> list[TrialRecord]:
    try:
        trials, _, _ = read_trials(study.storage_url, study.name)
    except SpoofsweepError:  # not started yet
        return []
    return [trial for trial in trials if trial.state == "COMPLETE"]


def wait_for(condition: Callable[[], bool], launched: subprocess.Popen, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert launched.poll() is None, "the launch is over"
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_sweep_outlives_its_time_limit_and_a_host(lab: SlurmLab, study: Study, tmp_path: Path) -> None:
    """What SLURM sends five minutes before the end stops the sweep in order; the job comes back and goes on; then one
    of its two hosts dies, and the sweep ends with its champion.
    """
    environment = {**os.environ, **lab.environment, "PYTHONPATH": str(REPOSITORY)}
    output = tmp_path / "output.txt"
    command = [sys.executable, "-m", "search", "launch", str(study.path), "--on", "slurm"]
    with output.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as launched:
        try:
            wait_for(lambda: len(finished(study)) >= 2, launched)
            job = lab.command("squeue", "--noheader", "--format=%i").strip()
            lab.command("scancel", "--signal=USR1", "--batch", job)
            wait_for(lambda: "Restarts=1" in lab.command("scontrol", "show", "job", job), launched)
            done = len(finished(study))
            wait_for(lambda: len(finished(study)) > done + 1, launched)
            lab.crash(lab.hosts[1])
            assert launched.wait(400) == 0, output.read_text()
        finally:
            launched.kill()
    trials = read_trials(study.storage_url, study.name)[0]
    assert {trial.state for trial in trials} <= {"COMPLETE", "FAIL"}
    assert sum(trial.counts for trial in trials) == 12
    assert len(finished(study)) >= 10
    assert int(MlflowClient(study.tracking_uri).get_model_version_by_alias("lab", "champion").version) == 1
    said = output.read_text()
    assert "lab, version 1: trial " in said
    assert not list(study.folder.glob("launch/slurm/token-*"))
