"""Requests of the user to a sweep that runs in another terminal, or on another machine, left in its ledger."""

import time
from collections.abc import Callable
from enum import Enum

import optuna

from cluster.errors import SpoofsweepError
from search.ledger.ledger import REQUEST, Ledger
from search.storage.storage import close_storage, holds_study, open_storage, unreachable
from search.study.study import Study
from search.sweep.conductor import INTERRUPTED, Conductor
from search.sweep.driver_lock import driver_lock

_INTERVAL_S = 2.0


class Request(Enum):
    """What a running sweep is to do."""

    PAUSE = "pause"
    """Let trials leave at their next report, and begin none until told to go on."""
    RESUME = "resume"
    STOP = "stop"
    """Let trials leave at their next report, and end."""


class StopRequestError(Exception):
    """The user wants the study to stop, for a reason that is the message."""


def send(study: Study, request: Request) -> None:
    """Leave a request for the sweep of a study.

    Raises:
        SpoofsweepError: the study was never started, no sweep of it runs, or its storage cannot be reached.
    """
    if not holds_study(study.storage_url, study.name):
        raise SpoofsweepError("the study must have been started", study.name, "run `spoofsweep sweep STUDY`")
    if (study.folder / "driver.lock").exists() and not _is_driven(study):
        raise SpoofsweepError("a sweep of the study must be running", study.name, "run `spoofsweep sweep STUDY`")
    storage = open_storage(study.storage_url)
    try:
        storage.set_study_system_attr(storage.get_study_id_from_name(study.name), REQUEST, request.value)
    except optuna.exceptions.StorageInternalError as error:
        raise unreachable(study.storage_url, error) from error
    finally:
        close_storage(storage)


class Requests:
    """Takes requests from a ledger, which it asks every two seconds at most."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._clock = ledger, clock
        self._asked_s = clock()

    def take(self) -> Request | None:
        """What the user has asked for since the last call, if anything."""
        if self._clock() - self._asked_s < _INTERVAL_S:
            return None
        self._asked_s = self._clock()
        name = self._ledger.request()
        if name is None:
            return None
        self._ledger.clear_request()
        return Request(name)


class Control:
    """Carries requests to a sweep out.

    Args:
        ledger: where they are left.
        conductor: what they are about.
        say: shows the user a line.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        ledger: Ledger,
        conductor: Conductor,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests, self._conductor, self._say = Requests(ledger, clock), conductor, say
        self._told_to_leave = False

    def poll(self) -> None:
        """Look for a request, if the last look was a while ago; tell what Ctrl-C did."""
        if self._conductor.leave_reason == INTERRUPTED and not self._told_to_leave:
            self._told_to_leave = True
            self._say("Trials leave at their next report, to go on from there. Ctrl-C again stops them now.")
        request, conductor = self._requests.take(), self._conductor
        if request is Request.STOP:
            conductor.leave_reason = conductor.leave_reason or "it was told to stop"
            self._say("Told to stop: trials leave at their next report.")
        elif request is Request.PAUSE and not conductor.paused:
            conductor.paused = True
            self._say("Told to pause: trials leave at their next report. `spoofsweep resume STUDY` goes on.")
        elif request is Request.RESUME and conductor.paused:
            conductor.paused = False
            self._say("Told to go on.")


def _is_driven(study: Study) -> bool:
    try:
        with driver_lock(study.folder):
            return False
    except SpoofsweepError:
        return True
