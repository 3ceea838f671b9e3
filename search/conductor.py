"""Connects whoever executes trials with the ledger and the pruning decisions. Knows neither Ray nor clocks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from cluster.errors import SpoofsweepError
from search.ledger import Ledger
from search.pruner import Decision, Pruner
from search.trial_record import INTERRUPTED, TrialRecord

T = TypeVar("T")
OBJECTIVE = "dev_eer"
"""The reported metric that is minimised."""


class Listener(Protocol):
    """Is told what happens to trials, in order; must return at once."""

    def trial_started(self, trial: TrialRecord) -> None: ...

    def trial_reported(self, trial: TrialRecord) -> None:
        """``trial`` as it is after the report, whose metrics and arithmetic are among its attributes."""

    def trial_ended(self, trial: TrialRecord) -> None: ...


@dataclass
class _Live:
    """A trial in execution."""

    record: TrialRecord
    attributes: dict[str, Any] = field(default_factory=dict)
    """From its last report, to be recorded at its end."""


class Conductor:
    """One sweep's state, shared by searcher and scheduler; ``key`` is the executor's own name of a trial.

    Args:
        ledger: where trials are recorded.
        asha: pruning decisions, rungs already rebuilt from the ledger.
        num_trials: trials the study may use up, those of earlier sweeps included.
        max_failures: the sweep stops when more trials than this fail.
        max_concurrent: trials at a time; none for no bound.
        listeners: told of every event.
    """

    def __init__(
        self,
        ledger: Ledger,
        asha: Pruner,
        num_trials: int,
        max_failures: int = 0,
        max_concurrent: int | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._ledger, self._asha, self._listeners = ledger, asha, listeners
        self._remaining = num_trials - ledger.num_counted()
        self._max_failures, self._max_concurrent = max_failures, max_concurrent
        self._live: dict[str, _Live] = {}
        self._num_failures = 0
        self.stop_reason: str | None = None
        """Why the sweep has to stop before its trials are used up."""
        self.failure: SpoofsweepError | None = None
        """An error of the ledger itself, to be raised once the executor has let go."""

    @property
    def finished(self) -> bool:
        """Whether no further trial will begin."""
        return self._remaining <= 0 or self.stopping

    @property
    def stopping(self) -> bool:
        """Whether running trials are to be stopped as well."""
        return self.stop_reason is not None

    @property
    def is_full(self) -> bool:
        """Whether as many trials run as may run at a time."""
        return self._max_concurrent is not None and len(self._live) >= self._max_concurrent

    def next_trial(self, key: str) -> TrialRecord | None:
        """Begin a trial; none when finished, full, or when the ledger failed."""
        if self.finished or self.is_full:
            return None
        record = self._guard(self._ledger.ask)
        if record is None:
            return None
        self._live[key] = _Live(record)
        self._remaining -= 1
        for listener in self._listeners:
            listener.trial_started(record)
        return record

    def report(
        self,
        key: str,
        samples_seen: int,
        metrics: Mapping[str, float],
        final: bool,
        arithmetic: Mapping[str, str] | None = None,
    ) -> Decision:
        """Record a report and decide; a trial that is over already is left alone.

        Args:
            key: the executor's name of the trial.
            samples_seen: training samples so far.
            metrics: validation EER and whatever else is measured.
            final: no report follows.
            arithmetic: what the trial computes with, see `search.trial_record.ARITHMETIC`.
        """
        if key not in self._live:
            return Decision.STOP
        live, value = self._live[key], float(metrics[OBJECTIVE])
        live.attributes = {"metrics": dict(metrics), **(arithmetic or {})}
        live.record = replace(
            live.record,
            reports={**live.record.reports, samples_seen: value},
            attributes={**live.record.attributes, **live.attributes},
        )
        number = live.record.number
        self._guard(lambda: self._ledger.report(number, samples_seen, value))
        for listener in self._listeners:
            listener.trial_reported(live.record)
        decision = self._asha.report(number, samples_seen, value)
        if final and math.isfinite(value):
            diverged = {"diverged": True} if metrics.get("diverged") else {}
            self._end(key, "COMPLETE", value, **diverged)
        elif decision is Decision.STOP:
            rung = {"prune_rung": self._asha.rung_reached(samples_seen)}
            facts = rung if math.isfinite(value) else {"reason": f"{OBJECTIVE} is {value}"}
            self._end(key, "PRUNED", None, **facts)
        return decision

    def fail(self, key: str, reason: str) -> None:
        """End a trial that crashed; too many of them stop the sweep."""
        if key not in self._live:
            return
        self._end(key, "FAIL", None, reason=reason)
        self._num_failures += 1
        if self._num_failures > self._max_failures:
            self.stop_reason = (
                f"{self._num_failures} trials failed, search.max_failures is {self._max_failures}; the last: {reason}"
            )

    def release(self, key: str) -> None:
        """The executor has let go of a trial; one that had not come to its end is interrupted and queued again."""
        live = self._live.pop(key, None)
        if live is None:
            return
        self._remaining += 1
        reason = self.stop_reason or "the sweep was interrupted"
        self._guard(lambda: self._ledger.interrupt(live.record.number, reason))
        attributes = {**live.record.attributes, "reason": reason, INTERRUPTED: True}
        self._announce(replace(live.record, state="FAIL", attributes=attributes))

    def release_all(self) -> None:
        """The executor is gone: interrupt whatever still ran."""
        for key in list(self._live):
            self.release(key)

    def _end(self, key: str, state: str, value: float | None, **attributes: Any) -> None:
        live = self._live.pop(key)
        attributes |= live.attributes
        self._guard(lambda: self._ledger.finish(live.record.number, state, value, **attributes))
        self._announce(
            replace(live.record, state=state, value=value, attributes={**live.record.attributes, **attributes})
        )

    def _announce(self, record: TrialRecord) -> None:
        for listener in self._listeners:
            listener.trial_ended(record)

    def _guard(self, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except SpoofsweepError as error:
            # Executors log what their callbacks raise and go on; keep it, stop, and let the sweep raise it.
            self.failure = self.failure or error
            self.stop_reason = self.stop_reason or str(error)
            return None
