"""One driver at a time, wherever it runs."""

import os
import platform
import subprocess
import sys

import pytest

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger
from search.pruning.asha import Asha
from search.pruning.pruner import Decision
from search.sweep.conductor import Conductor
from search.sweep.driver_lease import DriverLease


class Clock:
    """Also sleeps; ``meanwhile`` is what others do."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.meanwhile = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.meanwhile()


def elsewhere(ledger: Ledger, renewals: int = 0) -> dict[str, object]:
    lease = {"host": "another-head", "pid": os.getpid(), "token": "theirs", "renewals": renewals}
    ledger.set_lease(lease)
    return lease


def make_lease(ledger: Ledger, clock: Clock) -> tuple[DriverLease, list[str]]:
    said: list[str] = []
    return DriverLease(ledger, said.append, clock, clock.sleep), said


def test_a_free_study_is_taken_at_once_and_released(ledger: Ledger) -> None:
    lease, said = make_lease(ledger, Clock())
    lease.take()
    held = ledger.lease()
    assert held is not None
    assert (held["host"], held["pid"]) == (platform.node(), os.getpid())
    lease.release()
    assert ledger.lease() is None
    assert not said


def test_a_driver_elsewhere_that_renews_its_lease_keeps_the_study(ledger: Ledger) -> None:
    clock = Clock()
    theirs = elsewhere(ledger)
    clock.meanwhile = lambda: elsewhere(ledger, renewals=1) if clock.now_s == 15 else None
    lease, said = make_lease(ledger, clock)
    with pytest.raises(SpoofsweepError, match="one driver at a time; got a sweep on another-head"):
        lease.take()
    assert ledger.lease() == {**theirs, "renewals": 1}
    assert clock.now_s == 15
    assert said == ["Waiting 60 s to see whether the sweep on another-head still runs."]
    lease.release()  # what is not one's own stays
    assert ledger.lease() == {**theirs, "renewals": 1}


def test_one_that_is_gone_is_waited_for(ledger: Ledger) -> None:
    elsewhere(ledger)
    clock = Clock()
    make_lease(ledger, clock)[0].take()
    assert clock.now_s == 60
    held = ledger.lease()
    assert held is not None
    assert held["host"] == platform.node()


def test_one_that_lets_go_is_not(ledger: Ledger) -> None:
    elsewhere(ledger)
    clock = Clock()
    clock.meanwhile = lambda: ledger.set_lease(None)
    make_lease(ledger, clock)[0].take()
    assert clock.now_s == 1


def test_a_process_of_this_machine_that_is_gone_is_not_waited_for(ledger: Ledger) -> None:
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    ledger.set_lease({"host": platform.node(), "pid": killed.pid, "token": "theirs", "renewals": 3})
    clock = Clock()
    make_lease(ledger, clock)[0].take()
    assert clock.now_s == 0


def test_a_driver_that_was_replaced_stops_before_it_writes(ledger: Ledger) -> None:
    clock = Clock()
    lease, _ = make_lease(ledger, clock)
    lease.take()
    conductor = Conductor(ledger, Asha([], 3), 3)
    conductor.next_trial("a")
    clock.now_s = 14.0
    lease.renew()
    elsewhere(ledger)
    clock.now_s = 15.0
    conductor.guard(lease.renew)
    assert conductor.report("a", 50, {"dev_eer": 0.3}, final=True) is Decision.STOP
    conductor.release_all()
    assert [(trial.state, trial.reports) for trial in ledger.trials()] == [("RUNNING", {})]
    assert isinstance(conductor.failure, SpoofsweepError)


def test_a_renewal_shows_those_who_wait_that_the_driver_is_there(ledger: Ledger) -> None:
    clock = Clock()
    lease, _ = make_lease(ledger, clock)
    lease.take()
    before = ledger.lease()
    clock.now_s = 15.0
    lease.renew()
    assert ledger.lease() != before
