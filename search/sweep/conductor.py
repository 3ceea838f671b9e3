"""Connects whoever executes trials with the ledger and the pruning decisions. Knows neither Ray nor clocks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cluster.errors import SpoofsweepError
from search.ledger.ledger import Ledger
from search.pruning.pruner import Decision, Pruner
from search.study.objective import EER
from search.sweep.succession import Succession
from search.trials.fault import Fault
from search.trials.listener import Listener
from search.trials.trial_record import HEIR, PRUNE_RUNG, TrialRecord

T = TypeVar("T")
_MOST_LOSSES = 20
"""Machines that a trial may lose."""
INTERRUPTED = "the sweep was interrupted"
"""By the user, or by whatever ended its driver."""


@dataclass
class _Live:
    """A trial in execution."""

    record: TrialRecord
    attributes: dict[str, Any] = field(default_factory=dict)
    """From its last report, to be recorded at its end."""
    has_begun: bool = False
    """Whether it has its place; the listeners know of it."""

    def is_known(self, samples_seen: int) -> bool:
        """Whether the ledger has this report already, of an earlier attempt."""
        return samples_seen in self.record.reports


class Conductor:
    """One sweep's state, shared by searcher and scheduler; ``key`` is the executor's own name of a trial.

    Args:
        ledger: where trials are recorded.
        pruner: pruning decisions, rungs already rebuilt from the ledger.
        num_trials: trials the study may use up, those of earlier sweeps included.
        max_failures: the sweep stops when more trials than this fail.
        max_retries: errors of one trial after which it is tried again.
        shares_gpu: whether a trial that is short of memory may be given a GPU for itself.
        max_concurrent: trials at a time; none for no bound.
        listeners: told of every event.
        metric: the reported one that is minimised.
        second: the reported one that is minimised besides; the first report decides it.
        succession: who takes the place of a trial that is stopped; none leaves it to the sampler.
    """

    def __init__(
        self,
        ledger: Ledger,
        pruner: Pruner,
        num_trials: int,
        max_failures: int = 0,
        max_retries: int = 0,
        shares_gpu: bool = False,
        max_concurrent: int | None = None,
        listeners: Sequence[Listener] = (),
        metric: str = EER.metric,
        second: str | None = None,
        succession: Succession | None = None,
    ) -> None:
        self._ledger, self._pruner, self._listeners, self._succession = ledger, pruner, listeners, succession
        self._metric, self._second = metric, second
        self._remaining = num_trials - ledger.num_counted()
        self._max_failures, self._max_retries, self._shares_gpu = max_failures, max_retries, shares_gpu
        self._max_concurrent = max_concurrent
        self._live: dict[str, _Live] = {}
        self._num_failures = 0
        self.stop_reason: str | None = None
        """Why the sweep has to stop at once, before its trials are used up."""
        self.leave_reason: str | None = None
        """Why no trial begins any more, and those that run leave at their next report."""
        self.failure: SpoofsweepError | None = None
        """An error of the ledger itself, to be raised once the executor has let go."""

        self.end_reason: str | None = None
        """Why the study has enough: as `leave_reason`, but there is nothing to come back for."""
        self.paused = False
        """Whether no trial begins for now, and those that run leave at their next report."""

    @property
    def finished(self) -> bool:
        """Whether no further trial will begin, for now at least: one that still runs may have to be tried again."""
        return self.stopping or ((self.is_leaving or self._remaining <= 0) and not self._live)

    @property
    def is_leaving(self) -> bool:
        """Whether no trial begins, and those that run leave at their next report."""
        return self.paused or self._reason_to_leave is not None

    @property
    def stopping(self) -> bool:
        """Whether running trials are to be stopped as well."""
        return self.stop_reason is not None

    @property
    def reason_to_end(self) -> str | None:
        """Why the executor let go before the trials were used up; none if they are."""
        if self.stop_reason is None and (self._remaining <= 0 or self.end_reason is not None):
            return None
        return self.stop_reason or self.leave_reason or INTERRUPTED

    @property
    def _reason_to_wait(self) -> str:
        paused = "the sweep is paused" if self.paused else None
        return self.stop_reason or self._reason_to_leave or paused or INTERRUPTED

    @property
    def _reason_to_leave(self) -> str | None:
        return self.leave_reason or self.end_reason

    @property
    def is_full(self) -> bool:
        """Whether as many trials run as may run at a time."""
        return self._max_concurrent is not None and len(self._live) >= self._max_concurrent

    def next_trial(self, key: str) -> TrialRecord | None:
        """A trial that is to begin, or to go on; none when none is left, when full, or when the ledger failed."""
        if self.stopping or self.is_leaving or self._remaining <= 0 or self.is_full:
            return None
        record = self.guard(self._ledger.ask)
        if record is None:
            return None
        self._live[key] = _Live(record)
        self._remaining -= 1
        return record

    def begin(self, key: str) -> None:
        """The executor has a place for a trial; what it reports, or its end, says so as well."""
        live = self._live.get(key)
        if live is not None and not live.has_begun:
            live.has_begun = True
            for listener in self._listeners:
                listener.trial_started(live.record)

    def report(
        self,
        key: str,
        samples_seen: int,
        metrics: Mapping[str, float],
        final: bool,
        arithmetic: Mapping[str, str] | None = None,
    ) -> Decision:
        """Record a report and decide; a trial that is over already is left alone, a report that is known recorded once.

        A decision to prune is written with the report that caused it: should the driver die before the trial's end is
        written, too, the trial reports again to the next one, and is stopped.

        Args:
            key: the executor's name of the trial.
            samples_seen: training samples so far.
            metrics: what is minimised and whatever else is measured.
            final: no report follows.
            arithmetic: what the trial computes with, see `search.trials.trial_record.ARITHMETIC`.
        """
        if key not in self._live:
            return Decision.STOP
        self.begin(key)
        live, value = self._live[key], float(metrics[self._metric])
        metrics = {**metrics, **self._second_of(live, metrics)}
        live.attributes = {"metrics": metrics, **(arithmetic or {})}
        decision, cause = self._decide(live, samples_seen, value)
        is_complete = final and math.isfinite(value)
        if not live.is_known(samples_seen):
            number, before = live.record.number, cause if decision is Decision.STOP and not is_complete else {}
            self.guard(lambda: self._ledger.report(number, samples_seen, value, **before))
            if self.failure is not None:
                return Decision.STOP
        live.record = replace(
            live.record,
            reports={**live.record.reports, samples_seen: value},
            attributes={**live.record.attributes, **live.attributes},
        )
        for listener in self._listeners:
            listener.trial_reported(live.record)
        if is_complete:
            self._end(key, "COMPLETE", value, **({"diverged": True} if metrics.get("diverged") else {}))
        elif decision is Decision.STOP:
            self._end(key, "PRUNED", None, **cause)
            self._replace(live.record.number, cause)
        elif self.is_leaving:
            self._postpone(key, self._reason_to_wait)
            return Decision.STOP
        return decision

    def fail(self, key: str, reason: str, fault: Fault = Fault.ERROR) -> None:
        """A trial could not go on: try it again if that may help, else end it; too many ended ones stop the sweep.

        A lost machine is no failure of the trial. One short of memory comes again once, with a GPU for itself.
        """
        if key not in self._live:
            return
        attributes = self._live[key].record.attributes
        num_losses = attributes.get("losses", 0) + (fault is Fault.LOST)
        # A trial that takes one machine after another down with it is at fault after all.
        num_failures = attributes.get("failures", 0) + (fault is not Fault.LOST or num_losses > _MOST_LOSSES)
        if fault is Fault.MEMORY:
            may_retry = self._shares_gpu and not attributes.get("alone", False)
        else:
            may_retry = num_failures <= self._max_retries
        facts = {
            "failures": num_failures,
            "losses": num_losses,
            **({"alone": True} if fault is Fault.MEMORY and may_retry else {}),
        }
        if may_retry:
            self._postpone(key, reason, **facts)
            return
        self._end(key, "FAIL", None, reason=reason, **facts)
        self._num_failures += 1
        if self._num_failures > self._max_failures:
            self.stop_reason = (
                f"{self._num_failures} trials failed, search.max_failures is {self._max_failures}; the last: {reason}"
            )

    def release(self, key: str) -> None:
        """The executor has let go of a trial; one that had not come to its end waits for its turn again."""
        if key in self._live:
            self._postpone(key, self._reason_to_wait)

    def release_all(self) -> None:
        """The executor is gone: whatever still ran waits."""
        for key in list(self._live):
            self.release(key)

    def guard(self, act: Callable[[], T]) -> T | None:
        """Do something with the ledger; its error is kept as `failure`, and stops the sweep and all further writing."""
        if self.failure is not None:
            return None
        try:
            return act()
        except SpoofsweepError as error:
            # Executors log what their callbacks raise and go on; keep it, stop, and let the sweep raise it.
            self.failure = self.failure or error
            self.stop_reason = self.stop_reason or str(error)
            return None

    def _second_of(self, live: _Live, metrics: Mapping[str, float]) -> dict[str, float]:
        """The second objective of a trial, by its name: as the ledger has it, where it is put before any decision."""
        name, known = self._second, live.record.attributes
        if name is None:
            return {}
        if name not in known:
            fact = {name: metrics[name]}
            self.guard(lambda: self._ledger.note(live.record.number, **fact))
            live.record = replace(live.record, attributes={**known, **fact})
        return {name: live.record.attributes[name]}

    def _decide(self, live: _Live, samples_seen: int, value: float) -> tuple[Decision, dict[str, Any]]:
        """The decision about a report and, of a stop, what is to be recorded about its cause."""
        attributes = live.record.attributes
        decided = attributes.get(PRUNE_RUNG)  # by a driver that died before the end was recorded
        decision = self._pruner.report(live.record.number, samples_seen, value)
        if not math.isfinite(value):
            return Decision.STOP, {"reason": f"{self._metric} is {value}"}
        if decided is not None and samples_seen >= decided:
            return Decision.STOP, {name: attributes[name] for name in (PRUNE_RUNG, HEIR) if name in attributes}
        rung = self._pruner.rung_reached(samples_seen)
        cause: dict[str, Any] = {PRUNE_RUNG: rung}
        succession = self._succession
        if decision is Decision.STOP and succession is not None and rung is not None:
            cause[HEIR] = self.guard(lambda: succession.draw(live.record.number, rung))
        return decision, cause

    def _replace(self, number: int, cause: Mapping[str, Any]) -> None:
        """Put the heir of a trial that ended in line, in its place."""
        succession = self._succession
        if succession is not None and HEIR in cause and self.failure is None:
            self.guard(lambda: succession.enqueue(number, cause[HEIR]))
            self._remaining += 1

    def _postpone(self, key: str, reason: str, **attributes: Any) -> None:
        self.begin(key)
        live = self._live.pop(key)
        self._remaining += 1
        attributes |= live.attributes
        self.guard(lambda: self._ledger.postpone(live.record.number, reason, **attributes))
        if self.failure is not None:
            return
        attributes = {**live.record.attributes, **attributes, "postponed": reason}
        self._announce(replace(live.record, state="WAITING", attributes=attributes))

    def _end(self, key: str, state: str, value: float | None, **attributes: Any) -> None:
        self.begin(key)
        live = self._live.pop(key)
        attributes |= live.attributes
        self.guard(lambda: self._ledger.finish(live.record.number, state, value, **attributes))
        if self.failure is not None:
            return  # nobody is told of an end that is not recorded: the trial comes again
        self._announce(
            replace(live.record, state=state, value=value, attributes={**live.record.attributes, **attributes})
        )

    def _announce(self, record: TrialRecord) -> None:
        for listener in self._listeners:
            listener.trial_ended(record)
