"""Finalists as Ray runs them: cut off, tried again, paused, stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from mlflow import MlflowClient

from cluster.config import ClusterConfig
from cluster.errors import MemoryShortageError, SpoofsweepError
from data_prep.shards import ShardSet
from search.finalists.candidates import Candidate
from search.finalists.finalist_tasks import FinalistTasks, run_finalists
from search.finalists.finalist_training import train_finalist
from search.finalists.finalists import Finalist
from search.ledger.study_reader import read_trials
from search.reporting.report import StudyOutcome
from search.study.study import Study, load_study
from search.sweep.control import Request, StopRequestError, send
from trainable.hardware.gpu_share import GpuShare
from trainable.training.folds import begin

ON_CPU = GpuShare("cpu", 0.0)


@pytest.fixture(scope="module")
def champion(tiny_outcome: StudyOutcome) -> Finalist:
    return tiny_outcome.champion.finalist


def test_a_training_that_was_cut_off_goes_on(champion: Finalist, tiny_shards: ShardSet, tmp_path: Path) -> None:
    candidate, checkpoint = champion.candidate, tmp_path / f"{champion.candidate.name}.checkpoint"
    torch.set_num_threads(1)
    training = begin(candidate.config, tiny_shards, candidate.seed)
    next(training)
    training.save(checkpoint)
    begun = training.samples_seen
    left = next(training).samples_seen - begun
    (tmp_path / f".{checkpoint.name}.abc.tmp").mkdir()  # of one that was killed while it wrote
    seen = []
    step = type(training.scored_model).forward

    def count(self: torch.nn.Module, features: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        if self.training:
            seen.append(len(features))
        return step(self, features, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(training.scored_model), "forward", count)
        train_finalist(candidate, tiny_shards.folder, tiny_shards.shard_set_id, tmp_path, ON_CPU, 1)
    assert 0 < sum(seen) <= left + candidate.config.batch.size  # the rehearsal of a batch, if there is one
    weights = [
        safetensors.torch.load_file(folder / "model.safetensors")
        for folder in (tmp_path / candidate.name, champion.folder)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [path.name for path in tmp_path.iterdir()] == [candidate.name]


def test_a_checkpoint_of_another_training_is_passed_over(
    champion: Finalist, tiny_shards: ShardSet, tmp_path: Path
) -> None:
    candidate = champion.candidate
    torch.set_num_threads(1)
    other = begin(candidate.config, tiny_shards, candidate.seed + 1)
    next(other)
    other.save(tmp_path / f"{candidate.name}.checkpoint")
    train_finalist(candidate, tiny_shards.folder, tiny_shards.shard_set_id, tmp_path, ON_CPU, 1)
    assert (tmp_path / candidate.name / "model.safetensors").read_bytes() == (
        champion.folder / "model.safetensors"
    ).read_bytes()


@pytest.fixture
def copies(champion: Finalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tasks that copy the champion's folder, after what files in the folder that is returned make them do first."""
    source, orders = champion.folder, tmp_path / "orders"
    orders.mkdir()

    def copy(candidate: Candidate, shards: Path, identity: str, folder: Path, share: GpuShare, threads: int) -> None:
        (orders / "begun").open("a").write("x")
        if (orders / "fail").exists():
            (orders / "fail").unlink()
            raise RuntimeError("out of luck")
        while (orders / "wait").exists():
            time.sleep(0.05)
        shutil.copytree(source, folder / candidate.name)

    monkeypatch.setattr("search.finalists.finalist_tasks.train_finalist", copy)
    monkeypatch.setattr("search.finalists.finalist_tasks._INTERVAL_S", 0.2)
    return orders


def run(champion: Finalist, shards: ShardSet, folder: Path, **more: object) -> list[Finalist]:
    return run_finalists([champion.candidate], shards, folder / "finalists", ClusterConfig(num_cpus=2), **more)  # type: ignore[arg-type]


def test_what_failed_is_tried_again(
    champion: Finalist, tiny_shards: ShardSet, copies: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (copies / "fail").touch()
    assert run(champion, tiny_shards, tmp_path, max_retries=1) == [
        Finalist(champion.candidate, tmp_path / "finalists" / champion.candidate.name, champion.record)
    ]
    assert f"Finalist {champion.candidate.name} is tried again: RuntimeError: out of luck" in capfd.readouterr().err


def test_without_retries_it_ends_the_study(
    champion: Finalist, tiny_shards: ShardSet, copies: Path, tmp_path: Path
) -> None:
    (copies / "fail").touch()
    with pytest.raises(SpoofsweepError, match="must train to its end; got RuntimeError: out of luck"):
        run(champion, tiny_shards, tmp_path)


def test_short_of_memory_it_gets_a_gpu_for_itself_once(
    champion: Finalist, tiny_shards: ShardSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    cluster = ClusterConfig(num_cpus=2, gpus_per_trial=0.5)
    tasks = FinalistTasks([champion.candidate], tiny_shards, tmp_path, cluster, 5, said.append)
    monkeypatch.setattr(tasks, "_submit", lambda candidate: None)
    tasks._try_again(champion.candidate, MemoryShortageError("it must fit"))
    assert "is tried again with a GPU for itself: MemoryShortageError: it must fit" in said[0]
    with pytest.raises(SpoofsweepError, match="must train to its end"):
        tasks._try_again(champion.candidate, MemoryShortageError("it must fit"))


def requests_of(orders: Path) -> Iterator[Request | None]:
    """Pause once it has begun; go on after a while."""
    while not (orders / "begun").exists():
        yield None
    yield Request.PAUSE
    yield None
    (orders / "wait").unlink()
    yield Request.RESUME
    while True:
        yield None


def test_paused_it_holds_nothing_and_goes_on(
    champion: Finalist, tiny_shards: ShardSet, copies: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (copies / "wait").touch()
    requests = requests_of(copies)
    assert run(champion, tiny_shards, tmp_path, request=lambda: next(requests))
    assert (copies / "begun").read_text() == "xx"
    shown = capfd.readouterr().err
    assert shown.index("Told to pause") < shown.index("Told to go on")


def test_told_to_stop_it_ends(champion: Finalist, tiny_shards: ShardSet, copies: Path, tmp_path: Path) -> None:
    (copies / "wait").touch()
    with pytest.raises(StopRequestError, match="it was told to stop"):
        run(champion, tiny_shards, tmp_path, request=lambda: Request.STOP)


STUDY = """
[study]
name = "long-finalists"
seed = 3
output = "{output}"
[corpus]
layout = "asvspoof2019-la"
root = "{root}"
[features]
kind = "logmel"
num_filters = 20
[trial]
budget_passes = 30
report_passes = 1
model = {{ channels = [4, 6], gru_size = 8 }}
batch = {{ size = 16, crop_s = 1.0 }}
validation = {{ num_resamples = 50 }}
[space]
"optimizer.learning_rate" = {{ low = 1e-3, high = 1e-2, log = true }}
[search]
num_trials = 1
rung_trust = false
[finalists]
num_configs = 1
num_seeds = 2
[cluster]
num_cpus = 1
"""


def begin_sweep(study: Study, log: Path) -> subprocess.Popen[bytes]:
    """The sweep in a process, returned when a finalist is being trained."""
    with log.open("wb") as file:
        command = [sys.executable, "-P", "-m", "search", "sweep", str(study.path)]
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    known = num_checkpoints(study)
    deadline = time.monotonic() + 240
    while num_checkpoints(study) <= known and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def num_checkpoints(study: Study) -> int:
    """When the newest was written, in nanoseconds; 0 of none."""
    times = [0]
    for path in (study.folder / "finalists").glob("*.checkpoint/training.json"):
        times.append(path.stat().st_mtime_ns)
    return max(times)


@pytest.mark.slow
def test_stopped_by_a_command_or_a_signal_the_same_command_goes_on(
    tiny_shards: ShardSet, sample_root: Path, tmp_path: Path
) -> None:
    """Slow: the main job, begun three times."""
    path, log = tmp_path / "study.toml", tmp_path / "log"
    store = f'[shards]\nstore = "{tiny_shards.folder.parent}"\n'
    path.write_text(STUDY.format(output=tmp_path / "out", root=sample_root) + store)
    study = load_study(path)

    process = begin_sweep(study, log)
    send(study, Request.STOP)
    assert process.wait(60) == 1, log.read_text()
    assert "Stopped: it was told to stop. The same command goes on from here." in log.read_text()

    for number in (signal.SIGTERM, signal.SIGINT):
        process = begin_sweep(study, log)
        os.kill(process.pid, number)
        assert process.wait(60) == 1, log.read_text()
        assert "Stopped: the sweep was interrupted. The same command goes on from here." in log.read_text()

    process = begin_sweep(study, log)
    assert process.wait(240) == 0, log.read_text()
    assert len(read_trials(study.storage_url, study.name).trials) == 1
    client = MlflowClient(study.tracking_uri)
    experiment = client.get_experiment_by_name("spoofsweep").experiment_id
    finalists = client.search_runs([experiment], "tags.`spoofsweep.kind` = 'finalist'")
    assert sorted(run.info.run_name for run in finalists) == [f"finalist-00000-seed-{seed}" for seed in (1, 2)]
    assert not list((study.folder / "finalists").glob("*.checkpoint"))
