"""Executes trials in virtual time: learning curves for training, a queue of events for Ray. Decides nothing itself."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from search.pruning.pruner import Decision
from search.simulation.curves import Curve, Curves
from search.trials.trial_record import TrialRecord


class TrialSource(Protocol):
    """Who hands out trials and decides about them: a `search.sweep.conductor.Conductor`."""

    def next_trial(self, key: str) -> TrialRecord | None: ...

    def report(self, key: str, samples_seen: int, metrics: Mapping[str, float], final: bool) -> Decision: ...


@dataclass(frozen=True)
class SimulatedTrial:
    """How a trial went, in virtual seconds since the sweep began."""

    number: int
    start_s: float
    end_s: float
    samples_seen: int
    curve: Curve
    completed: bool
    """Whether it was trained to its end without diverging."""
    dev_eer: float
    """At its last report, as measured."""
    expected_eer: float
    """The same without the noise of the validation data."""
    forked_at: int = 0
    """Samples that its parent had seen, of one that took over."""


def simulate(source: TrialSource, curves: Curves, num_workers: int, start_s: float = 0.0) -> Iterator[SimulatedTrial]:
    """Run trials until no worker gets another one, or the caller has seen enough of them.

    Events of one moment happen in the order of the workers' numbers, so that a simulation repeats itself.

    Args:
        source: hands out trials, takes reports, decides.
        curves: what the trials report, and when.
        num_workers: trials at a time.
        start_s: seconds between a trial's being handed out and its first sample.

    Yields:
        The trials in the order in which they end.
    """
    keys = count()
    events = [(0.0, worker) for worker in range(num_workers)]  # equal times, rising numbers: a heap already
    running: dict[int, _Run] = {}
    while events:
        now_s, worker = heapq.heappop(events)
        if worker in running and not running[worker].report(source):
            yield running.pop(worker).result(now_s)
        if worker not in running:
            key = f"worker-{worker}-{next(keys)}"
            trial = source.next_trial(key)
            if trial is None:
                continue
            running[worker] = _Run(key, trial, now_s, now_s + start_s, curves.curve(trial))
        heapq.heappush(events, (running[worker].next_s, worker))


class _Run:
    """A trial in execution, between two reports."""

    def __init__(self, key: str, trial: TrialRecord, start_s: float, first_sample_s: float, curve: Curve) -> None:
        self._key, self._number, self._start_s, self._curve = key, trial.number, start_s, curve
        self._forked_at = trial.forked_at
        self._num_reports = len(curve.samples_seen)
        seconds = (curve.seconds + first_sample_s).tolist()
        self._reports: Iterator[tuple[int, int, float, float]] = zip(  # Python's own numbers, as a real report has them
            range(self._num_reports), curve.samples_seen.tolist(), curve.dev_eer.tolist(), seconds, strict=True
        )
        self._next = next(self._reports)

    @property
    def next_s(self) -> float:
        """When it reports."""
        return self._next[3]

    def report(self, source: TrialSource) -> bool:
        """Report, and say whether training goes on."""
        index, samples_seen, dev_eer, _ = self._next
        final = index == self._num_reports - 1
        metrics = {"dev_eer": dev_eer, "diverged": float(final and self._curve.diverged)}
        decision = source.report(self._key, samples_seen, metrics, final)
        if final or decision is Decision.STOP:
            return False
        self._next = next(self._reports)
        return True

    def result(self, now_s: float) -> SimulatedTrial:
        index, samples_seen, dev_eer, _ = self._next
        completed = index == self._num_reports - 1 and not self._curve.diverged
        expected_eer = float(self._curve.expected_eer[index])
        return SimulatedTrial(
            self._number,
            self._start_s,
            now_s,
            samples_seen,
            self._curve,
            completed,
            dev_eer,
            expected_eer,
            self._forked_at,
        )
