"""Sweeps launched for real on clusters of several hosts on this machine, from the command to the champion."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import network_hosts
import pytest
import slurm_lab
from mlflow import MlflowClient

from cluster.errors import SpoofsweepError
from cluster.submission import has_ray_default
from search.ledger.study_reader import read_trials
from search.study.study import Study, load_study
from search.trials.trial_record import TrialRecord

pytestmark = pytest.mark.cluster
REPOSITORY = Path(__file__).resolve().parents[3]
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
budget_passes = {budget_passes}
report_passes = 1
model = {{ channels = [4, 6], gru_size = 8 }}
batch = {{ size = 16, crop_s = 1.0 }}
[space]
"optimizer.learning_rate" = {{ low = 1e-3, high = 1e-2, log = true }}
[search]
num_trials = {num_trials}
pruning = "none"
[finalists]
num_configs = 1
num_seeds = 1
[cluster.launch]
shared_folder = "{shared}"
venv = "{venv}"
num_workers = 2
"""

# Of every node: a host that was cut off is given up after ten seconds, not after a minute.
QUICK_HEALTH_CHECKS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}
StudyMaker = Callable[..., Study]


@pytest.fixture
def make_study(tmp_path: Path, sample_root: Path, monkeypatch: pytest.MonkeyPatch) -> StudyMaker:
    """Makes a study of so many trials, with the settings of its target."""

    def make(num_trials: int, target: str = "", budget_passes: int = 4) -> Study:
        shared = tmp_path / "shared"
        shared.mkdir()
        monkeypatch.chdir(shared)  # relative output paths start there on the cluster, too
        values = {"root": sample_root, "shared": shared, "venv": Path(sys.executable).parents[1]}
        text = STUDY.format(num_trials=num_trials, budget_passes=budget_passes, **values)
        (tmp_path / "lab.toml").write_text(text + target)
        return load_study(tmp_path / "lab.toml")

    return make


@contextmanager
def launched(study: Study, target: str, output: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """The command at work, what it says in ``output``."""
    command = [sys.executable, "-m", "search", "launch", str(study.path), "--on", target]
    variables = {**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)}
    with output.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=variables) as process:
        try:
            yield process
        finally:
            process.kill()


def begun(study: Study) -> list[TrialRecord]:
    try:
        return read_trials(study.storage_url, study.name).trials
    except SpoofsweepError:  # not started yet
        return []


def finished(study: Study) -> list[TrialRecord]:
    return [trial for trial in begun(study) if trial.state == "COMPLETE"]


def num_losses(study: Study) -> int:
    return sum(trial.attributes.get("losses", 0) for trial in begun(study))


def num_training(study: Study) -> int:
    """Trials that run and have reported."""
    return sum(trial.state == "RUNNING" and bool(trial.reports) for trial in begun(study))


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError:  # it wants the token
        return True
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], process: subprocess.Popen | None = None, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process is None or process.poll() is None, "the launch is over"
        assert time.monotonic() < deadline
        time.sleep(0.5)


def check_outcome(study: Study, num_trials: int, said: str) -> None:
    trials = begun(study)
    assert {trial.state for trial in trials} <= {"COMPLETE", "FAIL"}
    assert sum(trial.counts for trial in trials) == num_trials
    assert int(MlflowClient(study.tracking_uri).get_model_version_by_alias("lab", "champion").version) == 1
    assert "lab, version 1: trial " in said


def test_slurm_sweep_outlives_a_drained_host_its_time_limit_and_a_dead_host(
    make_study: StudyMaker, tmp_path: Path
) -> None:
    """One of two hosts is drained, and the sweep goes on there. What SLURM sends five minutes before the end stops it
    in order; the job waits until the host is given back, starts again two minutes later, and goes on. Then that host
    dies, and the sweep ends with its champion.
    """
    if reason := network_hosts.missing(*slurm_lab.PROGRAMS):
        pytest.skip(reason)
    study = make_study(12, '[cluster.launch.slurm]\ncpus_per_node = 1\ntime = "01:00:00"\n')
    (tmp_path / "slurm").mkdir()
    output = tmp_path / "output.txt"
    with (
        slurm_lab.slurm_lab(tmp_path / "slurm", num_hosts=2, cpus=1) as lab,
        launched(study, "slurm", output, **lab.environment) as process,
    ):
        wait_for(lambda: len(finished(study)) >= 1, process)
        lab.command("scontrol", "update", "NodeName=slurm2", "State=DRAIN", "Reason=maintenance")
        assert lab.states()["slurm2"] == "draining"
        done = len(finished(study))
        wait_for(lambda: len(finished(study)) > done, process)
        job = lab.command("squeue", "--noheader", "--format=%i").strip()
        lab.command("scancel", "--signal=USR1", "--batch", job)
        wait_for(lambda: lab.states()["slurm2"] == "drained", process)
        lab.command("scontrol", "update", "NodeName=slurm2", "State=RESUME")
        wait_for(lambda: "Restarts=1" in lab.command("scontrol", "show", "job", job), process)
        done = len(finished(study))
        wait_for(lambda: len(finished(study)) > done + 1, process)
        lab.hosts.crash("slurm2")
        assert process.wait(400) == 0, output.read_text()
    check_outcome(study, 12, output.read_text())
    assert len(finished(study)) >= 10
    assert not list(study.folder.glob("launch/slurm/token-*"))


def test_sweep_on_a_running_cluster_outlives_a_cut_link_and_a_dead_host(make_study: StudyMaker, tmp_path: Path) -> None:
    """One of two workers is cut off while its trial trains on, and comes back; then the other one dies, and comes back.
    Both trials go on from their last reports, and the sweep ends with its champion.
    """
    if reason := network_hosts.missing():
        pytest.skip(reason)
    if not has_ray_default():
        pytest.skip("needs ray[default]: spoofsweep[cluster]")
    (tmp_path / "token").write_text(secrets.token_hex(32))
    (tmp_path / "token").chmod(0o600)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    programs = Path(sys.executable).parent
    environment = {**token, **QUICK_HEALTH_CHECKS, "PATH": f"{programs}:{os.environ['PATH']}"}
    ray = f"{programs}/ray start --block"
    with network_hosts.network_hosts("ray", "10.69.0", 3, tmp_path, environment) as hosts:
        (head, address), (first, _), (second, _) = hosts.addresses.items()
        join = f"{ray} --address={address}:6379 --num-cpus=1"
        hosts.start_on(
            head, f"{ray} --head --node-ip-address={address} --port=6379 --num-cpus=0 --dashboard-host={address}"
        )
        for worker in (first, second):
            hosts.start_on(worker, join)
        wait_for(lambda: answers(f"http://{address}:8265/api/jobs/"))
        study, output = make_study(4, budget_passes=80), tmp_path / "output.txt"
        with launched(study, f"http://{address}:8265", output, **token) as process:
            wait_for(lambda: num_training(study) == 2, process)
            hosts.cut(first)
            wait_for(lambda: num_losses(study) >= 1, process)
            hosts.crash(first)
            hosts.mend(first)
            hosts.start_on(first, join)
            wait_for(lambda: num_training(study) == 2, process)
            losses = num_losses(study) + 1
            hosts.crash(second)
            wait_for(lambda: num_losses(study) >= losses, process)
            hosts.start_on(second, join)
            assert process.wait(400) == 0, output.read_text()
    check_outcome(study, 4, output.read_text())
    trials = finished(study)
    assert len(trials) == 4
    assert {tuple(trial.reports) for trial in trials} == {tuple(trials[0].reports)}
    client = MlflowClient(study.tracking_uri)
    runs = client.search_runs([client.get_run(trials[0].attributes["mlflow_run_id"]).info.experiment_id])
    of_trials = [run.info.run_id for run in runs if run.data.tags["spoofsweep.kind"] == "trial"]
    assert sorted(of_trials) == sorted(trial.attributes["mlflow_run_id"] for trial in trials)


def test_on_prem_sweep_over_ssh(make_study: StudyMaker, tmp_path: Path) -> None:
    """`ray up` starts a head and a worker over ssh, and the sweep runs there as a job of Ray's."""
    if reason := network_hosts.missing("sshd", "ssh-keygen", "rsync"):
        pytest.skip(reason)
    if not has_ray_default():
        pytest.skip("needs ray[default]: spoofsweep[cluster]")
    key, home = tmp_path / "key", tmp_path / "home"
    home.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    with network_hosts.network_hosts("prem", "10.68.0", 2, tmp_path) as hosts:
        for host in hosts.addresses:
            (tmp_path / host).mkdir()
            options = {
                "HostKey": key,
                "AuthorizedKeysFile": f"{key}.pub",
                "StrictModes": "no",
                "UsePAM": "no",
                "PidFile": "none",
            }
            settings = " ".join(f"-o '{name} {value}'" for name, value in options.items())
            hosts.start_on(host, f"{network_hosts.SSHD} -D -e {settings}", home=tmp_path / host)
        head, worker = hosts.addresses.values()
        addresses = f'head = "{head}"\nworkers = ["{worker}"]\n'
        study = make_study(4, f'[cluster.launch.onprem]\n{addresses}ssh_user = "root"\nssh_key = "{key}"\n')
        output = tmp_path / "output.txt"
        with launched(study, "onprem", output, HOME=str(home)) as process:
            assert process.wait(500) == 0, output.read_text()
        tokens = [folder / ".ray" / "auth_token" for folder in (home, *(tmp_path / host for host in hosts.addresses))]
    check_outcome(study, 4, output.read_text())
    assert len({token.read_text() for token in tokens}) == 1
    assert {token.stat().st_mode & 0o777 for token in tokens} == {0o600}
    assert tokens[0].read_text() not in output.read_text()
    assert "2 joined" in output.read_text()
