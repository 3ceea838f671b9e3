"""A disk without room takes checkpoints and logs from a sweep, and nothing else."""

import logging
from pathlib import Path

import pytest
from mlflow import MlflowClient

from data_prep.shards import ShardSet
from search.ledger.study_reader import read_trials
from search.study.study import Study, load_study
from search.sweep.sweep import run_sweep
from search.sweep.sweep_log import sweep_log
from search.tracking.journal import Journal
from search.trials.trial_record import TrialRecord

FULL = pytest.mark.parametrize("tiny_disk", ["256k"], indirect=True)


def fill(folder: Path) -> Path:
    """Leave no room; returns the file to delete for some."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    return ballast


class Filler:
    """A sweep's listener that fills the disk when a trial begins."""

    def __init__(self, folder: Path, number: int, until: int) -> None:
        self._folder, self._number, self._until = folder, number, until

    def trial_started(self, trial: TrialRecord) -> None:
        if trial.number == self._number:
            fill(self._folder)
        if trial.number == self._until:
            (self._folder / "ballast").unlink()

    def trial_reported(self, trial: TrialRecord) -> None:
        pass

    def trial_ended(self, trial: TrialRecord) -> None:
        pass


@pytest.fixture
def study_on_tiny_disk(tiny_study: Study, tiny_disk: Path, tmp_path: Path) -> Study:
    """Ledger and MLflow are elsewhere."""
    text = tiny_study.path.read_text().replace(str(tiny_study.output), str(tiny_disk))
    text = text.replace("seed = 3", f'seed = 3\nstorage = "sqlite:///{tmp_path}/optuna.db"')
    text += f'[mlflow]\ntracking_uri = "sqlite:///{tmp_path}/mlflow.db"\n'
    path = tmp_path / "study.toml"
    path.write_text(text)
    return load_study(path)


@FULL
@pytest.mark.slow
@pytest.mark.parametrize("until", [2, 99])
def test_no_trial_is_lost(
    study_on_tiny_disk: Study, tiny_disk: Path, tiny_shards: ShardSet, until: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slow: sweeps with real trials."""
    study = study_on_tiny_disk
    result = run_sweep(study, tiny_shards, listeners=[Filler(tiny_disk, 0, until)])
    trials = read_trials(study.storage_url, study.name).trials
    assert {trial.state for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert sum(result.summary.num_by_state.values()) == len(trials) == 4
    assert result.is_tracked
    client = MlflowClient(study.tracking_uri)
    for trial in trials:
        history = client.get_metric_history(trial.attributes["mlflow_run_id"], "dev_eer")
        assert sorted(metric.step for metric in history) == sorted(trial.reports)
    assert "Logging error" not in capfd.readouterr().err


@FULL
def test_events_wait_in_memory_for_room(tiny_disk: Path) -> None:
    journal = Journal(tiny_disk / "journal.jsonl")
    journal.append({"number": 0})
    ballast = fill(tiny_disk)
    for number in range(1, 100):
        journal.append({"number": number, "text": "x" * 1000})
    events, offset = journal.read()
    assert 0 < len(events) < 100  # in the file
    journal.acknowledge(offset)
    waiting, offset = journal.read()
    for number in range(100, 110):
        journal.append({"number": number})
    journal.acknowledge(offset)
    assert not journal.is_empty
    ballast.unlink()
    later, offset = journal.read()
    assert [event["number"] for event in [*events, *waiting, *later]] == list(range(110))
    journal.acknowledge(offset)
    journal.close()
    assert not list(tiny_disk.iterdir())


@FULL
def test_the_log_of_a_sweep_leaves_out_what_finds_no_room(tiny_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("spoofsweep.trials")
    with sweep_log(tiny_disk / "sweep.log"):
        logger.warning("there is room")
        ballast = fill(tiny_disk)
        for _ in range(100):
            logger.warning("there is none %s", "x" * 100)
        ballast.unlink()
        logger.warning("there is room again")
        fill(tiny_disk)
        logger.warning("at the end there is none %s", "x" * 8192)
    assert capfd.readouterr().err == ""
    lines = (tiny_disk / "sweep.log").read_text()
    assert "there is room\n" in lines
    assert "there is room again" in lines
