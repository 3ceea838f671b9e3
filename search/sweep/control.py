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


class Control:
    """Carries requests out.

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
        self._ledger, self._conductor, self._say, self._clock = ledger, conductor, say, clock
        self._asked_s = clock()
        self._told_to_leave = False

    def poll(self) -> None:
        """Look for a request, if the last look was a while ago; tell what Ctrl-C did."""
        if self._conductor.leave_reason == INTERRUPTED and not self._told_to_leave:
            self._told_to_leave = True
            self._say("Trials leave at their next report, to go on from there. Ctrl-C again stops them now.")
        if self._clock() - self._asked_s < _INTERVAL_S:
            return
        self._asked_s = self._clock()
        request = self._ledger.request()
        if request is None:
            return
        self._ledger.clear_request()
        conductor = self._conductor
        if request == Request.STOP.value:
            conductor.leave_reason = conductor.leave_reason or "it was told to stop"
            self._say("Told to stop: trials leave at their next report.")
        elif request == Request.PAUSE.value and not conductor.paused:
            conductor.paused = True
            self._say("Told to pause: trials leave at their next report. `spoofsweep resume STUDY` goes on.")
        elif request == Request.RESUME.value and conductor.paused:
            conductor.paused = False
            self._say("Told to go on.")


def _is_driven(study: Study) -> bool:
    try:
        with driver_lock(study.folder):
            return False
    except SpoofsweepError:
        return True
