"""Executes a conductor's trials with Ray Tune, switched to its least overhead."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from search.sweep.conductor import INTERRUPTED, Conductor
from search.sweep.scheduler import LedgerScheduler, SweepStopper
from search.sweep.searcher import LedgerSearcher
from search.trials.trial_record import TrialRecord

# Ray Tune reads these when a run begins. Its loggers cost more than a short trial; its own snapshots hold nothing that
# the ledger lacks; a trial works in the driver's folder, where relative paths mean what the user meant.
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # it would end trials in the middle of what they do
}


def execute(
    conductor: Conductor,
    trainable: type[tune.Trainable],
    make_config: Callable[[TrialRecord], dict[str, Any]],
    cluster: ClusterConfig,
    folder: Path,
    poll: Callable[[], None],
) -> None:
    """Run trials until the conductor has no more, or stops, or the user presses Ctrl-C.

    Once, or with SIGTERM: no trial begins, those that run leave at their next report. Twice: all stop now. A third time
    raises ``KeyboardInterrupt``.

    Args:
        conductor: hands out trials, takes reports, decides.
        trainable: class of the trials; its actors are reused.
        make_config: the trainable's configuration of a trial.
        cluster: resources of a trial.
        folder: for Ray Tune's own files; may be deleted afterwards.
        poll: called all the time, to look for requests.
    """
    with _environment(), _signals(conductor):
        tune.run(
            tune.with_resources(trainable, _resources(cluster)),
            name="tune",
            num_samples=-1,
            search_alg=LedgerSearcher(conductor, make_config),
            scheduler=LedgerScheduler(conductor),
            stop=SweepStopper(conductor, poll),
            callbacks=[_Beginnings(conductor)],
            reuse_actors=True,
            storage_path=str(folder.absolute()),
            trial_dirname_creator=lambda trial: trial.trial_id,
            raise_on_failed_trial=False,
            verbose=0,
        )


def num_places(cluster: ClusterConfig) -> int | None:
    """How many trials run at a time; none where a joined cluster decides (it may grow).

    Raises:
        SpoofsweepError: this machine cannot hold a single trial.
    """
    if cluster.address is not None:
        return cluster.max_concurrent_trials
    available = ray.cluster_resources()
    places = int(available.get("CPU", 0) // cluster.cpus_per_trial)
    share = cluster.gpu_share
    if share:
        # Ray does not spread one trial's fraction over two GPUs.
        per_gpu = int(1 / share) if share <= 1 else 1 / share
        places = min(places, int(available.get("GPU", 0) * per_gpu))
    if places < 1:
        raise SpoofsweepError(
            f"a trial needs {cluster.cpus_per_trial} CPU cores and {share:g} GPUs",
            f"{available.get('CPU', 0):g} and {available.get('GPU', 0):g} on this machine",
            f"lower cluster.cpus_per_trial, or change {cluster.gpu_setting}",
        )
    return min(places, cluster.max_concurrent_trials or places)


class _Beginnings(TrialProgressCallback):
    """Tells the conductor when a trial has its place: it is drawn before there is one.

    In the place of Ray Tune's own callback of this kind, which prints results and keeps every trial for that.
    """

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._conductor.begin(trial.trial_id)

    def log_result(self, *args: Any, **kwargs: Any) -> None:
        pass

    def on_trial_complete(self, *args: Any, **kwargs: Any) -> None:
        pass


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _resources(cluster: ClusterConfig) -> Callable[[dict[str, Any]], PlacementGroupFactory]:
    """Of a trial, by its configuration: the study's share of a GPU, or the larger one that it was given."""

    def resources(config: dict[str, Any]) -> PlacementGroupFactory:
        share = config.get("gpu_share", 0.0)
        return PlacementGroupFactory([{"CPU": cluster.cpus_per_trial, **({"GPU": share} if share else {})}])

    return resources


@contextmanager
def _signals(conductor: Conductor) -> Iterator[None]:
    """What Ctrl-C and SIGTERM mean to a sweep; Python hears them in its main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def leave(*_: object) -> None:
        if conductor.leave_reason is None:
            conductor.leave_reason = INTERRUPTED
        elif conductor.stop_reason is None:
            conductor.stop_reason = INTERRUPTED
        else:
            raise KeyboardInterrupt

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
