"""The sweep's state, driven without Ray."""

import math
from typing import Any

import pytest

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.pruning.pruner import Decision
from search.sweep.conductor import INTERRUPTED, Conductor
from search.trials.fault import Fault
from search.trials.trial_record import TrialRecord


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
        ("reported", 0, 100),
        ("started", 1),
        ("reported", 1, 100),
        ("ended", 1, "PRUNED"),
        ("reported", 0, 200),
        ("ended", 0, "COMPLETE"),
    ]


def test_a_trial_that_waits_for_its_place_has_not_started(ledger: Ledger) -> None:
    recorder = Recorder()
    conductor = conduct(ledger, listeners=[recorder])
    for key in "abc":
        conductor.next_trial(key)
    assert recorder.events == []
    for _ in range(2):
        conductor.begin("b")
    assert recorder.events == [("started", 1)]
    conductor.report("a", 50, {"dev_eer": 0.3}, final=False)
    conductor.release("c")
    assert recorder.events[1:] == [("started", 0), ("reported", 0, 50), ("started", 2), ("ended", 2, "WAITING")]


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
    assert conductor.next_trial("c") is None
    assert not conductor.finished  # it may have to be tried again
    conductor.report("b", 900, {"dev_eer": 0.1}, final=True)
    assert conductor.finished


def test_released_before_its_end_it_goes_on_later(ledger: Ledger) -> None:
    conductor = conduct(ledger, 1)
    first = conductor.next_trial("a")
    conductor.report("a", 50, {"dev_eer": 0.4}, final=False)
    conductor.release_all()
    assert conductor.reason_to_end == INTERRUPTED
    again = conductor.next_trial("b")
    assert first is not None
    assert again is not None
    assert (again.number, again.params, again.seed) == (first.number, first.params, first.seed)
    assert (again.reports, again.attributes["attempt"]) == ({50: 0.4}, 2)
    assert [trial.state for trial in ledger.trials()] == ["RUNNING"]


def test_a_report_that_comes_again_is_recorded_once_and_not_judged_again(ledger: Ledger) -> None:
    conductor = conduct(ledger, 2)
    conductor.next_trial("a")
    conductor.report("a", 100, {"dev_eer": 0.3}, final=False)
    conductor.release("a")
    conductor.next_trial("again")
    conductor.next_trial("b")
    conductor.report("b", 100, {"dev_eer": 0.2}, final=False)  # by now the rung has a better one
    assert conductor.report("again", 100, {"dev_eer": 0.3}, final=False) is Decision.CONTINUE
    assert conductor.report("again", 900, {"dev_eer": 0.1}, final=True) is Decision.CONTINUE
    first = ledger.trials()[0]
    assert (first.state, first.reports) == ("COMPLETE", {100: 0.3, 900: 0.1})


def test_an_end_that_was_cut_off_is_made_good(ledger: Ledger) -> None:
    conductor = conduct(ledger, 1)
    conductor.next_trial("a")
    ledger.report(0, 900, 0.1)  # and its driver was killed
    conductor.release("a")
    conductor.next_trial("b")
    conductor.report("b", 900, {"dev_eer": 0.1}, final=True)
    (trial,) = ledger.trials()
    assert (trial.state, trial.value) == ("COMPLETE", 0.1)


def test_an_error_is_tried_again_so_often(ledger: Ledger) -> None:
    recorder = Recorder()
    conductor = conduct(ledger, 1, max_retries=1, listeners=[recorder])
    for key in "ab":
        conductor.next_trial(key)
        conductor.fail(key, "RuntimeError: boom")
    (trial,) = ledger.trials()
    assert (trial.state, trial.attributes["failures"], trial.attributes["attempt"]) == ("FAIL", 2, 2)
    assert trial.attributes["postponed"] == trial.attributes["reason"] == "RuntimeError: boom"
    assert recorder.events == [("started", 0), ("ended", 0, "WAITING"), ("started", 0), ("ended", 0, "FAIL")]


def test_lost_machines_are_not_counted(ledger: Ledger) -> None:
    conductor = conduct(ledger, 1)
    for key in "abc":
        conductor.next_trial(key)
        conductor.fail(key, "its node has died", Fault.LOST)
    (trial,) = ledger.trials()
    assert (trial.state, trial.attributes["failures"], trial.attributes["attempt"]) == ("WAITING", 0, 3)


def test_a_trial_that_takes_many_machines_down_is_at_fault(ledger: Ledger) -> None:
    conductor = conduct(ledger, 1)
    for number in range(21):
        assert conductor.next_trial(str(number)) is not None
        conductor.fail(str(number), "its node has died", Fault.LOST)
    assert [trial.state for trial in ledger.trials()] == ["FAIL"]


def test_a_pruning_whose_record_was_cut_off_is_repeated(ledger: Ledger) -> None:
    conductor = conduct(ledger, 2)
    conductor.next_trial("a")
    ledger.report(0, 100, 0.4, prune_rung=100)  # and its driver was killed
    conductor.release("a")
    conductor.next_trial("b")
    assert conductor.report("b", 100, {"dev_eer": 0.4}, final=False) is Decision.STOP
    assert [trial.state for trial in ledger.trials()] == ["PRUNED"]


@pytest.mark.parametrize(("shares_gpu", "states"), [(True, ["WAITING", "FAIL"]), (False, ["FAIL"])])
def test_short_of_memory_it_comes_once_more_alone(ledger: Ledger, shares_gpu: bool, states: list[str]) -> None:
    recorder = Recorder()
    conductor = conduct(ledger, 1, max_retries=5, shares_gpu=shares_gpu, listeners=[recorder])
    for key in "ab"[: len(states)]:
        record = conductor.next_trial(key)
        assert record is not None
        assert record.attributes.get("alone", False) == (key == "b")
        conductor.fail(key, "out of memory", Fault.MEMORY)
    assert [event[2] for event in recorder.events if event[0] == "ended"] == states


def test_leaving_lets_trials_come_to_their_next_report(ledger: Ledger) -> None:
    conductor = conduct(ledger, 3)
    for key in "ab":
        conductor.next_trial(key)
    conductor.leave_reason = "the user said so"
    assert conductor.next_trial("c") is None
    assert not conductor.finished
    assert conductor.report("a", 50, {"dev_eer": 0.3}, final=False) is Decision.STOP
    assert conductor.report("b", 900, {"dev_eer": 0.2}, final=True) is Decision.CONTINUE
    assert conductor.finished
    assert conductor.reason_to_end == "the user said so"
    assert [(trial.state, trial.reports) for trial in ledger.trials()] == [
        ("WAITING", {50: 0.3}),
        ("COMPLETE", {900: 0.2}),
    ]


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
