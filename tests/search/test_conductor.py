"""The sweep's state, driven without Ray."""

import math
from typing import Any

from cluster.errors import SpoofsweepError
from search.asha import Asha
from search.conductor import Conductor
from search.ledger import Ledger
from search.pruner import Decision
from search.trial_record import TrialRecord


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def trial_started(self, trial: TrialRecord) -> None:
        self.events.append(("started", trial.number))

    def trial_reported(self, trial: TrialRecord) -> None:
        self.events.append(("reported", trial.number, trial.samples_seen))

    def trial_ended(self, trial: TrialRecord) -> None:
        self.events.append(("ended", trial.number, trial.state))


def conduct(ledger: Ledger, num_trials: int = 3, **options: Any) -> Conductor:
    return Conductor(ledger, Asha([100], 3), num_trials, **options)


def test_a_trial_s_way_through(ledger: Ledger) -> None:
    recorder = Recorder()
    conductor = conduct(ledger, listeners=[recorder])
    for key in "ab":
        conductor.next_trial(key)
    assert conductor.report("a", 100, {"dev_eer": 0.3}, final=False) is Decision.CONTINUE
    assert conductor.report("b", 100, {"dev_eer": 0.4}, final=False) is Decision.STOP
    conductor.report("a", 200, {"dev_eer": 0.2}, final=True)
    conductor.release("a")
    conductor.release("b")
    assert [(trial.state, trial.value) for trial in ledger.trials()] == [("COMPLETE", 0.2), ("PRUNED", None)]
    assert recorder.events == [
        ("started", 0),
        ("started", 1),
        ("reported", 0, 100),
        ("reported", 1, 100),
        ("ended", 1, "PRUNED"),
        ("reported", 0, 200),
        ("ended", 0, "COMPLETE"),
    ]


def test_a_report_tells_what_the_trial_computes_with(ledger: Ledger) -> None:
    told: list[TrialRecord] = []

    class Listening(Recorder):
        def trial_reported(self, trial: TrialRecord) -> None:
            told.append(trial)

    conductor = conduct(ledger, listeners=[Listening()])
    conductor.next_trial("a")
    conductor.report("a", 100, {"dev_eer": 0.3}, final=False, arithmetic={"plan": "float32"})
    assert (told[0].state, told[0].samples_seen, told[0].attributes["plan"]) == ("RUNNING", 100, "float32")
    assert told[0].attributes["metrics"] == {"dev_eer": 0.3}


def test_a_last_report_is_complete_whatever_its_rung_says(ledger: Ledger) -> None:
    conductor = conduct(ledger)
    for key, value in (("a", 0.1), ("b", 0.9)):
        conductor.next_trial(key)
        conductor.report(key, 100, {"dev_eer": value}, final=True)
    assert [trial.state for trial in ledger.trials()] == ["COMPLETE", "COMPLETE"]


def test_nan_is_never_complete(ledger: Ledger) -> None:
    conductor = conduct(ledger)
    conductor.next_trial("a")
    conductor.report("a", 900, {"dev_eer": math.nan}, final=True)
    (trial,) = ledger.trials()
    assert (trial.state, trial.attributes["reason"]) == ("PRUNED", "dev_eer is nan")
    assert "prune_rung" not in trial.attributes


def test_a_stopped_trial_s_late_report_changes_nothing(ledger: Ledger) -> None:
    conductor = conduct(ledger)
    conductor.next_trial("a")
    conductor.report("a", 50, {"dev_eer": math.nan}, final=False)
    before = ledger.trials()
    assert conductor.report("a", 100, {"dev_eer": 0.1}, final=True) is Decision.STOP
    assert ledger.trials() == before


def test_no_more_trials_than_asked_for_nor_at_a_time(ledger: Ledger) -> None:
    conductor = conduct(ledger, 2, max_concurrent=1)
    assert conductor.next_trial("a") is not None
    assert conductor.next_trial("b") is None
    assert conductor.is_full
    assert not conductor.finished
    conductor.report("a", 900, {"dev_eer": 0.1}, final=True)
    assert conductor.next_trial("b") is not None
    assert conductor.finished
    assert conductor.next_trial("c") is None


def test_released_before_its_end_is_interrupted_and_comes_again(ledger: Ledger) -> None:
    conductor = conduct(ledger, 1)
    first = conductor.next_trial("a")
    conductor.release_all()
    again = conductor.next_trial("b")
    assert first is not None
    assert again is not None
    assert (again.params, again.seed) == (first.params, first.seed)
    assert [trial.state for trial in ledger.trials()] == ["FAIL", "RUNNING"]


def test_an_interrupted_trial_does_not_compete_with_its_own_twin(ledger: Ledger) -> None:
    first = conduct(ledger, 1)
    first.next_trial("a")
    first.report("a", 100, {"dev_eer": 0.3}, final=False)
    first.release_all()
    asha = Asha([100], 3)
    asha.replay(ledger.reports())
    again = Conductor(ledger, asha, 1)
    again.next_trial("b")
    assert again.report("b", 100, {"dev_eer": 0.3}, final=False) is Decision.CONTINUE


def test_failures_beyond_the_budget_stop_the_sweep(ledger: Ledger) -> None:
    conductor = conduct(ledger, 5, max_failures=1)
    for key in "ab":
        assert not conductor.stopping
        conductor.next_trial(key)
        conductor.fail(key, "RuntimeError: boom")
    assert conductor.stopping
    assert "boom" in str(conductor.stop_reason)


def test_a_lost_ledger_stops_the_sweep_and_is_kept(ledger: Ledger) -> None:
    conductor = conduct(ledger)
    conductor.next_trial("a")
    with ledger.storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trial_intermediate_values")
    conductor.report("a", 50, {"dev_eer": 0.3}, final=False)
    assert isinstance(conductor.failure, SpoofsweepError)
    assert conductor.stopping
