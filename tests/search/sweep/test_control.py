"""Requests to a sweep that runs."""

from pathlib import Path

import pytest
from toys import ToyData, toy_study, toy_trial

from cluster.errors import SpoofsweepError
from search.ledger.ledger import REQUEST, Ledger
from search.pruning.asha import Asha
from search.study.study import Study
from search.sweep.conductor import Conductor
from search.sweep.control import Control, Request, send
from search.sweep.driver_lock import driver_lock
from search.sweep.sweep import open_ledger, run_sweep
from search.trials.trial_record import TrialRecord


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


@pytest.fixture
def conductor(ledger: Ledger) -> Conductor:
    return Conductor(ledger, Asha([], 3), 3)


def ask(ledger: Ledger, request: str) -> None:
    ledger.storage.set_study_system_attr(ledger._study_id, REQUEST, request)


def test_pause_and_resume(ledger: Ledger, conductor: Conductor) -> None:
    said: list[str] = []
    control = Control(ledger, conductor, said.append, Clock())
    conductor.next_trial("a")
    ask(ledger, "pause")
    control.poll()
    assert conductor.next_trial("b") is None
    conductor.report("a", 50, {"dev_eer": 0.3}, final=False)
    assert [trial.state for trial in ledger.trials()] == ["WAITING"]
    assert conductor.finished  # for now: the executor lets go of everything
    ask(ledger, "resume")
    control.poll()
    again = conductor.next_trial("b")
    assert again is not None
    assert again.reports == {50: 0.3}
    assert len(said) == 2


def test_stop_is_leaving(ledger: Ledger, conductor: Conductor) -> None:
    control = Control(ledger, conductor, lambda _: None, Clock())
    ask(ledger, "stop")
    control.poll()
    assert conductor.finished
    assert conductor.reason_to_end == "it was told to stop"
    assert ledger.request() is None


class Asker:
    """A listener that asks the sweep to pause when the first trial begins, to go on when it waits, and later to stop,
    as another terminal would.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._num_waited = study, 0

    def trial_started(self, trial: TrialRecord) -> None:
        if trial.number == 0 and self._num_waited == 0:
            send(self._study, Request.PAUSE)
        if trial.number == 1:
            send(self._study, Request.STOP)

    def trial_reported(self, trial: TrialRecord) -> None:
        pass

    def trial_ended(self, trial: TrialRecord) -> None:
        if trial.state == "WAITING" and trial.attributes["postponed"] == "the sweep is paused":
            self._num_waited += 1
            send(self._study, Request.RESUME)


@pytest.mark.slow
def test_a_running_sweep_pauses_goes_on_and_stops_when_told(tmp_path: Path, ray_session: None) -> None:
    """Slow: two executors with actors of their own, and requests are looked for every two seconds."""
    study = toy_study(tmp_path, "told", 100)
    asker = Asker(study)
    result = run_sweep(study, ToyData(tmp_path), trainable=toy_trial(step_s=0.5), listeners=[asker])
    assert result.stop_reason == "it was told to stop"
    assert asker._num_waited == 1
    ledger = open_ledger(study, ToyData(tmp_path).shard_set_id)
    first = ledger.trials()[0]
    assert (first.state, first.attributes["attempt"]) == ("COMPLETE", 2)
    assert "RUNNING" not in {trial.state for trial in ledger.trials()}
    ledger.close()
    with pytest.raises(SpoofsweepError, match="a sweep of the study must be running"):
        send(study, Request.STOP)
    with driver_lock(study.folder):
        send(study, Request.STOP)


def test_a_study_that_was_never_started_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoofsweepError, match="must have been started; got never"):
        send(toy_study(tmp_path, "never", 1), Request.PAUSE)
