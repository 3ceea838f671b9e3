"""What a sweep is to be expected to do, from simulations with the study's own pruner and ledger, and its sampler.

TPE stands in for the Gaussian process, which takes a hundred times as long a draw: hours and rungs hardly depend on it.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.pruning.horizon import Horizon
from search.simulation.simulator import SimulatedTrial
from search.simulation.synthetic_curves import FAMILIES, SyntheticCurves
from search.simulation.virtual_sweep import virtual_sweep
from search.study.config import SearchConfig, StudyConfig
from search.study.space import SearchSpace

_NUM_TRIALS = 1000
"""Simulated in all, about; within these bounds of repetitions."""
_FEWEST, _MOST = 3, 10


@dataclass(frozen=True)
class Spread:
    """A figure over the simulations."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.fmean(values), min(values), max(values))


@dataclass(frozen=True)
class RungForecast:
    """One rung."""

    passes: float
    reached: Spread
    """Trials that come so far."""
    continuing: Spread
    """Trials that go on from here."""
    by_luck: float
    """Share of those that would go on were the best chosen by what validation measures, and not were it exact."""


@dataclass(frozen=True)
class Forecast:
    """A sweep."""

    rungs: tuple[RungForecast, ...]
    completed: Spread
    wall_s: Spread
    busy_s: Spread
    """Of all workers together."""
    full_s: float
    """Of a trial that is trained to its end."""
    drawn_blindly: Spread
    """Trials that begin before any other has ended, so that the sampler knows nothing."""


def forecast(
    config: StudyConfig,
    horizon: Horizon,
    seconds_per_pass: float,
    num_workers: int,
    num_dev: tuple[int, int],
    on_simulated: Callable[[], None] = lambda: None,
) -> Forecast:
    """Simulate a study's sweep several times over benign synthetic curves.

    Args:
        config: the study.
        horizon: its rungs.
        seconds_per_pass: of every configuration, validation included.
        num_workers: trials at a time.
        num_dev: bona fide and spoofed utterances that validation scores.
        on_simulated: called after each simulation.
    """
    search = config.search.model_copy(update={"sampler": sampler_of_forecasts(config.search)})
    config = config.model_copy(update={"search": search})
    sweeps = []
    for seed in range(num_simulations(config.search.num_trials)):
        curves = SyntheticCurves(
            SearchSpace(config.space),
            horizon,
            FAMILIES["benign"],
            seed,
            report_passes=config.trial.report_passes,
            seconds_per_pass=seconds_per_pass,
            cost_log_spread=0.0,  # nothing but the default trial was measured
            num_dev=num_dev,
        )
        sweeps.append(list(virtual_sweep(config, horizon, curves, num_workers, seed)))
        on_simulated()
    rungs = [_rung(sweeps, samples, horizon, config.search.reduction_factor) for samples in horizon.rungs]
    full_s = horizon.budget / horizon.samples_per_pass * seconds_per_pass
    return Forecast(
        rungs=tuple(rungs),
        completed=Spread.of([sum(trial.samples_seen >= horizon.budget for trial in sweep) for sweep in sweeps]),
        wall_s=Spread.of([max(trial.end_s for trial in sweep) for sweep in sweeps]),
        busy_s=Spread.of([sum(trial.end_s - trial.start_s for trial in sweep) for sweep in sweeps]),
        full_s=full_s,
        drawn_blindly=Spread.of([_num_drawn_blindly(sweep) for sweep in sweeps]),
    )


def sampler_of_forecasts(search: SearchConfig) -> str:
    """The sampler that simulations have."""
    return "tpe" if search.sampler in ("auto", "gp") else search.sampler


def num_simulations(num_trials: int) -> int:
    """Repetitions of a sweep of so many trials."""
    return min(_MOST, max(_FEWEST, _NUM_TRIALS // num_trials))


def _rung(
    sweeps: Sequence[Sequence[SimulatedTrial]], samples: int, horizon: Horizon, reduction_factor: int
) -> RungForecast:
    reached = [[trial for trial in sweep if trial.forked_at < samples <= trial.samples_seen] for sweep in sweeps]
    return RungForecast(
        passes=samples / horizon.samples_per_pass,
        reached=Spread.of([len(trials) for trials in reached]),
        continuing=Spread.of([sum(not _stopped_at(trial, samples) for trial in trials) for trials in reached]),
        by_luck=statistics.fmean(_by_luck(trials, samples, reduction_factor) for trials in reached),
    )


def _stopped_at(trial: SimulatedTrial, samples: int) -> bool:
    """Whether the trial's first report at or beyond these samples was its last, and not that of a finished training."""
    reports = trial.curve.samples_seen
    first = int(np.searchsorted(reports, samples))
    return trial.samples_seen == reports[first] and first < len(reports) - 1


def _by_luck(trials: Sequence[SimulatedTrial], samples: int, reduction_factor: int) -> float:
    reports = [min(int(np.searchsorted(t.curve.samples_seen, samples)), len(t.curve.dev_eer) - 1) for t in trials]
    measured = np.array([t.curve.dev_eer[report] for t, report in zip(trials, reports, strict=True)])
    expected = np.array([t.curve.expected_eer[report] for t, report in zip(trials, reports, strict=True)])
    number = max(1, len(trials) // reduction_factor)
    return 1.0 - len(_best(measured, number) & _best(expected, number)) / number


def _best(eers: NDArray[np.float64], number: int) -> set[int]:
    return set(np.argsort(eers, kind="stable")[:number].tolist())


def _num_drawn_blindly(sweep: Sequence[SimulatedTrial]) -> int:
    first_end_s = min(trial.end_s for trial in sweep)
    return sum(trial.start_s < first_end_s for trial in sweep)
