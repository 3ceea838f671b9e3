"""Requests to a sweep that runs."""

from pathlib import Path

import pytest
from toys import ToyData, toy_study, toy_trial

from cluster.errors import SpoofsweepError
from search.asha import Asha
from search.conductor import Conductor
from search.control import Control, Request, send
from search.driver_lock import driver_lock
from search.ledger import Ledger
from search.sweep import open_ledger, run_sweep
from search.trial_record import TrialRecord


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


@pytest.fixture
def conductor(ledger: Ledger) -> Conductor:
    return Conductor(ledger, Asha([], 3), 3)


def test_pause_and_resume(ledger: Ledger, conductor: Conductor) -> None:
    said: list[str] = []
    control = Control(ledger, conductor, said.append, Clock())
    conductor.next_trial("a")
    ledger.study.set_user_attr("request", "pause")
    control.poll()
    assert conductor.next_trial("b") is None
    conductor.report("a", 50, {"dev_eer": 0.3}, final=False)
    assert [trial.state for trial in ledger.trials()] == ["WAITING"]
    assert not conductor.finished
    ledger.study.set_user_attr("request", "resume")
    control.poll()
    again = conductor.next_trial("b")
    assert again is not None
    assert again.reports == {50: 0.3}
    assert len(said) == 2


def test_stop_is_leaving(ledger: Ledger, conductor: Conductor) -> None:
    control = Control(ledger, conductor, lambda _: None, Clock())
    ledger.study.set_user_attr("request", "stop")
    control.poll()
    assert conductor.finished
    assert conductor.reason_to_end == "it was told to stop"
    assert ledger.request() is None


def test_a_request_to_an_earlier_sweep_is_forgotten(ledger: Ledger, conductor: Conductor) -> None:
    ledger.study.set_user_attr("request", "stop")
    Control(ledger, conductor, lambda _: None, Clock()).poll()
    assert not conductor.finished


class Asker:
    """A listener that asks the sweep to stop, as another terminal would."""

    def __init__(self, study: object) -> None:
        self._study = study

    def trial_started(self, trial: TrialRecord) -> None:
        send(self._study, Request.STOP)  # type: ignore[arg-type]

    def trial_reported(self, trial: TrialRecord) -> None:
        pass

    def trial_ended(self, trial: TrialRecord) -> None:
        pass


@pytest.mark.slow
def test_a_running_sweep_stops_when_told(tmp_path: Path, ray_session: None) -> None:
    """Slow: a sweep with actors of its own, and the request is looked for every two seconds."""
    study = toy_study(tmp_path, "told", 100)
    result = run_sweep(study, ToyData(tmp_path), trainable=toy_trial(), listeners=[Asker(study)])
    assert result.stop_reason == "it was told to stop"
    ledger = open_ledger(study, ToyData(tmp_path).shard_set_id)
    assert "RUNNING" not in {trial.state for trial in ledger.trials()}
    ledger.close()
    with pytest.raises(SpoofsweepError, match="a sweep of the study must be running"):
        send(study, Request.STOP)
    with driver_lock(study.folder):
        send(study, Request.STOP)


def test_a_study_that_was_never_started_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="must have been started; got never"):
        send(toy_study(tmp_path, "never", 1), Request.PAUSE)
