"""Keeps a second driver out of a study whose folder it does not share: a lease in the ledger, renewed all the time."""

import logging
import os
import platform
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger

_RENEWAL_S = 15.0
_PATIENCE_S = 60.0
"""A holder that has not renewed its lease for so long is gone. Watched, not read from a clock: those of two machines
may differ."""
_logger = logging.getLogger("spoofsweep.trials")


class DriverLease:
    """The right to run a study.

    A driver that was cut off from the ledger, and comes back after another one took its place, finds the lease in other
    hands and stops before it writes anything.

    Args:
        ledger: of the study.
        say: shows the user a line.
        clock: seconds that only rise.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger, self._say, self._clock, self._sleep = ledger, say, clock, sleep
        self._lease: dict[str, Any] = {"host": platform.node(), "pid": os.getpid(), "token": uuid4().hex, "renewals": 0}
        self._renewed_s = clock()

    def take(self) -> None:
        """Take the lease; wait, if somebody holds it, until it is clear whether they are still there.

        Raises:
            SpoofsweepError: they are.
        """
        held = self._ledger.lease()
        if held is not None and not self._is_dead(held):
            self._say(f"Waiting {_PATIENCE_S:.0f} s to see whether the sweep on {held['host']} still runs.")
            deadline_s = self._clock() + _PATIENCE_S
            while self._clock() < deadline_s and held is not None:
                self._sleep(1.0)
                seen = self._ledger.lease()
                if seen is not None and seen != held:
                    raise _held(seen)
                held = seen
        self._ledger.set_lease(self._lease)

    def renew(self) -> None:
        """Called all the time.

        Raises:
            SpoofsweepError: another driver has taken the lease.
        """
        if self._clock() - self._renewed_s < _RENEWAL_S:
            return
        held = self._ledger.lease()
        if held is None or held["token"] != self._lease["token"]:
            raise _held(held or {"host": "another machine", "pid": "unknown"})
        self._lease["renewals"] += 1
        self._ledger.set_lease(self._lease)
        self._renewed_s = self._clock()

    def release(self) -> None:
        """Let the next driver begin at once."""
        try:
            held = self._ledger.lease()
            if held is not None and held["token"] == self._lease["token"]:
                self._ledger.set_lease(None)
        except SpoofsweepError as error:  # the ledger is away: the next driver waits a minute
            _logger.warning("the study was not released: %s", error)

    def _is_dead(self, held: dict[str, Any]) -> bool:
        return held["host"] == self._lease["host"] and not _is_alive(held["pid"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process
        return True
    return True


def _held(held: dict[str, Any]) -> SpoofsweepError:
    return SpoofsweepError(
        "a study must be run by one driver at a time",
        f"a sweep on {held['host']}, process {held['pid']}",
        "wait for it, or stop it with `spoofsweep stop STUDY`",
    )
