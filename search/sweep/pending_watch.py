"""Tells, while a sweep runs, why its trials do not."""

import threading
import time
from types import TracebackType

from ray.exceptions import RayError
from rich.console import Console

from cluster.pending import why_waiting
from search.trials.trial_record import TrialRecord

PATIENCE_S = 60.0
"""Without a report for so long, the question is asked."""


class PendingWatch:
    """A listener that, when nothing has been heard of any trial for a while, says what trials wait for, once.

    Args:
        console: where it is said.
        patience_s: how long nothing is heard before.
    """

    def __init__(self, console: Console, patience_s: float = PATIENCE_S) -> None:
        self._console, self._patience_s = console, patience_s
        self._heard, self._said = time.monotonic(), ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pending-watch", daemon=True)

    def __enter__(self) -> "PendingWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def trial_started(self, trial: TrialRecord) -> None:
        """A trial has its place."""
        self._heard = time.monotonic()

    def trial_reported(self, trial: TrialRecord) -> None:
        """A trial is at work."""
        self._heard = time.monotonic()

    def trial_ended(self, trial: TrialRecord) -> None:
        """A trial was at work."""
        self._heard = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(self._patience_s / 4):
            if time.monotonic() - self._heard < self._patience_s:
                continue
            try:
                reason = why_waiting()
            except RayError:  # the sweep itself will meet it, and tell it better
                return
            if reason and reason != self._said:
                self._said = reason
                self._console.print(f"{reason}.", style="yellow", markup=False, highlight=False)
