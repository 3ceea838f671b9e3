"""A race of searches on one landscape: when each of them comes to random search's result."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from stock_sweep import StockSweep

from search.pruning.horizon import Horizon, horizon_of
from search.simulation.curves import Curves
from search.simulation.recorded_curves import RecordedCurves, read_curves, recorded_passes
from search.simulation.simulator import SimulatedTrial, simulate
from search.simulation.surrogate_curves import SurrogateCurves
from search.simulation.synthetic_curves import FAMILIES, SyntheticCurves
from search.simulation.virtual_sweep import virtual_sweep
from search.study.config import StudyConfig
from search.study.space import SearchSpace
from search.study.study import find_study, load_study

FOLDER = Path(__file__).parent
REPLAYS: dict[str, Callable[[pd.DataFrame, SearchSpace], Curves]] = {
    "surrogate": SurrogateCurves,
    "recorded": RecordedCurves,
}
"""What becomes of the recorded trainings."""
LANDSCAPES = (*REPLAYS, *FAMILIES)
SAMPLES_PER_PASS = 25_380
NUM_DEV = (2_548, 22_296)
"""ASVspoof 2019 LA."""
FIRST_RUNG_SHARE = "first_rung_share"
"""Of the budget, in the place of ``first_rung_passes``."""
TPE: dict[str, Any] = {"sampler": "tpe"}
NINTH, FIRST_PASS = {"rung_trust": False}, {"rung_trust": False, "first_rung_passes": 1.0}
POLICIES: dict[str, dict[str, Any]] = {
    "spoofsweep (GP, then TPE; rungs on trust)": {},
    "the same, first rung at the first pass": FIRST_PASS,
    "the same, no pruning": {"pruning": "none"},
    "TPE, rungs on trust": TPE,
    "CMA-ES, rungs on trust": {"sampler": "cmaes"},
    "GP, rungs on trust": {"sampler": "gp"},
    "QMC, rungs on trust": {"sampler": "qmc"},
    "random, rungs on trust": {"sampler": "random"},
    "TPE, a tenth of the draws at random": {**TPE, "random_share": 0.1},
    "TPE, first rung at a ninth": TPE | NINTH,
    "TPE, first rung at the first pass": TPE | FIRST_PASS,
    "TPE, first rung at a third": {**TPE, "rung_trust": False, FIRST_RUNG_SHARE: 1 / 3},
    "TPE, PASHA": {**TPE, "pruning": "pasha"},
    "TPE, no pruning": {**TPE, "pruning": "none"},
}
"""Ours, by what differs from a study's defaults; the first pass is a 27th of the budget in the demo study, a ninth in
the one recorded."""
STOCK = {"stock Ray, first rung at the first pass": 1, "stock Ray, first rung at the third pass": 3}
"""Grace period in reports."""
RANDOM = "random search"
RANDOM_SEARCH = {"sampler": "random", "pruning": "none"}
OTHER_SEEDS = 1_000_000
"""Added to a seed where something is to be drawn anew."""
NAMES = (RANDOM, *STOCK, *POLICIES)
COMPARED = (RANDOM, next(iter(STOCK)), next(iter(POLICIES)))
"""In every table."""
NUM_FINALISTS = 5
"""Trained with further seeds after a search."""
MOST_TRIALS = 4
"""Times those of random search that set the target."""


@dataclass(frozen=True)
class Cell:
    """One landscape, number of workers and seed: what a process works on."""

    landscape: str
    num_workers: int
    seed: int
    num_trials: int
    """Of random search that sets the target, unless the workers ask for more."""

    @property
    def num_random(self) -> int:
        """Trainings of random search that set the target: at least two a worker."""
        return max(self.num_trials, 2 * self.num_workers)

    @property
    def key(self) -> list[Any]:
        return [self.landscape, self.num_workers, self.seed, self.num_trials]


@dataclass(frozen=True)
class Race:
    """Where the searches of a cell run."""

    config: StudyConfig
    samples_per_pass: int
    curves: Curves
    num_workers: int
    seed: int

    def sweep(self, num_trials: int, **search: Any) -> Iterable[SimulatedTrial]:
        """Ours, with other settings than the study's."""
        config = self._config(num_trials, **search)
        return virtual_sweep(config, self.horizon(config), self.curves, self.num_workers, self.seed)

    def rungs(self, **search: Any) -> Sequence[int]:
        """Where such a sweep judges its trials."""
        return self.horizon(self._config(1, **search)).rungs

    def _config(self, num_trials: int, **search: Any) -> StudyConfig:
        # Made-up landscapes know nothing of what is good in the field.
        settings = {"num_trials": num_trials, "start_from_defaults": False, "prior_share": 0.0, **search}
        if FIRST_RUNG_SHARE in settings:
            settings["first_rung_passes"] = settings.pop(FIRST_RUNG_SHARE) * self.config.trial.budget_passes
        return self.config.model_copy(update={"search": type(self.config.search).model_validate(settings)})

    def stock(self, num_trials: int, grace_period: int) -> Iterable[SimulatedTrial]:
        trial = self.config.trial
        num_reports = math.ceil(trial.budget_passes / trial.report_passes)
        source = StockSweep(SearchSpace(self.config.space), num_trials, num_reports, grace_period, 3, self.seed)
        return simulate(source, self.curves, self.num_workers)

    def horizon(self, config: StudyConfig) -> Horizon:
        return horizon_of(config, self.samples_per_pass)


def recordings() -> tuple[StudyConfig, pd.DataFrame]:
    """The study that was recorded, and its reports."""
    return load_study(FOLDER / "studies" / "curves.toml").config, read_curves(FOLDER / "curves" / "curves.parquet")


def race_of(cell: Cell) -> Race:
    if cell.landscape in REPLAYS:
        config, reports = recordings()
        replay = REPLAYS[cell.landscape](reports, SearchSpace(config.space))
        return Race(config, recorded_passes(reports), replay, cell.num_workers, cell.seed)
    config = load_study(find_study("demo")).config
    curves = SyntheticCurves(
        SearchSpace(config.space),
        horizon_of(config, SAMPLES_PER_PASS),
        FAMILIES[cell.landscape],
        cell.seed,
        report_passes=config.trial.report_passes,
        num_dev=NUM_DEV,
    )
    return Race(config, SAMPLES_PER_PASS, curves, cell.num_workers, cell.seed)


def picks(trials: Iterable[SimulatedTrial], rungs: Sequence[int] = ()) -> Iterable[tuple[float, float]]:
    """Whenever the finalists change: when the new one is trained to its end, and the best of theirs without noise.

    Args:
        trials: in the order in which they end.
        rungs: where those that were stopped may become finalists too, the furthest first; none for finished ones alone.
    """
    finalists: list[tuple[int, float, float]] = []
    for trial in trials:
        reports = trial.curve.samples_seen
        is_stopped = trial.samples_seen < reports[-1]
        if trial.completed or (rungs and is_stopped):
            rank = -sum(rung <= trial.samples_seen for rung in rungs) - trial.completed
            candidate = (rank, trial.dev_eer, float(trial.curve.expected_eer[-1]))
            finalists = sorted([*finalists, candidate])[:NUM_FINALISTS]
            if candidate in finalists:
                yield trial.start_s + float(trial.curve.seconds[-1]), min(eer for *_, eer in finalists)


def time_to(target: float, trials: Iterable[SimulatedTrial], limit_s: float, rungs: Sequence[int] = ()) -> float | None:
    """When the pick is as good as ``target``; none if not within the limit."""
    for end_s, eer in picks(_until(trials, limit_s), rungs):
        if eer <= target and end_s <= limit_s:
            return end_s
    return None


def _until(trials: Iterable[SimulatedTrial], limit_s: float) -> Iterable[SimulatedTrial]:
    for trial in trials:
        if trial.end_s > limit_s:
            return
        yield trial


def run_cell(cell: Cell, names: Sequence[str]) -> dict[str, Any]:
    """Virtual seconds to random search's result, by search; none where one did not come there."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    race = race_of(cell)
    rival = replace(race, seed=OTHER_SEEDS + race.seed)
    target = list(picks(rival.sweep(cell.num_random, **RANDOM_SEARCH)))[-1][1]
    drawn = list(race.sweep(2 * cell.num_random, **RANDOM_SEARCH))
    limit_s = max(trial.end_s for trial in drawn)
    times = {}
    for name in names:
        if name == RANDOM:
            times[name] = time_to(target, drawn, limit_s)
        elif name in STOCK:
            times[name] = time_to(target, race.stock(MOST_TRIALS * cell.num_random, STOCK[name]), limit_s)
        else:
            settings = POLICIES[name]
            rungs = race.rungs(**settings) if settings.get("pruning") == "pasha" else ()
            times[name] = time_to(target, race.sweep(MOST_TRIALS * cell.num_random, **settings), limit_s, rungs)
    return {"cell": cell.key, "target": target, "limit_s": limit_s, "times": times}
