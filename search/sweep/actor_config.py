"""What a trial's actor is told."""

from collections.abc import Callable
from typing import Any

from search.study.study import Study
from search.sweep.checkpoint_keeper import CheckpointKeeper
from search.sweep.fork_keeper import ForkKeeper
from search.sweep.model_keeper import ModelKeeper
from search.trials.trial_data import TrialData
from search.trials.trial_record import TrialRecord
from trainable.data.hold_out import Folds


def config_maker(
    study: Study,
    shards: TrialData,
    folds: Folds,
    keeper: ModelKeeper,
    checkpoints: CheckpointKeeper,
    forks: ForkKeeper | None,
) -> Callable[[TrialRecord], dict[str, Any]]:
    """Makes the configuration of `trainable.ray_adapter.TrialActor` for each trial of a study.

    Args:
        study: the study.
        shards: data of all trials.
        folds: attacks held out, a group a model.
        keeper: knows where models go.
        checkpoints: knows where checkpoints go.
        forks: knows what heirs go on from; none where there are none.
    """
    gpu_share = study.config.cluster.gpu_share

    def make_config(trial: TrialRecord) -> dict[str, Any]:
        fork = None if forks is None else forks.fork_of(trial)
        return {
            "trial": trial.attributes["config"],
            "seed": trial.seed,
            "shards": str(shards.folder.absolute()),
            "shard_set_id": shards.shard_set_id,
            "folds": folds,
            "device": study.config.cluster.device,
            "gpu_share": max(1.0, gpu_share) if trial.attributes.get("alone") else gpu_share,
            "num_threads": study.config.cluster.cpus_per_trial,
            "output": str(keeper.output_of(trial).absolute()),
            "checkpoint": str(checkpoints.folder_of(trial).absolute()),
            "reported": trial.samples_seen,
            "lineage": trial.attributes.get("lineage", []),
            "fork": None if fork is None else str(fork.absolute()),
            "trial_number": trial.number,
            "measures_latency": study.config.search.second_objective == "latency_ms",
        }

    return make_config
