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

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from search.conductor import Conductor
from search.scheduler import LedgerScheduler, SweepStopper
from search.searcher import LedgerSearcher
from search.trial_record import TrialRecord

# Ray Tune reads these when a run begins. Its loggers cost more than a short trial; its own snapshots hold nothing that
# the ledger lacks; a trial works in the driver's folder, where relative paths mean what the user meant.
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}


def execute(
    conductor: Conductor,
    trainable: type[tune.Trainable],
    make_config: Callable[[TrialRecord], dict[str, Any]],
    cluster: ClusterConfig,
    folder: Path,
) -> None:
    """Run trials until the conductor has no more, or stops, or the user presses Ctrl-C (twice: ``KeyboardInterrupt``).

    Args:
        conductor: hands out trials, takes reports, decides.
        trainable: class of the trials; its actors are reused.
        make_config: the trainable's configuration of a trial.
        cluster: resources of a trial.
        folder: for Ray Tune's own files; may be deleted afterwards.
    """
    with _environment(), _signals_restored():
        tune.run(
            trainable,
            name="tune",
            num_samples=-1,
            search_alg=LedgerSearcher(conductor, make_config),
            scheduler=LedgerScheduler(conductor),
            stop=SweepStopper(conductor),
            resources_per_trial={"cpu": cluster.cpus_per_trial, "gpu": cluster.gpu_share},
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


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Ray Tune leaves its own handlers behind, which would swallow the user's next Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
