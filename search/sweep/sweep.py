"""Runs a study's trials: sampler, pruning, ledger, executor, MLflow and progress put together."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from ray.tune import Trainable
from rich.console import Console

from cluster.errors import SpoofsweepError
from cluster.prices import count_workers
from cluster.ray_session import ray_session
from deploy.tracking_store import check_reachable
from search.ledger.leaderboard import Summary, eer_of, summarise
from search.ledger.ledger import Ledger
from search.ledger.warm_start import start_from_earlier
from search.pruning.horizon import horizon_of
from search.pruning.pruners import study_pruner
from search.sampling.limits import limits_of
from search.sampling.sampler import make_sampler
from search.study.objective import EER
from search.study.space import SearchSpace
from search.study.study import Study
from search.sweep.actor_config import config_maker
from search.sweep.budget import Budget, Spent
from search.sweep.checkpoint_keeper import CheckpointKeeper
from search.sweep.conductor import Conductor
from search.sweep.control import Control
from search.sweep.disk_use import DiskUse
from search.sweep.driver_lease import DriverLease
from search.sweep.driver_lock import driver_lock
from search.sweep.fork_keeper import ForkKeeper
from search.sweep.gpu_sharing import Packing
from search.sweep.model_keeper import ModelKeeper
from search.sweep.progress import SweepProgress
from search.sweep.study_tracker import open_tracker
from search.sweep.succession import make_succession
from search.sweep.sweep_log import sweep_log
from search.sweep.tune_run import execute, num_places
from search.trials.listener import Listener
from search.trials.trial_data import TrialData
from search.trials.trial_record import TrialRecord
from trainable.checkpoints.signature import trial_signature
from trainable.data.hold_out import Folds, samples_per_pass

_PAUSE_S = 0.5
_logger = logging.getLogger("spoofsweep.trials")


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended."""

    summary: Summary
    """Of the whole study, earlier sweeps included: counts by state, best trial, rungs, compute saved."""
    stop_reason: str | None
    """Why it stopped before its trials were used up; none if they are."""
    is_tracked: bool
    """Whether MLflow has everything; what it lacks waits in the study's folder for the next sweep."""


def run_sweep(
    study: Study,
    shards: TrialData,
    *,
    console: Console | None = None,
    listeners: Sequence[Listener] = (),
    trainable: type[Trainable] | None = None,
    packing: Packing | None = None,
) -> SweepResult:
    """Run a study's trials up to ``search.num_trials``, those of earlier sweeps counted.

    One Ctrl-C ends the sweep in order: trials that still run leave at their next report, and go on in the next sweep
    from there. So do those that a driver left that was killed.

    Args:
        study: the study.
        shards: data of all trials.
        console: where progress is shown; none shows nothing.
        listeners: told of every trial event.
        trainable: class of the trials; none means ``trainable.ray_adapter.TrialActor``.
        packing: why so many trials share a GPU, to be recorded.

    Raises:
        SpoofsweepError: the tracking store, the ledger or the Ray cluster cannot be reached, a trial asks for more than
            the machine has, or the study contradicts its earlier sweeps.
    """
    study.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(driver_lock(study.folder))
        stack.enter_context(sweep_log(study.folder / "sweep.log"))
        check_reachable(study.tracking_uri)
        folds = study.folds(shards.index)
        ledger = open_ledger(study, shards.shard_set_id, folds)
        stack.callback(ledger.close)
        console = console or Console(quiet=True)
        lease = DriverLease(ledger, console.print)
        lease.take()
        stack.callback(lease.release)
        ledger.clear_request()  # to a sweep that is over
        stack.enter_context(ray_session(study.config.cluster))
        sweep = _Sweep(study, shards, folds, ledger, lease, console, listeners, packing)
        stack.enter_context(sweep.progress)
        try:
            sweep.run(trainable or _trial_actor())
        finally:
            result = sweep.end()
        if sweep.conductor.failure is not None:
            raise sweep.conductor.failure
    return result


class _Sweep:
    """The parts of one sweep, from the queue's preparation to the last word in MLflow."""

    def __init__(
        self,
        study: Study,
        shards: TrialData,
        folds: Folds,
        ledger: Ledger,
        lease: DriverLease,
        console: Console,
        listeners: Sequence[Listener],
        packing: Packing | None,
    ) -> None:
        search = study.config.search
        self._study, self._shards, self._folds, self._ledger, self._lease = study, shards, folds, ledger, lease
        self._horizon = horizon_of(study.config, samples_per_pass(shards.index, folds))
        places = num_places(study.config.cluster)
        self._unfinished, self._notes = _prepare_queue(study, ledger)
        pruner = study_pruner(study.config, self._horizon, shards.index, folds, ledger.fact)
        succession = make_succession(pruner, ledger, SearchSpace(study.config.space), study.config.study.seed)
        trials = ledger.trials()
        pruner.replay(ledger.reports())
        self._keeper = ModelKeeper(study.folder / "trials", study.config.finalists.num_configs, trials)
        self._checkpoints = CheckpointKeeper(study.folder / "checkpoints", trials)
        forks, checkpoints = study.folder / "forks", self._checkpoints
        self._forks = None if succession is None else ForkKeeper(forks, succession.population, checkpoints, trials)
        self._tracker = open_tracker(study, shards, folds, ledger, packing)
        disk = DiskUse(study.folder)
        self.progress = SweepProgress(
            console, search.num_trials, self._horizon.budget, trials, disk, objective=study.objective
        )
        self._budget = _open_budget(study, ledger, self._end_study)
        parts: list[Listener] = [
            self._tracker,  # first: what is deleted afterwards takes its time, and the driver may be killed
            self._keeper,
            *([self._forks] if self._forks else []),
            self._checkpoints,
            self._budget,
            self.progress,
            *listeners,
        ]
        shares_gpu = 0 < study.config.cluster.gpu_share < 1
        self.conductor = Conductor(
            ledger,
            pruner,
            search.num_trials,
            search.max_failures,
            search.max_retries,
            shares_gpu,
            places,
            parts,
            study.objective.metric,
            search.second_objective,
            succession,
        )

    def run(self, trainable: type[Trainable]) -> None:
        for note in self._notes:
            self.progress.say(note)
        self._tracker.start()
        for trial in self._unfinished:
            self._tracker.trial_ended(trial)
        self._budget.check()
        if self.conductor.finished:
            return
        make_config = config_maker(self._study, self._shards, self._folds, self._keeper, self._checkpoints, self._forks)
        folder = self._study.folder / "ray"
        control, cluster = Control(self._ledger, self.conductor, self.progress.say), self._study.config.cluster

        def poll() -> None:
            self.conductor.guard(self._lease.renew)
            control.poll()
            self._budget.tick()

        while not self.conductor.finished:
            execute(self.conductor, trainable, make_config, cluster, folder, poll)
            while self.conductor.paused and not self.conductor.stopping:  # nothing is held meanwhile
                poll()
                if self.conductor.leave_reason or self.conductor.end_reason:
                    return
                time.sleep(_PAUSE_S)

    def end(self) -> SweepResult:
        """Leave ledger, models and MLflow in order, however the run ended."""
        self.conductor.release_all()
        horizon, reason = self._horizon, self.conductor.reason_to_end
        try:
            self._budget.close()
            trials = self._ledger.trials()
            summary = summarise(
                trials,
                horizon.rungs,
                horizon.budget,
                horizon.samples_per_pass,
                objective=self._study.objective,
                second=self._study.second,
            )
            for number in self._keeper.kept():
                self._tracker.model_kept(number, self._keeper.folder_of(number))
            self._tracker.study_ended(_figures(summary), "FINISHED" if reason is None else "KILLED")
        finally:
            is_tracked = self._tracker.close(say=self.progress.say)
            shutil.rmtree(self._study.folder / "ray", ignore_errors=True)
        return SweepResult(summary, reason, is_tracked)

    def _end_study(self, reason: str) -> None:
        if self.conductor.end_reason is None:
            self.conductor.end_reason = reason
            self.progress.say(f"The study has enough: {reason}.")


def open_ledger(study: Study, shard_set_id: str, folds: Folds = ()) -> Ledger:
    """The study's ledger, opened to run trials on these shards, with these attacks held out.

    Raises:
        SpoofsweepError: it cannot be reached, or contradicts the study.
    """
    space, config = SearchSpace(study.config.space), study.config
    space.check(config.trial)
    return Ledger(
        study.storage_url,
        study.name,
        space,
        config.trial,
        make_sampler(config.search, config.study.seed, space),
        config.study.seed,
        shard_set_id,
        folds,
        lambda trial, seed, lineage: trial_signature(trial, seed, shard_set_id, folds, lineage),
        study.objective.name,
        config.search.second_objective or "",
        limits_of(config),
    )


def _prepare_queue(study: Study, ledger: Ledger) -> tuple[list[TrialRecord], list[str]]:
    """Queue what an earlier driver left unfinished, or what the study starts from; returns the former, and notes."""
    unfinished = set(ledger.requeue_unfinished())
    if study.config.search.start_from_defaults and not ledger.trials():
        ledger.enqueue(SearchSpace(study.config.space).defaults(study.config.trial))
    notes = start_from_earlier(study, ledger)
    return [trial for trial in ledger.trials() if trial.number in unfinished], notes


def _open_budget(study: Study, ledger: Ledger, end: Callable[[str], None]) -> Budget:
    cluster = study.config.cluster
    spent = Spent(**ledger.spent())

    def save(spent: Spent) -> None:
        try:
            ledger.set_spent(asdict(spent))
        except SpoofsweepError as error:  # of the ledger: the sweep's next word to it says so
            _logger.warning("what the study has spent was not recorded: %s", error)

    return Budget(
        study.config.budget,
        cluster.gpu_share,
        lambda: cluster.price_of_hour(0 if cluster.prices is None else count_workers()),
        spent,
        ledger.trials(),
        end,
        save,
    )


def _figures(summary: Summary) -> dict[str, float]:
    """The sweep in numbers, for the parent run."""
    counts = {f"num_{state.lower()}": float(count) for state, count in summary.num_by_state.items()}
    best, objective = {}, summary.objective
    if summary.best is not None:
        told = {EER.metric: eer_of(summary.best, objective), objective.metric: summary.best.value}
        best = {f"best_{metric}": value for metric, value in told.items() if value is not None}
    return {**counts, **best, "num_refused": float(summary.num_refused), "compute_saved": summary.compute_saved}


def _trial_actor() -> type[Trainable]:
    from trainable.ray_adapter import TrialActor  # torch comes with it

    return TrialActor
